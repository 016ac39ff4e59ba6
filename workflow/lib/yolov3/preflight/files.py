"""Files of the user that the planned stages read."""

from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# Rule of the workflow, and section and key of the config that names a file for it, or in section custom a folder.
FILES_OF_STAGES = (
    ("download_train", "custom", "folder"),
    ("download_train", "custom", "train_annotations"),
    ("download_val", "custom", "val_annotations"),
    ("convert_backbone", "backbone", "source"),
    ("rank_table", "rank_table", "merged_table"),
    ("train", "train", "resume_yolov3"),
    ("convert_weights", "weights", "pretrained"),
)
NO_FILES = ("", "fresh", "none")


def missing_files(config: dict[str, Any], stages: Collection[str]) -> list[str]:
    """Return a sentence for each file that one of the rules `stages` needs and that does not exist."""
    if not config["preflight"]:
        return []
    sentences = []
    for stage, section, key in FILES_OF_STAGES:
        value = config[section][key]
        is_there = Path(value).is_file() or (section == "custom" and Path(value).is_dir())
        if stage in stages and value not in NO_FILES and not urlsplit(value).scheme and not is_there:
            sentences.append(f"config key {section}.{key} is {value}, which is no file: correct the path")
    return sentences
