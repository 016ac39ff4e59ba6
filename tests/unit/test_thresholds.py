"""Precision, recall and F1 against the score, by hand and against a loop over all thresholds."""

import numpy as np
import pytest
from scenes import random_scene

from yolov3.evaluation.matching import match_detections
from yolov3.evaluation.thresholds import OperatingPoint, ScoredMatches
from yolov3.evaluation.true_boxes import TrueBoxes


def test_the_best_point_by_hand():
    # Four objects. Right, right, wrong, right, wrong: F1 = 2 correct / (counted + 4).
    scored = ScoredMatches(np.array([0.9, 0.8, 0.6, 0.55, 0.2]), np.array([True, True, False, True, False]), 4)
    assert scored.best() == OperatingPoint(0.55, 3 / 4, 3 / 4, 6 / 8)


def test_detections_of_equal_scores_count_together():
    # The right one alone would have precision 1, but no threshold divides the two.
    scored = ScoredMatches(np.array([0.5, 0.5]), np.array([True, False]), 1)
    assert scored.best() == OperatingPoint(0.5, 0.5, 1.0, pytest.approx(2 / 3))


def test_the_score_is_rounded_down():
    scored = ScoredMatches(np.array([0.41239]), np.array([True]), 1)
    assert scored.best().score == 0.412
    # 0.29 / 0.001 is 289.99999999999994.
    assert ScoredMatches(np.array([0.29]), np.array([True]), 1).best().score == 0.29


def test_nothing_right_has_no_best_point():
    assert ScoredMatches(np.array([0.9]), np.array([False]), 3).best() is None
    assert ScoredMatches(np.zeros(0), np.zeros(0, bool), 3).best() is None


def test_curves_by_hand():
    curves = ScoredMatches(np.array([0.8, 0.4]), np.array([True, False]), 2).curves()
    assert len(curves["score"]) == 101
    at = {score: index for index, score in enumerate(np.round(curves["score"], 2).tolist())}
    assert [curves["precision"][at[score]] for score in (0.0, 0.4, 0.41, 0.8, 0.81)] == [0.5, 0.5, 1, 1, 0]
    assert [curves["recall"][at[score]] for score in (0.4, 0.41, 0.81)] == [0.5, 0.5, 0]
    assert curves["f1"][at[0.4]] == pytest.approx(0.5)
    assert curves["f1"][at[0.5]] == pytest.approx(2 / 3)
    assert curves["f1"][at[1.0]] == 0


@pytest.mark.parametrize("label", [None, 0, 2])
def test_the_best_point_is_that_of_a_loop(label):
    truth, rows = random_scene(3)
    boxes = TrueBoxes.of(truth)
    matches = match_detections(boxes, rows, 0.5)
    best = ScoredMatches.of(boxes, rows, matches, label).best()
    objects = sum(
        not crowd and label in (None, own) for own, crowd in zip(boxes.labels, boxes.is_crowd.tolist(), strict=True)
    )
    of_threshold = {}
    for score in sorted(set(rows[:, 5].tolist())):
        counted = [
            is_correct
            for row, is_correct, is_ignored in zip(rows, matches.is_correct, matches.is_ignored, strict=True)
            if row[5] >= score and not is_ignored and label in (None, int(row[6]))
        ]
        of_threshold[score] = 2 * sum(counted) / (len(counted) + objects)
    highest = max(of_threshold.values())
    assert best.f1 == pytest.approx(highest)
    assert of_threshold[best.score] == pytest.approx(best.f1)
