"""Configure and compile the native program with CMake."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from yolov3.errors import InputError
from yolov3.external_tool import ToolError, find_tool, run_tool

SHOWN_LINES = 3
# Set by CANN's set_env.sh; native310/CMakeLists.txt reads them too.
CANN_VARIABLES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "ASCEND_HOME")


@dataclass(frozen=True)
class BuildSettings:
    """Sources, dependencies and output of a build.

    Attributes:
        source_dir: folder of CMakeLists.txt.
        build_dir: folder of the build, kept between builds so that only changes are compiled.
        target: CMake target.
        mslite_root: folder of MindSpore Lite; empty for none.
        openvino_dir: folder of OpenVINOConfig.cmake; empty for none.
        jobs: number of parallel compilers.
    """

    source_dir: Path
    build_dir: Path
    target: str
    mslite_root: str
    openvino_dir: str
    jobs: int


def build(settings: BuildSettings) -> None:
    """Configure and compile.

    Raises:
        InputError: CMake or a compiler is missing, or a step fails; the message has its error lines.
    """
    find_tool("cmake", "install CMake 3.16 or later and a C++17 compiler")
    configure = [
        *("cmake", "-S", str(settings.source_dir), "-B", str(settings.build_dir), "-DNATIVE310_TESTS=OFF"),
        # Clears the cached paths of MindSpore Lite and CANN, which may have changed since the last build.
        *("-U", "MSLITE_*", "-U", "ACL_*"),
        f"-DMSLITE_ROOT={settings.mslite_root}",
        f"-DOpenVINO_DIR={settings.openvino_dir}",
    ]
    _remove_moved_build(settings)
    _run(configure)
    _run(["cmake", "--build", str(settings.build_dir), "--target", settings.target, "-j", str(settings.jobs)])


def cann_of_user() -> str:
    """Return the folder of CANN that its set_env.sh names; empty if that was not sourced."""
    return next((os.environ[name] for name in CANN_VARIABLES if os.environ.get(name)), "")


def openvino_cmake_dir() -> str:
    """Return the folder of CMake files in the Python package openvino; empty if it is not installed."""
    try:
        from openvino.utils import get_cmake_path
    except ImportError:
        return ""
    return str(get_cmake_path())


def _remove_moved_build(settings: BuildSettings) -> None:
    """Remove the build folder of a project that was moved or copied, because CMake would refuse it."""
    cache = settings.build_dir / "CMakeCache.txt"
    if not cache.is_file():
        return
    lines = cache.read_text(encoding="utf-8", errors="replace").splitlines()
    entries = dict(line.split("=", 1) for line in lines if "=" in line)
    places = {"CMAKE_CACHEFILE_DIR": settings.build_dir, "CMAKE_HOME_DIRECTORY": settings.source_dir}
    if any(Path(entries.get(f"{name}:INTERNAL", "")).resolve() != place.resolve() for name, place in places.items()):
        shutil.rmtree(settings.build_dir)


def _run(command: list[str]) -> None:
    try:
        run_tool(command)
    except ToolError as error:
        errors = [line for line in error.lines if "rror" in line] or [str(error)]
        raise InputError(
            f"native310 cannot be built ({' / '.join(errors[:SHOWN_LINES])}): see the log for the whole output"
        ) from None
