"""The workflow as a module of another one, as snakedeploy sets it up from a clone."""

import subprocess
import sys

import yaml
from conftest import ROOT, SMALL

SNAKEFILE = f"""
configfile: "config/config.yaml"

module yolov3:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: config

use rule * from yolov3 as yolov3_*
"""


def test_rules_are_used_under_other_names(tmp_path):
    for name, text in {"workflow/Snakefile": SNAKEFILE, "config/config.yaml": yaml.safe_dump(SMALL)}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "yolov3_download", "yolov3_fetch_backbone"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results" / "data" / "manifest.json").is_file()
    assert len(list((tmp_path / "dataset" / "shapes" / "train").glob("*.jpg"))) == SMALL["shapes"]["train_images"]
