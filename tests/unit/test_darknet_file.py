"""Darknet weight files: layout worked out by hand, round trips, and files that are none."""

import struct
from pathlib import Path

import numpy as np
import pytest

from yolov3.errors import InputError
from yolov3.weights.darknet_file import DarknetHeader, read_weights, write_weights
from yolov3.weights.layers import DarknetLayer

# Two 1x1 convolutions: 2 -> 1 channels with normalisation, 1 -> 3 channels with a bias. 6 + 6 values.
LAYERS = [DarknetLayer("block", (1, 2, 1, 1), True), DarknetLayer("head", (3, 1, 1, 1), False)]
VALUES = [0.5, 1.5, -2.0, 0.25, 10.0, 11.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
NEW_HEADER = struct.pack("<3iq", 0, 2, 5, 2**40 + 3)
OLD_HEADER = struct.pack("<3ii", 0, 1, 0, 77)


def content(header: bytes = NEW_HEADER, values: list[float] = VALUES) -> bytes:
    return header + struct.pack(f"<{len(values)}f", *values)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights of Müller" / "darknet 53.weights"


def write(file: Path, data: bytes) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    return file


def test_values_are_read_in_darknets_order(file: Path) -> None:
    header, arrays = read_weights(write(file, content()), LAYERS)

    assert header == DarknetHeader(0, 2, 5, 2**40 + 3)
    assert {name: array.ravel().tolist() for name, array in arrays.items()} == {
        "block.batch_norm.beta": [0.5],
        "block.batch_norm.gamma": [1.5],
        "block.batch_norm.moving_mean": [-2.0],
        "block.batch_norm.moving_variance": [0.25],
        "block.conv.weight": [10.0, 11.0],
        "head.bias": [1.0, 2.0, 3.0],
        "head.weight": [4.0, 5.0, 6.0],
    }
    assert arrays["block.conv.weight"].shape == (1, 2, 1, 1)
    assert all(array.dtype == np.float32 for array in arrays.values())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (OLD_HEADER, DarknetHeader(0, 1, 0, 77)),
        (struct.pack("<3iq", 0, 2, 0, 32_013_312), DarknetHeader(0, 2, 0, 32_013_312)),
        (struct.pack("<3iq", 1, 0, 0, 9), DarknetHeader(1, 0, 0, 9)),
    ],
)
def test_both_header_forms_return_byte_for_byte(header: bytes, expected: DarknetHeader, file: Path) -> None:
    original = write(file, content(header))
    copy = file.with_name("copy.weights")

    found, arrays = read_weights(original, LAYERS)
    write_weights(copy, found, LAYERS, arrays)

    assert found == expected
    assert found.size == len(header)
    assert copy.read_bytes() == original.read_bytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (content()[:-1], ["67 bytes", "68", "cut off"]),
        (content()[:10], ["10 bytes", "68", "cut off"]),
        (b"", ["0 bytes", "68"]),
        (content() + b"more", ["72 bytes", "68", "another network"]),
        (content(OLD_HEADER)[:-4], ["60 bytes", "64", "16 bytes"]),
        (b"<!DOCTYPE html><html><body>404</body></html>", ["HTML page"]),
        (b"\xef\xbb\xbf\r\n  <html lang='en'>" + b" " * 100, ["HTML page"]),
        # As long as the file should be: what it holds counts, not only its length.
        (b"<html>" + b" " * 62, ["HTML page"]),
        (b"version https://git-lfs.github.com/spec/v1\noid 1", ["text", "git-lfs"]),
        (struct.pack("<3iq", 7, -4, 0, 0) + content()[20:], ["7.-4.0"]),
        (content(values=[*VALUES[:4], float("nan"), *VALUES[5:]]), ["1 values", "NaN", "block.conv.weight"]),
        (content(values=[*VALUES[:-1], float("-inf")]), ["infinite", "head.weight"]),
        (content(values=[*VALUES[:3], -0.25, *VALUES[4:]]), ["negative variance", "-0.25", "block.batch_norm"]),
    ],
)
def test_other_files_are_refused_saying_what_they_are(data: bytes, words: list[str], file: Path) -> None:
    write(file, data)

    with pytest.raises(InputError) as caught:
        read_weights(file, LAYERS)

    assert str(file) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_missing_file_and_folder_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_weights(file, LAYERS)
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path, LAYERS)


def test_wrong_shape_leaves_no_file(file: Path) -> None:
    arrays = {name: np.zeros(shape, np.float32) for layer in LAYERS for name, shape in layer.parameters}
    arrays["head.bias"] = np.zeros(4, np.float32)

    with pytest.raises(ValueError, match=r"head\.bias"):
        write_weights(file, DarknetHeader(), LAYERS, arrays)

    assert list(file.parent.iterdir()) == []
