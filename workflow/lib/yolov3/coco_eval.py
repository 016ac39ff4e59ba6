"""The COCO metrics by pycocotools, and what the report shows beside them."""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

METRIC_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
RESULT_HEADING = "=============coco eval result========="

# Axes of COCOeval's precision array: IoU thresholds .50:.05:.95, 101 recalls, classes, areas, detections an image.
IOU_50, IOU_75, ALL_AREAS, MOST_DETECTIONS = 0, 5, 0, -1


@dataclass(frozen=True)
class CocoResult:
    """Accuracy of a set of detections.

    Attributes:
        metrics: the 12 COCO numbers by name, `per_class` and `precision_recall`; -1 where there is no ground truth.
        summary: the 12 lines as pycocotools prints them, under the usual heading.
    """

    metrics: dict[str, Any]
    summary: str


def coco_result(ground_truth: dict[str, Any], rows: np.ndarray) -> CocoResult:
    """Compare detections with the ground truth.

    Args:
        ground_truth: COCO data set of the evaluated images.
        rows: detections, float64 [M, 7] as `coco_results.coco_rows` makes them.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _indexed(ground_truth)
        found = truth.loadRes(rows) if len(rows) else _indexed({**ground_truth, "annotations": []})
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    with contextlib.redirect_stdout(printed):
        evaluation.summarize()
    metrics: dict[str, Any] = {name: float(value) for name, value in zip(METRIC_NAMES, evaluation.stats, strict=True)}
    metrics["per_class"] = _per_class(truth, evaluation)
    metrics["precision_recall"] = _precision_recall(truth, evaluation)
    return CocoResult(metrics, f"{RESULT_HEADING}\n{printed.getvalue()}")


def _indexed(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _mean(precision: np.ndarray) -> float:
    valid = precision[precision > -1]
    return float(valid.mean()) if valid.size else -1.0


def _class_names(truth: COCO, evaluation: COCOeval) -> list[str]:
    return [truth.cats[category_id]["name"] for category_id in evaluation.params.catIds]


def _per_class(truth: COCO, evaluation: COCOeval) -> dict[str, dict[str, float]]:
    precision = evaluation.eval["precision"][:, :, :, ALL_AREAS, MOST_DETECTIONS]
    boxes = dict.fromkeys(truth.cats, 0)
    for annotation in truth.anns.values():
        boxes[annotation["category_id"]] += not annotation.get("iscrowd", 0)
    return {
        name: {
            "AP": _mean(precision[:, :, index]),
            "AP50": _mean(precision[IOU_50, :, index]),
            "boxes": boxes[evaluation.params.catIds[index]],
        }
        for index, name in enumerate(_class_names(truth, evaluation))
    }


def _precision_recall(truth: COCO, evaluation: COCOeval) -> dict[str, Any]:
    precision = evaluation.eval["precision"][:, :, :, ALL_AREAS, MOST_DETECTIONS]

    def curve(values: np.ndarray) -> list[float]:
        return [round(float(value), 4) for value in values]

    present = (precision[IOU_50] > -1).all(axis=0)
    classes = {
        name: curve(precision[IOU_50, :, index])
        for index, name in enumerate(_class_names(truth, evaluation))
        if present[index]
    }
    mean = {
        label: curve(precision[iou][:, present].mean(axis=1)) if present.any() else []
        for label, iou in (("0.50", IOU_50), ("0.75", IOU_75))
    }
    return {"recall": curve(evaluation.params.recThrs), "classes": classes, "mean": mean}
