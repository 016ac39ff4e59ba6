"""Calibration images for post-training quantization: drawn from the training split, read back batch by batch."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolov3.data.annotations import CocoSplit
from yolov3.errors import InputError
from yolov3.files import read_json
from yolov3.native.bins import FORMAT_VERSION, INDEX_NAME, BinsSettings
from yolov3.network.grid import InputSize
from yolov3.network.settings import MeanStd

# What MindSpore Lite's converter reads.
CALIBRATION_DTYPE, CALIBRATION_LAYOUT = "float32", "NHWC"


def draw_images(split: CocoSplit, count: int, seed: int) -> list[int]:
    """Return `count` different image indices of a split, ascending; equal seeds draw the same images.

    A smaller split gives all it has, and the log says so.
    """
    if count > len(split):
        logging.warning(
            "calibration_images is %d but the training split has %d images: all are taken", count, len(split)
        )
        count = len(split)
    return sorted(np.random.default_rng(seed).choice(len(split), size=count, replace=False).tolist())


def calibration_bins(testing_shape: int, letterbox: bool, mean_std: MeanStd) -> BinsSettings:
    """Return the settings of a calibration folder for `write_bins`."""
    return BinsSettings(testing_shape, letterbox, mean_std, CALIBRATION_DTYPE, CALIBRATION_LAYOUT)


@dataclass(frozen=True)
class CalibrationFolder:
    """Calibration images on disk.

    Attributes:
        files: the .bin files, float32 NHWC.
        input_size: (height, width) in pixels.
    """

    files: tuple[Path, ...]
    input_size: InputSize

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    @classmethod
    def read(cls, folder: Path, input_size: InputSize, mean_std: MeanStd) -> "CalibrationFolder":
        """Open a folder that `write_bins` made for calibration, for a model that takes `input_size` and `mean_std`.

        Raises:
            InputError: it is missing, empty, of another size, layout or normalisation, or a file is missing or cut off.
        """
        if not folder.is_dir():
            raise InputError(
                f"calibration folder {folder} does not exist: run preprocess_bins.py --calibration 1 first"
            )
        if not any(folder.iterdir()):
            raise InputError(f"calibration folder {folder} is empty: run preprocess_bins.py --calibration 1 first")
        index = read_json(folder / INDEX_NAME, "calibration index")
        try:
            kind = (index["format"], index["dtype"], index["layout"])
            found_size = tuple(index["input_size"])
            found_mean_std = MeanStd(tuple(index["mean_rgb"]), tuple(index["std_rgb"]))
            files = tuple(folder / entry["file"] for entry in index["images"])
        except (KeyError, TypeError) as error:
            raise InputError(
                f"calibration index {folder / INDEX_NAME} lacks {error}: run preprocess_bins.py --calibration 1 again"
            ) from None
        if kind != (FORMAT_VERSION, CALIBRATION_DTYPE, CALIBRATION_LAYOUT):
            raise InputError(
                f"calibration folder {folder} holds {kind[1]} {kind[2]} bins, not {CALIBRATION_DTYPE} "
                f"{CALIBRATION_LAYOUT}: run preprocess_bins.py --calibration 1"
            )
        if found_size != tuple(input_size):
            raise InputError(
                f"calibration folder {folder} is for inputs of {found_size} pixels (height, width) but the model takes "
                f"{tuple(input_size)}: draw the images again with the model's testing_shape"
            )
        if found_mean_std != mean_std:
            raise InputError(
                f"calibration folder {folder} has another mean_rgb or std_rgb than the model: draw the images again "
                "with the normalisation that the model was trained with"
            )
        if not files:
            raise InputError(f"calibration folder {folder} has no images: set calibration_images to at least 1")
        length = 3 * input_size[0] * input_size[1] * np.dtype(CALIBRATION_DTYPE).itemsize
        for file in files:
            if not file.is_file() or file.stat().st_size != length:
                raise InputError(f"calibration bin {file} is missing or not of {length} bytes: draw the images again")
        return cls(files, (input_size[0], input_size[1]))

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield the images as float32 [batch_size, 3, H, W]; the last batch is filled up with the first images."""
        files = list(self.files)
        files += [self.files[index % len(self.files)] for index in range(-len(files) % batch_size)]
        for first in range(0, len(files), batch_size):
            images = [
                np.fromfile(file, CALIBRATION_DTYPE).reshape(*self.input_size, 3)
                for file in files[first : first + batch_size]
            ]
            yield np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
