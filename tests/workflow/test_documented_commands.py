"""The commands of the README and of docs/, as they are written, in a finished project.

Each command of a block of language sh is a test, and so is each block of language python. They are run for real unless
INSTEAD says otherwise. Blocks of YAML are checked against the schema; one that begins with `# name.yaml`, or a block of
language snakemake with `# name.smk`, is the file of that name for the commands. Paths in the repository and in
results/ must exist, except after an option --output...
"""

import argparse
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import pytest
import yaml
from conftest import ROOT, SMALL, copy_of_the_project, forks

from yolov3.config.config import complete_config

PAGES = [ROOT / "README.md", ROOT / "README_zh.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
LANGUAGES = {"sh", "python", "yaml", "json", "text", "snakemake"}
# What is done instead of running a command, by the first pattern that fits, and why.
INSTEAD = [
    (r"make ", "make -n", "takes minutes"),
    (r"source |pip install ", "nothing", "the tests have an environment"),
    (r"snakemake .*--workflow-profile kubernetes", "dry run without profile", "its executor is not in the lock"),
    (r"snakemake .*--snakefile sweep", "dry run", "three trainings"),
    (r"snakemake compare ", "run", "it has its runs"),
    (r"snakemake .*--config", "dry run", "another configuration: data, hardware or hours that are not there"),
    (r"python (tests|benchmarks)/", "parse", "takes minutes, or a cluster"),
    (r"python workflow/scripts/(train|modelarts|rank_table|download)\.py", "parse", "own data, hardware or hours"),
    (r"python workflow/scripts/convert_backbone\.py", "parse", "a file of the network of the paper"),
    (r"python workflow/scripts/convert_weights\.py .*yolov3\.weights", "parse", "a file of the network of the paper"),
]
# Programs to which modelarts.py passes the options that it does not know, and what it adds.
NEXT_PROGRAM = {"train": "workflow/scripts/train.py", "eval": "workflow/scripts/eval_coco.py"}
ADDED = ("--manifest", "results/data/manifest.json")
FOLDERS = ("config", "workflow", "envs", "tests", "benchmarks", "profiles", "docs", "native310", "results")


def blocks(language):
    """Return (page, text) of all blocks of a language, each text once."""
    texts = {}
    for page in PAGES:
        for found, text in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.M | re.S):
            assert found in LANGUAGES, f"{page.name}: a block has the language {found!r}, which no test knows"
            if found == language:
                texts.setdefault(text, page.stem)
    return [(page, text) for text, page in texts.items()]


def commands():
    """Return a test's parameters for each command of the pages, once, without its comment."""
    lines = {}
    for page, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                lines.setdefault(shlex.join(words), (page, words))
    return [pytest.param(words, id=f"{page}: {line}") for line, (page, words) in lines.items()]


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory):
    """A clone in which the pipeline has run with its own config/config.yaml, which is a small one."""
    folder = copy_of_the_project(tmp_path_factory.mktemp("clone") / "yolov3")
    for name in ("docs", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "mindspore_hub_conf.py"):
        shutil.copy(ROOT / name, folder)
    for name in ("results", "logs", "dataset", ".snakemake"):
        shutil.copytree(finished.folder / name, folder / name, symlinks=True)
    # The training by hand, which is not run, has the same results.
    shutil.copytree(folder / "results" / "train", folder / "results" / "trained_by_hand")
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    images = sorted((folder / "dataset" / "shapes" / "val").glob("*.jpg"))
    shutil.copy(images[0], folder / "street.jpg")
    (folder / "pictures").mkdir()
    for image in images[:2]:
        shutil.copy(image, folder / "pictures")
    frame = cv2.imread(str(images[0]))
    writer = cv2.VideoWriter(str(folder / "street.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, frame.shape[1::-1])
    for _ in range(3):
        writer.write(frame)
    writer.release()
    for _, text in [*blocks("yaml"), *blocks("snakemake")]:
        if named := re.match(r"# (\w+\.(yaml|smk))\n", text):
            (folder / named[1]).write_text(text, encoding="utf-8")
    (folder / "runs").mkdir()
    for name in ("first", "second"):
        place = folder / "runs" / name / "results"
        shutil.copytree(folder / "results", place, symlinks=True, ignore=shutil.ignore_patterns("native310", "bins"))
    return folder


def environment(folder):
    """That of a user who has activated the environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "workflow" / "lib")}


def run(words, folder):
    done = subprocess.run(words, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def snakemake(words, folder):
    output = folder / "printed.txt"
    code = forks().run(words, folder, environment(folder), output)
    assert code == 0, output.read_text(encoding="utf-8")


def parse(words, folder, monkeypatch):
    """Run a program until it has parsed its options, which must be ones that it knows."""
    unknown = []

    def parse_known(parser, args=None, namespace=None):
        unknown.extend(known(parser, args, namespace)[1])
        sys.exit(0)

    def parse_all(parser, args=None, namespace=None):
        rest = known(parser, args, namespace)[1]
        return parser.error(f"unrecognized arguments: {rest}") if rest else sys.exit(0)

    program = folder / words[0]
    with monkeypatch.context() as patched, pytest.raises(SystemExit) as end:
        known = argparse.ArgumentParser.parse_known_args
        patched.setattr(argparse.ArgumentParser, "parse_known_args", parse_known)
        patched.setattr(argparse.ArgumentParser, "parse_args", parse_all)
        patched.setattr(sys, "argv", [str(program), *words[1:]])
        patched.syspath_prepend(program.parent)
        runpy.run_path(str(program), run_name="__main__")
    assert end.value.code == 0
    if unknown:
        parse([NEXT_PROGRAM["eval" if "eval" in words else "train"], *ADDED, *unknown], folder, monkeypatch)


@pytest.mark.parametrize("words", commands())
def test_command(words, folder, monkeypatch):
    for before, word in pairwise(words):
        if word.startswith(tuple(f"{name}/" for name in FOLDERS)) and not before.startswith("--output"):
            assert (folder / word).exists(), f"{word} does not exist"
    how = next((how for pattern, how, _ in INSTEAD if re.match(pattern, " ".join(words))), "run")
    if how == "make -n":
        run(["make", "-n", *words[1:]], folder)
    elif how == "parse":
        parse(words[1:], folder, monkeypatch)
    elif how == "dry run without profile":
        profile = words.index("--workflow-profile")
        assert (folder / "profiles" / words[profile + 1] / "config.yaml").exists()
        snakemake([*words[1:profile], *words[profile + 2 :], "--dry-run"], folder)
    elif words[0] == "snakemake":
        snakemake([*words[1:], *(["--dry-run"] if how == "dry run" else [])], folder)
    elif how == "run":
        run(words, folder)


def test_config_on_the_command_line_extends_the_file(folder):
    snakemake(["report", "--dry-run", "--config", 'train={"lr": 0.002}'], folder)
    printed = (folder / "printed.txt").read_text(encoding="utf-8")
    # The backbone depends on the network, which is another one by the defaults of the schema.
    assert "rule train:" in printed and "rule fetch_backbone:" not in printed


def test_the_sweep_trains_each_rate_in_its_own_folder(folder, monkeypatch):
    """The commands in its rules, as Snakemake prints them."""
    output = folder / "printed.txt"
    snakemake(["compare_rates", "--snakefile", "sweep.smk", "--cores", "2", "--dry-run", "--printshellcmds"], folder)
    printed = re.findall(r"^ *(?:Shell command: )?((?:snakemake|python) .*)$", output.read_text(encoding="utf-8"), re.M)
    inner = sorted(shlex.split(line) for line in printed if line.startswith("snakemake eval_coco"))
    assert [words[words.index("--directory") + 1] for words in inner] == ["sweep/0.0003", "sweep/0.001", "sweep/0.003"]
    snakemake([*inner[0][1:], "--dry-run", "--printshellcmds"], folder)
    done = output.read_text(encoding="utf-8")
    assert "rule train:" in done and "--lr 0.0003" in done and "rule eval_coco:" in done
    outer = next(shlex.split(line) for line in printed if line.startswith("python"))
    assert outer[2:] == ["sweep/0.0003", "sweep/0.001", "sweep/0.003", "--output_dir", "sweep"]
    parse(outer[1:], folder, monkeypatch)


@pytest.mark.parametrize("code", [pytest.param(text, id=f"{page}: {text[:40]}") for page, text in blocks("python")])
def test_python(code, folder):
    run([sys.executable, "-c", code], folder)


@pytest.mark.parametrize("text", [pytest.param(text, id=f"{page}: {text[:40]}") for page, text in blocks("yaml")])
def test_settings(text):
    complete_config(yaml.safe_load(text))


def test_no_command_hides_in_a_block_of_another_language():
    for language in LANGUAGES - {"sh"}:
        for page, text in blocks(language):
            assert not re.search(r"^(snakemake|make|pip|python) ", text, re.M), f"{page}: {text}"
