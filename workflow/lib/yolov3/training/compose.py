"""Training images made of several: mosaic (arXiv:2004.10934, section 3.3) and mixup (arXiv:1710.09412, 1902.04103)."""

from collections.abc import Callable

import cv2
import numpy as np

from yolov3.network.grid import InputSize
from yolov3.training.augment import AugmentSettings, augment

# Range of the centre of a mosaic, as a share of each side.
MIN_CENTRE, MAX_CENTRE = 0.25, 0.75
# A narrow strip of an object can hardly be recognised, and no anchor clustered from whole objects fits its box.
MIN_VISIBLE_SHARE = 0.3
# Both parameters of the beta distribution of the share of the first image (arXiv:1902.04103, section 3.1).
MIXUP_BETA = 1.5

LabelledImage = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Image, uint8 [H, W, 3]; boxes_xyxy, float32 [M, 4] in its pixels; labels, int32 [M]."""


def compose(
    read_image: Callable[[], LabelledImage],
    read_random_image: Callable[[], LabelledImage],
    input_size: InputSize,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> LabelledImage:
    """Augment an image and, with the probabilities of the settings, make a mosaic with it and blend it with another.

    The image to blend with is a mosaic with the same probability. Without mosaic and mixup the result and the use of
    `rng` are those of `augment`.

    Args:
        read_image: returns the image.
        read_random_image: returns a random one of all images, drawn with `rng`.
        input_size: (height, width) of the result in pixels.
        settings: settings of the augmentation.
        rng: random number generator.
    """

    def single_or_mosaic(read: Callable[[], LabelledImage]) -> LabelledImage:
        if settings.mosaic and rng.random() < settings.mosaic:
            return mosaic([read(), *(read_random_image() for _ in range(3))], input_size, settings, rng)
        return augment(*read(), input_size, settings, rng)

    composed = single_or_mosaic(read_image)
    if settings.mixup and rng.random() < settings.mixup:
        return mixup(composed, single_or_mosaic(read_random_image), rng.beta(MIXUP_BETA, MIXUP_BETA))
    return composed


def max_images(settings: AugmentSettings) -> int:
    """Return the maximum number of images that a training image consists of."""
    return (4 if settings.mosaic else 1) * (2 if settings.mixup else 1)


def mosaic(
    images: list[LabelledImage], input_size: InputSize, settings: AugmentSettings, rng: np.random.Generator
) -> LabelledImage:
    """Show parts of four images in the quarters around a random centre, each augmented for itself.

    The scale of an image refers to the whole mosaic, not to its quarter, so that objects are as large as they are in
    an image of its own, for which the anchors are made. Boxes are clipped to their quarter and dropped if less than
    MIN_VISIBLE_SHARE of their area is left.

    Args:
        images: four images.
        input_size: (height, width) of the mosaic in pixels.
        settings: settings of the augmentation.
        rng: random number generator.
    """
    height, width = input_size
    x, y = (round(rng.uniform(MIN_CENTRE, MAX_CENTRE) * side) for side in (width, height))
    canvas = np.empty((height, width, 3), np.uint8)
    boxes_xyxy, labels = [], []
    quarters = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    for image, (left, top, right, bottom) in zip(images, quarters, strict=True):
        canvas[top:bottom, left:right], quarter_xyxy, quarter_labels = augment(
            *image, (bottom - top, right - left), settings, rng, full_size=input_size, min_share=MIN_VISIBLE_SHARE
        )
        boxes_xyxy.append(quarter_xyxy + np.array([left, top] * 2, np.float32))
        labels.append(quarter_labels)
    return canvas, np.concatenate(boxes_xyxy), np.concatenate(labels)


def mixup(first: LabelledImage, second: LabelledImage, share: float) -> LabelledImage:
    """Blend two images of equal size: `share` of the first and 1 - `share` of the second.

    The boxes of both train the objectness with weight 1, whatever their image's share, as in YOLOX (arXiv:2107.08430);
    GluonCV and PaddleDetection weigh their loss by it.
    """
    image = cv2.addWeighted(first[0], share, second[0], 1 - share, 0)
    return image, np.concatenate([first[1], second[1]]), np.concatenate([first[2], second[2]])
