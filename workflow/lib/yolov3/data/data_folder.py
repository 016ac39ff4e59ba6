"""A data set in a folder of coco2014's layout, described without a manifest file."""

from pathlib import Path

from yolov3.data.checks import CheckSettings, describe_data
from yolov3.data.manifest import SPLITS, Manifest


def manifest_of_folder(folder: Path) -> Manifest:
    """Check annotations and image headers below `folder` and return their manifest.

    Raises:
        InputError: annotations or images are missing or not in order.
    """
    places = {split: (folder / split, folder / "annotations" / f"{split}.json") for split in SPLITS}
    return describe_data("custom", places, CheckSettings(check_images="header", skip_bad_images=False))
