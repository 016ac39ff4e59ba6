"""MindSpore Lite's converter: how it is called, and what its failures become."""

import json

import pytest
from exported_samples import SIZE, run_script, write_program, write_samples

# Takes the options that converter_lite takes, checks files and config, writes a file that only its owner reads.
FAKE_CONVERTER = """
import configparser, os, json
options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
assert set(options) <= {"fmk", "modelFile", "outputFile", "saveType", "configFile", "optimize"}, options
assert options["fmk"] == "ONNX" and Path(options["modelFile"]).read_bytes(), options
suffix = {"MINDIR_LITE": ".ms", "MINDIR": ".mindir"}[options["saveType"]]
record = {"saveType": options["saveType"], "optimize": options.get("optimize")}
if "configFile" in options:
    config = configparser.ConfigParser()
    config.read(options["configFile"], encoding="utf-8")
    record |= {name: dict(config[name]) for name in config.sections()}
    name, folder = config["data_preprocess_param"]["calibrate_path"].split(":")
    record["input"] = name
    debug = record["common_quant_param"].pop("debug_info_save_path", None)
    if debug:
        # What converter_lite 2.0.0 writes, cut down.
        Path(debug, "quant_param.csv").write_text(
            "NodeName,NodeType,TensorName,ElementsNum,Dims,Scale,ZeroPoint,Bits,CorrectionVar,CorrectionMean,\\n"
            "root_pre,QuantDTypeCast,images,49152,1 128 128 3 ,0.5,-14,8,1,0,\\n"
            "root,Conv2DFusion,images,49152,1 128 128 3 ,0.5,-14,8,1,0,\\n"
            "root,Conv2DFusion,root.weight,216,2 3 3 3 ,0.25,0,8,1,0,\\n"
            "root,Conv2DFusion,root.weight,216,2 3 3 3 ,0.125,0,8,1,0,\\n"
        )
    record["sizes"] = [path.stat().st_size for path in sorted(Path(folder).iterdir())]
Path(os.environ["FAKE_RECORD"]).write_text(json.dumps(record))
target = Path(options["outputFile"] + suffix)
target.write_bytes(b"converted")
target.chmod(0o400)
print("CONVERT RESULT SUCCESS:0")
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data: ü, 1")
    manifest, checkpoint = write_samples(folder, images=4)
    words = ["--manifest", manifest, "--testing_shape", SIZE]
    assert run_script("export", *words, "--ckpt_file", checkpoint, "--file_format", "ONNX", "--output_dir", folder) == 0
    words += ["--output_dir", folder / "calibration", "--calibration", 1, "--calibration_images", 3]
    assert run_script("preprocess_bins", *words) == 0
    return folder / "yolov3_darknet53.onnx", folder / "calibration"


@pytest.fixture
def converter(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RECORD", str(tmp_path / "record.json"))
    return write_program(tmp_path / "fake converter", FAKE_CONVERTER)


def quantize(prepared, output, converter, *more):
    words = ["--model", prepared[0], "--calibration_dir", prepared[1], "--output", output, "--converter", converter]
    return run_script("post_quant", "--quant_backend", "mslite", *words, *more)


def test_converter_gets_the_documented_options_and_config(prepared, converter, tmp_path):
    output = tmp_path / "int8 ü.ms"
    assert (
        quantize(prepared, output, converter, "--quant_method", "KL", "--skip_layers", "branch_*.head,backbone.root")
        == 0
    )
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["saveType"] == "MINDIR_LITE"
    assert record["common_quant_param"] == {
        "quant_type": "FULL_QUANT",
        "bit_num": "8",
        "min_quant_weight_size": "0",
        "min_quant_weight_channel": "4",
        # The heads, and the transpositions by which the converter returns their outputs.
        "skip_quant_node": "backbone.root,branch_8.head,branch_16.head,branch_32.head,"
        "branch_8.head_post,branch_16.head_post,branch_32.head_post",
    }
    assert record["full_quant_param"] == {"activation_quant_method": "KL", "bias_correction": "true"}
    assert record["data_preprocess_param"]["calibrate_size"] == "3"
    assert record["data_preprocess_param"]["input_type"] == "BIN"
    assert (record["input"], record["sizes"]) == ("images", [3 * SIZE * SIZE * 4] * 3)


def test_int8_for_ascend(prepared, converter, tmp_path):
    assert quantize(prepared, tmp_path / "int8.mindir", converter) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["saveType"], record["optimize"]) == ("MINDIR", "ascend_oriented")
    assert record["full_quant_param"]["target_device"] == "ASCEND"
    assert json.loads((tmp_path / "quant.json").read_text())["tensors"] == {}
    assert "acl_option_cfg_param" not in record
    # For JPEG files, it normalises them itself.
    assert quantize(prepared, tmp_path / "int8.mindir", converter, "--input", "jpeg") == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert set(record["acl_option_cfg_param"]) == {"insert_op_config_file_path"} and record["input"] == "images"


def test_result_is_readable_described_and_reported(prepared, converter, tmp_path):
    output = tmp_path / "out" / "int8.ms"
    assert quantize(prepared, output, converter, "--skip_layers", "") == 0
    assert output.read_bytes() == b"converted"
    assert output.stat().st_mode & 0o600 == 0o600
    assert json.loads((output.parent / "int8.ms.json").read_text())["input_size"] == [SIZE, SIZE]
    report = json.loads((output.parent / "quant.json").read_text())
    assert (report["backend"], report["method"], report["layers_kept_float"]) == ("mslite", "MAX_MIN", [])
    assert (report["int8_model"]["bytes"], report["converter_output"]) == (9, ["CONVERT RESULT SUCCESS:0"])
    assert report["tensors"] == {
        "images": {"dtype": "int8", "channels": 1, "scale": 0.5, "zero_point": -14, "range": [-57.0, 70.5]},
        "root.weight": {"dtype": "int8", "channels": 2, "smallest_scale": 0.125, "largest_scale": 0.25},
    }
    # Without layers to skip, no such key.
    assert "skip_quant_node" not in json.loads((tmp_path / "record.json").read_text())["common_quant_param"]
    assert len(list(output.parent.iterdir())) == 3


def test_float_model_is_converted_without_config(prepared, converter, tmp_path):
    words = ["--model", prepared[0], "--converter", converter, "--output", tmp_path / "net.mindir"]
    assert run_script("convert_model", *words, "--optimize", "ascend_oriented") == 0
    assert json.loads((tmp_path / "record.json").read_text()) == {"saveType": "MINDIR", "optimize": "ascend_oriented"}
    assert (tmp_path / "net.mindir.json").is_file()


def test_failures_are_one_sentence_and_leave_nothing(prepared, tmp_path, capfd):
    failing = write_program(tmp_path / "failing", "print('many lines')\nprint('[ERROR] no memory left')\nsys.exit(3)")
    silent = write_program(tmp_path / "silent", "print('all well')")
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"\x7fELF nonsense")
    wrong.chmod(0o755)
    for converter, sentence in (
        (failing, "failing failed ([ERROR] no memory left)"),
        (silent, "silent wrote no model"),
        (tmp_path / "nowhere", "nowhere is missing or not executable"),
        (prepared[0], "is missing or not executable"),
        (wrong, "cannot be started"),
    ):
        assert quantize(prepared, tmp_path / "out" / "int8.ms", converter) == 1
        errors = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
        assert len(errors) == 1 and sentence in errors[0]
    assert not (tmp_path / "out").exists()
