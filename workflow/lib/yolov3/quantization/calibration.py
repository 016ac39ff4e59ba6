"""Draw calibration images for post-training quantization from the training split, and read them in batches."""

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

# The format that MindSpore Lite's converter reads.
CALIBRATION_DTYPE, CALIBRATION_LAYOUT = "float32", "NHWC"


def draw_images(split: CocoSplit, count: int, seed: int) -> list[int]:
    """Return `count` distinct image indices of a split, ascending; equal seeds draw the same images.

    If the split is smaller, return all its indices and log a warning.
    """
    if count > len(split):
        logging.warning(
            "calibration_images is %d but the training split has %d images: using all of them", count, len(split)
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
        files: .bin files, each one image, float32 [H, W, 3].
        input_size: (height, width) in pixels.
    """

    files: tuple[Path, ...]
    input_size: InputSize

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    @classmethod
    def read(cls, folder: Path, input_size: InputSize, mean_std: MeanStd) -> "CalibrationFolder":
        """Open a calibration folder written by `write_bins`, and check that it suits a model's input.

        Raises:
            InputError: the folder is missing or empty, a file is missing or cut off, or size, layout or normalisation
                differ from the model's.
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
            stored_size = tuple(index["input_size"])
            stored_mean_std = MeanStd(tuple(index["mean_rgb"]), tuple(index["std_rgb"]))
            files = tuple(folder / entry["file"] for entry in index["images"])
        except (KeyError, TypeError) as error:
            raise InputError(
                f"calibration index {folder / INDEX_NAME} has no {error}: run preprocess_bins.py --calibration 1 again"
            ) from None
        if kind != (FORMAT_VERSION, CALIBRATION_DTYPE, CALIBRATION_LAYOUT):
            raise InputError(
                f"calibration folder {folder} holds {kind[1]} {kind[2]} bins, not {CALIBRATION_DTYPE} "
                f"{CALIBRATION_LAYOUT}: run preprocess_bins.py --calibration 1"
            )
        if stored_size != tuple(input_size):
            raise InputError(
                f"calibration folder {folder} is for inputs of {stored_size} pixels (height, width) but the model "
                f"takes {tuple(input_size)}: draw the images again with the model's testing_shape"
            )
        if stored_mean_std != mean_std:
            raise InputError(
                f"calibration folder {folder} differs from the model in mean_rgb or std_rgb: draw the images again "
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
        """Yield the images as float32 [batch_size, 3, H, W]; the first images repeat to fill the last batch."""
        files = list(self.files)
        files += [self.files[index % len(self.files)] for index in range(-len(files) % batch_size)]
        for first in range(0, len(files), batch_size):
            images = [
                np.fromfile(file, CALIBRATION_DTYPE).reshape(*self.input_size, 3)
                for file in files[first : first + batch_size]
            ]
            yield np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
