"""Annotations of LabelMe: a JSON file per image with labelled rectangles, polygons and circles."""

import logging
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Any

from yolov3.data.custom.labelled import ImageFinder, LabelledBox, LabelledImage, size_of
from yolov3.errors import InputError
from yolov3.files import read_json

# Shapes without an area have no box.
SHAPES_WITHOUT_AREA = frozenset({"point", "points", "line", "linestrip"})


def read_labelme(annotation_files: Iterable[Path], annotation_dir: Path, image_dir: Path) -> list[LabelledImage]:
    """Read JSON files; of polygons, circles and masks, the boxes around them are taken.

    The image of a file is that of the same name and place, or else the one that it names.

    Raises:
        InputError: a file is missing, of another format, or a shape has no label or points.
    """
    images = ImageFinder(image_dir)
    dropped: Counter[str] = Counter()
    read = [_read_file(path, path.relative_to(annotation_dir), images, dropped) for path in annotation_files]
    for kind, count in dropped.items():
        logging.warning("%d shapes of type %s have no area: dropped", count, kind)
    return read


def _read_file(path: Path, place: Path, images: ImageFinder, dropped: Counter[str]) -> LabelledImage:
    content = read_json(path, "LabelMe file")
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        raise InputError(f"LabelMe file {path} has no list shapes: it is of another format")
    # Paths may be those of Windows.
    image = images.image_of(place, PureWindowsPath(str(content.get("imagePath") or path.stem)).name)
    boxes = []
    for number, shape in enumerate(shapes, start=1):
        kind = shape.get("shape_type", "polygon") if isinstance(shape, dict) else ""
        if kind in SHAPES_WITHOUT_AREA:
            dropped[kind] += 1
            continue
        boxes.append(_box_of(shape, kind, f"LabelMe file {path} has shape {number}"))
    width, height = content.get("imageWidth"), content.get("imageHeight")
    is_sized = isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0
    return LabelledImage(image, (width, height) if is_sized else size_of(image), tuple(boxes))


def _box_of(shape: Any, kind: str, place: str) -> LabelledBox:
    try:
        name, points = str(shape["label"]), [(float(x), float(y)) for x, y in shape["points"]]
        if kind == "circle":
            (x, y), edge = points
            radius = math.dist((x, y), edge)
            points = [(x - radius, y - radius), (x + radius, y + radius)]
        left, top = (min(values) for values in zip(*points, strict=True))
        right, bottom = (max(values) for values in zip(*points, strict=True))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{place} without a label or points [[x, y], ...]: correct it") from None
    return LabelledBox(name, (left, top, right - left, bottom - top))
