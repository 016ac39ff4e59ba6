"""Compare training recipes on a data set: accuracy of each variant of a config, trained and evaluated by the workflow.

python benchmarks/recipe.py CONFIG.yaml [--seeds 1 2] [--only NAME ...] [--folder FOLDER] [--ablation]

CONFIG is a config of the workflow, such as that of docs/training.md. Compared are its own recipe, the published recipe
with two learning rates, clustered anchors and the same geometry and batches, and, with --ablation, the recipe without
each of its elements and with each of the others, and the published recipe with each element alone. Results are kept in
FOLDER, where a stopped comparison goes on; the table has means over the seeds, and the reason of a run that failed.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from yolov3.config.config import complete_config
from yolov3.config.consistency import CUSTOM_PATHS
from yolov3.config.schema import section_schema

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
METRICS = ("AP", "AP50", "AP75")
# Keys, by section, that name files of the user.
PATHS = (*(("custom", key) for key in ("folder", *CUSTOM_PATHS)), ("backbone", "source"), ("train", "resume_yolov3"))
# Learning rates of the published recipe; single elements are added to it at the last one.
PUBLISHED_RATES = (0.001, 0.0003)
# Elements of a recipe by the keys of `train` that turn them off when they have the published values.
ELEMENTS = {
    "box loss": ("box_loss", "box_weight"),
    "several anchors": ("assignment_iou",),
    "objectness target": ("objectness_target",),
    "average of weights": ("ema_epochs",),
    "AdamW": ("optimizer", "lr", "weight_decay"),
    "objectness prior": ("objectness_prior",),
    "mild augmentation": ("jitter", "scale_min", "scale_max", "hue", "saturation", "value"),
}
# Elements that a recipe may lack, by name.
FURTHER_ELEMENTS: dict[str, dict[str, Any]] = {
    "several anchors": {"assignment_iou": 0.4},
    "IoU as objectness": {"objectness_target": "iou"},
    "mosaic": {"mosaic": 1},
    "mixup": {"mixup": 0.5},
    "accumulation": {"accumulation": 2},
    "gradient clip": {"gradient_clip": 10},
    "cosine to 5 %": {"eta_min_share": 0.05},
}
# Share of the epochs at the end that show whole images, where others are composed ones.
PLAIN_SHARE = 1 / 6
# What the published recipe takes from the config: equal batches and an equal course of the rate.
SHARED = ("per_batch_size", "accumulation", "lr_scheduler", "T_max", "warmup_epochs")


def merged(config: dict[str, Any], **sections: dict[str, Any]) -> dict[str, Any]:
    """Return a config with keys of sections replaced."""
    return {**config, **{name: {**config.get(name, {}), **values} for name, values in sections.items()}}


def with_absolute_paths(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config whose files of data and weights are found from any folder."""
    absolute = config
    for section, key in PATHS:
        value = config.get(section, {}).get(key)
        if value and Path(value).exists():
            absolute = merged(absolute, **{section: {key: str(Path(value).resolve())}})
    return absolute


def variants_of(config: dict[str, Any], has_ablation: bool) -> dict[str, dict[str, Any]]:
    """Return the configs to compare, by name."""
    complete, schema = complete_config(config), section_schema("train")
    # What a config sets by itself belongs to its own recipe, not to the published one.
    baselines = {
        key: schema[key]["baseline"] for keys in (*ELEMENTS.values(), *FURTHER_ELEMENTS.values()) for key in keys
    }
    shared = {key: complete["train"][key] for key in SHARED}
    published = merged(
        {**config, "recipe": "published"},
        network={"anchor_scales": "auto", "batch_norm_momentum": complete["network"]["batch_norm_momentum"]},
        train={**baselines, **shared},
        eval={"letterbox": complete["eval"]["letterbox"] or complete["recipe"] == "modern"},
    )
    rate = config.get("train", {}).get("lr") or complete["train"]["lr"]
    variants = {"as given": config, "as given, half the rate": merged(config, train={"lr": rate / 2})}
    variants |= {f"published, lr {lr:g}": merged(published, train={"lr": lr}) for lr in PUBLISHED_RATES}
    if has_ablation:
        for name, keys in ELEMENTS.items():
            baseline = {key: baselines[key] for key in keys}
            if any(complete["train"][key] != value for key, value in baseline.items()):
                variants[f"without {name}"] = merged(config, train=baseline)
                own = {key: complete["train"][key] for key in keys}
                variants[f"published and {name}"] = merged(published, train={"lr": PUBLISHED_RATES[-1], **own})
        plain_epochs = round(complete["train"]["max_epoch"] * PLAIN_SHARE)
        for name, further in FURTHER_ELEMENTS.items():
            is_composed = "mosaic" in further or "mixup" in further
            values = {**further, "plain_epochs": plain_epochs} if is_composed else further
            if any(complete["train"][key] == baselines[key] for key in further):
                variants[f"with {name}"] = merged(config, train=values)
                variants[f"published and {name}"] = merged(published, train={"lr": PUBLISHED_RATES[-1], **values})
    return variants


def accuracy_of(config: dict[str, Any], folder: Path) -> dict[str, float]:
    """Train and evaluate a config in a folder, unless that is done, and return its metrics.

    Raises:
        RuntimeError: a stage failed, such as a training that diverged; the message is that of the stage.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    files = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--configfile", str(path)]
    command = [str(SNAKEMAKE), *files, "--cores", "all", "--", "eval_coco"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if process.returncode != 0:
        lines = process.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(next((line for line in lines if ": failed after" in line), lines[-1]))
    return json.loads((folder / "results" / "eval_coco" / "metrics.json").read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="*", default=[], help="names of variants; default: all")
    parser.add_argument("--folder", type=Path, default=Path("recipes"))
    parser.add_argument("--ablation", action="store_true", help="also leave out each element of the recipe")
    arguments = parser.parse_args()
    config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    # The variants run in folders of their own, where relative paths would lead elsewhere.
    config = with_absolute_paths(config)
    has_failed = False
    print(f"| {'variant':34} | AP | AP50 | AP75 | seeds |\n|---|---|---|---|---|")
    for name, variant in variants_of(config, arguments.ablation).items():
        if arguments.only and name not in arguments.only:
            continue
        try:
            results = [
                accuracy_of({**variant, "seed": seed}, arguments.folder.resolve() / f"{name} {seed}")
                for seed in arguments.seeds
            ]
        except RuntimeError as error:
            print(f"| {name:34} | {error} |", flush=True)
            has_failed = True
            continue
        means = " | ".join(f"{statistics.mean(result[metric] for result in results):.3f}" for metric in METRICS)
        each = ", ".join(f"{result['AP']:.3f}" for result in results)
        print(f"| {name:34} | {means} | {each} |", flush=True)
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
