"""Predictions for a user's own images: one picture for each image with its detections, and one JSON file of all."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from yolov3.boxes import Detections
from yolov3.data.images import read_image_rgb
from yolov3.drawing.detections import draw_detections
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import coco_rows
from yolov3.files import complete_file, write_json
from yolov3.prediction.detector import Classes

PREDICTIONS_NAME = "predictions.json"
JPEG_QUALITY = 92
# Of the formats that OpenCV reads those with 8 or 16 bits.
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe")
SUFFIXES = (
    *JPEG_SUFFIXES,
    *(".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".avif"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".ras", ".sr"),
)


def find_images(place: Path, without: Path | None = None) -> list[Path]:
    """Return the images of a folder and of the folders in it, sorted; or the one file that `place` is.

    Files are told apart by their suffix; hidden ones, whose name or folder begins with a dot, do not count.

    Args:
        place: folder or image file.
        without: folder in `place` that is left out, such as one of results.

    Raises:
        InputError: the place is missing or holds no images.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"{place} is neither an image nor a folder: check the path")
    left_out = without.resolve() if without else None
    if left_out in (place.resolve(), *place.resolve().parents):
        left_out = None
    found = [
        path
        for path in place.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(place).parts)
        and path.is_file()
        and not (left_out and path.resolve().is_relative_to(left_out))
    ]
    if not found:
        raise InputError(f"folder {place} holds no images ({' '.join(SUFFIXES)}): check the path")
    return sorted(found)


def predict_files(
    files: list[Path],
    folder: Path,
    detect: Callable[[Path, np.ndarray], Detections],
    classes: Classes,
    output_dir: Path,
    on_image: Callable[[], Any] = lambda: None,
) -> list[dict[str, Any]]:
    """Write <output_dir>/<name>.jpg or .png for each image, and predictions.json.

    Pictures of JPEG images are JPEG, others PNG. The EXIF orientation is applied: boxes, width and height are those of
    the upright image, as the picture shows it. An image that cannot be read is left out with a warning.

    Args:
        files: images under `folder`.
        folder: what file names are relative to; the pictures' folders are as there.
        detect: returns the detections of an image, given its path and content, uint8 [H, W, 3] RGB.
        classes: what `detect` can find.
        output_dir: folder of the results.
        on_image: called after each file.

    Returns:
        The content of predictions.json: for each image file, width, height and detections, best first, each with name,
        category_id (null if not known), score and bbox_xywh in pixels.

    Raises:
        InputError: a picture would replace an image; or, at the end, images could not be read.
    """
    pictures = picture_paths(files, folder, output_dir)
    _refuse_output_over_input(files, pictures)
    predictions, unreadable = [], []
    for path in files:
        try:
            image = read_image_rgb(path)
        except InputError as error:
            logging.warning("left out: %s", error)
            unreadable.append(str(error))
            on_image()
            continue
        found = detect(path, image)
        with complete_file(pictures[path]) as temporary:
            picture = Image.fromarray(draw_detections(image, found, classes.names))
            # Half the colours, the default, would blur thin lines.
            picture.save(temporary, quality=JPEG_QUALITY, subsampling=0)
        predictions.append(prediction_of(path.relative_to(folder).as_posix(), image, found, classes))
        on_image()
    if len(files) == len(unreadable) == 1:
        raise InputError(unreadable[0])
    write_json(output_dir / PREDICTIONS_NAME, predictions)
    if unreadable:
        raise InputError(
            f"{len(unreadable)} of {len(files)} images could not be read and were left out; the first: {unreadable[0]}"
        )
    return predictions


def prediction_of(file: str, image_rgb: np.ndarray, found: Detections, classes: Classes) -> dict[str, Any]:
    """Return what predictions.json has of an image; boxes are rounded to 1/100 pixel, scores to 5 digits."""
    rows = coco_rows(found, 0, range(len(classes.names))).tolist()
    return {
        "file": file,
        "width": image_rgb.shape[1],
        "height": image_rgb.shape[0],
        "detections": [
            {
                "name": classes.names[int(label)],
                "category_id": classes.category_ids[int(label)] if classes.category_ids else None,
                "score": score,
                "bbox_xywh": bbox,
            }
            for _, *bbox, score, label in rows
        ],
    }


def picture_paths(files: list[Path], folder: Path, output_dir: Path) -> dict[Path, Path]:
    """Return where the picture of each file goes: its name with .jpg or .png, each another name."""
    taken: set[Path] = set()
    pictures = {}
    for path in files:
        suffix = ".jpg" if path.suffix.lower() in JPEG_SUFFIXES else ".png"
        picture = output_dir / path.relative_to(folder).with_suffix(suffix)
        # a.tif beside a.png, or a.jpeg beside a.jpg.
        while picture in taken:
            picture = picture.with_name(f"{picture.name}{suffix}")
        taken.add(picture)
        pictures[path] = picture
    return pictures


def _refuse_output_over_input(files: list[Path], pictures: dict[Path, Path]) -> None:
    """Raise InputError if a picture would replace one of the images."""
    images = {path.resolve() for path in files}
    for path, picture in pictures.items():
        if picture.resolve() in images:
            raise InputError(f"the picture of {path} would overwrite the image {picture}: choose another output folder")
