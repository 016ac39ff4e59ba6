"""The manifest: a file with the paths and counts of a data set, or of one split of it, for all later stages."""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.errors import InputError
from yolov3.files import read_json, write_json

SPLITS = ("train", "val")
FORMAT_VERSION = 2
Places = dict[str, tuple[Path, Path]]
"""Image folder and annotation file of each split, by its name."""


@dataclass(frozen=True)
class Category:
    """A class of the data set: its COCO id and name."""

    id: int
    name: str


@dataclass(frozen=True)
class SplitFiles:
    """One split of a data set.

    Attributes:
        image_dir: folder that the annotations' file names are relative to.
        annotation_file: COCO instances JSON.
        images: number of images, without excluded ones.
        boxes: number of usable boxes, without crowds.
        crowds: number of usable crowd boxes.
        images_without_boxes: number of images without a usable box that is not a crowd.
        max_boxes: largest number of usable boxes, without crowds, in an image.
        excluded_images: file names of images left out because they are missing or unreadable.
        fingerprint: SHA-256 of the content of annotations and images, in hexadecimal.
    """

    image_dir: Path
    annotation_file: Path
    images: int
    boxes: int
    crowds: int
    images_without_boxes: int
    max_boxes: int
    excluded_images: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Manifest:
    """A data set, or one split of it.

    Attributes:
        provider: shapes, coco2014 or custom.
        categories: classes of the training annotations by ascending id; a label is an index into them.
        splits: files and counts of "train", "val" or both.
    """

    provider: str
    categories: tuple[Category, ...]
    splits: dict[str, SplitFiles]

    @property
    def category_ids(self) -> tuple[int, ...]:
        """COCO id of each class."""
        return tuple(category.id for category in self.categories)

    def split(self, name: str) -> SplitFiles:
        """Return the files and counts of a split.

        Raises:
            InputError: the manifest describes only the other split.
        """
        if name not in self.splits:
            raise InputError(f"the manifest has no split {name}: give results/data/manifest.json, which has both")
        return self.splits[name]

    def fingerprint(self, *splits: str) -> str:
        """Return the SHA-256 of categories and content of splits, in hexadecimal; it does not depend on paths."""
        categories = [[category.id, category.name] for category in self.categories]
        content = [categories, [[name, self.split(name).fingerprint] for name in splits]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def write(self, path: str | Path) -> None:
        """Write as JSON; paths within the working directory relative to the manifest, others absolute."""
        folder = Path(path).absolute().parent
        value = dataclasses.asdict(self)
        for split in value["splits"].values():
            for name in ("image_dir", "annotation_file"):
                split[name] = stored_path(split[name], folder)
        write_json(path, {"format_version": FORMAT_VERSION, **value})

    @classmethod
    def read(cls, *paths: str | Path) -> "Manifest":
        """Read a manifest, or merge those of the two splits of a data set.

        Raises:
            InputError: a file is missing or is not a manifest of this version, or the files are of two data sets.
        """
        manifests = [_read_manifest(Path(path)) for path in paths]
        first = manifests[0]
        for path, other in zip(paths[1:], manifests[1:], strict=True):
            if (other.provider, other.categories) != (first.provider, first.categories):
                raise InputError(
                    f"manifests {paths[0]} and {path} are of different data sets: run the download stage again"
                )
        return cls(first.provider, first.categories, {name: m.splits[name] for m in manifests for name in m.splits})


def folder_places(folder: Path) -> Places:
    """Return the paths in coco2014's layout: <split>/ and annotations/<split>.json."""
    return {split: (folder / split, folder / "annotations" / f"{split}.json") for split in SPLITS}


def _read_manifest(path: Path) -> Manifest:
    value = read_json(path, "manifest")
    try:
        if value["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {value['format_version']}")
        return Manifest(
            provider=value["provider"],
            categories=tuple(Category(**category) for category in value["categories"]),
            splits={name: _split_files(files, path.parent) for name, files in value["splits"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"manifest {path} is not one of this version ({type(error).__name__}: {error}): "
            "run the download stage again"
        ) from None


def stored_path(path: Path, folder: Path) -> str:
    """Return `path` relative to `folder` if both are in the working directory, which may be moved, else absolute."""
    path, working_dir = path.absolute(), Path.cwd()
    if path.is_relative_to(working_dir) and folder.is_relative_to(working_dir):
        return os.path.relpath(path, folder)
    return str(path)


def _split_files(value: dict[str, Any], folder: Path) -> SplitFiles:
    paths = {name: Path(os.path.normpath(folder / value[name])) for name in ("image_dir", "annotation_file")}
    return SplitFiles(**{**value, **paths, "excluded_images": tuple(value["excluded_images"])})
