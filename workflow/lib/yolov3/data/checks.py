"""Check a data set in COCO format before use, count its defects, and describe it in a manifest."""

import hashlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.data.annotations import (
    AnnotationRows,
    annotation_rows,
    box_and_area,
    categories_of,
    has_valid_area,
    read_annotations,
    repeated_rows,
    split_of,
    without_images,
)
from yolov3.data.images import SizeWH, check_image_header, read_image_digest
from yolov3.data.manifest import SPLITS, Category, Manifest, Places, SplitFiles, folder_places
from yolov3.errors import InputError
from yolov3.process import available_cpus
from yolov3.terminal import progress_bar

MAX_SHOWN = 3
# Right and lower edges of boxes in fractions of their image: rounding exceeds 1, and (centre, size) read as
# (corner, size) exceeds it by up to a half.
MAX_FRACTION = 1.5


@dataclass(frozen=True)
class CheckSettings:
    """How a data set is checked; fields are the config's `data` keys of the same names.

    Attributes:
        check_images: "decode" reads every pixel, "header" only the size.
        skip_bad_images: whether to leave out missing and unreadable images instead of stopping.
    """

    check_images: str
    skip_bad_images: bool


def check_dataset(
    provider: str, places: Places, settings: CheckSettings, categories: tuple[Category, ...] = ()
) -> Manifest:
    """Check a data set, or one split of it, and describe it.

    `categories` are those of the training annotations, which define the labels; () if `places` has "train".

    Raises:
        InputError: annotations or images are missing or invalid; the message names them.
    """
    splits = {}
    for name in sorted(places, key=SPLITS.index):
        dataset = read_annotations(places[name][1])
        categories = categories or categories_of(dataset)
        _compare_categories(categories, categories_of(dataset), places[name][1])
        splits[name] = _check_split(name, *places[name], dataset, categories, settings)
    return Manifest(provider, categories, splits)


def manifest_of_folder(folder: Path) -> Manifest:
    """Check annotations and image headers of a folder in coco2014's layout and return its manifest.

    Raises:
        InputError: annotations or images are missing or invalid.
    """
    settings = CheckSettings(check_images="header", skip_bad_images=False)
    return check_dataset("custom", folder_places(folder), settings)


def _check_split(
    name: str,
    image_dir: Path,
    annotation_file: Path,
    dataset: dict[str, Any],
    categories: tuple[Category, ...],
    settings: CheckSettings,
) -> SplitFiles:
    """Check one split, whose annotations are read, log its counts and return its description."""
    if not image_dir.is_dir():
        raise InputError(f"image folder {image_dir} does not exist: check the path in the config")
    images = dataset["images"]
    digests, problems = _check_images(name, image_dir, images, settings.check_images)
    excluded = tuple(sorted(problems))
    if problems:
        _report_bad_images(name, image_dir, problems, len(images), settings.skip_bad_images)
    dataset = without_images(dataset, excluded)
    for category in dataset["categories"]:
        if "name_in_file" in category:
            other = f"category {category['id']} has the name of another one, {category['name_in_file']!r}"
            logging.warning("%s: %s: it is called %r", name, other, category["name"])
    rows = annotation_rows(dataset, categories)
    split = split_of(dataset, rows, image_dir)
    counts = split.box_counts()
    _log_counts(name, dataset, rows, counts)
    if not counts.any():
        if name == "train" or dataset["annotations"]:
            raise InputError(f"no image in {annotation_file} has a usable box: check the categories and boxes")
        logging.warning(
            "%s: %s has no annotations, so an evaluation has no accuracy and gives AP -1", name, annotation_file
        )
    if counts.any() and np.median(split.boxes_xyxy.max(axis=1)) <= MAX_FRACTION < split.sizes_wh.min():
        raise InputError(
            f"most boxes in {annotation_file} lie within 0..1, as fractions of their image: multiply them by its width "
            "and height, because COCO's bbox is [left, top, width, height] in pixels"
        )
    return SplitFiles(
        image_dir=image_dir,
        annotation_file=annotation_file,
        images=len(split),
        boxes=int(counts.sum()),
        crowds=int(split.is_crowd.sum()),
        images_without_boxes=int((counts == 0).sum()),
        max_boxes=int(counts.max()),
        excluded_images=excluded,
        fingerprint=_fingerprint(dataset, rows, digests),
    )


def _check_images(
    name: str, image_dir: Path, images: list[dict[str, Any]], how: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the digests of valid images and the error messages of invalid ones, both by file name."""
    check: Callable[[Path, SizeWH], str | int] = read_image_digest if how == "decode" else check_image_header

    def check_one(image: dict[str, Any]) -> tuple[str, str]:
        size_wh = (image["width"], image["height"])
        try:
            return f"{size_wh} {check(image_dir / image['file_name'], size_wh)}", ""
        except InputError as error:
            return "", str(error)

    names = [image["file_name"] for image in images]
    # Threads: decoding and hashing release the interpreter lock.
    with ThreadPoolExecutor(available_cpus()) as pool:
        checked = progress_bar(pool.map(check_one, images), f"check {name} images", total=len(images))
        results = list(zip(names, checked, strict=True))
    digests = {file_name: digest for file_name, (digest, problem) in results if not problem}
    return digests, {file_name: problem for file_name, (_, problem) in results if problem}


def _report_bad_images(name: str, image_dir: Path, problems: dict[str, str], count: int, skip: bool) -> None:
    shown = list(problems.values())[:MAX_SHOWN]
    if not skip or len(problems) == count:
        advice = "fix them" if skip else "fix them, or set data.skip_bad_images to leave them out"
        first = f"the first {MAX_SHOWN}: " if len(problems) > MAX_SHOWN else ""
        raise InputError(
            f"{len(problems)} of {count} {name} images in {image_dir} are missing or unreadable; {advice}; "
            f"{first}{'; '.join(shown)}"
        )
    logging.warning("%s: %d of %d images left out as missing or unreadable", name, len(problems), count)
    for problem in problems.values():
        logging.warning("%s: left out: %s", name, problem)


def _log_counts(name: str, dataset: dict[str, Any], rows: AnnotationRows, counts: np.ndarray) -> None:
    known, usable = rows.image_index >= 0, rows.usable
    boxes = f"{counts.sum()} boxes (at most {counts.max()} per image), {(usable & rows.is_crowd).sum()} crowds"
    logging.info("%s: %d images, %s, %d images without boxes", name, len(counts), boxes, (counts == 0).sum())
    defects = {
        "boxes extend beyond their image: clipped": usable & rows.outside,
        "boxes are missing, NaN or infinite: dropped": known & rows.not_finite,
        "boxes have no width or height in their image: dropped": known & rows.empty,
        "annotations are of images that are unknown or left out: dropped": ~known,
        "annotations are of unknown categories: dropped": known & (rows.labels < 0),
        "boxes have an area that no image has: their width times height is used": usable & _wrong_areas(dataset),
        "boxes are there twice, with the same category": usable & repeated_rows(rows),
    }
    for text, affected in defects.items():
        if affected.any():
            ids = [dataset["annotations"][row].get("id") for row in np.flatnonzero(affected)[:MAX_SHOWN]]
            logging.warning("%s: %d %s (annotation ids %s ...)", name, affected.sum(), text, str(ids)[1:-1])
        else:
            logging.info("%s: 0 %s", name, text)


def _wrong_areas(dataset: dict[str, Any]) -> np.ndarray:
    """Return bool [A]: whether an annotation has an area, which is not valid."""
    annotations = dataset["annotations"]
    wrong = ("area" in row and not has_valid_area(row) for row in annotations)
    return np.fromiter(wrong, bool, len(annotations))


def _fingerprint(dataset: dict[str, Any], rows: AnnotationRows, digests: dict[str, str]) -> str:
    """Return the SHA-256 of a split by its content, whatever the format of its annotation file."""
    digest = hashlib.sha256()
    for image in dataset["images"]:
        fields = [image["id"], image["file_name"], digests[image["file_name"]]]
        digest.update(f"{json.dumps(fields)}\n".encode())
    for index in np.flatnonzero(rows.usable):
        box_xywh, area = box_and_area(dataset["annotations"][index])
        labels = [int(rows.image_index[index]), int(rows.labels[index]), int(rows.is_crowd[index])]
        digest.update(f"{json.dumps([*labels, *box_xywh, area])}\n".encode())
    return digest.hexdigest()


def _compare_categories(train: tuple[Category, ...], val: tuple[Category, ...], val_file: Path) -> None:
    """Log validation categories whose id is another one in the training annotations; refuse those with another name."""
    names = {category.id: category.name for category in train}
    ids = {category.name: category.id for category in train}
    for category in val:
        if category.name not in ids and category.id in names:
            raise InputError(
                f"annotation file {val_file} calls category {category.id} {category.name!r} but the training "
                f"annotations call it {names[category.id]!r}: give both the same categories"
            )
    other = [category for category in val if ids.get(category.name, category.id) != category.id]
    if other:
        logging.warning(
            "%d categories of %s have other ids than in the training annotations, such as %r (%d there, %d here): they "
            "are matched by name, and results have the ids of the training annotations",
            *(len(other), val_file, other[0].name, ids[other[0].name], other[0].id),
        )
