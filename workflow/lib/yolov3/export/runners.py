"""Run exported models as functions of arrays: MindIR with MindSpore, ONNX (float or int8) with ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path

import mindspore
import numpy as np
import onnxruntime
from mindspore import Tensor, nn

from yolov3.errors import InputError, first_line

Outputs = tuple[np.ndarray, ...]
Runner = Callable[[np.ndarray], Outputs]
"""From float32 [N, 3, H, W] to the model's outputs."""


def mindir_runner(path: Path) -> Runner:
    """Return a function that runs a MindIR file.

    Raises:
        InputError: the file is cut off or not MindIR; also raised by the returned function.
    """
    try:
        cell = nn.GraphCell(mindspore.load(str(path)))
    except (RuntimeError, ValueError) as error:
        raise _mindir_error(path, error) from None

    def run(images: np.ndarray) -> Outputs:
        try:
            outputs = cell(Tensor(images))
        except (RuntimeError, ValueError) as error:
            raise _mindir_error(path, error) from None
        return tuple(output.asnumpy() for output in outputs)

    return run


def _mindir_error(path: Path, error: Exception) -> InputError:
    return InputError(f"model {path} is cut off or not a MindIR file ({first_line(error)}): export it again")


def onnx_runner(path: Path) -> Runner:
    """Return a function that runs an ONNX file.

    Raises:
        InputError: ONNX Runtime rejects the file; also raised by the returned function.
    """
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    # ONNX Runtime's exceptions have no common base but Exception.
    except Exception as error:
        raise _onnx_error(path, error) from None
    input_name = session.get_inputs()[0].name

    def run(images: np.ndarray) -> Outputs:
        try:
            return tuple(np.asarray(output) for output in session.run(None, {input_name: images}))
        except Exception as error:
            raise _onnx_error(path, error) from None

    return run


def _onnx_error(path: Path, error: Exception) -> InputError:
    return InputError(f"model {path} is rejected by ONNX Runtime ({first_line(error)}): export it again")
