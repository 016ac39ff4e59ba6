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


@pytest.mark.parametrize(("count", "classes"), [(300, 1), (300, 5), (500, 80), (1, 3)])
def test_equals_the_definition(count, classes):
    rng = np.random.default_rng(count + classes)
    top_left = rng.uniform(0, 80, (count, 2))
    boxes = np.concatenate([top_left, top_left + rng.uniform(5, 60, (count, 2))], axis=1).astype(np.float32)
    scores = rng.random(count).astype(np.float32)
    scores[: count // 4] = 0.5
    labels = rng.integers(0, classes, count)
    expected = greedy(boxes, scores, labels, 0.5)
    assert class_wise_nms(boxes, scores, labels, 0.5).tolist() == expected
    if count > 1 and classes < 80:
        assert len(expected) < count


def test_nothing_in_nothing_out():
    assert class_wise_nms(np.zeros((0, 4)), np.zeros(0, np.float32), np.zeros(0, int), 0.5).shape == (0,)
