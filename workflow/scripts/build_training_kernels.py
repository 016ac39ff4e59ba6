"""Build the operators with which a training on CPUs is faster.

python workflow/scripts/build_training_kernels.py --source_dir native_training --output_dir results/training_kernels
"""

import argparse
import sys
from pathlib import Path

from yolov3.config.stage import run_stage, stage_parser
from yolov3.native.training_kernels import build_training_kernels
from yolov3.process import available_cpus


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--source_dir", type=Path, required=True, help="folder of CMakeLists.txt")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of oneDNN's headers and of the build")
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Configure and compile with CMake."""
    build_training_kernels(arguments.source_dir, arguments.output_dir, available_cpus())


if __name__ == "__main__":
    sys.exit(main())
