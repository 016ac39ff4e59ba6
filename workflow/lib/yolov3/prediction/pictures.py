"""Pictures that a prediction writes: their paths and formats, and crops of the detections."""

import math
import os
import re
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from yolov3.boxes import Detections
from yolov3.errors import InputError
from yolov3.files import complete_file

JPEG_QUALITY = 92
JPEG_SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".jpe")
CROPS_FOLDER = "crops"
# File systems allow 255.
MAX_FOLDER_BYTES = 200


def picture_paths(files: list[Path], folder: Path, output_dir: Path) -> dict[Path, Path]:
    """Return a distinct path in `output_dir` for the picture of each file: the file's name with suffix .jpg or .png.

    Raises:
        InputError: a picture would overwrite one of the files.
    """
    images = {path.resolve() for path in files}
    taken: set[Path] = set()
    pictures = {}
    for path in files:
        suffix = ".jpg" if path.suffix.lower() in JPEG_SUFFIXES else ".png"
        picture = output_dir / path.relative_to(folder).with_suffix(suffix)
        # As for a.tif beside a.png, or a.jpeg beside a.jpg.
        while picture in taken:
            picture = picture.with_name(f"{picture.name}{suffix}")
        if picture.resolve() in images:
            raise InputError(f"the picture of {path} would overwrite the image {picture}: choose another output folder")
        taken.add(picture)
        pictures[path] = picture
    return pictures


def save_picture(path: Path, picture_rgb: np.ndarray) -> None:
    """Write uint8 [H, W, 3] as JPEG or PNG, by the suffix; never leave a partial file."""
    with complete_file(path) as temporary:
        # The default, chroma at half the resolution, would blur thin lines.
        Image.fromarray(picture_rgb).save(temporary, quality=JPEG_QUALITY, subsampling=0)


def write_crops(
    image_rgb: np.ndarray, detections: Detections, class_names: tuple[str, ...], output_dir: Path, picture: PurePath
) -> None:
    """Write each detection's part of an image to <output_dir>/crops/<class>/<picture without suffix>_<number>.<suffix>.

    The number counts the detections of the image from 1, in the order of predictions.json. Partly covered pixels belong
    to the crop.

    Args:
        image_rgb: uint8 [H, W, 3].
        detections: in pixels of the image.
        class_names: names, indexed by label.
        output_dir: folder of all results.
        picture: path of the image's picture relative to it.
    """
    height, width = image_rgb.shape[:2]
    for number, (box_xyxy, label) in enumerate(zip(detections.boxes_xyxy, detections.labels, strict=True), start=1):
        left, top = (
            min(math.floor(value), side - 1) for value, side in zip(box_xyxy[:2], (width, height), strict=True)
        )
        right, bottom = (math.ceil(value) for value in box_xyxy[2:])
        crop = image_rgb[top : max(bottom, top + 1), left : max(right, left + 1)]
        name = picture.with_name(f"{picture.stem}_{number}{picture.suffix}")
        save_picture(output_dir / CROPS_FOLDER / folder_name(class_names[label]) / name, np.ascontiguousarray(crop))


def refuse_images_among_crops(files: list[Path], output_dir: Path) -> None:
    """Raise InputError if an image is in the folder of the crops, which could overwrite it."""
    crops = (output_dir / CROPS_FOLDER).resolve()
    for path in files:
        if path.resolve().is_relative_to(crops):
            raise InputError(f"image {path} is in the folder of the crops, {crops}: choose another output folder")


def folder_name(class_name: str) -> str:
    """Return a class name as the name of a folder: other characters than these are not allowed everywhere."""
    name = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", class_name)
    name = re.sub(r"^[. ]+|[. ]+$", "_", name) or "_"
    return os.fsencode(name)[:MAX_FOLDER_BYTES].decode(errors="ignore")
