"""Write a COCO data set as Pascal VOC, YOLO or LabelMe files, one an image, and as COCO JSON."""

import json
import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from yolov3.data.annotations import annotation_rows, box_and_area, categories_of
from yolov3.data.custom.labelled import DECIMALS, LabelledBox
from yolov3.data.custom.voc import CORNERS
from yolov3.data.custom.yolo import LISTS_OF_NAMES
from yolov3.files import write_text

# Digits of fractions in YOLO files: exact to 1/100 pixel in the largest images.
FRACTION_DIGITS = 8


@dataclass(frozen=True)
class _Image:
    """An image of a COCO data set with its usable boxes; `file_name` is relative to its folder."""

    file_name: str
    size_wh: tuple[int, int]
    boxes: tuple[LabelledBox, ...]


def write_annotations(dataset: dict[str, Any], kind: str, output: Path) -> int:
    """Write the usable boxes of a COCO data set to a folder and return their number.

    YOLO and LabelMe files have no crowds: these are left out, and counted in the log.

    Args:
        dataset: data set from `read_annotations`.
        kind: coco, voc, yolo or labelme.
        output: folder of the files, which has a file for each image at the place of its name; coco writes
            annotations.json, yolo also classes.txt.
    """
    if kind == "coco":
        write_text(output / "annotations.json", json.dumps(dataset, ensure_ascii=False) + "\n")
        return len(dataset["annotations"])
    images = _images_of(dataset)
    if kind == "yolo":
        names = [category["name"] for category in dataset["categories"]]
        write_text(output / LISTS_OF_NAMES[0], "".join(f"{name}\n" for name in names))
    crowds = sum(box.is_ignored for image in images for box in image.boxes)
    if crowds and kind != "voc":
        logging.warning("%d crowds are left out, which this format does not have", crowds)
    suffix, text_of = _WRITERS[kind]
    count = 0
    for image in images:
        boxes = [box for box in image.boxes if kind == "voc" or not box.is_ignored]
        path = output / PurePosixPath(image.file_name).with_suffix(suffix)
        write_text(path, text_of(image, boxes, dataset))
        count += len(boxes)
    return count


def _images_of(dataset: dict[str, Any]) -> list[_Image]:
    rows = annotation_rows(dataset, categories_of(dataset))
    names = [category["name"] for category in dataset["categories"]]
    boxes: list[list[LabelledBox]] = [[] for _ in dataset["images"]]
    for index in np.flatnonzero(rows.usable):
        box_xywh, _ = box_and_area(dataset["annotations"][index])
        box = LabelledBox(names[rows.labels[index]], box_xywh, bool(rows.is_crowd[index]))
        boxes[rows.image_index[index]].append(box)
    return [
        _Image(image["file_name"], (image["width"], image["height"]), tuple(own))
        for image, own in zip(dataset["images"], boxes, strict=True)
    ]


def _voc_text(image: _Image, boxes: list[LabelledBox], _dataset: dict[str, Any]) -> str:
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = PurePosixPath(image.file_name).name
    size = ElementTree.SubElement(root, "size")
    for name, side in zip(("width", "height", "depth"), (*image.size_wh, 3), strict=True):
        ElementTree.SubElement(size, name).text = str(side)
    for box in boxes:
        element = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(element, "name").text = box.name
        ElementTree.SubElement(element, "difficult").text = str(int(box.is_ignored))
        left, top, width, height = box.box_xywh
        corners = ElementTree.SubElement(element, "bndbox")
        for name, value in zip(CORNERS, (left, top, left + width, top + height), strict=True):
            ElementTree.SubElement(corners, name).text = _decimal(value)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _yolo_text(image: _Image, boxes: list[LabelledBox], dataset: dict[str, Any]) -> str:
    labels = {category["name"]: label for label, category in enumerate(dataset["categories"])}
    width, height = image.size_wh
    lines: list[str] = []
    for box in boxes:
        left, top, w, h = box.box_xywh
        fractions = ((left + w / 2) / width, (top + h / 2) / height, w / width, h / height)
        lines.append(f"{labels[box.name]} " + " ".join(f"{value:.{FRACTION_DIGITS}f}" for value in fractions) + "\n")
    return "".join(lines)


def _labelme_text(image: _Image, boxes: list[LabelledBox], _dataset: dict[str, Any]) -> str:
    shapes: list[dict[str, Any]] = []
    for box in boxes:
        left, top, width, height = box.box_xywh
        points = [[left, top], [left + width, top + height]]
        shapes.append({"label": box.name, "points": points, "group_id": None, "shape_type": "rectangle", "flags": {}})
    image_width, image_height = image.size_wh
    content: dict[str, Any] = {
        "version": "5.0.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": PurePosixPath(image.file_name).name,
        "imageData": None,
        "imageHeight": image_height,
        "imageWidth": image_width,
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _decimal(value: float) -> str:
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


_Text = Callable[[_Image, list[LabelledBox], dict[str, Any]], str]
_WRITERS: dict[str, tuple[str, _Text]] = {
    "voc": (".xml", _voc_text),
    "yolo": (".txt", _yolo_text),
    "labelme": (".json", _labelme_text),
}
