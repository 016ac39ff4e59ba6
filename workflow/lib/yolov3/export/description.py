"""Describe an exported model for its runner in <model file>.json beside it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from yolov3.errors import InputError
from yolov3.files import read_json, write_json
from yolov3.network.grid import InputSize
from yolov3.network.settings import AnchorSize, MeanStd

FORMAT_VERSION = 1


@dataclass(frozen=True)
class ModelDescription:
    """Description of a model file; native310 reads it too.

    Attributes:
        input_size: (height, width) in pixels.
        batch_size: number of images per run.
        input_name: name of the input tensor, float32 [batch_size, 3, height, width] in the exported file.
        anchors: nine (width, height) in input pixels.
        class_names: names in the order of the class logits.
        category_ids: COCO category id of each class.
        letterbox: whether images keep their aspect ratio and are padded.
        keep_detect: whether the outputs are decoded (`DetectionDecoder`) instead of raw.
        mean_rgb, std_rgb: the input is (x / 255 - mean) / std.
        score_thresholds: score of the best F1 of each class on the validation images; None if it is not known.
    """

    input_size: InputSize
    batch_size: int
    input_name: str
    anchors: tuple[AnchorSize, ...]
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    letterbox: bool
    keep_detect: bool
    mean_rgb: tuple[float, float, float]
    std_rgb: tuple[float, float, float]
    score_thresholds: tuple[float, ...] | None = None

    @property
    def testing_shape(self) -> int:
        """Height of the input in pixels, equal to its width."""
        return self.input_size[0]

    @property
    def mean_std(self) -> MeanStd:
        """`mean_rgb` and `std_rgb`."""
        return MeanStd(self.mean_rgb, self.std_rgb)

    def write(self, model_path: Path) -> None:
        """Write the description of `model_path` atomically."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        write_json(description_path(model_path), {"format": FORMAT_VERSION, **values})

    @classmethod
    def read(cls, model_path: Path) -> "ModelDescription":
        """Read the description of a model file.

        Raises:
            InputError: it is missing or has another format version.
        """
        path = description_path(model_path)
        value = read_json(path, "model description")
        try:
            if value.pop("format") != FORMAT_VERSION:
                raise ValueError("another format version")
            lists = {name: tuple(entry) for name, entry in value.items() if isinstance(entry, list)}
            lists["anchors"] = tuple((width, height) for width, height in value["anchors"])
            description = cls(**{**value, **lists})
            description._check()
            return description
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"model description {path} is not one of this version ({type(error).__name__}: {error}): "
                "export the model again"
            ) from None

    def _check(self) -> None:
        """Raise ValueError if a number is beyond what native310 accepts."""
        ranges = {
            "anchors": (0.01, 4096, [side for anchor in self.anchors for side in anchor]),
            "mean_rgb": (0, 1, self.mean_rgb),
            "std_rgb": (0.001, 1, self.std_rgb),
        }
        for name, (lowest, highest, numbers) in ranges.items():
            if not all(lowest <= number <= highest for number in numbers):
                raise ValueError(f"{name} beyond {lowest} to {highest}")


def description_path(model_path: Path) -> Path:
    """Return the path of a model file's description."""
    return model_path.with_name(f"{model_path.name}.json")
