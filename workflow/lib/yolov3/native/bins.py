"""Write images as raw .bin files for a runner, with an index and the original code's two lists, in one folder.

<folder>/index.json   read by native310: input size, dtype, layout, mean and deviation, and for each image its id,
                      name, file, original size and place in the input
<folder>/image_id.txt, image_shape.txt   one line per image in the index's order: COCO id; width and height in pixels
<folder>/images/<name>.bin
"""

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.data.annotations import CocoSplit
from yolov3.data.images import read_image_rgb
from yolov3.data.read_ahead import read_ahead
from yolov3.errors import InputError
from yolov3.files import require_free_space, write_json, write_text
from yolov3.network.preprocess import normalise, place_image
from yolov3.network.settings import MeanStd
from yolov3.process import available_cpus

FORMAT_VERSION = 1
INDEX_NAME = "index.json"
IDS_NAME = "image_id.txt"
SHAPES_NAME = "image_shape.txt"
IMAGES_FOLDER = "images"
OWN_NAMES = {INDEX_NAME, IDS_NAME, SHAPES_NAME, IMAGES_FOLDER}
# File systems allow 255 bytes; the runner appends suffixes for output maps and incomplete files.
MAX_NAME_BYTES = 220
# Space for the index entry and for the file system's block size.
SPARE_BYTES_PER_IMAGE = 4096


@dataclass(frozen=True)
class BinsSettings:
    """How images are prepared.

    Attributes:
        testing_shape: height and width of the network input in pixels.
        letterbox: keep the aspect ratio and pad.
        mean_std: normalisation of float32 bins; for uint8 bins the runner takes it from the index.
        bins_dtype: "float32" (normalised) or "uint8" (pixels, which the runner normalises), 4 times smaller.
        bins_layout: "NCHW" or "NHWC".
    """

    testing_shape: int
    letterbox: bool
    mean_std: MeanStd
    bins_dtype: str = "float32"
    bins_layout: str = "NCHW"

    @property
    def bytes_per_image(self) -> int:
        """Size of a .bin file in bytes."""
        return 3 * self.testing_shape**2 * np.dtype(self.bins_dtype).itemsize


def write_bins(
    split: CocoSplit,
    indices: Sequence[int],
    settings: BinsSettings,
    output_dir: Path,
    on_images: Callable[[int], Any] = lambda count: None,
) -> None:
    """Write the bins of a split's images to a folder that appears under its name only when complete.

    Args:
        split: split of the data set.
        indices: images of the split, in the order of the index.
        settings: see `BinsSettings`.
        output_dir: folder to create; replaces an older folder of bins.
        on_images: called with the number of images just written.

    Raises:
        InputError: an image is broken, the disk is too small, or `output_dir` has other content.
    """
    _refuse_other_content(output_dir)
    # If it is a link to another disk, the new folder has to be created there and replace the link's target.
    output_dir = output_dir.resolve()
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    if not (output_dir / INDEX_NAME).exists():
        # Older bins whose index the workflow removed are useless, and the new ones need their space.
        _remove_bins(output_dir)
    require_free_space(
        output_dir.parent,
        len(indices) * (settings.bytes_per_image + SPARE_BYTES_PER_IMAGE),
        f"bins of {len(indices)} images",
        "free some, choose another folder, or set bins_dtype to uint8, which takes a quarter of float32",
    )
    work = Path(tempfile.mkdtemp(prefix=f".{output_dir.name}.", dir=output_dir.parent))
    try:
        (work / IMAGES_FOLDER).mkdir()
        entries = _write_images(split, indices, settings, work, on_images)
        write_text(work / IDS_NAME, "".join(f"{entry['id']}\n" for entry in entries))
        write_text(work / SHAPES_NAME, "".join(f"{entry['width']} {entry['height']}\n" for entry in entries))
        write_json(work / INDEX_NAME, _index(entries, settings))
        umask = os.umask(0)
        os.umask(umask)
        work.chmod(0o777 & ~umask)
        _remove_bins(output_dir)
        work.rename(output_dir)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def image_names(split: CocoSplit, indices: Sequence[int]) -> list[str]:
    """Return a unique name without folders for each image: the files' stems if unique and short, else the image ids."""
    stems = [Path(split.file_names[index]).stem for index in indices]
    are_usable = len(set(stems)) == len(stems) and all(len(os.fsencode(stem)) <= MAX_NAME_BYTES for stem in stems)
    return stems if are_usable else [str(split.image_ids[index]) for index in indices]


def _write_images(
    split: CocoSplit,
    indices: Sequence[int],
    settings: BinsSettings,
    folder: Path,
    on_images: Callable[[int], Any],
) -> list[dict[str, Any]]:
    names = image_names(split, indices)
    # OpenCV and file access release the interpreter lock, so threads use all cores.
    threads = available_cpus()
    arguments = ((split, index, name, settings, folder) for index, name in zip(indices, names, strict=True))
    entries = []
    for entry in read_ahead(ThreadPoolExecutor(threads), _write_image, arguments, 2 * threads):
        entries.append(entry)
        on_images(1)
    return entries


def _write_image(split: CocoSplit, index: int, name: str, settings: BinsSettings, folder: Path) -> dict[str, Any]:
    width, height = (int(side) for side in split.sizes_wh[index])
    image = read_image_rgb(split.path(index), (width, height))
    placed, placement = place_image(image, (settings.testing_shape, settings.testing_shape), settings.letterbox)
    planes = normalise(placed, settings.mean_std) if settings.bins_dtype == "float32" else placed.transpose(2, 0, 1)
    values = planes if settings.bins_layout == "NCHW" else planes.transpose(1, 2, 0)
    file = f"{IMAGES_FOLDER}/{name}.bin"
    try:
        (folder / file).write_bytes(np.ascontiguousarray(values).data)
    except OSError as error:
        # The error of a failed write does not name the file.
        raise OSError(error.errno, error.strerror, str(folder / file)) from None
    return {"id": split.image_ids[index], "name": name, "file": file, **dataclasses.asdict(placement)}


def _index(entries: list[dict[str, Any]], settings: BinsSettings) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "input_size": [settings.testing_shape, settings.testing_shape],
        "dtype": settings.bins_dtype,
        "layout": settings.bins_layout,
        "letterbox": settings.letterbox,
        **dataclasses.asdict(settings.mean_std),
        "images": entries,
    }


def _refuse_other_content(output_dir: Path) -> None:
    names = {path.name for path in output_dir.iterdir()} if output_dir.exists() else set()
    # Before the stage runs, Snakemake creates the folder and removes the index of older bins.
    if not names or (names <= OWN_NAMES and names & {INDEX_NAME, IDS_NAME}):
        return
    raise InputError(f"folder {output_dir} is not empty and holds no bins: choose another output_dir or empty it")


def _remove_bins(folder: Path) -> None:
    if folder.exists():
        # The images first, so that an interruption leaves a folder that is still recognised as bins.
        shutil.rmtree(folder / IMAGES_FOLDER, ignore_errors=True)
        shutil.rmtree(folder)
