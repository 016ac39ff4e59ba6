import numpy as np
import pytest

from yolov3.errors import InputError
from yolov3.evaluation.postprocess import PostprocessSettings, detect, detect_decoded, select_candidates
from yolov3.network.grid import sigmoid
from yolov3.network.preprocess import Placement, place_image

ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
CLASSES = 3


def empty_maps(size=(64, 96)):
    maps = [np.zeros((3, 5 + CLASSES, size[0] // s, size[1] // s), np.float32) for s in (8, 16, 32)]
    for raw in maps:
        raw[:, 4] = -20
    return maps


def flat(maps):
    return tuple(raw.reshape(-1, *raw.shape[2:]) for raw in maps)


def test_one_prediction_decoded_by_hand():
    maps = empty_maps()
    # Stride 16, row 2, column 3, anchor 1 (62 x 45 px), tx 0 -> middle of the cell, tw = log 0.5 -> half as wide.
    maps[1][1, :, 2, 3] = [0, 0, np.log(0.5), 0, 2.0, -1, 3, -2]
    boxes, scores, labels = select_candidates(flat(maps), (64, 96), ANCHORS, 0.001)
    center = np.array([(3 + 0.5) * 16 / 96, (2 + 0.5) * 16 / 64])
    half = np.array([31 / 96, 45 / 64]) / 2
    np.testing.assert_allclose(boxes, [np.concatenate([center - half, center + half])], rtol=1e-5)
    assert scores == pytest.approx([1 / (1 + np.exp(-2)) / (1 + np.exp(-3))], rel=1e-5)
    assert labels.tolist() == [1]


@pytest.mark.parametrize("threshold", [0.0, 0.001, 0.3, 1.0])
def test_the_quick_threshold_equals_the_slow_one(threshold):
    rng = np.random.default_rng(1)
    maps = [rng.normal(0, 3, raw.shape).astype(np.float32) for raw in empty_maps()]
    slow = np.concatenate([(sigmoid(raw[:, 4]) * sigmoid(raw[:, 5:].max(axis=1))).reshape(-1) for raw in maps])
    with np.errstate(all="raise", under="ignore"):
        _, scores, _ = select_candidates(flat(maps), (64, 96), ANCHORS, threshold)
    np.testing.assert_allclose(np.sort(scores), np.sort(slow[slow >= threshold]), rtol=1e-6)


def test_every_prediction_is_decoded_in_its_cell():
    """Against the formulas of the paper, cell by cell in float64."""
    rng = np.random.default_rng(7)
    size = (64, 96)
    maps = [rng.normal(0, 1.5, raw.shape).astype(np.float32) for raw in empty_maps(size)]
    decoded = []
    for scale, stride in enumerate((8, 16, 32)):
        for anchor in range(3):
            for row in range(size[0] // stride):
                for column in range(size[1] // stride):
                    tx, ty, tw, th, confidence, *classes = maps[scale][anchor, :, row, column].astype(float)
                    x, y = ((1 / (1 + np.exp(-t)) + cell) * stride for t, cell in ((tx, column), (ty, row)))
                    w, h = (side * np.exp(t) for side, t in zip(ANCHORS[3 * scale + anchor], (tw, th), strict=True))
                    corners = (x - w / 2) / 96, (y - h / 2) / 64, (x + w / 2) / 96, (y + h / 2) / 64
                    score = 1 / (1 + np.exp(-confidence)) / (1 + np.exp(-max(classes)))
                    decoded.append((score, np.argmax(classes), *corners))
    decoded = np.array(sorted(decoded))
    boxes, scores, labels = select_candidates(flat(maps), size, ANCHORS, 0.0)
    order = np.argsort(scores)
    np.testing.assert_allclose(scores[order], decoded[:, 0], rtol=1e-5)
    assert labels[order].tolist() == decoded[:, 1].tolist()
    np.testing.assert_allclose(boxes[order], decoded[:, 2:], rtol=1e-4, atol=1e-5)


def test_a_score_equal_to_the_threshold_is_kept():
    maps = empty_maps()
    maps[0][2, 4, 1, 1], maps[0][2, 5, 1, 1] = 0, 100
    boxes, scores, labels = select_candidates(flat(maps), (64, 96), ANCHORS, 0.5)
    assert scores.tolist() == [0.5]
    assert (boxes.dtype, scores.dtype, labels.dtype) == (np.float32, np.float32, np.int64)


def decoded_maps(*rows):
    """Outputs of a model that decodes inside, with rows (stride index, row, column, anchor, values)."""
    maps = [np.zeros((64 // s, 96 // s, 3, 5 + CLASSES), np.float32) for s in (8, 16, 32)]
    for scale, row, column, anchor, values in rows:
        maps[scale][row, column, anchor] = values
    return tuple(maps)


# Shifted by a fifth of the width: they overlap by 0.8 / 1.2 = 2 / 3.
NEIGHBOURS = decoded_maps(
    (0, 7, 11, 2, [0.5, 0.5, 0.5, 0.25, 0.5, 0.125, 1, 0.25]),
    (1, 0, 3, 0, [0.6, 0.5, 0.5, 0.25, 0.5, 0.125, 0.25, 0.75]),
    (2, 1, 2, 1, [0.6, 0.5, 0.5, 0.25, 0.75, 0, 1, 0.125]),
)


def test_outputs_of_a_model_that_decodes_inside():
    found = detect_decoded(NEIGHBOURS, Placement(200, 100), PostprocessSettings(0.375, 0.6, 0))
    # Centre (0.6, 0.5), 0.5 x 0.25 of 200 x 100 px; the box of class 2 scores 0.5 * 0.75, which is the threshold.
    np.testing.assert_allclose(found.boxes_xyxy, [[70, 37.5, 170, 62.5]] * 2, rtol=1e-6)
    assert found.scores.tolist() == [0.75, 0.375]
    assert found.labels.tolist() == [1, 2]
    assert (found.boxes_xyxy.dtype, found.scores.dtype, found.labels.dtype) == (np.float32, np.float32, np.int64)


def test_every_class_of_a_prediction_may_count():
    """Scores are 0.375, 0.5 and 0.125 by class for the first prediction, 0.0625, 0.125 and 0.375 for the second."""
    neighbours = decoded_maps(
        (0, 7, 11, 2, [0.5, 0.5, 0.5, 0.25, 0.5, 0.75, 1, 0.25]),
        (1, 0, 3, 0, [0.6, 0.5, 0.1, 0.25, 0.5, 0.125, 0.25, 0.75]),
    )
    found = detect_decoded(neighbours, Placement(200, 100), PostprocessSettings(0.3, 0.5, 0, multi_label=True))
    assert found.scores.tolist() == [0.5, 0.375, 0.375]
    assert found.labels.tolist() == [1, 0, 2]
    np.testing.assert_allclose(found.boxes_xyxy[:2], [[50, 37.5, 150, 62.5]] * 2, rtol=1e-6)
    assert detect_decoded(neighbours, Placement(200, 100), PostprocessSettings(0.3, 0.5, 0)).labels.tolist() == [1, 2]


def test_pairs_of_prediction_and_class_as_by_loops():
    size = (64, 96)
    rng = np.random.default_rng(5)
    maps = [rng.normal(0, 1.5, raw.shape).astype(np.float32) for raw in empty_maps(size)]
    expected = []
    for raw in maps:
        for anchor, row, column in np.ndindex(3, *raw.shape[2:]):
            confidence, *classes = 1 / (1 + np.exp(-raw[anchor, 4:, row, column].astype(float)))
            expected += [(confidence * value, label) for label, value in enumerate(classes)]
    expected = sorted(pair for pair in expected if pair[0] >= 0.3)
    boxes, scores, labels = select_candidates(flat(maps), size, ANCHORS, 0.3, multi_label=True)
    order = np.argsort(scores)
    np.testing.assert_allclose(scores[order], [score for score, _ in expected], rtol=1e-5)
    assert labels[order].tolist() == [label for _, label in expected]
    assert len(boxes) == len(expected) > len(select_candidates(flat(maps), size, ANCHORS, 0.3)[0])


@pytest.mark.parametrize("value", [4, 5, 6])
def test_pairs_that_are_not_numbers_are_told(value):
    maps = empty_maps()
    maps[0][2, 4, 1, 1] = 9
    maps[0][2, value, 1, 1] = np.nan
    with pytest.raises(InputError, match="not a number"):
        select_candidates(flat(maps), (64, 96), ANCHORS, 0.5, multi_label=True)


def test_the_nms_threshold_and_the_number_of_detections_are_those_of_the_settings():
    def scores(nms_thresh, max_detections):
        settings = PostprocessSettings(0.376, nms_thresh, max_detections)
        return detect_decoded(NEIGHBOURS, Placement(200, 100), settings).scores.tolist()

    assert scores(0.7, 0) == [0.75, 0.5]
    assert scores(0.6, 0) == [0.75]
    assert scores(0.7, 1) == [0.75]
    assert scores(0.7, 2) == [0.75, 0.5]


@pytest.mark.parametrize("field", [0, 3, 4, 6])
def test_decoded_values_that_are_not_numbers_are_told(field):
    values = [0.5, 0.5, 0.5, 0.25, 0.5, 0.125, 1, 0.25]
    values[field] = np.nan
    with pytest.raises(InputError, match="not a number"):
        detect_decoded(decoded_maps((0, 0, 0, 0, values)), Placement(96, 64), PostprocessSettings(0.1, 0.5, 0))


def test_boxes_come_back_to_the_original_image_and_are_clipped():
    maps = empty_maps((96, 96))
    maps[2][0, :, 0, 0] = [0, 0, 1, 1, 9, 9, -9, -9]
    settings = PostprocessSettings(0.001, 0.5, 0)
    found = detect(flat(maps), (96, 96), ANCHORS, Placement(640, 480), settings)
    assert found.boxes_xyxy.tolist() == [[0, 0, 640, 480]]
    assert found.labels.tolist() == [0]


def test_letterbox_and_back():
    image = np.zeros((100, 200, 3), np.uint8)
    placed, placement = place_image(image, (96, 96), letterbox=True)
    assert placed.shape == (96, 96, 3)
    assert (placed[0] == 128).all()
    corners = np.array([[0, 24 / 96, 1, 72 / 96]], np.float32)
    np.testing.assert_allclose(placement.to_original(corners), [[0, 0, 200, 100]], atol=1e-4)


def test_max_detections_keeps_the_best():
    rng = np.random.default_rng(2)
    maps = [rng.normal(0, 2, raw.shape).astype(np.float32) for raw in empty_maps()]
    many = detect(flat(maps), (64, 96), ANCHORS, Placement(96, 64), PostprocessSettings(0.001, 0.5, 0))
    few = detect(flat(maps), (64, 96), ANCHORS, Placement(96, 64), PostprocessSettings(0.001, 0.5, 7))
    assert len(many.scores) > 7
    assert few.scores.tolist() == many.scores[:7].tolist()


def test_sigmoid_of_large_values_is_quiet():
    with np.errstate(all="raise", under="ignore"):
        values = sigmoid(np.array([-200, -90, 0, 90, 200], np.float32))
        assert np.isnan(sigmoid(np.array([np.nan], np.float32))).all()
    np.testing.assert_allclose(values, [0, 0, 0.5, 1, 1], atol=1e-30)
    assert values.dtype == np.float32
    assert sigmoid(np.array([0.3])).dtype == np.float64


@pytest.mark.parametrize("values", [slice(0, 1), slice(4, 5), slice(5, None)], ids=["box", "confidence", "classes"])
def test_values_that_are_not_numbers_are_told(values):
    maps = empty_maps()
    maps[1][:, 4] = 3
    maps[1][:, values] = np.nan
    settings = PostprocessSettings(0.001, 0.5, 0)
    with pytest.raises(InputError, match="not a number"):
        detect(flat(maps), (64, 96), ANCHORS, Placement(96, 64, (0, 0), (1, 1)), settings)
