"""Download a file by URL, resuming interrupted transfers, and verify its content."""

import http.client
import itertools
import logging
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from yolov3.errors import InputError
from yolov3.files import read_json, require_free_space, sha256_of, write_json
from yolov3.terminal import progress_bar

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60
# Failed tries in a row without any progress after which a run gives up, and the wait after the first.
MAX_TRIES = 4
RETRY_SECONDS = 2.0

_PARTIAL, _RANGE_NOT_SATISFIABLE, _SERVER_ERRORS = 206, 416, 500
_HTML = re.compile(rb"\s*(<!doctype html|<html|<\?xml)", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class _Broken(Exception):
    """The transfer was interrupted; the next try resumes from the part that was received."""


@dataclass(frozen=True)
class _Answer:
    """Response of a server or file.

    Attributes:
        stream: the bytes.
        start: offset of the first byte.
        total: length of the whole file, if known.
        version: what the server calls this version of the file, as a value of If-Range; "" if it does not say.
    """

    stream: BinaryIO
    start: int
    total: int | None
    version: str


def fetch(url: str, target: str | Path, size: int | None = None, sha256: str | None = None) -> None:
    """Download the file at a URL to `target`.

    An interrupted download is kept as `target` + ".part", and the next try or run resumes from it, if it is of the same
    URL and version. A target that already has the expected size in bytes and SHA-256 in hexadecimal (None for any) is
    not downloaded again. The URL is of http, https or file.

    Raises:
        InputError: the URL cannot be reached, sends the wrong file, all tries fail, or the disk is too small.
    """
    target = Path(target)
    if (size is not None or sha256 is not None) and target.is_file():
        if (size is None or target.stat().st_size == size) and (sha256 is None or sha256_of(target) == sha256):
            logging.info("%s already exists and is verified", target)
            return
        logging.warning("%s exists but is not the expected file: fetching it again", target)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    _transfer_all(url, part, size, is_verified=sha256 is not None)
    _verify(url, part, size, sha256)
    part.replace(target)
    _origin_of(part).unlink(missing_ok=True)


def fetch_first(urls: Sequence[str], target: str | Path, size: int | None = None, sha256: str | None = None) -> None:
    """Download a file from the first of several URLs that gives it; see `fetch`.

    Raises:
        InputError: none of them does; the message is that of the last one.
    """
    for index, url in enumerate(urls):
        try:
            fetch(url, target, size, sha256)
            return
        except InputError as error:
            if index == len(urls) - 1:
                raise
            logging.warning("%s; trying %s", error, urls[index + 1])


def _transfer_all(url: str, part: Path, size: int | None, is_verified: bool) -> None:
    _drop_unless_of(url, part, is_verified)
    tries = 0
    while True:
        before = _length(part)
        try:
            _transfer(url, part, size)
            return
        except _Broken as error:
            tries = 1 if _length(part) > before else tries + 1
            if tries >= MAX_TRIES:
                raise InputError(
                    f"{url} cannot be fetched ({error}; {_length(part)} bytes are kept): check the address and the "
                    "network, then run again to resume from there"
                ) from None
            logging.warning("%s: %s after %d bytes, trying again", url, error, _length(part))
            time.sleep(RETRY_SECONDS * 2 ** (tries - 1))


def _transfer(url: str, part: Path, size: int | None) -> None:
    """Append the missing bytes to `part`, or start over if the server does not support offsets."""
    kept = _length(part)
    if size is not None and kept == size:
        return
    version = _read_origin(part)["version"] if kept else ""
    with _open(url, kept, version) as answer:
        if answer is None:
            _discard(part)
            raise _Broken("the server cannot resume from the kept bytes")
        if answer.start == 0:
            if kept and version and version != answer.version:
                logging.warning("%s has changed since %d bytes of it were received: starting again", url, kept)
            kept = 0
        elif version and answer.version and version != answer.version:
            _discard(part)
            raise _Broken("the file at the address has changed")
        first = answer.stream.read(CHUNK_BYTES)
        if kept == 0:
            _refuse_page(url, first)
        if size is not None and answer.total is not None and answer.total != size:
            raise InputError(
                f"{url} offers {answer.total} bytes, not the expected {size}: it is another file, "
                "check the address or use another mirror"
            )
        require_free_space(part.parent, (answer.total or size or 0) - kept, part.stem, "free some space")
        if kept == 0:
            write_json(_origin_of(part), {"url": url, "version": answer.version})
        with (
            part.open("ab" if kept else "wb") as stream,
            progress_bar(None, part.stem, total=answer.total, initial=kept, unit="B", unit_scale=True) as bar,
        ):
            for chunk in itertools.chain([first], iter(lambda: answer.stream.read(CHUNK_BYTES), b"")):
                stream.write(chunk)
                bar.update(len(chunk))
    if answer.total is not None and _length(part) < answer.total:
        raise _Broken("the connection was interrupted")


def _origin_of(part: Path) -> Path:
    """Return the file beside a partial file that tells its URL and version."""
    return part.with_name(f"{part.name}.origin")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _origin_of(part).unlink(missing_ok=True)


def _read_origin(part: Path) -> dict[str, str]:
    try:
        origin = read_json(_origin_of(part))
        return {"url": str(origin["url"]), "version": str(origin["version"])}
    except (InputError, KeyError, TypeError):
        return {"url": "", "version": ""}


def _drop_unless_of(url: str, part: Path, is_verified: bool) -> None:
    """Remove a partial file of another URL, or of a version that neither the server nor a checksum can tell."""
    if not part.exists():
        return
    origin = _read_origin(part)
    if origin["url"] not in ("", url) or not (origin["version"] or is_verified):
        logging.warning("%s may be a part of another file than %s: starting again", part, url)
        _discard(part)


@contextmanager
def _open(url: str, offset: int, version: str) -> Iterator[_Answer | None]:
    """Request a URL from a byte offset of a version on; yield None if the server rejects the offset."""
    headers = {"User-Agent": "yolov3-darknet53", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if version:
            # The server sends the whole file if it has changed (RFC 9110, section 13.1.5).
            headers["If-Range"] = version
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS) as response:
            yield _answer_of(response, offset)
    except urllib.error.HTTPError as error:
        if error.code == _RANGE_NOT_SATISFIABLE and offset:
            yield None
        elif error.code >= _SERVER_ERRORS:
            raise _Broken(f"the server answers {error.code} {error.reason}") from None
        else:
            raise InputError(
                f"{url} answers {error.code} {error.reason}: check the address or use another mirror"
            ) from None
    except urllib.error.URLError as error:
        if url.startswith("file:"):
            raise InputError(f"{url} cannot be read ({error.reason}): check the address") from None
        raise _Broken(str(error.reason)) from None
    except (http.client.InvalidURL, ValueError) as error:
        raise InputError(f"{url} is not a valid address ({error}): correct it") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Broken(str(error) or type(error).__name__) from None


def _answer_of(response: Any, requested: int) -> _Answer:
    start, total = "0", response.headers.get("Content-Length", "")
    if getattr(response, "status", None) == _PARTIAL:
        content_range = response.headers.get("Content-Range", "")
        match = re.match(r"bytes (\d+)-", content_range)
        start, total = match[1] if match else str(requested), content_range.rpartition("/")[2]
    if int(start) not in (0, requested):
        raise _Broken("the server starts at another byte than requested")
    tag = response.headers.get("ETag", "")
    # A weak tag does not promise equal bytes.
    version = response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
    return _Answer(response, int(start), int(total) if total.isdigit() else None, version)


def _refuse_page(url: str, first: bytes) -> None:
    if _HTML.match(first):
        title = _TITLE.search(first)
        text = " ".join(title[1].decode("utf-8", "replace").split()) if title else "without a title"
        raise InputError(
            f"{url} sends a web page ({text}) instead of the file: check the address or use another mirror"
        )


def _verify(url: str, part: Path, size: int | None, sha256: str | None) -> None:
    length = _length(part)
    if size is not None and length != size:
        _discard(part)
        raise InputError(f"{url} sent {length} bytes, not the expected {size}: run again or use another mirror")
    digest = sha256_of(part) if sha256 is not None else None
    if digest != sha256:
        _discard(part)
        raise InputError(
            f"{url} sent {length} bytes with SHA-256 {digest}, not the expected {sha256}: "
            "run again or use another mirror"
        )


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
