"""Build the report's gallery: validation images with true and predicted boxes, as geometry for the page's SVG."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from yolov3.boxes import Detections, pairwise_iou, xyxy_to_xywh
from yolov3.data.annotations import CocoSplit
from yolov3.data.images import read_image_rgb
from yolov3.drawing.labels import LabelPlaces, colour_of, shortened
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import CocoIds, detections_of, read_results
from yolov3.evaluation.matching import match_image
from yolov3.report.data_uri import jpeg_uri

FOUND_IOU = 0.5

# Units of the drawing. A picture is as wide as a phone's screen, where a unit is about one CSS pixel.
VIEW_WIDTH = 360
MIN_VIEW_HEIGHT = 90
MAX_VIEW_HEIGHT = 440
LABEL_HEIGHT = 18
# Widths per letter of the 13-unit label text, on the safe side, since the reader's font is not known.
LETTER_WIDTH, WIDE_LETTER_WIDTH = 8.0, 13.5
LABEL_PADDING = 8

# Pixels of a picture's longer side; the first whose JPEG fits into the size limit is taken.
PICTURE_SIDES = (560, 480, 400, 320, 240, 160)
JPEG_QUALITY = 82
GALLERY_BYTES = 1_600_000


@dataclass(frozen=True)
class Label:
    """A text on a filled box, in units of the drawing."""

    text: str
    left: float
    top: float
    width: float


@dataclass(frozen=True)
class Mark:
    """A box to draw, in units of the drawing; `title` is its tooltip, `label` is None if it has no visible label."""

    left: float
    top: float
    width: float
    height: float
    colour: str
    title: str
    label: Label | None


@dataclass(frozen=True)
class Drawing:
    """True boxes and those predicted by one program on a picture; `description` is its alternative text."""

    name: str
    true_marks: tuple[Mark, ...]
    predicted_marks: tuple[Mark, ...]
    caption: str
    description: str


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery.

    Attributes:
        file_name: name in the annotations.
        view_box: left, top, width, height of the drawing; the image is at 0, 0.
        width, height: size of the image in units of the drawing.
        data_uri: the image as a JPEG data URI.
        drawings: one per program.
    """

    file_name: str
    view_box: tuple[float, float, float, float]
    width: float
    height: float
    data_uri: str
    drawings: tuple[Drawing, ...]


def chosen_images(count: int, max_chosen: int) -> list[int]:
    """Return the indices of at most `max_chosen` of `count` images, spread evenly, whatever their content."""
    chosen = min(count, max_chosen)
    return [(2 * place + 1) * count // (2 * chosen) for place in range(chosen)]


def read_detections(path: Path, ids: CocoIds, indices: list[int], min_score: float) -> dict[int, Detections]:
    """Read the detections of some images, with at least `min_score`, from a file of COCO results of a data set.

    Returns:
        Detections by image index, with an entry for each of `indices`.

    Raises:
        InputError: the file is missing, an entry is incomplete, or an image or category is unknown.
    """
    rows = read_results(path, ids, lambda part: part[np.isin(part[:, 0], indices) & (part[:, 5] >= min_score)])
    return {index: detections_of(rows[rows[:, 0] == index]) for index in indices}


def gallery(
    split: CocoSplit,
    indices: list[int],
    class_names: tuple[str, ...],
    programs: list[tuple[str, dict[int, Detections]]],
    min_score: float = 0,
) -> list[Picture]:
    """Return pictures of the images at `indices` of a split, each with one drawing per program.

    A program is given by its name and its detections by image index, of which those with `min_score` are drawn, but of
    a box with several classes only the best and those that are right.

    Raises:
        InputError: an image cannot be read.
    """
    max_bytes = GALLERY_BYTES // max(1, len(indices))
    pictures = []
    for index in indices:
        width, height = (int(side) for side in split.sizes_wh[index])
        scale = min(VIEW_WIDTH / width, MAX_VIEW_HEIGHT / height)
        view_height = max(height * scale, MIN_VIEW_HEIGHT)
        view_box = ((width * scale - VIEW_WIDTH) / 2, (height * scale - view_height) / 2, VIEW_WIDTH, view_height)
        drawings = tuple(
            _drawing(name, split, index, by_image[index].with_score(min_score), class_names, scale)
            for name, by_image in programs
        )
        data_uri = _data_uri(read_image_rgb(split.path(index), (width, height)), max_bytes)
        pictures.append(Picture(split.file_names[index], view_box, width * scale, height * scale, data_uri, drawings))
    return pictures


def jpeg_data_uri(path: Path) -> tuple[str, int, int]:
    """Return a JPEG file as a data URI, and its width and height in pixels.

    Raises:
        InputError: it does not exist.
    """
    try:
        with Image.open(path) as picture:
            return jpeg_uri(path.read_bytes()), picture.width, picture.height
    except FileNotFoundError:
        raise InputError(f"picture {path} does not exist: run the stage that makes it first") from None


def _data_uri(image: np.ndarray, max_bytes: int) -> str:
    """Return uint8 [H, W, 3] RGB as a JPEG data URI of at most `max_bytes`, or of the smallest picture side."""
    for side in PICTURE_SIDES:
        scale = min(1.0, side / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        _, encoded = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        uri = jpeg_uri(encoded.tobytes())
        if len(uri) <= max_bytes:
            break
    return uri


def match(detections: Detections, boxes_xyxy: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each detection the index of the true box that it matches, int64 [K], -1 for none.

    As in the COCO evaluation at one threshold, detections are matched in order, best first, each with the box of its
    class of the largest IoU, at least FOUND_IOU, that is not matched yet.
    """
    overlap = pairwise_iou(detections.boxes_xyxy, boxes_xyxy.astype(np.float64))
    overlap[detections.labels[:, None] != labels[None, :]] = 0
    return match_image(overlap, len(labels), FOUND_IOU)


def _drawing(
    name: str, split: CocoSplit, index: int, detections: Detections, class_names: tuple[str, ...], scale: float
) -> Drawing:
    boxes_xyxy, labels = split.boxes_of(index)
    matches = match(detections, boxes_xyxy, labels)
    is_drawn = detections.first_of_equal_boxes() | (matches >= 0)
    detections, matches = detections.only(is_drawn), matches[is_drawn]
    missed = np.setdiff1d(np.arange(len(labels)), matches)
    extra = int((matches < 0).sum())
    width, height = (split.sizes_wh[index] * scale).tolist()
    places = LabelPlaces(width, height, LABEL_HEIGHT)
    predicted_titles = [
        f"{class_names[label]} {score:.2f}" for label, score in zip(detections.labels, detections.scores, strict=True)
    ]
    true_titles = [class_names[label] for label in labels]
    predicted = [
        _mark(box * scale, colour_of(int(label)), title, places, title)
        for box, label, title in zip(detections.boxes_xyxy, detections.labels, predicted_titles, strict=True)
    ]
    # A true box that was found has the prediction's label beside it; only missed ones get a label of their own.
    true_marks = [
        _mark(box * scale, "#fff", f"true box: {title}", places, f"missed: {title}" if row in missed else "")
        for row, (box, title) in enumerate(zip(boxes_xyxy, true_titles, strict=True))
    ]
    description = (
        f"{split.file_names[index]}. True boxes: {_counted(true_titles)}. "
        f"Predicted by {name}: {', '.join(predicted_titles) or 'none'}. "
        f"Missed: {_counted([true_titles[row] for row in missed])}."
    )
    caption = f"{len(labels) - len(missed)} of {len(labels)} found" if len(labels) else "no true boxes"
    caption += f", {extra} extra" if extra else ""
    # Worst first, so that the best prediction is drawn on top.
    return Drawing(name, tuple(true_marks), tuple(predicted[::-1]), caption, description)


def _counted(names: list[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(names).items())) or "none"


def _mark(box_xyxy: np.ndarray, colour: str, title: str, places: LabelPlaces, text: str) -> Mark:
    """Return the mark of a box, with `text` as its label if it is not empty and there is room for it."""
    left, top, width, height = (round(float(value), 1) for value in xyxy_to_xywh(box_xyxy))
    text = shortened(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    label_width = LABEL_PADDING + wide * WIDE_LETTER_WIDTH + (len(text) - wide) * LETTER_WIDTH
    place = places.place(label_width, left, top, height) if text else None
    label = Label(text, round(place[0], 1), round(place[1], 1), round(label_width, 1)) if place else None
    return Mark(left, top, width, height, colour, title, label)
