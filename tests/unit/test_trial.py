"""The trial of engines, with a program whose times are known."""

import json
from pathlib import Path

import pytest
from exported_samples import write_program

from yolov3.errors import InputError
from yolov3.native.run import NativeRunSettings
from yolov3.native.trial import MAX_IMAGES, fastest_engine

SETTINGS = NativeRunSettings(
    engine="auto",
    device="cpu",
    device_id=0,
    raw_maps=True,
    precision="float32",
    warmup=1,
    threads=1,
    eval_ignore_threshold=0.001,
    nms_thresh=0.5,
    max_detections=0,
)
# Writes the time of each engine and round, and notes what it was given.
PROGRAM = """
import json
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
record = Path(sys.argv[0]).with_name("record.json")
calls = json.loads(record.read_text()) if record.exists() else []
index = json.loads(Path(options["--input"], "index.json").read_text())
files = [Path(options["--input"], entry["file"]).read_text() for entry in index["images"]]
calls.append([options["--engine"], Path(options["--model"]).name, options["--raw"], files])
record.write_text(json.dumps(calls))
times = json.loads(Path(sys.argv[0]).with_name("times.json").read_text())[options["--engine"]]
done = sum(call[0] == options["--engine"] for call in calls)
Path(options["--output"]).mkdir(exist_ok=True)
Path(options["--output"], "benchmark.json").write_text(json.dumps({"network_ms": {"p50": times[done - 1]}}))
"""


@pytest.fixture
def host(tmp_path):
    """A program with two engines, models for both, and prepared images."""
    program = Path(write_program(tmp_path / "native310", PROGRAM))
    for engine in ("lite", "openvino"):
        (tmp_path / f"libnative310_engine_{engine}.so").touch()
    bins = tmp_path / "bins ü"
    (bins / "images").mkdir(parents=True)
    entries = [{"id": number, "file": f"images/{number}.bin"} for number in range(MAX_IMAGES + 5)]
    for entry in entries:
        (bins / entry["file"]).write_text(f"image {entry['id']}")
    (bins / "index.json").write_text(json.dumps({"format": 1, "images": entries}))
    models = [tmp_path / "a.ms", tmp_path / "a.onnx"]
    return program, models, bins


def test_the_engine_of_the_fastest_round_is_taken(host, tmp_path):
    # One slow round of OpenVINO, as with another load on the host, decides nothing.
    (tmp_path / "times.json").write_text(json.dumps({"lite": [3, 3, 4], "openvino": [9, 2, 5]}))
    engine, model, times = fastest_engine(*host, SETTINGS)
    assert (engine, model.name, times) == ("openvino", "a.onnx", {"lite": 3, "openvino": 2})
    calls = json.loads((tmp_path / "record.json").read_text())
    assert [call[:3] for call in calls] == [["lite", "a.ms", "0"], ["openvino", "a.onnx", "0"]] * 3
    assert calls[0][3] == [f"image {number}" for number in range(MAX_IMAGES)]


def test_an_engine_that_was_not_built_is_not_tried(host, tmp_path):
    (tmp_path / "times.json").write_text(json.dumps({"lite": [3]}))
    (tmp_path / "libnative310_engine_openvino.so").unlink()
    assert fastest_engine(*host, SETTINGS)[0] == "lite"
    (tmp_path / "libnative310_engine_lite.so").unlink()
    with pytest.raises(InputError, match="has no engine beside it for engine auto to choose: build it again"):
        fastest_engine(*host, SETTINGS)
