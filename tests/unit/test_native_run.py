"""How the native program is called."""

from pathlib import Path

import pytest

from yolov3.cpus import available_cpus
from yolov3.native_run import NativeRunSettings, native_command

SETTINGS = {
    "engine": "lite",
    "device": "cpu",
    "device_id": 0,
    "raw_maps": True,
    "precision": "float32",
    "warmup": 1,
    "eval_ignore_threshold": 0.001,
    "nms_thresh": 0.5,
    "max_detections": 100,
}


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (10_000, available_cpus())])
def test_no_more_threads_than_cpus(asked, used):
    settings = NativeRunSettings(threads=asked, **SETTINGS)
    command = native_command(Path("native310"), Path("m.ms"), Path("bins"), Path("found"), settings)
    assert command[command.index("--threads") + 1] == str(used)
