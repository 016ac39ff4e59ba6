"""The user's own data set: where it is, its format, its classes, and its division into splits."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.data.custom.division import validation_images, with_images
from yolov3.data.custom.folder import AUTO, FoundSplit, find_splits, format_of, read_place
from yolov3.data.manifest import SPLITS, Places
from yolov3.errors import InputError
from yolov3.files import write_text


@dataclass(frozen=True)
class CustomSettings:
    """Places and treatment of the user's own data set; fields are the config's `custom` keys of the same names."""

    folder: str
    format: str
    val_share: float
    classes: tuple[str, ...]
    rename: dict[str, str]
    train_image_dir: str
    train_annotations: str
    val_image_dir: str
    val_annotations: str


def is_converted(custom: dict[str, Any], split: str) -> bool:
    """Return whether the annotations of a split are converted to a new COCO file instead of used in place.

    `custom` is the section of the config.
    """
    if any(custom[key] for key in ("folder", "classes", "rename")) or custom["format"] not in (AUTO, "coco"):
        return True
    given = Path(custom[f"{split}_annotations"] or "none")
    return given.is_dir() or given.suffix in (".yaml", ".yml")


def custom_places(settings: CustomSettings, splits: Sequence[str], seed: int, converted_dir: Path) -> Places:
    """Return image folder and COCO file of each split; write the file if the annotations are of another format.

    Args:
        settings: places and treatment.
        splits: splits to return.
        seed: seed of a division by `val_share`.
        converted_dir: folder of the written files, <split>/annotations.json.

    Raises:
        InputError: a path is not given or does not exist, or annotations are invalid.
    """
    if not settings.folder:
        found = {split: _given_split(settings, split) for split in splits if is_converted(vars(settings), split)}
    else:
        found = _splits_of_folder(settings, seed)
    places = {}
    for split in splits:
        if split not in found:
            places[split] = _given_places(settings, split)
            continue
        dataset = with_classes(found[split].dataset, settings.classes, settings.rename, split)
        file = converted_dir / split / "annotations.json"
        # What is not a number in the user's file stays so, and is counted by the check.
        write_text(file, json.dumps(dataset, ensure_ascii=False) + "\n")
        logging.info("%s: %d images with annotations in COCO format: %s", split, len(dataset["images"]), file)
        places[split] = (found[split].image_dir, file)
    return places


def _given_places(settings: CustomSettings, split: str) -> tuple[Path, Path]:
    keys = (f"{split}_image_dir", f"{split}_annotations")
    for key in keys:
        if not getattr(settings, key):
            raise InputError(
                f"custom.{key} is empty but data.provider is custom: set it to the path, or custom.folder to a folder "
                "with everything"
            )
    return Path(getattr(settings, keys[0])), Path(getattr(settings, keys[1]))


def _given_split(settings: CustomSettings, split: str) -> FoundSplit:
    image_dir, annotations = _given_places(settings, split)
    kind = format_of(annotations) if settings.format == AUTO else settings.format
    return FoundSplit(read_place(annotations, image_dir, kind, settings.classes), image_dir)


def _splits_of_folder(settings: CustomSettings, seed: int) -> dict[str, FoundSplit]:
    folder = Path(settings.folder)
    kind = format_of(folder) if settings.format == AUTO else settings.format
    logging.info("%s has annotations of format %s", folder, kind)
    found = find_splits(folder, kind, settings.classes)
    if "all" not in found:
        return found
    if settings.val_share <= 0:
        raise InputError(
            f"{folder} is not divided into training and validation images: set custom.val_share to the share of the "
            "latter, such as 0.2"
        )
    # Only a division needs it.
    from yolov3.data.near_duplicates import perceptual_hashes, similar_groups

    whole = found["all"]
    paths = [whole.image_dir / image["file_name"] for image in whole.dataset["images"]]
    groups = similar_groups(perceptual_hashes(paths, can_skip=True))
    logging.info("%d images in %d groups that look alike and stay in one split", len(paths), len(set(groups.tolist())))
    chosen = validation_images(whole.dataset, settings.val_share, seed, groups.tolist())
    return {
        split: FoundSplit(with_images(whole.dataset, chosen, keep=split == "val"), whole.image_dir) for split in SPLITS
    }


def with_classes(
    dataset: dict[str, Any], classes: Sequence[str], rename: dict[str, str], split: str = ""
) -> dict[str, Any]:
    """Return a COCO data set with classes renamed, merged and left out.

    Args:
        dataset: the data set.
        classes: names to keep, in the order of their labels; () for all in their order.
        rename: new name of a class by its old one; classes of one name become one.
        split: its name, for the log.

    Raises:
        InputError: a name is not a class of the data set.
    """
    if not classes and not rename:
        return dataset
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    new_names = {category_id: rename.get(name, name) for category_id, name in names.items()}
    kept = list(classes) or list(dict.fromkeys(new_names.values()))
    # Validation images may lack a class.
    for key, given, known in (("rename", rename, names), ("classes", kept, new_names)) if split != "val" else ():
        for name in given:
            if name not in known.values():
                listed = ", ".join(dict.fromkeys(known.values()))
                raise InputError(f"custom.{key} has {name!r}, which is no class: the classes are {listed}")
    id_of = {name: index for index, name in enumerate(kept, start=1)}
    annotations = [
        {**row, "category_id": id_of[new_names[row["category_id"]]]}
        for row in dataset["annotations"]
        if new_names.get(row["category_id"]) in id_of
    ]
    left_out = len(dataset["annotations"]) - len(annotations)
    logging.info("%s: %d boxes of classes that are left out", split, left_out)
    categories = [{"id": category_id, "name": name} for name, category_id in id_of.items()]
    return {**dataset, "annotations": annotations, "categories": categories}
