"""Read the analysis of an evaluation for the report, draw its charts, and write a page of it alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from yolov3.errors import InputError
from yolov3.evaluation.coco_metrics import METRIC_NAMES
from yolov3.evaluation.thresholds import OperatingPoint
from yolov3.files import read_json, write_text
from yolov3.report.gallery import Picture
from yolov3.report.svg import COLOURS, INK, LEGEND, svg_chart
from yolov3.report.templates import page_template

# A matrix of more classes does not fit on a page.
MAX_MATRIX_CLASSES = 12
MAX_CONFUSIONS = 20


@dataclass(frozen=True)
class ErrorKind:
    """A kind of error, the number of detections or missed boxes, and the AP50 that is gained without them."""

    name: str
    count: int
    cost: float


@dataclass(frozen=True)
class Slice:
    """Accuracy of a range of boxes or images."""

    name: str
    boxes: int
    AP: float
    AP50: float


@dataclass(frozen=True)
class Confusion:
    """True boxes of a class that are detected as another one, and their share of the class."""

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class WorstImage:
    """Index of an image in its split, and its errors at the threshold."""

    image: int
    missed: int
    extra: int


@dataclass(frozen=True)
class Analysis:
    """Analysis of an evaluation, see `evaluation.analysis.analysed_result`.

    Attributes:
        matrix: int64 [C + 1, C + 1], rows are true classes, the last ones are the background.
        calibration_error: expected calibration error, 0..1.
        calibration: float64 [B, 3]: mean score, precision and number of detections of each bin.
    """

    threshold: OperatingPoint | None
    class_thresholds: dict[str, OperatingPoint | None]
    curves: dict[str, np.ndarray]
    matrix: np.ndarray
    errors: tuple[ErrorKind, ...]
    slices: dict[str, tuple[Slice, ...]]
    calibration_error: float
    calibration: np.ndarray
    worst_images: tuple[WorstImage, ...]

    @classmethod
    def read(cls, path: Path) -> "Analysis":
        """Read the analysis in the metrics.json of an evaluation.

        Raises:
            InputError: the file is missing, or its analysis is missing or incomplete.
        """
        metrics = read_json(path, "metrics file")
        try:
            return cls.of(metrics["analysis"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"metrics file {path} has no complete analysis ({type(error).__name__}: {error}): run the evaluation "
                "again"
            ) from None

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Analysis":
        """Return the analysis of plain values, as in metrics.json."""
        bins = [(entry["score"], entry["precision"], entry["detections"]) for entry in values["calibration"]["bins"]]
        return cls(
            threshold=_point(values["threshold"]),
            class_thresholds={name: _point(point) for name, point in values["class_thresholds"].items()},
            curves={name: np.array(values["curves"][name], float) for name in ("score", "precision", "recall", "f1")},
            matrix=np.array(values["confusion"], np.int64),
            errors=tuple(ErrorKind(kind, entry["count"], entry["cost"]) for kind, entry in values["errors"].items()),
            slices={
                kind: tuple(
                    Slice(**{name: entry[name] for name in ("name", "boxes", "AP", "AP50")}) for entry in entries
                )
                for kind, entries in values["slices"].items()
            },
            calibration_error=float(values["calibration"]["error"]),
            calibration=np.array(bins, float).reshape(-1, 3),
            worst_images=tuple(WorstImage(**entry) for entry in values["worst_images"]),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the matrix."""
        return tuple(self.class_thresholds)

    @property
    def missed(self) -> int:
        """Number of true boxes without a detection at the threshold."""
        return int(self.matrix[:-1, -1].sum())

    @property
    def extra(self) -> int:
        """Number of detections without a true box at the threshold."""
        return int(self.matrix[-1, :-1].sum())

    @property
    def has_matrix(self) -> bool:
        """Whether the matrix fits on a page."""
        return len(self.class_names) <= MAX_MATRIX_CLASSES

    def confusions(self) -> list[Confusion]:
        """Return the most frequent confusions of a class with another one, the most frequent first."""
        classes = self.matrix[:-1, :-1].copy()
        np.fill_diagonal(classes, 0)
        order = np.argsort(-classes.ravel(), kind="stable")[:MAX_CONFUSIONS]
        boxes = self.matrix.sum(axis=1)
        return [
            Confusion(self.class_names[true], self.class_names[predicted], int(count), float(count / boxes[true]))
            for true, predicted, count in (
                (true, predicted, classes[true, predicted])
                for true, predicted in zip(*np.unravel_index(order, classes.shape), strict=True)
            )
            if count
        ]

    def charts(self) -> list[tuple[str, Markup]]:
        """Return (heading, chart) of precision, recall and F1 over the score, and of the calibration."""
        charts = []
        if self.threshold:
            text = "Precision, recall and F1 of the detections with at least a score, over the score"
            charts.append(("By score", svg_chart("thresholds", text, _draw_curves, self.curves, self.threshold)))
        if len(self.calibration):
            text = "Share of right detections over their mean score, in bins of the score"
            charts.append(("Score and precision", svg_chart("calibration", text, _draw_calibration, self.calibration)))
        return charts


def write_analysis_page(
    title: str, metrics: dict[str, Any], analysis: Analysis, worst_pictures: Sequence[Picture], path: Path
) -> None:
    """Write a page of COCO metrics (those of `CocoResult`), their analysis and the worst images."""
    page = page_template("analysis_page.html.j2").render(
        title=title, metrics=metrics, metric_names=METRIC_NAMES, analysis=analysis, worst_pictures=worst_pictures
    )
    write_text(path, page)


def _point(values: dict[str, float] | None) -> OperatingPoint | None:
    return OperatingPoint(**values) if values else None


def _draw_curves(axes: Axes, curves: dict[str, np.ndarray], threshold: OperatingPoint) -> None:
    for colour, (name, label) in zip(
        COLOURS, (("precision", "precision"), ("recall", "recall"), ("f1", "F1")), strict=False
    ):
        axes.plot(curves["score"], curves[name], color=colour, label=label)
    axes.axvline(threshold.score, color=INK, linewidth=1, linestyle=":", label=f"best F1: {threshold.score:g}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="score")
    axes.figure.legend(**LEGEND, ncols=2, handlelength=1.4, columnspacing=1)


def _draw_calibration(axes: Axes, calibration: np.ndarray) -> None:
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="equal")
    axes.plot(calibration[:, 0], calibration[:, 1], color=COLOURS[0], marker="o", markersize=4, label="detections")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="mean score", ylabel="precision")
    axes.figure.legend(**LEGEND, ncols=2, handlelength=1.4)
