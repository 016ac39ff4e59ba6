"""Match detections with true boxes at one IoU, as the COCO evaluation does."""

from dataclasses import dataclass

import numpy as np
from hotcoco.primitives import bbox_iou

from yolov3.evaluation.true_boxes import TrueBoxes

# Of a class and image; the COCO evaluation takes no more.
MAX_DETECTIONS = 100
# What a detection matches instead of a true box.
UNMATCHED, ON_CROWD = -1, -2


@dataclass(frozen=True)
class Matches:
    """What became of detections.

    Attributes:
        is_correct: bool [M], detections that match a true box.
        is_ignored: bool [M], detections on a crowd, or beyond the 100 best of a class in an image.
    """

    is_correct: np.ndarray
    is_ignored: np.ndarray


def match_detections(truth: TrueBoxes, rows: np.ndarray, min_iou: float) -> Matches:
    """Match detections, the best of an image first, each with the free true box of its class of the largest IoU.

    Args:
        truth: the true boxes.
        rows: float64 [M, 7], see `coco_results.coco_rows`.
        min_iou: smallest IoU of a match. For a crowd, which any number of detections may match, the share of the
            detection that lies in it.
    """
    matches = Matches(np.zeros(len(rows), bool), _is_beyond_limit(rows))
    by_image = np.lexsort((-rows[:, 5], rows[:, 0]))
    # Crowds last, because a detection prefers an object.
    truth_by_image = np.lexsort((truth.is_crowd, truth.image_index))
    images = np.unique(truth.image_index)
    detection_bounds, truth_bounds = (
        np.stack([np.searchsorted(sorted_images, images, side) for side in ("left", "right")], axis=1).tolist()
        for sorted_images in (rows[by_image, 0], truth.image_index[truth_by_image])
    )
    for (first, last), (first_true, last_true) in zip(detection_bounds, truth_bounds, strict=True):
        of_image, true = by_image[first:last], truth_by_image[first_true:last_true]
        of_image = of_image[~matches.is_ignored[of_image]]
        if len(of_image):
            overlap = bbox_iou(rows[of_image, 1:5], truth.boxes_xywh[true], truth.is_crowd[true])
            overlap[rows[of_image, 6, None] != truth.labels[true]] = 0
            matched = match_image(overlap, int((~truth.is_crowd[true]).sum()), min_iou)
            matches.is_correct[of_image] = matched >= 0
            matches.is_ignored[of_image] = matched == ON_CROWD
    return matches


def match_image(overlap: np.ndarray, objects: int, min_iou: float) -> np.ndarray:
    """Return which true box each detection of an image matches, int64 [D], or UNMATCHED or ON_CROWD.

    Args:
        overlap: [D, G], that of the detections, the best first, with the true boxes, crowds last; 0 for those of other
            classes. Changed: matched boxes get 0.
        objects: number of true boxes that are not crowds.
        min_iou: smallest overlap of a match.
    """
    matched = np.full(len(overlap), UNMATCHED)
    for row in np.flatnonzero((overlap >= min_iou).any(axis=1)).tolist():
        # Of equal overlaps the last one counts, as in pycocotools.
        best = objects - 1 - int(overlap[row, :objects][::-1].argmax()) if objects else 0
        if objects and overlap[row, best] >= min_iou:
            matched[row] = best
            overlap[:, best] = 0
        elif (overlap[row, objects:] >= min_iou).any():
            matched[row] = ON_CROWD
    return matched


def _is_beyond_limit(rows: np.ndarray) -> np.ndarray:
    order = np.lexsort((-rows[:, 5], rows[:, 6], rows[:, 0]))
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (np.diff(rows[order][:, [0, 6]], axis=0) != 0).any(axis=1)
    place = np.arange(len(rows))
    beyond = np.zeros(len(rows), bool)
    beyond[order] = place - np.maximum.accumulate(np.where(is_first, place, 0)) >= MAX_DETECTIONS
    return beyond
