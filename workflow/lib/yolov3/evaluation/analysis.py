"""Why an accuracy is what it is: thresholds, confusions, errors, sizes and shapes, calibration, worst images."""

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
from hotcoco import COCOeval
from hotcoco.metrics import calibration_curve, calibration_error

from yolov3.evaluation.coco_metrics import CocoResult, coco_evaluation, precisions_of, result_of
from yolov3.evaluation.matching import Matches, match_detections
from yolov3.evaluation.thresholds import OperatingPoint, ScoredMatches
from yolov3.evaluation.true_boxes import TrueBoxes

MIN_IOU = 0.5
# Kinds of errors of Bolya et al. 2020 (arXiv:2008.08115), by the names of hotcoco.
ERRORS = {
    "class": "Cls",
    "location": "Loc",
    "class and location": "Both",
    "duplicate": "Dupe",
    "background": "Bkg",
    "missed": "Miss",
}
# Bounds of the square root of the area in pixels, of the longer side in units of the shorter one, and of objects.
SIDES = (0, 16, 32, 64, 96, 192, np.inf)
RATIOS = (1, 1.5, 2, 3, np.inf)
OBJECTS = (1, 3, 6, 11, 21, np.inf)
CALIBRATION_BINS = 10
MAX_WORST = 50
# Above any score.
NO_SCORE = 2.0
LARGE = 1e10


def analysed_result(truth: TrueBoxes, rows: np.ndarray) -> CocoResult:
    """Compute the COCO metrics of detections, with their analysis under "analysis".

    The arguments are those of `coco_result`. The analysis is plain values, ready for JSON:
        threshold, class_thresholds: the point of the best F1, or None, see `OperatingPoint`.
        curves: see `ScoredMatches.curves`.
        confusion: numbers of boxes at the threshold by true class (rows) and predicted class (columns), matched
            whatever their classes. The last of each is the background: boxes without a detection, and the reverse.
        errors: kind -> "count" and "cost", the AP50 that would be gained without errors of this kind.
        slices: "size", "shape" and "objects in the image" -> "name", "boxes", AP and AP50 of each range with boxes.
        calibration: "error" (expected calibration error, arXiv:1706.04599) and "bins": "score" (mean), "precision",
            "detections".
        worst_images: the images with most errors at the threshold: "image" (index), "missed", "extra".
    """
    evaluation = coco_evaluation(truth, rows)
    result = result_of(evaluation, truth)
    matches = match_detections(truth, rows, MIN_IOU)
    scored = ScoredMatches.of(truth, rows, matches)
    threshold = scored.best()
    of_classes = [ScoredMatches.of(truth, rows, matches, label).best() for label in range(len(truth.class_names))]
    score = threshold.score if threshold else NO_SCORE
    errors = _errors(evaluation)
    of_images = _of_images(truth, evaluation)
    # Each evaluation of COCO's size takes gigabytes, so only one at a time is alive.
    del evaluation
    boxes, found = truth.boxes_xywh[:, 2:], rows[:, 3:5]
    slices = {
        "size": _of_ranges(truth, rows, (np.sqrt(truth.areas), np.sqrt(found.prod(axis=1))), SIDES, " px"),
        "shape": _of_ranges(truth, rows, (_side_ratios(boxes), _side_ratios(found)), RATIOS, " : 1"),
        "objects in the image": of_images,
    }
    analysis = {
        "threshold": _values(threshold),
        "class_thresholds": dict(zip(truth.class_names, map(_values, of_classes), strict=True)),
        "curves": {name: np.round(curve, 4).tolist() for name, curve in scored.curves().items()},
        "confusion": _confusion(truth, rows[(rows[:, 5] >= score) & ~matches.is_ignored]),
        "errors": errors,
        "slices": slices,
        "calibration": _calibration(scored),
        "worst_images": _worst_images(truth, rows, matches, score),
    }
    return CocoResult({**result.metrics, "analysis": analysis}, result.summary)


def _values(point: OperatingPoint | None) -> dict[str, float] | None:
    return asdict(point) if point else None


def _confusion(truth: TrueBoxes, rows: np.ndarray) -> list[list[int]]:
    matrix = coco_evaluation(truth, rows).confusion_matrix(iou_thr=MIN_IOU)["matrix"]
    return np.asarray(matrix).astype(int).tolist()


def _errors(evaluation: COCOeval) -> dict[str, dict[str, float]]:
    found = evaluation.tide_errors(pos_thr=MIN_IOU)
    return {
        kind: {"count": int(found["counts"][name]), "cost": float(found["delta_ap"][name])}
        for kind, name in ERRORS.items()
    }


def _side_ratios(sizes_wh: np.ndarray) -> np.ndarray:
    return sizes_wh.max(axis=1) / np.maximum(sizes_wh.min(axis=1), np.finfo(float).eps)


def _of_ranges(
    truth: TrueBoxes, rows: np.ndarray, sizes: tuple[np.ndarray, np.ndarray], bounds: tuple[float, ...], unit: str
) -> list[dict[str, Any]]:
    """Return the accuracy by a size of boxes. As with COCO's areas, detections of other ranges do not count."""
    if not len(truth.labels):
        return []
    place = np.digitize(sizes[0], bounds[1:-1])
    counts = np.bincount(place[~truth.is_crowd], minlength=len(bounds) - 1)
    chosen = [index for index, count in enumerate(counts) if count]
    # The evaluation includes both ends of a range.
    ranges = {_range_name(bounds, index, unit): _closed(bounds, index) for index in chosen}
    found = coco_evaluation(truth, rows, sizes, {"all": (0, LARGE), **ranges})
    precision = np.moveaxis(precisions_of(found), 3, 0)[1:]
    return [
        _slice(name, int(counts[index]), _mean(of_range), _mean(of_range[0]))
        for name, index, of_range in zip(ranges, chosen, precision, strict=True)
    ]


def _closed(bounds: tuple[float, ...], index: int) -> tuple[float, float]:
    return float(bounds[index]), float(min(np.nextafter(bounds[index + 1], 0), LARGE))


def _range_name(bounds: tuple[float, ...], index: int, unit: str) -> str:
    first, last = bounds[index], bounds[index + 1]
    if last == np.inf:
        return f"from {first:g}{unit}"
    return f"up to {last:g}{unit}" if index == 0 else f"{first:g} to {last:g}{unit}"


def _of_images(truth: TrueBoxes, evaluation: COCOeval) -> list[dict[str, Any]]:
    """Return the accuracy by the number of objects in an image."""
    objects = np.bincount(truth.image_index[~truth.is_crowd], minlength=truth.images)
    place = np.digitize(objects, OBJECTS) - 1
    named = {}
    for index, (first, following) in enumerate(pairwise(OBJECTS)):
        images = np.flatnonzero(place == index)
        if len(images):
            name = f"from {first:g}" if following == np.inf else f"{first:g} to {following - 1:g}"
            named[name] = images
    found = evaluation.slice_by({name: images.tolist() for name, images in named.items()}) if named else {}
    return [
        _slice(name, int(objects[images].sum()), float(found[name]["AP"]), float(found[name]["AP50"]))
        for name, images in named.items()
    ]


def _mean(precision: np.ndarray) -> float:
    is_evaluated = precision > -1
    return float(precision[is_evaluated].mean()) if is_evaluated.any() else -1.0


def _slice(name: str, boxes: int, ap: float, ap50: float) -> dict[str, Any]:
    return {"name": name, "boxes": boxes, "AP": ap, "AP50": ap50}


def _calibration(scored: ScoredMatches) -> dict[str, Any]:
    if not len(scored.scores):
        return {"error": 0.0, "bins": []}
    bins = calibration_curve(scored.scores, scored.is_correct, CALIBRATION_BINS)
    return {
        "error": float(calibration_error(scored.scores, scored.is_correct, CALIBRATION_BINS)[0]),
        "bins": [
            {"score": entry["avg_confidence"], "precision": entry["avg_accuracy"], "detections": entry["count"]}
            for entry in bins
            if entry["count"]
        ],
    }


def _worst_images(truth: TrueBoxes, rows: np.ndarray, matches: Matches, score: float) -> list[dict[str, int]]:
    # A match of a lower score leaves its box missed at the threshold.
    is_shown = (rows[:, 5] >= score) & ~matches.is_ignored
    images = rows[:, 0].astype(np.int64)
    extra = np.bincount(images[is_shown & ~matches.is_correct], minlength=truth.images)
    found = np.bincount(images[is_shown & matches.is_correct], minlength=truth.images)
    missed = np.bincount(truth.image_index[~truth.is_crowd], minlength=truth.images) - found
    order = np.argsort(-(extra + missed), kind="stable")[:MAX_WORST]
    return [
        {"image": int(index), "missed": int(missed[index]), "extra": int(extra[index])}
        for index in order
        if extra[index] + missed[index]
    ]
