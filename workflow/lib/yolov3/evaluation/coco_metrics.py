"""COCO metrics by pycocotools, and per-class metrics and precision-recall curves for the report.

COCO matches boxes within a class, so each class is evaluated separately, with many detections on several cores, and the
results are merged: evaluating all classes of COCO val2014 at once would take over 10 GB.
"""

import contextlib
import io
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolov3.process import available_cpus

METRIC_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
RESULT_HEADING = "=============coco eval result========="
# With fewer detections, starting processes takes longer than the evaluation.
DETECTIONS_FOR_PROCESSES = 200_000
MAX_PROCESSES = 8

# Axes of COCOeval's precision array: IoU thresholds .50:.05:.95, 101 recalls, classes, areas, detections per image.
IOU_50, IOU_75, ALL_AREAS, MAX_DETECTIONS = 0, 5, 0, -1
CLASS_AXES = {"precision": 2, "recall": 1}


@dataclass(frozen=True)
class CocoResult:
    """COCO metrics of a set of detections.

    Attributes:
        metrics: the 12 COCO metrics by name, `per_class` and `precision_recall`; -1 where there is no ground truth.
        summary: the 12 lines that pycocotools prints, below RESULT_HEADING.
    """

    metrics: dict[str, Any]
    summary: str


@dataclass(frozen=True)
class _ClassBoxes:
    """Boxes of one class, in pixels of the image.

    Attributes:
        truth: float64 [G, 7]: image index, left, top, width, height, area, crowd (0 or 1).
        rows: detections, float64 [M, 7], see `coco_results.coco_rows`.
    """

    label: int
    truth: np.ndarray
    rows: np.ndarray


def coco_result(ground_truth: dict[str, Any], rows: np.ndarray) -> CocoResult:
    """Compute the COCO metrics of detections on a COCO data set.

    Args:
        ground_truth: the data set, with images and categories in the order of the indices of `rows`.
        rows: float64 [M, 7], see `coco_results.coco_rows`.
    """
    classes = _boxes_by_class(ground_truth, rows)
    evaluation = COCOeval(iouType="bbox")
    class_results = _evaluate_all(classes)
    evaluation.eval = {
        name: np.concatenate([result[name] for result in class_results], axis=axis) for name, axis in CLASS_AXES.items()
    }
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        evaluation.summarize()
    metrics: dict[str, Any] = {name: float(value) for name, value in zip(METRIC_NAMES, evaluation.stats, strict=True)}
    names = [category["name"] for category in ground_truth["categories"]]
    precision = evaluation.eval["precision"][:, :, :, ALL_AREAS, MAX_DETECTIONS]
    metrics["per_class"] = {
        name: {
            "AP": float(precision[:, :, index].mean()),
            "AP50": float(precision[IOU_50, :, index].mean()),
            "boxes": int((boxes.truth[:, 6] == 0).sum()),
        }
        for index, (name, boxes) in enumerate(zip(names, classes, strict=True))
    }
    metrics["precision_recall"] = _precision_recall(names, precision, evaluation.params.recThrs)
    return CocoResult(metrics, f"{RESULT_HEADING}\n{output.getvalue()}")


def _boxes_by_class(ground_truth: dict[str, Any], rows: np.ndarray) -> list[_ClassBoxes]:
    annotations = ground_truth["annotations"]
    image_index, label_of = (
        {entry["id"]: index for index, entry in enumerate(ground_truth[name])} for name in ("images", "categories")
    )
    truth = np.array(
        [(image_index[box["image_id"]], *box["bbox"], box["area"], box.get("iscrowd", 0)) for box in annotations],
        np.float64,
    ).reshape(-1, 7)
    labels = np.fromiter((label_of[box["category_id"]] for box in annotations), np.int64, len(annotations))
    return [_ClassBoxes(label, truth[labels == label], rows[rows[:, 6] == label]) for label in range(len(label_of))]


def _evaluate_all(classes: list[_ClassBoxes]) -> list[dict[str, np.ndarray]]:
    if sum(len(boxes.rows) for boxes in classes) < DETECTIONS_FOR_PROCESSES:
        return [_evaluate(boxes) for boxes in classes]
    # The largest first, so that no process is left with a large class at the end.
    order = sorted(range(len(classes)), key=lambda index: -len(classes[index].rows))
    with ProcessPoolExecutor(min(available_cpus(), MAX_PROCESSES), mp_context=get_context("spawn")) as pool:
        results = dict(zip(order, pool.map(_evaluate, [classes[index] for index in order]), strict=True))
    return [results[index] for index in range(len(classes))]


def _evaluate(boxes: _ClassBoxes) -> dict[str, np.ndarray]:
    """Return COCOeval's arrays for one class."""
    truth = [
        {"id": index + 1, "image_id": int(image), "bbox": bbox, "area": area, "iscrowd": int(crowd)}
        for index, (image, *bbox, area, crowd) in enumerate(boxes.truth.tolist())
    ]
    detections = [
        {"id": index + 1, "image_id": int(image), "bbox": bbox, "area": bbox[2] * bbox[3], "score": score}
        for index, (image, *bbox, score, _) in enumerate(boxes.rows.tolist())
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_indexed(truth, boxes.label), _indexed(detections, boxes.label), "bbox")
        # Images without boxes of this class do not change its metrics.
        evaluation.params.imgIds = sorted({box["image_id"] for box in (*truth, *detections)})
        evaluation.params.catIds = [boxes.label]
        evaluation.evaluate()
        evaluation.accumulate()
    return {name: evaluation.eval[name] for name in CLASS_AXES}


def _indexed(boxes: list[dict[str, Any]], label: int) -> COCO:
    for box in boxes:
        box["category_id"] = label
    coco = COCO()
    coco.dataset = {"categories": [{"id": label}], "annotations": boxes}
    coco.createIndex()
    return coco


def _precision_recall(names: list[str], precision: np.ndarray, recalls: np.ndarray) -> dict[str, Any]:
    def curve(values: np.ndarray) -> list[float]:
        return [round(float(value), 4) for value in values]

    present = (precision[IOU_50] > -1).all(axis=0)
    classes = {name: curve(precision[IOU_50, :, index]) for index, name in enumerate(names) if present[index]}
    mean = {
        label: curve(precision[iou][:, present].mean(axis=1)) if present.any() else []
        for label, iou in (("0.50", IOU_50), ("0.75", IOU_75))
    }
    return {"recall": curve(recalls), "classes": classes, "mean": mean}
