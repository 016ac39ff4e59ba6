"""The command-line options that name a data set: its manifest, or the folder that the original scripts were given."""

import argparse
from pathlib import Path

from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.manifest import SPLITS, Manifest


def add_manifest_options(parser: argparse.ArgumentParser) -> None:
    """Add --manifest and --data_dir, of which one must be given."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--manifest", type=Path, help="manifest of the data set, written by download.py")
    group.add_argument(
        "--data_dir", type=Path, help="or its folder, with train/, val/ and annotations/{train,val}.json as coco2014's"
    )


def manifest_of(arguments: argparse.Namespace) -> Manifest:
    """Return the manifest that the parsed options name.

    Raises:
        InputError: it cannot be read, or the folder's annotations or images are not in order.
    """
    if arguments.manifest:
        return Manifest.read(arguments.manifest)
    # The workflow always gives a manifest: how folders are checked then does not concern a stage.
    from yolov3.data.options import manifest_of_folder

    return manifest_of_folder(arguments.data_dir)


def manifest_of_folder(folder: Path) -> Manifest:
    """Check annotations and image headers below `folder` and return their manifest.

    Raises:
        InputError: annotations or images are missing or not in order.
    """
    places = {split: (folder / split, folder / "annotations" / f"{split}.json") for split in SPLITS}
    return check_dataset("custom", places, CheckSettings(check_images="header", skip_bad_images=False))
