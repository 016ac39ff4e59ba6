"""Search for an int8 model whose accuracy stays within a bound, with as few layers in float as it takes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """An int8 model, and its accuracy and speed on the search images.

    Attributes:
        method: how the ranges of activations were determined.
        float_layers: names of the layers kept in float.
        ap: COCO AP.
        image_ms: time of the network per image in milliseconds.
        model: file.
        details: what the back end says of it.
    """

    method: str
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
    attempt: Callable[[str, tuple[str, ...]], Attempt],
    methods: Sequence[str],
    float_layers: tuple[str, ...],
    ranked_layers: Callable[[], Sequence[str]],
    min_ap: float,
) -> SearchResult:
    """Quantize until the accuracy is at least `min_ap`; if it never is, choose the most accurate model.

    Tried are all methods with the given layers in float, then the best of them with ever more layers: 1, 2, 4 and so on
    of `ranked_layers`, and by bisection the smallest number that is enough.

    Args:
        attempt: quantizes by a method with these layers in float, and measures the model.
        methods: methods, the preferred one first.
        float_layers: layers in float in every attempt.
        ranked_layers: gives all layers, those first whose float weights remove most error; called only if it is needed.
        min_ap: smallest AP that is enough.
    """
    attempts = []

    def is_enough(method: str, layers: tuple[str, ...]) -> bool:
        attempts.append(attempt(method, layers))
        said = f"{method}, {len(attempts[-1].float_layers)} layers in float: AP %.4f of at least %.4f"
        logging.info(said, attempts[-1].ap, min_ap)
        return attempts[-1].ap >= min_ap

    if not any(is_enough(method, float_layers) for method in methods):
        method = max(attempts, key=lambda tried: tried.ap).method
        # The back end has resolved patterns to names.
        first = attempts[0].float_layers
        _add_layers(is_enough, method, first, [name for name in ranked_layers() if name not in first])
    enough = [tried for tried in attempts if tried.ap >= min_ap]
    if enough:
        chosen = min(enough, key=lambda tried: (len(tried.float_layers), -tried.ap))
    else:
        chosen = max(attempts, key=lambda tried: (tried.ap, -len(tried.float_layers)))
    return SearchResult(tuple(attempts), chosen, bool(enough))


def _add_layers(
    is_enough: Callable[[str, tuple[str, ...]], bool], method: str, first: tuple[str, ...], ranked: list[str]
) -> None:
    """Try growing numbers of ranked layers, then those between the last two."""
    too_few, count = 0, 1
    while ranked and not is_enough(method, (*first, *ranked[:count])):
        if count == len(ranked):
            return
        too_few, count = count, min(2 * count, len(ranked))
    while count - too_few > 1:
        middle = (too_few + count) // 2
        if is_enough(method, (*first, *ranked[:middle])):
            count = middle
        else:
            too_few = middle
