"""Batches of training data, prepared ahead of the training steps."""

import argparse
import logging
import math
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np

from yolov3.config.options import settings_from
from yolov3.config.schema import section_schema
from yolov3.data.annotations import CocoSplit, load_split
from yolov3.data.images import read_image_rgb
from yolov3.data.manifest import Manifest
from yolov3.data.read_ahead import read_ahead
from yolov3.errors import InputError
from yolov3.network.grid import InputSize
from yolov3.network.settings import AnchorSize
from yolov3.training.augment import AugmentSettings
from yolov3.training.compose import LabelledImage, compose, max_images
from yolov3.training.sampler import SamplerSettings, TrainingSampler
from yolov3.training.targets import ImageTargets, assign_targets

BATCHES_AHEAD = 4


@dataclass(frozen=True)
class Batch:
    """Data of one training step.

    Attributes:
        input_size: (height, width) of the images in pixels.
        images: uint8 [N, H, W, 3] RGB, a quarter of the size of float32; the training step normalises them.
        targets: `ImageTargets` of N images stacked, in the order of its fields.
    """

    input_size: InputSize
    images: np.ndarray
    targets: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class BatchSource:
    """Builds the batch of any step, depending on nothing but its fields.

    Attributes:
        split: the training images.
        usable: int64 indices into `split` of the images to train.
        sampler: settings of the order of images.
        augment: settings of the augmentation.
        anchors: nine (width, height) in pixels of the input.
        max_box: maximum number of boxes per image, to which targets are padded.
        assignment_iou: see `assign_targets`.
        plain_from: epoch, counted from 0, from which images are neither mosaics nor blended.
    """

    split: CocoSplit
    usable: np.ndarray
    sampler: SamplerSettings
    augment: AugmentSettings
    anchors: tuple[AnchorSize, ...]
    max_box: int
    assignment_iou: float = 1.0
    plain_from: float = math.inf

    @classmethod
    def of(
        cls,
        split: CocoSplit,
        sampler: SamplerSettings,
        augment_settings: AugmentSettings,
        anchors: tuple[AnchorSize, ...],
        max_box: int,
        assignment_iou: float = 1.0,
        use_empty_images: bool = False,
        plain_from: float = math.inf,
    ) -> "BatchSource":
        """Create a source of the images of a split that have boxes, or of all images.

        Raises:
            InputError: no image has a usable box.
        """
        usable = split.with_boxes()
        if not len(usable):
            raise InputError(f"no image in {split.image_dir} has a usable box: check the categories and boxes")
        if use_empty_images:
            usable = np.arange(len(split))
        elif len(usable) < len(split):
            logging.warning(
                "%d of %d images have no usable box and are not trained: set train.use_empty_images to 1 to train them "
                "as background",
                len(split) - len(usable),
                len(split),
            )
        beyond = np.maximum(split.box_counts() - max_box, 0)
        if beyond.any():
            logging.warning(
                "%d boxes of %d images count as background, because train.max_box is %d: %s",
                beyond.sum(),
                np.count_nonzero(beyond),
                max_box,
                _advice_on_max_box(max_box, max_box + int(beyond.max())),
            )
        images, mean_boxes = max_images(augment_settings), float(split.box_counts()[usable].mean())
        if images > 1 and images * mean_boxes > max_box:
            logging.warning(
                "training images made of up to %d can have more boxes than train.max_box, %d, of which the others "
                "count as background: an image has %.1f on average: %s",
                images,
                max_box,
                mean_boxes,
                _advice_on_max_box(max_box, math.ceil(images * mean_boxes)),
            )
        return cls(split, usable, sampler, augment_settings, anchors, max_box, assignment_iou, plain_from)

    def new_sampler(self) -> TrainingSampler:
        """Return a new sampler of the usable images."""
        return TrainingSampler(len(self.usable), self.sampler)

    def build(self, step: int, epoch: int, indices: np.ndarray, repeats: np.ndarray, input_size: InputSize) -> Batch:
        """Read and augment the images of one step, as chosen by `TrainingSampler`, and assign their targets."""
        settings = self.augment if epoch < self.plain_from else replace(self.augment, mosaic=0, mixup=0)
        images, targets = [], []
        for index, repeat in zip(self.usable[indices], repeats.tolist(), strict=True):
            # A small data set is repeated within a step, where each copy is augmented in its own way.
            copy = (repeat,) if repeat else ()
            rng = np.random.default_rng((self.sampler.seed, epoch, int(index), step, *copy))
            image, boxes_xyxy, labels = compose(
                partial(self._read, int(index)), partial(self._read_random, rng), input_size, settings, rng
            )
            images.append(image)
            targets.append(
                assign_targets(boxes_xyxy, labels, input_size, self.anchors, self.max_box, self.assignment_iou)
            )
        stacked = tuple(np.stack([getattr(target, field.name) for target in targets]) for field in fields(ImageTargets))
        return Batch(input_size, np.stack(images), stacked)

    def _read(self, index: int) -> LabelledImage:
        width, height = self.split.sizes_wh[index]
        return read_image_rgb(self.split.path(index), (int(width), int(height))), *self.split.boxes_of(index)

    def _read_random(self, rng: np.random.Generator) -> LabelledImage:
        return self._read(int(rng.choice(self.usable)))


def _advice_on_max_box(max_box: int, needed: int) -> str:
    largest = section_schema("train")["max_box"]["maximum"]
    if max_box >= largest:
        return "more are not possible"
    return f"set it to {needed} to train all" if needed <= largest else f"set it to {largest}, its maximum"


def source_from(
    arguments: argparse.Namespace,
    manifest: Manifest,
    anchors: tuple[AnchorSize, ...],
    rank: int = 0,
    group_size: int = 1,
) -> BatchSource:
    """Create the source of a rank's training data from parsed options; see `BatchSource.of` for the errors."""
    augment_settings = settings_from(AugmentSettings, arguments)
    return BatchSource.of(
        load_split(manifest, "train"),
        settings_from(
            SamplerSettings,
            arguments,
            batch_size=arguments.per_batch_size * arguments.accumulation,
            rank=rank,
            group_size=group_size,
            training_shape=int(arguments.training_shape or 0),
        ),
        augment_settings,
        anchors,
        max_box=min(arguments.max_box, manifest.split("train").max_boxes * max_images(augment_settings)),
        assignment_iou=arguments.assignment_iou,
        use_empty_images=bool(arguments.use_empty_images),
        plain_from=arguments.max_epoch - arguments.plain_epochs,
    )


_loader_source: BatchSource | None = None


def _start_loader(source: BatchSource) -> None:
    global _loader_source
    _loader_source = source
    cv2.setNumThreads(1)


def _build_in_loader(step: int, *chosen: Any) -> Batch:
    assert _loader_source is not None
    return _loader_source.build(step, *chosen)


def batches(source: BatchSource, first_step: int, last_step: int, loaders: int) -> Iterator[Batch]:
    """Yield the batches of steps first_step to last_step - 1, prepared ahead.

    Args:
        source: source of the batches.
        first_step, last_step: range of steps, counted from 0 over the whole training.
        loaders: number of processes that prepare batches; 0 uses a thread of this process, best with few cores.
    """
    cv2.setNumThreads(1)
    sampler = source.new_sampler()
    executor: Executor
    if loaders:
        executor = ProcessPoolExecutor(
            loaders, mp_context=get_context("forkserver"), initializer=_start_loader, initargs=(source,)
        )
        build = _build_in_loader
    else:
        executor = ThreadPoolExecutor(1, thread_name_prefix="batches")
        build = source.build
    steps = ((step, *sampler.batch(step), sampler.input_size(step)) for step in range(first_step, last_step))
    try:
        yield from read_ahead(executor, build, steps, max(loaders, 1) + BATCHES_AHEAD)
    except BrokenProcessPool:
        raise InputError(
            "a process that prepares batches was killed, perhaps because memory ran out: lower train.loader_workers "
            "and run again; the training resumes from its last checkpoint"
        ) from None
