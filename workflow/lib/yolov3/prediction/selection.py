"""Which detections of an image are kept: those of chosen classes, and of them the best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolov3.boxes import Detections
from yolov3.errors import InputError


@dataclass(frozen=True)
class Selection:
    """A choice of detections.

    Attributes:
        labels: indices of the classes to keep; () keeps all.
        max_detections: maximum number of detections per image; 0 keeps all.
    """

    labels: tuple[int, ...] = ()
    max_detections: int = 0

    def of(self, detections: Detections) -> Detections:
        """Return the chosen ones of an image's detections, which are in descending order of score."""
        kept = np.isin(detections.labels, self.labels) if self.labels else np.ones(len(detections), bool)
        indices = np.flatnonzero(kept)[: self.max_detections or None]
        return Detections(detections.boxes_xyxy[indices], detections.scores[indices], detections.labels[indices])


def labels_of(names: Sequence[str], class_names: Sequence[str]) -> tuple[int, ...]:
    """Return the labels of classes given by name.

    Raises:
        InputError: the model has no class of a name.
    """
    for name in names:
        if name not in class_names:
            raise InputError(f"the model has no class {name!r}: choose from {', '.join(class_names)}")
    return tuple(sorted({list(class_names).index(name) for name in names}))
