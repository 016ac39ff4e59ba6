"""What the preflight finds missing, on hosts made of a folder of device files and one of programs."""

import dataclasses
import re
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import yaml
from exported_samples import run_script, write_program

from yolov3.config.config import complete_config
from yolov3.preflight import checks, resources
from yolov3.preflight.checks import missing_requirements
from yolov3.preflight.files import FILES_OF_STAGES, missing_files
from yolov3.preflight.settings import PreflightSettings, values_of

ROOT = Path(__file__).parents[2]
GIB = 2**30


def settings(config="config.yaml", devices_here=True, **changes):
    config = complete_config(yaml.safe_load((ROOT / "config" / config).read_text(encoding="utf-8")))
    return PreflightSettings(**values_of(config, devices_here) | changes)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host without anything but a large disk and memory; functions of the test add to it."""
    for name in (*checks.CANN_VARIABLES, "MSLITE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("bin", "dev"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(checks, "_has_plugin", lambda name: False)
    set_disk(monkeypatch, 2000)
    monkeypatch.setattr(resources.psutil, "virtual_memory", lambda: namedtuple("Memory", "total")(512 * GIB))
    return tmp_path


def set_disk(monkeypatch, gib):
    free = namedtuple("Usage", "total used free")(0, 0, int(gib * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)


def look(host, wanted):
    return missing_requirements(wanted, host / "results", dev=host / "dev")


def fit_out(host, monkeypatch, npus=(), gpus=(), programs=()):
    for name, numbers in (("davinci", npus), ("nvidia", gpus)):
        for number in numbers:
            (host / "dev" / f"{name}{number}").touch()
    for name in programs:
        write_program(host / "bin" / name, "")
    monkeypatch.setattr(checks, "_has_plugin", lambda name: True)


def test_the_embedded_default_needs_nothing(host):
    assert look(host, settings()) == []


def test_kernels_for_another_processor(host, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    (sentence,) = look(host, settings())
    assert sentence.startswith("train.cpu_kernels onednn needs an x86_64 processor with AVX2: set train.cpu_kernels to")
    assert look(host, settings(devices_here=False)) == look(host, settings(cpu_kernels="mindspore")) == []


def test_ascend_host_without_anything(host):
    found = look(host, settings("coco2014_ascend.yaml"))
    assert len(found) == 7
    for words in (
        ("npu-smi is not found", "install the NPU driver"),
        ("CANN is not set up", "set_env.sh"),
        ("dev/davinci0, ", "dev/davinci7 are missing"),
        ("device_target is Ascend but the MindSpore", "libmindspore_ascend.so", "install"),
        ("infer.device is ascend but MSLITE_HOME", "vendor's archive"),
        ("atc is not on PATH", "set_env.sh"),
        ("quantize.amct_python is /opt/amct/bin/python", "envs/amct.yaml"),
    ):
        assert [sentence for sentence in found if all(word in sentence for word in words)], words
    assert all("\n" not in sentence for sentence in found)


def test_ascend_host_with_all(host, monkeypatch):
    fit_out(host, monkeypatch, npus=range(8), programs=("npu-smi", "atc", "amct-python"))
    monkeypatch.setenv("ASCEND_HOME_PATH", str(host))
    for path in ("mslite/runtime/include/api/model.h", "mslite/runtime/lib/libmindspore-lite.so"):
        (host / path).parent.mkdir(parents=True)
        (host / path).touch()
    monkeypatch.setenv("MSLITE_HOME", str(host / "mslite"))
    wanted = settings("coco2014_ascend.yaml", amct_python=str(host / "bin" / "amct-python"))
    assert look(host, wanted) == []
    (host / "dev" / "davinci6").unlink()
    assert [sentence.split(" is missing")[0] for sentence in look(host, wanted)] == [f"{host}/dev/davinci6"]
    (host / "dev" / "davinci6").touch()
    with monkeypatch.context() as allocation:
        two_hosts = dataclasses.replace(wanted, group_size=16, host_launcher="slurm")
        assert ["group_size needs 16" in sentence for sentence in look(host, two_hosts)] == [True]
        allocation.setenv("SLURM_JOB_NUM_NODES", "2")
        assert look(host, two_hosts) == []
        allocation.setenv("SLURM_JOB_NUM_NODES", "3")
        assert "train.group_size is 16 but the training has 3 hosts: set it to a multiple of 3" in look(host, two_hosts)
    half = settings("coco2014_ascend.yaml", amct_python=wanted.amct_python, device_num="[0,4)")
    assert ["gives 4 devices" in sentence for sentence in look(host, half)] == [True]
    crossing = settings("coco2014_ascend.yaml", amct_python=wanted.amct_python, device_num="[2,6)")
    assert "use a range within [0,4) or [4,8)" in look(host, crossing)[0]
    # The folder of the wheel, which runs on CPUs only.
    shutil.move(host / "mslite" / "runtime", host / "mindspore_lite")
    (host / "mindspore_lite" / "lib" / "libmindspore-extendrt_python.so").touch()
    monkeypatch.setenv("MSLITE_HOME", str(host / "mindspore_lite"))
    assert ["PyPI's runs on CPUs" in sentence for sentence in look(host, wanted)] == [True]


def test_gpu_host(host, monkeypatch):
    wanted = settings("coco2014_gpu.yaml")
    assert [sentence.split()[0] for sentence in look(host, wanted)] == [
        "device_target",
        f"{host}/dev/nvidia0,",
        "device_target",
    ]
    fit_out(host, monkeypatch, gpus=range(8), programs=("nvidia-smi",))
    assert look(host, wanted) == []
    # Two hosts share sixteen.
    assert look(host, settings("coco2014_gpu.yaml", group_size=16, hosts="a,b")) == []


def test_a_back_end_is_found_beside_mindspore_without_importing_it(monkeypatch):
    # The wheel that the lock names brings all back ends.
    assert checks._has_plugin("libmindspore_ascend")
    assert not checks._has_plugin("libmindspore_tpu")


def test_engine_acl_wants_atc_and_air_wants_ascend(host):
    found = look(host, settings(engine="acl", file_format="AIR,MINDIR,ONNX"))
    assert ["export.file_format has AIR" in found[0], "atc is not on PATH" in found[1], len(found)] == [True, True, 2]


def test_exports_that_a_later_stage_refuses(host):
    wanted = settings(keep_detect=True, export_batch_size=2)
    found = look(host, wanted)
    assert ["keep_detect" in found[0], "export_batch_size is 2" in found[1], len(found)] == [True, True, 2]
    assert missing_requirements(wanted, host / "results", frozenset({"export"}), host / "dev") == []
    assert len(look(host, settings(export_batch_size=2, quant_backend="qdq"))) == 0


def test_int8_on_the_npu_alone(host):
    found = look(host, settings(quant_backend="amct", amct_python=sys.executable))
    assert f"{host}/dev/davinci0" in " ".join(found)


def test_amct_must_run(host, monkeypatch):
    write_program(host / "bin" / "atc", "")

    def look_with(python):
        wanted = settings(quant_backend="amct", amct_python=str(python))
        return missing_requirements(wanted, host / "results", frozenset({"post_quant"}), host / "dev")

    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert ["has no amct_mindspore" in sentence for sentence in look_with(sys.executable)] == [True]
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "fakes"))
    assert look_with(sys.executable) == []
    # An interpreter for another machine.
    (host / "bin" / "python").write_bytes(b"\x7fELF of another machine")
    (host / "bin" / "python").chmod(0o755)
    assert ["does not run" in sentence for sentence in look_with(host / "bin" / "python")] == [True]
    monkeypatch.setattr(checks, "PROGRAM_TIME_OUT", 0.2)
    hangs = write_program(host / "bin" / "hangs", "import time\ntime.sleep(60)")
    assert ["does not run" in sentence for sentence in look_with(hangs)] == [True]


def test_disk(host, monkeypatch):
    wanted = settings("coco2014_cpu.yaml", raw_maps=True)
    # By hand: archives 20,408,459,299 bytes and the largest once more, unpacked; bins 40,504 x 3 x 416 x 416;
    # raw maps twice 40,504 x 3 x 85 x (52^2 + 26^2 + 13^2) x 4; ten times 248,007,048 bytes of weights.
    archives = 13_510_573_713 + 6_645_013_297 + 252_872_794 + 13_510_573_713
    bins = 40_504 * 3 * 416 * 416
    maps = 2 * 40_504 * 3 * 85 * (2704 + 676 + 169) * 4
    needed = (archives + bins + maps + 10 * 248_007_048) / GIB
    set_disk(monkeypatch, needed + 0.001)
    assert look(host, wanted) == []
    set_disk(monkeypatch, needed - 0.001)
    (sentence,) = look(host, wanted)
    assert f"needs {needed:.3f} GiB" in sentence and "data set 31.6, bins (uint8) 19.6" in sentence
    # What is there already needs no space.
    for name in ("train", "val", "annotations"):
        (host / "dataset" / "coco2014" / name).mkdir(parents=True)
    set_disk(monkeypatch, needed - archives / GIB + 0.001)
    assert look(host, wanted) == []
    without_maps = settings("coco2014_cpu.yaml")
    set_disk(monkeypatch, needed - (archives + maps) / GIB + 0.001)
    assert look(host, without_maps) == []
    assert "bins (float32) 78.3" in look(host, settings("coco2014_cpu.yaml", bins_dtype="float32", raw_maps=True))[0]


def test_memory(host, monkeypatch):
    monkeypatch.setattr(resources.psutil, "virtual_memory", lambda: namedtuple("Memory", "total")(8 * GIB))
    (sentence,) = look(host, settings("coco2014_cpu.yaml", per_batch_size=32))
    assert "8.0 GiB of memory" in sentence and "train.per_batch_size" in sentence
    assert look(host, settings("coco2014_cpu.yaml")) == []
    # Batches that are prepared ahead hold the images of a whole update.
    assert len(look(host, settings("coco2014_cpu.yaml", accumulation=512))) == 1
    # Sums of gradients, and a dynamic loss scale, which has them too, hold one copy more of the weights: 0.2 GiB.
    needed = [
        float(
            re.search(r"about ([\d.]+)", look(host, settings("coco2014_cpu.yaml", per_batch_size=32, **changes))[0])[1]
        )
        for changes in ({}, {"loss_scaler": "dynamic"})
    ]
    assert needed[1] - needed[0] == pytest.approx(0.23, abs=0.1)


def test_a_cluster_runs_the_stages_elsewhere_and_a_user_may_know_better(host, monkeypatch):
    assert look(host, settings("coco2014_ascend.yaml", devices_here=False)) == []
    set_disk(monkeypatch, 1)
    assert len(look(host, settings("coco2014_ascend.yaml", devices_here=False))) == 1
    assert look(host, settings("coco2014_ascend.yaml", preflight=False)) == []


def test_only_what_the_stages_need_is_looked_at(host, monkeypatch):
    wanted = settings("coco2014_ascend.yaml")

    def look_for(*stages):
        return [
            sentence.split()[0]
            for sentence in missing_requirements(wanted, host / "results", frozenset(stages), host / "dev")
        ]

    assert look_for("report") == []
    assert look_for("preprocess_bins", "download_train") == []
    # On the host that trains: no tool of the deployment, and all its devices.
    assert look_for("train") == ["npu-smi", "CANN", f"{host}/dev/davinci0,", "device_target"]
    # On the host that infers: its one device.
    assert look_for("infer_310") == ["npu-smi", "CANN", f"{host}/dev/davinci0", "infer.device"]
    assert look_for("post_quant") == ["CANN's", "quantize.amct_python"]
    set_disk(monkeypatch, 1)
    stages = frozenset({"download_train"})
    assert "data set 31.6)" in missing_requirements(wanted, host / "results", stages, host / "dev")[0]


def test_the_stage_says_all_at_once(host, capfd):
    words = ["--dev", host / "dev", "--device_target", "GPU"]
    assert run_script("preflight", *words) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
    assert len(errors) == 4 and "3 things are missing" in errors[-1]
    assert run_script("preflight", *words, "--preflight", "false") == 0
    assert run_script("preflight") == 0


@pytest.mark.parametrize(("stage", "section", "key"), FILES_OF_STAGES)
def test_files_of_the_user(tmp_path, stage, section, key):
    config = complete_config({section: {key: str(tmp_path / "file")}})
    sentence = f"config key {section}.{key} is {tmp_path / 'file'}, which is no file: correct the path"
    assert missing_files(config, {stage, "report"}) == [sentence]
    assert missing_files(config, {"report"}) == []
    assert missing_files({**config, "preflight": False}, {stage}) == []
    (tmp_path / "file").mkdir()
    assert missing_files(config, {stage}) == ([] if section == "custom" else [sentence])
    (tmp_path / "file").rmdir()
    (tmp_path / "file").touch()
    assert missing_files(config, {stage}) == []
    assert missing_files(complete_config({section: {key: "https://example.org/file"}}), {stage}) == []
