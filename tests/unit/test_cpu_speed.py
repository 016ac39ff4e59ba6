"""The CPU speed trap: oneDNN must not take its reference convolution, whatever process imports the package."""

import os
import subprocess
import sys

CONVOLUTION = """
import yolov3.network.yolo
import numpy as np
from mindspore import Tensor, nn
convolution = nn.Conv2d(16, 32, 3, pad_mode="pad", padding=1)
convolution(Tensor(np.ones((1, 16, 32, 32), np.float32))).asnumpy()
"""


def run(code, **environment):
    clean = {key: value for key, value in os.environ.items() if key != "ONEDNN_MAX_CPU_ISA"}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True, check=True
    ).stdout


def test_convolutions_take_a_fast_kernel():
    printed = run(CONVOLUTION, ONEDNN_VERBOSE="1")
    convolutions = [line for line in printed.splitlines() if ",exec,cpu,convolution," in line]
    assert convolutions
    assert not [line for line in convolutions if "ref" in line.split(",convolution,")[1].split(",")[0]]


def test_what_the_user_has_set_stays():
    show = "import yolov3, os; print(os.environ['ONEDNN_MAX_CPU_ISA'])"
    assert run(show).strip() == "AVX2"
    assert run(show, ONEDNN_MAX_CPU_ISA="SSE41").strip() == "SSE41"
