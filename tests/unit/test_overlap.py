"""IoU losses against examples by hand, loops in NumPy and numerical gradients."""

import math

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from yolov3.training.overlap import box_overlap


def overlap_by_hand(box, truth, measure, alpha=None):
    """IoU, loss and alpha of two boxes (x, y, w, h), by the formulas of the papers; alpha is computed unless given."""
    left, top = max(box[0] - box[2] / 2, truth[0] - truth[2] / 2), max(box[1] - box[3] / 2, truth[1] - truth[3] / 2)
    right, bottom = min(box[0] + box[2] / 2, truth[0] + truth[2] / 2), min(box[1] + box[3] / 2, truth[1] + truth[3] / 2)
    shared = max(right - left, 0) * max(bottom - top, 0)
    union = box[2] * box[3] + truth[2] * truth[3] - shared
    iou = shared / union
    width = max(box[0] + box[2] / 2, truth[0] + truth[2] / 2) - min(box[0] - box[2] / 2, truth[0] - truth[2] / 2)
    height = max(box[1] + box[3] / 2, truth[1] + truth[3] / 2) - min(box[1] - box[3] / 2, truth[1] - truth[3] / 2)
    if measure == "giou":
        return iou, 1 - (iou - (width * height - union) / (width * height)), None
    distance = ((box[0] - truth[0]) ** 2 + (box[1] - truth[1]) ** 2) / (width**2 + height**2)
    v = 4 / math.pi**2 * (math.atan(truth[2] / truth[3]) - math.atan(box[2] / box[3])) ** 2
    alpha = v / (1 - iou + v) if alpha is None else alpha
    return iou, 1 - (iou - distance - alpha * v), alpha


def ours(boxes, truths, measure):
    arrays = [np.array(part, np.float32) for part in (boxes[:, :2], boxes[:, 2:], truths[:, :2], truths[:, 2:])]
    return [value.asnumpy() for value in box_overlap(*map(Tensor, arrays), measure)]


def random_boxes(seed, count=40):
    """Boxes that overlap their truth in all degrees, also not at all."""
    rng = np.random.default_rng(seed)
    truths = np.concatenate([rng.uniform(0, 20, (count, 2)), rng.uniform(0.5, 8, (count, 2))], axis=1)
    boxes = truths * rng.uniform(0.7, 1.4, truths.shape)
    boxes[::4, :2] += 10
    return boxes, truths


def test_two_squares_worked_out_by_hand():
    """Side 2, one to the right by 1: they share 2 of 6. Then by 4: nothing, with a gap of 4 in 12."""
    boxes = np.array([[1.0, 1, 2, 2], [5, 1, 2, 2], [1, 1, 2, 2]])
    truths = np.array([[2.0, 1, 2, 2], [1, 1, 2, 2], [1, 1, 2, 2]])
    iou, loss = ours(boxes, truths, "giou")
    np.testing.assert_allclose(iou, [1 / 3, 0, 1], atol=1e-6)
    np.testing.assert_allclose(loss, [2 / 3, 1 + 4 / 12, 0], atol=1e-6)
    iou, loss = ours(boxes, truths, "ciou")
    np.testing.assert_allclose(loss, [2 / 3 + 1 / 13, 1 + 16 / 40, 0], atol=1e-6)


@pytest.mark.parametrize("measure", ["giou", "ciou"])
def test_random_boxes_as_in_the_papers(measure):
    boxes, truths = random_boxes(1)
    expected = np.array([overlap_by_hand(*pair, measure)[:2] for pair in zip(boxes, truths, strict=True)])
    np.testing.assert_allclose(np.stack(ours(boxes, truths, measure), axis=1), expected, rtol=1e-4, atol=1e-5)
    assert (expected[:, 0] == 0).any() and (expected[:, 0] > 0.7).any()


@pytest.mark.parametrize("measure", ["giou", "ciou"])
def test_gradients_equal_differences(measure):
    """Alpha of CIoU has no gradient, as its paper says."""
    boxes, truths = random_boxes(2)

    def total_loss(center, size):
        return box_overlap(center, size, *rest, measure)[1].sum()

    rest = [Tensor(truths[:, :2].astype(np.float32)), Tensor(truths[:, 2:].astype(np.float32))]
    parts = [Tensor(boxes[:, :2].astype(np.float32)), Tensor(boxes[:, 2:].astype(np.float32))]
    gradient = np.concatenate(
        [one.asnumpy() for one in mindspore.grad(total_loss, grad_position=(0, 1))(*parts)], axis=1
    )
    expected = np.zeros_like(boxes)
    for row, (box, truth) in enumerate(zip(boxes, truths, strict=True)):
        alpha = overlap_by_hand(box, truth, measure)[2]
        for column in range(4):
            step = np.zeros(4)
            step[column] = 1e-6
            high, low = (overlap_by_hand(box + sign * step, truth, measure, alpha)[1] for sign in (1, -1))
            expected[row, column] = (high - low) / 2e-6
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("measure", ["giou", "ciou"])
def test_a_box_without_an_area_is_finite(measure):
    for value in ours(np.zeros((1, 4)), np.zeros((1, 4)), measure):
        assert np.isfinite(value).all()
