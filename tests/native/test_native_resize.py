"""Resizing gives the pixels of OpenCV to the last bit, at any sizes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from yolov3.network.preprocess import resize

# (width, height) before, (width, height) after
Sizes = tuple[int, int, int, int]


def whole_factors() -> Iterator[Sizes]:
    """All factors to 200: the inverse of some, such as 49, 98 and 103, is rounded, and OpenCV does not see them."""
    for factor in range(1, 201):
        yield 2 * factor, factor, 2, 1
    yield from ((49 * 3, 2, 3, 1), (6, 49, 2, 1), (98 * 4, 49 * 3, 4, 3), (832, 832, 416, 416))


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


def images(sizes: list[Sizes]) -> list[np.ndarray]:
    """Noise, black and white by turns, which has the largest and smallest sums, and one colour."""
    random = np.random.default_rng(2)
    drawn = [random.integers(0, 256, (height, width, 3), np.uint8) for width, height, *_ in sizes]
    for image in drawn[::4]:
        image[:] = np.where(image < 128, 0, 255)
    for image in drawn[1::8]:
        image[:] = image[0, 0]
    return drawn


@pytest.mark.parametrize("sizes", [whole_factors, any_factors, enlarged])
def test_pixels_equal_opencv(sanitized_dir: Path, sizes) -> None:
    program = sanitized_dir / "resize_images"
    if not program.is_file():
        pytest.skip("libjpeg is not here")
    cases = list(sizes())
    originals = images(cases)
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
