"""Inference on a data set: read and preprocess images ahead, run the network and post-process batch by batch."""

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from yolov3.config.options import settings_from
from yolov3.data.annotations import CocoSplit
from yolov3.data.images import read_image_rgb
from yolov3.data.read_ahead import read_ahead
from yolov3.evaluation.coco_results import coco_rows
from yolov3.evaluation.postprocess import PostprocessSettings, detect, detect_decoded
from yolov3.network.grid import RawMaps
from yolov3.network.preprocess import Placement, normalise, place_image
from yolov3.network.settings import AnchorSize, MeanStd

BATCHES_AHEAD = 2


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation; the fields are keys of config section `eval`, `postprocess` has the others."""

    testing_shape: int
    eval_batch_size: int
    letterbox: bool
    postprocess: PostprocessSettings


@dataclass(frozen=True)
class InferenceResult:
    """Detections of all images, and the time that inference took.

    Attributes:
        rows: float64 [M, 7], see `coco_rows`.
        seconds: wall time by phase: "read" (the network waited for images), "network" and "postprocess".
    """

    rows: np.ndarray
    seconds: dict[str, float]


class Network(Protocol):
    """What the evaluation has to know of a network: its settings, or the description of an exported model."""

    @property
    def anchors(self) -> tuple[AnchorSize, ...]:
        """Nine (width, height) in pixels of the input."""

    @property
    def mean_std(self) -> MeanStd:
        """Normalisation of the input."""


def detect_split(
    infer: Callable[[np.ndarray], RawMaps],
    network: Network,
    split: CocoSplit,
    settings: EvaluationSettings,
    on_images: Callable[[int], Any] = lambda count: None,
    share: tuple[int, int] = (0, 1),
    is_decoded: bool = False,
) -> InferenceResult:
    """Return the detections of all images of a split, with the raw maps of only one batch in memory.

    Args:
        infer: function from float32 [N, 3, H, W] to raw maps of strides 8, 16, 32, each float32
            [N, 3 * (5 + C), gh, gw].
        network: anchors and normalisation of the network.
        on_images: called after each batch with its number of images.
        share: (k, n) evaluates every n-th batch, beginning with batch k. Batches hold the same images for any n, so
            that results are equal to the last digit.
        is_decoded: whether `infer` gives the outputs of a model that includes the decoder, see `detect_decoded`.
    """
    seconds = {"read": 0.0, "network": 0.0, "postprocess": 0.0}
    all_rows = [np.zeros((0, 7))]
    input_size = (settings.testing_shape, settings.testing_shape)
    clock = time.perf_counter()

    def lap() -> float:
        nonlocal clock
        before, clock = clock, time.perf_counter()
        return clock - before

    for indices, images, placements in _input_batches(split, network.mean_std, settings, share):
        seconds["read"] += lap()
        raw_maps = infer(images)
        seconds["network"] += lap()
        for position, index in enumerate(indices):
            raw, placement = tuple(maps[position] for maps in raw_maps), placements[position]
            if is_decoded:
                detections = detect_decoded(raw, placement, settings.postprocess)
            else:
                detections = detect(raw, input_size, network.anchors, placement, settings.postprocess)
            all_rows.append(coco_rows(detections, int(index)))
        seconds["postprocess"] += lap()
        on_images(len(indices))
    return InferenceResult(np.concatenate(all_rows), seconds)


def _input_batches(
    split: CocoSplit, mean_std: MeanStd, settings: EvaluationSettings, share: tuple[int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray, list[Placement]]]:
    """Yield (indices, float32 [N, 3, H, W], placements); the last batch is padded to the same shape."""
    size = settings.eval_batch_size
    input_size = (settings.testing_shape, settings.testing_shape)

    def build(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[Placement]]:
        images = np.zeros((size, 3, *input_size), np.float32)
        placements = []
        for position, index in enumerate(indices):
            width, height = split.sizes_wh[index]
            image = read_image_rgb(split.path(int(index)), (int(width), int(height)))
            placed, placement = place_image(image, input_size, settings.letterbox)
            images[position] = normalise(placed, mean_std)
            placements.append(placement)
        return indices, images, placements

    first_of_batches = range(share[0] * size, len(split), share[1] * size)
    batches = ((np.arange(first, min(first + size, len(split))),) for first in first_of_batches)
    return read_ahead(ThreadPoolExecutor(1, thread_name_prefix="images"), build, batches, BATCHES_AHEAD)


def evaluation_settings_from(arguments: argparse.Namespace, network_input: dict[str, Any]) -> EvaluationSettings:
    """Build the settings of an evaluation from the options of config section `eval` and the resolved network input."""
    postprocess = settings_from(PostprocessSettings, arguments)
    return settings_from(EvaluationSettings, arguments, postprocess=postprocess, **network_input)
