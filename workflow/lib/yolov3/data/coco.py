"""Download and unpack the COCO data sets of 2014 and 2017 from their official archives or a mirror of them."""

import fcntl
import logging
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from yolov3.data.fetch import fetch_first
from yolov3.data.manifest import SPLITS, Places, folder_places
from yolov3.errors import InputError
from yolov3.files import read_json, require_free_space, write_json
from yolov3.terminal import progress_bar

MARKER = ".unpacked.json"
ANNOTATIONS_FOLDER = "annotations"


@dataclass(frozen=True)
class Archive:
    """An archive and the folder that it is unpacked to.

    Attributes:
        path: path relative to the mirror.
        size: length in bytes.
        sha256: SHA-256 in hexadecimal.
        folder: name of the folder that it is unpacked to.
        members: pairs (prefix of a member's name, its replacement in the folder); other members are not unpacked.
    """

    path: str
    size: int
    sha256: str
    folder: str
    members: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """File name of the archive."""
        return PurePosixPath(self.path).name

    def place_of(self, member: str) -> str | None:
        """Return the path of a member in the folder; None if it is not unpacked."""
        for prefix, replacement in self.members:
            if member.startswith(prefix) and not member.endswith("/"):
                return replacement + member[len(prefix) :]
        return None


def _archives(year: int, files: dict[str, tuple[int, str]]) -> tuple[Archive, ...]:
    """Return the archives of a year, given size and SHA-256 of the annotations and of the images of each split."""
    members = tuple((f"annotations/instances_{split}{year}.json", f"{split}.json") for split in SPLITS)
    annotations = f"annotations/annotations_trainval{year}.zip"
    return (
        Archive(annotations, *files[ANNOTATIONS_FOLDER], ANNOTATIONS_FOLDER, members),
        *(
            Archive(f"zips/{split}{year}.zip", *files[split], split, ((f"{split}{year}/", ""),))
            for split in ("val", "train")
        ),
    )


# By data.provider. Sizes are those that the server gives, SHA-256 those of torchvision's prototype data sets (coco.py).
ARCHIVES = {
    "coco2014": _archives(
        2014,
        {
            "annotations": (252_872_794, "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009"),
            "val": (6_645_013_297, "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0"),
            "train": (13_510_573_713, "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775"),
        },
    ),
    "coco2017": _archives(
        2017,
        {
            "annotations": (252_907_541, "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268"),
            "val": (815_585_330, "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),
            "train": (19_336_861_798, "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),
        },
    ),
}
# Tried in this order where the config names no other.
ADDRESSES = ("http://images.cocodataset.org/", "https://s3.amazonaws.com/images.cocodataset.org/")


@dataclass(frozen=True)
class CocoSettings:
    """Source of the archives; fields are the keys of the same names in the config's section of the provider."""

    mirror: str
    keep_archives: bool


def prepare_coco(
    provider: str,
    data_dir: Path,
    settings: CocoSettings,
    splits: Sequence[str] = SPLITS,
    archives: tuple[Archive, ...] = (),
) -> Places:
    """Download and unpack the missing parts of splits of a data set under data_dir/<provider>; return their paths.

    Args:
        provider: coco2014 or coco2017.
        data_dir: folder of data sets.
        settings: source of the archives.
        splits: splits that are needed.
        archives: archives of the data set; () for those of the provider.

    Folders that are complete, or that the user provided, are kept. Processes that prepare the same folder wait for each
    other, because the annotations of both splits are in one archive.

    Raises:
        InputError: an archive cannot be fetched, is the wrong file or unsafe, or the disk is too small.
    """
    folder = data_dir / provider
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        needed = [
            archive for archive in archives or ARCHIVES[provider] if archive.folder in (ANNOTATIONS_FOLDER, *splits)
        ]
        missing = [archive for archive in needed if not _is_complete(folder, archive)]
        for archive in missing:
            shutil.rmtree(_part_of(folder, archive), ignore_errors=True)
        needed_bytes = bytes_needed(folder, missing, settings.keep_archives)
        require_free_space(folder, needed_bytes, provider, "free some space or set data.data_dir to another disk")
        for archive in missing:
            file = folder / "archives" / archive.name
            mirrors = ADDRESSES if settings.mirror in ADDRESSES else (settings.mirror,)
            urls = [f"{mirror.rstrip('/')}/{archive.path}" for mirror in mirrors]
            fetch_first(urls, file, archive.size, archive.sha256)
            unpack(file, archive, folder)
            if not settings.keep_archives:
                file.unlink()
    places = folder_places(folder)
    return {split: places[split] for split in splits}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process holds this lock of the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def unpack(file: Path, archive: Archive, folder: Path) -> None:
    """Unpack an archive to folder/archive.folder atomically.

    Raises:
        InputError: the archive is damaged, or has a member that would be written elsewhere.
    """
    part = _part_of(folder, archive)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with zipfile.ZipFile(file) as opened:
            for info in opened.infolist():
                _refuse_unsafe(file, info)
            members = [(info, place) for info in opened.infolist() if (place := archive.place_of(info.filename))]
            for info, place in progress_bar(members, f"unpack {archive.name}", unit="file"):
                target = part / place
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, target.open("wb") as stream:
                    shutil.copyfileobj(source, stream)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise InputError(f"archive {file} is damaged ({error}): remove it, or upload it again, and run again") from None
    if not members:
        raise InputError(f"archive {file} has nothing under {archive.members[0][0]}: use another mirror")
    total_bytes = sum(info.file_size for info, _ in members)
    write_json(part / MARKER, {"sha256": archive.sha256, "files": len(members), "bytes": total_bytes})
    shutil.rmtree(folder / archive.folder, ignore_errors=True)
    part.rename(folder / archive.folder)
    logging.info("%s: %d files unpacked to %s", archive.name, len(members), folder / archive.folder)


def _part_of(folder: Path, archive: Archive) -> Path:
    return folder / f".{archive.folder}.part"


def _refuse_unsafe(file: Path, info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(info.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename:
        raise InputError(f"archive {file} has {info.filename!r}, outside of its folder: it is unsafe, use another one")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise InputError(f"archive {file} has the link {info.filename!r}: it is unsafe, use another one")


def _is_complete(folder: Path, archive: Archive) -> bool:
    """Return whether the folder of an archive is complete, or was provided by the user."""
    unpacked = folder / archive.folder
    if not unpacked.is_dir():
        return False
    if not (unpacked / MARKER).is_file():
        logging.warning("%s was not unpacked by this program: used as it is, remove it to fetch it", unpacked)
        return True
    # Hidden files are the marker and Snakemake's own.
    sizes = [path.stat().st_size for path in unpacked.rglob("*") if path.is_file() and not path.name.startswith(".")]
    content = {"sha256": archive.sha256, "files": len(sizes), "bytes": sum(sizes)}
    if read_json(unpacked / MARKER) == content:
        logging.info("%s already exists and is complete", unpacked)
        return True
    logging.warning("%s is not complete: fetching it again", unpacked)
    return False


def bytes_needed(folder: Path, missing_archives: Sequence[Archive], keep_archives: bool) -> int:
    """Return the free space in bytes that is needed to fetch and unpack archives, minus what they have on disk."""
    sizes = [archive.size for archive in missing_archives]
    files = [
        folder / "archives" / f"{archive.name}{suffix}" for archive in missing_archives for suffix in ("", ".part")
    ]
    downloaded = sum(file.stat().st_size for file in files if file.is_file())
    # JPEG files are stored uncompressed, so the unpacked files take about as much space as the archive.
    return sum(sizes) + (sum(sizes) if keep_archives else max(sizes, default=0)) - downloaded
