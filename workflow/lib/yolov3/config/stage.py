"""Shared by the command lines of all stages: the option for the log, error handling and exit codes."""

import argparse
import errno
import logging
from collections.abc import Callable

from yolov3.errors import InputError
from yolov3.terminal import open_standard_streams, start_logging

# Errors of a full disk, of permissions, and of a file where a folder should be.
UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
}
# Extra attribute of the log record of the error that ends a stage.
ENDING = {"ends_stage": True}


def stage_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all stages share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log_file", default="", help="also write the log to this file (default: terminal only)")
    return parser


def run_stage(run: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a stage; return exit code 0, 1 after logging an error that the user can fix, or 130 if interrupted."""
    open_standard_streams()
    try:
        start_logging(arguments.log_file)
        run(arguments)
    except InputError as error:
        logging.error("%s", error, extra=ENDING)
        return 1
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        # An error of a copy has its source in `filename`, an error of a write has no file name.
        place = error.filename2 or error.filename or "a result"
        message = "%s cannot be written (%s): free or change the place, then run again"
        logging.error(message, place, error.strerror, extra=ENDING)
        return 1
    except KeyboardInterrupt:
        logging.error("interrupted: run the same command again to resume", extra=ENDING)
        return 130
    return 0
