"""Reading and writing of files; written files appear under their final name only when they are complete."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolov3.errors import InputError, first_line

GIB = 2**30


@contextmanager
def complete_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; rename it to `path` if the block succeeds, else remove it.

    The temporary path has the same suffix, because libraries choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp creates private files; results get the permissions of other new files.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file is on the disk; else its name could get there first, and a power failure leave it empty."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`; never leave a partial file."""
    with complete_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any, indent: int | None = 2) -> None:
    """Write `value` as JSON to `path`; never leave a partial file."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path, what: str = "JSON file") -> Any:
    """Read a JSON file; `what` is its kind for error messages, such as "annotation file".

    Raises:
        InputError: the file is missing, unreadable, or not valid JSON.
    """
    path = Path(path)
    try:
        # Windows programs begin UTF-8 files with a byte order mark.
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{what} {path} does not exist: check the path in the config") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{what} {path} is not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}): "
            "it may be truncated, download or write it again"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{what} {path} is not UTF-8 text: it is not a JSON file, check the path") from None
    except RecursionError:
        raise InputError(f"{what} {path} is nested too deeply: it is not a file of this kind, check the path") from None
    except ValueError as error:
        raise InputError(f"{what} {path} is not valid JSON ({first_line(error)}): correct it") from None
    except OSError as error:
        raise InputError(
            f"{what} {path} cannot be read ({error.strerror}): check the path and its permissions"
        ) from None


def json_value(text: str) -> Any:
    """Parse JSON text.

    Raises:
        ValueError: it is not valid, nested too deeply, or has an integer of too many digits.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except SystemError:
        # Of a damaged checkpoint, MindSpore makes texts with characters that Python does not have.
        raise ValueError("not a text") from None


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_sha256(path: Path, expected: str, key: str) -> None:
    """Check the SHA-256 of a weight file that config key `key` gives in hexadecimal; "" allows any.

    Raises:
        InputError: it is another one, or the file does not exist.
    """
    if not expected:
        return
    if not path.is_file():
        raise InputError(f"weight file {path} does not exist: correct the path")
    if (digest := sha256_of(path)) != expected:
        raise InputError(
            f"weight file {path} has SHA-256 {digest}, not the expected {expected}: give the right file or correct "
            f"{key}"
        )


def require_free_space(folder: Path, needed_bytes: int, what: str, advice: str) -> None:
    """Raise InputError with `advice` if the file system of an existing folder has less free space than `what` needs."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise InputError(
            f"{folder} has {free_bytes / GIB:.3f} GiB free but {what} needs {needed_bytes / GIB:.3f} GiB: {advice}"
        )
