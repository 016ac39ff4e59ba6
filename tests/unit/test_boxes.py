import numpy as np
import pytest

from yolov3 import boxes


def random_boxes_xyxy(count, seed=0):
    rng = np.random.default_rng(seed)
    top_left = rng.uniform(0, 100, (count, 2))
    return np.concatenate([top_left, top_left + rng.uniform(1, 50, (count, 2))], axis=1)


def test_formats_there_and_back():
    boxes_xyxy = random_boxes_xyxy(10)
    np.testing.assert_allclose(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(boxes_xyxy)), boxes_xyxy)
    np.testing.assert_allclose(boxes.cxcywh_to_xyxy(boxes.xyxy_to_cxcywh(boxes_xyxy)), boxes_xyxy)


def test_iou_against_pycocotools():
    from pycocotools import mask

    mine, others = random_boxes_xyxy(12, 1), random_boxes_xyxy(9, 2)
    expected = mask.iou(boxes.xyxy_to_xywh(mine), boxes.xyxy_to_xywh(others), [0] * 9)
    np.testing.assert_allclose(boxes.pairwise_iou(mine, others), expected, atol=1e-12)


def test_iou_of_empty_boxes_is_zero():
    empty = np.zeros((1, 4))
    assert boxes.pairwise_iou(empty, empty)[0, 0] == 0


def test_shape_iou_by_hand():
    assert boxes.shape_iou(np.array([[2.0, 3.0]]), np.array([[4.0, 1.0]]))[0, 0] == pytest.approx(2 / (6 + 4 - 2))
