"""Run the native program on prepared images and evaluate its detections."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.evaluation.analysis import analysed_result
from yolov3.evaluation.coco_metrics import CocoResult
from yolov3.evaluation.coco_results import read_results
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.external_tool import find_tool, run_tool
from yolov3.files import read_json
from yolov3.process import available_cpus
from yolov3.terminal import progress_bar

PREPARE = "prepare the images of this data set by `snakemake preprocess_bins`"
PROGRESS = re.compile(r"(\d+) of (\d+) images")


@dataclass(frozen=True)
class NativeRunSettings:
    """How to run the program; the other fields are the config's keys of the same names in `infer` and `eval`.

    Attributes:
        threads: CPU threads of the network, limited to the available CPUs.
    """

    engine: str
    device: str
    device_id: int
    raw_maps: bool
    precision: str
    warmup: int
    threads: int
    eval_ignore_threshold: float
    nms_thresh: float
    max_detections: int
    multi_label: bool = False


def native_command(program: Path, model: Path, bins: Path, output_dir: Path, settings: NativeRunSettings) -> list[str]:
    """Return the command line of the native program."""
    options = {
        "model": model,
        "input": bins,
        "output": output_dir,
        "engine": settings.engine,
        "device": settings.device,
        "device_id": settings.device_id,
        "threads": min(settings.threads, available_cpus()),
        "raw": int(settings.raw_maps),
        "precision": settings.precision,
        "warmup": settings.warmup,
        "score_threshold": settings.eval_ignore_threshold,
        "nms_threshold": settings.nms_thresh,
        "max_detections": settings.max_detections,
        "multi_label": int(settings.multi_label),
    }
    return [str(program), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]


def run_program(command: list[str]) -> None:
    """Run the program with its output in the log.

    Raises:
        InputError: it is missing or fails; the message has its last line, or the signal that killed it.
    """
    find_tool(command[0], "build it with `snakemake build_native310`")
    with progress_bar() as bar:

        def show(line: str) -> None:
            if counts := PROGRESS.match(line):
                bar.total = int(counts[2])
                bar.update(int(counts[1]) - bar.n)

        run_tool(command, on_line=show)


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
