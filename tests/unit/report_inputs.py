"""Hand-made results of a small run, from which tests write a report."""

import csv
import json

import cv2
import numpy as np

from yolov3.data.manifest import Category, Manifest, SplitFiles
from yolov3.evaluation.coco_metrics import METRIC_NAMES

ODD_NAME = '<b>"A&B"</b> $x$'
RECALL = [round(0.01 * place, 2) for place in range(101)]


def annotation(number, image_id, category_id, bbox):
    return {"id": number, "image_id": image_id, "category_id": category_id, "bbox": bbox, "iscrowd": 0}


def write_dataset(folder, dataset):
    """Write annotations and grey images; return the image folder and the annotation file."""
    images = folder / "images"
    images.mkdir(parents=True)
    for image in dataset["images"]:
        cv2.imwrite(str(images / image["file_name"]), np.full((image["height"], image["width"], 3), 90, np.uint8))
    return images, write_json(folder / "annotations.json", dataset)


def write_manifest(folder, names=("round", ODD_NAME), image_names=("a.jpg", "b.jpg", "c <i>.jpg")):
    """Write a data set with a box of each class in every 80 x 60 image; return the path of its manifest."""
    images = [{"id": 5 + row, "file_name": name, "width": 80, "height": 60} for row, name in enumerate(image_names)]
    categories = [{"id": 10 * (row + 1), "name": name} for row, name in enumerate(names)]
    boxes = [
        annotation(number, image["id"], category["id"], [4 + 30 * (row % 2), 10, 20, 30])
        for number, (image, (row, category)) in enumerate(
            ((image, entry) for image in images for entry in enumerate(categories)), start=1
        )
    ]
    dataset = {"images": images, "categories": categories, "annotations": boxes}
    image_dir, annotations = write_dataset(folder / "data", dataset)
    files = SplitFiles(image_dir, annotations, len(images), len(boxes), 0, 0, len(names), ("lost.jpg",), "0" * 64)
    manifest = Manifest(
        "custom", tuple(Category(**category) for category in categories), {"train": files, "val": files}
    )
    manifest.write(folder / "manifest.json")
    return folder / "manifest.json"


def metrics(names=("round", ODD_NAME), value=0.4567):
    """Return the content of metrics.json; `value` is the AP of all."""
    with_truth = list(names) if value >= 0 else []
    curve = np.linspace(1, 0, 101).round(4).tolist()
    return {
        **dict.fromkeys(METRIC_NAMES, value),
        "per_class": {name: {"AP": value, "AP50": value, "boxes": 3} for name in names},
        "precision_recall": {
            "recall": RECALL,
            "classes": dict.fromkeys(with_truth, curve),
            "mean": dict.fromkeys(("0.50", "0.75"), curve if with_truth else []),
        },
        "images": 3,
        "seconds": {"read": 1.0, "network": 8.0, "postprocess": 1.0, "total": 75.0},
        "images_per_second": 0.3,
        "analysis": analysis(names, value),
    }


def analysis(names, value):
    """Return an analysis; without truth (`value` is -1) one without a threshold."""
    point = {"score": 0.3, "precision": 0.75, "recall": 0.5, "f1": 0.6}
    has_truth = value >= 0
    matrix = np.diag([2] * len(names) + [0])
    matrix[0, -1] = matrix[-1, 0] = 1
    return {
        "threshold": point if has_truth else None,
        "class_thresholds": dict.fromkeys(names, point if has_truth else None),
        "curves": {"score": RECALL, **dict.fromkeys(("precision", "recall", "f1"), RECALL)},
        "confusion": (matrix * has_truth).tolist(),
        "errors": {"class": {"count": 3, "cost": 0.0 if value < 0 else 0.125}, "missed": {"count": 1, "cost": 0.0}},
        "slices": {"size": [{"name": "up to 16 px", "boxes": 4, "AP": value, "AP50": value}] * has_truth, "shape": []},
        "calibration": {"error": 0.0625, "bins": [{"score": 0.5, "precision": 0.25, "detections": 8}]},
        "worst_images": [],
    }


def summary():
    """Return the content of train.json."""
    return {
        "device_target": "CPU",
        "versions": {"mindspore": "2.10.0"},
        "settings": {},
        "seconds": 192.4,
        "images_per_second": 55.55,
        "steps": 1234,
        "parameters": 62001757,
        "workers": 1,
        "validation": [
            {"epoch": 1, "iter": 9, "AP": 0.1, "AP50": -1.0},
            {"epoch": 2, "iter": 19, "AP": 0.2, "AP50": 0.3},
        ],
        "best_epoch": 2,
    }


def write_steps(path, count=60):
    """Write metrics.csv with `count` logged steps."""
    columns = (
        "epoch",
        "iter",
        "loss",
        "loss_xy",
        "loss_wh",
        "loss_confidence",
        "loss_class",
        "lr",
        "images_per_second",
    )
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([0, step, 100 / (step + 1), 40, 0, 20, 10, 0.001, 50.5] for step in range(count))
    return path


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def detection(image_id, category_id, bbox, score):
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}
