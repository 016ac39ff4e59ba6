"""Files in the shared folder of a run by which each host learns that the run has ended on another one.

A host that dies writes no report; MindSpore's scheduler detects that within half a minute (`yolov3.distributed.msrun`).
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
    """The end reports of the hosts of a run, and of the process that started it.

    `host_number` is the position of this host in `hosts`; None if this process only starts the others.
    """

    def __init__(self, log_dir: Path, hosts: tuple[str, ...], host_number: int | None) -> None:
        self.names = [*(f"host {number}, {host}" for number, host in enumerate(hosts)), "the starting process"]
        self.paths = [*(host_folder(log_dir, number) / FILE_NAME for number in range(len(hosts))), log_dir / FILE_NAME]
        self.own_path = self.paths[-1 if host_number is None else host_number]
        self.own_path.unlink(missing_ok=True)
        # Reports of an earlier run, which hosts that start later have not removed yet.
        self.outdated = {path: _read_report(path) for path in self.paths}

    def report_end(self, reason: str) -> None:
        """Report to the other hosts that the run has ended here, and why."""
        try:
            write_json(self.own_path, {"time": time.time(), "reason": reason})
        except OSError as error:
            logging.warning("the end cannot be reported to the other hosts (%s): they will detect it later", error)

    def end_reason(self) -> str | None:
        """Return why the run has ended on another host, None if it has not."""
        for name, path in zip(self.names, self.paths, strict=True):
            if path != self.own_path and (report := _read_report(path)) and report != self.outdated[path]:
                return f"{report['reason']} ({name})"
        return None


def _read_report(path: Path) -> dict[str, str]:
    try:
        report = read_json(path, "report of a host") if path.exists() else {}
    except (InputError, OSError):
        # On a shared file system, the complete file may appear a moment later.
        return {}
    return report if isinstance(report, dict) and "reason" in report else {}
