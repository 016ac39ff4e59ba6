"""A small data set written as Pascal VOC, YOLO and LabelMe files, for tests."""

import json
from pathlib import Path

import cv2
import numpy as np

# Name, size, and boxes as class and left, top, width, height; the last image has none.
IMAGES = (
    ("a 1", (64, 48), (("cat", (4, 6, 20, 30)), ("dog", (30, 10, 16, 8)))),
    ("b", (40, 80), (("dog", (0, 0, 40, 80)),)),
    ("größe", (50, 50), ()),
)
NAMES = ("dog", "cat")
SUFFIX = ".png"


def write_images(folder: Path, images=IMAGES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, (width, height), _) in enumerate(images):
        cv2.imwrite(str(folder / f"{name}{SUFFIX}"), np.full((height, width, 3), 40 * number, np.uint8))


def write_voc(folder: Path, images=IMAGES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (width, height), boxes in images:
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax>"
            f"<ymax>{y + h}</ymax></bndbox></object>"
            for label, (x, y, w, h) in boxes
        )
        size = f"<size><width>{width}</width><height>{height}</height></size>"
        text = f"<annotation><filename>{name}{SUFFIX}</filename>{size}{objects}</annotation>"
        (folder / f"{name}.xml").write_text(text, encoding="utf-8")


def write_yolo(folder: Path, images=IMAGES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (width, height), boxes in images:
        fractions = [
            (NAMES.index(label), (x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
            for label, (x, y, w, h) in boxes
        ]
        lines = ["{} {:.6f} {:.6f} {:.6f} {:.6f}\n".format(*values) for values in fractions]
        # Images without objects have no file.
        if lines:
            (folder / f"{name}.txt").write_text("".join(lines))


def write_labelme(folder: Path, images=IMAGES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (width, height), boxes in images:
        shapes = [
            {"label": label, "shape_type": "rectangle", "points": [[x + w, y], [x, y + h]]}
            for label, (x, y, w, h) in boxes
        ]
        content = {"imagePath": f"..\\pictures\\{name}{SUFFIX}", "imageWidth": width, "imageHeight": height}
        (folder / f"{name}.json").write_text(json.dumps({**content, "shapes": shapes}), encoding="utf-8")
