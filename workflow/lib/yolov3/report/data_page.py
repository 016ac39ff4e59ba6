"""Write the page of a data set: one self-contained HTML file, and its numbers as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.data.manifest import Manifest
from yolov3.files import write_json, write_text
from yolov3.network.settings import AnchorSize
from yolov3.report.data_pictures import SmallPicture, picture_of_box, picture_of_image
from yolov3.report.data_plots import data_charts
from yolov3.report.data_statistics import BoxOfInterest, SimilarImages, SplitStatistics, StrideFit, fit_by_stride
from yolov3.report.templates import page_template

EXAMPLES_OF_CLASS = 8
# Of all classes together, so that pages of many classes stay below about 3 MB.
MAX_EXAMPLES = 400
MIN_EXAMPLES_OF_CLASS = 2
PICTURES_OF_A_KIND = 12
SHOWN_GROUPS = 8
SHOWN_OF_GROUP = 4
# What is worth a remark.
FEW_BOXES = 50
SMALL_SHARE_OF_FITTING = 0.8
LARGE_SHARE_OF_TINY = 0.1
LARGE_SHARE_OF_EMPTY = 0.3


@dataclass(frozen=True)
class DataView:
    """How the network sees the data.

    Attributes:
        anchors: nine (width, height) in pixels of the network input.
        testing_shape, letterbox, max_box: the config's keys of these names.
    """

    anchors: tuple[AnchorSize, ...]
    testing_shape: int
    letterbox: bool
    max_box: int


def remarks_of(
    names: Sequence[str],
    splits: Sequence[SplitStatistics],
    fits: Sequence[StrideFit],
    similar: SimilarImages,
    view: DataView,
) -> list[str]:
    """Return sentences about what may hurt a training or its evaluation, the worst first."""
    train, val = splits
    remarks = []
    if similar.leaked:
        remarks.append(
            f"{similar.leaked} of {len(val.split)} validation images look like a training image, so the accuracy may "
            "be too good: keep such images in one split"
        )
    for one, other in ((val, train), (train, val)):
        only = [
            name
            for name, own, others in zip(names, one.boxes_of_class, other.boxes_of_class, strict=True)
            if own and not others
        ]
        if only:
            meaning = "cannot be learned" if one is val else "are not evaluated"
            remarks.append(f"only the {_split_name(one)} images have boxes of {_listed(only)}, which {meaning}")
    few = [name for name, count in zip(names, train.boxes_of_class, strict=True) if 0 < count < FEW_BOXES]
    if few:
        remarks.append(f"{_listed(few)} {'has' if len(few) == 1 else 'have'} fewer than {FEW_BOXES} training boxes")
    fitting = sum(fit.share * fit.fitting for fit in fits)
    if fitting < SMALL_SHARE_OF_FITTING:
        remarks.append(
            f"only {fitting:.0%} of the training boxes fit an anchor by an IoU of 0.5: set network.anchor_scales to "
            "auto"
        )
    for statistics in splits:
        boxes = max(1, len(statistics.sizes_wh))
        for kind, found in statistics.suspicious.items():
            is_size = kind.startswith("smaller")
            if found and (not is_size or len(found) > LARGE_SHARE_OF_TINY * boxes):
                advice = ": raise train.training_shape" if is_size else ", shown below"
                remarks.append(f"{len(found)} {_split_name(statistics)} boxes are {kind}{advice}")
        counts = statistics.split.box_counts()
        beyond, empty = int((counts > view.max_box).sum()), int((counts == 0).sum())
        if beyond and statistics is train:
            remarks.append(
                f"{beyond} training images have more than {view.max_box} boxes: raise train.max_box to {counts.max()}"
            )
        if empty > LARGE_SHARE_OF_EMPTY * len(counts):
            remarks.append(f"{empty} of {len(counts)} {_split_name(statistics)} images have no boxes")
    return remarks


def write_data_page(
    manifest: Manifest, splits: Sequence[SplitStatistics], similar: SimilarImages, view: DataView, folder: Path
) -> list[str]:
    """Write data.html and data.json to a folder and return the remarks; equal data give equal bytes.

    Raises:
        InputError: an image cannot be read.
    """
    names = [category.name for category in manifest.categories]
    fits = fit_by_stride(view.anchors, splits[0].sizes_wh)
    remarks = remarks_of(names, splits, fits, similar, view)
    of_name = {statistics.name: statistics for statistics in splits}
    text = page_template("data.html.j2").render(
        manifest=manifest,
        names=names,
        splits=splits,
        fits=fits,
        remarks=remarks,
        view=view,
        charts=data_charts(splits, view.anchors, view.max_box),
        examples=_examples(names, splits[0]),
        similar=similar,
        groups=[_pictures_of_group(of_name, group) for group in similar.groups[:SHOWN_GROUPS]],
        suspicious=_suspicious(names, splits),
        largest=max(1, *(int(statistics.boxes_of_class.max(initial=0)) for statistics in splits)),
    )
    numbers = {statistics.name: _numbers(names, statistics) for statistics in splits}
    write_json(folder / "data.json", {"remarks": remarks, "splits": numbers, "similar_images": similar.images})
    write_text(folder / "data.html", text)
    return remarks


def _numbers(names: Sequence[str], statistics: SplitStatistics) -> dict[str, Any]:
    counts = statistics.split.box_counts()
    return {
        "images": len(counts),
        "images_without_boxes": int((counts == 0).sum()),
        "boxes": int(counts.sum()),
        "crowds": statistics.crowds,
        "max_boxes": int(counts.max(initial=0)),
        "classes": {
            name: {"boxes": int(boxes), "images": int(images)}
            for name, boxes, images in zip(names, statistics.boxes_of_class, statistics.images_of_class, strict=True)
        },
        "suspicious": {kind: len(found) for kind, found in statistics.suspicious.items()},
    }


def _examples(names: Sequence[str], statistics: SplitStatistics) -> list[tuple[str, list[SmallPicture]]]:
    """Return for each class pictures of training boxes, spread over its sizes from small to large."""
    wanted = max(MIN_EXAMPLES_OF_CLASS, min(EXAMPLES_OF_CLASS, MAX_EXAMPLES // max(1, len(names))))
    split = statistics.split
    is_object = ~split.is_crowd
    image_of_box = np.repeat(np.arange(len(split)), np.diff(split.first_box))[is_object]
    boxes_xyxy, labels = split.boxes_xyxy[is_object], split.labels[is_object]
    order = np.argsort(statistics.sizes_wh.prod(axis=1), kind="stable")
    examples = []
    for label, name in enumerate(names):
        own = order[labels[order] == label]
        places = np.linspace(0, len(own) - 1, min(wanted, len(own))).round().astype(int)
        boxes = [BoxOfInterest(statistics.name, int(image_of_box[at]), boxes_xyxy[at], label) for at in own[places]]
        examples.append((name, [picture_of_box(split, box, split.file_names[box.index]) for box in boxes]))
    return examples


def _suspicious(names: Sequence[str], splits: Sequence[SplitStatistics]) -> list[tuple[str, int, list[SmallPicture]]]:
    """Return (kind, number, some pictures) for what is suspicious about boxes."""
    shown = []
    for kind in splits[0].suspicious:
        found = [(statistics, box) for statistics in splits for box in statistics.suspicious[kind]]
        places = np.linspace(0, len(found) - 1, min(PICTURES_OF_A_KIND, len(found))).round().astype(int)
        pictures = [
            picture_of_box(statistics.split, box, f"{names[box.label]}, {statistics.split.file_names[box.index]}")
            for statistics, box in (found[at] for at in places)
        ]
        if found:
            shown.append((kind, len(found), pictures))
    return shown


def _pictures_of_group(of_name: dict[str, SplitStatistics], group: list[tuple[str, int]]) -> list[SmallPicture]:
    """Return pictures of some members, of both splits if it has both."""
    by_split = [[member for member in group if member[0] == name] for name in of_name]
    present = [members for members in by_split if members]
    chosen = [member for members in present for member in members[: SHOWN_OF_GROUP // len(present)]]
    return [
        picture_of_image(of_name[name].split, index, f"{name}: {of_name[name].split.file_names[index]}")
        for name, index in chosen
    ]


def _split_name(statistics: SplitStatistics) -> str:
    return {"train": "training", "val": "validation"}[statistics.name]


def _listed(names: Sequence[str], most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
