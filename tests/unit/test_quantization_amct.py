"""AMCT: the order and the arguments of its calls, checked by a package that stands in for it."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from exported_samples import SCRIPTS, SIZE, run_script, write_program, write_samples
from mindspore import Tensor
from processes import FORKING, assert_stage_ends_its_tool

from yolov3.export.description import ModelDescription
from yolov3.native.aipp import RGB, aipp_config
from yolov3.weights.checkpoint import load_network

FAKES = Path(__file__).parents[1] / "fakes"
FAKE_ATC = """
options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
assert Path(options["model"]).read_bytes() == b"AIR of the fake"
aipp = Path(options["insert_op_conf"]).read_bytes() if "insert_op_conf" in options else b""
Path(options["output"] + ".om").write_bytes(b"OM" + aipp)
print("ATC run success, welcome to the next use.")
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data ü")
    manifest, checkpoint = write_samples(folder, images=4)
    words = ["--manifest", manifest, "--testing_shape", SIZE]
    export = [*words, "--ckpt_file", checkpoint, "--file_format", "MINDIR", "--output_dir", folder]
    assert run_script("export", *export, "--export_batch_size", 2) == 0
    words += ["--output_dir", folder / "calibration", "--calibration", 1, "--calibration_images", 3]
    assert run_script("preprocess_bins", *words) == 0
    return folder / "yolov3_darknet53.mindir", folder / "calibration", checkpoint


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """atc on PATH, and AMCT where the Python of its environment finds it."""
    (tmp_path / "bin").mkdir()
    write_program(tmp_path / "bin" / "atc", FAKE_ATC)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    monkeypatch.setenv("FAKE_AMCT_RECORD", str(tmp_path / "record.json"))


def quantize(prepared, output, *more, python=sys.executable):
    model, calibration, checkpoint = prepared
    words = ["--model", model, "--calibration_dir", calibration, "--ckpt_file", checkpoint, "--output", output]
    return run_script("post_quant", "--quant_backend", "amct", "--amct_python", python, *words, *more)


def test_amct_is_called_as_documented_with_the_trained_network(prepared, tools, tmp_path):
    output = tmp_path / "out" / "int8.om"
    assert quantize(prepared, output, "--skip_layers", "backbone.root,branch_8.head") == 0
    assert output.read_bytes() == b"OM"
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["skip_layers"] == ["backbone.root.conv", "branch_8.head"]
    batches = np.array(record["batches"], np.float32)
    assert batches.shape == (1, 3, 3, SIZE, SIZE)
    network, _ = load_network(prepared[2])
    expected = network(Tensor(batches[0][:2]))[0].asnumpy()
    np.testing.assert_allclose(np.array(record["raw_8"], np.float32), expected, rtol=1e-4, atol=1e-4)
    report = json.loads((output.parent / "quant.json").read_text())
    assert report["layers_kept_float"] == ["backbone.root", "branch_8.head"]
    assert json.loads(report["amct_configuration"]) == {"activation_offset": True}
    assert report["atc_output"] == ["ATC run success, welcome to the next use."]
    assert json.loads((output.parent / "int8.om.json").read_text())["batch_size"] == 2


def test_a_model_for_jpeg_files_normalises_them(prepared, tools, tmp_path):
    output = tmp_path / "int8.om"
    assert quantize(prepared, output, "--input", "jpeg") == 0
    description = ModelDescription.read(output)
    expected = aipp_config(RGB, (SIZE, SIZE), description.mean_std)
    assert output.read_text() == f"OM{expected}"


@pytest.mark.parametrize("step", ["create_quant_config", "quantize_model", "save_model"])
def test_a_failing_step_is_one_sentence(prepared, tools, tmp_path, monkeypatch, capfd, step):
    monkeypatch.setenv("FAKE_AMCT_FAIL", step)
    assert quantize(prepared, tmp_path / "out" / "int8.om") == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
    assert len(errors) == 1 and f"RuntimeError: {step} was told to fail" in errors[0]
    assert not (tmp_path / "out").exists()


def test_missing_parts_are_one_sentence(prepared, tools, tmp_path, monkeypatch, capfd):
    def refused(sentence, *more, **others):
        assert quantize(prepared, tmp_path / "out" / "int8.om", *more, **others) == 1
        errors = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
        assert len(errors) == 1 and sentence in errors[0]

    refused("envs/amct.yaml", python="")
    refused("program no-atc is missing", "--atc", "no-atc")
    monkeypatch.delenv("PYTHONPATH")
    refused("AMCT for MindSpore is not installed in this Python")
    assert not (tmp_path / "out").exists()


def test_a_stage_that_is_told_to_end_ends_amct(prepared, tmp_path):
    python = write_program(tmp_path / "amct_python", FORKING)
    model, calibration, checkpoint = prepared
    words = ["--quant_backend", "amct", "--amct_python", python, "--model", model, "--calibration_dir", calibration]
    words += ["--ckpt_file", checkpoint, "--output", tmp_path / "out" / "int8.om"]
    command = [sys.executable, SCRIPTS / "post_quant.py", *words]
    assert_stage_ends_its_tool(command, "amct_python", signal.SIGTERM, tmp_path)
    assert not (tmp_path / "out").exists()
