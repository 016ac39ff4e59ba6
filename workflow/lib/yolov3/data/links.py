"""Links from the results to a data set, so that it can be moved to another disk without making a result again."""

import os
from pathlib import Path

from yolov3.data.manifest import Places

# Names in the folder of a split, for its images and its annotations.
LINK_NAMES = ("images", "annotations.json")


def link_places(places: Places, folder: Path) -> Places:
    """Link images and annotations of each split as <folder>/<split>/images and annotations.json; return the links."""
    links = {split: _links_of(split, folder) for split in places}
    for split, targets in places.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        for link, target in zip(links[split], targets, strict=True):
            _point(link, target)
    return links


def follow_moved_places(places: Places, folder: Path) -> None:
    """Point the links of `link_places` to where the data set is now; those without a target there stay as they are."""
    for split, targets in places.items():
        for link, target in zip(_links_of(split, folder), targets, strict=True):
            if link.is_symlink() and target.exists() and not (link.exists() and link.samefile(target)):
                _point(link, target)


def _links_of(split: str, folder: Path) -> tuple[Path, Path]:
    return folder / split / LINK_NAMES[0], folder / split / LINK_NAMES[1]


def _point(link: Path, target: Path) -> None:
    target, here = target.absolute(), Path.cwd()
    # Within the working directory, which may be moved as a whole, a link is relative.
    is_inside = target.is_relative_to(here) and link.absolute().is_relative_to(here)
    text = os.path.relpath(target, link.absolute().parent) if is_inside else str(target)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.symlink_to(text)
    temporary.replace(link)
