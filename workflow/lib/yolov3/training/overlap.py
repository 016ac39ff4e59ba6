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
    difference, half, true_half = center - true_center, size * 0.5, true_size * 0.5
    # Along each axis the overlap, negative for a gap. Few operations: on a CPU each costs more than its arithmetic.
    overlap = ops.minimum(difference + half, true_half) - ops.maximum(difference - half, -true_half)
    around = size + true_size - overlap

    width, height = ops.unbind(size, 1)
    true_width, true_height = ops.unbind(true_size, 1)
    shared_width, shared_height = ops.unbind(ops.relu(overlap), 1)
    intersection = shared_width * shared_height
    union = width * height + true_width * true_height - intersection
    iou = intersection / (union + EPSILON)
    if measure == GIOU:
        around_width, around_height = ops.unbind(around, 1)
        enclosing = around_width * around_height
        return iou, 1 - iou + (enclosing - union) / (enclosing + EPSILON)
    distance = ops.square(difference).sum(axis=-1) / (ops.square(around).sum(axis=-1) + EPSILON)
    angle = ops.atan(width / (height + EPSILON)) - ops.atan(true_width / (true_height + EPSILON))
    aspect = (2 / math.pi) ** 2 * ops.square(angle)
    alpha = ops.stop_gradient(aspect / (1 - iou + aspect + EPSILON))
    return iou, 1 - iou + distance + alpha * aspect
