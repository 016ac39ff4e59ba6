"""Find the annotations of a data set that lies in one folder, in any of the formats, with or without splits."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.data.annotations import read_annotations
from yolov3.data.custom.labelled import LabelledImage, coco_dataset, image_files, read_list
from yolov3.data.custom.labelme import read_labelme
from yolov3.data.custom.voc import read_voc
from yolov3.data.custom.yolo import (
    LISTS_OF_NAMES,
    images_of_split,
    label_file_of,
    names_of,
    read_data_yaml,
    read_names,
    read_yolo,
)
from yolov3.errors import InputError

AUTO = "auto"
FORMATS = ("coco", "voc", "yolo", "labelme")
# Names that people and tools give to the two splits.
SPLIT_NAMES = {"train": ("train",), "val": ("val", "valid", "validation", "test")}
LISTS_OF_VOC = {"train": ("train.txt",), "val": ("val.txt", "test.txt")}
COCO_NAMES = ("{}.json", "instances_{}.json")


@dataclass(frozen=True)
class FoundSplit:
    """A split as a COCO data set, and the folder of its images."""

    dataset: dict[str, Any]
    image_dir: Path


def format_of(place: Path) -> str:
    """Return the format of an annotation file or of a folder, by the files that are there.

    Raises:
        InputError: there is nothing of a known format, or the place does not exist.
    """
    if place.suffix == ".json" and place.is_file():
        return "coco"
    if place.suffix in (".yaml", ".yml"):
        return "yolo"
    if not place.is_dir():
        raise InputError(f"annotations {place} do not exist: check the path in the config")
    if next(place.glob("*.yaml"), None) or next(place.glob("*.yml"), None):
        return "yolo"
    # In the order of the walk, the first file decides.
    for path in sorted(place.rglob("*")):
        if path.name.startswith("."):
            continue
        if path.suffix == ".xml":
            return "voc"
        if path.name in LISTS_OF_NAMES or (path.suffix == ".txt" and _is_label_file(path)):
            return "yolo"
        if path.suffix == ".json":
            return "labelme" if _is_labelme(path) else "coco"
    raise InputError(
        f"{place} has no annotations of a known format ({', '.join(FORMATS)}): give the files by "
        "custom.train_annotations and custom.val_annotations"
    )


def read_place(annotations: Path, image_dir: Path, kind: str, names: Sequence[str]) -> dict[str, Any]:
    """Read the annotations of one split: a COCO or data.yaml file, or a folder of files.

    Raises:
        InputError: they are missing or invalid.
    """
    if kind == "coco":
        return read_annotations(annotations)
    if kind == "yolo":
        images = image_files(image_dir)
        if annotations.is_file():
            pairs = [(image, label_file_of(image)) for image in images]
        else:
            pairs = [(image, annotations / image.relative_to(image_dir).with_suffix(".txt")) for image in images]
            if not any(file.is_file() for _, file in pairs):
                raise InputError(f"{annotations} has no text file with the name of an image of {image_dir}: check both")
        names = _names_near(annotations, names)
        return coco_dataset(read_yolo(pairs, names), image_dir, names)
    return coco_dataset(_read_files(kind, annotations, image_dir), image_dir)


def find_splits(folder: Path, kind: str, names: Sequence[str]) -> dict[str, FoundSplit]:
    """Return the splits of a data set in one folder: "train" and "val", or "all" if it has none.

    Raises:
        InputError: the folder has only one of them, or annotations are missing or invalid.
    """
    finders = {"coco": _coco_splits, "voc": _voc_splits, "yolo": _yolo_splits, "labelme": _labelme_splits}
    splits = finders[kind](folder, names)
    if set(splits) not in ({"all"}, {"train", "val"}):
        raise InputError(
            f"{folder} has the split {', '.join(splits) or 'none'} only: add the other one, or give the files of both "
            "by custom.train_annotations and custom.val_annotations"
        )
    return splits


def coco_places(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return annotation file and image folder of the splits that a folder of COCO files has, by their names."""
    found: dict[str, tuple[Path, Path]] = {}
    for split, aliases in SPLIT_NAMES.items():
        for alias in aliases:
            places = [folder / alias / "_annotations.coco.json"]
            bases = (folder / "annotations", folder)
            places += [base / name.format(alias) for base in bases for name in COCO_NAMES]
            file = next((place for place in places if place.is_file()), None)
            if file and split not in found:
                image_dir = next((place for place in _image_dirs(folder, alias) if place.is_dir()), folder)
                found[split] = (file, image_dir)
    return found


def _coco_splits(folder: Path, _names: Sequence[str]) -> dict[str, FoundSplit]:
    if places := coco_places(folder):
        return {split: FoundSplit(read_annotations(file), image_dir) for split, (file, image_dir) in places.items()}
    files = [path for base in (folder, folder / "annotations") for path in sorted(base.glob("*.json"))]
    if len(files) != 1:
        raise InputError(f"{folder} has {len(files)} JSON files: name train.json and val.json, or keep one")
    image_dir = folder / "images"
    return {"all": FoundSplit(read_annotations(files[0]), image_dir if image_dir.is_dir() else folder)}


def _image_dirs(folder: Path, alias: str) -> list[Path]:
    return [folder / alias / "images", folder / alias, folder / "images" / alias, folder / "images"]


def voc_lists(folder: Path) -> dict[str, list[str]]:
    """Return the stems of the images of the splits that VOC's lists name."""
    lists = {}
    for split, files in LISTS_OF_VOC.items():
        places = [folder / "ImageSets" / "Main" / name for name in files]
        if file := next((place for place in places if place.is_file()), None):
            # Lists of one class have a second column.
            lists[split] = [line.split()[0] for line in read_list(file)]
    return lists


def _voc_splits(folder: Path, _names: Sequence[str]) -> dict[str, FoundSplit]:
    annotation_dir = next((place for place in (folder / "Annotations", folder / "annotations") if place.is_dir()), None)
    if annotation_dir is None:
        return _splits_of_files(folder, "voc")
    image_dir = next((place for place in (folder / "JPEGImages", folder / "images") if place.is_dir()), annotation_dir)
    lists = {
        split: [annotation_dir / f"{stem}.xml" for stem in stems] for split, stems in voc_lists(folder).items()
    } or {"all": sorted(annotation_dir.rglob("*.xml"))}
    return _with_common_names(
        {split: (read_voc(files, annotation_dir, image_dir), image_dir) for split, files in lists.items()}
    )


def _labelme_splits(folder: Path, _names: Sequence[str]) -> dict[str, FoundSplit]:
    return _splits_of_files(folder, "labelme")


def _splits_of_files(folder: Path, kind: str) -> dict[str, FoundSplit]:
    """Return splits by folders with images and annotation files beside each other."""
    found = {}
    for split, aliases in SPLIT_NAMES.items():
        if place := next((folder / alias for alias in aliases if (folder / alias).is_dir()), None):
            found[split] = (_read_files(kind, place, place), place)
    return _with_common_names(found or {"all": (_read_files(kind, folder, folder), folder)})


def _yolo_splits(folder: Path, names: Sequence[str]) -> dict[str, FoundSplit]:
    file = next((path for suffix in ("*.yaml", "*.yml") for path in sorted(folder.glob(suffix))), None)
    images: dict[str, list[Path]] = {}
    if file:
        content = read_data_yaml(file)
        names = names_of(content, file)
        for split, aliases in SPLIT_NAMES.items():
            entries = (images_of_split(content, file, alias) for alias in aliases)
            if found := next((entry for entry in entries if entry), None):
                images[split] = found
    else:
        names = _names_near(folder, names)
        for split, aliases in SPLIT_NAMES.items():
            places = [place for alias in aliases for place in (folder / "images" / alias, folder / alias / "images")]
            if place := next((place for place in places if place.is_dir()), None):
                images[split] = image_files(place)
    if not images:
        images["all"] = image_files(folder)
    splits = {}
    for split, paths in images.items():
        pairs = [(path, label_file_of(path)) for path in (path.absolute() for path in paths)]
        image_dir = Path(os.path.commonpath([path.parent for path, _ in pairs])) if pairs else folder
        splits[split] = FoundSplit(coco_dataset(read_yolo(pairs, names), image_dir, names), image_dir)
    return splits


def _with_common_names(images_of: dict[str, tuple[list[LabelledImage], Path]]) -> dict[str, FoundSplit]:
    """Return splits with the same labels: the names of the training images, then further ones."""
    first = next(iter(images_of.values()), ([], Path()))[0]
    known = sorted({box.name for image in first for box in image.boxes})
    splits = {}
    for split, (images, image_dir) in images_of.items():
        further = sorted({box.name for image in images for box in image.boxes} - set(known))
        splits[split] = FoundSplit(coco_dataset(images, image_dir, [*known, *further]), image_dir)
    return splits


def _read_files(kind: str, folder: Path, image_dir: Path) -> list[LabelledImage]:
    """Read the files of format voc or labelme in a folder and its subfolders."""
    suffix, read = {"voc": (".xml", read_voc), "labelme": (".json", read_labelme)}[kind]
    files = sorted(path for path in folder.rglob(f"*{suffix}") if not path.name.startswith("."))
    if not files:
        raise InputError(f"{folder} has no {suffix} files: check the path in the config")
    return read(files, folder, image_dir)


def _names_near(place: Path, given: Sequence[str]) -> Sequence[str]:
    """Return the class names of YOLO labels from a file in their folder or up to two above, else those given."""
    if place.is_file():
        return read_names(place)
    for folder in (place, *list(place.absolute().parents)[:2]):
        for name in (*LISTS_OF_NAMES, "data.yaml"):
            if (folder / name).is_file():
                return read_names(folder / name)
    if given:
        return given
    raise InputError(
        f"{place} has no class names: write them to {place / LISTS_OF_NAMES[0]}, one a line, or to custom.classes"
    )


def _is_label_file(path: Path) -> bool:
    try:
        words = path.read_text(encoding="utf-8-sig").split(maxsplit=5)[:5]
        return len(words) == 5 and all(float(word) >= 0 for word in words)
    except (OSError, ValueError):
        return False


def _is_labelme(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "shapes" in content
