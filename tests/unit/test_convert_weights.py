"""The stage convert_weights, as it is run, against OpenCV's reader of Darknet's files."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import mindspore
import numpy as np
import pytest
from darknet_samples import ANCHORS, full_settings, random_arrays, slim_settings
from report_inputs import write_manifest

from yolov3.data.images import read_image_rgb
from yolov3.files import sha256_of
from yolov3.network.preprocess import normalise, place_image
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.weights.backbone import layers_of
from yolov3.weights.checkpoint import load_network, read_checkpoint, save_checkpoint
from yolov3.weights.darknet_cfg import darknet_cfg
from yolov3.weights.darknet_file import DarknetHeader, write_weights
from yolov3.weights.layers import network_layers

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "workflow" / "scripts" / "convert_weights.py"
PICTURE = ROOT / "docs" / "gallery.jpg"
SLIM = ["--backbone_shape", "[8, 16, 32, 64, 128]", "--backbone_layers", "[1, 1, 2, 2, 1]"]
UNIT = ["--normalisation", "unit"]


def run(*options: object) -> int:
    spec = importlib.util.spec_from_file_location("convert", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([str(option) for option in options])


def peak_bytes_of(*options: object) -> int:
    """Run the script in a process of its own and return the most memory that it held."""
    # The peak counts from that of the parent, which is much for the tests and little for this.
    program = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    program += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    words = [sys.executable, "-c", program, sys.executable, str(SCRIPT), *map(str, options)]
    return int(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]) * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "fremde Gewichte für alle"
    folder.mkdir()
    return folder


def manifest(folder: Path, settings: NetworkSettings) -> list[object]:
    return ["--manifest", write_manifest(folder, names=settings.class_names, image_names=("a.jpg",))]


def write_darknet(path: Path, settings: NetworkSettings, seed: int = 5) -> Path:
    layers = network_layers(YOLOv3(settings))
    write_weights(path, DarknetHeader(seen=32_013_312), layers, random_arrays(layers, seed))
    return path


def write_own(path: Path, settings: NetworkSettings, seed: int = 5) -> Path:
    save_checkpoint(path, random_arrays(network_layers(YOLOv3(settings)), seed), settings)
    return path


def opencv_raw_maps(cfg: Path, weights: Path, blob: np.ndarray) -> list[np.ndarray]:
    """What OpenCV computes in front of each [yolo] section, at strides 8, 16, 32."""
    oracle = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    oracle.setInput(blob)
    yolo_numbers = [int(name.removeprefix("yolo_")) for name in oracle.getLayerNames() if name.startswith("yolo_")]
    return oracle.forward([f"conv_{number - 1}" for number in yolo_numbers])[::-1]


def assert_equal_maps(network: YOLOv3, images: np.ndarray, expected: list[np.ndarray]) -> None:
    found = [raw.asnumpy() for raw in network(mindspore.Tensor(images))]
    for ours, theirs in zip(found, expected, strict=True):
        assert 0.1 < theirs.std() < 30
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


def test_whole_yolov3_weights_see_a_picture_as_opencv_does(folder: Path) -> None:
    settings, side = full_settings(), 160
    weights = write_darknet(folder / "yolov3.weights", settings)
    assert weights.stat().st_size == 248_007_048

    target = folder / "weights" / "yolov3.ckpt"
    options = ["--pretrained", weights, "--output_file", target, *manifest(folder, settings), *UNIT]
    assert peak_bytes_of(*options) < 2**31

    network, carried = load_network(target)
    assert (carried.class_names, carried.anchors) == (settings.class_names, ANCHORS)
    assert carried.category_ids == tuple(range(10, 810, 10))
    assert carried.normalisation == "unit"
    # Darknet's own: it trains on images that keep their aspect ratio.
    assert (carried.testing_shape, carried.letterbox) == (416, True)
    summary = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
    assert summary == {
        "file": "yolov3.weights",
        "format": "Darknet",
        "parameters": 62_001_757,
        "seen": 32_013_312,
    }
    placed, _ = place_image(read_image_rgb(PICTURE), (side, side), letterbox=True)
    images = normalise(placed, carried.mean_std)[None]
    # The same picture as OpenCV's own functions letterbox it.
    picture = cv2.imread(str(PICTURE))
    inner = round(picture.shape[0] * side / picture.shape[1])
    assert inner < side
    small = cv2.resize(picture, (side, inner), interpolation=cv2.INTER_AREA)
    above = (side - inner) // 2
    boxed = cv2.copyMakeBorder(small, above, side - inner - above, 0, 0, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    cfg = folder / "yolov3.cfg"
    cfg.write_text(darknet_cfg(settings, side, side), encoding="utf-8")
    blob = cv2.dnn.blobFromImage(boxed, 1 / 255, swapRB=True)
    assert_equal_maps(network, images, opencv_raw_maps(cfg, weights, blob))


def test_own_checkpoint_is_what_opencv_reads_from_darknets_files(folder: Path) -> None:
    checkpoint = write_own(folder / "own.ckpt", slim_settings(), seed=6)
    target = folder / "für Darknet.weights"

    assert run("--to_darknet", "--pretrained", checkpoint, "--output_file", target, "--testing_shape", 96) == 0

    blob = np.random.default_rng(7).random((1, 3, 96, 96), np.float32)
    network, _ = load_network(checkpoint)
    assert_equal_maps(network, blob, opencv_raw_maps(target.with_suffix(".cfg"), target, blob))
    assert "width=96\nheight=96" in target.with_suffix(".cfg").read_text(encoding="utf-8")


@pytest.mark.parametrize(("normalisation", "is_told"), [("imagenet", True), ("unit", False)])
def test_other_input_than_darknets_is_told(
    normalisation: str, is_told: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = write_darknet(folder / "a.weights", slim_settings())
    names = manifest(folder, slim_settings())
    options = [*names, *SLIM, "--normalisation", normalisation]
    assert run("--pretrained", original, "--output_file", folder / "b.ckpt", *options) == 0
    assert ("x / 255" in capsys.readouterr().err) == is_told

    assert run("--to_darknet", "--pretrained", folder / "b.ckpt", "--output_file", folder / "c.weights") == 0

    assert ("x / 255" in capsys.readouterr().err) == is_told
    assert (folder / "c.weights").read_bytes() == original.read_bytes()


def test_own_checkpoint_keeps_its_settings(folder: Path) -> None:
    own = write_own(folder / "own.ckpt", slim_settings())
    names = manifest(folder, slim_settings())

    # The shape of the network is the checkpoint's, whatever the options say.
    assert run("--pretrained", own, "--output_file", folder / "copy.ckpt", *names) == 0

    copy = read_checkpoint(folder / "copy.ckpt")
    assert copy.settings == slim_settings()
    for name, value in read_checkpoint(own).parameters.items():
        np.testing.assert_array_equal(copy.parameters[name].asnumpy(), value.asnumpy())


def test_url_brings_the_weights(folder: Path) -> None:
    original = write_darknet(folder / "tiny é.weights", slim_settings())
    names = manifest(folder, slim_settings())
    target = folder / "out" / "a.ckpt"

    assert run("--pretrained", original.as_uri(), "--output_file", target, *names, *SLIM, *UNIT) == 0

    assert json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))["file"] == original.name
    assert {path.name for path in target.parent.iterdir()} == {"a.ckpt", "a.json"}


@pytest.mark.parametrize("is_local", [True, False])
def test_weights_of_another_content_than_expected(
    folder: Path, capsys: pytest.CaptureFixture[str], is_local: bool
) -> None:
    original = write_darknet(folder / "tiny.weights", slim_settings())
    names = manifest(folder, slim_settings())
    place = original if is_local else original.as_uri()
    words = ["--pretrained", place, "--output_file", folder / "out" / "a.ckpt", *names, *SLIM, *UNIT, "--sha256"]

    assert run(*words, sha256_of(original)) == 0
    (folder / "out" / "a.ckpt").unlink()
    assert run(*words, "0" * 64) == 1

    assert f"not the expected {'0' * 64}" in capsys.readouterr().err
    assert not (folder / "out" / "a.ckpt").exists()


def backbone_only(path: Path) -> None:
    layers = layers_of(slim_settings())
    write_weights(path, DarknetHeader(), layers, random_arrays(layers, 1))


def cut_off(path: Path) -> None:
    write_darknet(path, slim_settings())
    path.write_bytes(path.read_bytes()[:-8])


def cut_off_checkpoint(path: Path) -> None:
    write_own(path, slim_settings())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_checkpoint(path: Path) -> None:
    mindspore.save_checkpoint([{"name": "fc.weight", "data": mindspore.Tensor([1.0])}], str(path.with_suffix(".ckpt")))
    path.with_suffix(".ckpt").rename(path)


@pytest.mark.parametrize(
    ("name", "write", "options", "words"),
    [
        ("none.weights", lambda path: None, SLIM, ["does not exist"]),
        ("page.weights", lambda path: path.write_text("<!DOCTYPE html><html>gone</html>"), SLIM, ["HTML page"]),
        ("half.weights", cut_off, SLIM, ["cut off", "bytes"]),
        # Told by its content, whatever it is called.
        ("half.ckpt", cut_off, SLIM, ["cut off", "convolutions"]),
        ("half.ckpt", cut_off_checkpoint, SLIM, ["cut off or not a MindSpore checkpoint"]),
        ("page.ckpt", lambda path: path.write_text("\n\n<html><title>404</title></html>"), SLIM, ["HTML page"]),
        ("model.onnx", lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch" * 100), SLIM, ["not a Darknet weight"]),
        ("conv.74", backbone_only, SLIM, ["backbone only", "backbone.source"]),
        ("a.weights", lambda path: write_darknet(path, slim_settings(("a",))), SLIM, ["bytes"]),
        (
            "a.weights",
            lambda path: write_darknet(path, slim_settings()),
            [*SLIM, "--compatibility", "modelzoo"],
            ["modelzoo", "darknet"],
        ),
        ("a.weights", lambda path: write_darknet(path, slim_settings()), ["--anchor_scales", "auto"], ["nine"]),
        ("other.ckpt", other_checkpoint, SLIM, ["neither", "fc.weight"]),
        ("own.ckpt", lambda path: write_own(path, slim_settings()), UNIT, ["imagenet", "unit"]),
    ],
    ids=[
        *("missing", "page", "cut off", "cut off Darknet ckpt", "cut off ckpt", "page as ckpt", "ONNX", "backbone"),
        "classes",
        "modelzoo",
        "anchors",
        "other",
        "normalisation",
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    name: str, write, options: list[str], words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / name)
    names = manifest(folder, slim_settings())

    assert run("--pretrained", folder / name, "--output_file", folder / "out.ckpt", *names, *options) == 1

    message = capsys.readouterr().err.strip().splitlines()[-1]
    for word in words:
        assert word in message
    assert not (folder / "out.ckpt").exists()


def test_darknet_has_no_model_zoo_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = NetworkSettings(*((8, 16, 32, 64, 128), (1, 1, 2, 2, 1), ANCHORS, ("a",)), compatibility="modelzoo")
    checkpoint = write_own(folder / "zoo.ckpt", settings)

    assert run("--to_darknet", "--pretrained", checkpoint, "--output_file", folder / "zoo.weights") == 1

    assert "modelzoo" in capsys.readouterr().err
    assert not list(folder.glob("zoo.weights")) + list(folder.glob("zoo.cfg"))


def test_checkpoint_is_not_written_as_weights_file_of_another_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = write_own(folder / "own.ckpt", slim_settings())

    assert run("--to_darknet", "--pretrained", checkpoint, "--output_file", folder / "own.cfg") == 1

    assert "must have a name that ends in .weights" in capsys.readouterr().err
