"""Give a split of a data set to the native program as JPEG files, which it reads itself."""

import logging
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from yolov3.data.annotations import CocoSplit
from yolov3.data.images import read_image_rgb
from yolov3.files import write_json
from yolov3.native.bins import image_names

IMAGES_FOLDER = "images"
ANNOTATIONS_NAME = "annotations.json"
JPEG_BEGINNING = b"\xff\xd8\xff"
# Without loss that matters: the best quality, and colours of full resolution.
COPY_OPTIONS = {"quality": 100, "subsampling": 0}


def is_jpeg(path: Path) -> bool:
    """Return whether the content of a file begins as JPEG files do; False if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(JPEG_BEGINNING)) == JPEG_BEGINNING
    except OSError:
        return False


def link_jpegs(split: CocoSplit, indices: Sequence[int], folder: Path) -> tuple[Path, Path]:
    """Fill a folder with links to a split's images; those of other formats become JPEG copies, with a warning.

    The links have the names that bins have, so that the program's results have the same names.

    Args:
        split: split of the data set.
        indices: images of the split.
        folder: existing folder, empty.

    Returns:
        The folder of the links, and COCO annotations with their ids and sizes.

    Raises:
        InputError: an image of another format cannot be read.
    """
    images_dir = folder / IMAGES_FOLDER
    images_dir.mkdir()
    entries, copied = [], []
    for index, name in zip(indices, image_names(split, indices), strict=True):
        path, target = split.path(index), images_dir / f"{name}.jpg"
        width, height = (int(side) for side in split.sizes_wh[index])
        if is_jpeg(path):
            target.symlink_to(path.resolve())
        else:
            Image.fromarray(read_image_rgb(path, (width, height))).save(target, "JPEG", **COPY_OPTIONS)
            copied.append(path)
        entries.append({"id": split.image_ids[index], "file_name": target.name, "width": width, "height": height})
    if copied:
        logging.warning(
            "%d of %d images are not JPEG files, the first is %s: JPEG copies of the best quality are used",
            *(len(copied), len(entries), copied[0]),
        )
    annotations = folder / ANNOTATIONS_NAME
    write_json(annotations, {"images": entries})
    return images_dir, annotations
