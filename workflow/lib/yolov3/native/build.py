"""Configure and compile the native program with CMake."""

import logging
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from yolov3.errors import InputError
from yolov3.external_tool import ToolError, find_tool, run_tool

SHOWN_LINES = 3
# The text of message(FATAL_ERROR), in the output of CMake without empty lines.
CMAKE_MESSAGE = re.compile(r"^CMake Error at .*\(message\):\n(.*?)\n(?:-- |Call Stack )", re.MULTILINE | re.DOTALL)
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
    options = [
        "-DNATIVE310_TESTS=OFF",
        # Clears the cached paths of libraries, which may have changed since the last build.
        *("-U", "MSLITE_*", "-U", "ACL_*", "-U", "NLOHMANN_JSON_*"),
        f"-DNLOHMANN_JSON_DIRS={json_include_dirs()}",
        f"-DMSLITE_ROOT={settings.mslite_root}",
        f"-DOpenVINO_DIR={settings.openvino_dir}",
    ]
    run_cmake(settings.source_dir, settings.build_dir, options, settings.target, settings.jobs)


def run_cmake(source_dir: Path, build_dir: Path, options: list[str], target: str, jobs: int) -> None:
    """Configure a CMake project with options and build a target of it.

    Raises:
        InputError: CMake or a compiler is missing, or a step fails; the message has its error lines.
    """
    find_tool("cmake", "install CMake 3.16 or later and a C++17 compiler")
    _remove_moved_build(source_dir, build_dir)
    _run(["cmake", "-S", str(source_dir), "-B", str(build_dir), *options], source_dir.name)
    _run(["cmake", "--build", str(build_dir), "--target", target, "-j", str(jobs)], source_dir.name)


def cann_of_user() -> str:
    """Return the folder of CANN that its set_env.sh names; empty if that was not sourced."""
    return next((os.environ[name] for name in CANN_VARIABLES if os.environ.get(name)), "")


def openvino_cmake_dir() -> str:
    """Return the folder of OpenVINO's CMake files in the Python package openvino, empty where it is not installed."""
    return package_folder("openvino/cmake")


def json_include_dirs() -> str:
    """Return the folders of Python packages that hold nlohmann/json.hpp as a list for CMake, the first choice first."""
    return ";".join(map(package_folder, ("nlohmann_json/include", "mindspore/include/third_party")))


def package_folder(path: str) -> str:
    """Return where a folder of a Python package is, empty if that is not installed. The package is not imported."""
    spec = find_spec(path.split("/")[0])
    return str(Path(spec.origin).parents[1] / path) if spec and spec.origin else ""


def _remove_moved_build(source_dir: Path, build_dir: Path) -> None:
    """Remove the build folder of a project that was moved or copied, because CMake would refuse it."""
    cache = build_dir / "CMakeCache.txt"
    if not cache.is_file():
        return
    lines = cache.read_text(encoding="utf-8", errors="replace").splitlines()
    entries = dict(line.split("=", 1) for line in lines if "=" in line)
    places = {"CMAKE_CACHEFILE_DIR": build_dir, "CMAKE_HOME_DIRECTORY": source_dir}
    if any(Path(entries.get(f"{name}:INTERNAL", "")).resolve() != place.resolve() for name, place in places.items()):
        shutil.rmtree(build_dir)


def _run(command: list[str], project: str) -> None:
    logging.info("%s", shlex.join(command))
    try:
        run_tool(command)
    except ToolError as error:
        messages = [text.replace("\n", " ") for text in CMAKE_MESSAGE.findall("\n".join(error.lines))]
        errors = messages or [line for line in error.lines if "rror" in line] or [str(error)]
        raise InputError(
            f"{project} cannot be built ({' / '.join(errors[:SHOWN_LINES])}): see the log for the whole output"
        ) from None
