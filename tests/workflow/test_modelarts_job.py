"""A ModelArts job as the platform starts it: training, then evaluation of its checkpoint; moxing is a stand-in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from yolov3.data.shapes.dataset import ShapesSettings, prepare_shapes

NETWORK = """
network:
  backbone_shape: [8, 8, 16, 16, 32]
  backbone_layers: [1, 1, 1, 1, 1]
  anchor_scales: [[8, 8], [11, 11], [15, 15], [21, 20], [27, 28], [36, 35], [45, 46], [58, 57], [76, 75]]
train: {training_shape: 64, per_batch_size: 4, max_epoch: 3, loss_scale: 1, lr_epochs: "1", log_interval: 1}
eval: {testing_shape: 64}
"""

pytestmark = pytest.mark.long


def job(tmp_path, *words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RANK_", "MS_"))}
    environment |= {"DEVICE_ID": "0", "RANK_ID": "0", "RANK_SIZE": "1"}
    # Of this run of the tests only: what a job of an id has copied is not copied again.
    environment["JOB_ID"] = f"{tmp_path}-{words[1]}".replace("/", "-")
    environment |= {"FAKE_BUCKETS": str(tmp_path / "buckets"), "PYTHONPATH": str(ROOT / "tests" / "fakes")}
    folders = [f"--{name}={tmp_path / 'cache' / name}" for name in ("data_path", "output_path", "load_path")]
    # The platform gives the URLs as --name=value, and an option that nobody asked for.
    command = [sys.executable, str(ROOT / "workflow" / "scripts" / "modelarts.py"), "--num_gpus=1", *folders, *words]
    return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_training_then_evaluation(tmp_path):
    places = prepare_shapes(tmp_path / "made", ShapesSettings(train_images=8, val_images=3, data_seed=1))
    for split, (images, annotations) in places.items():
        shutil.copytree(images, tmp_path / "coco2014" / split)
        (tmp_path / "coco2014" / "annotations").mkdir(exist_ok=True)
        shutil.copy(annotations, tmp_path / "coco2014" / "annotations" / f"{split}.json")
    bucket = tmp_path / "buckets" / "mine"
    (bucket / "data").mkdir(parents=True)
    shutil.make_archive(str(bucket / "data" / "coco2014"), "zip", tmp_path, "coco2014")
    config = tmp_path / "small.yaml"
    config.write_text(NETWORK, encoding="utf-8")
    urls = ["--enable_modelarts=True", "--data_url=s3://mine/data", "--train_url=s3://mine/results"]

    done = job(tmp_path, "--stage", "train", *urls, "--config", str(config), "--max_epoch", "2", "--log_interval=2")
    assert done.returncode == 0, done.stderr
    summary = json.loads((bucket / "results" / "train.json").read_text())
    # Two epochs of two batches: the option wins over the config.
    assert summary["steps"] == 4
    assert (bucket / "results" / "yolov3.ckpt").stat().st_size > 10_000

    shutil.rmtree(tmp_path / "cache")
    urls += [
        "--checkpoint_url=s3://mine/results",
        "--pretrained",
        str(tmp_path / "cache" / "load_path" / "yolov3.ckpt"),
    ]
    urls[2] = "--train_url=s3://mine/accuracy"
    done = job(tmp_path, "--stage", "eval", *urls, "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert (bucket / "accuracy" / "acc.log").read_text().startswith("=============coco eval result=========")
    images = json.loads((bucket / "accuracy" / "metrics.json").read_text())["images"]
    assert images == 3


def test_a_training_that_fails_says_why_and_its_log_goes_out(tmp_path):
    places = prepare_shapes(tmp_path / "made", ShapesSettings(train_images=4, val_images=2, data_seed=1))
    data = tmp_path / "buckets" / "mine" / "data"
    for split, (images, annotations) in places.items():
        shutil.copytree(images, data / split)
        (data / "annotations").mkdir(exist_ok=True)
        shutil.copy(annotations, data / "annotations" / f"{split}.json")
    words = ["--enable_modelarts=True", "--data_url=s3://mine/data", "--train_url=s3://mine/results"]
    done = job(tmp_path, "--stage", "train", *words, "--resume_yolov3", str(Path("no") / "such.ckpt"))
    assert done.returncode == 1
    assert "checkpoint no/such.ckpt does not exist" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "buckets" / "mine" / "results").is_dir()
