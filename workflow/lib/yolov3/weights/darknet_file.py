"""Read and write Darknet's weight files: a header, then float32 values by layer (Darknet, src/parser.c)."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolov3.errors import InputError
from yolov3.files import complete_file
from yolov3.weights.layers import DarknetLayer

VALUE_TYPE = np.dtype("<f4")
_VERSION = struct.Struct("<3i")
_MAX_VERSION = 1000
# First bytes, after a byte order mark and white space, of pages that servers send instead of a file.
_HTML_STARTS = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")


@dataclass(frozen=True)
class DarknetHeader:
    """Version of the file format, and the number of images that the network was trained on (`seen`)."""

    major: int = 0
    minor: int = 2
    revision: int = 0
    seen: int = 0

    @property
    def _seen_format(self) -> struct.Struct:
        is_long = self.major * 10 + self.minor >= 2 and self.major < _MAX_VERSION and self.minor < _MAX_VERSION
        return struct.Struct("<q" if is_long else "<i")

    @property
    def size(self) -> int:
        """Length of the header in bytes: 20 from version 0.2 on, 16 before."""
        return _VERSION.size + self._seen_format.size

    def to_bytes(self) -> bytes:
        """Return the header as stored in a file."""
        return _VERSION.pack(self.major, self.minor, self.revision) + self._seen_format.pack(self.seen)

    @classmethod
    def from_bytes(cls, content: bytes) -> "DarknetHeader":
        """Read the header at the start of `content`, at least 20 bytes."""
        header = cls(*_VERSION.unpack_from(content))
        return replace(header, seen=header._seen_format.unpack_from(content, _VERSION.size)[0])


def value_count(layers: Sequence[DarknetLayer]) -> int:
    """Return the number of float32 values of `layers`."""
    return sum(math.prod(shape) for layer in layers for _, shape in layer.parameters)


def read_weights(
    path: str | Path, layers: Sequence[DarknetLayer]
) -> tuple[DarknetHeader, dict[str, NDArray[np.float32]]]:
    """Read a Darknet weight file that consists of exactly `layers`.

    Returns:
        The header, and parameter name -> values, float32, as read-only views of the memory-mapped file.

    Raises:
        InputError: the file is missing, has the wrong length, is not a weight file (a web page, text), or holds values
            that no training produces (NaN, infinity, negative variance).
    """
    path = Path(path)
    header = _checked_header(path, layers)
    values = np.memmap(path, VALUE_TYPE, mode="r", offset=header.size)
    arrays: dict[str, NDArray[np.float32]] = {}
    for layer in layers:
        for name, shape in layer.parameters:
            array, values = np.split(values, [math.prod(shape)])
            _check_values(path, name, array)
            arrays[name] = array.reshape(shape)
    return header, arrays


def write_weights(
    path: str | Path, header: DarknetHeader, layers: Sequence[DarknetLayer], arrays: Mapping[str, NDArray[np.float32]]
) -> None:
    """Write `layers` in their order as a Darknet weight file atomically.

    `arrays` maps parameter names to values, float32, of the layer's shape.

    Raises:
        ValueError: an array does not have its layer's shape.
    """
    with complete_file(path) as temporary, temporary.open("wb") as stream:
        stream.write(header.to_bytes())
        for layer in layers:
            for name, shape in layer.parameters:
                array = np.ascontiguousarray(arrays[name], VALUE_TYPE)
                if array.shape != shape:
                    raise ValueError(f"{name} has shape {array.shape} instead of {shape}")
                stream.write(array.data)


def start_of(path: Path) -> bytes:
    """Return the first 512 bytes of a file of weights, whatever its format.

    Raises:
        InputError: the file is missing or unreadable, or is text, such as a server's error page.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except FileNotFoundError:
        raise InputError(f"weight file {path} does not exist: check the path, or fetch the file first") from None
    except OSError as error:
        raise InputError(f"weight file {path} cannot be read ({error.strerror}): check the path") from None
    if text := _describe_text(start):
        raise InputError(f"weight file {path} is {text}, not weights: fetch it again or from another place")
    return start


def _checked_header(path: Path, layers: Sequence[DarknetLayer]) -> DarknetHeader:
    start = start_of(path)
    size = path.stat().st_size
    # A file shorter than a header is reported below with the length that it should have.
    is_long_enough = len(start) >= DarknetHeader().size
    header = DarknetHeader.from_bytes(start) if is_long_enough else DarknetHeader()
    version = (header.major, header.minor, header.revision)
    if not all(0 <= number < _MAX_VERSION for number in version):
        raise InputError(
            f"weight file {path} begins with version {'.'.join(map(str, version))}, which Darknet does not have: "
            "it is not a Darknet weight file, give another"
        )
    expected = header.size + value_count(layers) * VALUE_TYPE.itemsize
    if size != expected:
        advice = "it is cut off, fetch it again," if size < expected else "it is of another network, give the right one"
        raise InputError(
            f"weight file {path} has {size:,} bytes but this network needs {expected:,} "
            f"({len(layers)} convolutions and a header of {header.size} bytes): {advice} or correct the network's shape"
        )
    return header


def _describe_text(start: bytes) -> str:
    """Return a description of the text that a file begins with, or "" if it is not text."""
    beginning = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if beginning.lower().startswith(_HTML_STARTS):
        return "an HTML page"
    if not start or any(byte < 32 and byte not in b"\t\n\r\f" for byte in start):
        return ""
    line = beginning.decode("utf-8", errors="replace").splitlines()[:1]
    return f"text that begins with {''.join(line)[:40]!r}"


def _check_values(path: Path, name: str, values: NDArray[np.float32]) -> None:
    # The sum of values that are not finite is not finite, and needs no temporary array; it can also overflow.
    with np.errstate(all="ignore"):
        is_suspicious = not np.isfinite(values.sum(dtype=np.float64))
    if is_suspicious and (count := np.count_nonzero(~np.isfinite(values))):
        problem = f"{count:,} values that are NaN or infinite"
    elif name.endswith(".moving_variance") and values.min() < 0:
        problem = f"a negative variance ({values.min():.4g})"
    else:
        return
    raise InputError(
        f"weight file {path} holds {problem} in {name}: it is damaged or of another network, give the right file"
    )
