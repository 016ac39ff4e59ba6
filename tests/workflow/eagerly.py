"""Runs a stage's script without compiling its network, which takes most of a training of a few steps.

python eagerly.py SCRIPT OPTION...
"""

import runpy
import sys
from pathlib import Path

import mindspore

if __name__ == "__main__":
    mindspore.GRAPH_MODE = mindspore.PYNATIVE_MODE
    mindspore.set_context(pynative_synchronize=True)
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
