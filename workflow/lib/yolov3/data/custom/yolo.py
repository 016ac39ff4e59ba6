"""Annotations of YOLO: a text file per image, with a line `class x y width height` per box, in fractions of the image.

A line may have a polygon instead, `class x y x y x y ...`, of which the box around it is taken. Images without a file,
or with an empty one, have no objects.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from yolov3.data.custom.labelled import LabelledBox, LabelledImage, image_files, read_list, size_of
from yolov3.errors import InputError, first_line

# Programs round to six digits or fewer.
OUTSIDE_TOLERANCE = 1e-3
LISTS_OF_NAMES = ("classes.txt", "obj.names", "labels.txt")


def read_yolo(images: Iterable[tuple[Path, Path]], names: Sequence[str]) -> list[LabelledImage]:
    """Read the boxes of images, given as pairs of an image and its text file.

    Raises:
        InputError: a line has other values than a class and its fractions; the message names file and line.
    """
    return [LabelledImage(image, size := size_of(image), _boxes_of(file, size, names)) for image, file in images]


def label_file_of(image: Path) -> Path:
    """Return the text file of an image: beside it, or under labels/ where the image is under images/."""
    parts = list(image.with_suffix(".txt").parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            return Path(*parts)
    return Path(*parts)


def read_names(file: Path) -> tuple[str, ...]:
    """Read class names from a list, one a line, or from a data.yaml.

    Raises:
        InputError: the file is missing or has no names.
    """
    if file.suffix in (".yaml", ".yml"):
        return names_of(read_data_yaml(file), file)
    names = tuple(read_list(file))
    if not names:
        raise InputError(f"list of class names {file} is empty: write a name a line")
    return names


def read_data_yaml(file: Path) -> dict[str, Any]:
    """Read a data.yaml.

    Raises:
        InputError: it is missing or not a mapping.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"YOLO file {file} cannot be read ({first_line(error)}): check it") from None
    if not isinstance(content, dict):
        raise InputError(f"YOLO file {file} is not a mapping with names, train and val: correct it")
    return content


def names_of(content: dict[str, Any], file: Path) -> tuple[str, ...]:
    """Return the class names of a data.yaml, which are a list or a mapping from 0, 1, ... to names.

    Raises:
        InputError: there are none, or numbers are missing.
    """
    names = content.get("names")
    if isinstance(names, dict):
        names = [names.get(index) for index in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int) for name in names):
        raise InputError(f"YOLO file {file} has no names of the classes 0, 1, ...: add them")
    return tuple(map(str, names))


def images_of_split(content: dict[str, Any], file: Path, split: str) -> list[Path] | None:
    """Return the images of "train" or "val" of a data.yaml; None if it has no such entry.

    An entry is a folder, a list of images (.txt), or several of them, relative to `path` or to the file.

    Raises:
        InputError: an entry does not exist.
    """
    entry = content.get(split)
    if not entry:
        return None
    images: list[Path] = []
    for name in entry if isinstance(entry, list) else [entry]:
        place = _place_of(str(name), str(content.get("path") or ""), file)
        if place.suffix == ".txt":
            images += [place.parent / line for line in read_list(place)]
        else:
            images += image_files(place)
    return images


def _place_of(name: str, root: str, file: Path) -> Path:
    # Roboflow writes ../train/images for the folder train beside the file.
    for place in (file.parent / root / name, file.parent / name, file.parent / name.removeprefix("../")):
        if place.exists():
            return place
    raise InputError(f"YOLO file {file} names {name}, which does not exist: correct path, train and val")


def _boxes_of(file: Path, size_wh: tuple[int, int], names: Sequence[str]) -> tuple[LabelledBox, ...]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"YOLO file {file} cannot be read ({error}): check it") from None
    return tuple(
        _box_of(line.split(), size_wh, names, f"YOLO file {file} has line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def _box_of(words: list[str], size_wh: tuple[int, int], names: Sequence[str], place: str) -> LabelledBox:
    try:
        label, values = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise InputError(f"{place} with {' '.join(words)[:60]!r}: give numbers, class x y width height") from None
    if label not in range(len(names)):
        raise InputError(f"{place} with class {words[0]}, but the classes are 0 to {len(names) - 1}: correct it")
    if len(values) == 4:
        x, y, width, height = values
        corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    elif len(values) >= 6 and len(values) % 2 == 0:
        corners = [min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])]
    else:
        raise InputError(f"{place} with {len(words)} numbers: give class x y width height, or the points of a polygon")
    if not all(math.isfinite(value) and abs(value) <= 1 + OUTSIDE_TOLERANCE for value in values):
        raise InputError(f"{place} with numbers outside of 0..1: give fractions of the image's width and height")
    left, top, right, bottom = (side * size_wh[index % 2] for index, side in enumerate(corners))
    return LabelledBox(names[int(label)], (left, top, right - left, bottom - top))
