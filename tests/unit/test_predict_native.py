"""What the native program is given: JPEG files as they are, other images as bins, unreadable ones not at all."""

import cv2
import numpy as np
import pytest
from exported_samples import write_program

from yolov3.data import images
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.native.run import NativeRunSettings
from yolov3.prediction.native import native_detections

MODEL = ModelDescription((64, 64), 1, "", (), ("a", "b"), (3, 9), False, False, (0,) * 3, (1,) * 3)
SETTINGS = NativeRunSettings("lite", "cpu", 0, False, "float32", 0, 1, 0.3, 0.5, 0)
# Finds a box with the image's size in each image, and fails as native310 does on JPEG files that begin with "bad".
PROGRAM = """
import json
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
source, output = Path(options["--input"]), Path(options["--output"])
if "fail" in options["--model"]:
    print("native310: the model is no good")
    sys.exit(1)
results, index = [], source / "index.json"
if index.exists():
    kind = 9
    entries = [(entry["id"], entry["width"]) for entry in json.loads(index.read_text())["images"]]
else:
    kind, entries = 3, []
    for file in sorted(source.iterdir()):
        content = file.read_bytes()
        if b"bad" in content:
            print(f"native310: image {file} cannot be read as JPEG: restore it")
            sys.exit(1)
        entries.append((int(file.stem), len(content)))
for number, size in entries:
    results.append({"image_id": number, "category_id": kind, "bbox": [0, 0, size, 1], "score": 0.5})
output.mkdir(exist_ok=True)
(output / "detections.json").write_text(json.dumps(results))
with open(Path(sys.argv[0]).with_suffix(".log"), "a") as log:
    log.write(f"{source.name} {len(entries)}\\n")
"""


@pytest.fixture
def program(tmp_path):
    write_program(tmp_path / "program", PROGRAM)
    return tmp_path / "program"


@pytest.fixture
def decoded(monkeypatch):
    """The paths of all images that are decoded in Python."""
    paths, decode = [], images.decode_rgb
    monkeypatch.setattr(
        images, "decode_rgb", lambda data, path, size=None: paths.append(path) or decode(data, path, size)
    )
    return paths


def write_image(path, width):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((20, width, 3), np.uint8))
    return path


def runs_of(program):
    return program.with_suffix(".log").read_text().splitlines()


def found(program, files, model="yolo.ms"):
    detect = native_detections(program, program.with_name(model), MODEL, files, SETTINGS)
    return [
        (int(detections.labels[0]), int(detections.boxes_xyxy[0, 2])) if len(detections := detect(path, None)) else None
        for path in files
    ]


def test_jpeg_files_are_not_decoded_here(program, decoded, tmp_path):
    files = [write_image(tmp_path / f"ordner {n}" / "größe.jpg", 30 + n) for n in range(3)]
    # The format is that of the content.
    files.append(files[0].rename(tmp_path / "photo.png"))
    files[0] = write_image(tmp_path / "a" / "x.JPEG", 50)
    assert found(program, files) == [(0, path.stat().st_size) for path in files]
    assert runs_of(program) == ["jpeg 4"] and decoded == []


def test_other_images_are_decoded_once(program, decoded, tmp_path):
    files = [
        write_image(tmp_path / "b.jpg", 40),
        write_image(tmp_path / "a.png", 31),
        write_image(tmp_path / "c.bmp", 32),
    ]
    assert found(program, files) == [(0, files[0].stat().st_size), (1, 31), (1, 32)]
    assert runs_of(program) == ["jpeg 1", "bins 2"]
    assert sorted(decoded) == sorted(files[1:])


def test_unreadable_images_are_left_out(program, tmp_path):
    png, jpeg = write_image(tmp_path / "a.png", 31), write_image(tmp_path / "b.jpg", 32)
    cut = write_image(tmp_path / "cut.png", 33)
    cut.write_bytes(cut.read_bytes()[:-30])
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(jpeg.read_bytes()[:4] + b"bad")
    (tmp_path / "text.png").write_text("text")
    files = [bad, jpeg, cut, png, tmp_path / "text.png"]
    assert found(program, files) == [None, (1, 32), None, (1, 31), None]
    assert runs_of(program) == ["bins 2"]
    assert found(program, [bad]) == [None]


def test_an_error_that_is_not_of_an_image_is_told_at_once(program, decoded, tmp_path):
    with pytest.raises(InputError, match="the model is no good"):
        found(program, [write_image(tmp_path / "b.jpg", 40)], "fail.ms")
    assert decoded == []
