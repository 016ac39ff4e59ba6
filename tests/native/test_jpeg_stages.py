"""The stages of the JPEG path: atc gets a configuration of AIPP, and the program the data set's files.

A fake atc and a fake AscendCL, which decodes, resizes and normalises real pixels and runs the real network by OpenVINO.
"""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from exported_samples import SCRIPTS, SIZE, run_script, write_program, write_samples
from native_helpers import Program, write_network_model
from test_native_engines import need

from yolov3.export.description import ModelDescription
from yolov3.native.aipp import RGB, YUV420SP, aipp_config

CHANNELS = 3 * (5 + 2)
# The bilinear filter of the fake, instead of area averages, and the colours give 0.06; a missing channel gives 0.25.
MAX_ERROR = 0.1
# The exported file stands in for AIR, which only an Ascend back end writes.
FAKE_ATC = f"""
options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
aipp = Path(options["insert_op_conf"]).read_text()
header = "FAKEOM 1 {SIZE} {SIZE} {CHANNELS} float32 float32 NCHW"
Path(options["output"] + ".om").write_text(f"{{header}} AIPP {{len(aipp)}} NETWORK {{options['model']}}\\n{{aipp}}")
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The manifest of a data set, whose images are PNG files, and an exported network."""
    folder = tmp_path_factory.mktemp("prepared")
    manifest, checkpoint = write_samples(folder, images=3)
    words = ["--manifest", manifest, "--testing_shape", SIZE, "--ckpt_file", checkpoint, "--file_format", "ONNX"]
    assert run_script("export", *words, "--output_dir", folder) == 0
    return manifest, folder / "yolov3_darknet53.onnx"


def infer(program: Path, model: Path, manifest: Path, output: Path, *words: object) -> np.ndarray:
    """Run the stage on JPEG files; return the raw outputs of all images, each without the mean of its channel."""
    main = runpy.run_path(str(SCRIPTS / "infer_310.py"))["main"]
    options = ["--program", program, "--model", model, "--manifest", manifest, "--output_dir", output, *words]
    assert main([str(word) for word in (*options, "--input", "jpeg", "--warmup", 0)]) == 0
    assert json.loads((output / "metrics.json").read_text())["images"] == 3
    assert not [path for path in output.iterdir() if path.name.startswith(".")]
    maps = [np.fromfile(path, np.float32) for path in sorted((output / "result_Files").iterdir())]
    maps = [raw.reshape(CHANNELS, -1) for raw in maps]
    return np.concatenate([(raw - raw.mean(1, keepdims=True)).ravel() for raw in maps])


@pytest.fixture
def float_path(native: Program, has_engine: set[str], prepared, tmp_path: Path) -> np.ndarray:
    need(has_engine, "openvino")
    manifest, onnx = prepared
    return infer(native.path, onnx, manifest, tmp_path / "float", "--engine", "openvino")


@pytest.fixture
def device(build_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program with the fake AscendCL, which runs networks."""
    monkeypatch.setenv("FAKE_ACL_NETWORK_ENGINE", str(build_dir / "libnative310_engine_openvino.so"))
    return build_dir / "tests" / "native310_with_fake_acl"


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the root mean square difference as a share of that of the values from nothing."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def test_the_stages_give_what_the_float_path_gives(
    float_path: np.ndarray, device: Path, prepared, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manifest, onnx = prepared
    model = tmp_path / "net.om"
    convert = ["--model", onnx, "--output", model, "--atc", write_program(tmp_path / "atc", FAKE_ATC)]
    assert run_script("convert_model", *convert, "--input", "jpeg") == 0
    assert RGB in model.read_text()
    words = ("--engine", "acl", "--device", "ascend")
    found = infer(device, model, manifest, tmp_path / "acl", *words)
    assert "3 of 3 images are not JPEG files" in capfd.readouterr().err
    assert error(found, float_path) < MAX_ERROR


def test_bins_are_asked_for(prepared, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    manifest, onnx = prepared
    words = ["--program", "native310", "--model", onnx, "--manifest", manifest, "--output_dir", tmp_path / "out"]
    assert run_script("infer_310", *words) == 1
    assert "--bins is missing: give the folder of the prepared images, or --input jpeg" in capfd.readouterr().err


@pytest.mark.parametrize("input_format", [RGB, YUV420SP])
def test_colours_reach_the_network(
    float_path: np.ndarray, device: Path, prepared, tmp_path: Path, input_format: str
) -> None:
    """In the published format, too, which larger networks take; without the red channel the error is large."""
    manifest, onnx = prepared
    description = ModelDescription.read(onnx)
    aipp = aipp_config(input_format, description.input_size, description.mean_std)
    words = ("--engine", "acl", "--device", "ascend")
    errors = []
    for name, text in (("right", aipp), ("wrong", aipp.replace("var_reci_chn_0: 0.017", "var_reci_chn_0: 0.000"))):
        model = write_network_model(tmp_path / f"{name}.om", onnx, (SIZE, SIZE), CHANNELS, text)
        description.write(model)
        errors.append(error(infer(device, model, manifest, tmp_path / name, *words), float_path))
    assert errors[0] < MAX_ERROR < errors[1]
