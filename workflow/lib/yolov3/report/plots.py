"""Draw the report's charts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from yolov3.report.data import ClassAccuracy, PrecisionRecall, ValidationPoint
from yolov3.report.svg import COLOURS, HEIGHT, INK, LEGEND, LINE, svg_chart

# More classes cannot be distinguished by colour.
MAX_LEGEND_ENTRIES = 10
MAX_NAME_LETTERS = 22
# More bars are split into two charts.
MAX_BARS = 25
SMOOTHING_PARTS = 25
PRECISION_RECALL_AXES = {"xlim": (0, 1), "ylim": (0, 1.02), "xlabel": "recall", "ylabel": "precision"}

LOSS_TERMS = {
    "box": "loss_box",
    "centre": "loss_xy",
    "size": "loss_wh",
    "confidence": "loss_confidence",
    "class": "loss_class",
}


def training_charts(
    steps: dict[str, np.ndarray], validation: Sequence[ValidationPoint], best_epoch: int | None
) -> list[tuple[str, Markup]]:
    """Return (heading, chart) for what a training logged; the arguments are the fields of `Training`."""
    charts = []
    if len(steps["iter"]):
        parts = {label: column for label, column in LOSS_TERMS.items() if column in steps}
        total_text = "Total training loss over the steps, logarithmic scale"
        parts_text = "The parts of the training loss over the steps, logarithmic scale"
        speed_text = "Training speed in images per second over the steps"
        charts = [
            ("Loss", svg_chart("loss", total_text, _draw_losses, steps, {"total": "loss"})),
            ("Parts of the loss", svg_chart("loss-parts", parts_text, _draw_losses, steps, parts)),
            ("Learning rate", svg_chart("learning-rate", "Learning rate over the steps", _draw_learning_rate, steps)),
            ("Speed", svg_chart("speed", speed_text, _draw_speed, steps)),
        ]
    if validation:
        text = "AP and AP50 on the validation images over the epochs"
        chart = svg_chart("validation", text, _draw_validation, validation, best_epoch)
        charts.insert(2, ("Validation accuracy", chart))
    return charts


def _draw_losses(axes: Axes, steps: dict[str, np.ndarray], columns: dict[str, str]) -> None:
    """Draw losses over the steps, logarithmic; `columns` is label -> column of the log."""
    for colour, (label, column) in zip(COLOURS, columns.items(), strict=False):
        draw_noisy(axes, steps["iter"], steps[column], colour, label)
    axes.set(xlabel="step", ylabel="loss")
    # Without a positive value a logarithmic axis has no limits.
    if any((steps[column] > 0).any() for column in columns.values()):
        set_logarithmic(axes)
    if len(columns) > 1:
        axes.figure.legend(**LEGEND, ncols=4, handlelength=1, columnspacing=0.8, handletextpad=0.4)


def set_logarithmic(axes: Axes) -> None:
    """Make the vertical axis of positive values logarithmic."""
    axes.set_yscale("log", nonpositive="mask")
    # Ticks between powers of ten too, since the range may include only one of those.
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="minor", axis="y", linewidth=0.35)
    axes.tick_params(which="minor", color=LINE)


def _draw_learning_rate(axes: Axes, steps: dict[str, np.ndarray]) -> None:
    axes.plot(steps["iter"], steps["lr"], color=COLOURS[2])
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None))


def _draw_speed(axes: Axes, steps: dict[str, np.ndarray]) -> None:
    draw_noisy(axes, steps["iter"], steps["images_per_second"], COLOURS[3], "speed")
    axes.set(xlabel="step", ylabel="images/s", ylim=(0, None))


def _draw_validation(axes: Axes, validation: Sequence[ValidationPoint], best_epoch: int | None) -> None:
    epochs = [point.epoch for point in validation]
    for colour, name in zip(COLOURS, ("AP", "AP50"), strict=False):
        # -1 means no ground truth.
        values = [value if value >= 0 else np.nan for value in (getattr(point, name) for point in validation)]
        axes.plot(epochs, values, color=colour, marker="o", markersize=4, label=name)
    if best_epoch is not None:
        axes.axvline(best_epoch, color=INK, linewidth=1, linestyle=":", label="best checkpoint")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylim=(0, 1))
    axes.figure.legend(**LEGEND, ncols=3, handlelength=1.4, columnspacing=1)


def class_charts(per_class: tuple[ClassAccuracy, ...]) -> list[Markup]:
    """Return one bar chart, or two for many classes, of AP and AP50 of the classes with ground truth, in order."""
    rows = [entry for entry in per_class if entry.AP >= 0]
    in_first = len(rows) if len(rows) <= MAX_BARS else (len(rows) + 1) // 2
    return [
        svg_chart(f"classes-{number}", "AP and AP50 by class", _draw_classes, part, height=0.9 + 0.25 * len(part))
        for number, part in enumerate((rows[:in_first], rows[in_first:]), start=1)
        if part
    ]


def _draw_classes(axes: Axes, rows: list[ClassAccuracy]) -> None:
    """Draw a bar of AP, and behind it one of AP50, for each class."""
    places = np.arange(len(rows))
    axes.barh(places, [row.AP50 for row in rows], 0.72, color=COLOURS[0], alpha=0.35, label="AP50")
    axes.barh(places, [row.AP for row in rows], 0.72, color=COLOURS[0], label="AP")
    for place, row in zip(places, rows, strict=True):
        axes.text(max(row.AP50, row.AP) + 0.015, place, f"{row.AP:.3f}", va="center", fontsize=10)
    axes.set_yticks(places, [shortened(row.name) for row in rows])
    axes.set(xlim=(0, 1.12), xticks=np.linspace(0, 1, 6), ylim=(len(rows) - 0.4, -0.6))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(handles[::-1], labels[::-1], **LEGEND, ncols=2, handlelength=1.2)


def precision_recall_charts(curves: PrecisionRecall) -> list[tuple[str, Markup]]:
    """Return (heading, chart) of precision over recall: the mean at two IoU thresholds, and each class at IoU 0.50."""
    if not curves.classes:
        return []
    has_legend = len(curves.classes) <= MAX_LEGEND_ENTRIES
    legend_rows = np.ceil((len(curves.classes) + 1) / 3) if has_legend else 1
    means_text = "Precision over recall, mean over the classes, at IoU 0.50 and 0.75"
    text, height = "Precision over recall at IoU 0.50 of every class", HEIGHT + 0.21 * (legend_rows - 1)
    classes = svg_chart("precision-recall-classes", text, _draw_class_precision, curves, has_legend, height=height)
    return [
        ("Mean over the classes", svg_chart("precision-recall", means_text, _draw_mean_precision, curves)),
        ("Every class at IoU 0.50", classes),
    ]


def _draw_mean_precision(axes: Axes, curves: PrecisionRecall) -> None:
    for colour, (iou, precision) in zip(COLOURS, curves.mean.items(), strict=False):
        axes.plot(curves.recall, precision, color=colour, label=f"IoU {iou}")
    axes.set(**PRECISION_RECALL_AXES)
    axes.figure.legend(**LEGEND, ncols=2, handlelength=1.4)


def _draw_class_precision(axes: Axes, curves: PrecisionRecall, has_legend: bool) -> None:
    """Draw a thin line per class and a thick one for their mean."""
    for index, (name, precision) in enumerate(curves.classes.items()):
        style: dict[str, Any] = {"color": COLOURS[0], "alpha": 0.35}
        if has_legend:
            style = {"color": COLOURS[index], "label": shortened(name)}
        axes.plot(curves.recall, precision, linewidth=1.1, **style)
    axes.plot(curves.recall, curves.mean["0.50"], color=INK, linewidth=2, label="mean")
    axes.set(**PRECISION_RECALL_AXES)
    axes.figure.legend(**LEGEND, ncols=3, handlelength=1.2, columnspacing=1)


def draw_noisy(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str, label: str) -> None:
    """Draw the values as a thin line and their moving average as a thick one, or only the values if they are few."""
    window = len(y) // SMOOTHING_PARTS
    if window > 1:
        axes.plot(x, y, color=colour, alpha=0.3, linewidth=0.8)
        y = moving_average(y, window)
    axes.plot(x, y, color=colour, label=label)


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of the `window` values around each of float64 [S], of fewer at both ends."""
    weights = np.ones(window)
    return np.convolve(values, weights, "same") / np.convolve(np.ones(len(values)), weights, "same")


def shortened(name: str) -> str:
    """Return a name of at most MAX_NAME_LETTERS for a chart."""
    # matplotlib leaves names with a leading underscore out of legends.
    name = name if len(name) <= MAX_NAME_LETTERS else f"{name[: MAX_NAME_LETTERS - 1]}…"
    return f"\u200b{name}" if name.startswith("_") else name
