"""On PYTHONPATH, it lets each stage write down which modules of the package it has loaded when it ends."""

import atexit
import os
import sys
from pathlib import Path


def record():
    names = sorted(name for name in sys.modules if name.split(".")[0] == "yolov3")
    program = Path(sys.argv[0]).stem
    if names:
        Path(os.environ["LOADED_MODULES_DIR"], f"{program}-{os.getpid()}.txt").write_text("\n".join(names))


if "LOADED_MODULES_DIR" in os.environ:
    atexit.register(record)
