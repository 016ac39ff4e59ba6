"""What a data set holds: counts per class, box sizes against anchors, images that look alike, and boxes to look at."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.boxes import pairwise_iou
from yolov3.data.annotations import AnnotationRows, CocoSplit, read_split, repeated_rows, split_of
from yolov3.data.manifest import Manifest
from yolov3.data.near_duplicates import perceptual_hashes, similar_groups
from yolov3.network.grid import InputSize
from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES, AnchorSize
from yolov3.training.anchors import RECALL_IOU, best_matches, input_scales

# Square root of a box's area in the network input, in pixels: half a cell of the finest stride.
TINY_SIDE = 4.0
OVERLAP_OF_OTHER_CLASS = 0.95


@dataclass(frozen=True)
class BoxOfInterest:
    """A box to look at; `index` is that of its image in the split, `box_xyxy` in pixels of the image."""

    split: str
    index: int
    box_xyxy: np.ndarray
    label: int


@dataclass(frozen=True)
class SplitStatistics:
    """One split of a data set.

    Attributes:
        name: "train" or "val".
        split: its images and boxes.
        boxes_of_class, images_of_class: int64 [C], without crowds.
        crowds: number of crowd boxes.
        sizes_wh: sizes of the boxes in the network input, float64 [M, 2] in pixels.
        centres_xy: centres of the boxes in 0..1 of their image, float64 [M, 2].
        suspicious: boxes to look at by what is suspicious about them.
    """

    name: str
    split: CocoSplit
    boxes_of_class: np.ndarray
    images_of_class: np.ndarray
    crowds: int
    sizes_wh: np.ndarray
    centres_xy: np.ndarray
    suspicious: dict[str, list[BoxOfInterest]]


@dataclass(frozen=True)
class StrideFit:
    """The boxes whose best anchor is one of a stride's; `share` of all boxes, `fitting` of its own by shape IoU."""

    stride: int
    anchors: tuple[AnchorSize, ...]
    share: float
    fitting: float


@dataclass(frozen=True)
class SimilarImages:
    """Groups of images that look alike, and how many images are in one.

    Attributes:
        groups: (split, index of the image) of the members of each group, groups over both splits first.
        images: number of images by split that are in a group.
        leaked: number of validation images that look like a training image.
    """

    groups: list[list[tuple[str, int]]]
    images: dict[str, int]
    leaked: int


def split_statistics(manifest: Manifest, name: str, input_size: InputSize, letterbox: bool) -> SplitStatistics:
    """Count and measure a split as the network sees it.

    Raises:
        InputError: the annotation file is missing or no longer valid.
    """
    dataset, rows = read_split(manifest, name)
    split = split_of(dataset, rows, manifest.split(name).image_dir)
    is_object = ~split.is_crowd
    image_of_box = np.repeat(np.arange(len(split)), np.diff(split.first_box))[is_object]
    boxes_xyxy, labels = split.boxes_xyxy[is_object].astype(np.float64), split.labels[is_object]
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    in_input = sizes * input_scales(split, input_size, letterbox)[image_of_box]
    count = len(manifest.categories)
    pairs = np.unique(np.stack([image_of_box, labels], axis=1), axis=0) if len(labels) else np.zeros((0, 2), np.int64)
    is_tiny = np.sqrt(in_input.prod(axis=1)) < TINY_SIDE

    def boxes_at(places: np.ndarray) -> list[BoxOfInterest]:
        return [BoxOfInterest(name, int(image_of_box[at]), boxes_xyxy[at], int(labels[at])) for at in places]

    return SplitStatistics(
        name=name,
        split=split,
        boxes_of_class=np.bincount(labels, minlength=count),
        images_of_class=np.bincount(pairs[:, 1], minlength=count),
        crowds=int(split.is_crowd.sum()),
        sizes_wh=in_input,
        centres_xy=(boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2 / split.sizes_wh[image_of_box],
        suspicious={
            f"smaller than {TINY_SIDE:g} pixels in the network input": boxes_at(np.flatnonzero(is_tiny)),
            "nearly equal to a box of another class": boxes_at(
                _of_two_classes(split, boxes_xyxy, labels, image_of_box)
            ),
            "there twice": _of_rows(name, rows, rows.usable & repeated_rows(rows)),
            "beyond the edge of the image, clipped": _of_rows(name, rows, rows.usable & rows.outside),
        },
    )


def _of_two_classes(
    split: CocoSplit, boxes_xyxy: np.ndarray, labels: np.ndarray, image_of_box: np.ndarray
) -> np.ndarray:
    """Return the boxes that overlap one of another class in their image by more than OVERLAP_OF_OTHER_CLASS."""
    found = []
    starts = np.searchsorted(image_of_box, np.arange(len(split) + 1))
    for first, last in pairwise(starts.tolist()):
        own = labels[first:last]
        if (own != own[:1]).any():
            iou = pairwise_iou(boxes_xyxy[first:last], boxes_xyxy[first:last])
            is_double = (iou > OVERLAP_OF_OTHER_CLASS) & (own[:, None] != own[None])
            found.append(first + np.flatnonzero(is_double.any(axis=1)))
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _of_rows(name: str, rows: AnnotationRows, chosen: np.ndarray) -> list[BoxOfInterest]:
    return [
        BoxOfInterest(name, int(rows.image_index[at]), rows.boxes_xyxy[at], int(rows.labels[at]))
        for at in np.flatnonzero(chosen)
    ]


def fit_by_stride(anchors: tuple[AnchorSize, ...], sizes_wh: np.ndarray) -> list[StrideFit]:
    """Return for each stride how many boxes, float64 [M, 2] in pixels of the input, its anchors fit best."""
    fits = []
    matches, ious = best_matches(sizes_wh, np.array(anchors)) if len(sizes_wh) else (np.zeros(0, int), np.zeros(0))
    for number, stride in enumerate(STRIDES):
        own = anchors[number * ANCHORS_PER_STRIDE : (number + 1) * ANCHORS_PER_STRIDE]
        is_own = matches // ANCHORS_PER_STRIDE == number
        fitting = float((ious[is_own] >= RECALL_IOU).mean()) if is_own.any() else 0.0
        fits.append(StrideFit(stride, own, float(is_own.mean()) if len(is_own) else 0.0, fitting))
    return fits


def similar_images(splits: list[CocoSplit], names: list[str], on_image: Callable[[], Any]) -> SimilarImages:
    """Find images of splits that look alike.

    Raises:
        InputError: an image is missing or damaged.
    """
    members = [(name, index) for name, split in zip(names, splits, strict=True) for index in range(len(split))]
    paths: list[Path] = [split.path(index) for split in splits for index in range(len(split))]
    numbers = similar_groups(perceptual_hashes(paths, on_image))
    groups: dict[int, list[tuple[str, int]]] = {}
    for member, number in zip(members, numbers.tolist(), strict=True):
        groups.setdefault(number, []).append(member)
    alike = [group for group in groups.values() if len(group) > 1]
    alike.sort(key=lambda group: (-len({name for name, _ in group}), -len(group)))
    leaks = [group for group in alike if {name for name, _ in group} == {"train", "val"}]
    return SimilarImages(
        groups=alike,
        images={name: sum(member == name for group in alike for member, _ in group) for name in names},
        leaked=sum(name == "val" for group in leaks for name, _ in group),
    )
