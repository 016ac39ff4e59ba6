"""Quantize a network with AMCT for MindSpore, inside AMCT's own environment.

`quantize_amct` starts this module with the Python of envs/amct.yaml, which is 3.9 with MindSpore 1.10, so this file and
the modules that it imports (network.yolo, network.darknet53, network.settings) must work with those versions.
"""

import argparse
import json
import sys
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Parameter, Tensor

from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3


def main() -> int:
    """Read the task, quantize the network, and write quantized.air into the task's folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", type=Path, help="folder with task.json, parameters.npz and calibration.npy")
    folder = parser.parse_args().task
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    try:
        from amct_mindspore import quantize_tool
    except ImportError as error:
        print(f"AMCT for MindSpore is not installed in this Python: {error}")
        return 1
    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target=task["device_target"])
    network = _network(NetworkSettings.from_values(task["network"]), folder / "parameters.npz")
    # float32 [M, 3, H, W]
    images = np.load(folder / "calibration.npy")
    example = Tensor(images[np.arange(task["batch_size"]) % len(images)])
    config = str(folder / "quant_config.json")
    quantize_tool.create_quant_config(
        config, network, example, skip_layers=task["skip_layers"], activation_offset=True, config_defination=None
    )
    calibrated = quantize_tool.quantize_model(config, network, example)
    calibrated.set_train(False)
    # All images in one batch, because AMCT measures the ranges on its first batch only; the published quantization used
    # one batch of 16 images.
    calibrated(Tensor(images))
    quantize_tool.save_model(str(folder / "quantized"), calibrated, example)
    return 0


def _network(settings: NetworkSettings, parameters_file: Path) -> YOLOv3:
    network = YOLOv3(settings)
    with np.load(parameters_file) as parameters:
        for name, parameter in network.parameters_and_names():
            parameter.set_data(Parameter(Tensor(parameters[name]), name=name))
    network.set_train(False)
    return network


if __name__ == "__main__":
    sys.exit(main())
