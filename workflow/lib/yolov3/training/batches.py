"""Batches of training data, prepared ahead of the training steps."""

import argparse
import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np

from yolov3.config.options import settings_from
from yolov3.data.annotations import CocoSplit, load_split
from yolov3.data.images import read_image_rgb
from yolov3.data.manifest import Manifest
from yolov3.data.read_ahead import read_ahead
from yolov3.errors import InputError
from yolov3.network.grid import InputSize
from yolov3.network.settings import AnchorSize
from yolov3.training.augment import AugmentSettings, augment
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
    """

    split: CocoSplit
    usable: np.ndarray
    sampler: SamplerSettings
    augment: AugmentSettings
    anchors: tuple[AnchorSize, ...]
    max_box: int
    assignment_iou: float = 1.0

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
                "%d boxes of %d images count as background, because train.max_box is %d: set it to %d to train all",
                beyond.sum(),
                np.count_nonzero(beyond),
                max_box,
                max_box + beyond.max(),
            )
        return cls(split, usable, sampler, augment_settings, anchors, max_box, assignment_iou)

    def new_sampler(self) -> TrainingSampler:
        """Return a new sampler of the usable images."""
        return TrainingSampler(len(self.usable), self.sampler)

    def build(self, step: int, epoch: int, indices: np.ndarray, repeats: np.ndarray, input_size: InputSize) -> Batch:
        """Read and augment the images of one step, as chosen by `TrainingSampler`, and assign their targets."""
        images, targets = [], []
        for index, repeat in zip(self.usable[indices], repeats.tolist(), strict=True):
            # A small data set is repeated within a step, where each copy is augmented in its own way.
            copy = (repeat,) if repeat else ()
            rng = np.random.default_rng((self.sampler.seed, epoch, int(index), step, *copy))
            width, height = self.split.sizes_wh[index]
            image = read_image_rgb(self.split.path(int(index)), (int(width), int(height)))
            boxes_xyxy, labels = self.split.boxes_of(int(index))
            image, boxes_xyxy, labels = augment(image, boxes_xyxy, labels, input_size, self.augment, rng)
            images.append(image)
            targets.append(
                assign_targets(boxes_xyxy, labels, input_size, self.anchors, self.max_box, self.assignment_iou)
            )
        stacked = tuple(np.stack([getattr(target, field.name) for target in targets]) for field in fields(ImageTargets))
        return Batch(input_size, np.stack(images), stacked)


def source_from(
    arguments: argparse.Namespace,
    manifest: Manifest,
    anchors: tuple[AnchorSize, ...],
    rank: int = 0,
    group_size: int = 1,
) -> BatchSource:
    """Create the source of a rank's training data from parsed options; see `BatchSource.of` for the errors."""
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
        settings_from(AugmentSettings, arguments),
        anchors,
        max_box=min(arguments.max_box, manifest.split("train").max_boxes),
        assignment_iou=arguments.assignment_iou,
        use_empty_images=bool(arguments.use_empty_images),
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
