"""Settings of a network, with which checkpoints and exports are built again, and its normalisation of pixels."""

# Python 3.9 (quantization for Ascend) cannot evaluate `int | None`.
from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class MeanStd:
    """Normalisation (x / 255 - mean) / std per channel, in RGB order."""

    mean_rgb: tuple[float, float, float]
    std_rgb: tuple[float, float, float]


NORMALISATIONS = {
    # Mean and standard deviation of ImageNet, as in the original code.
    "imagenet": MeanStd((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # x / 255 only, as in Darknet.
    "unit": MeanStd((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}

STRIDES = (8, 16, 32)
ANCHORS_PER_STRIDE = 3

AnchorSize = tuple[float, float]


@dataclass(frozen=True)
class NetworkSettings:
    """Settings that change the parameters or the output of the network.

    Attributes:
        backbone_shape: output channels of the five residual stages; the root convolution has half of the first.
        backbone_layers: residual blocks in each stage.
        anchors: nine (width, height) in pixels of the network input, three for each of strides 8, 16, 32.
        class_names: names of the classes in the order of the class logits.
        category_ids: COCO category ids of the classes in the same order; empty if the data set is not known.
        compatibility: "darknet", or "modelzoo" for checkpoints made by the original model zoo code (ReLU in the
            backbone, "same" padding).
        batch_norm_momentum: share of the running statistics kept in each training step (Darknet: 0.99).
        normalisation: normalisation of the pixels, a key of `NORMALISATIONS`.
        testing_shape: height and width of the input in evaluations, in pixels; None if not known.
        letterbox: whether images keep their aspect ratio in evaluations; None if not known.
    """

    backbone_shape: tuple[int, ...]
    backbone_layers: tuple[int, ...]
    anchors: tuple[AnchorSize, ...]
    class_names: tuple[str, ...]
    compatibility: str = "darknet"
    batch_norm_momentum: float = 0.99
    category_ids: tuple[int, ...] = ()
    normalisation: str = "imagenet"
    testing_shape: int | None = None
    letterbox: bool | None = None

    @property
    def mean_std(self) -> MeanStd:
        """Mean and standard deviation of `normalisation`."""
        return NORMALISATIONS[self.normalisation]

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @property
    def values_per_anchor(self) -> int:
        """Number of values of a prediction: box (4), objectness (1) and class logits (C)."""
        return 5 + self.num_classes

    def to_json(self) -> str:
        """Return the settings as JSON text, as stored in checkpoints and exports."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> NetworkSettings:
        """Build settings from JSON values, which have lists instead of tuples; other keys are ignored.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: a value is missing or not one of a network.
        """
        optional = ("category_ids", "normalisation", "testing_shape", "letterbox")
        names = [field.name for field in fields(cls) if field.name in values or field.name not in optional]
        given: dict[str, Any] = {
            name: tuple(values[name]) if isinstance(values[name], list) else values[name] for name in names
        }
        given["anchors"] = tuple((float(width), float(height)) for width, height in values["anchors"])
        settings = cls(**given)
        settings._check()
        return settings

    def _check(self) -> None:
        """Raise ValueError if the settings are not those of a network, as in a damaged checkpoint."""
        checks = {
            "backbone_shape": [_is_integer(channels, 2) for channels in self.backbone_shape],
            "backbone_layers": [_is_integer(blocks, 1) for blocks in self.backbone_layers],
            "anchors": [0 < side < math.inf for anchor in self.anchors for side in anchor],
            "class_names": [isinstance(name, str) for name in self.class_names],
            "category_ids": [_is_integer(number) for number in self.category_ids],
            "compatibility": [self.compatibility in ("darknet", "modelzoo")],
            "batch_norm_momentum": [0 <= self.batch_norm_momentum <= 1],
            "normalisation": [self.normalisation in NORMALISATIONS],
            "testing_shape": [self.testing_shape is None or _is_integer(self.testing_shape, STRIDES[-1])],
            "letterbox": [self.letterbox in (None, False, True)],
        }
        for name, are_right in checks.items():
            if not all(are_right):
                raise ValueError(f"{name} is {getattr(self, name)!r}")
        if len(self.anchors) != len(STRIDES) * ANCHORS_PER_STRIDE:
            raise ValueError(f"{len(self.anchors)} anchors")
        if len(self.category_ids) not in (0, self.num_classes):
            raise ValueError(f"{len(self.category_ids)} category_ids for {self.num_classes} classes")


def _is_integer(value: Any, minimum: float = -math.inf) -> bool:
    return isinstance(value, int) and value >= minimum
