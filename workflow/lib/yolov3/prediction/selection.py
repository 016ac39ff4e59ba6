"""Which detections of an image are kept: those of chosen classes, and of them the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolov3.boxes import Detections
from yolov3.errors import InputError
from yolov3.files import read_json

# Where no better one is known.
DEFAULT_SCORE = 0.3


@dataclass(frozen=True)
class Selection:
    """A choice of detections.

    Attributes:
        labels: indices of the classes to keep; () keeps all.
        max_detections: maximum number of detections per image; 0 keeps all.
        min_scores: minimum score of each class; () keeps all.
    """

    labels: tuple[int, ...] = ()
    max_detections: int = 0
    min_scores: tuple[float, ...] = ()

    def of(self, detections: Detections) -> Detections:
        """Return the chosen ones of an image's detections, which are in descending order of score."""
        kept = np.isin(detections.labels, self.labels) if self.labels else np.ones(len(detections), bool)
        if self.min_scores:
            kept &= detections.scores >= np.array(self.min_scores, detections.scores.dtype)[detections.labels]
        indices = np.flatnonzero(kept)[: self.max_detections or None]
        return Detections(detections.boxes_xyxy[indices], detections.scores[indices], detections.labels[indices])


def min_scores_of(metrics: Path, class_names: Sequence[str]) -> tuple[float, ...]:
    """Return the score of the best F1 of each class from the metrics.json of an evaluation.

    A class without a correct detection gets that of all classes together, DEFAULT_SCORE if there is none.

    Raises:
        InputError: the file is missing, has no analysis, or is of other classes.
    """
    try:
        analysis = read_json(metrics, "metrics file")["analysis"]
        points = analysis["class_thresholds"]
        overall = float(analysis["threshold"]["score"]) if analysis["threshold"] else DEFAULT_SCORE
        return tuple(float(points[name]["score"]) if points[name] else overall for name in class_names)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"metrics file {metrics} has no thresholds of the model's classes ({type(error).__name__}: {error}): give "
            "that of an evaluation of this model"
        ) from None


def labels_of(names: Sequence[str], class_names: Sequence[str]) -> tuple[int, ...]:
    """Return the labels of classes given by name.

    Raises:
        InputError: the model has no class of a name.
    """
    for name in names:
        if name not in class_names:
            raise InputError(f"the model has no class {name!r}: choose from {', '.join(class_names)}")
    return tuple(sorted({list(class_names).index(name) for name in names}))
