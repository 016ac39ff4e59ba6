"""Targets of the loss: the prediction responsible for each box, and its values (arXiv:1804.02767, section 2.1)."""

from dataclasses import dataclass

import numpy as np

from yolov3.boxes import shape_iou, xyxy_to_cxcywh
from yolov3.network.grid import InputSize, encode_boxes, predictions_per_stride
from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES, AnchorSize


@dataclass(frozen=True)
class ImageTargets:
    """Targets of one image, padded to K boxes and M pairs of box and prediction; P is the number of predictions.

    Attributes:
        boxes_xyxy: float32 [K, 4] all ground truth in 0..1 of the input, zeros for padding.
        prediction: int32 [M] index of the responsible prediction, 0 for padding.
        responsible: float32 [M] 1 for a box that trains its prediction, 0 for padding and for a box whose prediction
            is also that of a later pair.
        offset_xy: float32 [M, 2] centre within its cell, 0..1.
        log_size_wh: float32 [M, 2] log(box size / anchor size).
        size_weight: float32 [M] 2 - w * h, a higher weight for small boxes.
        label: int32 [M] class index.
        objectness: float32 [P] 1 at responsible predictions.
    """

    boxes_xyxy: np.ndarray
    prediction: np.ndarray
    responsible: np.ndarray
    offset_xy: np.ndarray
    log_size_wh: np.ndarray
    size_weight: np.ndarray
    label: np.ndarray
    objectness: np.ndarray


def assign_targets(
    boxes_xyxy: np.ndarray,
    labels: np.ndarray,
    input_size: InputSize,
    anchors: tuple[AnchorSize, ...],
    max_box: int,
    assignment_iou: float = 1.0,
) -> ImageTargets:
    """Assign each box to the anchor with the best shape IoU, in the cell of its centre at the stride of that anchor.

    Args:
        boxes_xyxy: float [N, 4] in pixels of the network input, width and height above 0, inside the input.
        labels: int [N] class indices.
        input_size: (height, width) of the network input in pixels.
        anchors: nine (width, height) in pixels of the input.
        max_box: K; further boxes are ignored.
        assignment_iou: a box is also assigned to the other anchors with a shape IoU above this. Below 1, M is K times
            the number of anchors, else K.
    """
    boxes_xyxy, labels = boxes_xyxy[:max_box], labels[:max_box]
    height, width = input_size
    boxes_cxcywh = xyxy_to_cxcywh(boxes_xyxy.astype(np.float64))
    anchor_sizes = np.array(anchors, dtype=np.float64)

    overlaps = shape_iou(boxes_cxcywh[:, 2:], anchor_sizes)
    best_anchor = overlaps.argmax(axis=1)
    is_further = overlaps > assignment_iou
    is_further[np.arange(len(labels)), best_anchor] = False
    further_box, further_anchor = np.nonzero(is_further)
    # Best pairs come last, so that no further pair takes their prediction.
    box = np.concatenate([further_box, np.arange(len(labels))])
    anchor = np.concatenate([further_anchor, best_anchor])
    count, max_pairs = len(box), max_box * (1 if assignment_iou >= 1 else len(anchors))

    stride_index, anchor_in_stride = np.divmod(anchor, ANCHORS_PER_STRIDE)
    strides = np.array(STRIDES)[stride_index]
    columns, rows = width // strides, height // strides
    # A centre on the right or bottom border belongs to the last cell.
    column = np.minimum((boxes_cxcywh[box, 0] / strides).astype(np.int64), columns - 1)
    row = np.minimum((boxes_cxcywh[box, 1] / strides).astype(np.int64), rows - 1)
    grid = np.concatenate([np.stack([column, row, 1 / strides, 1 / strides], axis=1), anchor_sizes[anchor]], axis=1)
    encoded = encode_boxes(boxes_cxcywh[box], grid)

    per_stride = predictions_per_stride(input_size)
    first = np.concatenate([[0], np.cumsum(per_stride)])[stride_index]
    prediction = first + (row * columns + column) * ANCHORS_PER_STRIDE + anchor_in_stride

    # If several pairs have the same prediction, the last one trains it.
    _, last_from_end = np.unique(prediction[::-1], return_index=True)
    responsible = np.zeros(count, np.float32)
    responsible[count - 1 - last_from_end] = 1
    objectness = np.zeros(sum(per_stride), np.float32)
    objectness[prediction] = 1

    def padded(values: np.ndarray, dtype: type, length: int = max_pairs) -> np.ndarray:
        result: np.ndarray = np.zeros((length, *values.shape[1:]), dtype)
        result[: len(values)] = values
        return result

    return ImageTargets(
        boxes_xyxy=padded(boxes_xyxy / (width, height, width, height), np.float32, max_box),
        prediction=padded(prediction, np.int32),
        responsible=padded(responsible, np.float32),
        offset_xy=padded(encoded[:, :2], np.float32),
        log_size_wh=padded(encoded[:, 2:], np.float32),
        size_weight=padded(2 - (boxes_cxcywh[box, 2:] / (width, height)).prod(axis=1), np.float32),
        label=padded(labels[box], np.int32),
        objectness=objectness,
    )
