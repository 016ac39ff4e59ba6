"""How the hosts of a run learn that it has ended on one of them: by a file in the run's folder, which all share.

A host that dies writes nothing: MindSpore's scheduler notices that within half a minute (`yolov3.distributed.msrun`).
"""

import logging
import time
from pathlib import Path

from yolov3.errors import InputError
from yolov3.files import read_json, write_json

FILE_NAME = "ended.json"


def host_folder(log_dir: Path, number: int) -> Path:
    """Return the folder of a host's logs."""
    return log_dir / f"host_{number}"


class HostReports:
    """What the hosts of a run, and where it was started, say of its end.

    Args:
        log_dir: folder of all hosts' logs.
        hosts: their addresses.
        own: the position of this host among them; None if this process only starts the others.
    """

    def __init__(self, log_dir: Path, hosts: tuple[str, ...], own: int | None) -> None:
        self.names = [*(f"host {number}, {host}" for number, host in enumerate(hosts)), "where it was started"]
        self.paths = [*(host_folder(log_dir, number) / FILE_NAME for number in range(len(hosts))), log_dir / FILE_NAME]
        self.own = self.paths[-1 if own is None else own]
        self.own.unlink(missing_ok=True)
        # Those of an earlier run, which the hosts that start later have yet to remove.
        self.before = {path: _read(path) for path in self.paths}

    def tell(self, sentence: str) -> None:
        """Let the other hosts know that the run has ended here, and why."""
        try:
            write_json(self.own, {"time": time.time(), "sentence": sentence})
        except OSError as error:
            logging.warning("the other hosts are not told of the end (%s): they notice it later", error)

    def heard(self) -> str | None:
        """Return why the run has ended on another host, None while it has not."""
        for name, path in zip(self.names, self.paths, strict=True):
            if path != self.own and (found := _read(path)) and found != self.before[path]:
                return f"{found['sentence']} ({name})"
        return None


def _read(path: Path) -> dict[str, str]:
    try:
        found = read_json(path, "report of a host") if path.exists() else {}
    except (InputError, OSError):
        # A shared file system may show it a moment later.
        return {}
    return found if isinstance(found, dict) and "sentence" in found else {}
