"""Quantize a network for Ascend 310: AMCT, in its own environment, writes AIR, and atc compiles it to OM."""

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.external_tool import find_tool, run_tool
from yolov3.native.converters import compile_om
from yolov3.quantization import amct_worker
from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.common import layers_kept_float
from yolov3.weights.checkpoint import load_network
from yolov3.weights.layers import network_layers

PACKAGES_DIR = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class AmctTools:
    """Programs and devices of the quantization.

    Attributes:
        amct_python: Python interpreter of the environment envs/amct.yaml.
        atc: path or name of CANN's atc.
        soc_version: chip that the model is compiled for, such as "Ascend310".
        device_target: device on which AMCT runs the calibration.
    """

    amct_python: str
    atc: str
    soc_version: str
    device_target: str


def quantize_amct(
    checkpoint: Path,
    description: ModelDescription,
    output: Path,
    calibration: CalibrationFolder,
    skip_layers: str,
    tools: AmctTools,
    aipp: str = "",
) -> dict[str, Any]:
    """Quantize the network of a checkpoint to an int8 model for Ascend.

    Args:
        checkpoint: checkpoint of the network.
        description: description of the exported network; gives the batch size.
        output: .om file to write.
        calibration: images on which the activations' ranges are measured.
        skip_layers: see `layers_kept_float`.
        tools: see `AmctTools`.
        aipp: configuration of image preprocessing to include; empty for none.

    Returns:
        For the report: the layers kept in float, AMCT's configuration, and the last lines of atc's output.

    Raises:
        InputError: a file or program is missing, or a program fails.
    """
    python = find_tool(tools.amct_python, "create the environment envs/amct.yaml and give its Python as amct_python")
    network, settings = load_network(checkpoint)
    layers = network_layers(network)
    skipped = layers_kept_float(skip_layers, [layer.name for layer in layers])
    # AMCT names layers after their cells.
    cells = {layer.name: f"{layer.name}.conv" if layer.has_batch_norm else layer.name for layer in layers}
    with tempfile.TemporaryDirectory(prefix="amct-") as name:
        folder = Path(name)
        parameters = {key: value.asnumpy() for key, value in network.parameters_and_names()}
        np.savez(folder / "parameters.npz", **parameters)
        np.save(folder / "calibration.npy", next(calibration.batches(len(calibration))))
        task = {
            "batch_size": description.batch_size,
            "network": dataclasses.asdict(settings),
            "skip_layers": [cells[layer] for layer in skipped],
            "device_target": tools.device_target,
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        amct_lines = run_tool(
            [python, "-m", amct_worker.__name__, str(folder)],
            "check the environment envs/amct.yaml, CANN and the device",
            # CANN's set_env.sh adds its packages to the same variable.
            {"PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGES_DIR), os.environ.get("PYTHONPATH")]))},
        )
        air = folder / "quantized.air"
        if not air.is_file():
            last_line = amct_lines[-1] if amct_lines else "it printed nothing"
            raise InputError(f"AMCT wrote no AIR model ({last_line}): see the log above")
        atc_lines = compile_om(air, output, tools.soc_version, tools.atc, aipp)
        config = folder / "quant_config.json"
        configuration = config.read_text(encoding="utf-8") if config.is_file() else ""
    return {"layers_kept_float": skipped, "amct_configuration": configuration, "atc_output": atc_lines[-3:]}
