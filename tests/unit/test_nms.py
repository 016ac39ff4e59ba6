import numpy as np
import pytest

from yolov3.boxes import pairwise_iou
from yolov3.evaluation.nms import class_wise_nms


def greedy(boxes_xyxy, scores, labels, threshold):
    """The definition, one box at a time."""
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        rivals = [k for k in kept if labels[k] == labels[index]]
        if not rivals or pairwise_iou(boxes_xyxy[[index]], boxes_xyxy[rivals]).max() <= threshold:
            kept.append(index)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize(("count", "classes"), [(300, 1), (300, 5), (500, 80), (1, 3)])
def test_equals_the_definition(count, classes, threshold):
    rng = np.random.default_rng(count + classes)
    top_left = rng.uniform(0, 80, (count, 2))
    boxes = np.concatenate([top_left, top_left + rng.uniform(5, 60, (count, 2))], axis=1).astype(np.float32)
    scores = rng.random(count).astype(np.float32)
    scores[: count // 4] = 0.5
    labels = rng.integers(0, classes, count)
    expected = greedy(boxes, scores, labels, threshold)
    assert class_wise_nms(boxes, scores, labels, threshold).tolist() == expected
    if count > 1 and classes < 80:
        assert len(expected) < count


@pytest.mark.parametrize(
    ("threshold", "kept"), [(0.1, [1]), (0.2, [1, 2]), (0.35, [1, 3]), (0.6, [1, 3]), (0.7, [1, 0, 3, 2])]
)
def test_the_threshold_is_the_largest_overlap_kept(threshold, kept):
    # 10 x 10 px: two boxes 2 px apart overlap by 80 / 120 = 2 / 3, two 5 px apart by 50 / 150 = 1 / 3; the fourth box
    # lies 5 px beside the second, and 3 px beside the first (70 / 130 = 0.54); the third lies 7 px beside
    # the second (30 / 170 = 0.18) and 2 px beside the fourth.
    boxes = np.array([[2, 0, 12, 10], [0, 0, 10, 10], [7, 0, 17, 10], [5, 0, 15, 10]], np.float32)
    scores = np.array([0.8, 0.9, 0.3, 0.5], np.float32)
    found = class_wise_nms(boxes, scores, np.array([1, 1, 1, 1]), threshold).tolist()
    assert found == kept


def test_classes_do_not_suppress_each_other():
    boxes = np.array([[0, 0, 10, 10]] * 3, np.float32)
    kept = class_wise_nms(boxes, np.array([0.2, 0.9, 0.5], np.float32), np.array([4, 1, 1]), 0.5)
    assert kept.tolist() == [1, 0]


def test_a_score_of_zero_is_no_detection():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    assert class_wise_nms(boxes, np.array([0, 0.5], np.float32), np.array([0, 3]), 0.5).tolist() == [1]
    assert class_wise_nms(boxes, np.array([0, 0.5], np.float32), np.array([3, 3]), 0.5).tolist() == [1]


def test_nothing_in_nothing_out():
    kept = class_wise_nms(np.zeros((0, 4)), np.zeros(0, np.float32), np.zeros(0, int), 0.5)
    assert (kept.shape, kept.dtype) == ((0,), np.int64)
