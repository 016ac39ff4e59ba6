"""Detection by the native program, for models that only it can run: .ms (MindSpore Lite) and .om (Ascend)."""

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
    """Run the native program once on all images.

    Args:
        program: path of native310.
        model: .ms or .om file.
        description: description of the model.
        files: image files; unreadable ones are skipped.
        settings: settings of the program.

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
    """Return a split of the images without boxes; image ids count from 0."""
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
