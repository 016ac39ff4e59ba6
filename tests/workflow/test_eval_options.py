"""The options of the evaluation stage, by name on its command line: what each changes in what is found."""

import importlib.util
import json
from itertools import pairwise

import pytest
from conftest import ROOT


@pytest.fixture
def evaluate(finished, tmp_path, monkeypatch):
    """Evaluates the small run's checkpoint in this process; returns its detections."""
    monkeypatch.chdir(finished.folder)
    spec = importlib.util.spec_from_file_location("eval_stage", ROOT / "workflow" / "scripts" / "eval_coco.py")
    stage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage)

    def run(*words, code=0):
        files = ["--manifest", "results/data/manifest.json", "--pretrained", "results/train/yolov3.ckpt"]
        assert stage.main([*files, "--output_dir", str(tmp_path), *map(str, words)]) == code
        return json.loads((tmp_path / "detections.json").read_text()) if code == 0 else None

    return run


def test_thresholds_and_most_detections_of_an_image(finished, evaluate):
    usual = json.loads((finished.folder / "results" / "eval_coco" / "detections.json").read_text())
    assert evaluate("--testing_shape", 64) == usual
    scores = sorted({entry["score"] for entry in usual})
    # Between two scores that stay apart when they are rounded.
    bound = next((low + high) / 2 for low, high in pairwise(scores[len(scores) // 2 :]) if high - low > 1e-4)
    kept = evaluate("--testing_shape", 64, "--eval_ignore_threshold", bound)
    assert kept == [entry for entry in usual if entry["score"] >= bound]
    assert 0 < len(evaluate("--testing_shape", 64, "--nms_thresh", 0.2)) < len(usual)
    best = evaluate("--testing_shape", 64, "--max_detections", 3)
    for image_id in {entry["image_id"] for entry in usual}:
        scores = sorted((entry["score"] for entry in usual if entry["image_id"] == image_id), reverse=True)
        assert [entry["score"] for entry in best if entry["image_id"] == image_id] == scores[:3]


def test_the_testing_shape_is_that_of_the_network(evaluate):
    assert evaluate("--testing_shape", 96) != evaluate("--testing_shape", 64)


@pytest.mark.parametrize("target", ["GPU", "Ascend"])
def test_a_missing_device_is_one_sentence(evaluate, capfd, target):
    evaluate("--device_target", target, code=1)
    said = capfd.readouterr().err
    assert f"device_target is {target} but MindSpore" in said
    assert "Traceback" not in said
