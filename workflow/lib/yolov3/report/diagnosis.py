"""Why a network has learned next to nothing: the likeliest causes, each checked on the data at hand."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from yolov3.config.consistency import RANDOM_SOURCES
from yolov3.data.annotations import CocoSplit
from yolov3.errors import InputError
from yolov3.network.settings import STRIDES
from yolov3.report.data import Accuracy, Training
from yolov3.training.anchors import fit_of, network_box_sizes

# Below this AP a network has learned next to nothing.
LOW_AP = 0.05
# A loss that ends above this share of its start has hardly fallen; start and end are means of a tenth of the log.
HIGH_LOSS_SHARE, SHARE_OF_LOG = 0.7, 0.1
FEW_IMAGES, FEW_BOXES = 5000, 20
# Updates that a network needs at least. From random weights, one with more parameters than size slim needs more: 1,240
# updates have not taught size full, of 62 million, even its training images (docs/training.md).
FEW_UPDATES, SLIM_PARAMETERS = 1000, 4e6
# Squeezing by more than this factor shows boxes of shapes that the training has not shown.
SQUEEZE = 1.15
LOW_ANCHOR_FIT = 0.55
# Ratio of the largest to the smallest random scale that is too much for FEW_IMAGES.
WIDE_SCALES = 3


def symptoms_of(accuracy: Accuracy, training: Training | None, is_finetuned: bool = False) -> list[str]:
    """Return what shows that a network has learned next to nothing, [] if nothing does.

    Args:
        accuracy: of the trained network on the validation images.
        training: its training; None for weights that were not trained here.
        is_finetuned: whether that began with a trained network, whose loss need not fall.
    """
    symptoms = []
    if 0 <= accuracy.numbers["AP"] < LOW_AP:
        symptoms.append(f"AP is {accuracy.numbers['AP']:.3f}")
    if training is not None and not is_finetuned and (share := _loss_share(training.steps["loss"])) > HIGH_LOSS_SHARE:
        symptoms.append(f"the loss ends at {share:.0%} of its start")
    missed = [entry.name for entry in accuracy.per_class if entry.boxes >= FEW_BOXES and entry.AP == 0]
    if missed:
        symptoms.append(f"no correct detection of {', '.join(missed)}")
    return symptoms


def causes_of(config: dict[str, Any], training: Training, split: CocoSplit, class_names: tuple[str, ...]) -> list[str]:
    """Return the likely causes, the likeliest first, each with what to do.

    Args:
        config: resolved configuration.
        training: the finished training.
        split: the training images.
        class_names: names of the classes.
    """
    return list(_causes(config, training, split, class_names))


def _causes(
    config: dict[str, Any], training: Training, split: CocoSplit, class_names: tuple[str, ...]
) -> Iterator[str]:
    train, size, letterbox = config["train"], config["eval"]["testing_shape"], config["eval"]["letterbox"]
    is_random = not train["resume_yolov3"] and config["backbone"]["source"] in RANDOM_SOURCES
    needed = FEW_UPDATES * (max(1.0, math.sqrt(training.parameters / SLIM_PARAMETERS)) if is_random else 1)
    if training.updates < needed:
        weights = "" if train["resume_yolov3"] else ", or start from trained weights (train.resume_yolov3)"
        network = f" for a network of {training.parameters / 1e6:.1f} million random weights" if is_random else ""
        yield (
            f"{training.updates} updates are few{network}: raise train.max_epoch, lower train.per_batch_size{weights}"
        )
    longer, shorter = split.sizes_wh.max(axis=1), split.sizes_wh.min(axis=1)
    aspect = float(np.median(longer / shorter))
    if not letterbox and aspect > SQUEEZE:
        yield (
            f"training keeps the shape of the pictures, {aspect:.2f} : 1, but the evaluation squeezes them into a "
            "square: set eval.letterbox to true"
        )
    try:
        sizes_wh = network_box_sizes(split, (size, size), letterbox)
    except InputError as error:
        yield str(error)
        return
    if config["network"]["anchor_scales"] != "auto":
        fit = fit_of(tuple(map(tuple, config["network"]["anchor_scales"])), sizes_wh).mean_best_iou
        if fit < LOW_ANCHOR_FIT:
            yield f"the anchors overlap the training boxes by {fit:.2f} only: set network.anchor_scales to auto"
    small = float((sizes_wh.max(axis=1) < STRIDES[0]).mean())
    if small > 0.5:
        yield (
            f"{small:.0%} of the boxes are smaller than {STRIDES[0]} pixels in the input of {size}: raise "
            "train.training_shape"
        )
    if len(split) < FEW_IMAGES and train["scale_max"] / train["scale_min"] > WIDE_SCALES:
        yield (
            f"{len(split)} images are few for changes of size by {train['scale_min']:g} to {train['scale_max']:g}: set "
            "train.scale_min and scale_max to 0.8 and 1.3, or recipe to modern"
        )
    if _loss_share(training.steps["loss"]) > HIGH_LOSS_SHARE:
        yield f"the learning rate may not fit: try train.lr {train['lr'] * 3:.2g} and {train['lr'] / 3:.2g}"
    counts = np.bincount(split.labels[~split.is_crowd], minlength=len(class_names))
    rare = [f"{name} ({count})" for name, count in zip(class_names, counts, strict=True) if count < FEW_BOXES]
    if rare:
        yield f"few training boxes of {', '.join(rare)}: annotate more"


def _loss_share(losses: np.ndarray) -> float:
    """Return the loss at the end of a training as a share of that at its start, 0 if nothing was logged."""
    count = max(1, round(len(losses) * SHARE_OF_LOG))
    return float(losses[-count:].mean() / losses[:count].mean()) if len(losses) > 1 else 0.0
