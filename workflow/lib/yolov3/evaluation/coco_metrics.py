"""COCO metrics of detections, per-class metrics and precision-recall curves, by hotcoco.

hotcoco computes what pycocotools computes, bit for bit, in a fraction of its time and memory; the tests compare both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hotcoco import COCO, COCOeval

from yolov3.evaluation.true_boxes import TrueBoxes

METRIC_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
# The title of a line, which pycocotools pads in another way.
SUMMARY_TITLE = re.compile(r"^ (Average \w+) (\(\w+\)) +@")
RESULT_HEADING = "=============coco eval result========="
# Axes of COCOeval's precision array: IoU thresholds .50:.05:.95, 101 recalls, classes, areas, detections per image.
IOU_50, IOU_75, ALL_AREAS, MAX_DETECTIONS = 0, 5, 0, -1


@dataclass(frozen=True)
class CocoResult:
    """COCO metrics of a set of detections.

    Attributes:
        metrics: the 12 COCO metrics by name, `per_class` and `precision_recall`; -1 where there is no ground truth.
        summary: the 12 lines that pycocotools prints, below RESULT_HEADING.
    """

    metrics: dict[str, Any]
    summary: str


def coco_result(truth: TrueBoxes, rows: np.ndarray) -> CocoResult:
    """Compute the COCO metrics of detections, float64 [M, 7], see `coco_results.coco_rows`."""
    return result_of(coco_evaluation(truth, rows), truth)


def coco_evaluation(
    truth: TrueBoxes,
    rows: np.ndarray,
    sizes: tuple[np.ndarray, np.ndarray] | None = None,
    size_ranges: dict[str, tuple[float, float]] | None = None,
) -> COCOeval:
    """Evaluate detections by the COCO protocol.

    Args:
        truth: true boxes.
        rows: float64 [M, 7], see `coco_results.coco_rows`.
        sizes: sizes of true boxes and detections in place of their areas.
        size_ranges: ranges of sizes to evaluate by name, in place of COCO's.
    """
    images = [{"id": index} for index in range(truth.images)]
    categories = [{"id": label, "name": name} for label, name in enumerate(truth.class_names)]
    areas = sizes[0] if sizes else truth.areas
    arrays = truth.image_index, truth.labels, truth.boxes_xywh
    dataset = COCO.from_arrays(images, categories, *arrays, area=areas, iscrowd=truth.is_crowd.astype(np.int64))
    detections = dataset.load_res(rows)
    if sizes:
        # Detections have the ids 1 to M.
        detections.update_anns(ids=np.arange(1, len(rows) + 1), area=sizes[1])
    evaluation = COCOeval(dataset, detections, "bbox")
    if size_ranges:
        evaluation.params.area_rng = [list(bounds) for bounds in size_ranges.values()]
        evaluation.params.area_rng_lbl = list(size_ranges)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def precisions_of(evaluation: COCOeval) -> np.ndarray:
    """Return the precision, float64 [10 IoU thresholds, 101 recalls, classes, sizes], -1 where there is no true box."""
    arrays = evaluation.eval
    assert arrays is not None
    return np.asarray(arrays["precision"])[..., MAX_DETECTIONS]


def result_of(evaluation: COCOeval, truth: TrueBoxes) -> CocoResult:
    """Return the COCO metrics of an evaluation with COCO's own sizes."""
    lines = [
        SUMMARY_TITLE.sub(lambda title: f" {title[1]:<18} {title[2]} @", line) for line in evaluation.summary_lines()
    ]
    values = evaluation.results()["metrics"]
    metrics: dict[str, Any] = {name: float(values[name]) for name in METRIC_NAMES}
    names = truth.class_names
    counts = np.bincount(truth.labels[~truth.is_crowd], minlength=len(names))
    precision = precisions_of(evaluation)[..., ALL_AREAS]
    metrics["per_class"] = {
        name: {
            "AP": float(precision[:, :, label].mean()),
            "AP50": float(precision[IOU_50, :, label].mean()),
            "boxes": int(counts[label]),
        }
        for label, name in enumerate(names)
    }
    metrics["precision_recall"] = _precision_recall(names, precision, np.array(evaluation.params.rec_thrs))
    return CocoResult(metrics, "\n".join([RESULT_HEADING, *lines, ""]))


def _precision_recall(names: Sequence[str], precision: np.ndarray, recalls: np.ndarray) -> dict[str, Any]:
    def curve(values: np.ndarray) -> list[float]:
        return [round(float(value), 4) for value in values]

    present = (precision[IOU_50] > -1).all(axis=0)
    classes = {name: curve(precision[IOU_50, :, index]) for index, name in enumerate(names) if present[index]}
    mean = {
        label: curve(precision[iou][:, present].mean(axis=1)) if present.any() else []
        for label, iou in (("0.50", IOU_50), ("0.75", IOU_75))
    }
    return {"recall": curve(recalls), "classes": classes, "mean": mean}
