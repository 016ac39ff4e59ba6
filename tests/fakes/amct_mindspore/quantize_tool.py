"""The three functions of amct_mindspore.quantize_tool; each refuses a wrong call with an AssertionError.

A record of the calls goes to the file that FAKE_AMCT_RECORD names. FAKE_AMCT_FAIL names a function to fail.
"""

import json
import os
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

_record = {"skip_layers": None, "batches": [], "config_file": None}


class _CalibratedNetwork(nn.Cell):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.example_shape = None

    def __call__(self, images):
        assert isinstance(images, Tensor) and images.shape[1:] == self.example_shape[1:]
        assert not self.training and not _record["batches"], "one batch, in evaluation"
        _record["batches"].append(images.asnumpy().tolist())
        return self.network(images)


def create_quant_config(
    config_file, network, *input_data, skip_layers=None, activation_offset=True, config_defination=None
):
    _fail_if_told("create_quant_config")
    assert isinstance(config_file, str) and not Path(config_file).exists()
    _check_network(network, input_data)
    convolutions = {name for name, cell in network.cells_and_names() if isinstance(cell, nn.Conv2d)}
    assert isinstance(skip_layers, list) and set(skip_layers) <= convolutions, skip_layers
    assert isinstance(activation_offset, bool)
    assert config_defination is None
    _record["skip_layers"] = skip_layers
    _record["config_file"] = config_file
    Path(config_file).write_text(json.dumps({"activation_offset": activation_offset}), encoding="utf-8")


def quantize_model(config_file, network, *input_data):
    _fail_if_told("quantize_model")
    assert config_file == _record["config_file"] and Path(config_file).is_file()
    _check_network(network, input_data)
    calibrated = _CalibratedNetwork(network)
    calibrated.example_shape = input_data[0].shape
    calibrated.set_train(True)
    return calibrated


def save_model(file_name, network, *input_data):
    _fail_if_told("save_model")
    assert isinstance(network, _CalibratedNetwork), "save what quantize_model returned"
    assert _record["batches"], "feed calibration batches first"
    assert len(input_data) == 1 and input_data[0].shape == network.example_shape
    outputs = network.network(input_data[0])
    _record["raw_8"] = outputs[0].asnumpy().tolist()
    Path(f"{file_name}.air").write_bytes(b"AIR of the fake")
    Path(os.environ["FAKE_AMCT_RECORD"]).write_text(json.dumps(_record), encoding="utf-8")


def _check_network(network, input_data):
    assert isinstance(network, nn.Cell) and not network.training
    assert len(input_data) == 1
    images = input_data[0]
    assert isinstance(images, Tensor) and len(images.shape) == 4 and images.shape[1] == 3
    assert images.asnumpy().dtype == np.float32


def _fail_if_told(name):
    if os.environ.get("FAKE_AMCT_FAIL") == name:
        raise RuntimeError(f"{name} was told to fail")
