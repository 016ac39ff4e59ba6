"""One small run of the whole pipeline, which the tests of this folder look at and change."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from snakemake_forks import SnakemakeForks

ROOT = Path(__file__).parents[2]


SMALL = {
    "seed": 3,
    "shapes": {"train_images": 24, "val_images": 6},
    "network": {
        "backbone_shape": [8, 8, 16, 16, 32],
        "backbone_layers": [1, 1, 1, 1, 1],
        "anchor_scales": [[8, 8], [11, 11], [15, 15], [21, 20], [27, 28], [36, 35], [45, 46], [58, 57], [76, 75]],
    },
    "backbone": {"source": "fresh"},
    "train": {
        "training_shape": 64,
        "per_batch_size": 8,
        "max_epoch": 2,
        "lr_scheduler": "cosine_annealing",
        "T_max": 2,
        "loss_scale": 1,
        "log_interval": 1,
    },
    "eval": {"testing_shape": 64, "eval_batch_size": 4},
    "calibration": {"calibration_images": 4},
    "report": {"gallery_images": 2},
}


def changed(config, changes):
    """Return a copy of a config with dotted keys set."""
    copy = yaml.safe_load(yaml.safe_dump(config))
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        place = copy
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return copy


@dataclass(frozen=True)
class Project:
    """A copy of the workflow, so that tests can edit its sources, and a folder where it runs."""

    root: Path
    folder: Path

    def write_config(self, config, name="config.yaml"):
        path = self.folder / name
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def words(self, *words, config="config.yaml"):
        return [
            *(*words, "--cores", "2", "--snakefile", str(self.root / "Snakefile")),
            *("--directory", str(self.folder), "--configfile", str(self.folder / config)),
        ]

    def command(self, *words, config="config.yaml"):
        return [sys.executable, "-m", "snakemake", *self.words(*words, config=config)]

    def dry_run(self, target="report", config="config.yaml"):
        """Return the exit code of a dry run and what it prints."""
        output = self.folder / "dry_run.txt"
        words = self.words("--dry-run", target, config=config)
        code = forks().run(words, self.folder, self.environment(), output)
        return code, output.read_text(encoding="utf-8")

    def environment(self):
        packages = (self.root / "workflow" / "lib", ROOT / "tests" / "workflow" / "loaded_modules")
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "LOADED_MODULES_DIR": str(self.folder),
        }

    def snakemake(self, *words, config="config.yaml", check=True):
        done = subprocess.run(
            self.command(*words, config=config),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def wanted_rules(self, target="report", config="config.yaml"):
        """The rules that a dry run would run for a target."""
        code, printed = self.dry_run(target, config)
        assert code == 0, printed
        # Those of a group are indented.
        starts = [line.lstrip() for line in printed.splitlines()]
        return {line.split()[-1].rstrip(":") for line in starts if line.startswith(("rule ", "localrule "))}


@lru_cache(maxsize=1)
def forks():
    return SnakemakeForks()


def copy_of_the_project(target):
    for name in ("workflow", "config", "envs", "profiles", "native310", "native_training"):
        shutil.copytree(
            ROOT / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("Snakefile", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


def edited(path, old, new):
    """Replace a text that a file must have."""
    text = path.read_text(encoding="utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


def made_once(shared):
    """Make the report in a folder that all workers of this test run share, unless another one has."""
    project = Project(shared / "project", shared / "my run")
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (project.folder / "terminal.txt").exists():
            shutil.rmtree(shared, ignore_errors=True)
            project.folder.mkdir(parents=True)
            copy_of_the_project(project.root)
            project.write_config(SMALL)
            done = project.snakemake("report")
            (project.folder / "terminal.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    return project


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project whose report is made, under a path with a space and letters outside ASCII; this worker's own copy."""
    base = tmp_path_factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    made = made_once((base.parent if is_worker else base) / "läuft gut")
    return copy_of_a_run(made, tmp_path_factory.mktemp("läuft weiter"))


def copy_of_a_run(project, target, parts=("",)):
    """Copy the sources, and the run or parts of its folder; nothing has to be done again in the copy."""
    copy = Project(target / "project", target / "my run")
    shutil.copytree(project.root, copy.root, symlinks=True)
    for part in parts:
        shutil.copytree(project.folder / part, copy.folder / part, symlinks=True, copy_function=copied)
    return copy


def copied(source, target):
    """Copy a file of a run; MindSpore Lite, half a gigabyte that nothing writes to, is linked."""
    return os.link(source, target) if "mslite" in Path(source).parts else shutil.copy2(source, target)
