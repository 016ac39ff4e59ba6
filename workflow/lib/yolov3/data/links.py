"""Link the results to a data set, so that it can be moved to another disk without running stages again."""

import os
from pathlib import Path

from yolov3.data.manifest import Places, stored_path


def link_places(places: Places, folder: Path) -> Places:
    """Link images and annotations of each split as <folder>/<split>/images and annotations.json; return the links."""
    links = {split: _links_of(split, folder) for split in places}
    for split, targets in places.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for link, target in zip(links[split], targets, strict=True):
            _point(link, target)
    return links


def follow_moved_places(places: Places, folder: Path) -> None:
    """Point the links of `link_places` to the data set's new place; keep links whose target does not exist there."""
    for split, targets in places.items():
        for link, target in zip(_links_of(split, folder), targets, strict=True):
            if link.is_symlink() and target.exists() and not (link.exists() and link.samefile(target)):
                _point(link, target)


def _links_of(split: str, folder: Path) -> tuple[Path, Path]:
    return folder / split / "images", folder / split / "annotations.json"


def _point(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.symlink_to(stored_path(target, link.absolute().parent))
    temporary.replace(link)
