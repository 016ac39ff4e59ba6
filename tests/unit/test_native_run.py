"""How the native program is called, and what its failures become."""

import json
from pathlib import Path

import pytest
from exported_samples import write_program, write_samples

from yolov3.data.annotations import ground_truth
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.native.accuracy import native_accuracy
from yolov3.native.run import NativeRunSettings, native_command, run_program
from yolov3.process import available_cpus

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
    "multi_label": False,
}


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (10_000, available_cpus())])
def test_no_more_threads_than_cpus(asked, used):
    settings = NativeRunSettings(threads=asked, **SETTINGS)
    command = native_command(Path("native310"), Path("m.ms"), Path("bins"), Path("found"), settings)
    assert command[command.index("--threads") + 1] == str(used)
    assert "--annotations" not in command
    words = (Path("native310"), Path("m.om"), Path("images"), Path("found"), settings)
    command = native_command(*words, annotations=Path("instances.json"))
    assert command[command.index("--annotations") + 1] == "instances.json"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            r"sys.stdout.buffer.write(b'1 of 9 images\nmodel \xe4 is broken\n'); sys.exit(1)",
            "program failed: model � is",
        ),
        (
            "import os, signal\nprint('10 of 300 images', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
            "by SIGKILL",
        ),
        ("sys.exit(3)", "exit code 3 without output"),
    ],
)
def test_what_a_failed_run_becomes(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        run_program([str(write_program(tmp_path / "program", text))])


def test_what_the_device_leaves_to_the_host_is_shown(tmp_path, caplog):
    line = "1 of 9 JPEG files are decoded on the host because the device's decoder cannot: 1.jpg (progressive)"
    run_program([str(write_program(tmp_path / "program", f"print({line!r})\nprint('9 of 9 images')"))])
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [line]


def test_a_missing_program(tmp_path):
    with pytest.raises(InputError, match="is missing or not executable: build it"):
        run_program([str(tmp_path / "program")])


def test_detections_of_another_data_set(tmp_path):
    found = [{"image_id": 987654, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}]
    (tmp_path / "detections.json").write_text(json.dumps(found))
    manifest = Manifest.read(write_samples(tmp_path)[0])
    images = len(ground_truth(manifest, "val")["images"])
    (tmp_path / "benchmark.json").write_text(json.dumps({"images": images}))
    with pytest.raises(InputError, match=r"has image_id 987654, which this data set does not: prepare the images"):
        native_accuracy(manifest, tmp_path)
    (tmp_path / "benchmark.json").write_text(json.dumps({"images": 1}))
    with pytest.raises(InputError, match=rf"1 images are prepared but the validation split has {images}"):
        native_accuracy(manifest, tmp_path)
