"""Evaluate the detections of the native program."""

from pathlib import Path
from typing import Any

from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.evaluation.analysis import analysed_result
from yolov3.evaluation.coco_metrics import CocoResult
from yolov3.evaluation.coco_results import read_results
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.files import read_json

PREPARE = "prepare the images of this data set by `snakemake preprocess_bins`"


def native_accuracy(manifest: Manifest, output_dir: Path) -> tuple[CocoResult, dict[str, Any]]:
    """Return the COCO result of the program's detections, and the metrics for metrics.json.

    The metrics have the keys of the evaluation stage, and the program's own timings under "native".

    Raises:
        InputError: the program's images are not exactly those of the validation split.
    """
    timings = read_json(output_dir / "benchmark.json", "timings file")
    truth = TrueBoxes.of_split(manifest, "val")
    if timings["images"] != truth.images:
        raise InputError(
            f"{timings['images']} images are prepared but the validation split has {truth.images}: {PREPARE}"
        )
    rows = read_results(output_dir / "detections.json", truth.ids, advice=PREPARE)
    result = analysed_result(truth, rows)
    network_seconds = timings["network_ms"]["mean"] * timings["network_ms"]["calls"] / 1000
    metrics = {
        **result.metrics,
        "images": timings["images"],
        "seconds": {"network": network_seconds, "total": timings["seconds"]},
        "images_per_second": timings["images_per_second"],
        "native": timings,
    }
    return result, metrics
