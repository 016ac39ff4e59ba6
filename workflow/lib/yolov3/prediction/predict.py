"""Predictions for a user's own images: a picture of each image with its detections, and one JSON file for all."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from yolov3.boxes import Detections
from yolov3.data.images import read_image_rgb
from yolov3.drawing.detections import draw_detections
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.files import write_json
from yolov3.prediction.entries import PREDICTIONS_NAME, prediction_of
from yolov3.prediction.label_files import LabelFiles, write_label_files
from yolov3.prediction.pictures import (
    JPEG_SUFFIXES,
    picture_paths,
    refuse_images_among_crops,
    save_picture,
    write_crops,
)
from yolov3.terminal import progress_bar

# The formats with 8 or 16 bits among those that OpenCV reads.
SUFFIXES: tuple[str, ...] = (
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
    crops: bool = False,
    labels: LabelFiles | None = None,
) -> None:
    """Write <output_dir>/<name>.jpg or .png for each image, and predictions.json.

    Pictures of JPEG images are JPEG, others PNG. Boxes, width and height refer to the image after its EXIF orientation
    is applied, as the picture shows it. Unreadable images are skipped with a warning.

    Args:
        files: image files in `folder`.
        folder: base folder of the file names; the pictures have the same subfolders.
        detect: function (path, pixels uint8 [H, W, 3] RGB) -> detections.
        model: names the classes of the detections.
        output_dir: folder of all results.
        crops: whether to write each detection as a picture too, see `write_crops`.
        labels: annotation files to write, None for none.

    Raises:
        InputError: a picture would overwrite an image; or, after all others are done, images could not be read.
    """
    pictures = picture_paths(files, folder, output_dir)
    if crops:
        refuse_images_among_crops(files, output_dir)
    predictions, unreadable = [], []
    for path in progress_bar(files):
        try:
            image = read_image_rgb(path)
        except InputError as error:
            logging.warning("skipped: %s", error)
            unreadable.append(str(error))
            continue
        detections = detect(path, image)
        save_picture(pictures[path], draw_detections(image, detections, model.class_names))
        if crops:
            write_crops(image, detections, model.class_names, output_dir, pictures[path].relative_to(output_dir))
        predictions.append(prediction_of(path.relative_to(folder).as_posix(), image, detections, model))
    if len(files) == len(unreadable) == 1:
        raise InputError(unreadable[0])
    write_json(output_dir / PREDICTIONS_NAME, predictions)
    if labels:
        write_label_files(labels, predictions, output_dir)
    if unreadable:
        raise InputError(
            f"{len(unreadable)} of {len(files)} images could not be read and were skipped; the first: {unreadable[0]}"
        )
    count = sum(len(prediction["detections"]) for prediction in predictions)
    logging.info("%d detections in %d images: %s", count, len(predictions), output_dir)
