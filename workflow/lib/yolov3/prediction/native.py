"""Detection by the native program, for models that only it can run: .ms (MindSpore Lite) and .om (Ascend)."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.boxes import Detections
from yolov3.data.annotations import annotation_rows, split_of
from yolov3.data.images import read_image_rgb
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import CocoIds, detections_of, read_results
from yolov3.export.description import ModelDescription
from yolov3.native.bins import BinsSettings, write_bins
from yolov3.native.run import NativeRunSettings, native_command, run_program


def native_detections(
    program: Path, model: Path, description: ModelDescription, files: list[Path], settings: NativeRunSettings
) -> Callable[[Path, np.ndarray], Detections]:
    """Run the native program once on all images with a .ms or .om model; skip unreadable files.

    Returns:
        A function (path, pixels) -> detections of the image; the pixels are not used.

    Raises:
        InputError: the program is missing or fails.
    """
    if not program.is_file():
        raise InputError(
            f"model {model} needs the program native310, which does not exist at {program}: run snakemake --cores 2 "
            "build_native310 first, or give its path by --program"
        )
    images: list[dict[str, Any]] = []
    for path in files:
        with contextlib.suppress(InputError):
            height, width = read_image_rgb(path).shape[:2]
            images.append({"id": len(images), "file_name": str(path), "width": width, "height": height})
    if not images:
        return lambda path, image: detections_of(np.zeros((0, 7)))
    dataset = {"images": images, "annotations": [], "categories": []}
    split = split_of(dataset, annotation_rows(dataset, ()), Path.cwd())
    with tempfile.TemporaryDirectory(prefix="predict-") as folder:
        bins, output = Path(folder) / "bins", Path(folder) / "output"
        bins_settings = BinsSettings(description.input_size[0], description.letterbox, description.mean_std)
        write_bins(split, range(len(split)), bins_settings, bins)
        run_program(native_command(program, model, bins, output, settings))
        rows = read_results(output / "detections.json", CocoIds(range(len(images)), description.category_ids))
    rows_of = {image["file_name"]: rows[rows[:, 0] == image["id"]] for image in images}
    return lambda path, image: detections_of(rows_of[str(path)])
