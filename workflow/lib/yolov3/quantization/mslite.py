"""Quantize an exported network to int8 with MindSpore Lite's converter."""

import csv
import tempfile
from pathlib import Path
from typing import Any

from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.export.onnx_file import layer_of, read_onnx
from yolov3.native.converters import convert
from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.common import describe_tensor, layers_kept_float

# File of scales and zero points that the converter writes as debug information.
TENSORS_NAME = "quant_param.csv"


def quantize_mslite(
    model: Path,
    output: Path,
    calibration: CalibrationFolder,
    method: str,
    skip_layers: str,
    converter: str,
    bias_correction: bool = True,
    aipp: str = "",
) -> dict[str, Any]:
    """Quantize an exported ONNX file to an int8 model.

    Args:
        model: .onnx file with a description beside it; batch size 1.
        output: file to write, .ms for CPUs or .mindir for Ascend.
        calibration: images on which the activations' ranges are measured.
        method: MAX_MIN, KL or REMOVAL_OUTLIER, as the converter names them.
        skip_layers: see `layers_kept_float`.
        converter: path or name of the converter.
        bias_correction: correct biases for the mean error of the quantized weights.
        aipp: configuration of image preprocessing to include (Ascend only); empty for none.

    Returns:
        For the report: the layers kept in float, the last lines of the converter's output, and `quantized_tensors`
        (empty for Ascend).

    Raises:
        InputError: a file or the converter is missing, or the converter fails.
    """
    description = ModelDescription.read(model)
    if description.batch_size != 1:
        raise InputError(
            f"model {model} takes batches of {description.batch_size} images but MindSpore Lite calibrates with single "
            "images: export it with export_batch_size 1"
        )
    is_ascend = output.suffix == ".mindir"
    graph = read_onnx(model).graph
    outputs = {output.name for output in graph.output}
    layers = {layer_of(node): node.output[0] in outputs for node in graph.node if node.op_type == "Conv"}
    skipped = layers_kept_float(skip_layers, list(layers))
    # The converter adds a transposition to each output, which would quantize what a float layer returns.
    float_nodes = [*skipped, *(f"{layer}_post" for layer in skipped if layers[layer])]
    # The converter reads every file in the folder and splits its path at colons and commas, so links go to a new one.
    with tempfile.TemporaryDirectory(prefix="calibration-") as folder:
        links_dir = Path(folder) / "images"
        links_dir.mkdir()
        for number, file in enumerate(calibration.files):
            (links_dir / f"{number}.bin").symlink_to(file.absolute())
        debug_dir = None if is_ascend else Path(folder) / "debug"
        if debug_dir:
            debug_dir.mkdir()
        config = config_text(
            description.input_name, links_dir, len(calibration), method, float_nodes, debug_dir, bias_correction
        )
        lines = convert(converter, model, output, config, ("--optimize=ascend_oriented",) if is_ascend else (), aipp)
        tensors = quantized_tensors(debug_dir / TENSORS_NAME) if debug_dir else {}
    return {"layers_kept_float": skipped, "converter_output": lines[-3:], "tensors": tensors}


def config_text(
    input_name: str,
    bins_dir: Path,
    images: int,
    method: str,
    float_nodes: list[str],
    debug_dir: Path | None,
    bias_correction: bool,
) -> str:
    """Return the converter's config file for full int8 quantization; `debug_dir` is None for Ascend.

    Source: MindSpore Lite's documentation, "Post Training Quantization" and its section on Ascend.
    """
    common = ["quant_type=FULL_QUANT", "bit_num=8", "min_quant_weight_size=0", "min_quant_weight_channel=4"]
    if float_nodes:
        common.append(f"skip_quant_node={','.join(float_nodes)}")
    if debug_dir:
        common.append(f"debug_info_save_path={debug_dir}")
    sections = {
        "common_quant_param": common,
        "data_preprocess_param": [
            f"calibrate_path={input_name}:{bins_dir}",
            f"calibrate_size={images}",
            "input_type=BIN",
        ],
        "full_quant_param": [
            f"activation_quant_method={method}",
            f"bias_correction={str(bias_correction).lower()}",
            *([] if debug_dir else ["target_device=ASCEND"]),
        ],
    }
    return "\n".join(line for name, lines in sections.items() for line in (f"[{name}]", *lines)) + "\n"


def quantized_tensors(table: Path) -> dict[str, dict[str, Any]]:
    """Return tensor name -> `describe_tensor` for the converter's table; {} if there is none."""
    if not table.is_file():
        return {}
    rows: dict[str, list[tuple[int, float, int]]] = {}
    users: dict[str, str] = {}
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            name = row["TensorName"]
            # The table repeats a tensor for each node that reads or writes it.
            if users.setdefault(name, row["NodeName"]) == row["NodeName"]:
                rows.setdefault(name, []).append((int(row["Bits"]), float(row["Scale"]), int(row["ZeroPoint"])))
    return {
        name: describe_tensor(f"int{channels[0][0]}", [scale for _, scale, _ in channels], channels[0][2])
        for name, channels in rows.items()
    }
