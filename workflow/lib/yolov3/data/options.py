"""Command-line options that name a data set: its manifest, or its folder as in the original scripts."""

import argparse
from pathlib import Path

from yolov3.data.manifest import Manifest


def add_manifest_options(parser: argparse.ArgumentParser) -> None:
    """Add --manifest and --data_dir; exactly one must be given."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument(
        "--manifest", type=Path, nargs="+", help="manifest of the data set, or those of its splits, by download.py"
    )
    group.add_argument("--data_dir", type=Path, help="or its folder with train/, val/ and annotations/{train,val}.json")


def manifest_of(arguments: argparse.Namespace) -> Manifest:
    """Return the manifest that the parsed options name.

    Raises:
        InputError: it cannot be read, or the folder's annotations or images are missing or invalid.
    """
    if arguments.manifest:
        return Manifest.read(*arguments.manifest)
    # Imported only here: stages of the workflow get a manifest, so an edit to the checks must not rerun them.
    from yolov3.data.checks import manifest_of_folder

    return manifest_of_folder(arguments.data_dir)
