"""Boxes in NumPy: conversion between formats, overlap, and the detections of an image.

Names give the format: xyxy is two corners, xywh is left, top, width, height (COCO), cxcywh is centre, width, height.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """Detections of one image, in descending order of score; float32 from a network, float64 from a results file.

    Attributes:
        boxes_xyxy: float [M, 4] in pixels of the original image, clipped to it.
        scores: float [M] in 0..1.
        labels: int64 [M] class indices.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def with_score(self, min_score: float) -> "Detections":
        """Return the detections with at least a score."""
        count = int((self.scores >= min_score).sum())
        return Detections(self.boxes_xyxy[:count], self.scores[:count], self.labels[:count])

    def only(self, kept: np.ndarray) -> "Detections":
        """Return the detections at the indices or, as booleans, the positions `kept`."""
        return Detections(self.boxes_xyxy[kept], self.scores[kept], self.labels[kept])

    def first_of_equal_boxes(self) -> np.ndarray:
        """Return whether each detection is the best of those with its very box, bool [K]."""
        is_first = np.zeros(len(self), bool)
        is_first[np.unique(self.boxes_xyxy, axis=0, return_index=True)[1]] = True
        return is_first


def xywh_to_xyxy(boxes_xywh: np.ndarray) -> np.ndarray:
    """Convert [..., 4] (left, top, width, height) to (left, top, right, bottom)."""
    return np.concatenate([boxes_xywh[..., :2], boxes_xywh[..., :2] + boxes_xywh[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Convert [..., 4] (left, top, right, bottom) to (left, top, width, height)."""
    return np.concatenate([boxes_xyxy[..., :2], boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]], axis=-1)


def xyxy_to_cxcywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Convert [..., 4] (left, top, right, bottom) to (centre x, centre y, width, height)."""
    top_left, bottom_right = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return np.concatenate([(top_left + bottom_right) / 2, bottom_right - top_left], axis=-1)


def cxcywh_to_xyxy(boxes_cxcywh: np.ndarray) -> np.ndarray:
    """Convert [..., 4] (centre x, centre y, width, height) to (left, top, right, bottom)."""
    half = boxes_cxcywh[..., 2:] / 2
    return np.concatenate([boxes_cxcywh[..., :2] - half, boxes_cxcywh[..., :2] + half], axis=-1)


def clip_xyxy(boxes_xyxy: np.ndarray, width: float, height: float) -> np.ndarray:
    """Clip [..., 4] corners to an image of `width` x `height` pixels."""
    return np.clip(boxes_xyxy, 0, np.array([width, height, width, height], dtype=boxes_xyxy.dtype))


def pairwise_iou(boxes_xyxy: np.ndarray, others_xyxy: np.ndarray) -> np.ndarray:
    """Return the IoU of all pairs of boxes: [M, 4] and [K, 4] give [M, K]; 0 where the union is empty."""
    top_left = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    bottom_right = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    intersection = np.clip(bottom_right - top_left, 0, None).prod(axis=-1)
    area = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=-1)
    other_area = (others_xyxy[:, 2:] - others_xyxy[:, :2]).prod(axis=-1)
    union = area[:, None] + other_area[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def shape_iou(sizes_wh: np.ndarray, others_wh: np.ndarray) -> np.ndarray:
    """Return the IoU of all pairs of sizes, as of boxes with the same centre: [M, 2] and [K, 2] give [M, K]."""
    # NumPy's prod over an axis of length 2 is slow.
    widths, heights = (np.minimum(sizes_wh[:, None, axis], others_wh[None, :, axis]) for axis in (0, 1))
    intersection = widths * heights
    union = sizes_wh.prod(axis=-1)[:, None] + others_wh.prod(axis=-1)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
