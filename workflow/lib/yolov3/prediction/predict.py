"""Predictions for a user's own images: a picture of each image with its detections, and one JSON file for all."""

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
from yolov3.export.description import ModelDescription
from yolov3.files import complete_file, write_json

PREDICTIONS_NAME = "predictions.json"
JPEG_QUALITY = 92
# The formats with 8 or 16 bits among those that OpenCV reads.
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe")
SUFFIXES = (
    *JPEG_SUFFIXES,
    *(".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif", ".jp2", ".avif"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".ras", ".sr"),
)


def find_images(place: Path, without: Path | None = None) -> list[Path]:
    """Return the image files in a folder and its subfolders, sorted; or `place` itself if it is a file.

    Images are recognised by their suffix. Files are skipped if their name or that of a subfolder starts with a dot.

    Args:
        place: folder or image file.
        without: folder in `place` to skip, such as the output folder.

    Raises:
        InputError: the place does not exist or has no images.
    """
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"{place} is neither an image nor a folder: check the path")
    skipped = without.resolve() if without else None
    if skipped in (place.resolve(), *place.resolve().parents):
        skipped = None
    images = [
        path
        for path in place.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(place).parts)
        and path.is_file()
        and not (skipped and path.resolve().is_relative_to(skipped))
    ]
    if not images:
        raise InputError(f"folder {place} contains no images ({' '.join(SUFFIXES)}): check the path")
    return sorted(images)


def predict_files(
    files: list[Path],
    folder: Path,
    detect: Callable[[Path, np.ndarray], Detections],
    model: ModelDescription,
    output_dir: Path,
    on_image: Callable[[], Any] = lambda: None,
) -> list[dict[str, Any]]:
    """Write <output_dir>/<name>.jpg or .png for each image, and predictions.json.

    Pictures of JPEG images are JPEG, others PNG. Boxes, width and height refer to the image after its EXIF orientation
    is applied, as the picture shows it. Unreadable images are skipped with a warning.

    Args:
        files: image files in `folder`.
        folder: base folder of the file names; the pictures have the same subfolders.
        detect: function (path, pixels uint8 [H, W, 3] RGB) -> detections.
        model: names the classes of the detections.
        on_image: called after each file.

    Returns:
        The content of predictions.json: for each image its file, width, height and detections in descending order of
        score, each with name, category_id (null if not known), score and bbox_xywh in pixels.

    Raises:
        InputError: a picture would overwrite an image; or, after all others are done, images could not be read.
    """
    pictures = picture_paths(files, folder, output_dir)
    predictions, unreadable = [], []
    for path in files:
        try:
            image = read_image_rgb(path)
        except InputError as error:
            logging.warning("skipped: %s", error)
            unreadable.append(str(error))
            on_image()
            continue
        detections = detect(path, image)
        with complete_file(pictures[path]) as temporary:
            picture = Image.fromarray(draw_detections(image, detections, model.class_names))
            # The default, chroma at half the resolution, would blur thin lines.
            picture.save(temporary, quality=JPEG_QUALITY, subsampling=0)
        predictions.append(prediction_of(path.relative_to(folder).as_posix(), image, detections, model))
        on_image()
    if len(files) == len(unreadable) == 1:
        raise InputError(unreadable[0])
    write_json(output_dir / PREDICTIONS_NAME, predictions)
    if unreadable:
        raise InputError(
            f"{len(unreadable)} of {len(files)} images could not be read and were skipped; the first: {unreadable[0]}"
        )
    return predictions


def prediction_of(file: str, image_rgb: np.ndarray, detections: Detections, model: ModelDescription) -> dict[str, Any]:
    """Return the entry of an image in predictions.json; boxes are rounded to 1/100 pixel, scores to 5 digits."""
    rows = coco_rows(detections, 0).tolist()
    return {
        "file": file,
        "width": image_rgb.shape[1],
        "height": image_rgb.shape[0],
        "detections": [
            {
                "name": model.class_names[int(label)],
                "category_id": model.category_ids[int(label)] if model.category_ids else None,
                "score": score,
                "bbox_xywh": bbox,
            }
            for _, *bbox, score, label in rows
        ],
    }


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
