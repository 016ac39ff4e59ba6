"""Detections by the native program, for models that only it runs: MindSpore Lite's .ms, Ascend's .om."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from yolov3.boxes import Detections
from yolov3.data.annotations import CocoSplit
from yolov3.data.images import read_image_rgb
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import detections_of, read_results
from yolov3.export.description import ModelDescription
from yolov3.native.bins import BinsSettings, write_bins
from yolov3.native.run import NativeRunSettings, native_command, run_program


def native_detections(
    program: Path, model: Path, description: ModelDescription, files: list[Path], settings: NativeRunSettings
) -> Callable[[Path, np.ndarray], Detections]:
    """Run the program over all images at once.

    Args:
        program: native310.
        model: a file that it runs.
        description: of the model.
        files: images; those that cannot be read are left out.
        settings: how to run it.

    Returns:
        A function from an image's path to its detections; the second argument, its content, is not used.

    Raises:
        InputError: the program is not there, or fails.
    """
    if not program.is_file():
        raise InputError(
            f"models such as {model} are run by native310, which is not at {program}: run snakemake --cores 2 "
            "build_native310 first, or name it by --program"
        )
    readable, sizes_wh = [], []
    for path in files:
        try:
            height, width = read_image_rgb(path).shape[:2]
        except InputError:
            continue
        readable.append(path)
        sizes_wh.append((width, height))
    if not readable:
        return lambda path, image: detections_of(np.zeros((0, 7)), [])
    with tempfile.TemporaryDirectory(prefix="predict-") as folder:
        bins, output = Path(folder) / "bins", Path(folder) / "output"
        bins_settings = BinsSettings(description.input_size[0], description.letterbox, description.mean_std)
        write_bins(_split_of(readable, sizes_wh), range(len(readable)), bins_settings, bins)
        run_program(native_command(program, model, bins, output, settings))
        rows = read_results(output / "detections.json")
    rows_of = {path: rows[rows[:, 0] == number] for number, path in enumerate(readable)}
    return lambda path, image: detections_of(rows_of[path], description.category_ids)


def _split_of(files: list[Path], sizes_wh: list[tuple[int, int]]) -> CocoSplit:
    """Return the images without any boxes; their ids count from 0."""
    count = len(files)
    return CocoSplit(
        image_dir=Path.cwd(),
        image_ids=np.arange(count),
        file_names=tuple(str(path) for path in files),
        sizes_wh=np.array(sizes_wh, np.int32),
        first_box=np.zeros(count + 1, np.int64),
        boxes_xyxy=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int32),
        is_crowd=np.zeros(0, bool),
    )
