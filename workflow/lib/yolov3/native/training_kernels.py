"""Build the operators of native_training/, with which a training on CPUs takes two thirds of the time.

They use oneDNN. The library is that of MindSpore, which comes without headers; these are of the release before it,
whose functions it has.
"""

import platform
from pathlib import Path

from yolov3.errors import InputError
from yolov3.native.build import package_folder, run_cmake
from yolov3.native.pinned_wheel import PinnedWheel

HEADERS = PinnedWheel(
    title="oneDNN's headers",
    package="onednn-devel",
    version="2025.3.0",
    python="3",
    platform_tag="manylinux_2_28_x86_64",
    sha256="3897b4ae65f09e289c10eef98455de069b08b5ac670a34921d406018362f5c95",
)
LIBRARY_PATH = "build/libtraining_kernels.so"
REMEDY = "set train.cpu_kernels to mindspore"


def is_possible_here() -> bool:
    """Return whether the processor of this host has what the operators are built for."""
    cpuinfo = Path("/proc/cpuinfo")
    has_avx2 = cpuinfo.is_file() and " avx2 " in cpuinfo.read_text(encoding="utf-8", errors="replace")
    return platform.machine() == "x86_64" and has_avx2


def build_training_kernels(source_dir: Path, output_dir: Path, jobs: int) -> Path:
    """Build the library and return its path, `output_dir` / LIBRARY_PATH.

    Args:
        source_dir: folder of CMakeLists.txt.
        output_dir: folder of the headers and of the build, which are kept so that only changes are compiled.
        jobs: number of parallel compilers.

    Raises:
        InputError: this host cannot build it, or the headers cannot be downloaded.
    """
    if not is_possible_here():
        raise InputError(f"native_training needs an x86_64 processor with AVX2, which this host has not: {REMEDY}")
    libraries = sorted(Path(package_folder("mindspore/lib")).glob("libdnnl.so*"))
    if not libraries:
        raise InputError(f"this MindSpore has no libdnnl.so, which native_training needs: {REMEDY}")
    # Beside the build, whose folder is removed when the project was moved.
    unpacked = output_dir / f"{HEADERS.package}-{HEADERS.version}"
    HEADERS.provide(unpacked, REMEDY)
    include = unpacked / f"onednn_devel-{HEADERS.version}.data" / "data" / "include"
    options = [f"-DONEDNN_INCLUDE={include.resolve()}", f"-DONEDNN_LIBRARY={libraries[0]}"]
    library = output_dir / LIBRARY_PATH
    run_cmake(source_dir, library.parent, options, "training_kernels", jobs)
    return library
