"""Predictions as annotation files, for correcting them in a labelling tool or for evaluating them elsewhere."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from yolov3.data.annotations import read_annotations
from yolov3.data.custom.writers import write_annotations
from yolov3.data.custom.yolo import LISTS_OF_NAMES
from yolov3.data.images import upright_size
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import CocoIds, write_results
from yolov3.export.description import ModelDescription

RESULTS_NAME = "results.json"
KINDS = ("coco", "yolo", "voc", "labelme")


@dataclass(frozen=True)
class LabelFiles:
    """What is written, and the ids in it.

    Attributes:
        kind: one of KINDS.
        image_ids: COCO id of each image, by its file name relative to the folder of the images.
        category_ids: COCO id of each class, by its name; in the order of the labels.
    """

    kind: str
    image_ids: dict[str, int]
    category_ids: dict[str, int]


def label_files(
    kind: str, files: list[Path], folder: Path, model: ModelDescription, annotations: Path | None
) -> LabelFiles:
    """Choose the ids, and check what can be checked before the prediction.

    Without annotations, images are numbered from 1 in the order of `files`; classes have the ids of the data set that
    the model was trained on, or are numbered from 1 if these are not known.

    Args:
        kind: one of KINDS.
        files: images.
        folder: folder that all of them are in.
        model: names the classes.
        annotations: COCO file of these images, from which the ids come; None if there is none.

    Raises:
        InputError: the annotations are not valid or miss an image or a class, or two images would have one label file.
    """
    names = [path.relative_to(folder).as_posix() for path in files]
    if kind != "coco":
        _refuse_shared_files(names, kind)
    if annotations is None:
        category_ids = model.category_ids or range(1, len(model.class_names) + 1)
        image_ids = {name: number for number, name in enumerate(names, start=1)}
        return LabelFiles(kind, image_ids, dict(zip(model.class_names, category_ids, strict=True)))
    dataset = read_annotations(annotations)
    return LabelFiles(
        kind, _annotated_ids(files, names, dataset, annotations), _categories(model, dataset, annotations)
    )


def write_label_files(labels: LabelFiles, predictions: list[dict[str, Any]], output_dir: Path) -> None:
    """Write predictions to <output_dir>/<kind>, with a file for each image, or all in one of kind coco.

    Kind coco has two: results.json, the COCO results, and annotations.json, a data set of these images with the
    detections as annotations, which names images and classes of the ids.

    Args:
        labels: see `label_files`.
        predictions: content of predictions.json.
        output_dir: folder of all results.
    """
    folder = output_dir / labels.kind
    write_annotations(_dataset(labels, predictions), labels.kind, folder)
    if labels.kind == "coco":
        label_of = {name: label for label, name in enumerate(labels.category_ids)}
        rows = [
            [index, *detection["bbox_xywh"], detection["score"], label_of[detection["name"]]]
            for index, entry in enumerate(predictions)
            for detection in entry["detections"]
        ]
        image_ids = [labels.image_ids[entry["file"]] for entry in predictions]
        ids = CocoIds(image_ids, list(labels.category_ids.values()))
        write_results(folder / RESULTS_NAME, np.array(rows, np.float64).reshape(-1, 7), ids)


def _dataset(labels: LabelFiles, predictions: list[dict[str, Any]]) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for entry in predictions:
        image_id = labels.image_ids[entry["file"]]
        size = {"width": entry["width"], "height": entry["height"]}
        images.append({"id": image_id, "file_name": entry["file"], **size})
        for detection in entry["detections"]:
            bbox = detection["bbox_xywh"]
            category_id = labels.category_ids[detection["name"]]
            ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category_id}
            rest = {"bbox": bbox, "area": round(bbox[2] * bbox[3], 4), "iscrowd": 0, "score": detection["score"]}
            annotations.append({**ids, **rest})
    categories = [{"id": category_id, "name": name} for name, category_id in labels.category_ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def _refuse_shared_files(names: list[str], kind: str) -> None:
    taken = {str(PurePosixPath(LISTS_OF_NAMES[0]).with_suffix("")): LISTS_OF_NAMES[0]} if kind == "yolo" else {}
    for name in names:
        stem = str(PurePosixPath(name).with_suffix(""))
        if stem in taken:
            raise InputError(f"image {name} and {taken[stem]} would have the same {kind} file: rename the image")
        taken[stem] = name


def _annotated_ids(files: list[Path], names: list[str], dataset: dict[str, Any], annotations: Path) -> dict[str, int]:
    """Return the id of each image: that of its file name, or of its name without folders if that is unique."""
    by_name = {image["file_name"]: image for image in dataset["images"]}
    counts = Counter(PurePosixPath(name).name for name in by_name)
    by_last = {PurePosixPath(name).name: image for name, image in by_name.items()}
    ids: dict[str, int] = {}
    taken: set[int] = set()
    for path, name in zip(files, names, strict=True):
        image = by_name.get(name) or (by_last.get(path.name) if counts[path.name] == 1 else None)
        if image is None or image["id"] in taken:
            raise InputError(
                f"image {path} has no entry of its own in annotation file {annotations}: give the annotations of these "
                "images, or leave the option out"
            )
        ids[name] = image["id"]
        taken.add(image["id"])
        _check_size(path, image, annotations)
    return ids


def _check_size(path: Path, image: dict[str, Any], annotations: Path) -> None:
    try:
        size_wh = upright_size(path)
    except InputError:
        # It is skipped later, with a warning.
        return
    if size_wh != (image["width"], image["height"]):
        raise InputError(
            f"image {path} is {size_wh[0]} x {size_wh[1]} pixels but annotation file {annotations} says "
            f"{image['width']} x {image['height']}: restore the image or correct the annotations"
        )


def _categories(model: ModelDescription, dataset: dict[str, Any], annotations: Path) -> dict[str, int]:
    known = {category["name"]: category["id"] for category in dataset["categories"]}
    for name in model.class_names:
        if name not in known:
            raise InputError(f"annotation file {annotations} has no category {name!r}, which the model has: add it")
    return {name: known[name] for name in model.class_names}
