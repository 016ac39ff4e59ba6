"""Collect the report's data on deployment: size and speed of the native runs, and where int8 loses accuracy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.errors import InputError
from yolov3.files import read_json
from yolov3.report.data import Accuracy


@dataclass(frozen=True)
class NativeRun:
    """Timings of one run of the native program.

    Attributes:
        name: name in the accuracy table.
        engine: text with runtime, device, threads, and the precision if it is not float32.
        model_bytes: size of the model file.
        images_per_second: includes reading, network, post-processing and writing.
        network_ms: "mean", "p50", "p95" and "p99" of a network call in milliseconds.
    """

    name: str
    engine: str
    model_bytes: int
    images_per_second: float
    network_ms: dict[str, float]


@dataclass(frozen=True)
class ClassLoss:
    """AP of a class in each program, in the order of the table, and the last value minus the one before it."""

    name: str
    values: tuple[float, ...]
    change: float


def _trial(timings: dict[str, Any]) -> str:
    times = [f"{engine} {time:.2f} ms" for engine, time in timings.get("trial_ms", {}).items()]
    return f", the fastest of {', '.join(times)}" if times else ""


def read_native_run(name: str, path: Path) -> NativeRun:
    """Read the timings in a metrics.json of the native program.

    Raises:
        InputError: the file or a key is missing.
    """
    try:
        timings = read_json(path, "metrics file")["native"]
        # float32 is the default and is not mentioned.
        precision = "" if timings["precision"] == "float32" else f", {timings['precision']}"
        engine = f"{timings['engine']} on {timings['device']}, {timings['threads']} threads{precision}"
        return NativeRun(
            name=name,
            engine=engine + _trial(timings),
            model_bytes=int(timings["model_bytes"]),
            images_per_second=float(timings["images_per_second"]),
            network_ms={key: float(timings["network_ms"][key]) for key in ("mean", "p50", "p95", "p99")},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"metrics file {path} has no timings of the native program ({error}): run the stage again"
        ) from None


def class_losses(accuracies: tuple[Accuracy, ...]) -> list[ClassLoss]:
    """Return the change of each class with ground truth from the second last program to the last, worst first."""
    if len(accuracies) < 2:
        return []
    by_name = [{entry.name: entry.AP for entry in accuracy.per_class} for accuracy in accuracies]
    losses = [
        ClassLoss(name, tuple(values[name] for values in by_name), by_name[-1][name] - by_name[-2][name])
        for name in by_name[0]
        if all(values.get(name, -1) >= 0 for values in by_name)
    ]
    return sorted(losses, key=lambda loss: (loss.change, loss.name))
