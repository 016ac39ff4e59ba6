"""Huawei Cloud ModelArts: the platform's environment variables, and copies from and to its object storage.

ModelArts starts the boot file once per device, with DEVICE_ID (or ASCEND_DEVICE_ID), RANK_ID, RANK_SIZE and
RANK_TABLE_FILE set (ModelArts manual, "Ascend-Powered-Engine Boot Principles"). The processes of a server share its
disk, so one of them copies while the others wait for marker files, which contain the job's id.
"""

import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from yolov3.data.checks import manifest_of_folder
from yolov3.data.coco import Archive, unpack
from yolov3.errors import InputError
from yolov3.files import read_json, write_json

DEVICES_PER_SERVER = 8
POLL_SECONDS = 0.2
# The results are copied when all processes of the server have ended, or this long after the copying process has.
PEERS_SECONDS = 60.0
# The same as RUNNING_FOLDER in yolov3.training.results, whose import would load MindSpore.
STATE_FOLDER = "checkpoints"


@dataclass(frozen=True)
class Platform:
    """The position of this process in the job, as given by the platform's environment variables.

    Attributes:
        device_id: number of the device on its server.
        rank_id: number of the device in the job.
        rank_size: number of devices of the job.
        job_id: unique for each job, and the same for all of its processes on a server.
    """

    device_id: int
    rank_id: int
    rank_size: int
    job_id: str

    @classmethod
    def of_environment(cls) -> "Platform":
        """Read DEVICE_ID or ASCEND_DEVICE_ID, RANK_ID, RANK_SIZE and JOB_ID.

        Raises:
            InputError: a variable is not a number, or there are several devices but no rank table.
        """
        device = "DEVICE_ID" if os.environ.get("DEVICE_ID") else "ASCEND_DEVICE_ID"
        platform = cls(_number(device, 0), _number("RANK_ID", 0), _number("RANK_SIZE", 1), _job_id())
        if platform.rank_size > 1 and not os.environ.get("RANK_TABLE_FILE"):
            raise InputError(
                f"RANK_SIZE is {platform.rank_size} but RANK_TABLE_FILE is not set: choose one of the platform's "
                "Ascend engines for the job, or use one device"
            )
        return platform

    @property
    def is_copier(self) -> bool:
        """Whether this process copies for its server."""
        return self.device_id % min(self.rank_size, DEVICES_PER_SERVER) == 0


@dataclass(frozen=True)
class ModelArtsSettings:
    """URLs and folders, named as in the original script.

    Attributes:
        data_url, checkpoint_url: copied to data_path and load_path before the run; "" for none.
        train_url: output_path is copied to it after the run, and results of an earlier run from it before; "" for none.
        need_modelarts_dataset_unzip: whether to unpack <data_path>/<modelarts_dataset_unzip_name>.zip if it exists.
        copy_time_out: maximum seconds for a copy, or for waiting for one.
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

    A task may take up to `time_out` seconds. `folder` gets the markers; None for a temporary one named after the job.
    """

    def __init__(self, platform: Platform, time_out: float, folder: Path | None = None) -> None:
        name = re.sub(r"[^\w.-]", "_", platform.job_id)
        self.folder = folder or Path(tempfile.gettempdir()) / f"yolov3-modelarts-{name}"
        self.platform = platform
        self.time_out = time_out
        self._running = self.folder / f"running_{platform.rank_id}"

    def once(self, name: str, what: str, task: Callable[[], None]) -> None:
        """Run a task in the process that copies, and return in all processes of the server when it is done.

        The task's marker file is called `name`; `what` describes it in messages, such as "copying s3://data to /cache".

        Raises:
            InputError: the task failed, in this process or in the one that ran it, or took too long.
        """
        marker = self.folder / f"{name}.json"
        if not self.platform.is_copier:
            self._wait_for(marker, what)
            return
        if self._read(marker) == "":
            logging.info("%s: already done in this job", what)
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
        """Mark this process as running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._running.touch()

    def end(self) -> None:
        """Mark this process as ended; the one that copies waits up to PEERS_SECONDS for the others."""
        self._running.unlink(missing_ok=True)
        deadline = time.monotonic() + PEERS_SECONDS
        while self.platform.is_copier and any(self.folder.glob("running_*")) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _wait_for(self, marker: Path, what: str) -> None:
        deadline = time.monotonic() + self.time_out
        while (error := self._read(marker)) is None:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{what} was not done within {self.time_out:g} s by the process of this server's first device: see "
                    "its log, or increase copy_time_out"
                )
            time.sleep(POLL_SECONDS)
        if error:
            raise InputError(error)

    def _read(self, marker: Path) -> str | None:
        """Return "" if the task is done in this job, its error if it failed, and None otherwise."""
        if not marker.is_file():
            return None
        result = read_json(marker, "marker")
        return str(result["error"]) if result["job_id"] == self.platform.job_id else None


def run_on_modelarts(
    settings: ModelArtsSettings, server: Server, run: Callable[[], int], is_resumable: bool, needs_manifest: bool
) -> int:
    """Copy data and checkpoints in, run a stage, and copy its results out even if it failed.

    Args:
        run: function that runs the stage and returns its exit code.
        is_resumable: whether to copy in what an earlier job left at train_url, to resume from it.
        needs_manifest: whether to check the data set once and write its manifest (`manifest_path`) for all processes.

    Returns:
        The exit code of the stage, or 1 if only the copy of its results failed.

    Raises:
        InputError: data or checkpoints cannot be copied; the message names the URL.
    """
    results = settings.train_url, settings.output_path
    weights = settings.checkpoint_url, settings.load_path
    copies: list[tuple[str, tuple[str, Path], Callable[[], None]]] = [
        ("data", (settings.data_url, settings.data_path), lambda: _copy_data_in(settings, needs_manifest)),
        ("checkpoint", weights, lambda: copy_in(*weights)),
    ]
    if is_resumable:
        copies.append(("results", results, lambda: copy_in(*results, is_optional=True)))
    is_prepared, code = False, 1
    server.start()
    try:
        for name, (url, folder), copy in copies:
            if url:
                server.once(name, f"copying {url} to {folder}", copy)
        settings.output_path.mkdir(parents=True, exist_ok=True)
        is_prepared = True
        code = run()
    finally:
        server.end()
        if is_prepared and settings.train_url and server.platform.is_copier:
            copy_code = _copy_out(settings, server.time_out)
            if is_resumable and not code and not copy_code:
                _remove_state(settings)
            code = copy_code or code
    return code


def copy_in(url: str, folder: Path, is_optional: bool = False) -> None:
    """Copy the files at a URL into a folder.

    Raises:
        InputError: moxing is missing, the copy failed, or there were no files although they are not optional.
    """
    if is_optional and not _exists(url):
        return
    folder.mkdir(parents=True, exist_ok=True)
    _copy(url, str(folder))
    if not is_optional and not any(folder.iterdir()):
        raise InputError(f"{url} is empty: check the URL and what was uploaded there")


def _copy_data_in(settings: ModelArtsSettings, needs_manifest: bool) -> None:
    copy_in(settings.data_url, settings.data_path)
    name = settings.modelarts_dataset_unzip_name
    archive = settings.data_path / f"{name}.zip"
    if settings.need_modelarts_dataset_unzip and archive.is_file():
        # With or without a common folder of that name in the archive.
        unpack(archive, Archive(archive.name, 0, "", name, ((f"{name}/", ""), ("", ""))), settings.data_path)
    if needs_manifest:
        folder = settings.data_path / name
        manifest_of_folder(folder if folder.is_dir() else settings.data_path).write(manifest_path(settings))


def manifest_path(settings: ModelArtsSettings) -> Path:
    """Return the path of the manifest of the copied data set."""
    return settings.data_path / "manifest.json"


def _copy_out(settings: ModelArtsSettings, time_out: float) -> int:
    source, url = str(settings.output_path), settings.train_url
    try:
        _bounded(lambda: _copy(source, url), f"copying {source} to {url}", time_out)
    except InputError as error:
        logging.error("the results were not saved: %s", error)
        return 1
    logging.info("%s was copied to %s", source, url)
    return 0


def _copy(source: str, target: str) -> None:
    _call_moxing("copy_parallel", source, target, problem=f"{source} cannot be copied to {target}")


def _exists(url: str) -> bool:
    return bool(_call_moxing("exists", url, problem=f"{url} is not accessible"))


def _remove_state(settings: ModelArtsSettings) -> None:
    """Remove the training state that an earlier, failed job left at train_url; a finished training needs none."""
    url = f"{settings.train_url.rstrip('/')}/{STATE_FOLDER}"
    if (settings.output_path / STATE_FOLDER).exists() or not _exists(url):
        return
    try:
        _call_moxing("remove", url, problem=f"{url}, left from a failed job, cannot be removed", recursive=True)
    except InputError as error:
        logging.warning("%s, and remove the folder", error)


def _call_moxing(function: str, *arguments: str, problem: str, **options: bool) -> Any:
    """Call a function of moxing.file; `problem` begins the sentence of the InputError if it fails."""
    try:
        import moxing
    except ImportError:
        raise InputError(
            "moxing is not installed: run in an image of ModelArts, or elsewhere without enable_modelarts"
        ) from None
    try:
        return getattr(moxing.file, function)(*arguments, **options)
    except Exception as error:  # moxing documents no errors of its own
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{problem} ({reason}): check the URL and the job's access to it") from None


def _bounded(task: Callable[[], None], what: str, seconds: float) -> None:
    """Run a task in a thread, and raise InputError if it takes longer than `seconds`."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            task()
            done.set_result(None)
        except BaseException as error:
            done.set_exception(error)

    # The interpreter does not wait for a daemon thread at its exit, as it would for that of an executor.
    threading.Thread(target=run, daemon=True).start()
    if wait([done], seconds).not_done:
        raise InputError(f"{what} was not done within {seconds:g} s: check the URL, or increase copy_time_out")
    done.result()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit():
        raise InputError(f"environment variable {name} is {text!r} but must be a number: leave it to the platform")
    return int(text)


def _job_id() -> str:
    if os.environ.get("JOB_ID"):
        return os.environ["JOB_ID"]
    # All processes of a server have the same parent; its start time makes the id unique.
    launcher = psutil.Process(os.getppid())
    return f"{launcher.pid}-{launcher.create_time():.0f}"
