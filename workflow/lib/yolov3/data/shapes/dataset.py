"""The embedded data set: drawn scenes of six classes, annotated in COCO format."""

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from yolov3.data.manifest import SPLITS
from yolov3.data.shapes import outlines as shapes_outlines
from yolov3.data.shapes import scene as shapes_scene
from yolov3.data.shapes import surface as shapes_surface
from yolov3.data.shapes.outlines import CLASS_NAMES, polygon_area
from yolov3.data.shapes.scene import PlacedObject, draw_scene
from yolov3.files import read_json, sha256_of, write_json

JPEG_QUALITY = 90
SETTINGS_NAME = "settings.json"


@dataclass(frozen=True)
class ShapesSettings:
    """What to draw; fields are the config's `shapes` keys of the same names."""

    train_images: int
    val_images: int
    data_seed: int


def prepare_shapes(data_dir: Path, settings: ShapesSettings) -> dict[str, tuple[Path, Path]]:
    """Draw the data set under data_dir/shapes, unless it stands there already with the same settings.

    Returns:
        Image folder and annotation file of "train" and "val".
    """
    folder = data_dir / "shapes"
    counts = dict(zip(SPLITS, (settings.train_images, settings.val_images), strict=True))
    # The drawing code is part of the settings: an edit of it draws anew.
    sources = [sha256_of(Path(str(module.__file__))) for module in (shapes_scene, shapes_surface, shapes_outlines)]
    identity = {**asdict(settings), "drawn_by": sources}
    if _stands(folder, identity, counts):
        logging.info("shapes: %s stands already with these settings", folder)
    else:
        part = data_dir / ".shapes.part"
        shutil.rmtree(part, ignore_errors=True)
        for split, count in counts.items():
            _draw_split(part, split, count, settings.data_seed)
        write_json(part / SETTINGS_NAME, identity)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        logging.info("shapes: drew %d training and %d validation images in %s", *counts.values(), folder)
    return {split: (folder / split, folder / "annotations" / f"{split}.json") for split in SPLITS}


def scene(data_seed: int, split: str, index: int) -> tuple[np.ndarray, list[PlacedObject]]:
    """Draw image `index` of a split: uint8 [H, W, 3] BGR and its objects.

    It depends on nothing else, so a larger data set begins with the images of a smaller one.
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


def _draw_split(folder: Path, split: str, count: int, data_seed: int) -> None:
    image_dir = folder / split
    image_dir.mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in tqdm(range(count), f"draw {split}", unit="image", disable=None):
        image, objects = scene(data_seed, split, index)
        name = f"{index + 1:012d}.jpg"
        _, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
        encoded.tofile(image_dir / name)
        images.append({"id": index + 1, "file_name": name, "width": image.shape[1], "height": image.shape[0]})
        for placed in objects:
            annotation = coco_annotation(placed)
            annotations.append({"id": len(annotations) + 1, "image_id": index + 1, **annotation})
    categories = [{"id": label + 1, "name": name, "supercategory": "shape"} for label, name in enumerate(CLASS_NAMES)]
    dataset = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    write_json(folder / "annotations" / f"{split}.json", dataset, indent=None)


def _stands(folder: Path, identity: dict[str, Any], counts: dict[str, int]) -> bool:
    settings_file = folder / SETTINGS_NAME
    if not settings_file.is_file() or read_json(settings_file) != json.loads(json.dumps(identity)):
        return False
    return all(
        (folder / "annotations" / f"{split}.json").is_file() and len(list((folder / split).glob("*.jpg"))) == count
        for split, count in counts.items()
    )
