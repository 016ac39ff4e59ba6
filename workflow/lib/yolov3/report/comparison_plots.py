"""Draw the charts of compared runs, one colour per run."""

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from yolov3.report.comparison import ClassDifference, Comparison
from yolov3.report.plots import MAX_BARS, PRECISION_RECALL_AXES, draw_noisy, set_logarithmic, shortened
from yolov3.report.runs import Run
from yolov3.report.svg import COLOURS, HEIGHT, INK, LEGEND, svg_chart

VERDICT_COLOURS = {"beyond chance": COLOURS[0], "perhaps": COLOURS[1]}
OTHER_COLOUR = COLOURS[-1]


def precision_recall_charts(runs: Sequence[Run]) -> list[tuple[str, Markup]]:
    """Return (heading, chart) of the mean precision over recall, at IoU 0.50 and at 0.75."""
    text, height = "Mean precision over recall of each run at IoU", _height(runs)
    return [
        (f"IoU {iou}", svg_chart(f"precision-{place}", f"{text} {iou}", _draw_precision, runs, iou, height=height))
        for place, iou in enumerate(("0.50", "0.75"))
    ]


def training_charts(runs: Sequence[Run]) -> list[tuple[str, Markup]]:
    """Return (heading, chart) of training loss and validation AP, without those that no run has."""
    charts = []
    if any(run.training and len(run.training.steps["iter"]) for run in runs):
        text = "Training loss of each run over the steps, logarithmic scale"
        charts.append(("Loss", svg_chart("loss", text, _draw_losses, runs, height=_height(runs))))
    if any(run.training and run.training.validation for run in runs):
        text = "Validation AP of each run over the epochs"
        charts.append(("Validation AP", svg_chart("validation", text, _draw_validation, runs, height=_height(runs))))
    return charts


def difference_charts(comparisons: Sequence[Comparison]) -> list[Markup]:
    """Return a chart of the largest differences of class AP of each comparison, with their intervals."""
    charts = []
    for number, comparison in enumerate(comparisons):
        classes = comparison.classes[:MAX_BARS]
        text, height = f"Differences of AP by class, {comparison.run}", 0.9 + 0.25 * len(classes)
        charts.append(svg_chart(f"difference-{number}", text, _draw_differences, classes, height=height))
    return charts


def _height(runs: Sequence[Run]) -> float:
    """Return the height of a chart with a legend of one row per run."""
    return HEIGHT + 0.21 * (len(runs) - 1)


def _coloured(runs: Sequence[Run]) -> Iterator[tuple[Run, str, str]]:
    """Yield each run with its colour and label."""
    for run, colour in zip(runs, COLOURS, strict=False):
        yield run, colour, shortened(run.name)


def _draw_precision(axes: Axes, runs: Sequence[Run], iou: str) -> None:
    for run, colour, label in _coloured(runs):
        curves = run.accuracy.precision_recall
        # Without any true box there is no curve.
        if len(curves.mean[iou]):
            axes.plot(curves.recall, curves.mean[iou], color=colour, label=label)
    axes.set(**PRECISION_RECALL_AXES)
    axes.figure.legend(**LEGEND, handlelength=1.4)


def _draw_losses(axes: Axes, runs: Sequence[Run]) -> None:
    trained = [(run.training.steps, colour, label) for run, colour, label in _coloured(runs) if run.training]
    for steps, colour, label in trained:
        draw_noisy(axes, steps["iter"], steps["loss"], colour, label)
    axes.set(xlabel="step", ylabel="loss")
    if any((steps["loss"] > 0).any() for steps, _, _ in trained):
        set_logarithmic(axes)
    axes.figure.legend(**LEGEND, handlelength=1.4)


def _draw_validation(axes: Axes, runs: Sequence[Run]) -> None:
    for run, colour, label in _coloured(runs):
        points = run.training.validation if run.training else ()
        if points:
            # -1 means no ground truth.
            values = [point.AP if point.AP >= 0 else np.nan for point in points]
            axes.plot([point.epoch for point in points], values, color=colour, marker="o", markersize=4, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel="AP", ylim=(0, None))
    axes.figure.legend(**LEGEND, handlelength=1.4)


def _draw_differences(axes: Axes, classes: Sequence[ClassDifference]) -> None:
    """Draw a dot for each class, with a line for its interval, in the colour of its verdict."""
    axes.axvline(0, color=INK, linewidth=1)
    for place, entry in enumerate(classes):
        colour, difference = VERDICT_COLOURS.get(entry.verdict, OTHER_COLOUR), entry.AP
        axes.plot(difference.change, place, color=colour, marker="o", markersize=6)
        if difference.low is not None and difference.high is not None:
            axes.plot([difference.low, difference.high], [place, place], color=colour)
    axes.set_yticks(range(len(classes)), [shortened(entry.name) for entry in classes])
    axes.set(ylim=(len(classes) - 0.4, -0.6), xlabel="difference of AP")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(axis="y", length=0)
