"""Targets against a worked example by hand."""

import numpy as np
import pytest

from yolov3.network.grid import prediction_grid, predictions_per_stride
from yolov3.training.targets import assign_targets

ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
SIZE = (416, 416)


def test_a_box_worked_out_by_hand():
    # 62 x 45 px, exactly the second anchor of stride 16, centre (203, 107): cell column 12, row 6 of 26 x 26.
    box = np.array([[172, 84.5, 234, 129.5]], np.float32)
    targets = assign_targets(box, np.array([7]), SIZE, ANCHORS, 3)
    first_of_stride_16 = 52 * 52 * 3
    assert targets.prediction[0] == first_of_stride_16 + (6 * 26 + 12) * 3 + 1
    np.testing.assert_allclose(targets.offset_xy[0], [203 / 16 - 12, 107 / 16 - 6], rtol=1e-6)
    np.testing.assert_allclose(targets.log_size_wh[0], [0, 0], atol=1e-6)
    assert targets.size_weight[0] == pytest.approx(2 - 62 * 45 / 416**2)
    assert targets.label[0] == 7
    assert targets.responsible.tolist() == [1, 0, 0]
    assert np.flatnonzero(targets.objectness).tolist() == [targets.prediction[0]]
    np.testing.assert_allclose(targets.boxes_xyxy[0], box[0] / 416)


def test_the_grid_decodes_what_was_assigned():
    rng = np.random.default_rng(0)
    size = rng.uniform(4, 200, (20, 2))
    top_left = rng.uniform(0, 1, (20, 2)) * (416 - size)
    boxes = np.concatenate([top_left, top_left + size], axis=1).astype(np.float32)
    targets = assign_targets(boxes, np.zeros(20, int), SIZE, ANCHORS, 20)
    grid = prediction_grid(SIZE, ANCHORS)[targets.prediction]
    center = (targets.offset_xy + grid[:, :2]) / grid[:, 2:4] * 416
    wh = np.exp(targets.log_size_wh) * grid[:, 4:6] * 416
    np.testing.assert_allclose(center - wh / 2, boxes[:, :2], atol=1e-3)
    np.testing.assert_allclose(center + wh / 2, boxes[:, 2:], atol=1e-3)


def test_of_two_boxes_with_one_prediction_the_last_trains_it():
    boxes = np.array([[100, 100, 110, 113], [100.5, 100, 110.5, 113]], np.float32)
    targets = assign_targets(boxes, np.array([1, 2]), SIZE, ANCHORS, 4)
    assert targets.prediction[0] == targets.prediction[1]
    assert targets.responsible.tolist() == [0, 1, 0, 0]
    assert targets.objectness.sum() == 1
    # Two of the three share a prediction, the other one is elsewhere and in any place.
    elsewhere = np.array([[300, 300, 320, 330]], np.float32)
    for order, responsible in (((0, 1, 2), [0, 1, 1]), ((0, 2, 1), [0, 1, 1]), ((2, 0, 1), [1, 0, 1])):
        three = np.concatenate([boxes, elsewhere])[list(order)]
        assert assign_targets(three, np.zeros(3, int), SIZE, ANCHORS, 3).responsible.tolist() == responsible


def test_types_and_shapes():
    box = np.array([[172, 84.5, 234, 129.5]], np.float32)
    targets = assign_targets(box, np.array([7]), SIZE, ANCHORS, 3)
    types = {name: (value.shape, value.dtype) for name, value in vars(targets).items()}
    floats = {
        "boxes_xyxy": (3, 4),
        "responsible": (3,),
        "offset_xy": (3, 2),
        "log_size_wh": (3, 2),
        "size_weight": (3,),
    }
    assert types == {
        **{name: (shape, np.float32) for name, shape in floats.items()},
        "objectness": ((sum(predictions_per_stride(SIZE)),), np.float32),
        "prediction": ((3,), np.int32),
        "label": ((3,), np.int32),
    }


def test_small_boxes_weigh_more():
    # 32 x 16 px and 160 x 80 px of 320 x 160: 1 % and 25 % of the area.
    boxes = np.array([[0, 0, 32, 16], [100, 20, 260, 100]], np.float32)
    weights = assign_targets(boxes, np.array([0, 0]), (160, 320), ANCHORS, 2).size_weight
    np.testing.assert_allclose(weights, [1.99, 1.75], rtol=1e-6)


def test_no_boxes_and_more_boxes_than_fit():
    empty = assign_targets(np.zeros((0, 4), np.float32), np.zeros(0, int), SIZE, ANCHORS, 5)
    assert empty.objectness.sum() == 0
    assert empty.responsible.sum() == 0
    corners = np.stack(np.meshgrid(np.arange(10), np.arange(6)), axis=-1).reshape(-1, 2) * 40
    many = np.concatenate([corners, corners + 20], axis=1).astype(np.float32)
    targets = assign_targets(many, np.zeros(60, int), SIZE, ANCHORS, 50)
    assert targets.boxes_xyxy.shape == (50, 4)
    assert targets.responsible.sum() == targets.objectness.sum() == 50


def test_a_centre_on_the_far_border_belongs_to_the_last_cell():
    box = np.array([[406, 406, 426, 426]], np.float32)
    targets = assign_targets(box, np.array([0]), SIZE, ANCHORS, 1)
    assert targets.prediction[0] < sum(predictions_per_stride(SIZE))
    assert targets.offset_xy[0].tolist() == [1, 1]


def test_further_anchors_that_fit_are_assigned_too():
    """Compared with loops over boxes and anchors; a box's own best anchor keeps its prediction."""
    rng = np.random.default_rng(6)
    size = rng.uniform(6, 120, (12, 2))
    top_left = rng.uniform(0, 1, (12, 2)) * (416 - size)
    boxes = np.concatenate([top_left, top_left + size], axis=1).astype(np.float32)
    labels = np.arange(12)
    targets = assign_targets(boxes, labels, SIZE, ANCHORS, 14, 0.3)
    expected = {}
    for is_best in (False, True):
        for (left, top, right, bottom), label in zip(boxes.astype(float), labels, strict=True):
            w, h = right - left, bottom - top
            overlaps = [min(w, aw) * min(h, ah) / (w * h + aw * ah - min(w, aw) * min(h, ah)) for aw, ah in ANCHORS]
            for anchor, overlap in enumerate(overlaps):
                if (anchor == int(np.argmax(overlaps))) == is_best and (is_best or overlap > 0.3):
                    stride = (8, 16, 32)[anchor // 3]
                    column, row = int((left + right) / 2 // stride), int((top + bottom) / 2 // stride)
                    first = (0, 3 * 52 * 52, 3 * (52 * 52 + 26 * 26))[anchor // 3]
                    expected[first + (row * (416 // stride) + column) * 3 + anchor % 3] = label
    trained = targets.responsible == 1
    assert dict(zip(targets.prediction[trained].tolist(), targets.label[trained].tolist(), strict=True)) == expected
    assert np.flatnonzero(targets.objectness).tolist() == sorted(expected)
    assert len(expected) > 20 and len(targets.prediction) == 14 * 9 and len(targets.boxes_xyxy) == 14
    decoded = prediction_grid(SIZE, ANCHORS)[targets.prediction[trained]]
    sizes = np.exp(targets.log_size_wh[trained]) * decoded[:, 4:6] * 416
    np.testing.assert_allclose(sizes, size[targets.label[trained]], rtol=1e-4)
    np.testing.assert_allclose(targets.size_weight[trained], 2 - sizes.prod(axis=1) / 416**2, rtol=1e-4)
