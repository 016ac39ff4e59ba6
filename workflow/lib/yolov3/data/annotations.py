"""Read and check annotations in COCO format, and hold them as arrays."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from yolov3.boxes import xywh_to_xyxy
from yolov3.data.manifest import Category, Manifest
from yolov3.errors import InputError
from yolov3.files import read_json

# Pixels. A box that extends beyond the image by less than this is not reported, since annotations are rounded.
OUTSIDE_TOLERANCE = 0.5
# Pixels; OpenCV reads no larger images.
MAX_SIDE = 2**20
# Signed and unsigned integers of 64 bits, which the native program reads.
MIN_ID, MAX_ID = -(2**63), 2**64 - 1
CROWD_VALUES = {0: False, 1: True, "0": False, "1": True, None: False}
WHOLE_NUMBERS = {
    "images": ("id", "width", "height"),
    "annotations": ("id", "image_id", "category_id"),
    "categories": ("id",),
}


@dataclass(frozen=True)
class CocoSplit:
    """Images of a split, by ascending image id, with their usable boxes.

    Attributes:
        image_dir: folder of the images.
        image_ids: N COCO ids.
        file_names: N names relative to `image_dir`.
        sizes_wh: int32 [N, 2], width and height in pixels.
        first_box: int64 [N + 1]; the boxes of image i are first_box[i] .. first_box[i + 1] - 1.
        boxes_xyxy: float32 [M, 4], pixels of the original image, clipped to it, never empty.
        labels: int32 [M], index into the categories by ascending id.
        is_crowd: bool [M], True for regions of many objects, which are not used for training.
    """

    image_dir: Path
    image_ids: tuple[int, ...]
    file_names: tuple[str, ...]
    sizes_wh: np.ndarray
    first_box: np.ndarray
    boxes_xyxy: np.ndarray
    labels: np.ndarray
    is_crowd: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.file_names)

    def path(self, index: int) -> Path:
        """Return the path of an image."""
        return self.image_dir / self.file_names[index]

    def boxes_of(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return boxes_xyxy, float32 [K, 4], and labels, int32 [K], of an image, without crowds."""
        rows = slice(self.first_box[index], self.first_box[index + 1])
        is_object = ~self.is_crowd[rows]
        return self.boxes_xyxy[rows][is_object], self.labels[rows][is_object]

    def box_counts(self) -> np.ndarray:
        """Return the number of boxes of each image, without crowds, int64 [N]."""
        before = np.concatenate([[0], np.cumsum(~self.is_crowd)])
        return before[self.first_box[1:]] - before[self.first_box[:-1]]

    def only(self, indices: np.ndarray) -> "CocoSplit":
        """Return the split of the images at these indices, ascending."""
        counts = np.diff(self.first_box)[indices]
        rows = np.concatenate(
            [np.zeros(0, np.int64), *map(np.arange, self.first_box[indices], self.first_box[indices + 1])]
        )
        return CocoSplit(
            image_dir=self.image_dir,
            image_ids=tuple(self.image_ids[index] for index in indices),
            file_names=tuple(self.file_names[index] for index in indices),
            sizes_wh=self.sizes_wh[indices],
            first_box=np.concatenate([[0], np.cumsum(counts)]),
            boxes_xyxy=self.boxes_xyxy[rows],
            labels=self.labels[rows],
            is_crowd=self.is_crowd[rows],
        )

    def with_boxes(self) -> np.ndarray:
        """Return the indices of images with at least one box that is not a crowd, int64, ascending."""
        return np.flatnonzero(self.box_counts())


@dataclass(frozen=True)
class AnnotationRows:
    """All annotations of a file, in its order, with flags for those that cannot be used.

    Attributes:
        image_index: int64 [A], index into the images by ascending id; -1 where the image is unknown or excluded.
        labels: int32 [A], index of the category of the same name; -1 where there is none.
        boxes_xyxy: float64 [A, 4], clipped to the image.
        is_crowd: bool [A].
        not_finite: bool [A], the box is missing or has NaN or infinity.
        empty: bool [A], the box is finite but has no width or height inside the image.
        outside: bool [A], the box extends beyond the image and was clipped.
        usable: bool [A], image and category are known and the box has an area.
    """

    image_index: np.ndarray
    labels: np.ndarray
    boxes_xyxy: np.ndarray
    is_crowd: np.ndarray
    not_finite: np.ndarray
    empty: np.ndarray
    outside: np.ndarray
    usable: np.ndarray


def read_annotations(path: str | Path) -> dict[str, Any]:
    """Read a COCO instances file and check its structure.

    Returns:
        The data set with the lists "images" (by ascending id), "annotations" and "categories" (by ascending id). Ids
        and sizes are integers. Of categories of one name, all but the first get a number, as in "cat (2)", and an entry
        "name_in_file".

    Raises:
        InputError: the file is not JSON, a list or field is missing or of the wrong type, or an id or a file occurs
            twice.
    """
    dataset = read_json(path, "annotation file")
    _floats_to_integers(dataset)
    if problem := next(_problems(dataset), ""):
        raise InputError(f"annotation file {path} {problem}")
    dataset["images"].sort(key=lambda image: image["id"])
    dataset["categories"].sort(key=lambda category: category["id"])
    _number_equal_names(dataset["categories"])
    return dataset


def _floats_to_integers(dataset: Any) -> None:
    """Replace floats such as 96.0 in fields that are integers; the structure is not checked yet."""
    for name, keys in WHOLE_NUMBERS.items():
        entries = dataset.get(name) if isinstance(dataset, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            for key in keys if isinstance(entry, dict) else ():
                value = entry.get(key)
                if isinstance(value, float) and value.is_integer():
                    entry[key] = int(value)


def _number_equal_names(categories: list[dict[str, Any]]) -> None:
    taken: set[str] = set()
    for category in categories:
        name, number = category["name"], 1
        while category["name"] in taken:
            number += 1
            category |= {"name": f"{name} ({number})", "name_in_file": name}
        taken.add(category["name"])


def _problems(dataset: Any) -> Iterator[str]:
    """Yield what is wrong in the content of an annotation file; only the first is valid, later checks rely on it."""
    for name in ("images", "annotations", "categories"):
        if not isinstance(dataset, dict) or not isinstance(dataset.get(name), list):
            yield f"has no list {name}: give a COCO instances file"
        if not all(isinstance(entry, dict) for entry in dataset[name]):
            yield f"has an entry in {name} that is not an object: correct it"
        if not dataset[name] and name != "annotations":
            yield f"has no {name}: give a COCO instances file with some"
    for image in dataset["images"]:
        name, image_id, width, height = (image.get(key) for key in ("file_name", "id", "width", "height"))
        if not (_is_id(image_id) and _is_whole(width, 1, MAX_SIDE) and _is_whole(height, 1, MAX_SIDE)):
            place = f"image {name!r} with id {image_id!r}, width {width!r} and height {height!r}"
            yield f"has {place}: give whole numbers of 64 bits, and sizes of 1 to {MAX_SIDE}"
        if name is None or name == "":
            yield f"has image {image_id} without file_name: add it"
        if not _is_text(name):
            yield f"has image {image_id} with file_name {name!r}: give the name of a file, in quotes"
    for category in dataset["categories"]:
        if not _is_id(category.get("id")) or not _is_text(category.get("name")):
            yield f"has category {category!r}: give it an integer id and a name"
    for row in dataset["annotations"]:
        number, image_id, category_id = row.get("id", 0), row.get("image_id"), row.get("category_id")
        if not all(map(_is_id, (number, image_id, category_id))):
            place = f"annotation {row.get('id')!r} with image_id {image_id!r} and category_id {category_id!r}"
            yield f"has {place}: give whole numbers of 64 bits"
        is_crowd = row.get("iscrowd")
        if isinstance(is_crowd, list | dict) or is_crowd not in CROWD_VALUES:
            yield f"has annotation {row.get('id')!r} with iscrowd {is_crowd!r}: give 0 or 1"
    for name, kind in (("images", "image"), ("annotations", "annotation"), ("categories", "category")):
        for value, count in Counter(entry["id"] for entry in dataset[name] if "id" in entry).items():
            if count > 1:
                yield f"has {kind} id {value!r} twice: make the ids unique"
    id_of: dict[str, int] = {}
    for image in dataset["images"]:
        name = str(PurePath(image["file_name"]))
        if name in id_of:
            yield f"has file {name!r} as images {id_of[name]} and {image['id']}: give it one id, with all its boxes"
        id_of[name] = image["id"]


def categories_of(dataset: dict[str, Any]) -> tuple[Category, ...]:
    """Return the categories of a data set by ascending id."""
    return tuple(Category(category["id"], category["name"]) for category in dataset["categories"])


def without_images(dataset: dict[str, Any], excluded: tuple[str, ...]) -> dict[str, Any]:
    """Return the data set without the images of the given names; their annotations stay, of unknown images."""
    names = set(excluded)
    return {**dataset, "images": [image for image in dataset["images"] if image["file_name"] not in names]}


def annotation_rows(dataset: dict[str, Any], categories: tuple[Category, ...]) -> AnnotationRows:
    """Convert the annotations of a data set from `read_annotations` to arrays, and check each of them."""
    annotations = dataset["annotations"]
    count = len(annotations)
    image_index_of = {image["id"]: index for index, image in enumerate(dataset["images"])}
    # The last row belongs to unknown images, whose index is -1.
    sizes_wh = np.array([*((image["width"], image["height"]) for image in dataset["images"]), (np.inf, np.inf)])
    label_of_name = {category.name: label for label, category in enumerate(categories)}
    label_of = {category["id"]: label_of_name.get(category["name"], -1) for category in dataset["categories"]}
    image_index = np.fromiter((image_index_of.get(row["image_id"], -1) for row in annotations), np.int64, count)
    labels = np.fromiter((label_of.get(row["category_id"], -1) for row in annotations), np.int32, count)
    is_crowd = np.fromiter((CROWD_VALUES[row.get("iscrowd")] for row in annotations), bool, count)
    boxes_xyxy = xywh_to_xyxy(np.array([_box_xywh(row) for row in annotations], np.float64).reshape(-1, 4))

    finite = np.isfinite(boxes_xyxy).all(axis=1)
    limits = np.tile(sizes_wh[image_index], 2)
    outside = finite & ((boxes_xyxy < -OUTSIDE_TOLERANCE) | (boxes_xyxy > limits + OUTSIDE_TOLERANCE)).any(axis=1)
    boxes_xyxy = np.clip(boxes_xyxy, 0, limits)
    # In float32, because that is how the boxes are stored.
    stored = boxes_xyxy.astype(np.float32)
    empty = finite & ~(stored[:, 2:] > stored[:, :2]).all(axis=1)
    usable = (image_index >= 0) & (labels >= 0) & finite & ~empty
    return AnnotationRows(image_index, labels, boxes_xyxy, is_crowd, ~finite, empty, outside, usable)


def split_of(dataset: dict[str, Any], rows: AnnotationRows, image_dir: Path) -> CocoSplit:
    """Return the images and usable boxes of a data set from `read_annotations`."""
    images = dataset["images"]
    order = np.flatnonzero(rows.usable)
    order = order[np.argsort(rows.image_index[order], kind="stable")]
    return CocoSplit(
        image_dir=image_dir,
        image_ids=tuple(image["id"] for image in images),
        file_names=tuple(image["file_name"] for image in images),
        sizes_wh=np.array([(image["width"], image["height"]) for image in images], np.int32).reshape(-1, 2),
        first_box=np.searchsorted(rows.image_index[order], np.arange(len(images) + 1)).astype(np.int64),
        boxes_xyxy=rows.boxes_xyxy[order].astype(np.float32),
        labels=rows.labels[order],
        is_crowd=rows.is_crowd[order],
    )


def repeated_rows(rows: AnnotationRows) -> np.ndarray:
    """Return bool [A]: whether an annotation equals an earlier one in image, category and box."""
    keys = (*rows.boxes_xyxy.T, rows.is_crowd, rows.labels, rows.image_index)
    order = np.lexsort(keys)
    equal = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    repeated = np.zeros(len(order), bool)
    # Sorting is stable, so the first of equal ones is the earliest.
    repeated[order[1:]] = equal
    return repeated


def read_split(manifest: Manifest, split: str) -> tuple[dict[str, Any], AnnotationRows]:
    """Read the annotations of "train" or "val", without excluded images, as a data set and as arrays.

    Raises:
        InputError: the annotation file is missing or no longer valid.
    """
    files = manifest.split(split)
    dataset = without_images(read_annotations(files.annotation_file), files.excluded_images)
    return dataset, annotation_rows(dataset, manifest.categories)


def load_split(manifest: Manifest, split: str) -> CocoSplit:
    """Load the images and usable boxes of "train" or "val".

    Raises:
        InputError: the annotation file is missing or no longer valid.
    """
    dataset, rows = read_split(manifest, split)
    return split_of(dataset, rows, manifest.split(split).image_dir)


def ground_truth(manifest: Manifest, split: str) -> dict[str, Any]:
    """Return the COCO data set of "train" or "val" as the evaluation takes it, see `usable_dataset`.

    Raises:
        InputError: the annotation file is missing or no longer valid.
    """
    return usable_dataset(*read_split(manifest, split), manifest.categories)


def usable_dataset(dataset: dict[str, Any], rows: AnnotationRows, categories: Sequence[Category]) -> dict[str, Any]:
    """Return a COCO data set without unusable boxes; the others are as annotated, not clipped.

    Args:
        dataset: the data set as read, without excluded images.
        rows: its annotations.
        categories: the classes, in the order of the labels of `rows`.
    """
    annotations = []
    # Renumbered from 1, because pycocotools treats a match with id 0 as no match.
    for number, index in enumerate(np.flatnonzero(rows.usable), start=1):
        row, category = dataset["annotations"][index], categories[rows.labels[index]]
        box_xywh, area = box_and_area(row)
        fields = {"id": number, "image_id": row["image_id"], "category_id": category.id, "bbox": list(box_xywh)}
        annotations.append({**fields, "area": area, "iscrowd": int(rows.is_crowd[index])})
    return {
        "info": {},
        "images": [{key: image[key] for key in ("id", "file_name", "width", "height")} for image in dataset["images"]],
        "annotations": annotations,
        "categories": [{"id": category.id, "name": category.name} for category in categories],
    }


def box_and_area(annotation: dict[str, Any]) -> tuple[tuple[float, float, float, float], float]:
    """Return box_xywh of an annotation, and its area: that of the box if it has no valid one."""
    box_xywh = _box_xywh(annotation)
    return box_xywh, float(annotation["area"]) if has_valid_area(annotation) else box_xywh[2] * box_xywh[3]


def has_valid_area(annotation: dict[str, Any]) -> bool:
    """Return whether the field `area` of an annotation is a number that an image can have."""
    area = annotation.get("area")
    return isinstance(area, int | float) and 0 < area <= MAX_SIDE**2


def _is_whole(value: Any, minimum: int, maximum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum


def _is_id(value: Any) -> bool:
    return _is_whole(value, MIN_ID, MAX_ID)


def _is_text(value: Any) -> bool:
    """Return whether a value is a text that file systems and UTF-8 can hold: no NUL, no half of a surrogate pair."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _box_xywh(annotation: dict[str, Any]) -> tuple[float, float, float, float]:
    bbox = annotation.get("bbox")
    try:
        # A text would give its digits.
        left, top, width, height = (float(value) for value in (bbox if isinstance(bbox, list | tuple) else ()))
    except (TypeError, ValueError, OverflowError):
        return (np.nan, np.nan, np.nan, np.nan)
    return (left, top, width, height)
