"""How pixel values become network input: one meaning for training, evaluation, calibration and deployment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeanStd:
    """The network sees (x / 255 - mean) / std, per channel in RGB order."""

    mean_rgb: tuple[float, float, float]
    std_rgb: tuple[float, float, float]


NORMALISATIONS = {
    # ImageNet's, as in the original code.
    "imagenet": MeanStd((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # x / 255 only, as in Darknet.
    "unit": MeanStd((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
