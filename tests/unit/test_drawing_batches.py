"""The picture of a training batch."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_inputs import write_manifest

from yolov3.drawing.batches import GAP_PIXELS, draw_batch
from yolov3.drawing.labels import colour_of
from yolov3.training.batches import Batch
from yolov3.training.targets import assign_targets

ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
SIZE = (96, 128)
SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "preview_batches.py"


def batch_of(count, assignment_iou=1.0):
    """Black images with a box of 60 x 40 px around (64, 48), which is a corner of four cells at any stride."""
    targets = [
        assign_targets(np.array([[34, 28, 94, 68]], np.float32), np.array([1]), SIZE, ANCHORS, 3, assignment_iou)
        for _ in range(count)
    ]
    stacked = tuple(np.stack([getattr(target, name) for target in targets]) for name in vars(targets[0]))
    return Batch(SIZE, np.zeros((count, *SIZE, 3), np.uint8), stacked)


def is_colour(pixel, colour):
    return np.abs(np.array(pixel, int) - [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).max() < 30


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (6, 2, 4), (40, 2, 4)])
def test_the_first_images_lie_in_rows(count, rows, columns):
    sheet = draw_batch(batch_of(count), ANCHORS, ("cat", "dog"))
    height, width = 4 * SIZE[0], 4 * SIZE[1]
    assert sheet.shape == (rows * (height + GAP_PIXELS) - GAP_PIXELS, columns * (width + GAP_PIXELS) - GAP_PIXELS, 3)
    assert sheet.dtype == np.uint8


def test_box_and_anchor_lie_where_they_are():
    """Enlarged 4 times; anchor 62 x 45 of stride 16 lies around the middle of the cell right below, at (72, 56)."""
    sheet = draw_batch(batch_of(1), ANCHORS, ("cat", "dog"))
    for x, y in ((34, 60), (94, 40), (80, 28), (80, 68)):
        around = sheet[4 * y - 2 : 4 * y + 3, 4 * x - 2 : 4 * x + 3].reshape(-1, 3)
        assert any(is_colour(pixel, colour_of(1)) for pixel in around), (x, y)
    for x, y in ((41, 70), (103, 50), (100, 33.5), (60, 78.5)):
        around = sheet[int(4 * y) - 2 : int(4 * y) + 3, 4 * x - 2 : 4 * x + 3].reshape(-1, 3)
        assert any(pixel.min() > 180 for pixel in around), (x, y)
    assert not sheet[4 * 90 :, :40].any()


def test_each_anchor_of_a_box_is_drawn():
    one, several = (draw_batch(batch_of(1, iou), ANCHORS, ("cat", "dog")) for iou in (1.0, 0.3))
    assert np.count_nonzero(several.min(axis=2) > 180) > 2 * np.count_nonzero(one.min(axis=2) > 180)


def test_the_stage_writes_a_picture(tmp_path):
    spec = importlib.util.spec_from_file_location("preview", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    output = tmp_path / "a" / "batches.jpg"
    words = ["--manifest", str(write_manifest(tmp_path)), "--training_shape", "64", "--per_batch_size", "5"]
    assert module.main([*words, "--output", str(output)]) == 0
    assert cv2.imread(str(output)).shape == (2 * 512 + GAP_PIXELS, 4 * 512 + 3 * GAP_PIXELS, 3)
