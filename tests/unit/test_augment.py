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
