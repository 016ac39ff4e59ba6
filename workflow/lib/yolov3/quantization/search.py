"""Search for an int8 model whose accuracy stays within a bound, with as few layers in float as it takes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Int8Settings:
    """How a network is quantized.

    Attributes:
        method: how the ranges of activations are determined: MAX_MIN, KL or REMOVAL_OUTLIER.
        equalize: equalise the weights of successive layers before.
        bias_correction: correct biases for the mean error of the quantized weights (MindSpore Lite).
        calibration_share: share of the calibration images to use.
    """

    method: str
    equalize: bool = False
    bias_correction: bool = True
    calibration_share: float = 1

    def __str__(self) -> str:
        """Return the method and what differs from the usual."""
        differences = {
            "equalised weights": self.equalize,
            "no bias correction": not self.bias_correction,
            f"{self.calibration_share:.0%} of the images": self.calibration_share < 1,
        }
        return ", ".join([self.method, *(text for text, is_set in differences.items() if is_set)])


@dataclass(frozen=True)
class Attempt:
    """An int8 model, and its accuracy and speed on the search images.

    Attributes:
        settings: how it was quantized.
        float_layers: names of the layers kept in float.
        ap: COCO AP.
        image_ms: time of the network per image in milliseconds.
        model: file.
        details: what the back end says of it.
    """

    settings: Int8Settings
    float_layers: tuple[str, ...]
    ap: float
    image_ms: float
    model: Path
    details: dict[str, Any]

    @property
    def model_bytes(self) -> int:
        """Size of the file."""
        return self.model.stat().st_size


@dataclass(frozen=True)
class SearchResult:
    """All attempts in their order, the chosen one, and whether its accuracy is enough."""

    attempts: tuple[Attempt, ...]
    chosen: Attempt
    is_enough: bool


def search_int8(
    attempt: Callable[[Int8Settings, tuple[str, ...]], Attempt],
    settings: Int8Settings,
    alternatives: Sequence[dict[str, Any]],
    float_layers: tuple[str, ...],
    ranked_layers: Callable[[], Sequence[str]],
    min_ap: float,
) -> SearchResult:
    """Quantize until the accuracy is at least `min_ap`; if it never is, choose the most accurate model.

    Tried are the settings; then each alternative, added to the best settings so far; then the best settings with ever
    more layers in float: 1, 2, 4 and so on of `ranked_layers`, and by bisection the smallest number that is enough.

    Args:
        attempt: quantizes with these settings and layers in float, and measures the model.
        settings: the preferred settings.
        alternatives: values of settings to try.
        float_layers: layers in float in every attempt.
        ranked_layers: gives all layers, those first whose float weights remove most error; called only if it is needed.
        min_ap: smallest AP that is enough.
    """
    attempts: list[Attempt] = []

    def is_enough(tried: Int8Settings, layers: tuple[str, ...]) -> bool:
        attempts.append(attempt(tried, layers))
        said = "%s, %d layers in float: AP %.4f of at least %.4f"
        logging.info(said, tried, len(attempts[-1].float_layers), attempts[-1].ap, min_ap)
        return attempts[-1].ap >= min_ap

    def best_settings() -> Int8Settings:
        return max(attempts, key=lambda tried: tried.ap).settings

    found = is_enough(settings, float_layers)
    for values in alternatives:
        candidate = replace(best_settings(), **values)
        if not found and candidate not in [tried.settings for tried in attempts]:
            found = is_enough(candidate, float_layers)
    if not found:
        # The back end has resolved patterns to names.
        first = attempts[0].float_layers
        ranked = [name for name in ranked_layers() if name not in first]
        _add_layers(is_enough, best_settings(), first, ranked)
    enough = [tried for tried in attempts if tried.ap >= min_ap]
    if enough:
        chosen = min(enough, key=lambda tried: (len(tried.float_layers), -tried.ap))
    else:
        chosen = max(attempts, key=lambda tried: (tried.ap, -len(tried.float_layers)))
    return SearchResult(tuple(attempts), chosen, bool(enough))


def _add_layers(
    is_enough: Callable[[Int8Settings, tuple[str, ...]], bool],
    settings: Int8Settings,
    first: tuple[str, ...],
    ranked: list[str],
) -> None:
    """Try growing numbers of ranked layers, then those between the last two."""
    too_few, count = 0, 1
    while ranked and not is_enough(settings, (*first, *ranked[:count])):
        if count == len(ranked):
            return
        too_few, count = count, min(2 * count, len(ranked))
    while count - too_few > 1:
        middle = (too_few + count) // 2
        if is_enough(settings, (*first, *ranked[:middle])):
            count = middle
        else:
            too_few = middle
