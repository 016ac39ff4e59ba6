"""Draw one scene of the embedded data set: objects of six classes on a textured background with clutter and light."""

from dataclasses import dataclass

import cv2
import numpy as np

from yolov3.data.shapes.outlines import CLASS_NAMES, clip_polygon, outline, polygon_area
from yolov3.data.shapes.surface import background, clutter_colour, light, object_colour, same_in_all_channels, surface

SIDE_RANGE = (192, 352)
OBJECTS_RANGE = (1, 8)
# Square root of the outline's area in pixels for the three COCO sizes (limits at 32 and 96), and their probabilities.
# Large objects are rare because they would cover the others.
SIZE_RANGES = ((16.0, 28.0), (34.0, 88.0), (98.0, 150.0))
SIZE_SHARES = (0.42, 0.46, 0.12)
# Smallest share of an object's area that stays visible, for small objects and others.
MIN_VISIBLE_SMALL, MIN_VISIBLE_OTHER = 0.7, 0.45
MAX_PLACE_TRIES = 12
MAX_OCCLUDERS = 3
# Subpixels per pixel along each axis, for outlines of up to MAX_FINE_SIZE pixels and for larger ones.
FINE, COARSE, MAX_FINE_SIZE = 4, 2, 48


@dataclass(frozen=True)
class PlacedObject:
    """An object of a scene.

    Attributes:
        label: index into CLASS_NAMES.
        polygon: float64 [K, 2], outline in pixels, clipped to the image; the hole of a ring is not part of it.
    """

    label: int
    polygon: np.ndarray


@dataclass(frozen=True)
class _Stamp:
    """A shape in an image: `cover` is float32 [h, w] in 0..1, `left` and `top` the pixel of its top left corner."""

    left: int
    top: int
    cover: np.ndarray

    def window(self) -> tuple[slice, slice]:
        height, width = self.cover.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def draw_scene(rng: np.random.Generator) -> tuple[np.ndarray, list[PlacedObject]]:
    """Draw a scene; return the image, uint8 [H, W, 3] in OpenCV's BGR order, and its objects."""
    width, height = (int(side) for side in rng.integers(SIDE_RANGE[0], SIDE_RANGE[1], size=2, endpoint=True))
    image = background(rng, width, height)
    for _ in range(rng.integers(2, 9)):
        _paint(image, _clutter_stamp(rng, width, height), clutter_colour(rng, image))

    # Number of the object that is visible at each pixel, counted from 1; 0 for none.
    seen = np.zeros((height, width), np.uint8)
    objects: list[PlacedObject] = []
    needed: list[float] = []
    for _ in range(rng.integers(OBJECTS_RANGE[0], OBJECTS_RANGE[1], endpoint=True)):
        size_class = int(rng.choice(3, p=SIZE_SHARES))
        label = int(rng.integers(len(CLASS_NAMES)))
        for _ in range(MAX_PLACE_TRIES):
            polygon, hole = _random_outline(rng, label, size_class, width, height)
            stamp = _stamp(polygon, hole, width, height)
            area = polygon_area(polygon) - (0.0 if hole is None else polygon_area(hole))
            min_area = (MIN_VISIBLE_SMALL if size_class == 0 else MIN_VISIBLE_OTHER) * area
            if stamp is None or stamp.cover.sum() < min_area:
                continue
            if _take_pixels(seen, stamp, len(objects) + 1, needed):
                _paint(image, stamp, object_colour(rng, image[stamp.window()]), rng)
                objects.append(PlacedObject(label, clip_polygon(polygon, width, height)))
                needed.append(min_area)
                break
    for _ in range(rng.integers(0, MAX_OCCLUDERS, endpoint=True)):
        stamp = _clutter_stamp(rng, width, height)
        if stamp is not None and _take_pixels(seen, stamp, 0, needed):
            _paint(image, stamp, clutter_colour(rng, image))
    return light(rng, image), objects


def _random_outline(
    rng: np.random.Generator, label: int, size_class: int, width: int, height: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return outline and hole, float64 [K, 2] in pixels, of an object of random size, rotation and position."""
    low, high = SIZE_RANGES[size_class]
    size = np.exp(rng.uniform(np.log(low), np.log(min(high, 0.62 * min(width, height)))))
    polygon, hole = outline(CLASS_NAMES[label], rng)
    turn, squeeze = rng.uniform(0, 2 * np.pi), rng.uniform(0.85, 1.0)
    cosine, sine = np.cos(turn), np.sin(turn)
    transform = np.array([[cosine, sine], [-sine, cosine]]) @ np.diag([squeeze, 1.0])
    # Squeezed after the rotation, like a picture seen at an angle.
    transform = transform * size / np.sqrt(polygon_area(polygon) * squeeze)
    polygon = polygon @ transform
    half = (polygon.max(axis=0) - polygon.min(axis=0)) / 2
    # Nearly the whole object is inside the image; some extend beyond it a little.
    margin = half * rng.uniform(0.7, 1.0)
    limits = np.array([width, height])
    centre = rng.uniform(np.minimum(margin, limits / 2), np.maximum(limits - margin, limits / 2))
    shift = centre - (polygon.max(axis=0) + polygon.min(axis=0)) / 2
    return polygon + shift, None if hole is None else hole @ transform + shift


def _stamp(polygon: np.ndarray, hole: np.ndarray | None, width: int, height: int) -> _Stamp | None:
    """Draw an antialiased outline on the part of the image that it covers; return None if that is empty."""
    left, top = np.maximum(np.floor(polygon.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(polygon.max(axis=0)).astype(int), (width, height))
    if right <= left or bottom <= top:
        return None
    scale = FINE if max(right - left, bottom - top) <= MAX_FINE_SIZE else COARSE
    fine = np.zeros(((bottom - top) * scale, (right - left) * scale), np.uint8)
    for points, value in ((polygon, 255), (hole, 0)):
        if points is not None:
            # OpenCV measures from pixel centres, in sixteenths of a pixel (shift 4).
            corners = ((points - (left, top)) * scale - 0.5) * 16
            cv2.fillPoly(fine, [np.rint(corners).astype(np.int32)], value, shift=4)
    cover = cv2.resize(fine, (int(right - left), int(bottom - top)), interpolation=cv2.INTER_AREA)
    return _Stamp(int(left), int(top), cover.astype(np.float32) / 255)


def _clutter_stamp(rng: np.random.Generator, width: int, height: int) -> _Stamp | None:
    """Draw clutter that is not an object: a bent stroke or an irregular, elongated blob."""
    place = rng.uniform((0, 0), (width, height))
    if rng.random() < 0.6:
        count = int(rng.integers(2, 5))
        steps = rng.normal(0, 0.22 * min(width, height), size=(count, 2))
        path = place + np.concatenate([[[0.0, 0.0]], np.cumsum(steps, axis=0)])
        across = np.diff(path, axis=0)[:, ::-1] * (1, -1)
        across = across / (np.linalg.norm(across, axis=1, keepdims=True) + 1e-6)
        across = np.concatenate([across, across[-1:]]) * rng.uniform(0.7, 3.5)
        polygon = np.concatenate([path + across, (path - across)[::-1]])
    else:
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        radius = 1 + sum(rng.uniform(0.1, 0.3) * np.sin(k * angles + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5))
        turn = rng.uniform(0, np.pi)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        spread = rng.uniform(6, 26) * np.array([rng.uniform(1.8, 3.0), 0.7])
        polygon = place + (np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None] * spread) @ rotation
    return _stamp(polygon, None, width, height)


def _take_pixels(seen: np.ndarray, stamp: _Stamp, index: int, needed: list[float]) -> bool:
    """Assign a stamp's pixels to object `index` in `seen` and return True, unless an earlier object loses too many."""
    window = stamp.window()
    solid = stamp.cover > 0.5
    hidden = np.bincount(seen[window][solid], minlength=len(needed) + 1)
    for covered in np.flatnonzero(hidden[1:]) + 1:
        if np.count_nonzero(seen == covered) - hidden[covered] < needed[covered - 1]:
            return False
    seen[window][solid] = index
    return True


def _paint(image: np.ndarray, stamp: _Stamp | None, colour: np.ndarray, rng: np.random.Generator | None = None) -> None:
    """Paint a stamp over the image in place, in one colour or, with `rng`, with a texture around that colour."""
    if stamp is None:
        return
    window = image[stamp.window()]
    height, width = stamp.cover.shape
    paint = np.full_like(window, colour) if rng is None else surface(rng, colour, width, height)
    window += (paint - window) * same_in_all_channels(stamp.cover)
