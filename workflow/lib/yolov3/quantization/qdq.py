"""Quantize an exported network to int8 ONNX with QuantizeLinear and DequantizeLinear nodes, by ONNX Runtime's tools."""

import contextlib
import io
import tempfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from yolov3.export.onnx_file import layer_of, read_onnx
from yolov3.files import complete_file
from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.common import describe_tensor, layers_kept_float

# The first opset whose DequantizeLinear takes a scale per channel; MindSpore exports 11.
OPSET = 13
METHODS = {
    "MAX_MIN": CalibrationMethod.MinMax,
    "KL": CalibrationMethod.Entropy,
    "REMOVAL_OUTLIER": CalibrationMethod.Percentile,
}
# Convolutions take nearly all the time; other operators are fused with them or only copy values.
QUANTIZED_OPERATORS = ["Conv"]
# Merging the ranges image by image keeps only one image's activations in memory.
IMAGES_AT_A_TIME = 1


class _CalibrationReader(CalibrationDataReader):
    """Feed ONNX Runtime's calibrators, a range of batches at a time."""

    def __init__(self, calibration: CalibrationFolder, input_name: str, batch_size: int) -> None:
        self._calibration = calibration
        self._input_name = input_name
        self._batch_size = batch_size
        self._batches: Iterator[np.ndarray] = calibration.batches(batch_size)
        self._left = 0

    def __len__(self) -> int:
        return -(-len(self._calibration) // self._batch_size)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Allow reading the next batches; the calibrators request ranges in order."""
        self._left = end_index - start_index

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch as the model's input, or None at the end of the range."""
        if self._left == 0:
            return None
        self._left -= 1
        return {self._input_name: next(self._batches)}


def quantize_qdq(
    model: Path, output: Path, calibration: CalibrationFolder, method: str, skip_layers: str
) -> dict[str, Any]:
    """Quantize an exported ONNX file: weights to int8 per channel, activations to uint8 per tensor.

    Args:
        model: .onnx file to quantize.
        output: .onnx file to write.
        calibration: images on which the activations' ranges are measured.
        method: MAX_MIN (smallest and largest value), KL (least loss of information) or REMOVAL_OUTLIER (percentile).
        skip_layers: see `layers_kept_float`.

    Returns:
        For the report: the layers kept in float, and `quantized_tensors`.

    Raises:
        InputError: the model is missing or cut off, or a pattern of `skip_layers` matches no layer.
    """
    source = read_onnx(model)
    skipped = layers_kept_float(skip_layers, [layer_of(node) for node in source.graph.node if node.op_type == "Conv"])
    with tempfile.TemporaryDirectory(prefix="quantize-") as folder, complete_file(output) as temporary:
        quantize_prepared(prepare_qdq(source, Path(folder)), temporary, calibration, method, skipped)
        tensors = quantized_tensors(onnx.load(temporary))
    return {"layers_kept_float": skipped, "tensors": tensors}


def prepare_qdq(model: onnx.ModelProto, folder: Path) -> Path:
    """Write a model as `quantize_prepared` takes it: opset OPSET, with folded constants."""
    prepared = folder / "prepared.onnx"
    quant_pre_process(version_converter.convert_version(model, OPSET), prepared, skip_symbolic_shape=True)
    return prepared


def quantize_prepared(
    prepared: Path, output: Path, calibration: CalibrationFolder, method: str, float_layers: Container[str]
) -> None:
    """Quantize all convolutions of a prepared model but those of some layers; see `quantize_qdq`."""
    graph = onnx.load(prepared).graph
    image = graph.input[0]
    reader = _CalibrationReader(calibration, image.name, image.type.tensor_type.shape.dim[0].dim_value)
    # The calibrators print a line per image.
    with contextlib.redirect_stdout(io.StringIO()):
        quantize_static(
            prepared,
            output,
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTIZED_OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[
                node.name for node in graph.node if node.op_type == "Conv" and layer_of(node) in float_layers
            ],
            calibrate_method=METHODS[method],
            extra_options={
                "CalibStridedMinMax": IMAGES_AT_A_TIME,
                # The next convolution quantizes its input anyway, after the activation.
                "OpTypesToExcludeOutputQuantization": QUANTIZED_OPERATORS,
            },
        )


def quantized_tensors(model: onnx.ModelProto) -> dict[str, dict[str, Any]]:
    """Return tensor name -> `describe_tensor` for each input of a DequantizeLinear node."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    descriptions = {}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        name = node.input[0].removesuffix("_QuantizeLinear_Output").removesuffix("_quantized")
        scale = numpy_helper.to_array(constants[node.input[1]]).ravel()
        zero_point = numpy_helper.to_array(constants[node.input[2]])
        descriptions[name] = describe_tensor(str(zero_point.dtype), scale.tolist(), int(zero_point.ravel()[0]))
    return descriptions
