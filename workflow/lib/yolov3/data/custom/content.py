"""What of the user's files concerns a split, so that a change of the other split reruns nothing of it."""

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from yolov3.data.custom.folder import AUTO, SPLIT_NAMES, coco_places, format_of, voc_lists
from yolov3.data.custom.labelled import IMAGE_SUFFIXES
from yolov3.errors import InputError
from yolov3.files import sha256_of

ANNOTATION_SUFFIXES = frozenset({".json", ".xml", ".txt", ".yaml", ".yml", ".names"})
OTHER_SPLIT = {"train": "val", "val": "train"}
_FILE_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')


def split_content(custom: dict[str, Any], split: str) -> str:
    """Return a digest of a split's files: names and sizes of its images, and the content of its annotations.

    Images are not read, as there may be many: one that is replaced by another of the same length goes unnoticed. The
    content of an annotation file that the config names is left out, as it is tracked by its key.

    Args:
        custom: section `custom` of the config.
        split: "train" or "val".

    Returns:
        The digest in hexadecimal; "" if a path does not exist or is not valid, which the stage tells.
    """
    try:
        if custom["folder"]:
            return _of_folder(Path(custom["folder"]), custom["format"], bool(custom["val_share"]), split)
        annotations, image_dir = Path(custom[f"{split}_annotations"]), Path(custom[f"{split}_image_dir"])
        return _of_place(annotations, image_dir, custom["format"])
    except (InputError, OSError, ValueError):
        return ""


def _of_folder(folder: Path, form: str, is_divided: bool, split: str) -> str:
    kind = format_of(folder) if form == AUTO else form
    files = _files_below(folder)
    if is_divided:
        return _digest(files, folder)
    if kind == "coco" and split in (places := coco_places(folder)):
        return f"{_sha256_of(places[split][0])} {_of_place(*places[split], kind)}"
    other = SPLIT_NAMES[OTHER_SPLIT[split]]
    lists = voc_lists(folder) if kind == "voc" else {}
    only_other = set(lists.get(OTHER_SPLIT[split], ())) - set(lists.get(split, ()))

    def is_of_other(path: Path) -> bool:
        return path.stem in other or path.stem in only_other or any(part in other for part in path.parts[:-1])

    return _digest((path for path in files if not is_of_other(path.relative_to(folder))), folder)


def _of_place(annotations: Path, image_dir: Path, form: str) -> str:
    kind = format_of(annotations) if form == AUTO else form
    if kind == "coco":
        # A search takes a tenth of the time of reading the file as JSON.
        found = set(_FILE_NAME.findall(annotations.read_bytes()))
        images = sorted(image_dir / json.loads(name) for name in found)
        return _digest(images, image_dir)
    labels = _files_below(annotations) if annotations.is_dir() else [annotations]
    # Without a file, an image is used by YOLO only.
    stems = {path.stem for path in labels}
    images = [path for path in _files_below(image_dir) if path.suffix.lower() in IMAGE_SUFFIXES]
    used = (path for path in images if kind == "yolo" or path.stem in stems)
    return f"{_digest(labels, annotations)} {_digest(used, image_dir)}"


@cache
def _files_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]


def _digest(files: Iterable[Path], folder: Path) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = _sha256_of(path) if path.suffix in ANNOTATION_SUFFIXES else ""
        size = path.stat().st_size if path.exists() else "missing"
        digest.update(f"{path.relative_to(folder)} {size} {content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


_sha256_of = cache(sha256_of)
