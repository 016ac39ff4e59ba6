"""Convert an exported float model for the native program: ONNX or MindIR for MindSpore Lite, AIR for AscendCL.

python workflow/scripts/convert_model.py --model results/export/yolov3_darknet53.onnx --converter mslite_convert \
    --output results/export/yolov3_darknet53.ms
python workflow/scripts/convert_model.py --model results/export/yolov3_darknet53.air --soc_version Ascend310 \
    --output results/export/yolov3_darknet53.om
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.export.description import ModelDescription
from yolov3.native.aipp import model_aipp
from yolov3.native.converters import compile_om, convert


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="exported model, with its description beside it")
    parser.add_argument("--output", type=Path, required=True, help=".ms or .mindir (MindSpore Lite), or .om (AscendCL)")
    parser.add_argument("--converter", default="mslite_convert", help="mslite_convert or converter_lite")
    parser.add_argument(
        "--optimize", choices=("general", "ascend_oriented"), default="general", help="ascend_oriented for Ascend"
    )
    parser.add_argument("--atc", default="atc", help="CANN's atc")
    parser.add_argument("--soc_version", default="Ascend310", help="chip that an .om is compiled for")
    add_options(parser, "infer", only=("input",))
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Write the converted model and its description."""
    description = ModelDescription.read(arguments.model)
    aipp = model_aipp(arguments.output, arguments.input, description)
    if arguments.output.suffix == ".om":
        compile_om(arguments.model, arguments.output, arguments.soc_version, arguments.atc, aipp)
    else:
        optimize = (f"--optimize={arguments.optimize}",) if arguments.optimize != "general" else ()
        convert(arguments.converter, arguments.model, arguments.output, more_arguments=optimize, aipp=aipp)
    description.write(arguments.output)
    logging.info("%s: %d bytes", arguments.output, arguments.output.stat().st_size)


if __name__ == "__main__":
    sys.exit(main())
