"""The report's section on the analysis of the evaluation."""

import numpy as np
import pytest
from report_inputs import analysis, metrics, write_json
from test_report import Page, Run

from yolov3.report.analysis import Analysis, Confusion


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def written(run, **changed):
    """The page of an evaluation whose analysis has other values."""
    content = metrics()
    content["analysis"] |= changed
    write_json(run.files["eval_metrics"], content)
    return Page(run.write())


def test_threshold_errors_and_slices_are_shown(run):
    text = written(run).text
    assert "score of at least 0.3 have the best F1, 0.600: 75 % of them are right, and they find 50 %" in text
    assert "Class 3 0.125" in text
    assert "up to 16 px 0.457 0.457 4" in text
    assert "differ from the share of right detections by 0.062" in text


def test_classes_have_their_best_scores(run):
    assert "round 0.457 0.457 3 0.3 0.750 0.500" in written(run).text


def test_few_classes_have_a_matrix(run):
    text = written(run, confusion=[[5, 1, 2], [0, 7, 0], [3, 0, 0]]).text
    assert "round 5 1 2" in text
    assert "no box (extra) 3 · ·" in text


def test_many_classes_have_their_most_frequent_confusions(run):
    names = [f"class {number}" for number in range(13)]
    matrix = np.diag([6] * 13 + [0])
    matrix[2, 5], matrix[7, 1], matrix[4, -1], matrix[-1, 4] = 2, 4, 9, 8
    text = written(run, class_thresholds=dict.fromkeys(names), confusion=matrix.tolist()).text
    assert "9 true boxes are missed and 8 detections are extra" in text
    assert "class 7 class 1 4 40.0 % class 2 class 5 2 25.0 %" in text


def test_confusions_are_sorted_and_shared():
    values = {**analysis("ab", 0.5), "confusion": [[6, 2, 0], [3, 1, 0], [9, 9, 0]]}
    assert Analysis.of(values).confusions() == [Confusion("b", "a", 3, 0.75), Confusion("a", "b", 2, 0.25)]


def test_the_worst_images_are_drawn_with_the_detections_of_the_best_score(run):
    point = {"score": 0.85, "precision": 1.0, "recall": 0.5, "f1": 0.6}
    page = written(run, threshold=point, worst_images=[{"image": 0, "missed": 1, "extra": 0}])
    assert "Those with the most missed and extra boxes at the best score, 0.85" in page.text
    section = run.output.read_text().partition("The worst images")[2].partition("</section>")[0]
    section = section.partition('<div class="grid">')[2]
    # Of the detections with 0.9, 0.8 and 0.1 only the first counts here, the first two in the other gallery.
    assert section.count('class="predicted"') == 1
    assert "1 of 2 found" in section
    assert "1 of 2 found, 1 extra" not in section


def test_nothing_found_has_no_best_score(run):
    text = written(run, threshold=None, calibration={"error": 0.0, "bins": []}).text
    assert "No detection matches a true box by an IoU of 0.50" in text
    assert "There are none without a best score." in text


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"errors": {"class": {"count": 1}}}, "KeyError: 'cost'"),
        ({"threshold": {"score": 0.5}}, "TypeError"),
        ({"confusion": [[1], [1, 2]]}, "ValueError"),
        ({"slices": []}, "AttributeError"),
    ],
)
def test_an_incomplete_analysis_is_told(run, capsys, changed, named):
    content = metrics()
    content["analysis"] |= changed
    write_json(run.files["eval_metrics"], content)
    assert run.main() == 1
    message = capsys.readouterr().err
    assert f"{run.files['eval_metrics']} has no complete analysis" in message and named in message


def test_metrics_of_a_former_version_are_told(run, capsys):
    content = metrics()
    del content["analysis"]
    write_json(run.files["eval_metrics"], content)
    assert run.main() == 1
    assert "has no complete analysis (KeyError: 'analysis'): run the evaluation again" in capsys.readouterr().err
