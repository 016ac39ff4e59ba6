import colorsys
import dataclasses
import itertools

import cv2
import numpy as np
import pytest

from yolov3.training.augment import AugmentSettings, augment

NOTHING = AugmentSettings(jitter=0, scale_min=1, scale_max=1, flip=0, hue=0, saturation=1, value=1)
EVERYTHING = AugmentSettings(jitter=0.3, scale_min=0.25, scale_max=2, flip=0.5, hue=0.1, saturation=1.5, value=1.5)
GREY = 128


def scene(width=200, height=150, box=(60, 40, 110, 90)):
    """A dark image with one white rectangle."""
    image = np.full((height, width, 3), 20, np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right] = 255
    return image, np.array([box], np.float32), np.array([3], np.int32)


def white_box(image):
    rows, columns = np.nonzero(image.min(axis=2) > 150)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize("seed", range(30))
def test_boxes_follow_what_is_seen(seed):
    settings = AugmentSettings(0.3, 0.25, 2, 0.5, hue=0.1, saturation=1, value=1)
    image, boxes, labels = augment(*scene(), (160, 192), settings, np.random.default_rng(seed))
    assert image.shape == (160, 192, 3)
    assert image.dtype == np.uint8
    assert labels.tolist() == [3]
    np.testing.assert_allclose(boxes[0], white_box(image), atol=3.0)


def test_without_changes_the_image_only_fits_the_canvas():
    image, boxes, _ = augment(*scene(200, 200), (100, 100), NOTHING, np.random.default_rng(0))
    np.testing.assert_allclose(boxes[0], [30, 20, 55, 45], atol=0.5)
    assert (image[0] < 60).all()


def test_a_flip_mirrors_image_and_box():
    flipped = AugmentSettings(0, 1, 1, flip=1, hue=0, saturation=1, value=1)
    image, boxes, _ = augment(*scene(200, 200), (100, 100), flipped, np.random.default_rng(0))
    np.testing.assert_allclose(boxes[0], [45, 20, 70, 45], atol=0.5)
    np.testing.assert_allclose(boxes[0], white_box(image), atol=1)


def test_equal_seeds_equal_images_and_other_seeds_others():
    first = augment(*scene(), (96, 96), EVERYTHING, np.random.default_rng(5))
    again = augment(*scene(), (96, 96), EVERYTHING, np.random.default_rng(5))
    other = augment(*scene(), (96, 96), EVERYTHING, np.random.default_rng(6))
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_a_box_that_cropping_loses_is_found_again():
    # A 2 px box in the corner is cut off by most placements at scale 2; some attempt, or the whole image, shows it.
    image, boxes, labels = scene(400, 400, (396, 396, 400, 400))
    settings = AugmentSettings(0, 2, 2, 0, 0, 1, 1)
    for seed in range(20):
        _, placed, _ = augment(image, boxes, labels, (416, 416), settings, np.random.default_rng(seed))
        assert len(placed) == 1


def test_boxes_stay_inside_and_are_at_least_one_pixel():
    rng = np.random.default_rng(0)
    for _ in range(50):
        _, boxes, _ = augment(*scene(), (64, 64), EVERYTHING, rng)
        assert (boxes >= 0).all()
        assert (boxes <= 64).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 1).all()


def test_the_canvas_is_grey_where_no_image_is():
    small = AugmentSettings(0, 0.25, 0.25, 0, 0, 1, 1)
    image, _, _ = augment(*scene(), (160, 160), small, np.random.default_rng(1))
    assert (image == GREY).all(axis=2).mean() > 0.8


class Drawn:
    """Random numbers chosen by hand: the place of each draw within its range, 0..1, in the order of drawing."""

    def __init__(
        self, placements=(), shape=(0.5, 0.5), scale=1, corner=(0, 0), hue=0.5, saturation=0, value=0, flip=0.9, **more
    ):
        self.invert = more.get("invert", (0.9, 0.9))
        self.interpolation = more.get("interpolation", 0)
        placements = placements or [(*shape, scale, *corner)]
        self.positions = iter([*itertools.chain(*placements), hue, saturation, value])
        self.flip = flip

    def uniform(self, low, high, size=None):
        if size is not None:
            return np.array([self.uniform(low, high) for _ in range(size)])
        return low + next(self.positions) * (high - low)

    def random(self, size=None):
        return self.flip if size is None else np.array(self.invert)

    def integers(self, count):
        assert count == 5
        return self.interpolation


def settings(**changes):
    return dataclasses.replace(NOTHING, **changes)


def placed_rectangle(image_wh, canvas_hw, changes, **drawn):
    """Left, top, right, bottom of a white image on the canvas, and its box there."""
    width, height = image_wh
    image = np.full((height, width, 3), 255, np.uint8)
    box = np.array([[0, 0, width, height]], np.float32)
    canvas, boxes, _ = augment(image, box, np.zeros(1, np.int32), canvas_hw, settings(**changes), Drawn(**drawn))
    rows, columns = np.nonzero(canvas[..., 0] != GREY)
    rectangle = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert boxes[0].tolist() == rectangle
    return rectangle


HALF = {"scale_min": 0.5, "scale_max": 0.5}


# As in Darknet's data.c: the height decides for an image that is higher than wide, otherwise the width.
@pytest.mark.parametrize(
    ("image_wh", "placed_wh"),
    [((200, 100), (96, 48)), ((100, 200), (32, 64)), ((100, 100), (96, 96)), ((300, 200), (96, 64))],
)
def test_the_longer_side_takes_its_share_of_the_canvas(image_wh, placed_wh):
    assert placed_rectangle(image_wh, (128, 192), HALF) == [0, 0, *placed_wh]


def test_the_place_is_drawn_over_the_free_space():
    # 96 x 48 on 192 x 128: 96 px free beside it and 80 below.
    assert placed_rectangle((200, 100), (128, 192), HALF, corner=(1, 0)) == [96, 0, 192, 48]
    assert placed_rectangle((200, 100), (128, 192), HALF, corner=(0.25, 1)) == [24, 80, 120, 128]
    assert placed_rectangle((100, 100), (100, 100), HALF, corner=(1, 0)) == [50, 0, 100, 50]
    assert placed_rectangle((100, 100), (100, 100), HALF, corner=(0, 1)) == [0, 50, 50, 100]


def test_the_scale_is_drawn_between_its_limits():
    limits = {"scale_min": 0.25, "scale_max": 0.75}
    assert placed_rectangle((100, 100), (100, 100), limits, scale=0) == [0, 0, 25, 25]
    assert placed_rectangle((100, 100), (100, 100), limits, scale=0.5) == [0, 0, 50, 50]
    assert placed_rectangle((100, 100), (100, 100), limits, scale=1) == [0, 0, 75, 75]


def test_jitter_widens_and_heightens():
    jitter = {"jitter": 0.25, "scale_min": 0.6, "scale_max": 0.6}
    # 1.25 times as wide and 0.75 times as high: 5:3 in a width of 60 px; the other way round 3:5 in a height of 60.
    assert placed_rectangle((100, 100), (100, 100), jitter, shape=(1, 0)) == [0, 0, 60, 36]
    assert placed_rectangle((100, 100), (100, 100), jitter, shape=(0, 1)) == [0, 0, 36, 60]
    # Only wider: 1.25:1. Only higher: 1:1.25.
    assert placed_rectangle((100, 100), (100, 100), jitter, shape=(1, 0.5)) == [0, 0, 60, 48]
    assert placed_rectangle((100, 100), (100, 100), jitter, shape=(0.5, 1)) == [0, 0, 48, 60]


def test_an_enlarged_image_is_cropped_and_boxes_move_with_it():
    grey = np.random.default_rng(4).integers(0, 256, (100, 100, 1), np.uint8).repeat(3, axis=2)
    boxes = np.array([[50, 30, 70, 60], [0, 0, 60, 50], [0, 0, 10, 10], [80, 70, 100, 100]], np.float32)
    # Twice as large and drawn at (-80, -50): the part from (40, 25) to (90, 75) fills the canvas.
    image, placed, labels = augment(
        grey,
        boxes,
        np.array([3, 4, 5, 6], np.int32),
        (100, 100),
        settings(scale_min=2, scale_max=2),
        Drawn(corner=(0.2, 0.5)),
    )
    assert np.array_equal(image, cv2.resize(grey[25:75, 40:90], (100, 100), interpolation=cv2.INTER_LINEAR))
    assert placed.tolist() == [[20, 10, 60, 70], [0, 0, 40, 50], [80, 90, 100, 100]]
    assert labels.tolist() == [3, 4, 6]
    assert (placed.dtype, labels.dtype, image.dtype) == (np.float32, np.int32, np.uint8)
    assert image.flags.c_contiguous


# Size and scale of an image on a canvas of 100 x 100, and which part of it is seen in which part of the canvas.
@pytest.mark.parametrize(
    ("image_wh", "scale", "corner", "source", "visible"),
    [
        ((100, 100), 2, (1, 0), (0, 50, 50, 100), (0, 0, 100, 100)),
        ((100, 100), 2, (0, 1), (50, 0, 100, 50), (0, 0, 100, 100)),
        ((120, 60), 2, (0.2, 0), (48, 0, 108, 60), (0, 0, 100, 100)),
        ((60, 120), 2, (0, 0.5), (0, 30, 60, 90), (0, 0, 100, 100)),
        ((60, 120), 2, (0, 0), (0, 60, 60, 120), (0, 0, 100, 100)),
        ((120, 60), 2, (0, 0), (60, 0, 120, 60), (0, 0, 100, 100)),
        ((120, 60), 1.5, (0.5, 1), (20, 0, 100, 60), (0, 25, 100, 100)),
        ((60, 120), 1.5, (1, 0.5), (0, 20, 60, 100), (25, 0, 100, 100)),
    ],
)
def test_the_seen_part_of_an_image_that_sticks_out(image_wh, scale, corner, source, visible):
    grey = np.random.default_rng(4).integers(0, 256, (image_wh[1], image_wh[0], 1), np.uint8).repeat(3, axis=2)
    boxes, labels = np.array([[0, 0, *image_wh]], np.float32), np.zeros(1, np.int32)
    changes = settings(scale_min=scale, scale_max=scale)
    image, placed, _ = augment(grey, boxes, labels, (100, 100), changes, Drawn(corner=corner))
    left, top, right, bottom = visible
    seen = grey[source[1] : source[3], source[0] : source[2]]
    expected = np.full((100, 100, 3), GREY, np.uint8)
    expected[top:bottom, left:right] = cv2.resize(seen, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(image, expected)
    assert placed.tolist() == [list(visible)]


# Four times as large, less than half a pixel of the image may be seen, which is none: then another place is drawn.
@pytest.mark.parametrize(
    ("image_wh", "corner", "is_seen"),
    [((1, 1), (1, 1), False), ((1, 1), (0, 0), True), ((1, 2), (1, 5 / 6), False), ((2, 1), (5 / 6, 1), False)],
)
def test_a_place_without_a_pixel_is_drawn_again(image_wh, corner, is_seen):
    image = np.full((image_wh[1], image_wh[0], 3), 255, np.uint8)
    boxes, labels = np.array([[0, 0, *image_wh]], np.float32), np.zeros(1, np.int32)
    empty, whole = (0.5, 0.5, 1, *corner), (0.5, 0.5, 0, 0, 0)
    rng = Drawn(placements=[empty] if is_seen else [empty, whole])
    _, placed, _ = augment(image, boxes, labels, (100, 100), settings(scale_min=1, scale_max=4), rng)
    assert placed.tolist() == [[0, 0, 100 * image_wh[0] / max(image_wh), 100 * image_wh[1] / max(image_wh)]]


def test_all_five_interpolations_are_used():
    grey = np.random.default_rng(1).integers(0, 256, (60, 60, 1), np.uint8).repeat(3, axis=2)
    resized = {
        name: cv2.resize(grey, (100, 100), interpolation=getattr(cv2, f"INTER_{name}"))
        for name in ("LINEAR", "CUBIC", "AREA", "NEAREST", "LANCZOS4")
    }
    used = []
    for seed in range(60):
        boxes, labels = np.array([[0, 0, 60, 60]], np.float32), np.zeros(1, np.int32)
        image, _, _ = augment(grey, boxes, labels, (100, 100), NOTHING, np.random.default_rng(seed))
        (name,) = (name for name, expected in resized.items() if np.array_equal(image, expected))
        used.append(name)
    assert {name: used.count(name) > 3 for name in resized} == dict.fromkeys(resized, True)


def test_boxes_below_one_pixel_are_dropped():
    image = np.zeros((200, 200, 3), np.uint8)
    # Halved: 1 px and 0.9 px wide, then high.
    boxes = np.array([[10, 10, 12, 50], [10, 10, 11.8, 50], [20, 30, 60, 32], [20, 30, 60, 31.8]], np.float32)
    _, placed, labels = augment(image, boxes, np.arange(4, dtype=np.int32), (100, 100), NOTHING, Drawn())
    assert placed.tolist() == [[5, 5, 6, 25], [10, 15, 30, 16]]
    assert labels.tolist() == [0, 2]


LOST, WHOLE = (0.5, 0.5, 1, 1, 1), (0.5, 0.5, 0, 0, 0)


@pytest.mark.parametrize(("lost", "corner"), [(19, [90, 40, 100, 50]), (20, [180, 80, 200, 100])])
def test_after_twenty_placements_without_a_box_the_whole_image_is_shown(lost, corner):
    image = np.full((200, 400, 3), 255, np.uint8)
    box = np.array([[360, 160, 400, 200]], np.float32)
    # At twice the size the left half is seen, at half of it everything at (0, 0); the whole image fits at 0.5.
    rng = Drawn(placements=[LOST] * lost + [WHOLE] * (20 - lost))
    canvas, placed, _ = augment(
        image, box, np.zeros(1, np.int32), (200, 200), settings(scale_min=0.5, scale_max=2), rng
    )
    assert placed.tolist() == [corner]
    seen = (canvas != GREY).all(axis=2)
    width, height = corner[2:]
    assert seen[:height, :width].all() and seen.sum() == height * width


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 3), (1000, 1), (1, 1000)])
def test_tiny_and_thin_images(width, height):
    image = np.full((height, width, 3), 255, np.uint8)
    boxes, labels = np.array([[0, 0, width, height]], np.float32), np.zeros(1, np.int32)
    for seed in range(40):
        canvas, placed, _ = augment(image, boxes, labels, (64, 96), EVERYTHING, np.random.default_rng(seed))
        assert len(placed) == 1
        assert (white_box(canvas) == placed[0]).all()
        if max(width, height) == 1000:
            assert (placed[0, 2:] - placed[0, :2]).min() == 1


def coloured(colours, changes, **drawn):
    """The colours that a picture of single pixels has after it was changed."""
    image = np.array(colours, np.uint8)[None]
    boxes = np.array([[0, 0, len(colours), 1]], np.float32)
    canvas, _, _ = augment(image, boxes, np.zeros(1, np.int32), (1, len(colours)), settings(**changes), Drawn(**drawn))
    return canvas[0]


COLOURS = [(200, 40, 30), (20, 180, 90), (60, 70, 160), (120, 110, 40), (150, 30, 140), (90, 90, 90), (30, 20, 60)]


def by_colorsys(colours, turn=0.0, saturation=1.0, value=1.0):
    changed = []
    for colour in colours:
        h, s, v = colorsys.rgb_to_hsv(*(level / 255 for level in colour))
        changed.append(colorsys.hsv_to_rgb((h + turn) % 1, min(1, s * saturation), min(1, v * value)))
    return np.array(changed) * 255


def test_colours_stay_without_changes():
    np.testing.assert_allclose(coloured(COLOURS, {}), COLOURS, atol=3)
    extremes = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (128, 128, 128)]
    assert coloured(extremes, {}).tolist() == [list(colour) for colour in extremes]


@pytest.mark.parametrize(("position", "turn"), [(0, -0.1), (0.5, 0), (0.75, 0.05), (1, 0.1)])
def test_hue_is_turned_both_ways(position, turn):
    # A level of hue, 1 of 256, is 6 levels of a channel.
    expected = by_colorsys(COLOURS, turn=turn)
    np.testing.assert_allclose(coloured(COLOURS, {"hue": 0.1}, hue=position), expected, atol=8)


@pytest.mark.parametrize(("position", "turn"), [(0, -0.125), (1, 0.125)])
def test_hue_goes_round_the_circle(position, turn):
    # OpenCV's 8-bit hue is exact to about one of its 256 levels, and whole levels are added.
    circle = np.array([colorsys.hsv_to_rgb(level / 256, 1, 1) for level in range(256)]) * 255
    changed = coloured(circle.round(), {"hue": 0.125}, hue=position)
    np.testing.assert_allclose(changed, by_colorsys(circle, turn=turn), atol=14)


@pytest.mark.parametrize("setting", ["saturation", "value"])
@pytest.mark.parametrize(
    ("position", "draw", "factor"), [(1, 0.9, 1.5), (0.5, 0.5, 1.25), (1, 0.1, 1 / 1.5), (0.5, 0.4, 0.8), (0, 0.1, 1)]
)
def test_saturation_and_value_are_multiplied_or_divided(setting, position, draw, factor):
    invert = (draw, 0.9) if setting == "saturation" else (0.9, draw)
    changed = coloured(COLOURS, {setting: 1.5}, **{setting: position}, invert=invert)
    np.testing.assert_allclose(changed, by_colorsys(COLOURS, **{setting: factor}), atol=4)


def test_levels_end_at_white():
    assert coloured([(255, 255, 255), (200, 200, 200)], {"value": 1.5}, value=1).tolist() == [[255] * 3] * 2
    assert coloured([(255, 55, 55)], {"saturation": 1.5}, saturation=1).tolist() == [[255, 0, 0]]


def test_settings_of_colour_are_ranges():
    """All hues from -h to h, and as many divisions as multiplications."""
    pixel = [(170, 100, 100)]
    values, turns = [], []
    for seed in range(300):
        image, boxes = np.array(pixel, np.uint8)[None].repeat(4, axis=1), np.array([[0, 0, 4, 1]], np.float32)
        labels = np.zeros(1, np.int32)
        rng = np.random.default_rng(seed)
        red, green, blue = augment(image, boxes, labels, (1, 4), settings(value=1.5), rng)[0][0, 0].astype(float)
        values.append(red / 170)
        rng = np.random.default_rng(seed)
        red, green, blue = augment(image, boxes, labels, (1, 4), settings(hue=0.1), rng)[0][0, 0].astype(float)
        turns.append((green - blue) / (170 - 100) / 6)
    assert 1 / 1.5 - 0.01 < min(values) < 0.7 and 1.45 < max(values) <= 1.5
    assert 0.4 < np.mean(np.array(values) < 1) < 0.6
    assert -0.11 < min(turns) < -0.08 and 0.08 < max(turns) < 0.11


@pytest.mark.parametrize("flip", [0, 0.25, 1])
def test_flip_is_a_probability(flip):
    flips = 0
    for seed in range(400):
        _, boxes, _ = augment(*scene(200, 200), (20, 20), settings(flip=flip), np.random.default_rng(seed))
        flips += boxes[0, 0] > 8
    assert flips == 400 * flip if flip in (0, 1) else 70 < flips < 130


def test_no_flip_at_all_and_its_mirror_image():
    noise = np.random.default_rng(2).integers(0, 256, (40, 40, 1), np.uint8).repeat(3, axis=2)
    boxes, labels = np.array([[4, 6, 14, 30]], np.float32), np.zeros(1, np.int32)
    straight, _, _ = augment(noise, boxes, labels, (40, 40), NOTHING, Drawn(flip=0))
    assert np.array_equal(straight, noise)
    mirrored, placed, _ = augment(noise, boxes, labels, (40, 40), settings(flip=0.5), Drawn(flip=0.4))
    assert np.array_equal(mirrored, noise[:, ::-1])
    assert placed.tolist() == [[26, 6, 36, 30]]
