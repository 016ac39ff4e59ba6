"""Grid cells and anchors of all predictions, and encoding and decoding of boxes relative to them.

Predictions are ordered by stride (8, 16, 32), then row, column and anchor, in loss, targets and post-processing.
"""

from functools import lru_cache

import numpy as np

from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES, AnchorSize

InputSize = tuple[int, int]
"""(height, width) in pixels."""

RawMaps = tuple[np.ndarray, ...]
"""Raw outputs of strides 8, 16, 32, each float32 [N, 3 * (5 + C), gh, gw]."""


def predictions_per_stride(input_size: InputSize) -> list[int]:
    """Return the number of predictions at each stride for an input of (height, width) pixels."""
    height, width = input_size
    return [(height // stride) * (width // stride) * ANCHORS_PER_STRIDE for stride in STRIDES]


@lru_cache(maxsize=64)
def prediction_grid(input_size: InputSize, anchors: tuple[AnchorSize, ...]) -> np.ndarray:
    """Return float32 [P, 6]: column, row, grid width, grid height, and anchor width, height in 0..1 of the input.

    Args:
        input_size: (height, width) of the network input in pixels, multiples of 32.
        anchors: nine (width, height) in pixels, three for each stride.
    """
    height, width = input_size
    parts = []
    for index, stride in enumerate(STRIDES):
        rows, columns = height // stride, width // stride
        row, column, anchor = np.meshgrid(
            np.arange(rows), np.arange(columns), np.arange(ANCHORS_PER_STRIDE), indexing="ij"
        )
        sizes = np.array(anchors[index * ANCHORS_PER_STRIDE : (index + 1) * ANCHORS_PER_STRIDE]) / (width, height)
        constant = np.broadcast_to([columns, rows], (*row.shape, 2))
        fields = np.concatenate([np.stack([column, row], axis=-1), constant, sizes[anchor]], axis=-1)
        parts.append(fields.reshape(-1, 6))
    grid = np.concatenate(parts).astype(np.float32)
    grid.setflags(write=False)
    return grid


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) in the dtype of x; NaN gives NaN.

    Computed in double precision, as in the C++ program: the last digit of exp in single precision differs between
    libraries.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def _exp(x: np.ndarray) -> np.ndarray:
    """Return exp(x) in the dtype of x, computed as in `sigmoid`."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.exp(x.astype(np.float64)).astype(x.dtype)


def decode_boxes(encoded: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Decode raw outputs to boxes_cxcywh, [..., 4] in 0..1 of the input (arXiv:1804.02767, section 2.1).

    Args:
        encoded: [..., 4], raw outputs tx, ty, tw, th.
        grid: [..., 6], rows of `prediction_grid` of the same predictions.
    """
    center_xy = (sigmoid(encoded[..., 0:2]) + grid[..., 0:2]) / grid[..., 2:4]
    size_wh = _exp(encoded[..., 2:4]) * grid[..., 4:6]
    return np.concatenate([center_xy, size_wh], axis=-1)


def encode_boxes(boxes_cxcywh: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Encode boxes as sigmoid(tx), sigmoid(ty) (the centre within its cell, 0..1), tw, th, [..., 4].

    Boxes may be in another unit, such as pixels, if grid sizes (cells per unit) and anchors use it too.
    """
    offset_xy = boxes_cxcywh[..., 0:2] * grid[..., 2:4] - grid[..., 0:2]
    return np.concatenate([offset_xy, np.log(boxes_cxcywh[..., 2:4] / grid[..., 4:6])], axis=-1)
