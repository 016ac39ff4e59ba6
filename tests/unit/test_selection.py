"""Which detections a prediction keeps."""

import numpy as np
import pytest
from report_inputs import write_json

from yolov3.boxes import Detections
from yolov3.errors import InputError
from yolov3.prediction.selection import Selection, min_scores_of

FOUND = Detections(np.arange(16.0).reshape(4, 4), np.array([0.9, 0.6, 0.5, 0.2], np.float32), np.array([1, 0, 1, 0]))


def test_each_class_has_its_own_score():
    kept = Selection(min_scores=(0.2, 0.6)).of(FOUND)
    assert kept.labels.tolist() == [1, 0, 0]
    assert kept.boxes_xyxy[:, 0].tolist() == [0, 4, 12]


def test_the_maximum_counts_what_is_left():
    assert Selection(labels=(0,), max_detections=1, min_scores=(0.1, 0.1)).of(FOUND).scores.tolist() == [
        pytest.approx(0.6)
    ]


def point(score):
    return {"score": score, "precision": 1.0, "recall": 1.0, "f1": 1.0}


def test_scores_of_an_evaluation(tmp_path):
    thresholds = {"cat": point(0.25), "dog": None}
    analysis = {"threshold": point(0.4), "class_thresholds": thresholds}
    metrics = write_json(tmp_path / "metrics.json", {"analysis": analysis})
    # A class without a right detection takes the score of all.
    assert min_scores_of(metrics, ("cat", "dog")) == (0.25, 0.4)
    write_json(metrics, {"analysis": {**analysis, "threshold": None, "class_thresholds": {"cat": None}}})
    assert min_scores_of(metrics, ("cat",)) == (0.3,)
    with pytest.raises(InputError, match=r"no thresholds of the model's classes \(KeyError: 'dog'\)"):
        min_scores_of(metrics, ("dog",))
    with pytest.raises(InputError, match="does not exist"):
        min_scores_of(tmp_path / "none.json", ("cat",))
