"""Equalised weights: outputs, ranges, and what int8 loses with and without them."""

from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.equalization import equalize_weights
from yolov3.quantization.qdq import prepare_qdq, quantize_prepared

CHANNELS, SIDE = 16, 12
RNG_SEED = 3


def network(spread=0, further_reader=False):
    """Three convolutions with activations; the channels between them differ by factors of up to 2^spread."""
    rng = np.random.default_rng(RNG_SEED)
    widths = (3, CHANNELS, CHANNELS, 4)
    tensors, nodes, name = [], [], "images"
    factors = [np.ones(width) for width in widths]
    factors[1], factors[2] = (2.0 ** rng.uniform(-spread / 2, spread / 2, CHANNELS) for _ in range(2))
    for index, (before, after) in enumerate(pairwise(widths)):
        weights = rng.normal(size=(after, before, 3, 3)) / np.sqrt(9 * before)
        weights *= factors[index + 1][:, None, None, None] / factors[index][None, :, None, None]
        bias = rng.normal(size=after) * factors[index + 1]
        tensors += [numpy_helper.from_array(weights.astype(np.float32), f"layer{index}.weight")]
        tensors += [numpy_helper.from_array(bias.astype(np.float32), f"layer{index}.bias")]
        words = [name, f"layer{index}.weight", f"layer{index}.bias"]
        nodes.append(helper.make_node("Conv", words, [f"conv{index}"], name=f"layer{index}", pads=[1] * 4))
        name = f"conv{index}"
        if index < 2:
            nodes.append(helper.make_node("LeakyRelu", [name], [f"act{index}"], alpha=0.1))
            name = f"act{index}"
    outputs = [name]
    if further_reader:
        nodes.append(helper.make_node("Relu", ["act0"], ["other"]))
        outputs.append("other")
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    infos = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None) for output in outputs]
    graph = helper.make_graph(nodes, "network", [images], infos, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def weights_of(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def outputs_of(model, images):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": images})


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)


def test_equal_ranges_on_both_sides_and_equal_outputs(images):
    model = network(spread=8)
    expected = outputs_of(model, images)
    assert equalize_weights(model) == 2
    weights = weights_of(model)
    for first, second in (("layer0", "layer1"), ("layer1", "layer2")):
        of_outputs = np.abs(weights[f"{first}.weight"]).max(axis=(1, 2, 3))
        of_inputs = np.abs(weights[f"{second}.weight"]).max(axis=(0, 2, 3))
        np.testing.assert_allclose(of_outputs, of_inputs, rtol=0.01)
    np.testing.assert_allclose(outputs_of(model, images)[0], expected[0], rtol=1e-4, atol=1e-5)


def test_a_result_that_something_else_reads_keeps_its_scale(images):
    model = network(spread=8, further_reader=True)
    expected = outputs_of(model, images)
    assert equalize_weights(model) == 1
    for found, wanted in zip(outputs_of(model, images), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_channel_without_weights_stays():
    model = network()
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "layer0.weight")
    values = numpy_helper.to_array(tensor).copy()
    values[2] = 0
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    equalize_weights(model)
    assert all(np.isfinite(values).all() for values in weights_of(model).values())


def int8_error(model, images, folder):
    folder.mkdir()
    np.ascontiguousarray(images[0].transpose(1, 2, 0)).tofile(folder / "0.bin")
    calibration = CalibrationFolder((folder / "0.bin",), (SIDE, SIDE))
    prepared = prepare_qdq(model, folder)
    quantize_prepared(prepared, folder / "int8.onnx", calibration, "MAX_MIN", ())
    return np.square(outputs_of(onnx.load(folder / "int8.onnx"), images)[0] - outputs_of(model, images)[0]).mean()


def test_int8_loses_less_with_equalised_weights(images, tmp_path):
    model = network(spread=8)
    before = int8_error(model, images, tmp_path / "before")
    equalize_weights(model)
    assert int8_error(model, images, tmp_path / "after") < before / 10
