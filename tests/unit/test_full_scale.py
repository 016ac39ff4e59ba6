"""The full-scale configs: the whole chain is planned, and its commands are those that the vendors' tools document.

Planned by dry runs, the data set being absent; the tools are stand-ins on PATH.
"""

import dataclasses
import itertools
import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from exported_samples import SETTINGS, run_script, write_program
from mindspore import Parameter, Tensor, nn

from yolov3.config.config import complete_config
from yolov3.config.schema import section_schema
from yolov3.distributed import run
from yolov3.export.description import ModelDescription
from yolov3.training.schedule import ScheduleSettings, learning_rates

ROOT = Path(__file__).parents[2]
CHAIN = {
    *("download_train", "download_val", "download"),
    *("fetch_backbone", "convert_backbone", "preview_batches", "train", "eval_coco", "export", "preprocess_bins"),
    *("calibration_bins", "mslite_runtime", "build_native310", "post_quant", "infer_310", "quant_infer_310", "report"),
    "data_report",
}
LITE = {"build_converter", "convert_model"}
JPEG = ["--config", 'infer={"engine": "acl", "input": "jpeg"}']


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Rule -> words of its command, for each config, and for that of Ascend with JPEG files."""
    found = {}
    for name, config in (("ascend", "ascend"), ("gpu", "gpu"), ("cpu", "cpu"), ("jpeg", "ascend")):
        words = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", "report", "--cores", "8"]
        words += ["--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config" / f"coco2014_{config}.yaml"]
        words += JPEG if name == "jpeg" else []
        words += ["--directory", tmp_path_factory.mktemp(name), "--workflow-profile", "none"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found[name], rule = {}, ""
        for line in (done.stdout + done.stderr).splitlines():
            if line.strip().startswith(("rule ", "localrule ")):
                rule = line.split()[-1].rstrip(":")
                found[name][rule] = []
            elif line.strip().startswith("Shell command: "):
                found[name][rule] = shlex.split(line.strip().removeprefix("Shell command: "))
    return found


def options_of(words):
    """Option -> value of a stage's command line, with the defaults of the options that it leaves out."""
    sections = (section_schema(section) for section in ("", "train", "eval", "export", "quantize", "infer"))
    defaults = {f"--{key}": str(schema["default"]) for schemas in sections for key, schema in schemas.items()}
    return {**defaults, **{word: value for word, value in itertools.pairwise(words) if word.startswith("--")}}


def config_of(name):
    return complete_config(yaml.safe_load((ROOT / "config" / f"coco2014_{name}.yaml").read_text(encoding="utf-8")))


def test_the_whole_chain_is_planned(planned):
    assert set(planned["ascend"]) - {"all"} == CHAIN | LITE | {"rank_table"}
    assert set(planned["cpu"]) - {"all"} == CHAIN
    assert set(planned["gpu"]) - {"all"} == CHAIN


def test_the_published_hyper_parameters(planned):
    ascend, gpu = (options_of(planned[name]["train"]) for name in ("ascend", "gpu"))
    published = {
        "--lr_scheduler": "cosine_annealing",
        "--T_max": "320",
        "--max_epoch": "320",
        "--warmup_epochs": "4",
        "--per_batch_size": "32",
        "--group_size": "8",
        "--is_distributed": "1",
        "--momentum": "0.9",
        "--optimizer": "momentum",
    }
    assert published.items() <= ascend.items() and published.items() <= gpu.items()
    # On GPUs the original trained in float16 and did not multiply the loss.
    assert (ascend["--loss_scale"], gpu["--loss_scale"]) == ("1024", "1")
    assert [(words["--amp_level"], words["--loss_scaler"]) for words in (ascend, gpu)] == [
        ("O0", "static"),
        ("O2", "static"),
    ]
    # What the published numbers mean here: test_what_the_published_rates_mean_here.
    assert (float(ascend["--lr"]), float(gpu["--lr"])) == (0.001, 0.1 / 1024)
    assert (ascend["--weight_decay"], ascend["--training_shape"]) == ("0.016", "")
    assert (gpu["--weight_decay"], gpu["--training_shape"]) == ("0.512", "416")
    assert options_of(planned["ascend"]["eval_coco"])["--testing_shape"] == "416"


def test_the_reckoning_of_the_rates_in_the_published_log():
    """With the 0.1 that it derives from the log, our schedule gives the log's rates at the log's iterations."""
    train = config_of("ascend")["train"]
    steps_per_epoch = math.ceil(82_081 / train["group_size"]) // train["per_batch_size"]
    assert steps_per_epoch * train["max_epoch"] == 102_400
    fields = [field.name for field in dataclasses.fields(ScheduleSettings)]
    rates = learning_rates(ScheduleSettings(**{**{name: train[name] for name in fields}, "lr": 0.1}), steps_per_epoch)
    logged = {
        0: 7.812499825377017e-05,
        100: 0.007890624925494194,
        300: 0.023515624925494194,
        400: 0.03132812678813934,
        102_000: 9.63797629083274e-06,
        102_300: 2.409552052995423e-06,
    }
    for step, rate in logged.items():
        np.testing.assert_allclose(rates[step], rate, rtol=1e-5)


@pytest.mark.parametrize(
    ("published", "multiplied", "here"),
    [
        # The published log, and all GPU runs: the loss is not multiplied by loss_scale.
        ((0.1, 0.0005), 1, (0.1 / 1024, 0.0005 * 1024)),
        # The published command for Ascend.
        ((0.001, 0.016), 1024, (0.001, 0.016)),
    ],
)
def test_what_the_published_rates_mean_here(published, multiplied, here):
    """MindSpore's optimizer, which the original gives a loss_scale of 1024 and ours none, takes the same steps."""
    # About as large as the decay of weights near 1, so that both show.
    gradients = np.random.default_rng(3).normal(scale=0.1, size=(4, 5)).astype(np.float32)

    def last_step(lr, weight_decay, loss_scale, factor):
        weights = Parameter(Tensor(np.linspace(1, 2, 5, dtype=np.float32)), name="weights")
        optimizer = nn.Momentum([weights], lr, 0.9, weight_decay, loss_scale)
        for gradient in gradients:
            optimizer((Tensor(gradient * factor),))
        return lr * optimizer.moments[0].asnumpy()

    np.testing.assert_allclose(last_step(*published, 1024.0, multiplied), last_step(*here, 1.0, 1), rtol=1e-4)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """hccn_tool, atc and a converter that write down their arguments."""
    (tmp_path / "bin").mkdir()
    hccn = 'assert sys.argv[1::2] == ["-i", "-ip"] and sys.argv[4] == "-g"\nprint(f"ipaddr:192.168.10{sys.argv[2]}.1")'
    write_program(tmp_path / "bin" / "hccn_tool", hccn)
    record = 'import json, os\nPath(os.environ["FAKE_RECORD"]).write_text(json.dumps(sys.argv[1:]))\n'
    options = 'options = dict(word[2:].split("=", 1) for word in sys.argv[1:])\n'
    write_program(tmp_path / "bin" / "atc", record + options + 'Path(options["output"] + ".om").write_bytes(b"OM")')
    write_program(
        tmp_path / "bin" / "mslite_convert",
        record + options + 'Path(options["outputFile"] + ".mindir").write_bytes(b"converted")',
    )
    monkeypatch.setenv("FAKE_RECORD", str(tmp_path / "record.json"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return lambda: set(json.loads((tmp_path / "record.json").read_text()))


def stage_words(words, without=("--log_file",)):
    """The arguments of a planned command, python and script left out."""
    words = [str(Path(word[10:-1]).parent) if word.startswith("$(dirname ") else word for word in words[2:]]
    for name in without:
        at = words.index(name)
        words = words[:at] + words[at + 2 :]
    return words


def test_rank_table_of_eight_devices(planned, tools, tmp_path):
    assert run_script("rank_table", *stage_words(planned["ascend"]["rank_table"]), "--server_ip", "10.0.0.7") == 0
    table = json.loads((tmp_path / "results" / "rank_table" / "rank_table.json").read_text())
    (server,) = table.pop("server_list")
    assert table == {"version": "1.0", "server_count": "1", "status": "completed"}
    assert (server["server_id"], server["host_nic_ip"]) == ("10.0.0.7", "reserve")
    assert server["device"] == [
        {"device_id": str(number), "device_ip": f"192.168.10{number}.1", "rank_id": str(number)} for number in range(8)
    ]


@pytest.mark.parametrize("name", ["ascend", "gpu"])
def test_training_is_started_by_msrun(planned, tools, monkeypatch, name):
    started = []
    monkeypatch.delenv("MS_ROLE", raising=False)
    monkeypatch.setattr(run, "run_workers", lambda command, *_: started.append(command))
    if name == "ascend":
        assert run_script("rank_table", *stage_words(planned[name]["rank_table"])) == 0
    words = stage_words(planned[name]["train"])
    assert run_script("train", *words) == 0
    ((msrun, *options),) = started
    script = next(at for at, word in enumerate(options) if word.endswith("train.py"))
    assert msrun == "msrun" and options[script + 1 :] == words
    expected = {
        *("--worker_num=8", "--local_worker_num=8", "--master_addr=127.0.0.1", "--master_port=8118", "--node_rank=0"),
        *("--log_dir=results/train/workers", "--join=True", "--cluster_time_out=300"),
    }
    if name == "ascend":
        expected.add("--rank_table_file=results/rank_table/rank_table.json")
    assert expected <= set(options[:script])
    assert {word for word in set(options[:script]) - expected if not word.startswith("--bind_core")} == set()


def test_float_model_for_ascend_310(planned, tools, tmp_path):
    words = options_of(planned["ascend"]["convert_model"])
    exported = tmp_path / "results" / "export" / "yolov3_darknet53.mindir"
    assert (words["--model"], words["--output"]) == (
        "results/export/yolov3_darknet53.mindir",
        "results/native_model/yolov3_darknet53.mindir",
    )
    write_model(exported)
    words = stage_words(planned["ascend"]["convert_model"], without=("--log_file", "--converter"))
    assert run_script("convert_model", *words, "--converter", "mslite_convert") == 0
    said = tools()
    assert {"--fmk=MINDIR", "--saveType=MINDIR", "--optimize=ascend_oriented"} <= said
    assert {word.split("=")[0] for word in said} == {
        *("--fmk", "--saveType", "--optimize", "--modelFile", "--outputFile")
    }


def test_air_for_ascend_310_by_atc(planned, tools, tmp_path):
    """infer.engine acl: the same command with the AIR file that the config exports as well."""
    assert "AIR" in options_of(planned["ascend"]["export"])["--file_format"].split(",")
    air = tmp_path / "yolov3_darknet53.air"
    write_model(air)
    soc_version = options_of(planned["ascend"]["post_quant"])["--soc_version"]
    words = ["--model", air, "--output", tmp_path / "out.om", "--soc_version", soc_version]
    assert run_script("convert_model", *words) == 0
    said = tools()
    (output,) = (word for word in said if word.startswith("--output="))
    assert said - {output} == {*("--input_format=NCHW", "--framework=1", f"--model={air}", "--soc_version=Ascend310")}


def test_int8_for_ascend_310_by_amct(planned):
    words = options_of(planned["ascend"]["post_quant"])
    assert {
        "--quant_backend": "amct",
        "--amct_python": "/opt/amct/bin/python",
        "--soc_version": "Ascend310",
        "--ckpt_file": "results/train/yolov3.ckpt",
        "--output": "results/quant/yolov3_darknet53_int8.om",
        "--device_target": "Ascend",
    }.items() <= words.items()
    inference = [options_of(planned["ascend"][stage]) for stage in ("infer_310", "quant_infer_310")]
    assert [(words["--engine"], words["--device"]) for words in inference] == [("lite", "ascend"), ("acl", "ascend")]


def test_the_published_inference_reads_jpeg_files(planned):
    """Both models normalise by AIPP, and no bins are prepared but those that calibrate."""
    assert set(planned["jpeg"]) - {"all"} == CHAIN - {"preprocess_bins"} | {"convert_model", "rank_table"}
    for stage in ("convert_model", "post_quant", "infer_310", "quant_infer_310"):
        assert options_of(planned["jpeg"][stage])["--input"] == "jpeg"
        assert options_of(planned["ascend"][stage])["--input"] == "bins"
    for stage in ("infer_310", "quant_infer_310"):
        words = options_of(planned["jpeg"][stage])
        assert (words["--engine"], words["--device"]) == ("acl", "ascend") and "--bins" not in words
        assert options_of(planned["ascend"][stage])["--bins"] == "results/bins"


def write_model(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"model")
    ModelDescription(
        input_size=(416, 416),
        batch_size=1,
        input_name="images",
        anchors=SETTINGS.anchors,
        class_names=("a", "b"),
        category_ids=(3, 9),
        letterbox=False,
        keep_detect=False,
        mean_rgb=(0.485, 0.456, 0.406),
        std_rgb=(0.229, 0.224, 0.225),
    ).write(path)
