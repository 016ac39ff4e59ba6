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
import tempfile
import time
from dataclasses import asdict
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
from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.mslite import quantize_mslite
from yolov3.quantization.qdq import quantize_qdq
from yolov3.quantization.search import Attempt, search_int8
from yolov3.quantization.sensitivity import LayerSensitivity, layer_sensitivities
from yolov3.terminal import progress_bar

QUANT_METHODS = ("MAX_MIN", "KL", "REMOVAL_OUTLIER")
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
    if images is None:
        details = quantize(arguments, description, calibration, output, arguments.quant_method, arguments.skip_layers)
        method = arguments.quant_method if backend != "amct" else "AMCT's own"
    else:
        method, details = quantize_within_bound(arguments, description, calibration, images)
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


def quantize_within_bound(
    arguments: argparse.Namespace, description: ModelDescription, calibration: CalibrationFolder, images: SearchImages
) -> tuple[str, dict[str, Any]]:
    """Write the int8 model with the fewest layers in float whose loss of AP is within the bound, or the best one.

    Returns:
        Its method, and its details for the report with those of the search.
    """
    model, output, max_drop = arguments.model, arguments.output, arguments.max_ap_drop
    output.parent.mkdir(parents=True, exist_ok=True)
    float_ap, float_ms = images.measure(model, arguments.program)
    sensitivities: list[LayerSensitivity] = []
    with tempfile.TemporaryDirectory(prefix=".search-", dir=output.parent) as folder:

        def attempt(method: str, float_layers: tuple[str, ...]) -> Attempt:
            candidate = Path(folder) / str(len(list(Path(folder).iterdir()))) / output.name
            candidate.parent.mkdir()
            details = quantize(arguments, description, calibration, candidate, method, ",".join(float_layers))
            description.write(candidate)
            ap, image_ms = images.measure(candidate, arguments.program)
            return Attempt(method, tuple(details["layers_kept_float"]), ap, image_ms, candidate, details)

        def ranked_layers() -> list[str]:
            logging.info("measuring how much each layer alone changes the outputs")
            with progress_bar() as bar:

                def show(done: int, layers: int) -> None:
                    bar.total = layers
                    bar.update(done - bar.n)

                sensitivities.extend(layer_sensitivities(model, calibration, show))
            return [layer.name for layer in sensitivities]

        methods = dict.fromkeys((arguments.quant_method, *QUANT_METHODS))
        given = tuple(pattern.strip() for pattern in arguments.skip_layers.split(",") if pattern.strip())
        result = search_int8(attempt, list(methods), given, ranked_layers, float_ap - max_drop)
        chosen = result.chosen
        attempts = [
            {
                "method": tried.method,
                "float_layers": len(tried.float_layers),
                "AP": tried.ap,
                "bytes": tried.model_bytes,
                "image_ms": tried.image_ms,
            }
            for tried in result.attempts
        ]
        chosen.model.replace(output)
    if not result.is_enough:
        logging.warning(
            "no int8 model loses at most %g AP on %d training images: the best one found loses %.4f with %d layers in "
            "float; a training with more epochs or more calibration_images may help",
            *(max_drop, len(images.split), float_ap - chosen.ap, len(chosen.float_layers)),
        )
    search = {
        "max_ap_drop": max_drop,
        "is_kept": result.is_enough,
        "images": len(images.split),
        "float_AP": float_ap,
        # MindSpore Lite's models are measured in the native program, but the float model in ONNX Runtime.
        "float_image_ms": float_ms if output.suffix == ".onnx" else None,
        "AP": chosen.ap,
        "image_ms": chosen.image_ms,
        "attempts": attempts,
        "sensitivities": [asdict(layer) for layer in sensitivities],
    }
    return chosen.method, {**chosen.details, "search": search}


def quantize(
    arguments: argparse.Namespace,
    description: ModelDescription,
    calibration: CalibrationFolder,
    output: Path,
    method: str,
    skip_layers: str,
) -> dict[str, Any]:
    """Write an int8 model by the back end and return its details for the report."""
    model = arguments.model
    aipp = model_aipp(output, arguments.input, description)
    if arguments.quant_backend == "mslite":
        return quantize_mslite(model, output, calibration, method, skip_layers, arguments.converter, aipp)
    if arguments.quant_backend == "qdq":
        return quantize_qdq(model, output, calibration, method, skip_layers)
    if arguments.ckpt_file is None:
        raise InputError("quant_backend amct quantizes a checkpoint but none is given: add --ckpt_file")
    tools = AmctTools(arguments.amct_python, arguments.atc, arguments.soc_version, arguments.device_target)
    return quantize_amct(arguments.ckpt_file, description, output, calibration, skip_layers, tools, aipp)


if __name__ == "__main__":
    sys.exit(main())
