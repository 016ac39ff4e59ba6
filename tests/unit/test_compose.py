"""Mosaic and mixup."""

import dataclasses

import cv2
import numpy as np
import pytest

from yolov3.training.augment import AugmentSettings, augment
from yolov3.training.compose import compose, max_images, mixup, mosaic

NOTHING = AugmentSettings(jitter=0, scale_min=1, scale_max=1, flip=0, hue=0, saturation=1, value=1)
EVERYTHING = AugmentSettings(jitter=0.3, scale_min=0.25, scale_max=2, flip=0.5, hue=0.1, saturation=1.5, value=1.5)
COLOURS = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)])
BACKGROUND, LEVELS = 40, (150, 250)
BOXES = np.array([[10, 20, 70, 60], [120, 100, 170, 190]], np.float32)
CANVAS = (160, 240)
NO_BOXES = np.zeros((0, 4), np.float32), np.zeros(0, np.int32)


def settings(**changes):
    return dataclasses.replace(NOTHING, **changes)


def scene(index):
    """A dark image, 200 x 200 px, in one of four colours, with two brighter objects labelled by colour and level."""
    levels = np.full((200, 200, 1), BACKGROUND)
    for (left, top, right, bottom), level in zip(BOXES.astype(int), LEVELS, strict=True):
        levels[top:bottom, left:right] = level
    return (levels * COLOURS[index]).astype(np.uint8), BOXES, np.array([index, index + 4], np.int32)


def plain(index, with_box=False):
    """An image, 200 x 200 px, of one colour, all of which is an object, or none."""
    box = np.array([[0, 0, 200, 200]], np.float32), np.array([index], np.int32)
    return np.full((200, 200, 3), 250 * COLOURS[index], np.uint8), *(box if with_box else NO_BOXES)


def colours_of(image):
    """The index of each pixel's colour, -1 for grey."""
    shown = image > image.max(axis=-1, keepdims=True) / 2
    matches = (shown[..., None, :] == COLOURS).all(axis=-1)
    return np.where(matches.any(axis=-1), matches.argmax(axis=-1), -1)


def bounds(is_shown):
    rows, columns = np.nonzero(is_shown)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def mosaic_of(images, seed, size=CANVAS, **changes):
    image, boxes_xyxy, labels = mosaic(images, size, settings(**changes), np.random.default_rng(seed))
    assert (image.shape, image.dtype) == ((*size, 3), np.uint8)
    assert (boxes_xyxy.dtype, labels.dtype, boxes_xyxy.shape) == (np.float32, np.int32, (len(labels), 4))
    return image, boxes_xyxy, labels


def test_four_images_lie_around_a_centre_between_a_quarter_and_three_quarters_of_each_side():
    centres = []
    for seed in range(200):
        image, _, labels = mosaic_of([plain(index) for index in range(4)], seed, (80, 120))
        _, _, x, y = bounds(colours_of(image) == 0)
        expected = np.zeros((80, 120), int)
        expected[:, x:] += 1
        expected[y:] += 2
        assert np.array_equal(colours_of(image), expected)
        assert not len(labels)
        centres.append((x / 120, y / 80))
    lowest, highest = np.min(centres, axis=0), np.max(centres, axis=0)
    assert (lowest >= 0.25).all() and (lowest < 0.28).all()
    assert (highest <= 0.75).all() and (highest > 0.72).all()
    assert abs(np.corrcoef(np.transpose(centres))[0, 1]) < 0.2


def test_boxes_surround_what_is_seen_of_their_objects_and_little_is_dropped():
    """Each object has a colour and level of its own, and at scale 1 is 1.2 times as large as in its image."""
    kept, dropped = [], []
    for seed in range(100):
        image, boxes_xyxy, labels = mosaic_of([scene(index) for index in range(4)], seed, flip=0.5)
        assert len(set(labels)) == len(labels)
        levels, colours = image.max(axis=-1), colours_of(image)
        for label in range(8):
            is_second, index = divmod(label, 4)
            is_object = (colours == index) & (abs(levels.astype(int) - LEVELS[is_second]) < 40)
            # Without the thin edge of the brighter object, which has the level of the darker one.
            is_object = cv2.morphologyEx(is_object.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5)))
            whole = (BOXES[is_second, 2:] - BOXES[is_second, :2]).prod() * 1.2**2
            if label in labels:
                (box,) = boxes_xyxy[labels == label]
                np.testing.assert_allclose(box, bounds(is_object), atol=1.6)
                kept.append((box[2:] - box[:2]).prod() / whole)
            else:
                left, top, right, bottom = bounds(is_object) if is_object.any() else (0, 0, 0, 0)
                dropped.append((right - left) * (bottom - top) / whole)
    assert 0.28 < min(kept) < 0.36
    assert 0.97 < max(kept) < 1.03
    assert 0.25 < max(dropped) < 0.34
    assert np.mean(np.array(dropped) > 0) > 0.03


@pytest.mark.parametrize("scale", [0.2, 0.5, 1])
def test_objects_are_as_large_as_in_an_image_of_its_own(scale):
    """An object of 60 x 40 px in an image of 200 px is 72 x 48 px on a canvas of 240, whatever the size of its part."""
    sizes = []
    for seed in range(40):
        images = [(scene(index)[0], BOXES[:1], np.zeros(1, np.int32)) for index in range(4)]
        _, boxes_xyxy, labels = mosaic_of(images, seed, scale_min=scale, scale_max=scale)
        assert len(labels) == 4
        sizes.append(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])
    sizes = np.concatenate(sizes)
    assert (sizes <= np.array([72, 48]) * scale + 2).all()
    whole = np.isclose(sizes, np.array([72, 48]) * scale, atol=2).all(axis=1)
    assert whole.mean() == 1 if scale == 0.2 else 0.05 < whole.mean() < 0.9


def test_of_an_object_too_large_for_its_quarter_the_whole_is_shown():
    """At twice the size no quarter shows three tenths of an image."""
    image, boxes_xyxy, labels = mosaic_of([plain(index, True) for index in range(4)], 1, scale_min=2, scale_max=2)
    assert labels.tolist() == [0, 1, 2, 3]
    assert [bounds(colours_of(image) == index) for index in range(4)] == boxes_xyxy.tolist()
    assert [width == height for width, height in boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]] == [True] * 4


def test_each_image_is_flipped_and_coloured_for_itself():
    levels = np.full((200, 200, 1), 100)
    levels[:, 100:] = 160
    images = [((levels * colour).astype(np.uint8), *NO_BOXES) for colour in COLOURS]
    flips, factors = [], []
    for seed in range(60):
        image, _, _ = mosaic_of(images, seed, flip=0.5, value=1.5, scale_min=0.2, scale_max=0.2)
        for index in range(4):
            left, top, right, bottom = bounds(colours_of(image) == index)
            row = image[(top + bottom) // 2, left:right].max(axis=-1).astype(float)
            flips.append(row[3] > row[-4])
            factors.append(row.max() / 160)
    flips, factors = np.reshape(flips, (60, 4)), np.reshape(factors, (60, 4))
    # Of 60 mosaics with independent flips an eighth has four equal ones.
    assert 0.4 < flips.mean() < 0.6 and 1 < (flips == flips[:, :1]).all(axis=1).sum() < 20
    assert 0.65 < factors.min() < 0.75 and 1.4 < factors.max() < 1.55
    assert np.abs(np.corrcoef(factors.T) - np.eye(4)).max() < 0.4


def test_mixup_adds_the_pixels_in_their_shares_and_keeps_all_boxes():
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(2))
    image, boxes_xyxy, labels = mixup(
        (first, np.float32([[1, 2, 3, 4]]), np.int32([5])),
        (second, np.float32([[6, 7, 8, 9], [1, 1, 9, 9]]), np.int32([3, 5])),
        0.3,
    )
    np.testing.assert_allclose(image, 0.3 * first + 0.7 * second, atol=0.51)
    assert boxes_xyxy.tolist() == [[1, 2, 3, 4], [6, 7, 8, 9], [1, 1, 9, 9]]
    assert labels.tolist() == [5, 3, 5]
    assert (image.dtype, boxes_xyxy.dtype, labels.dtype) == (np.uint8, np.float32, np.int32)


def composed(first, others, changes, seed, size=(64, 64)):
    """The composed image and the number of other images that it took."""
    others = iter(others)
    taken = []

    def read_random_image():
        taken.append(next(others))
        return taken[-1]

    result = compose(lambda: first, read_random_image, size, settings(**changes), np.random.default_rng(seed))
    return *result, len(taken)


def test_the_share_of_the_first_image_is_of_beta_one_and_a_half():
    """Its mean is 1/2 and its variance 1/(4 (2 * 1.5 + 1)) = 1/16; it is symmetric and between 0 and 1."""
    black, white = (np.full((8, 8, 3), level, np.uint8) for level in (0, 255))
    shares = []
    for seed in range(2000):
        image, *_ = composed((white, *NO_BOXES), [(black, *NO_BOXES)], {"mixup": 1}, seed, (8, 8))
        assert np.ptp(image) == 0
        shares.append(image[0, 0, 0] / 255)
    assert abs(np.mean(shares) - 0.5) < 0.02
    assert abs(np.var(shares) - 1 / 16) < 0.004
    assert min(shares) < 0.03 and max(shares) > 0.97


@pytest.mark.parametrize(
    ("changes", "probabilities"),
    [
        ({}, {0: 1}),
        ({"mosaic": 1}, {3: 1}),
        ({"mixup": 1}, {1: 1}),
        ({"mosaic": 1, "mixup": 1}, {7: 1}),
        ({"mosaic": 0.25}, {0: 0.75, 3: 0.25}),
        ({"mixup": 0.25}, {0: 0.75, 1: 0.25}),
        ({"mosaic": 0.5, "mixup": 0.5}, {0: 0.25, 3: 0.25, 1: 0.125, 4: 0.25, 7: 0.125}),
    ],
)
def test_mosaic_and_mixup_are_probabilities(changes, probabilities):
    """A mosaic takes three further images; a second image takes one, or four if it is a mosaic too."""
    taken = [composed(scene(0), [scene(1)] * 7, changes, seed)[-1] for seed in range(400)]
    assert set(taken) == set(probabilities)
    for number, probability in probabilities.items():
        assert abs(taken.count(number) / 400 - probability) < 0.08
    assert max_images(settings(**changes)) == max(taken) + 1


def test_the_image_comes_first_and_all_boxes_are_there():
    _, _, labels, _ = composed(plain(3, True), [plain(index, True) for index in range(3)], {"mosaic": 1}, 2)
    assert labels.tolist() == [3, 0, 1, 2]
    _, _, labels, _ = composed(plain(3, True), [plain(2, True)], {"mixup": 1}, 2)
    assert labels.tolist() == [3, 2]


def test_without_both_the_image_is_augmented_as_ever():
    for seed in range(20):
        used, expected_rng = np.random.default_rng(seed), np.random.default_rng(seed)
        found = compose(lambda: scene(1), lambda: pytest.fail("no other image"), CANVAS, EVERYTHING, used)
        expected = augment(*scene(1), CANVAS, EVERYTHING, expected_rng)
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
        assert used.random() == expected_rng.random()


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_boxes_stay_inside_with_all_of_the_augmentation(size):
    strong = dataclasses.replace(EVERYTHING, mosaic=0.5, mixup=0.5)
    rng = np.random.default_rng(0)
    for index in range(100):
        image, boxes_xyxy, labels = compose(lambda: scene(0), lambda: scene(1), size, strong, rng)
        assert image.shape == (*size, 3)
        assert len(labels) == len(boxes_xyxy) > 0, index
        assert (boxes_xyxy >= 0).all() and (boxes_xyxy <= np.array(size[::-1] * 2)).all()
        assert (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] >= 1 - 1e-4).all()
