"""Provide MindSpore Lite for building the native program: the user's copy, else a pinned wheel from PyPI."""

import logging
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from yolov3.errors import InputError
from yolov3.files import read_json, write_json
from yolov3.native.pinned_wheel import PinnedWheel

VERSION = "2.0.0"
HOME_VARIABLE = "MSLITE_HOME"

# For each processor the platform tag by which pip selects the wheel, and its SHA-256. The wheels are tagged for Python
# 3.7, but their C++ headers and libraries need no Python.
WHEELS = {
    "x86_64": ("manylinux1_x86_64", "199cd0605cc985b88eddb273db9dfe9000a585ba10ca2292b6b36ebfff07b3ec"),
    "aarch64": ("manylinux2014_aarch64", "9006b56a0285833802b4880f34cbce5f94111ef5ca4071d5df5c61e8c2a3a6f7"),
}


@dataclass(frozen=True)
class MsliteRuntime:
    """Location of a copy of MindSpore Lite, as stored in runtime.json.

    Attributes:
        root: folder to give to CMake as MSLITE_ROOT.
        include: folder of the headers; it holds api/model.h.
        lib: folder of the libraries.
        layout: "archive" (the vendor's, with runtime/ and tools/) or "wheel".
        version: release, or "unknown" if the copy does not name it.
        converter: program converter_lite, or "" if the copy has only its library.
    """

    root: str
    include: str
    lib: str
    layout: str
    version: str
    converter: str

    def write(self, path: Path) -> None:
        """Write as JSON; the root is relative if it is beside the file, so that both can be moved."""
        folder = path.absolute().parent
        is_beside = Path(self.root).is_relative_to(folder)
        write_json(path, {**asdict(self), "root": os.path.relpath(self.root, folder) if is_beside else self.root})

    @classmethod
    def read(cls, path: Path) -> "MsliteRuntime":
        """Inspect the copy named by a file that `write` wrote.

        Raises:
            InputError: the file is missing or broken, or the copy is gone.
        """
        value = read_json(path, "runtime description")
        if not isinstance(value, dict) or not isinstance(value.get("root"), str):
            raise InputError(f"runtime description {path} names no root: run the stage mslite_runtime again")
        return inspect_runtime(path.absolute().parent / value["root"])


def provide_runtime(output_dir: Path, home: str = "", machine: str = "") -> MsliteRuntime:
    """Return the copy in `home`, else that of the wheel, which is downloaded to `output_dir` unless it is there.

    Args:
        output_dir: folder that receives the unpacked wheel.
        home: value of MSLITE_HOME; empty uses the wheel.
        machine: processor as named by `platform.machine()`; empty for this host's.

    Raises:
        InputError: `home` is not a copy of MindSpore Lite, there is no wheel for the processor, it cannot be
            downloaded, or the downloaded file is not the pinned one.
    """
    if home:
        runtime = inspect_runtime(Path(home))
        logging.info("MindSpore Lite %s (%s) of %s=%s", runtime.version, runtime.layout, HOME_VARIABLE, home)
        return runtime
    machine = machine or platform.machine()
    if machine not in WHEELS:
        raise InputError(
            f"there is no MindSpore Lite wheel for {machine} processors: set {HOME_VARIABLE} to an unpacked archive "
            "of the vendor"
        )
    unpacked = output_dir / f"mindspore_lite-{VERSION}-{machine}"
    wheel = PinnedWheel("MindSpore Lite", "mindspore-lite", VERSION, "37", *WHEELS[machine])
    wheel.provide(unpacked, f"set {HOME_VARIABLE} to a copy")
    return inspect_runtime(unpacked)


def inspect_runtime(root: Path) -> MsliteRuntime:
    """Return the location of MindSpore Lite's parts in a folder.

    Raises:
        InputError: the folder has the content neither of the vendor's archive nor of the wheel.
    """
    root = root.resolve()
    layouts = (
        ("archive", root / "runtime", "libmindspore-lite.so"),
        ("wheel", root / "mindspore_lite", "libmindspore-extendrt_python.so"),
        ("wheel", root, "libmindspore-extendrt_python.so"),
    )
    for layout, base, library in layouts:
        if (base / "include/api/model.h").is_file() and (base / "lib" / library).is_file():
            converter = root / "tools/converter/converter/converter_lite"
            return MsliteRuntime(
                root=str(root),
                include=str(base / "include"),
                lib=str(base / "lib"),
                layout=layout,
                version=_version_of(root, layout),
                converter=str(converter) if converter.is_file() else "",
            )
    raise InputError(
        f"{root} is no MindSpore Lite: it has neither runtime/include/api/model.h and runtime/lib/libmindspore-lite.so "
        "(the vendor's archive) nor include/api/model.h and lib/libmindspore-extendrt_python.so (the wheel); "
        f"correct {HOME_VARIABLE}, or unset it to have the wheel downloaded"
    )


def home_of_user() -> str:
    """Return the value of MSLITE_HOME; empty if it is not set."""
    return os.environ.get(HOME_VARIABLE, "")


def _version_of(root: Path, layout: str) -> str:
    if layout == "wheel":
        texts = [*root.glob("mindspore_lite-*.dist-info"), *root.parent.glob("mindspore_lite-*.dist-info")]
        return texts[0].name.split("-")[1].removesuffix(".dist") if texts else VERSION
    for name in ("version", "VERSION", ".commit_id"):
        if (root / name).is_file():
            return (root / name).read_text(encoding="utf-8", errors="replace").split("\n")[0].strip() or "unknown"
    return "unknown"
