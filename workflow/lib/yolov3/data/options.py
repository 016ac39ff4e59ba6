"""The command-line options that name a data set: its manifest, or the folder that the original scripts were given."""

import argparse
from pathlib import Path

from yolov3.data.manifest import Manifest


def add_manifest_options(parser: argparse.ArgumentParser) -> None:
    """Add --manifest and --data_dir, of which one must be given."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument(
        "--manifest", type=Path, nargs="+", help="manifest of the data set, or those of its splits, from download.py"
    )
    group.add_argument(
        "--data_dir", type=Path, help="or its folder, with train/, val/ and annotations/{train,val}.json as coco2014's"
    )


def manifest_of(arguments: argparse.Namespace) -> Manifest:
    """Return the manifest that the parsed options name.

    Raises:
        InputError: it cannot be read, or the folder's annotations or images are not in order.
    """
    if arguments.manifest:
        return Manifest.read(*arguments.manifest)
    # Imported only here: the workflow gives every stage a manifest, so an edit to the checks reruns none of them.
    from yolov3.data.checks import manifest_of_folder

    return manifest_of_folder(arguments.data_dir)
