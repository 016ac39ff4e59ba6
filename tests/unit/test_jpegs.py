"""Data sets as JPEG files for the native program."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from small_coco import write_small_coco

from yolov3.data.annotations import load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.errors import InputError
from yolov3.native.jpegs import is_jpeg, link_jpegs


@pytest.fixture
def split(tmp_path):
    """Three images, of which the second is a JPEG file by content, whatever its name says."""
    place = write_small_coco(tmp_path / "data", images=3)
    second = place[0] / "000002.png"
    cv2.imwrite(str(second.with_suffix(".jpg")), cv2.imread(str(second)))
    second.with_suffix(".jpg").rename(second)
    return load_split(check_dataset("custom", {"val": place, "train": place}, CheckSettings("header", False)), "val")


def test_jpeg_files_are_linked_and_others_copied(split, tmp_path, caplog):
    folder = tmp_path / "work"
    folder.mkdir()
    images, annotations = link_jpegs(split, range(3), folder)
    paths = sorted(images.iterdir())
    assert [path.name for path in paths] == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert [path.is_symlink() for path in paths] == [False, True, False] and all(map(is_jpeg, paths))
    assert paths[1].resolve() == split.path(1).resolve()
    with Image.open(paths[0]) as copy:
        difference = np.abs(np.asarray(copy.convert("RGB")).astype(int) - cv2.imread(str(split.path(0)))[..., ::-1])
    assert difference.max() <= 4
    entries = json.loads(annotations.read_text())["images"]
    assert [entry["id"] for entry in entries] == [1, 2, 3]
    assert [(entry["width"], entry["height"]) for entry in entries] == [tuple(size) for size in split.sizes_wh.tolist()]
    assert [entry["file_name"] for entry in entries] == [path.name for path in paths]
    (warning,) = caplog.records
    assert warning.getMessage().startswith(f"2 of 3 images are not JPEG files, the first is {split.path(0)}")


def test_an_image_that_cannot_be_copied(split, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    split.path(2).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"000003\.png is not an image"):
        link_jpegs(split, range(3), folder)
