"""IoU of predicted and true boxes in MindSpore, and the box losses that are built on it."""

import math

from mindspore import Tensor, ops

GIOU, CIOU = "giou", "ciou"
# Keeps quotients finite; boxes are measured in grid cells.
EPSILON = 1e-9


def box_overlap(
    center: Tensor, size: Tensor, true_center: Tensor, true_size: Tensor, measure: str = GIOU
) -> tuple[Tensor, Tensor]:
    """Return the IoU of pairs of boxes, 0..1, and their loss 1 - GIoU (0..2) or 1 - CIoU, both float32 [M].

    GIoU is IoU - (c - u) / c, with the areas c of the smallest box around both and u of their union (arXiv:1902.09630).
    CIoU is IoU - d^2 / e^2 - alpha * v, with the distance d of the centres, the diagonal e of the smallest box around
    both, v = (2 / pi * (atan(w' / h') - atan(w / h)))^2 and alpha = v / (1 - IoU + v), which has no gradient
    (arXiv:1911.08287, section 3).

    Args:
        center, size: predicted centres (x, y) and sizes (width, height), float32 [M, 2], both axes in the same unit.
        true_center, true_size: those of the ground truth.
        measure: "giou" or "ciou".
    """
    low, high = center - size * 0.5, center + size * 0.5
    true_low, true_high = true_center - true_size * 0.5, true_center + true_size * 0.5
    shared = ops.relu(ops.minimum(high, true_high) - ops.maximum(low, true_low))
    around = ops.maximum(high, true_high) - ops.minimum(low, true_low)

    intersection = _area(shared)
    union = _area(size) + _area(true_size) - intersection
    iou = intersection / (union + EPSILON)
    if measure == GIOU:
        enclosing = _area(around)
        return iou, 1 - iou + (enclosing - union) / (enclosing + EPSILON)
    distance = ops.square(center - true_center).sum(axis=-1) / (ops.square(around).sum(axis=-1) + EPSILON)
    difference = _angle(true_size) - _angle(size)
    aspect = (2 / math.pi) ** 2 * ops.square(difference)
    alpha = ops.stop_gradient(aspect / (1 - iou + aspect + EPSILON))
    return iou, 1 - iou + distance + alpha * aspect


def _area(size: Tensor) -> Tensor:
    return size[:, 0] * size[:, 1]


def _angle(size: Tensor) -> Tensor:
    return ops.atan(size[:, 0] / (size[:, 1] + EPSILON))
