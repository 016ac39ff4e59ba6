"""The stages fetch_backbone and convert_backbone, as they are run."""

import importlib.util
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from darknet_samples import slim_settings

from yolov3.files import sha256_of
from yolov3.network.yolo import YOLOv3
from yolov3.weights.backbone import layers_of
from yolov3.weights.checkpoint import load_into, read_checkpoint
from yolov3.weights.darknet_file import read_weights

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
SHAPE = ["--backbone_shape", "[8, 16, 32, 64, 128]", "--backbone_layers", "[1, 1, 2, 2, 1]"]
SLIM = slim_settings(())


def main_of(name: str) -> Callable[[list[str]], int]:
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def run(name: str, *options: object) -> int:
    return main_of(name)([str(option) for option in options])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Gewichte für später"
    folder.mkdir()
    return folder


@pytest.fixture
def fresh(folder: Path) -> Path:
    weights = folder / "fresh.conv.74"
    assert run("fetch_backbone", "--source", "fresh", "--seed", 4, "--output_file", weights, *SHAPE) == 0
    return weights


def rewrite_header(weights: Path, header: bytes) -> Path:
    weights.write_bytes(header + weights.read_bytes()[20:])
    return weights


@pytest.mark.parametrize(
    "header", [struct.pack("<3iq", 0, 2, 0, 32_013_312), struct.pack("<3ii", 0, 1, 9, 5)], ids=["20 bytes", "16 bytes"]
)
def test_there_and_back_is_byte_for_byte_the_same(fresh: Path, folder: Path, header: bytes) -> None:
    original = rewrite_header(fresh, header)
    checkpoint, back = folder / "backbone é.ckpt", folder / "back.weights"

    assert run("convert_backbone", "--input_file", original, "--output_file", checkpoint, *SHAPE) == 0
    assert run("convert_backbone", "--reverse", "--input_file", checkpoint, "--output_file", back, *SHAPE) == 0

    assert back.read_bytes() == original.read_bytes()


def test_checkpoint_is_the_backbone_of_the_network(fresh: Path, folder: Path) -> None:
    checkpoint = folder / "backbone.ckpt"
    assert run("convert_backbone", "--input_file", fresh, "--output_file", checkpoint, *SHAPE) == 0

    network = YOLOv3(slim_settings())
    load_into(checkpoint, network, part="backbone")

    # The first convolution stands behind the header and the four normalisation arrays of its 4 channels.
    values = np.fromfile(fresh, "<f4", offset=20)
    weight = network.backbone.root.conv.weight.asnumpy()
    np.testing.assert_array_equal(weight.ravel(), values[16 : 16 + 4 * 27])
    names = read_checkpoint(checkpoint).parameters
    assert all(name.startswith("backbone.") for name in names)


def test_fresh_weights_follow_the_seed_and_the_bounds(fresh: Path, folder: Path) -> None:
    again, other = folder / "again.weights", folder / "other.weights"
    assert run("fetch_backbone", "--source", "fresh", "--seed", 4, "--output_file", again, *SHAPE) == 0
    assert run("fetch_backbone", "--source", "fresh", "--seed", 5, "--output_file", other, *SHAPE) == 0

    assert again.read_bytes() == fresh.read_bytes() != other.read_bytes()
    _, arrays = read_weights(fresh, layers_of(SLIM))
    constants = {"beta": 0.0, "gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}
    for name, array in arrays.items():
        field = name.rpartition(".")[2]
        if field in constants:
            assert (array == constants[field]).all()
        else:
            bound = 1 / np.sqrt(np.prod(array.shape[1:]))
            assert np.abs(array).max() <= bound * (1 + 1e-6)
            assert array.std() == pytest.approx(bound / np.sqrt(3), rel=0.25)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[: len(content) // 2], ["cut off"]),
        (lambda content: b"<html><title>Moved</title></html>", ["HTML page"]),
        (lambda content: content[:-4] + struct.pack("<f", float("nan")), ["NaN", "stages.4.1.expand.conv.weight"]),
    ],
)
def test_bad_file_ends_with_one_sentence_and_no_checkpoint(
    fresh: Path,
    folder: Path,
    damage: Callable[[bytes], bytes],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = fresh.stat().st_size
    fresh.write_bytes(damage(fresh.read_bytes()))

    assert run("convert_backbone", "--input_file", fresh, "--output_file", folder / "out.ckpt", *SHAPE) == 1

    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert str(fresh) in message
    for word in words:
        assert word in message
    if words == ["cut off"]:
        assert f"{size:,}" in message
        assert f"{size // 2:,}" in message
    assert not (folder / "out.ckpt").exists()


def test_weights_of_another_network_are_refused(fresh: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert_backbone", "--input_file", fresh, "--output_file", folder / "out.ckpt") == 1

    message = capsys.readouterr().err
    assert f"{fresh.stat().st_size:,}" in message
    assert "162,482,580" in message


def test_reverse_of_another_network_names_parameter_and_shapes(
    fresh: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = folder / "backbone.ckpt"
    assert run("convert_backbone", "--input_file", fresh, "--output_file", checkpoint, *SHAPE) == 0
    wider = ["--backbone_shape", "[16, 16, 32, 64, 128]", *SHAPE[2:]]

    assert run("convert_backbone", "--reverse", "--input_file", checkpoint, "--output_file", folder / "b", *wider) == 1

    message = capsys.readouterr().err
    assert "backbone.root.batch_norm.beta" in message
    assert "(4,)" in message
    assert "(8,)" in message
    assert not (folder / "b").exists()


def test_path_is_checked_in_place(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = sha256_of(fresh)
    assert run("fetch_backbone", "--source", fresh, "--sha256", right, *SHAPE) == 0
    assert run("fetch_backbone", "--source", fresh, "--sha256", "0" * 64, *SHAPE) == 1
    assert right in capsys.readouterr().err
    assert run("fetch_backbone", "--source", fresh.with_name("none"), *SHAPE) == 1
    assert "does not exist" in capsys.readouterr().err


def test_url_brings_the_file(fresh: Path, folder: Path) -> None:
    copy = folder / "copy.weights"

    assert run("fetch_backbone", "--source", fresh.as_uri(), "--output_file", copy, *SHAPE) == 0

    assert copy.read_bytes() == fresh.read_bytes()


def test_page_from_a_url_leaves_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = folder / "darknet53.conv.74"
    page.write_text("<!DOCTYPE html><html>gone</html>", encoding="utf-8")
    target = folder / "target" / "darknet53.conv.74"

    assert run("fetch_backbone", "--source", page.as_uri(), "--output_file", target, *SHAPE) == 1

    message = capsys.readouterr().err
    assert "web page" in message
    assert page.as_uri() in message
    assert not target.parent.exists() or list(target.parent.iterdir()) == []
