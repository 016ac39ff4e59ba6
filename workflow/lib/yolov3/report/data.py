"""Read and check the results of the other stages that the report shows."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.errors import InputError
from yolov3.evaluation.coco_metrics import METRIC_NAMES
from yolov3.files import read_json

STEP_COLUMNS = ("iter", "loss", "loss_confidence", "loss_class", "lr", "images_per_second")
# Terms of the box loss: published, or by IoU.
PUBLISHED_BOX_COLUMNS, IOU_BOX_COLUMNS = ("loss_xy", "loss_wh"), ("loss_box",)


@dataclass(frozen=True)
class ValidationPoint:
    """Accuracy on the validation images during training."""

    epoch: int
    iter: int
    AP: float
    AP50: float


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        steps: float64 [S] for each of STEP_COLUMNS and the box columns of the trained loss, one entry per logged step.
        seconds: wall time.
        images_per_second: mean over the run.
        updates: number of update steps.
        versions: version by name of the software used.
        validation: in order of steps; empty if the network was not evaluated during training.
        best_epoch: epoch of the checkpoint that is the result; None if it is the last one.
    """

    steps: dict[str, np.ndarray]
    device_target: str
    workers: int
    parameters: int
    seconds: float
    images_per_second: float
    updates: int
    versions: dict[str, str]
    platform: str
    validation: tuple[ValidationPoint, ...]
    best_epoch: int | None


@dataclass(frozen=True)
class WeightsSource:
    """Origin of weights that were not trained here.

    Attributes:
        file: name of the file that the weights were read from.
        format: "Darknet", "model zoo" or "checkpoint".
        parameters: number of values.
        seen: number of training images in the header of a Darknet file; None for the other formats.
    """

    file: str
    format: str
    parameters: int
    seen: int | None


@dataclass(frozen=True)
class ClassAccuracy:
    """AP and AP50 of one class (-1 without ground truth) and its number of true boxes."""

    name: str
    AP: float
    AP50: float
    boxes: int


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision at 101 values of recall.

    Attributes:
        recall: float64 [101].
        classes: class name -> precision at IoU 0.50, float64 [101], for classes with ground truth.
        mean: IoU threshold ("0.50", "0.75") -> mean precision, float64 [101]; empty arrays without any ground truth.
    """

    recall: np.ndarray
    classes: dict[str, np.ndarray]
    mean: dict[str, np.ndarray]


@dataclass(frozen=True)
class Accuracy:
    """Accuracy and speed of one program on the validation images.

    Attributes:
        name: heading of its column, such as "MindSpore".
        numbers: the 12 COCO metrics by METRIC_NAMES, -1 where there is no ground truth.
        per_class: by descending AP, then name.
        images: number of evaluated images.
        seconds: wall time by part ("read", "network", "postprocess", "total").
        images_per_second: includes reading, network and post-processing.
    """

    name: str
    numbers: dict[str, float]
    per_class: tuple[ClassAccuracy, ...]
    precision_recall: PrecisionRecall
    images: int
    seconds: dict[str, float]
    images_per_second: float


@dataclass(frozen=True)
class StageTime:
    """Wall time of a stage in seconds and its peak resident memory in MB (None if it was not measured)."""

    stage: str
    seconds: float
    memory_mb: float | None


class _Fields:
    """A JSON object that reports missing or invalid fields with the file's name."""

    def __init__(self, path: Path, what: str, value: Any, prefix: str = "") -> None:
        self.path, self.what, self.prefix = path, what, prefix
        if not isinstance(value, dict):
            raise self.error(prefix or "the whole file", "is not an object")
        self.value = value

    @classmethod
    def read(cls, path: str | Path, what: str) -> "_Fields":
        return cls(Path(path), what, read_json(path, what))

    def error(self, key: str, problem: str) -> InputError:
        return InputError(f"{self.what} {self.path}: {key} {problem}: make the file again with this version")

    def _key(self, name: str) -> str:
        return f"{self.prefix}.{name}" if self.prefix else name

    def get(self, name: str) -> Any:
        if name not in self.value:
            raise self.error(self._key(name), "is missing")
        return self.value[name]

    def number(self, name: str) -> float:
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(self._key(name), f"is {value!r} but must be a finite number")
        return float(value)

    def within(self, name: str) -> "_Fields":
        return _Fields(self.path, self.what, self.get(name), self._key(name))

    def curve(self, name: str, length: int | None = None) -> np.ndarray:
        try:
            values = np.array(self.get(name), np.float64)
        except (TypeError, ValueError):
            raise self.error(self._key(name), "is not a list of numbers") from None
        if values.ndim != 1 or not np.isfinite(values).all() or (length is not None and len(values) != length):
            raise self.error(self._key(name), f"is not a list of {'' if length is None else length} finite numbers")
        return values


def read_accuracy(name: str, path: str | Path) -> Accuracy:
    """Read the metrics.json of an evaluation.

    Raises:
        InputError: the file is missing, or a key is missing or not a number.
    """
    fields = _Fields.read(path, "metrics file")
    classes = fields.within("per_class")
    per_class = [
        ClassAccuracy(class_name, entry.number("AP"), entry.number("AP50"), int(entry.number("boxes")))
        for class_name, entry in ((class_name, classes.within(class_name)) for class_name in classes.value)
    ]
    seconds = fields.within("seconds")
    # The native program measures other parts (`report.native`).
    parts = ("network", "total") if "native" in fields.value else ("read", "network", "postprocess", "total")
    return Accuracy(
        name=name,
        numbers={metric: fields.number(metric) for metric in METRIC_NAMES},
        per_class=tuple(sorted(per_class, key=lambda entry: (-entry.AP, entry.name))),
        precision_recall=_precision_recall(fields.within("precision_recall")),
        images=int(fields.number("images")),
        seconds={part: seconds.number(part) for part in parts},
        images_per_second=fields.number("images_per_second"),
    )


def _precision_recall(fields: _Fields) -> PrecisionRecall:
    recall, classes, mean = fields.curve("recall"), fields.within("classes"), fields.within("mean")
    # The mean is null if no class has ground truth.
    means = {iou: mean.curve(iou, len(recall) if mean.get(iou) else 0) for iou in ("0.50", "0.75")}
    return PrecisionRecall(recall, {name: classes.curve(name, len(recall)) for name in classes.value}, means)


def read_training(metrics_path: str | Path, summary_path: str | Path) -> Training:
    """Read the metrics.csv and the train.json of a training.

    Raises:
        InputError: a file is missing, or a column or key is missing or not a number.
    """
    fields = _Fields.read(summary_path, "training summary")
    validation = []
    points = fields.get("validation")
    if not isinstance(points, list):
        raise fields.error("validation", f"is {points!r} but must be a list")
    for index, point in enumerate(points):
        entry = _Fields(fields.path, fields.what, point, f"validation[{index}]")
        numbers = (int(entry.number("epoch")), int(entry.number("iter")), entry.number("AP"), entry.number("AP50"))
        validation.append(ValidationPoint(*numbers))
    return Training(
        steps=_read_steps(Path(metrics_path)),
        device_target=str(fields.get("device_target")),
        workers=int(fields.number("workers")),
        parameters=int(fields.number("parameters")),
        seconds=fields.number("seconds"),
        images_per_second=fields.number("images_per_second"),
        updates=int(fields.number("steps")),
        versions={name: str(version) for name, version in fields.within("versions").value.items()},
        platform=str(fields.value.get("platform", "")),
        validation=tuple(validation),
        best_epoch=None if fields.get("best_epoch") is None else int(fields.number("best_epoch")),
    )


def read_data_remarks(path: str | Path) -> tuple[str, ...]:
    """Read the remarks of data.json, which the stage data_report writes.

    Raises:
        InputError: the file is missing or has no remarks.
    """
    content = read_json(path, "data file")
    remarks = content.get("remarks") if isinstance(content, dict) else None
    if not isinstance(remarks, list) or not all(isinstance(remark, str) for remark in remarks):
        raise InputError(f"data file {path} has no remarks: run the stage data_report again")
    return tuple(remarks)


def read_weights_source(path: str | Path) -> WeightsSource:
    """Read the summary that the stage convert_weights writes beside its checkpoint.

    Raises:
        InputError: the file is missing, or a key is missing or not a number.
    """
    fields = _Fields.read(path, "weights summary")
    seen = None if fields.get("seen") is None else int(fields.number("seen"))
    return WeightsSource(str(fields.get("file")), str(fields.get("format")), int(fields.number("parameters")), seen)


def _read_steps(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            names, rows = reader.fieldnames or [], list(reader)
    except FileNotFoundError:
        raise InputError(f"training log {path} does not exist: run the training first") from None
    box_columns = IOU_BOX_COLUMNS if IOU_BOX_COLUMNS[0] in names else PUBLISHED_BOX_COLUMNS
    columns = {column: np.empty(len(rows)) for column in (*STEP_COLUMNS, *box_columns)}
    for column, values in columns.items():
        if column not in names:
            raise InputError(f"training log {path} has no column {column}: make it again with this version")
        for index, row in enumerate(rows):
            try:
                values[index] = float(row[column])
            except (TypeError, ValueError):
                raise InputError(
                    f"training log {path}, line {index + 2}: {column} is {row[column]!r} but must be a number: "
                    "run the training again"
                ) from None
    return columns


def read_stage_times(paths: list[Path]) -> list[StageTime]:
    """Read Snakemake's benchmark files, named after their stages; skip those that do not exist.

    Raises:
        InputError: a file has no wall time.
    """
    times = []
    for path in (path for path in paths if path.exists()):
        with path.open(newline="", encoding="utf-8") as stream:
            row = next(csv.DictReader(stream, delimiter="\t"), {})
        seconds, memory = _number_or_none(row.get("s")), _number_or_none(row.get("max_rss"))
        if seconds is None:
            raise InputError(f"benchmark file {path} has no number in column s: delete it and run the stage again")
        times.append(StageTime(path.stem, seconds, memory))
    return times


def _number_or_none(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
