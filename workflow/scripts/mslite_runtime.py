"""Provide MindSpore Lite for the native program: the copy at MSLITE_HOME if set, else a pinned wheel from PyPI.

python workflow/scripts/mslite_runtime.py --output_dir results/mslite
"""

import argparse
import sys
from pathlib import Path

from yolov3.config.stage import run_stage, stage_parser
from yolov3.native.mslite_runtime import home_of_user, provide_runtime


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--output_dir", type=Path, required=True, help="folder of the unpacked wheel and runtime.json")
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Locate or download the runtime and write runtime.json."""
    provide_runtime(arguments.output_dir, home_of_user()).write(arguments.output_dir / "runtime.json")


if __name__ == "__main__":
    sys.exit(main())
