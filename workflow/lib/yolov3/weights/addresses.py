"""Download weights by URL; Darknet's published files also from their other addresses."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from yolov3.data.fetch import fetch_first

# Where Darknet's files are published, in the order in which they are tried: the address that Darknet's pages give, the
# one that it redirects to (https://github.com/pjreddie/darknet/issues/971) and SourceForge's mirror of YOLOv3.
PLACES = (
    "https://pjreddie.com/media/files/{name}",
    "https://data.pjreddie.com/files/{name}",
    "https://sourceforge.net/projects/yolov3.mirror/files/v8/{name}/download",
)
# The published files and their lengths in bytes.
SIZES = {"darknet53.conv.74": 162_482_580, "yolov3.weights": 248_007_048}


def name_of(url: str) -> str:
    """Return the file name of the weights at a URL."""
    return _published_name(url) or unquote(urlsplit(url).path).rpartition("/")[2]


def fetch_weights(url: str, target: Path, sha256: str) -> None:
    """Download weights to `target`; a published file must have its length, and is looked for at all its addresses.

    Args:
        url: address of http, https or file, which is tried first.
        target: file to write.
        sha256: expected SHA-256 in hexadecimal, or "" to skip this check.

    Raises:
        InputError: no address gives the file.
    """
    name = _published_name(url)
    others = [place.format(name=name) for place in PLACES if name and place.format(name=name) != url]
    fetch_first([url, *others], target, SIZES.get(name), sha256 or None)


def _published_name(url: str) -> str:
    """Return the name of the published file that a URL is an address of, else ""."""
    return next((name for name in SIZES for place in PLACES if url == place.format(name=name)), "")
