"""Clustering of anchors: k-means over box sizes with the distance 1 - IoU (YOLOv2, arXiv:1612.08242, section 2).

Boxes are first divided among the strides by their size, as in FCOS (arXiv:1904.01355, section 3.2), then three anchors
are clustered per stride. Nine clusters of all boxes would spread objects of one size over all strides: which of them
learns an object would depend on a pixel of its size, and in the large cells of stride 32 small objects would compete
for one prediction.
"""

from dataclasses import dataclass

import numpy as np

from yolov3.boxes import shape_iou
from yolov3.data.annotations import CocoSplit
from yolov3.errors import InputError
from yolov3.network.grid import InputSize
from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES, AnchorSize
from yolov3.training.augment import MIN_BOX_PIXELS

# Maximum side (square root of the area) of the boxes of a stride, in cells; larger ones belong to the next stride. The
# published anchors change their stride at about 4.3 and 5.8 cells.
MAX_SIDE_IN_CELLS = 4.5
# Sides of the square anchors of a stride that has too few boxes, in cells, all in its range.
DEFAULT_SIDES_IN_CELLS = (2.5, 3.25, 4.0)
RESTARTS = 10
# All restarts run on a sample of this size; the best result is then refined on all boxes.
SAMPLE_BOXES = 20_000
MAX_ROUNDS = 100
RECALL_IOU = 0.5
# Number of boxes per chunk, so that their IoUs fit in the CPU's cache.
BOXES_AT_A_TIME = 16_384


@dataclass(frozen=True)
class AnchorFit:
    """How well anchors fit the boxes of a data set.

    Attributes:
        anchors: nine (width, height) in pixels of the network input.
        mean_best_iou: mean over the boxes of the shape IoU with the best anchor.
        recall: share of boxes whose best shape IoU is at least RECALL_IOU.
    """

    anchors: tuple[AnchorSize, ...]
    mean_best_iou: float
    recall: float


def network_box_sizes(split: CocoSplit, input_size: InputSize, letterbox: bool) -> np.ndarray:
    """Return the sizes of a split's boxes in the network input of an evaluation, float64 [M, 2] in pixels.

    Training additionally scales images at random, by default by 0.25 to 2 with a geometric mean of 0.99, so that scale
    1 is the centre of the sizes that the network is trained on.

    Args:
        split: the data set; crowds and boxes below MIN_BOX_PIXELS in the input are left out, as in training.
        input_size: (height, width) of the network input in pixels.
        letterbox: whether images keep their aspect ratio.

    Raises:
        InputError: no box is left.
    """
    scale_wh = input_scales(split, input_size, letterbox)
    image_of_box = np.repeat(np.arange(len(split)), np.diff(split.first_box))
    boxes_xyxy = split.boxes_xyxy.astype(np.float64)
    sizes_wh = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * scale_wh[image_of_box]
    sizes_wh = sizes_wh[~split.is_crowd & (sizes_wh >= MIN_BOX_PIXELS).all(axis=1)]
    if not len(sizes_wh):
        raise InputError(
            f"no box of the images in {split.image_dir} is at least {MIN_BOX_PIXELS:g} pixel wide and high at an input "
            f"of {input_size[1]} x {input_size[0]}: increase testing_shape"
        )
    return sizes_wh


def input_scales(split: CocoSplit, input_size: InputSize, letterbox: bool) -> np.ndarray:
    """Return the factors of width and height of each image in the network input, float64 [N, 2]."""
    scale_wh = np.array(input_size[::-1]) / split.sizes_wh
    return np.repeat(scale_wh.min(axis=1, keepdims=True), 2, axis=1) if letterbox else scale_wh


def cluster_anchors(sizes_wh: np.ndarray, seed: int) -> tuple[AnchorSize, ...]:
    """Cluster box sizes, float64 [M, 2] in pixels, into nine anchors (width, height), rounded to 0.1 pixel.

    The first three are for stride 8, then three each for 16 and 32, sorted by area. A stride with fewer than three
    distinct sizes also gets square ones.
    """
    rng = np.random.default_rng(seed)
    stride_index = strides_of(sizes_wh)
    anchors: list[AnchorSize] = []
    for index, stride in enumerate(STRIDES):
        members = sizes_wh[stride_index == index]
        distinct = np.unique(members, axis=0)
        if len(distinct) < ANCHORS_PER_STRIDE:
            squares = np.outer(DEFAULT_SIDES_IN_CELLS, (stride, stride))
            centres = np.concatenate([distinct, squares[len(distinct) :]])
        else:
            centres = _cluster(members, ANCHORS_PER_STRIDE, rng)
        centres = np.maximum(np.round(centres, 1), 0.1)
        order = np.lexsort((centres[:, 0], centres.prod(axis=1)))
        anchors += [(float(width), float(height)) for width, height in centres[order]]
    return tuple(anchors)


def strides_of(sizes_wh: np.ndarray) -> np.ndarray:
    """Return the index of the stride whose range each size, float64 [M, 2] in pixels, is in, int64 [M]."""
    limits = MAX_SIDE_IN_CELLS * np.array(STRIDES[:-1])
    return np.searchsorted(limits, np.sqrt(sizes_wh.prod(axis=1)))


def _cluster(sizes_wh: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the centres of clusters, float64 [count, 2], the best of several runs of k-means."""
    sample = sizes_wh
    if len(sizes_wh) > SAMPLE_BOXES:
        sample = sizes_wh[rng.choice(len(sizes_wh), SAMPLE_BOXES, replace=False)]
    starts = [_refine(sample, _spread_start(sample, count, rng)) for _ in range(RESTARTS)]
    best = max(starts, key=lambda centres: best_matches(sample, centres)[1].mean())
    return best if sample is sizes_wh else _refine(sizes_wh, best)


def fit_of(anchors: tuple[AnchorSize, ...], sizes_wh: np.ndarray) -> AnchorFit:
    """Measure how well anchors fit box sizes, float64 [M, 2] in pixels of the network input."""
    best_iou = best_matches(sizes_wh, np.array(anchors))[1]
    return AnchorFit(anchors, float(best_iou.mean()), float((best_iou >= RECALL_IOU).mean()))


def best_matches(sizes_wh: np.ndarray, centres_wh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each size [M, 2] the index of the centre with the best shape IoU, int64 [M], and that IoU [M]."""
    matches, ious = [], []
    for first in range(0, len(sizes_wh), BOXES_AT_A_TIME):
        iou = shape_iou(sizes_wh[first : first + BOXES_AT_A_TIME], centres_wh)
        matches.append(iou.argmax(axis=1))
        ious.append(np.take_along_axis(iou, matches[-1][:, None], axis=1)[:, 0])
    return np.concatenate(matches), np.concatenate(ious)


def _spread_start(sizes_wh: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Choose boxes as initial centres, with probabilities proportional to their squared distances (k-means++)."""
    chosen = [int(rng.integers(len(sizes_wh)))]
    distance = np.full(len(sizes_wh), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, 1 - shape_iou(sizes_wh, sizes_wh[chosen[-1:]])[:, 0])
        weights = distance**2
        # All zero if there are fewer distinct sizes than centres.
        probabilities = weights / weights.sum() if weights.any() else None
        chosen.append(int(rng.choice(len(sizes_wh), p=probabilities)))
    return sizes_wh[chosen]


def _refine(sizes_wh: np.ndarray, centres_wh: np.ndarray) -> np.ndarray:
    """Iterate k-means until no box changes its cluster; return the centres of the iteration with the best mean IoU.

    Medians do not minimise 1 - IoU exactly, so an iteration may be worse than the one before.
    """
    best, best_mean = centres_wh, -1.0
    previous = None
    for _ in range(MAX_ROUNDS):
        nearest, iou = best_matches(sizes_wh, centres_wh)
        if iou.mean() > best_mean:
            best, best_mean = centres_wh, float(iou.mean())
        if previous is not None and np.array_equal(nearest, previous):
            break
        previous = nearest
        centres_wh = _centres(sizes_wh, nearest, iou, len(centres_wh))
    return best


def _centres(sizes_wh: np.ndarray, nearest: np.ndarray, iou: np.ndarray, count: int) -> np.ndarray:
    """Return the median size of each cluster, float64 [count, 2]; an empty one gets one of the worst-fitting boxes.

    Medians give a higher mean IoU than means: 0.618 instead of 0.608 on 128 images of COCO.
    """
    worst = sizes_wh[np.argsort(iou, kind="stable")[np.arange(count) % len(sizes_wh)]]
    members = [sizes_wh[nearest == index] for index in range(count)]
    return np.array([np.median(sizes, axis=0) if len(sizes) else worst[index] for index, sizes in enumerate(members)])
