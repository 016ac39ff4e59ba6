"""Read the results of finished runs that are to be compared."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.config.schema import config_schema, section_schema
from yolov3.files import json_value, read_json
from yolov3.report.data import Accuracy, Training, read_accuracy, read_training
from yolov3.report.native import NativeRun, read_native_run
from yolov3.report.run_folders import PROGRAMS, model_bytes

NATIVE_PROGRAMS = tuple(PROGRAMS)[1:]


@dataclass(frozen=True)
class Run:
    """Results of a run.

    Attributes:
        name: distinguishes the run from the others.
        results: folder of the results.
        accuracies: by program, "MindSpore" and those of the native programs that were run.
        native: timings by native program.
        training: None if there was none.
        settings: value by key, such as "train.lr".
        has_all_settings: whether they are the whole configuration, and not only what the training kept.
        model_bytes: size of each model by its path in `results`.
    """

    name: str
    results: Path
    accuracies: dict[str, Accuracy]
    native: dict[str, NativeRun]
    training: Training | None
    settings: dict[str, Any]
    has_all_settings: bool
    model_bytes: dict[str, int]

    @property
    def accuracy(self) -> Accuracy:
        """Accuracy of the evaluation that is compared in detail."""
        return self.accuracies["MindSpore"]


def read_run(name: str, results: Path) -> Run:
    """Read the results of a run.

    Raises:
        InputError: a file is missing or not of this version.
    """
    metrics = {program: results / folder / "metrics.json" for program, folder in PROGRAMS.items()}
    metrics = {program: path for program, path in metrics.items() if path.is_file()}
    log, summary, config = (results / file for file in ("train/metrics.csv", "train/train.json", "report/config.json"))
    settings = dict(_flat(read_json(config, "configuration"))) if config.is_file() else {}
    # With weights from elsewhere, a training is one of another configuration of that folder.
    is_trained = summary.is_file() and not settings.get("weights.pretrained")
    if is_trained:
        # A report may be older than the training.
        settings |= _trained_settings(read_json(summary, "training summary"))
    return Run(
        name=name,
        results=results,
        accuracies={program: read_accuracy(program, path) for program, path in metrics.items()},
        native={
            program: read_native_run(program, path) for program, path in metrics.items() if program in NATIVE_PROGRAMS
        },
        training=read_training(log, summary) if is_trained else None,
        settings=settings,
        has_all_settings=config.is_file(),
        model_bytes=model_bytes(results),
    )


def different_settings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the value of each run for the keys in which runs that have the key differ; None where it is missing."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    values = {key: [run.settings[key] for run in runs if key in run.settings] for key in keys}
    return {
        key: [run.settings.get(key) for run in runs]
        for key, of_runs in values.items()
        if any(value != of_runs[0] for value in of_runs)
    }


def _flat(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, values in config.items():
        if isinstance(values, dict):
            yield from ((f"{section}.{key}", value) for key, value in values.items())
        else:
            yield section, values


def _trained_settings(summary: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a training keeps: its own settings, and those of the network in its command line."""
    settings = summary.get("settings", {})
    train, general = section_schema("train"), config_schema()["properties"]
    for key, value in settings.items():
        if key in train:
            yield f"train.{key}", value
        elif key in general:
            yield key, value
    if "argv" not in settings:
        return
    given = dict(itertools.pairwise(settings["argv"]))
    for key, rule in section_schema("network").items():
        text = given.get(f"--{key}")
        yield f"network.{key}", rule["default"] if text is None else _value(text)


def _value(text: str) -> Any:
    try:
        return json_value(text)
    except ValueError:
        return text
