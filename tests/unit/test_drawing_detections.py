"""Drawn detections, seen by their pixels."""

import numpy as np
import pytest

from yolov3.boxes import Detections
from yolov3.drawing.detections import draw_detections, font_for
from yolov3.drawing.labels import colour_of

NAMES = ("Größe", "Ёжик", "a name that goes on and on and on and on")


def rgb_of(label):
    return tuple(int(colour_of(label)[place : place + 2], 16) for place in (1, 3, 5))


def drawn(width, height, *rows, names=NAMES):
    """Draw rows of (left, top, right, bottom, label, score) on black."""
    values = np.array(rows, np.float64).reshape(-1, 6)
    found = Detections(values[:, :4], values[:, 5], values[:, 4].astype(np.int64))
    return draw_detections(np.zeros((height, width, 3), np.uint8), found, names)


def has_colour(picture, label):
    return (picture == rgb_of(label)).all(axis=2)


def test_box_lies_on_its_edges_in_the_colour_of_its_class():
    picture = drawn(600, 500, (100, 200, 300, 400, 1, 0.9))
    assert picture.shape == (500, 600, 3)
    coloured = has_colour(picture, 1)
    for x, y in ((100, 300), (300, 300), (200, 200), (200, 400), (100, 200), (300, 400)):
        assert coloured[y, x]
    assert not coloured[220:390, 120:290].any()
    # The label sits on the box, filled, with dark letters.
    rows, columns = np.nonzero(coloured[:200])
    assert rows.min() > 170 and columns.min() >= 100
    assert not coloured[410:].any()


def test_image_outside_of_boxes_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    found = Detections(np.array([[50.0, 100.0, 90.0, 150.0]]), np.array([0.5]), np.array([0]))
    picture = draw_detections(image, found, NAMES)
    assert (picture[200:] == image[200:]).all()
    assert (draw_detections(image, Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)), NAMES) == image).all()


@pytest.mark.parametrize(
    ("width", "height", "factor"), [(64, 48, 8), (1, 1, 480), (479, 10, 2), (480, 3, 1), (3000, 2000, 1), (3, 700, 1)]
)
def test_small_images_are_enlarged_by_a_whole_factor(width, height, factor):
    picture = drawn(width, height, (0, 0, width, height, 2, 0.75))
    assert picture.shape == (height * factor, width * factor, 3)
    assert has_colour(picture, 2).any()


def test_text_grows_with_the_image():
    heights = []
    for side in (500, 1000, 4000):
        picture = drawn(side, side, (side / 4, side / 2, side / 2, side - 9, 0, 0.5))
        rows = np.nonzero(has_colour(picture, 0)[: side // 2].any(axis=1))[0]
        heights.append(rows.max() - rows.min())
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.3)
    assert heights[2] == pytest.approx(4 * heights[1], rel=0.3)


def test_the_best_is_on_top():
    picture = drawn(600, 600, (100, 100, 400, 400, 0, 0.9), (100, 100, 400, 400, 1, 0.5))
    assert has_colour(picture, 0)[250, 100] and not has_colour(picture, 1)[250, 100]


def test_boxes_at_the_border_and_outside_of_it_are_seen():
    picture = drawn(500, 500, (-20, -5, 520, 505, 0, 0.5))
    coloured = has_colour(picture, 0)
    assert coloured[250, 0] and coloured[250, 499] and coloured[499, 250]


def letters_of(text):
    """The pixels of a text."""
    mask = font_for(text, 40).getmask(text)
    return np.array(mask).reshape(mask.size[::-1]) > 128


@pytest.mark.parametrize("text", ["ä", "ß", "Ё", "ж", "λ", "ø"])
def test_letters_outside_ascii_are_letters(text):
    # A missing letter is drawn as the same box whatever it is.
    missing = letters_of("\U0010ffff")
    assert letters_of(text).shape != missing.shape or (letters_of(text) != missing).any()
    assert (letters_of(text).shape != letters_of("Ж").shape) or (letters_of(text) != letters_of("Ж")).any()


def test_a_script_without_a_font_is_said(caplog):
    # A private character, which no font of a host should have.
    font_for("x\U0010f8ff", 20)
    assert "no font on this host has \U0010f8ff" in caplog.text
