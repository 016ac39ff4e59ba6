"""The program that packs what a target host needs: what it refuses. tests/workflow/test_hand_over.py runs a package."""

import runpy
from pathlib import Path

import pytest
from report_inputs import write_json

from yolov3.native.package import libraries_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pack(tmp_path):
    """Packs by the words given for the model."""
    metrics = write_json(tmp_path / "metrics.json", {"analysis": {"threshold": None, "class_thresholds": {}}})
    common = ["--source_dir", ROOT / "native310", "--license_file", ROOT / "LICENSE", "--eval_metrics", metrics]

    def run(*model, archive="pack.tar.gz"):
        words = [*common, "--archive", tmp_path / "out" / archive, "--model", *model]
        return runpy.run_path(str(ROOT / "workflow" / "scripts" / "package.py"))["main"](list(map(str, words)))

    return run


def test_wrong_words_end_in_a_sentence(pack, tmp_path, capsys):
    of_other = write_json(tmp_path / "other.json", {"native": {"model_file": "b.ms"}})
    for model, said in (
        (["float"], "model float has no file: give its name, the metrics.json of its native run, and its file"),
        (["float", of_other], "model float has no file"),
        (["float", of_other, tmp_path / "a.ms"], "is not of a native run of a.ms: run inference again"),
        (["float", tmp_path / "none.json", tmp_path / "a.ms"], "does not exist"),
    ):
        assert pack(*model) == 1
        message = capsys.readouterr().err
        assert said in message and "Traceback" not in message
    assert not (tmp_path / "out").exists()


def test_the_c_library_stays_that_of_the_host():
    names = set(libraries_of(Path("/bin/ls").resolve()))
    assert not {name for name in names if name.startswith(("libc.so", "libm.so", "ld-linux"))}
