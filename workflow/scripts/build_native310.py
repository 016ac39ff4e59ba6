"""Build the native program or one of its tools.

python workflow/scripts/build_native310.py --source_dir native310 --runtime results/native310/mslite/runtime.json \
    --build_dir results/native310/build
"""

import argparse
import sys
from pathlib import Path

from yolov3.config.stage import run_stage, stage_parser
from yolov3.native.build import BuildSettings, build, openvino_cmake_dir
from yolov3.native.mslite_runtime import MsliteRuntime
from yolov3.process import available_cpus


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("--source_dir", type=Path, required=True, help="folder of CMakeLists.txt")
    parser.add_argument("--build_dir", type=Path, required=True, help="folder of the build")
    parser.add_argument("--runtime", type=Path, help="runtime.json of MindSpore Lite")
    parser.add_argument("--target", default="all", help="all, or mslite_convert")
    return run_stage(run, parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> None:
    """Configure and compile with CMake."""
    build(
        BuildSettings(
            source_dir=arguments.source_dir,
            build_dir=arguments.build_dir,
            target=arguments.target,
            mslite_root=MsliteRuntime.read(arguments.runtime).root if arguments.runtime else "",
            openvino_dir=openvino_cmake_dir(),
            jobs=available_cpus(),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
