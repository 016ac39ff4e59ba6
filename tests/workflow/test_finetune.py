"""Fine-tuning as docs/training.md describes it: other classes, own anchors, names of any script, predictions."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml
from conftest import ROOT, SMALL, Project, changed, copy_of_the_project

from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.weights.checkpoint import read_checkpoint, save_checkpoint

pytestmark = pytest.mark.long

CLASSES = {5: "Äpfel, rot", 11: "Ёж", 23: "猫"}
NETWORK = {key: SMALL["network"][key] for key in ("backbone_shape", "backbone_layers")}


def write_data(folder):
    """Twelve images with two tall boxes each."""
    rng = np.random.default_rng(5)
    folder.mkdir()
    dataset = {"images": [], "annotations": [], "categories": [{"id": key, "name": CLASSES[key]} for key in CLASSES]}
    for number in range(1, 13):
        image = rng.integers(0, 80, (96, 128, 3), dtype=np.uint8)
        for left in (5, 70):
            width, height = (int(side) for side in rng.integers((8, 30), (16, 80)))
            label = int(rng.choice(list(CLASSES)))
            image[4 : 4 + height, left : left + width] = 100 + 5 * label
            dataset["annotations"].append(
                {
                    "id": len(dataset["annotations"]) + 1,
                    "image_id": number,
                    "category_id": label,
                    "bbox": [left, 4, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
        cv2.imwrite(str(folder / f"bild {number}.png"), image)
        dataset["images"].append({"id": number, "file_name": f"bild {number}.png", "width": 128, "height": 96})
    (folder / "annotations.json").write_text(json.dumps(dataset, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    """The config that we ship, on small data, from a small network with six classes."""
    folder = tmp_path_factory.mktemp("fein ß")
    data = write_data(folder / "daten")
    anchors = tuple((float(side), float(side)) for side in (4, 6, 8, 12, 16, 20, 28, 36, 48))
    settings = NetworkSettings(*map(tuple, NETWORK.values()), anchors, tuple("abcdef"))
    save_checkpoint(folder / "sechs.ckpt", YOLOv3(settings), settings)
    config = yaml.safe_load((ROOT / "config" / "finetune.yaml").read_text(encoding="utf-8"))
    small = {
        **{f"custom.{split}_image_dir": str(data) for split in ("train", "val")},
        **{f"custom.{split}_annotations": str(data / "annotations.json") for split in ("train", "val")},
        **{f"network.{key}": value for key, value in NETWORK.items()},
        "train.resume_yolov3": str(folder / "sechs.ckpt"),
        "train.max_epoch": 1,
        "train.T_max": 1,
        "train.training_shape": 64,
        "eval.testing_shape": 64,
        "export.file_format": "ONNX",
        # Low enough for a network that has learned next to nothing.
        "eval.eval_ignore_threshold": 0,
        "eval.max_detections": 20,
    }
    project = Project(copy_of_the_project(folder / "project"), folder)
    project.write_config(changed(config, small))
    project.snakemake("eval_coco", "export")
    return project


def read_json(project, name):
    return json.loads((project.folder / "results" / name).read_text(encoding="utf-8"))


def test_heads_alone_are_left_out(finetuned):
    log = (finetuned.folder / "logs" / "train.log").read_text(encoding="utf-8")
    left_out = next(line for line in log.splitlines() if "left out" in line)
    assert left_out.count("branch_") == left_out.count(".head.") == 6
    assert "the classes were a, b, c, d, e, f and are now Äpfel, rot, Ёж, 猫" in log
    before = read_checkpoint(finetuned.folder / "sechs.ckpt")
    after = read_checkpoint(finetuned.folder / "results" / "train" / "yolov3.ckpt")
    # A training of two steps moves weights a little; new initial values would differ by as much as they are.
    name = "backbone.stages.3.0.conv.weight"
    weight, start = (one.parameters[name].asnumpy() for one in (after, before))
    assert 0 < np.abs(weight - start).mean() < 0.2 * np.abs(start).mean()


def test_anchors_of_the_data_are_trained_with_and_exported(finetuned):
    anchors = read_json(finetuned, "anchors/anchors.json")
    # 8..15 x 30..79 pixels of 128 x 96, shown at 64 x 48: all are for stride 8, and the other strides have squares.
    for width, height in anchors["anchors"][:3]:
        assert 4 <= width <= 7.5 and 15 <= height <= 39.5
    assert anchors["anchors"][3:] == [[side, side] for side in (40, 52, 64, 80, 104, 128)]
    assert anchors["fits"]["clustered"]["mean_best_iou"] > anchors["fits"]["published"]["mean_best_iou"]
    settings = read_checkpoint(finetuned.folder / "results" / "train" / "yolov3.ckpt").settings
    assert [list(anchor) for anchor in settings.anchors] == anchors["anchors"]
    assert read_json(finetuned, "export/yolov3_darknet53.onnx.json")["anchors"] == anchors["anchors"]


def test_names_are_carried_everywhere(finetuned):
    names = list(CLASSES.values())
    settings = read_checkpoint(finetuned.folder / "results" / "train" / "yolov3.ckpt").settings
    assert settings.class_names == tuple(names)
    assert settings.category_ids == tuple(CLASSES)
    description = read_json(finetuned, "export/yolov3_darknet53.onnx.json")
    assert (description["class_names"], description["category_ids"]) == (names, list(CLASSES))
    assert list(read_json(finetuned, "eval_coco/metrics.json")["per_class"]) == names
    detections = read_json(finetuned, "eval_coco/detections.json")
    assert detections and {entry["category_id"] for entry in detections} <= set(CLASSES)


@pytest.mark.parametrize("model", ["train/yolov3.ckpt", "export/yolov3_darknet53.onnx"])
def test_predict_needs_nothing_but_the_model(finetuned, tmp_path, model):
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "workflow" / "scripts" / "predict.py"), "--score", "0"),
            *("--ckpt", str(finetuned.folder / "results" / model), "--max_detections", "20"),
            *("--input", str(finetuned.folder / "daten" / "bild 3.png"), "--output", str(tmp_path)),
        ],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads((tmp_path / "predictions.json").read_text(encoding="utf-8"))
    wanted = [one for one in read_json(finetuned, "eval_coco/detections.json") if one["image_id"] == 3]
    assert [one["category_id"] for one in entry["detections"]] == [one["category_id"] for one in wanted]
    assert all(one["name"] == CLASSES[one["category_id"]] for one in entry["detections"])
    found = [one["bbox_xywh"] for one in entry["detections"]]
    np.testing.assert_allclose(found, [one["bbox"] for one in wanted], atol=0.05)
