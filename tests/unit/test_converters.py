"""The vendors' converters: their command lines, the configuration of AIPP, and what failures of atc become."""

import json

import pytest
from exported_samples import write_program

from yolov3.errors import InputError
from yolov3.native.converters import compile_om, convert

FAKE_ATC = """
import json, os
Path(os.environ["FAKE_RECORD"]).write_text(json.dumps(sys.argv[1:]))
options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
aipp = Path(options["insert_op_conf"]).read_bytes() if "insert_op_conf" in options else b""
Path(options["output"] + ".om").write_bytes(b"OM of " + Path(options["model"]).read_bytes() + aipp)
"""


@pytest.fixture
def air(tmp_path):
    path = tmp_path / "net ü.air"
    path.write_bytes(b"air")
    return path


@pytest.fixture
def atc(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RECORD", str(tmp_path / "record.json"))
    return write_program(tmp_path / "atc", FAKE_ATC)


def test_command_line_is_the_documented_one(air, atc, tmp_path):
    compile_om(air, tmp_path / "out" / "net.om", "Ascend310", atc, aipp=" with AIPP")
    assert (tmp_path / "out" / "net.om").read_bytes() == b"OM of air with AIPP"
    words = json.loads((tmp_path / "record.json").read_text())
    output, aipp = (
        next(word for word in words if word.startswith(name)) for name in ("--output=", "--insert_op_conf=")
    )
    assert not output.endswith(".om")
    assert set(words) - {output, aipp} == {
        "--input_format=NCHW",
        "--framework=1",
        f"--model={air}",
        "--soc_version=Ascend310",
    }
    compile_om(air, tmp_path / "out" / "net.om", "Ascend310P3", atc)
    words = json.loads((tmp_path / "record.json").read_text())
    assert "--soc_version=Ascend310P3" in words and not [word for word in words if "insert_op_conf" in word]


def test_atc_is_found_on_the_path(air, atc, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    compile_om(air, tmp_path / "net.om", "Ascend310")
    assert (tmp_path / "net.om").is_file()


def test_failures_are_one_sentence_and_leave_nothing(air, atc, tmp_path):
    failing = write_program(tmp_path / "failing", "print('E10001: soc_version is invalid')\nsys.exit(1)")
    silent = write_program(tmp_path / "silent", "")
    output = tmp_path / "out" / "net.om"
    for model, target, program, sentence in (
        (air, output, failing, "E10001: soc_version is invalid"),
        (air, output, silent, "wrote no model"),
        (air, output, "no-such-atc", "source its set_env.sh"),
        (tmp_path / "none.air", output, atc, "does not exist"),
        (air, tmp_path / "out" / "net.bin", atc, "ends in .om"),
    ):
        with pytest.raises(InputError, match=sentence):
            compile_om(model, target, "Ascend310", program)
    assert not (tmp_path / "out").exists()


FAKE_LITE = """
options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
text = Path(options["configFile"]).read_text()
files = {line.split("=", 1)[1] for line in text.splitlines() if line.startswith("insert_op_config_file_path=")}
Path(options["outputFile"] + ".mindir").write_text(text + "".join(Path(file).read_text() for file in files))
"""


def test_lite_gets_aipp_in_the_sections_of_its_releases(tmp_path):
    (tmp_path / "net.onnx").write_text("onnx")
    program = write_program(tmp_path / "converter_lite", FAKE_LITE)
    convert(program, tmp_path / "net.onnx", tmp_path / "net.mindir", "[common_quant_param]\nbit_num=8\n", aipp="AIPP")
    lines = (tmp_path / "net.mindir").read_text().splitlines()
    assert lines[:2] == ["[common_quant_param]", "bit_num=8"] and lines[-1] == "AIPP"
    path = lines[3]
    assert path.startswith("insert_op_config_file_path=/")
    assert lines[2:6] == ["[acl_option_cfg_param]", path, "[ascend_context]", path]
