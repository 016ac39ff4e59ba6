"""The whole chain on a small data set, through Snakemake."""

import csv
import json

import pytest
from conftest import SMALL, changed


def results(project):
    return project.folder / "results"


def test_every_result_is_where_it_belongs(finished):
    for name in (
        "data/manifest.json",
        "backbone/darknet53.conv.74",
        "backbone/darknet53.ckpt",
        "train/yolov3.ckpt",
        "train/metrics.csv",
        "train/train.json",
        "eval_coco/acc.log",
        "eval_coco/metrics.json",
        "eval_coco/detections.json",
        "report/report.html",
        "benchmarks/train.tsv",
        "benchmarks/eval_coco.tsv",
    ):
        assert (results(finished) / name).stat().st_size > 0, name
    for stage in ("download", "fetch_backbone", "convert_backbone", "train", "eval_coco", "report"):
        assert (finished.folder / "logs" / f"{stage}.log").exists(), stage


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
