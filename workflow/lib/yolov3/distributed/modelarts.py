"""Huawei Cloud ModelArts: what the platform tells a process, and the copies from and to its object storage (SPEC 9).

ModelArts starts the boot file once for each device, with DEVICE_ID (or ASCEND_DEVICE_ID), RANK_ID, RANK_SIZE and
RANK_TABLE_FILE set (its manual, "Ascend-Powered-Engine Boot Principles"). The processes of a server share its disk, so
one of them copies while the others wait; what is done is told by marker files that carry the job's id.
"""

import logging
import os
import re
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from yolov3.data.checks import manifest_of_folder
from yolov3.data.coco2014 import Archive, unpack
from yolov3.errors import InputError
from yolov3.files import read_json, write_json

DEVICES_PER_SERVER = 8
POLL_SECONDS = 0.2
# The results are copied when all processes of the server have ended, or this long after the first has.
PEERS_SECONDS = 60.0
# As train_results.RUNNING_FOLDER, which is not imported here: it brings MindSpore.
STATE_FOLDER = "checkpoints"


@dataclass(frozen=True)
class Platform:
    """This process among those of the job, as the platform's environment tells it.

    Attributes:
        device_id: number of the device on its server.
        rank_id: number of the device in the job.
        rank_size: devices of the job.
        job_id: differs between jobs, and is the same for all processes of one on a server.
    """

    device_id: int
    rank_id: int
    rank_size: int
    job_id: str

    @classmethod
    def of_environment(cls) -> "Platform":
        """Read DEVICE_ID or ASCEND_DEVICE_ID, RANK_ID, RANK_SIZE and JOB_ID.

        Raises:
            InputError: a variable is no number, or there are several devices but no rank table.
        """
        device = "DEVICE_ID" if os.environ.get("DEVICE_ID") else "ASCEND_DEVICE_ID"
        platform = cls(_number(device, 0), _number("RANK_ID", 0), _number("RANK_SIZE", 1), _job_id())
        if platform.rank_size > 1 and not os.environ.get("RANK_TABLE_FILE"):
            raise InputError(
                f"RANK_SIZE is {platform.rank_size} but RANK_TABLE_FILE is not set: choose one of the platform's "
                "Ascend engines for the job, or devices of one worker only"
            )
        return platform

    @property
    def is_copier(self) -> bool:
        """Whether this process copies for its server."""
        return self.device_id % min(self.rank_size, DEVICES_PER_SERVER) == 0


@dataclass(frozen=True)
class ModelArtsSettings:
    """URLs and folders; the names are the original script's.

    Attributes:
        data_url, checkpoint_url: copied to data_path and load_path before the run; "" for none.
        train_url: receives output_path after the run; what a run before left there is brought first. "" for none.
        need_modelarts_dataset_unzip: unpack <data_path>/<modelarts_dataset_unzip_name>.zip if it is there.
        copy_time_out: seconds that a copy, or waiting for one, may take.
    """

    data_url: str
    train_url: str
    checkpoint_url: str
    data_path: Path
    output_path: Path
    load_path: Path
    need_modelarts_dataset_unzip: bool
    modelarts_dataset_unzip_name: str
    copy_time_out: float


class Server:
    """The processes of a job on one server.

    Args:
        platform: this process.
        time_out: seconds that one task may take.
        folder: where the markers are, the same for all processes.
    """

    def __init__(self, platform: Platform, time_out: float, folder: Path | None = None) -> None:
        name = re.sub(r"[^\w.-]", "_", platform.job_id)
        self.folder = folder or Path(tempfile.gettempdir()) / f"yolov3-modelarts-{name}"
        self.platform = platform
        self.time_out = time_out
        self._running = self.folder / f"running_{platform.rank_id}"

    def once(self, name: str, what: str, task: Callable[[], None]) -> None:
        """Run a task in the process that copies; return in all of them when it is done.

        Args:
            name: of the marker file.
            what: of the task, for errors, such as "copying s3://bucket/data to /cache/data".
            task: raises InputError if it fails.

        Raises:
            InputError: the task failed, here or in the process that ran it, or took too long.
        """
        marker = self.folder / f"{name}.json"
        if not self.platform.is_copier:
            self._wait_for(marker, what)
            return
        if self._read(marker) == "":
            logging.info("%s: done before in this job", what)
            return
        marker.unlink(missing_ok=True)
        error = "it was interrupted: start the job again"
        try:
            _bounded(task, what, self.time_out)
            error = ""
        except Exception as failure:
            error = str(failure) or type(failure).__name__
            raise
        finally:
            write_json(marker, {"job_id": self.platform.job_id, "error": error})

    def start(self) -> None:
        """Tell the other processes that this one runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._running.touch()

    def end(self) -> None:
        """Tell that this process has ended; the one that copies waits for the others, but not for long."""
        self._running.unlink(missing_ok=True)
        deadline = time.monotonic() + PEERS_SECONDS
        while self.platform.is_copier and any(self.folder.glob("running_*")) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _wait_for(self, marker: Path, what: str) -> None:
        deadline = time.monotonic() + self.time_out
        while (error := self._read(marker)) is None:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{what} was not done within {self.time_out:g} s by the first device of this server: see its log, "
                    "or raise copy_time_out"
                )
            time.sleep(POLL_SECONDS)
        if error:
            raise InputError(error)

    def _read(self, marker: Path) -> str | None:
        """Return "" if the task is done in this job, its error if it failed, None if neither."""
        if not marker.is_file():
            return None
        told = read_json(marker, "marker")
        return str(told["error"]) if told["job_id"] == self.platform.job_id else None


def run_on_modelarts(
    settings: ModelArtsSettings, server: Server, run: Callable[[], int], resumes: bool, describes: bool
) -> int:
    """Bring data and checkpoints, run a stage, and copy its results out, whether it failed or not.

    Args:
        settings: see `ModelArtsSettings`.
        server: the processes of this server.
        run: runs the stage and returns its exit code.
        resumes: bring what an earlier job left at train_url, to go on from it.
        describes: check the data set once and write its manifest (`manifest_path`) for all processes.

    Returns:
        The exit code of the stage, or 1 if only the copy of its results failed.

    Raises:
        InputError: data or checkpoints cannot be brought; the sentence names the URL.
    """
    server.start()
    try:
        if settings.data_url:
            server.once(
                "data", _copying(settings.data_url, settings.data_path), lambda: _bring_data(settings, describes)
            )
        if settings.checkpoint_url:
            source, target = settings.checkpoint_url, settings.load_path
            server.once("checkpoint", _copying(source, target), lambda: copy_in(source, target))
        if resumes and settings.train_url:
            url, folder = settings.train_url, settings.output_path
            server.once("results", _copying(url, folder), lambda: _bring_results(url, folder))
        settings.output_path.mkdir(parents=True, exist_ok=True)
    except BaseException:
        server.end()
        raise
    code = 1
    try:
        code = run()
    finally:
        server.end()
        if settings.train_url and server.platform.is_copier:
            copied = _copy_out(settings, server.time_out)
            if resumes and not code and not copied:
                _remove_state(settings)
            code = copied or code
    return code


def copy_in(url: str, folder: Path) -> None:
    """Copy what is at a URL into a folder.

    Raises:
        InputError: moxing is missing, the copy fails, or nothing came.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _copy(url, str(folder), url)
    if not any(folder.iterdir()):
        raise InputError(f"{url} holds nothing: check the URL and what was uploaded there")


def _bring_data(settings: ModelArtsSettings, describes: bool) -> None:
    copy_in(settings.data_url, settings.data_path)
    name = settings.modelarts_dataset_unzip_name
    archive = settings.data_path / f"{name}.zip"
    if settings.need_modelarts_dataset_unzip and archive.is_file():
        unpack(archive, Archive(archive.name, 0, "", name, ((_common_folder(archive, name), ""),)), settings.data_path)
    if describes:
        folder = settings.data_path / name
        manifest_of_folder(folder if folder.is_dir() else settings.data_path).write(manifest_path(settings))


def manifest_path(settings: ModelArtsSettings) -> Path:
    """Return where the manifest of the copied data set is."""
    return settings.data_path / "manifest.json"


def _common_folder(archive: Path, name: str) -> str:
    """Return "<name>/" if all that an archive holds is in such a folder, else ""."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.namelist()
    except zipfile.BadZipFile as error:
        raise InputError(f"archive {archive} is damaged ({error}): upload it again") from None
    return f"{name}/" if all(member.startswith(f"{name}/") for member in members) else ""


def _bring_results(url: str, folder: Path) -> None:
    if _exists(url):
        folder.mkdir(parents=True, exist_ok=True)
        _copy(url, str(folder), url)


def _copy_out(settings: ModelArtsSettings, time_out: float) -> int:
    source, url = settings.output_path, settings.train_url
    try:
        _bounded(lambda: _copy(str(source), url, url), _copying(str(source), url), time_out)
    except InputError as error:
        logging.error("the results are not saved: %s", error)
        return 1
    logging.info("%s is copied to %s", source, url)
    return 0


def _copying(source: object, target: object) -> str:
    return f"copying {source} to {target}"


def _copy(source: str, target: str, url: str) -> None:
    file = _moxing_file()
    try:
        file.copy_parallel(source, target)
    except Exception as error:  # moxing documents no errors of its own
        raise InputError(
            f"{source} cannot be copied to {target} ({type(error).__name__}: {error}): check that {url} exists and "
            "that the job may use it"
        ) from None


def _exists(url: str) -> bool:
    file = _moxing_file()
    try:
        return bool(file.exists(url))
    except Exception as error:  # moxing documents no errors of its own
        raise InputError(
            f"{url} cannot be looked at ({type(error).__name__}: {error}): check the URL and that the job may use it"
        ) from None


def _remove_state(settings: ModelArtsSettings) -> None:
    """Remove the state that an earlier, failed job left at train_url: a finished run has none to go on from."""
    url = f"{settings.train_url.rstrip('/')}/{STATE_FOLDER}"
    if (settings.output_path / STATE_FOLDER).exists() or not _exists(url):
        return
    try:
        _moxing_file().remove(url, recursive=True)
    except Exception as error:  # moxing documents no errors of its own
        logging.warning("%s is of a finished training but cannot be removed (%s): remove it", url, error)


def _moxing_file() -> Any:
    try:
        import moxing
    except ImportError:
        raise InputError(
            "moxing is not installed: it is part of ModelArts' images; elsewhere run without enable_modelarts"
        ) from None
    return moxing.file


def _bounded(task: Callable[[], None], what: str, seconds: float) -> None:
    """Run a task in a thread that is given up after some time."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            task()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise InputError(f"{what} was not done within {seconds:g} s: check the URL, or raise copy_time_out")
    if failures:
        raise failures[0]


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit():
        raise InputError(f"environment variable {name} is {text!r} but must be a number: it is the platform's to set")
    return int(text)


def _job_id() -> str:
    if os.environ.get("JOB_ID"):
        return os.environ["JOB_ID"]
    # The processes of a server have one launcher; with its start time, no other job is taken for this one.
    launcher = psutil.Process(os.getppid())
    return f"{launcher.pid}-{launcher.create_time():.0f}"
