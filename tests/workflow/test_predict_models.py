"""Predictions by the models of a whole run: the checkpoint and what the native program runs."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from yolov3.boxes import pairwise_iou, xywh_to_xyxy

SCORE = 0.001


def predicted(project, model, output, place="pictures", said="1 of 4 images could not be read"):
    results = project.folder / "results"
    words = ["--ckpt", results / model, "--input", results / place, "--output", output, "--score", SCORE]
    done = subprocess.run(
        [sys.executable, ROOT / "workflow" / "scripts" / "predict.py", *map(str, words)],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == int("could not be read" in said) and said in done.stderr, done.stderr
    return json.loads((output / "predictions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pictures(finished):
    """Three validation images with one name, in folders, and a broken one."""
    place = finished.folder / "results" / "pictures"
    for number, image in enumerate(sorted(finished.folder.glob("dataset/shapes/val/*.jpg"))[:3]):
        (place / f"ordner {number}").mkdir(parents=True)
        (place / f"ordner {number}" / "größe.jpg").write_bytes(image.read_bytes())
    (place / "broken.jpg").write_bytes(b"\xff\xd8 broken")
    return place


def test_mindspore_lite_finds_what_the_checkpoint_finds(finished, pictures, tmp_path):
    expected = predicted(finished, "train/yolov3.ckpt", tmp_path / "ckpt")
    found = predicted(finished, "native_model/yolov3_darknet53.ms", tmp_path / "float")
    int8 = predicted(finished, "quant/yolov3_darknet53_int8.ms", tmp_path / "int8")
    assert [entry["file"] for entry in expected] == [f"ordner {number}/größe.jpg" for number in range(3)]
    assert any(entry["detections"] for entry in expected)
    for one, other, rounded in zip(expected, found, int8, strict=True):
        assert {**one, "detections": 0} == {**other, "detections": 0} == {**rounded, "detections": 0}
        assert_equal(one["detections"], other["detections"])
        if one["detections"] and rounded["detections"]:
            boxes = [np.array([entry["bbox_xywh"] for entry in two["detections"]]) for two in (one, rounded)]
            assert pairwise_iou(*(xywh_to_xyxy(boxes_xywh) for boxes_xywh in boxes)).max() > 0.8


def test_the_program_reads_jpeg_files_as_they_are_prepared_for_it(finished, pictures, tmp_path):
    # Because of the broken image, all of these are prepared.
    expected = predicted(finished, "native_model/yolov3_darknet53.ms", tmp_path / "prepared")
    for number, entry in enumerate(expected):
        place = f"pictures/ordner {number}"
        said = "INFO native310: 1 of 1 images"
        (found,) = predicted(finished, "native_model/yolov3_darknet53.ms", tmp_path / str(number), place, said)
        assert found["file"] == "größe.jpg"
        assert_equal(entry["detections"], found["detections"])


def assert_equal(expected, found):
    # Detections of scores that are equal to rounding may come in another order.
    def key(entry):
        return (entry["name"], round(entry["score"], 3), entry["bbox_xywh"])

    assert len(expected) == pytest.approx(len(found), abs=1 + len(expected) // 100)
    if len(expected) == len(found):
        for one, other in zip(sorted(expected, key=key), sorted(found, key=key), strict=True):
            assert (one["name"], one["category_id"]) == (other["name"], other["category_id"])
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)
