"""Folders of finished runs that are to be compared: where their results are, and what in them counts."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from yolov3.errors import InputError
from yolov3.files import sha256_of

# More runs cannot be distinguished by colour.
MIN_RUNS, MAX_RUNS = 2, 10
# Folder of the evaluation that is compared in detail, and of all programs by their names.
EVALUATION = "eval_coco"
PROGRAMS = {"MindSpore": EVALUATION, "Native float": "infer_310", "Native int8": "quant_infer_310"}
MODEL_FOLDERS = ("train", "weights", "export", "native_model", "quant", "quant_qdq")
MODEL_SUFFIXES = (".ckpt", ".mindir", ".onnx", ".air", ".ms", ".om")
# What is read of a run, apart from the sizes of its models.
FILES = (
    "report/config.json",
    "train/train.json",
    "train/metrics.csv",
    "data/val.json",
    *(f"{folder}/metrics.json" for folder in PROGRAMS.values()),
    f"{EVALUATION}/detections.json",
)


def result_folders(runs: Sequence[str]) -> list[Path]:
    """Return the folder of results of each run: the folder given, or `results` in it.

    Raises:
        InputError: there are too few or too many runs, one is given twice, or has not been evaluated.
    """
    if not MIN_RUNS <= len(runs) <= MAX_RUNS:
        raise InputError(
            f"the number of runs is {len(runs)} but must be {MIN_RUNS} to {MAX_RUNS}: name the folders of finished "
            """runs, by --config 'compare={"runs": ["first", "second"]}' for snakemake compare"""
        )
    folders: list[Path] = []
    for run in runs:
        folder = Path(run)
        if not folder.is_dir():
            raise InputError(f"run {run} is not a folder: name the folder of a finished run")
        results = folder / "results" if (folder / "results").is_dir() else folder
        if not (results / EVALUATION / "metrics.json").is_file():
            raise InputError(
                f"run {run} has no {EVALUATION}/metrics.json in {results}: name the folder of a finished run, or run "
                "snakemake eval_coco there"
            )
        if results.resolve() in (other.resolve() for other in folders):
            raise InputError(f"run {run} is given twice: name each run once")
        folders.append(results)
    return folders


def runs_content(runs: Sequence[str]) -> str:
    """Return a digest of what is read of the runs, and of their names; it does not depend on where they are.

    Raises:
        InputError: as in `result_folders`.
    """
    folders = result_folders(runs)
    content = [
        (name, {file: sha256_of(folder / file) for file in FILES if (folder / file).is_file()}, model_bytes(folder))
        for name, folder in zip(run_names(folders), folders, strict=True)
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def run_names(results: Sequence[Path]) -> list[str]:
    """Return the shortest last parts of the runs' paths that are all different, without a last `results`."""
    paths = [path.resolve() for path in results]
    parts = [(path.parent if path.name == "results" else path).parts[1:] for path in paths]
    of_lengths = (["/".join(entry[-length:]) for entry in parts] for length in itertools.count(1))
    return next(names for names in of_lengths if len(set(names)) == len(names))


def model_bytes(results: Path) -> dict[str, int]:
    """Return the size of each model by its path in the folder of results."""
    return {
        path.relative_to(results).as_posix(): path.stat().st_size
        for folder in MODEL_FOLDERS
        for path in sorted((results / folder).glob("*"))
        if path.suffix in MODEL_SUFFIXES
    }
