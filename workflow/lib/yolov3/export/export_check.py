"""Load an exported model again, run it on a real image, and compare it with the network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolov3.errors import InputError
from yolov3.export.runners import Outputs, mindir_runner, onnx_runner

# Float32 rounding differs by some 1e-6 of the largest value; a wrong layer or weight by far more than this.
LARGEST_RELATIVE_DIFFERENCE = 1e-3


@dataclass(frozen=True)
class Difference:
    """How far two sets of outputs are apart.

    Attributes:
        largest: largest absolute difference of two values.
        relative: the same, each output's divided by its largest absolute value.
    """

    largest: float
    relative: float


def run_mindir(path: Path, images: np.ndarray) -> Outputs:
    """Return the outputs of a MindIR file for float32 [N, 3, H, W].

    Raises:
        InputError: the file is cut off or not MindIR.
    """
    return mindir_runner(path)(images)


def run_onnx(path: Path, images: np.ndarray) -> Outputs:
    """Return the outputs of an ONNX file for float32 [N, 3, H, W].

    Raises:
        InputError: ONNX Runtime refuses the file.
    """
    return onnx_runner(path)(images)


def difference_of(expected: Outputs, found: Outputs) -> Difference:
    """Compare outputs pairwise; other shapes, NaN and infinity count as infinitely far apart."""
    if [output.shape for output in expected] != [output.shape for output in found]:
        return Difference(np.inf, np.inf)
    largest = [float(np.abs(one - other).max()) for one, other in zip(expected, found, strict=True)]
    if not np.isfinite(largest).all():
        return Difference(np.inf, np.inf)
    scales = [max(float(np.abs(output).max()), 1e-6) for output in expected]
    return Difference(max(largest), max(one / scale for one, scale in zip(largest, scales, strict=True)))


def refuse_large(difference: Difference, path: Path) -> None:
    """Raise InputError if an exported file does not compute what the network does."""
    if not difference.relative <= LARGEST_RELATIVE_DIFFERENCE:
        raise InputError(
            f"model {path} differs from its network by {difference.largest:.3g}, {difference.relative:.3g} of the "
            f"largest output, where {LARGEST_RELATIVE_DIFFERENCE:g} is allowed: this MindSpore version does not export "
            "the network correctly, use one of envs/"
        )
