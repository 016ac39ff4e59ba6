"""Quantize an exported network to int8 (post-training quantization).

python workflow/scripts/post_quant.py --quant_backend qdq --model results/export/yolov3_darknet53.onnx \
    --calibration_dir results/calibration --output results/quant/yolov3_darknet53_int8.onnx
python workflow/scripts/post_quant.py --quant_backend mslite --converter mslite_convert \
    --model results/export/yolov3_darknet53.onnx --calibration_dir results/calibration \
    --output results/quant/yolov3_darknet53_int8.ms
python workflow/scripts/post_quant.py --quant_backend amct --ckpt_file yolov3.ckpt --amct_python amct/bin/python \
    --model results/export/yolov3_darknet53.mindir --calibration_dir results/calibration \
    --output results/quant/yolov3_darknet53_int8.om --soc_version Ascend310

With --manifest (and --program for mslite), the loss of AP is measured on training images and kept below --max_ap_drop.
"""

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.files import sha256_of, write_json
from yolov3.native.aipp import model_aipp
from yolov3.quantization.accuracy import SearchImages
from yolov3.quantization.amct import AmctTools, quantize_amct
from yolov3.quantization.bound import Bound, quantize_within_bound
from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.mslite import quantize_mslite
from yolov3.quantization.qdq import quantize_qdq
from yolov3.quantization.search import Int8Settings

SUFFIXES = {"mslite": (".ms", ".mindir"), "qdq": (".onnx",), "amct": (".om",)}


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="exported model, with its description beside it")
    parser.add_argument("--calibration_dir", type=Path, required=True, help="folder of the calibration bins")
    parser.add_argument("--output", type=Path, required=True, help="int8 model: .ms (.mindir for Ascend), .onnx or .om")
    parser.add_argument("--report", type=Path, help="JSON report to write (default: quant.json beside the model)")
    add_options(parser, "quantize")
    parser.add_argument("--converter", default="mslite_convert", help="mslite: mslite_convert or converter_lite")
    parser.add_argument("--ckpt_file", type=Path, help="amct: checkpoint of the exported network")
    parser.add_argument("--manifest", type=Path, help="data set, to keep the loss of AP below max_ap_drop")
    parser.add_argument("--program", type=Path, help="mslite: native310, which measures the models")
    add_options(parser, "calibration")
    add_options(parser, "infer", only=("input",))
    parser.add_argument("--atc", default="atc", help="amct: CANN's atc")
    add_options(parser, "", only=("device_target",))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Write the int8 model, its description and the report."""
    started = time.perf_counter()
    model, output, backend = arguments.model, arguments.output, arguments.quant_backend
    if output.suffix not in SUFFIXES[backend]:
        suffixes = " or ".join(SUFFIXES[backend])
        raise InputError(f"output {output} must end in {suffixes} for quant_backend {backend}: rename it")
    if not model.is_file():
        raise InputError(f"model {model} does not exist: run the export stage first, or check the path")
    description = ModelDescription.read(model)
    calibration = CalibrationFolder.read(arguments.calibration_dir, description.input_size, description.mean_std)
    images = search_images(arguments) if arguments.max_ap_drop is not None else None
    aipp = model_aipp(output, arguments.input, description)

    def quantize(
        source: Path, calibration: CalibrationFolder, output: Path, settings: Int8Settings, skip_layers: str
    ) -> dict[str, Any]:
        if backend == "mslite":
            return quantize_mslite(
                source,
                output,
                calibration,
                settings.method,
                skip_layers,
                arguments.converter,
                settings.bias_correction,
                aipp,
            )
        if backend == "qdq":
            return quantize_qdq(source, output, calibration, settings.method, skip_layers)
        return quantize_checkpoint(arguments, description, calibration, output, skip_layers, aipp)

    method, skip_layers = arguments.quant_method, arguments.skip_layers
    if images is None:
        details = quantize(model, calibration, output, Int8Settings(method), skip_layers)
        method = method if backend != "amct" else "AMCT's own"
    else:
        bound = Bound(arguments.max_ap_drop, images, arguments.program)
        method, details = quantize_within_bound(model, output, calibration, method, skip_layers, quantize, bound)
    description.write(output)
    report = {
        "format": 1,
        "backend": backend,
        "method": method,
        "calibration_images": len(calibration),
        "skip_layers": arguments.skip_layers,
        "float_model": {"file": model.name, "bytes": model.stat().st_size, "sha256": sha256_of(model)},
        "int8_model": {"file": output.name, "bytes": output.stat().st_size, "sha256": sha256_of(output)},
        **details,
        "seconds": time.perf_counter() - started,
    }
    write_json(arguments.report or output.with_name("quant.json"), report)
    logging.info(
        "%s: %d bytes, float model %d; %d layers kept in float",
        output.name,
        report["int8_model"]["bytes"],
        report["float_model"]["bytes"],
        len(details["layers_kept_float"]),
    )


def search_images(arguments: argparse.Namespace) -> SearchImages | None:
    """Return the images to measure the loss of AP on; None if there are none, with a warning if that is not wanted."""
    if arguments.quant_backend == "amct" or arguments.output.suffix == ".mindir":
        logging.warning("max_ap_drop is not checked, because an int8 model for Ascend runs there only")
        return None
    if not arguments.manifest:
        return None
    images = SearchImages.draw(
        Manifest.read(arguments.manifest),
        arguments.search_images,
        arguments.calibration_images,
        arguments.calibration_seed,
    )
    if images is None:
        logging.warning(
            "max_ap_drop is not checked, because all training images with boxes calibrate the model: lower "
            "calibration.calibration_images"
        )
    return images


def quantize_checkpoint(
    arguments: argparse.Namespace,
    description: ModelDescription,
    calibration: CalibrationFolder,
    output: Path,
    skip_layers: str,
    aipp: str,
) -> dict[str, Any]:
    """Write an int8 model by AMCT and return its details for the report."""
    if arguments.ckpt_file is None:
        raise InputError("quant_backend amct quantizes a checkpoint but none is given: add --ckpt_file")
    tools = AmctTools(arguments.amct_python, arguments.atc, arguments.soc_version, arguments.device_target)
    return quantize_amct(arguments.ckpt_file, description, output, calibration, skip_layers, tools, aipp)


if __name__ == "__main__":
    sys.exit(main())
