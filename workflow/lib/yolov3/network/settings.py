"""The shape of a network, all that is needed to build it again, and what it sees of a pixel."""

# Python 3.9 cannot evaluate `int | None`.
from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


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

STRIDES = (8, 16, 32)
ANCHORS_PER_STRIDE = 3

AnchorSize = tuple[float, float]


@dataclass(frozen=True)
class NetworkSettings:
    """Settings that change the parameters or the output of the network.

    Attributes:
        backbone_shape: output channels of the five residual stages; the root convolution has half of the first.
        backbone_layers: residual blocks in each stage.
        anchors: nine (width, height) in pixels of the network input, three for each of the strides 8, 16, 32.
        class_names: names of the classes in the order of the class logits.
        category_ids: COCO category ids of the classes in the same order; empty where the data set is not known.
        compatibility: "darknet", or "modelzoo" for checkpoints made by the original model zoo code (ReLU in the
            backbone, "same" padding).
        batch_norm_momentum: share of the running statistics that a training step keeps (Darknet: 0.99).
        normalisation: what the network sees of a pixel, a key of `NORMALISATIONS`.
        testing_shape: height and width in pixels of the input that the network is evaluated with; None if not known.
        letterbox: whether images then keep their aspect ratio and are padded; None if not known.
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
        """Mean and deviation of `normalisation`."""
        return NORMALISATIONS[self.normalisation]

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @property
    def values_per_anchor(self) -> int:
        """Box (4), objectness (1) and class logits (C)."""
        return 5 + self.num_classes

    def anchors_of(self, stride: int) -> tuple[AnchorSize, ...]:
        """Return the three anchors (width, height in input pixels) of a stride."""
        first = STRIDES.index(stride) * ANCHORS_PER_STRIDE
        return self.anchors[first : first + ANCHORS_PER_STRIDE]

    def to_json(self) -> str:
        """Return the settings as JSON text, as checkpoints and exports carry them."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> NetworkSettings:
        """Read settings that `to_json` wrote."""
        return cls.from_values(json.loads(text))

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> NetworkSettings:
        """Build settings from JSON values (lists in place of tuples)."""
        return cls(
            backbone_shape=tuple(values["backbone_shape"]),
            backbone_layers=tuple(values["backbone_layers"]),
            anchors=tuple((float(width), float(height)) for width, height in values["anchors"]),
            class_names=tuple(values["class_names"]),
            compatibility=values["compatibility"],
            batch_norm_momentum=values["batch_norm_momentum"],
            category_ids=tuple(values.get("category_ids", ())),
            normalisation=values.get("normalisation", "imagenet"),
            testing_shape=values.get("testing_shape"),
            letterbox=values.get("letterbox"),
        )
