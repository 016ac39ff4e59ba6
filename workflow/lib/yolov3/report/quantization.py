"""Collect the report's data on the quantization: the bound on the loss of AP, and what was tried to keep it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from yolov3.errors import InputError
from yolov3.files import read_json
from yolov3.report.svg import COLOURS, INK, LEGEND, svg_chart

MAX_SENSITIVITIES = 10
# Fewer models make no curve.
MIN_CURVE_POINTS = 3


@dataclass(frozen=True)
class Attempt:
    """An int8 model that was tried: AP and milliseconds per image on the search images."""

    settings: str
    float_layers: int
    AP: float
    model_bytes: int
    image_ms: float


@dataclass(frozen=True)
class Sensitivity:
    """A layer, the relative error of the outputs if only it is quantized, and its additional bytes if kept in float."""

    name: str
    error: float
    float_bytes: int


@dataclass(frozen=True)
class Quantization:
    """The search for an int8 model within the bound.

    Attributes:
        max_drop: largest loss of AP.
        is_kept: whether the chosen model keeps it.
        images: number of training images that the models were measured on.
        float_AP: AP of the float model on them.
        float_ms: its milliseconds per image in the same runtime, None if it was measured in another one.
        AP: that of the chosen model.
        float_layers: names of the layers that it keeps in float.
        attempts: in their order.
        sensitivities: those worth most in float first; empty if they were not needed.
    """

    max_drop: float
    is_kept: bool
    images: int
    float_AP: float
    float_ms: float | None
    AP: float
    float_layers: tuple[str, ...]
    attempts: tuple[Attempt, ...]
    sensitivities: tuple[Sensitivity, ...]

    def chart(self) -> Markup | None:
        """Return the chart of AP over the number of layers in float, None if few were tried."""
        if len({attempt.float_layers for attempt in self.attempts}) < MIN_CURVE_POINTS:
            return None
        text = "AP on the search images over the number of layers kept in float"
        return svg_chart("float-layers", text, _draw_attempts, self)


def read_quantization(paths: list[Path], metrics: Path) -> Quantization | None:
    """Read the quant.json of the model that was run; None if no bound was set.

    Args:
        paths: quant.json of each int8 model.
        metrics: metrics.json of the int8 model's run, which tells the model if there are several.

    Raises:
        InputError: a file is missing or incomplete.
    """
    path = paths[0]
    try:
        if len(paths) > 1:
            run = read_json(metrics, "metrics file")["native"]["model_file"]
            path = next(path for path in paths if read_json(path)["int8_model"]["file"] == run)
        content = read_json(path, "quantization summary")
        return _quantization(content["search"], content["layers_kept_float"]) if "search" in content else None
    except (KeyError, StopIteration, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"quantization summary {path} is incomplete ({type(error).__name__}: {error}): run post_quant again"
        ) from None


def _quantization(search: dict[str, Any], float_layers: list[str]) -> Quantization:
    return Quantization(
        max_drop=float(search["max_ap_drop"]),
        is_kept=bool(search["is_kept"]),
        images=int(search["images"]),
        float_AP=float(search["float_AP"]),
        float_ms=None if search["float_image_ms"] is None else float(search["float_image_ms"]),
        AP=float(search["AP"]),
        float_layers=tuple(float_layers),
        attempts=tuple(
            Attempt(tried["settings"], tried["float_layers"], tried["AP"], tried["bytes"], tried["image_ms"])
            for tried in search["attempts"]
        ),
        sensitivities=tuple(Sensitivity(**layer) for layer in search["sensitivities"][:MAX_SENSITIVITIES]),
    )


def _draw_attempts(axes: Axes, quantization: Quantization) -> None:
    """Draw the settings that were tried with several numbers of layers as a line, all others as points."""
    attempts = quantization.attempts
    (best, _), *_ = Counter(attempt.settings for attempt in attempts).most_common(1)
    line = sorted((tried.float_layers, tried.AP) for tried in attempts if tried.settings == best)
    axes.plot(*zip(*line, strict=True), color=COLOURS[1], marker="o", markersize=4, label="best settings")
    if others := [(tried.float_layers, tried.AP) for tried in attempts if tried.settings != best]:
        label = "other settings"
        axes.plot(*zip(*others, strict=True), color=COLOURS[0], linestyle="", marker="o", markersize=4, label=label)
    bound = quantization.float_AP - quantization.max_drop
    axes.axhline(bound, color=INK, linewidth=1, linestyle=":", label="bound")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="layers in float", ylabel="AP")
    axes.figure.legend(**LEGEND, ncols=3, handlelength=1.4, columnspacing=1)
