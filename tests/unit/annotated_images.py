"""A small data set in COCO format for tests, to be spoilt by them."""

import json
from pathlib import Path

import cv2
import numpy as np


def annotation(annotation_id, image_id, category_id, bbox, **more):
    return {"id": annotation_id, "image_id": image_id, "category_id": category_id, "bbox": bbox, "iscrowd": 0, **more}


def small_dataset():
    """Two images, categories 3 and 7 (a gap), listed out of order."""
    return {
        "images": [
            {"id": 20, "file_name": "b.jpg", "width": 40, "height": 30},
            {"id": 10, "file_name": "a.jpg", "width": 60, "height": 50},
        ],
        "categories": [{"id": 7, "name": "late"}, {"id": 3, "name": "early"}],
        "annotations": [
            annotation(1, 20, 7, [1, 2, 10, 8], area=80),
            annotation(2, 10, 3, [5, 5, 20, 10], area=200),
            annotation(3, 10, 7, [0, 0, 60, 50], area=3000, iscrowd=1),
        ],
    }


def write_dataset(folder, dataset, image_names=None):
    """Write annotations and grey images; return the image folder and the annotation file."""
    folder = Path(folder)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for image in dataset["images"]:
        if image_names is None or image["file_name"] in image_names:
            cv2.imwrite(str(images / image["file_name"]), np.full((image["height"], image["width"], 3), 90, np.uint8))
    file = folder / "annotations.json"
    file.write_text(json.dumps(dataset))
    return images, file
