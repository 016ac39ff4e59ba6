"""Random augmentation of training images: scale, aspect ratio, position, flip and colours."""

from dataclasses import dataclass

import cv2
import numpy as np

from yolov3.boxes import clip_xyxy
from yolov3.network.grid import InputSize
from yolov3.network.preprocess import CANVAS_GREY

INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4)
PLACEMENT_TRIES = 20
MIN_BOX_PIXELS = 1.0

Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels."""


@dataclass(frozen=True)
class AugmentSettings:
    """Settings of the augmentation; the fields are the keys of the same names in config section `train`.

    `augment` shows one image; `mosaic`, `mixup` and `plain_epochs` are for those made of several, see `compose`.
    """

    jitter: float
    scale_min: float
    scale_max: float
    flip: float
    hue: float
    saturation: float
    value: float
    mosaic: float = 0
    mixup: float = 0
    plain_epochs: int = 0


def augment(
    image_rgb: np.ndarray,
    boxes_xyxy: np.ndarray,
    labels: np.ndarray,
    input_size: InputSize,
    settings: AugmentSettings,
    rng: np.random.Generator,
    full_size: InputSize | None = None,
    min_share: float = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place an image at random on a grey canvas, flip it and change its colours, and transform its boxes accordingly.

    Args:
        image_rgb: uint8 [H, W, 3].
        boxes_xyxy: float32 [M, 4] in pixels of the image.
        labels: int32 [M].
        input_size: (height, width) of the canvas in pixels.
        settings: strength of the augmentation.
        rng: random number generator.
        full_size: (height, width) in pixels that the scale refers to, None for that of the canvas.
        min_share: boxes of which less than this share of the area is visible are dropped.

    Returns:
        The canvas, uint8 [height, width, 3]; boxes_xyxy, float32 [K, 4] in pixels of the canvas, clipped to the visible
        part of the image and at least MIN_BOX_PIXELS wide and high; and their labels, int32 [K].
    """
    source, visible, placed_xyxy, usable = _place_with_a_box(
        image_rgb, boxes_xyxy, input_size, full_size or input_size, min_share, settings, rng
    )
    canvas = np.full((*input_size, 3), CANVAS_GREY, np.uint8)
    left, top, right, bottom = source
    interpolation = INTERPOLATIONS[rng.integers(len(INTERPOLATIONS))]
    patch = cv2.resize(
        image_rgb[top:bottom, left:right],
        (visible[2] - visible[0], visible[3] - visible[1]),
        interpolation=interpolation,
    )
    canvas[visible[1] : visible[3], visible[0] : visible[2]] = _change_colours(patch, settings, rng)
    boxes_xyxy, labels = placed_xyxy[usable].astype(np.float32), labels[usable]
    if rng.random() < settings.flip:
        canvas = canvas[:, ::-1]
        boxes_xyxy = boxes_xyxy[:, [2, 1, 0, 3]]
        boxes_xyxy[:, [0, 2]] = input_size[1] - boxes_xyxy[:, [0, 2]]
    return np.ascontiguousarray(canvas), boxes_xyxy, labels


def _place_with_a_box(
    image: np.ndarray,
    boxes_xyxy: np.ndarray,
    input_size: InputSize,
    full_size: InputSize,
    min_share: float,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> tuple[Rectangle, Rectangle, np.ndarray, np.ndarray]:
    """Return the visible part of the image, the part of the canvas that it covers, the boxes there, and which to use.

    Placements that lose all boxes are drawn again; after PLACEMENT_TRIES the whole image is shown.
    """
    for _ in range(PLACEMENT_TRIES):
        parts = _visible_rectangles(image, _random_target(image, input_size, full_size, settings, rng), input_size)
        if parts is not None:
            placed_xyxy = _map_boxes(boxes_xyxy, *parts)
            usable = _is_large(placed_xyxy) & _is_visible(boxes_xyxy, parts[0], min_share)
            if not len(boxes_xyxy) or usable.any():
                return *parts, placed_xyxy, usable
    height, width = input_size
    scale = min(width / image.shape[1], height / image.shape[0])
    source = (0, 0, image.shape[1], image.shape[0])
    visible = (0, 0, max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    placed_xyxy = _map_boxes(boxes_xyxy, source, visible)
    return source, visible, placed_xyxy, _is_large(placed_xyxy)


def _is_large(boxes_xyxy: np.ndarray) -> np.ndarray:
    return (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] >= MIN_BOX_PIXELS).all(axis=1)


def _is_visible(boxes_xyxy: np.ndarray, source: Rectangle, min_share: float) -> np.ndarray:
    """Return which boxes, in pixels of the image, have at least a share of their area in its visible part."""
    seen_xyxy = np.clip(boxes_xyxy, source[:2] * 2, source[2:] * 2)
    seen_area, area = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (seen_xyxy, boxes_xyxy))
    return seen_area >= min_share * area


def _random_target(
    image: np.ndarray,
    input_size: InputSize,
    full_size: InputSize,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of the whole image, scaled relative to the full size, on the canvas."""
    width_factor, height_factor = rng.uniform(1 - settings.jitter, 1 + settings.jitter, size=2)
    aspect = image.shape[1] / image.shape[0] * width_factor / height_factor
    scale = rng.uniform(settings.scale_min, settings.scale_max)
    if aspect < 1:
        new_height = scale * full_size[0]
        new_width = new_height * aspect
    else:
        new_width = scale * full_size[1]
        new_height = new_width / aspect
    height, width = input_size
    left = rng.uniform(min(0, width - new_width), max(0, width - new_width))
    top = rng.uniform(min(0, height - new_height), max(0, height - new_height))
    return left, top, left + new_width, top + new_height


def _visible_rectangles(
    image: np.ndarray, target: tuple[float, float, float, float], input_size: InputSize
) -> tuple[Rectangle, Rectangle] | None:
    """Return the visible part of the image and the part of the canvas that it covers, None if nothing is visible."""
    left, top, right, bottom = target
    scale_x, scale_y = (right - left) / image.shape[1], (bottom - top) / image.shape[0]
    visible = (
        max(0, round(left)),
        max(0, round(top)),
        min(input_size[1], round(right)),
        min(input_size[0], round(bottom)),
    )
    if visible[2] <= visible[0] or visible[3] <= visible[1]:
        return None
    source = (
        min(max(0, round((visible[0] - left) / scale_x)), image.shape[1] - 1),
        min(max(0, round((visible[1] - top) / scale_y)), image.shape[0] - 1),
        min(image.shape[1], round((visible[2] - left) / scale_x)),
        min(image.shape[0], round((visible[3] - top) / scale_y)),
    )
    if source[2] <= source[0] or source[3] <= source[1]:
        return None
    return source, visible


def _map_boxes(boxes_xyxy: np.ndarray, source: Rectangle, visible: Rectangle) -> np.ndarray:
    """Map boxes from the image to the canvas, clipped to the visible part; rectangles are those of the image."""
    source_width, source_height = source[2] - source[0], source[3] - source[1]
    visible_width, visible_height = visible[2] - visible[0], visible[3] - visible[1]
    scale = np.array([visible_width / source_width, visible_height / source_height] * 2)
    moved = (boxes_xyxy - np.array([source[0], source[1]] * 2)) * scale
    return clip_xyxy(moved, visible_width, visible_height) + np.array([visible[0], visible[1]] * 2)


def _change_colours(image_rgb: np.ndarray, settings: AugmentSettings, rng: np.random.Generator) -> np.ndarray:
    """Shift the hue, and multiply or divide saturation and value, with look-up tables in 8-bit HSV."""
    hue = rng.uniform(-settings.hue, settings.hue)
    saturation = rng.uniform(1, settings.saturation)
    value = rng.uniform(1, settings.value)
    invert = rng.random(2) < 0.5
    saturation, value = (1 / saturation if invert[0] else saturation), (1 / value if invert[1] else value)
    levels = np.arange(256, dtype=np.float32)
    tables = np.stack([(levels + hue * 256) % 256, levels * saturation, levels * value], axis=-1)
    hsv = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2HSV_FULL)
    hsv = cv2.LUT(hsv, np.clip(tables, 0, 255).astype(np.uint8).reshape(256, 1, 3))
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
