"""What every stage's command line has in common: its log and how it ends."""

import argparse
import errno
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from yolov3.errors import InputError

# No space, no permission, or a file where a folder should be.
UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
}
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def stage_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all stages share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log_file", default="", help="also write the log to this file (default: terminal only)")
    return parser


def start_logging(log_file: str) -> None:
    """Log to the terminal and, if `log_file` is not empty, to that file, which is begun anew."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file:
        Path(log_file).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w", encoding="utf-8"))
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, handlers=handlers, force=True)


def run_stage(run: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a stage and return its exit code: 0, or 1 after one sentence about what the user can mend."""
    try:
        start_logging(arguments.log_file)
        # Log lines go above a progress bar, not through it.
        with logging_redirect_tqdm():
            run(arguments)
    except InputError as error:
        logging.error("%s", error)
        return 1
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        # A failed copy names its source first, a failed write no file at all.
        place = error.filename2 or error.filename or "a result"
        logging.error("%s cannot be written (%s): free or change the place, then run again", place, error.strerror)
        return 1
    except KeyboardInterrupt:
        logging.error("interrupted: run the same command again to go on")
        return 130
    return 0
