"""Take away Snakemake's lock on a folder if the run that left it behind was killed.

Snakemake does not say whose a lock is. A run therefore records beside its locks who it is, and holds a lock of the
kernel on that record, which ends with the process. Locks without a record, of other hosts, and of runs whose jobs are
still running stay.
"""

import contextlib
import fcntl
import json
import os
import socket
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

RECORD_SUFFIX = ".owner.json"
# Environment variable by which the processes of a run are recognised, after its end, too.
RUN_VARIABLE = "YOLOV3_RUN"


class RunLock:
    """The record of this run.

    Args:
        folder: Snakemake's folder `.snakemake`.
    """

    def __init__(self, folder: Path) -> None:
        self.locks = folder / "locks"
        self.id = uuid.uuid4().hex
        # Open until the end of the process.
        self.descriptor = -1
        os.environ[RUN_VARIABLE] = self.id

    def record(self, lock_files: Iterable[str | Path]) -> None:
        """Record that this run has these lock files of Snakemake."""
        held = {Path(file).name: _identity(Path(file)) for file in lock_files}
        if not held:
            return
        owner = {"run": self.id, "pid": os.getpid(), **_this_system(), "locks": held}
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.descriptor = os.open(self.locks / f"{self.id}{RECORD_SUFFIX}", flags, 0o666)
        # A file system without locks leaves an empty record, which nobody takes for that of a dead run.
        with contextlib.suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self.descriptor, json.dumps(owner).encode())
            os.fsync(self.descriptor)

    def remove_dead(self) -> list[int]:
        """Remove the locks of recorded runs that are dead for certain, and return the process ids of these runs."""
        if not self.locks.is_dir():
            return []
        removed = []
        with _alone_in(self.locks.parent):
            for path in sorted(self.locks.glob(f"*{RECORD_SUFFIX}")):
                if owner := _dead_owner(path):
                    _remove(path, owner)
                    removed.append(owner["pid"])
        return removed


def _remove(record: Path, owner: dict[str, Any]) -> None:
    for name, identity in owner["locks"].items():
        lock = record.with_name(Path(name).name)
        # A later run may have a lock of the same name.
        if lock.exists() and _identity(lock) == identity:
            lock.unlink()
    record.unlink()


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let other runs wait, so that none removes the lock that another has just taken."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Without locks, no run has a record that could be removed.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _dead_owner(record: Path) -> dict[str, Any] | None:
    """Return the content of a record if its run is dead for certain, else None."""
    try:
        with record.open("rb") as stream:
            owner: dict[str, Any] = json.loads(stream.read())
            system = _this_system()
            if any(owner[key] != system[key] for key in ("host", "user")):
                return None
            if owner["boot"] != system["boot"]:
                # The host was started again, and no process is of before.
                return owner
            if owner["pid_namespace"] != system["pid_namespace"]:
                # Jobs in another container cannot be seen.
                return None
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, ValueError, KeyError, TypeError):
        # Held by its run, written to at this moment, or damaged.
        return None
    return None if _has_processes(owner["run"]) else owner


def _has_processes(run: str) -> bool:
    """Return whether a process that a run has started is alive."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(RUN_VARIABLE) == run:
                return True
    return False


def _this_system() -> dict[str, Any]:
    """Return what tells this host, its last start, container and user from others."""
    machine = Path("/etc/machine-id")
    return {
        # Hosts made from one image may share name and machine id, but not the address of the network card.
        "host": [socket.gethostname(), machine.read_text().strip() if machine.exists() else "", uuid.getnode()],
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
        "user": os.getuid(),
    }


def _identity(lock: Path) -> list[int]:
    status = lock.stat()
    return [status.st_ino, status.st_mtime_ns]
