"""Detection by the native program, for models that only it can run: .ms (MindSpore Lite) and .om (Ascend)."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.boxes import Detections
from yolov3.data.annotations import annotation_rows, split_of
from yolov3.data.images import SizeWH, read_image_rgb, upright_size
from yolov3.errors import InputError
from yolov3.evaluation.coco_results import CocoIds, detections_of, read_results
from yolov3.export.description import ModelDescription
from yolov3.external_tool import ToolError
from yolov3.native.bins import BinsSettings, write_bins
from yolov3.native.jpegs import is_jpeg
from yolov3.native.run import NativeRunSettings, native_command, run_program


def native_detections(
    program: Path, model: Path, description: ModelDescription, files: list[Path], settings: NativeRunSettings
) -> Callable[[Path, np.ndarray], Detections]:
    """Run the native program on all images with a .ms or .om model; skip unreadable files.

    The program reads JPEG files itself; images of other formats are prepared as bins in a temporary folder, and all are
    if it cannot read a JPEG file.

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
    with tempfile.TemporaryDirectory(prefix="predict-") as name:
        folder = Path(name)

        def rows_of(source: Path) -> np.ndarray:
            run_program(native_command(program, model, source, folder / "output", settings))
            return read_results(
                folder / "output" / "detections.json", CocoIds(range(len(files)), description.category_ids)
            )

        rows = np.zeros((0, 7))
        prepared = {index for index, path in enumerate(files) if not is_jpeg(path)}
        jpegs = [index for index in range(len(files)) if index not in prepared]
        if jpegs:
            _link(files, jpegs, folder / "jpeg")
            try:
                rows = rows_of(folder / "jpeg")
            except ToolError as error:
                # Other errors, as that of a model which does not fit, do not name the input.
                if str(folder / "jpeg") not in str(error):
                    raise
                logging.info("images are prepared because the program cannot read all of them")
                prepared.update(jpegs)
        if prepared and _write_bins(files, sorted(prepared), description, folder / "bins"):
            rows = np.concatenate([rows, rows_of(folder / "bins")])
    index_of = {path: index for index, path in enumerate(files)}
    return lambda path, image: detections_of(rows[rows[:, 0] == index_of[path]])


def _link(files: list[Path], indices: Sequence[int], folder: Path) -> None:
    """Fill a folder with links whose names are unique and end with the ids that the program takes from them."""
    folder.mkdir()
    for index in indices:
        (folder / f"{index}.jpg").symlink_to(files[index].resolve())


def _write_bins(files: list[Path], indices: Sequence[int], description: ModelDescription, folder: Path) -> bool:
    """Write bins of the readable images; return whether there is one."""
    try:
        return _write(files, indices, _size_by_header, description, folder)
    except InputError:
        # The headers are valid but one of the images cannot be decoded.
        return _write(files, indices, _size_by_pixels, description, folder)


def _write(
    files: list[Path],
    indices: Sequence[int],
    size_of: Callable[[Path], SizeWH | None],
    description: ModelDescription,
    folder: Path,
) -> bool:
    images: list[dict[str, Any]] = [
        {"id": index, "file_name": str(files[index]), "width": size_wh[0], "height": size_wh[1]}
        for index in indices
        if (size_wh := size_of(files[index]))
    ]
    dataset = {"images": images, "annotations": [], "categories": []}
    split = split_of(dataset, annotation_rows(dataset, ()), Path.cwd())
    # Of bytes, which models that normalise themselves (AIPP) take, too.
    settings = BinsSettings(description.input_size[0], description.letterbox, description.mean_std, "uint8")
    if images:
        write_bins(split, range(len(split)), settings, folder)
    return bool(images)


def _size_by_header(path: Path) -> SizeWH | None:
    try:
        return upright_size(path)
    except InputError:
        # OpenCV reads formats that Pillow does not.
        return _size_by_pixels(path)


def _size_by_pixels(path: Path) -> SizeWH | None:
    try:
        height, width = read_image_rgb(path).shape[:2]
    except InputError:
        return None
    return width, height
