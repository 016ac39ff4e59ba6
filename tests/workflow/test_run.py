"""The whole chain on a small data set, through Snakemake."""

import csv
import json

import numpy as np
import pytest
from conftest import SMALL, Project, changed, copy_of_the_project
from mindspore import Tensor

from yolov3.data.annotations import load_split
from yolov3.data.images import read_image_rgb
from yolov3.data.manifest import Manifest
from yolov3.network.preprocess import normalise, place_image
from yolov3.weights.checkpoint import load_network


def results(project):
    return project.folder / "results"


def test_every_stage_has_a_log_and_leaves_no_temporary_file(finished):
    """Snakemake itself looks for declared outputs only: neither for logs nor for what else lies beside the results."""
    summary = finished.snakemake("report", "--detailed-summary").stdout.splitlines()
    rows = list(csv.DictReader(summary, delimiter="\t"))
    logs = {finished.folder / name for row in rows for name in row["log-file(s)"].split(",")}
    assert {"train", "eval_coco", "export", "post_quant", "infer_310", "report"} < {log.stem for log in logs}
    assert [log for log in logs if not log.is_file() or "Traceback" in log.read_text()] == []
    # Files are written under hidden names until they are complete. The vendor's runtime has hidden files of its own.
    hidden = {path for path in results(finished).rglob(".*") if path.name != ".snakemake_timestamp"}
    assert {path for path in hidden if "native310" not in path.parts} == set()


def test_the_metrics_have_all_the_names(finished):
    metrics = json.loads((results(finished) / "eval_coco" / "metrics.json").read_text())
    names = {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl", "per_class"}
    assert names <= set(metrics)
    assert metrics["images"] == SMALL["shapes"]["val_images"]
    summary = (results(finished) / "eval_coco" / "acc.log").read_text()
    assert summary.startswith("=============coco eval result=========")
    assert f"{metrics['AP']:.3f}" in summary


def test_steps_are_logged_with_their_own_learning_rate(finished):
    with (results(finished) / "train" / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["iter"]) for row in rows] == list(range(6))
    assert [int(row["epoch"]) for row in rows] == [0, 0, 0, 1, 1, 1]
    assert [float(row["lr"]) for row in rows] == pytest.approx([0.001] * 3 + [0.0005] * 3)
    for row in rows:
        parts = sum(float(row[name]) for name in ("loss_xy", "loss_wh", "loss_confidence", "loss_class"))
        assert abs(parts - float(row["loss"])) < 1e-3 * parts
    log = (finished.folder / "logs" / "train.log").read_text()
    assert "epoch[1], iter[3], loss:" in log
    assert "imgs/sec, lr:0.0005" in log


def test_a_second_call_has_nothing_to_do(finished):
    assert finished.wanted_rules() == set()


def test_a_finished_training_leaves_no_state_behind(finished):
    assert not (results(finished) / "train" / "checkpoints").exists()


def test_a_config_with_a_typo_is_refused_before_any_job(finished):
    finished.write_config(changed(SMALL, {"train.lr_gama": 0.5}), "typo.yaml")
    done = finished.snakemake("report", config="typo.yaml", check=False)
    assert done.returncode == 1
    assert "config key train.lr_gama is unknown: did you mean lr_gamma?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_heads_kept_in_float_return_float(finished):
    """Layers are int8, but none of the tensors that the heads return is."""
    quantized = json.loads((results(finished) / "quant" / "quant.json").read_text())
    assert quantized["layers_kept_float"] == ["branch_8.head", "branch_16.head", "branch_32.head"]
    assert "backbone.root" in quantized["tensors"]
    assert [name for name in quantized["tensors"] if ".head" in name or name.startswith("return")] == []


def test_native_raw_maps_equal_those_of_the_network(finished):
    """On every validation image, within 1e-4; what the native program decodes gives the same accuracy."""
    network, settings = load_network(results(finished) / "train" / "yolov3.ckpt")
    network.set_train(False)
    split = load_split(Manifest.read(results(finished) / "data" / "manifest.json"), "val")
    for index in range(len(split)):
        placed, _ = place_image(read_image_rgb(split.path(index)), (64, 64), letterbox=False)
        for scale, raw in enumerate(network(Tensor(normalise(placed, settings.mean_std)[None]))):
            name = f"{split.path(index).stem}_{scale}.bin"
            native = np.fromfile(results(finished) / "infer_310" / "result_Files" / name, np.float32)
            np.testing.assert_allclose(native.reshape(raw.shape), raw.asnumpy(), atol=1e-4)
    accuracies = [
        json.loads((results(finished) / stage / "metrics.json").read_text())["AP"]
        for stage in ("eval_coco", "infer_310")
    ]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.002)


def test_braces_in_the_projects_path_are_told(tmp_path):
    project = Project(copy_of_the_project(tmp_path / "a{b}c"), tmp_path)
    project.write_config(SMALL)
    code, printed = project.dry_run()
    assert code == 1
    assert "has braces, which Snakemake takes for wildcards: move the project" in printed
