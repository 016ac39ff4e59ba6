"""Resizing gives the pixels of OpenCV to the last bit, at any sizes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from yolov3.network.preprocess import resize

# (width, height) before, (width, height) after
Sizes = tuple[int, int, int, int]
KINDS = 4


def whole_factors() -> Iterator[Sizes]:
    """All factors to 200: the inverse of some, such as 49, 98 and 103, is rounded, and OpenCV does not see them."""
    for factor in range(1, 201):
        yield from [(4 * factor, 4, 4, 2)] * KINDS
        yield 2 * factor, factor, 2, 1
    yield from ((98 * 4, 49 * 3, 4, 3), (832, 832, 416, 416), (1248, 832, 416, 416))


def any_factors() -> Iterator[Sizes]:
    random = np.random.default_rng(0)
    for _ in range(60):
        width, height = random.integers(1, 300, 2)
        yield int(width), int(height), int(random.integers(1, width + 1)), int(random.integers(1, height + 1))
    yield from ((640, 480, 416, 416), (417, 417, 416, 416), (1000, 61, 416, 25), (640, 427, 416, 416))


def enlarged() -> Iterator[Sizes]:
    """One side grows, or both."""
    random = np.random.default_rng(1)
    for _ in range(60):
        width, height, new_width, new_height = random.integers(1, 200, 4)
        yield int(width), int(height), int(max(new_width, width + 1)), int(new_height)
        yield int(width), int(height), int(new_width), int(max(new_height, height + 1))
    yield from ((500, 375, 416, 416), (1, 1, 416, 416), (2, 3, 416, 416), (97, 1000, 416, 416))


def draw(index: int, width: int, height: int) -> np.ndarray:
    """Draw noise, black and white, one colour, or neighbours that differ by 1, so that many means end in 1/2."""
    random = np.random.default_rng(index)
    noise = random.integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = np.indices((height, width, 1))[:2]
    kinds = (
        noise,
        np.where(noise < 128, 0, 255),
        np.broadcast_to(noise[:1, :1], noise.shape),
        noise[:1, :1] // 2 + (rows + columns) % 2,
    )
    return kinds[index % KINDS].astype(np.uint8)


@pytest.mark.parametrize("sizes", [whole_factors, any_factors, enlarged])
def test_pixels_equal_opencv(sanitized_dir: Path, sizes) -> None:
    program = sanitized_dir / "resize_images"
    if not program.is_file():
        pytest.skip("libjpeg is not here")
    cases = list(sizes())
    originals = [draw(index, *case[:2]) for index, case in enumerate(cases)]
    content = b"".join(
        np.array(case, np.int32).tobytes() + image.tobytes() for case, image in zip(cases, originals, strict=True)
    )
    result = subprocess.run([program], input=content, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    found = np.frombuffer(result.stdout, np.uint8)
    wrong = []
    for case, image in zip(cases, originals, strict=True):
        wanted = resize(image, *case[2:]).ravel()
        if not np.array_equal(found[: wanted.size], wanted):
            wrong.append(case)
        found = found[wanted.size :]
    assert not wrong and found.size == 0
