"""ModelArts: copies in and out by one process of a server, against a package that stands in for moxing."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import mindspore
import pytest
from exported_samples import run_script
from small_coco import write_small_coco

from yolov3.data.manifest import Manifest
from yolov3.distributed import modelarts, worker
from yolov3.distributed.modelarts import ModelArtsSettings, Platform, Server, manifest_path, run_on_modelarts
from yolov3.distributed.msrun import is_launched
from yolov3.errors import InputError

FAKES = Path(__file__).parents[1] / "fakes"
PLATFORM_VARIABLES = ("DEVICE_ID", "ASCEND_DEVICE_ID", "RANK_ID", "RANK_SIZE", "RANK_TABLE_FILE", "JOB_ID", "MS_ROLE")


@pytest.fixture
def buckets(tmp_path, monkeypatch):
    for name in PLATFORM_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "buckets ü"
    folder.mkdir()
    monkeypatch.setenv("FAKE_BUCKETS", str(folder))
    monkeypatch.syspath_prepend(str(FAKES))
    yield folder
    for name in [name for name in sys.modules if name.startswith("moxing")]:
        del sys.modules[name]


@pytest.fixture
def settings(tmp_path):
    return ModelArtsSettings(
        data_url="s3://mine/data",
        train_url="s3://mine/results",
        checkpoint_url="",
        data_path=tmp_path / "cache" / "data",
        output_path=tmp_path / "cache" / "train",
        load_path=tmp_path / "cache" / "load",
        need_modelarts_dataset_unzip=True,
        modelarts_dataset_unzip_name="coco2014",
        copy_time_out=20,
    )


def changed(settings, **values):
    return ModelArtsSettings(**{**vars(settings), **values})


def server_of(tmp_path, device_id=0, rank_size=1, job_id="job-1", time_out=20.0):
    return Server(Platform(device_id, device_id, rank_size, job_id), time_out, tmp_path / "sync")


def write_data(folder: Path) -> None:
    """A data set in coco2014's layout."""
    (folder / "annotations").mkdir(parents=True)
    for seed, split in enumerate(("train", "val")):
        images, annotations = write_small_coco(folder / f"{split}_made", images=3, seed=seed)
        images.rename(folder / split)
        annotations.rename(folder / "annotations" / f"{split}.json")
        if (folder / f"{split}_made").is_dir():
            (folder / f"{split}_made").rmdir()


def calls(buckets):
    path = buckets / "calls"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_what_the_platform_says(monkeypatch, buckets):
    assert Platform.of_environment() == Platform(0, 0, 1, Platform.of_environment().job_id)
    for name, value in {"ASCEND_DEVICE_ID": "3", "RANK_ID": "11", "RANK_SIZE": "16", "JOB_ID": "j"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="RANK_TABLE_FILE is not set"):
        Platform.of_environment()
    monkeypatch.setenv("RANK_TABLE_FILE", "/user/config/jobstart_hccl.json")
    assert Platform.of_environment() == Platform(3, 11, 16, "j")
    monkeypatch.setenv("DEVICE_ID", "five")
    with pytest.raises(InputError, match="DEVICE_ID is 'five'"):
        Platform.of_environment()


def test_the_first_device_of_each_server_copies():
    copiers = [rank for rank in range(16) if Platform(rank % 8, rank, 16, "j").is_copier]
    assert copiers == [0, 8]
    assert Platform(5, 0, 1, "j").is_copier


def test_zip_is_unpacked_described_and_results_go_out(tmp_path, buckets, settings):
    write_data(tmp_path / "made" / "coco2014")
    (buckets / "mine" / "data").mkdir(parents=True)
    with zipfile.ZipFile(buckets / "mine" / "data" / "coco2014.zip", "w") as archive:
        for path in sorted((tmp_path / "made").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "made"))

    def run():
        manifest = Manifest.read(manifest_path(settings))
        assert manifest.splits["train"].images == 3
        assert manifest.splits["val"].image_dir == settings.data_path / "coco2014" / "val"
        (settings.output_path / "yolov3.ckpt").write_text("weights")
        return 0

    assert run_on_modelarts(settings, server_of(tmp_path), run, is_resumable=True, needs_manifest=True) == 0
    assert (buckets / "mine" / "results" / "yolov3.ckpt").read_text() == "weights"


def test_zip_without_a_folder_of_its_name(tmp_path, buckets, settings):
    write_data(tmp_path / "made")
    (buckets / "mine" / "data").mkdir(parents=True)
    with zipfile.ZipFile(buckets / "mine" / "data" / "coco2014.zip", "w") as archive:
        for path in sorted((tmp_path / "made").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "made"))
    run_on_modelarts(settings, server_of(tmp_path), lambda: 0, is_resumable=False, needs_manifest=True)
    assert (settings.data_path / "coco2014" / "annotations" / "val.json").is_file()


def test_zip_with_a_path_out_of_its_folder_is_refused(tmp_path, buckets, settings):
    (buckets / "mine" / "data").mkdir(parents=True)
    with zipfile.ZipFile(buckets / "mine" / "data" / "coco2014.zip", "w") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(InputError, match=r"'\.\./evil', outside of its folder"):
        run_on_modelarts(settings, server_of(tmp_path), lambda: 0, is_resumable=False, needs_manifest=False)
    assert not (settings.data_path.parent / "evil").exists()


def test_checkpoints_go_out_when_the_training_fails(tmp_path, buckets, settings):
    settings = changed(settings, data_url="")

    def fails():
        (settings.output_path / "last.ckpt").write_text("step 100")
        return 1

    def dies():
        (settings.output_path / "last.ckpt").write_text("step 200")
        raise KeyboardInterrupt

    assert run_on_modelarts(settings, server_of(tmp_path), fails, is_resumable=True, needs_manifest=False) == 1
    assert (buckets / "mine" / "results" / "last.ckpt").read_text() == "step 100"
    with pytest.raises(KeyboardInterrupt):
        run_on_modelarts(settings, server_of(tmp_path, job_id="2"), dies, is_resumable=False, needs_manifest=False)
    assert (buckets / "mine" / "results" / "last.ckpt").read_text() == "step 200"


def test_a_next_job_goes_on_from_what_the_last_one_left(tmp_path, buckets, settings):
    (buckets / "mine" / "results").mkdir(parents=True)
    (buckets / "mine" / "results" / "last.ckpt").write_text("step 100")
    seen = []

    def run():
        seen.append((settings.output_path / "last.ckpt").read_text())
        return 0

    settings = changed(settings, data_url="")
    run_on_modelarts(settings, server_of(tmp_path), run, is_resumable=True, needs_manifest=False)
    assert seen == ["step 100"]


def test_state_of_a_failed_job_goes_when_a_next_one_finishes(tmp_path, buckets, settings):
    state = buckets / "mine" / "results" / "checkpoints" / "last.ckpt"
    state.parent.mkdir(parents=True)
    state.write_text("step 100")
    settings = changed(settings, data_url="")

    def run(code):
        (settings.output_path / "metrics.csv").write_text("trained")
        if not code:
            shutil.rmtree(settings.output_path / "checkpoints")
        return code

    run_on_modelarts(settings, server_of(tmp_path), lambda: run(1), is_resumable=True, needs_manifest=False)
    assert state.is_file()
    run_on_modelarts(
        settings, server_of(tmp_path, job_id="job-2"), lambda: run(0), is_resumable=True, needs_manifest=False
    )
    assert not state.parent.exists()
    assert (buckets / "mine" / "results" / "metrics.csv").is_file()


def test_results_that_may_not_be_looked_at_are_an_error(tmp_path, buckets, settings, monkeypatch):
    monkeypatch.setenv("FAKE_MOXING_REFUSES", "s3://mine/results")
    with pytest.raises(InputError, match=r"s3://mine/results is not accessible \(PermissionError"):
        run_on_modelarts(
            changed(settings, data_url=""), server_of(tmp_path), lambda: 0, is_resumable=True, needs_manifest=False
        )


@pytest.mark.parametrize("content", [b"train: [1", b"\xff\xfe\x00train"])
def test_a_config_that_is_no_yaml_is_one_sentence(tmp_path, capfd, content):
    (tmp_path / "mine.yaml").write_bytes(content)
    assert run_script("modelarts", "--config", tmp_path / "mine.yaml") == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
    assert len(errors) == 1 and "mine.yaml is not a YAML file" in errors[0]


@pytest.mark.parametrize("url", ["s3://mine/no-such-data", "s3://mine/empty"])
def test_errors_name_the_url(tmp_path, buckets, settings, url):
    (buckets / "mine" / "empty").mkdir(parents=True)
    settings = changed(settings, data_url=url)
    with pytest.raises(InputError, match=url):
        run_on_modelarts(settings, server_of(tmp_path), lambda: 0, is_resumable=False, needs_manifest=False)


def test_results_that_cannot_be_copied_are_an_error(tmp_path, buckets, settings, monkeypatch, caplog):
    monkeypatch.setenv("FAKE_MOXING_REFUSES", "s3://mine/results")
    settings = changed(settings, data_url="")
    assert run_on_modelarts(settings, server_of(tmp_path), lambda: 0, is_resumable=False, needs_manifest=False) == 1
    assert "s3://mine/results (PermissionError: stat:403 errorCode:AccessDenied)" in caplog.text


def test_without_moxing_it_is_one_sentence(tmp_path, buckets, settings, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(FAKES)])
    with pytest.raises(InputError, match="moxing is not installed"):
        run_on_modelarts(settings, server_of(tmp_path), lambda: 0, is_resumable=False, needs_manifest=False)


WORKER = """
import sys
from pathlib import Path
from yolov3.distributed.modelarts import Platform, Server, copy_in
from yolov3.errors import InputError

sync, target, time_out = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
server = Server(Platform.of_environment(), time_out, sync)
try:
    server.once("data", "copying s3://mine/data", lambda: copy_in("s3://mine/data", target))
    print((target / "file").read_text())
except InputError as error:
    print(error)
"""


def start_processes(tmp_path, count, time_out, **more):
    # The first device comes last: the others must wait for it.
    for rank in reversed(range(count)):
        variables = {"RANK_ID": str(rank), "DEVICE_ID": str(rank), "RANK_SIZE": str(count), "JOB_ID": "job-7"}
        environment = {**os.environ, **variables, "RANK_TABLE_FILE": "x", "PYTHONPATH": str(FAKES), **more}
        words = [sys.executable, "-c", WORKER, str(tmp_path / "sync"), str(tmp_path / "target"), str(time_out)]
        yield subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)


def test_one_of_several_processes_copies_and_all_see_the_data(tmp_path, buckets):
    (buckets / "mine" / "data").mkdir(parents=True)
    (buckets / "mine" / "data" / "file").write_text("here")
    said = [process.communicate(timeout=60)[0] for process in list(start_processes(tmp_path, 4, 50))]
    assert said == ["here\n"] * 4
    assert calls(buckets) == [f"0 s3://mine/data -> {tmp_path / 'target'}"]


def test_a_copy_that_fails_ends_all_processes_with_its_sentence(tmp_path, buckets):
    said = [process.communicate(timeout=60)[0] for process in list(start_processes(tmp_path, 3, 50))]
    assert len(set(said)) == 1 and "s3://mine/data cannot be copied" in said[0]


def test_a_copy_that_never_ends_is_given_up_by_all(tmp_path, buckets):
    processes = list(start_processes(tmp_path, 2, 2, FAKE_MOXING_HANGS="s3://mine/data"))
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert all("copying s3://mine/data was not done within 2 s" in line for line in said), said


def test_markers_of_another_job_are_ignored(tmp_path):
    marker = tmp_path / "sync" / "data.json"
    marker.parent.mkdir()
    marker.write_text(json.dumps({"job_id": "job-0", "error": ""}))
    with pytest.raises(InputError, match="not done within"):
        server_of(tmp_path, device_id=1, rank_size=8, time_out=0.1).once("data", "copying", lambda: None)
    done = []
    server_of(tmp_path, rank_size=8).once("data", "copying", lambda: done.append(1))
    server_of(tmp_path, device_id=1, rank_size=8).once("data", "copying", lambda: done.append(2))
    # A process of the same job that is started again does not copy again.
    server_of(tmp_path, rank_size=8).once("data", "copying", lambda: done.append(3))
    assert done == [1]
    assert Server(Platform(0, 0, 1, "a/b"), 1).folder != Server(Platform(0, 0, 1, "other"), 1).folder


def test_results_wait_for_the_other_processes_but_not_for_long(tmp_path, monkeypatch):
    other, first = server_of(tmp_path, 1, 2), server_of(tmp_path, 0, 2)
    other.start()
    first.start()
    monkeypatch.setattr(modelarts, "PEERS_SECONDS", 0.5)
    before = time.monotonic()
    first.end()
    assert time.monotonic() - before >= 0.5
    other.end()
    monkeypatch.setattr(modelarts, "PEERS_SECONDS", 600)
    first.end()


def test_a_process_of_the_platform_is_a_worker_on_its_own_device(monkeypatch, buckets):
    assert not is_launched()
    for name, value in {"RANK_TABLE_FILE": "t.json", "RANK_ID": "11", "RANK_SIZE": "16", "DEVICE_ID": "3"}.items():
        monkeypatch.setenv(name, value)
    assert is_launched()
    done = []
    monkeypatch.setattr(mindspore, "set_context", lambda **_: None)
    monkeypatch.setattr(mindspore, "set_device", lambda *words: done.append(words))
    monkeypatch.setattr(worker, "Tensor", lambda *_: pytest.fail("no tensor before the workers have joined"))
    monkeypatch.setattr(mindspore.communication, "init", lambda: done.append("init"))
    monkeypatch.setattr(mindspore.communication, "get_rank", lambda: 11)
    monkeypatch.setattr(mindspore.communication, "get_group_size", lambda: 16)
    monkeypatch.setattr(mindspore, "set_auto_parallel_context", lambda **_: None)
    monkeypatch.setattr(mindspore, "set_seed", lambda _: None)
    assert worker.start_runtime("Ascend", 1, is_distributed=True) == worker.Rank(11, 16)
    assert done == [("Ascend", 3), "init"]
    monkeypatch.setenv("RANK_SIZE", "1")
    assert not is_launched()
