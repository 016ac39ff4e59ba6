"""Which Python the workflow's stages run in."""

import os
import sys
from pathlib import Path


def prefer_this_python() -> None:
    """Let `python` in the stages' commands be the one that runs Snakemake, activated or not."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
