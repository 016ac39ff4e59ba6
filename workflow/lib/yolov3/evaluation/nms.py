"""Class-wise greedy non-maximum suppression."""

from typing import Any

import cv2
import numpy as np

from yolov3.boxes import xyxy_to_xywh


def class_wise_nms(boxes_xyxy: np.ndarray, scores: np.ndarray, labels: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Return the indices of the boxes to keep, int64, best first; of equal scores the earlier index wins.

    Each class is sorted once and suppressed by OpenCV's compiled greedy loop; suppressing all classes in one call by
    shifted coordinates compares every pair of boxes and is many times slower.

    Args:
        boxes_xyxy: float [M, 4], any unit.
        scores: float32 [M], at least 0.
        labels: int [M] class indices.
        iou_threshold: a box is dropped if it overlaps a better one of its class by more than this.
    """
    if not len(scores):
        return np.zeros(0, np.int64)
    order = np.argsort(labels, kind="stable")
    # OpenCV takes arrays here, though its type stubs ask for sequences.
    boxes_xywh: Any = xyxy_to_xywh(boxes_xyxy[order].astype(np.float64))
    sorted_scores: Any = scores[order]
    first = np.flatnonzero(np.diff(labels[order], prepend=-1))
    kept = [
        start
        + np.asarray(cv2.dnn.NMSBoxes(boxes_xywh[start:end], sorted_scores[start:end], 0.0, iou_threshold), np.int64)
        for start, end in zip(first, np.append(first[1:], len(order)), strict=True)
    ]
    indices = order[np.concatenate(kept)]
    return indices[np.lexsort((indices, -scores[indices]))]
