"""Weights of Darknet's format in place of the training, over what a run with training left behind."""

import json
import shutil
import subprocess
import sys

import pytest
from conftest import SMALL, Project, changed

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    """The chain on x / 255 and letterboxed images; the weights are the other run's, so that they find something."""
    folder = tmp_path_factory.mktemp("weights") / "run"
    shutil.copytree(finished.folder, folder, symlinks=True)
    shutil.rmtree(folder / "results" / "train")
    copy = Project(finished.root, folder)
    trained, weights = finished.folder / "results" / "train" / "yolov3.ckpt", folder / "my yolov3.weights"
    script = finished.root / "workflow" / "scripts" / "convert_weights.py"
    words = ("--to_darknet", "--pretrained", trained, "--output_file", weights)
    subprocess.run([sys.executable, script, *words], env=copy.environment(), check=True)
    changes = {
        "weights.pretrained": weights.name,
        "network.normalisation": "unit",
        "eval.letterbox": True,
        "bins.bins_dtype": "uint8",
    }
    copy.write_config(changed(SMALL, changes))
    return copy


@pytest.fixture(scope="module")
def planned(project):
    """What was to be run before it was."""
    rules = project.wanted_rules()
    project.snakemake("report")
    return rules


def metrics_of(project, stage):
    return json.loads((project.folder / "results" / stage / "metrics.json").read_text())


def test_nothing_is_trained(project, planned):
    assert {"convert_weights", "eval_coco", "export", "report"} <= planned
    assert not planned & {"train", "convert_backbone", "fetch_backbone", "rank_table"}
    assert not (project.folder / "results" / "train").exists()


def test_the_checkpoint_is_evaluated_and_told_in_the_report(project, planned):
    summary = json.loads((project.folder / "results" / "weights" / "yolov3.json").read_text())
    assert (summary["file"], summary["format"]) == ("my yolov3.weights", "Darknet")
    assert metrics_of(project, "eval_coco")["images"] == SMALL["shapes"]["val_images"]
    page = (project.folder / "results" / "report" / "report.html").read_text(encoding="utf-8")
    assert "No training was run" in page
    assert "my yolov3.weights" in page


def test_the_native_program_sees_the_same(project, planned):
    index = json.loads((project.folder / "results" / "bins" / "index.json").read_text())
    assert (index["mean_rgb"], index["std_rgb"], index["letterbox"]) == ([0, 0, 0], [1, 1, 1], True)
    ours, native = (
        json.loads((project.folder / "results" / stage / "detections.json").read_text())
        for stage in ("eval_coco", "infer_310")
    )
    assert len(ours) == pytest.approx(len(native), rel=0.01)
    best = [max(found, key=lambda one: one["score"]) for found in (ours, native)]
    assert best[0]["score"] == pytest.approx(best[1]["score"], abs=1e-4)
    assert best[0]["bbox"] == pytest.approx(best[1]["bbox"], abs=0.1)
    assert metrics_of(project, "eval_coco")["AP"] == pytest.approx(metrics_of(project, "infer_310")["AP"], abs=0.002)
