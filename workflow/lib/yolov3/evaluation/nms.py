"""Class-wise greedy non-maximum suppression."""

from typing import Any

import cv2
import numpy as np

from yolov3.boxes import xyxy_to_xywh


def class_wise_nms(boxes_xyxy: np.ndarray, scores: np.ndarray, labels: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Return the indices of the boxes to keep, int64, in descending order of score, then ascending index.

    Each class is suppressed by OpenCV's compiled greedy loop. One call for all classes, with coordinates shifted by
    class, would compare all pairs of boxes and be many times slower.

    Args:
        boxes_xyxy: float [M, 4], any unit.
        scores: float32 [M], at least 0.
        labels: int [M] class indices.
        iou_threshold: IoU above which the lower-scored of two boxes of a class is dropped.
    """
    if not len(scores):
        return np.zeros(0, np.int64)
    order = np.argsort(labels, kind="stable")
    # OpenCV accepts arrays here, although its type stubs require sequences.
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
