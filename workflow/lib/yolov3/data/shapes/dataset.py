"""Generate the embedded data set: drawn scenes with objects of six classes, annotated in COCO format."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolov3.config.sources import python_digest
from yolov3.data.manifest import SPLITS, Places, folder_places
from yolov3.data.shapes.outlines import CLASS_NAMES, polygon_area
from yolov3.data.shapes.scene import PlacedObject, draw_scene
from yolov3.files import read_json, write_json
from yolov3.terminal import progress_bar

JPEG_QUALITY = 90
SETTINGS_SUFFIX = ".settings.json"


@dataclass(frozen=True)
class ShapesSettings:
    """What to draw; fields are the config's `shapes` keys of the same names."""

    train_images: int
    val_images: int
    data_seed: int


def prepare_shapes(data_dir: Path, settings: ShapesSettings, splits: Sequence[str] = SPLITS) -> Places:
    """Draw the splits under data_dir/shapes that do not exist with the same settings; return the paths of all."""
    folder = data_dir / "shapes"
    places = folder_places(folder)
    for split in splits:
        identity = {
            "images": settings.train_images if split == "train" else settings.val_images,
            "data_seed": settings.data_seed,
            # A change of the drawing code draws the data set again.
            "drawn_by": [python_digest(path) for path in sorted(Path(__file__).parent.glob("*.py"))],
        }
        if _is_drawn(*places[split], identity):
            logging.info("%s: %s already exists with these settings", split, folder)
        else:
            _draw_split(folder, split, identity)
            logging.info("%s: drew %d images in %s", split, identity["images"], folder)
    return {split: places[split] for split in splits}


def scene(data_seed: int, split: str, index: int) -> tuple[np.ndarray, list[PlacedObject]]:
    """Draw image `index` of a split; return uint8 [H, W, 3] BGR and its objects.

    The result depends on the arguments only, so a larger data set begins with the images of a smaller one.
    """
    return draw_scene(np.random.default_rng((data_seed, SPLITS.index(split), index)))


def coco_annotation(placed: PlacedObject) -> dict[str, Any]:
    """Return segmentation, area in pixels, bbox (xywh), iscrowd and category_id of an object."""
    polygon = placed.polygon.round(2)
    left, top = polygon.min(axis=0)
    width, height = polygon.max(axis=0) - (left, top)
    return {
        "category_id": placed.label + 1,
        "segmentation": [polygon.ravel().tolist()],
        "area": round(polygon_area(polygon), 2),
        "bbox": [round(float(value), 2) for value in (left, top, width, height)],
        "iscrowd": 0,
    }


def _draw_split(folder: Path, split: str, identity: dict[str, Any]) -> None:
    part = folder / f".{split}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in progress_bar(range(identity["images"]), f"draw {split}"):
        image, objects = scene(identity["data_seed"], split, index)
        name = f"{index + 1:012d}.jpg"
        _, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
        encoded.tofile(part / name)
        images.append({"id": index + 1, "file_name": name, "width": image.shape[1], "height": image.shape[0]})
        for placed in objects:
            annotation = coco_annotation(placed)
            annotations.append({"id": len(annotations) + 1, "image_id": index + 1, **annotation})
    categories = [{"id": label + 1, "name": name, "supercategory": "shape"} for label, name in enumerate(CLASS_NAMES)]
    dataset = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    image_dir, annotation_file = folder_places(folder)[split]
    shutil.rmtree(image_dir, ignore_errors=True)
    write_json(annotation_file, dataset, indent=None)
    part.rename(image_dir)
    write_json(annotation_file.with_suffix(SETTINGS_SUFFIX), identity)


def _is_drawn(image_dir: Path, annotation_file: Path, identity: dict[str, Any]) -> bool:
    settings_file = annotation_file.with_suffix(SETTINGS_SUFFIX)
    is_same = settings_file.is_file() and annotation_file.is_file() and read_json(settings_file) == identity
    return is_same and len(list(image_dir.glob("*.jpg"))) == identity["images"]
