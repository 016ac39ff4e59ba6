"""Charts of a data set's page."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES, AnchorSize
from yolov3.report.data_statistics import SplitStatistics
from yolov3.report.svg import COLOURS, INK, LEGEND, svg_chart

# Points of a scatter chart; more only make the page larger.
MAX_POINTS = 2000
POSITION_CELLS = 24
RATIO_BINS = np.geomspace(1 / 8, 8, 31)


def data_charts(
    splits: Sequence[SplitStatistics], anchors: tuple[AnchorSize, ...], max_box: int
) -> list[tuple[str, Markup]]:
    """Return (heading, chart) for the boxes and images of splits, the training images first."""
    sizes_text = "Width and height of training boxes in the network input and the nine anchors, logarithmic scales"
    ratios_text = "Aspect ratios of boxes by split"
    counts_text = "Number of boxes of an image by split"
    places_text = "Where the centres of training boxes lie in their image"
    images_text = "Width and height of images by split"
    return [
        ("Sizes of training boxes and anchors", svg_chart("sizes", sizes_text, _draw_sizes, splits[0], anchors)),
        ("Width / height of boxes", svg_chart("ratios", ratios_text, _draw_ratios, splits)),
        ("Boxes per image", svg_chart("counts", counts_text, _draw_counts, splits, max_box)),
        ("Centres of training boxes", svg_chart("places", places_text, _draw_places, splits[0])),
        ("Sizes of images", svg_chart("images", images_text, _draw_image_sizes, splits)),
    ]


def _sample(values: np.ndarray) -> np.ndarray:
    """Return at most MAX_POINTS rows, the same in every run."""
    if len(values) <= MAX_POINTS:
        return values
    return values[np.random.default_rng(0).choice(len(values), MAX_POINTS, replace=False)]


def _draw_sizes(axes: Axes, statistics: SplitStatistics, anchors: tuple[AnchorSize, ...]) -> None:
    sizes = _sample(statistics.sizes_wh)
    axes.scatter(sizes[:, 0], sizes[:, 1], s=5, color=COLOURS[9], alpha=0.35, linewidths=0)
    for number, stride in enumerate(STRIDES):
        own = np.array(anchors[number * ANCHORS_PER_STRIDE : (number + 1) * ANCHORS_PER_STRIDE])
        axes.scatter(
            own[:, 0], own[:, 1], s=46, marker="s", color=COLOURS[number], edgecolors=INK, label=f"stride {stride}"
        )
    axes.set(xscale="log", yscale="log", xlabel="width in pixels", ylabel="height in pixels")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.figure.legend(**LEGEND, ncols=3, handlelength=1, columnspacing=0.8, handletextpad=0.2)


def _draw_ratios(axes: Axes, splits: Sequence[SplitStatistics]) -> None:
    for colour, statistics in zip(COLOURS, splits, strict=False):
        ratios = statistics.sizes_wh[:, 0] / statistics.sizes_wh[:, 1]
        weights = np.full(len(ratios), 100 / max(1, len(ratios)))
        clipped = np.clip(ratios, RATIO_BINS[0], RATIO_BINS[-1])
        axes.hist(
            clipped,
            RATIO_BINS.tolist(),
            weights=weights,
            histtype="step",
            color=colour,
            linewidth=1.8,
            label=statistics.name,
        )
    axes.set(xscale="log", xlabel="width / height", ylabel="% of the boxes", xticks=[1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])
    axes.set_xticklabels(["1:8", "1:4", "1:2", "1:1", "2:1", "4:1", "8:1"])
    axes.minorticks_off()
    axes.figure.legend(**LEGEND, ncols=2, handlelength=1.2)


def _draw_counts(axes: Axes, splits: Sequence[SplitStatistics], max_box: int) -> None:
    counts = [statistics.split.box_counts() for statistics in splits]
    largest = max(int(count.max(initial=0)) for count in counts)
    bins = np.arange(0, largest + 2) - 0.5 if largest < 40 else np.linspace(-0.5, largest + 0.5, 40)
    for colour, count, statistics in zip(COLOURS, counts, splits, strict=False):
        weights = np.full(len(count), 100 / max(1, len(count)))
        axes.hist(
            count, bins.tolist(), weights=weights, histtype="step", color=colour, linewidth=1.8, label=statistics.name
        )
    if max_box <= 1.5 * largest:
        axes.axvline(max_box + 0.5, color=INK, linewidth=1, linestyle=":", label="max_box")
    axes.set(xlabel="boxes", ylabel="% of the images", xlim=(-0.5, None))
    axes.figure.legend(**LEGEND, ncols=3, handlelength=1.2, columnspacing=1)


def _draw_places(axes: Axes, statistics: SplitStatistics) -> None:
    x, y = statistics.centres_xy.T if len(statistics.centres_xy) else np.zeros((2, 0))
    cells = np.histogram2d(y, x, POSITION_CELLS, range=((0, 1), (0, 1)))[0]
    strongest = max(1.0, cells.max())
    for row, column in zip(*np.nonzero(cells), strict=True):
        place = (column / POSITION_CELLS, row / POSITION_CELLS)
        share = float(cells[row, column] / strongest)
        side = 1 / POSITION_CELLS
        axes.add_patch(Rectangle(place, side, side, color=COLOURS[0], alpha=0.08 + 0.92 * share, linewidth=0))
    axes.set(
        xlim=(0, 1), ylim=(1, 0), xlabel="left to right", ylabel="top to bottom", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1)
    )


def _draw_image_sizes(axes: Axes, splits: Sequence[SplitStatistics]) -> None:
    for colour, statistics in zip(COLOURS, splits, strict=False):
        sizes = _sample(statistics.split.sizes_wh)
        axes.scatter(sizes[:, 0], sizes[:, 1], s=8, color=colour, alpha=0.4, linewidths=0, label=statistics.name)
    axes.set(xlabel="width in pixels", ylabel="height in pixels", xlim=(0, None), ylim=(0, None))
    axes.figure.legend(**LEGEND, ncols=2, handlelength=1)
