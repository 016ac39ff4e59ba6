"""Matches at one IoU, against pycocotools."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scenes import random_scene

from yolov3.evaluation.matching import match_detections
from yolov3.evaluation.true_boxes import TrueBoxes


def by_pycocotools(truth, rows, min_iou):
    """Correct and ignored detections, by the ids that pycocotools matches."""
    with_ids = rows.copy()
    with_ids[:, 0] = [truth["images"][int(index)]["id"] for index in rows[:, 0]]
    with_ids[:, 6] = [truth["categories"][int(label)]["id"] for label in rows[:, 6]]
    with contextlib.redirect_stdout(io.StringIO()):
        whole = COCO()
        whole.dataset = truth
        whole.createIndex()
        evaluation = COCOeval(whole, whole.loadRes(with_ids), "bbox")
        evaluation.params.iouThrs = np.array([min_iou])
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
    correct, evaluated = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    for image in filter(None, evaluation.evalImgs):
        # loadRes numbers detections from 1.
        ids = np.array(image["dtIds"], int) - 1
        evaluated[ids] = ~image["dtIgnore"][0].astype(bool)
        correct[ids] = (image["dtMatches"][0] > 0) & ~image["dtIgnore"][0].astype(bool)
    return correct, ~evaluated


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("min_iou", [0.5, 0.75])
def test_matches_are_those_of_pycocotools(seed, min_iou):
    truth, rows = random_scene(seed)
    matches = match_detections(TrueBoxes.of(truth), rows, min_iou)
    correct, ignored = by_pycocotools(truth, rows, min_iou)
    np.testing.assert_array_equal(matches.is_correct, correct)
    np.testing.assert_array_equal(matches.is_ignored, ignored)
    assert 5 < correct.sum() < 0.9 * (~ignored).sum() and ignored.sum() >= 20


def test_no_detections_and_no_boxes():
    truth, rows = random_scene(1)
    matches = match_detections(TrueBoxes.of(truth), np.zeros((0, 7)), 0.5)
    assert len(matches.is_correct) == 0
    matches = match_detections(TrueBoxes.of({**truth, "annotations": []}), rows, 0.5)
    assert not matches.is_correct.any()


def test_an_image_with_nothing_but_a_crowd():
    truth = random_scene(1)[0]
    crowd = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 100, 100], "area": 10_000, "iscrowd": 1}
    found = np.array([[0, 10, 10, 20, 20, 0.9, 0], [0, 90, 10, 20, 20, 0.8, 0], [0, 95, 10, 20, 20, 0.8, 0]], float)
    matches = match_detections(TrueBoxes.of({**truth, "annotations": [crowd]}), found, 0.5)
    # Half of the second detection lies in the crowd, a quarter of the third.
    assert matches.is_ignored.tolist() == [True, True, False]
    assert not matches.is_correct.any()
