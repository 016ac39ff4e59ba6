"""What the terminal shows of a run, and of one that fails."""

import json

from conftest import SMALL, Project, changed

# Two lines a stage, one for each program's accuracy, and the summary.
MAX_LINES = 70


def test_a_run_without_a_terminal_is_short_and_plain(finished):
    text = (finished.folder / "terminal.txt").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) < MAX_LINES
    assert all(character.isprintable() for line in lines for character in line), text
    for stage in ("train", "eval_coco", "infer_310", "build_native310", "report"):
        starts = [line.split(f" {stage}: ")[1] for line in lines if f" {stage}: " in line]
        assert starts[0] == "started" and starts[-1].startswith("finished in ")
    for program, stage in (
        ("MindSpore", "eval_coco"),
        ("native float", "infer_310"),
        ("native int8", "quant_infer_310"),
    ):
        metrics = json.loads((finished.folder / "results" / stage / "metrics.json").read_text())
        assert sum(line.startswith(program) and f"{metrics['AP']:.4f}" in line for line in lines) == 1
        assert any(f" {stage}: AP {metrics['AP']:.4f}" in line for line in lines)
    assert lines[-1].split() == ["report", "results/report/report.html"]


def test_what_the_terminal_does_not_show_is_in_the_logs(finished):
    logs = finished.folder / "logs"
    assert "Building CXX object" in (logs / "build_native310.log").read_text()
    assert "Average Precision" in (logs / "eval_coco.log").read_text()
    assert "epoch[1], iter[3]" in (logs / "train.log").read_text()


def test_the_sentence_of_a_failed_stage_is_the_last_line(finished, tmp_path):
    project = Project(finished.root, tmp_path)
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}.json").write_text("{")
    keys = {f"custom.{split}_image_dir": split for split in ("train", "val")}
    keys |= {f"custom.{split}_annotations": f"{split}.json" for split in ("train", "val")}
    project.write_config(changed(SMALL, {"data.provider": "custom", **keys}))
    done = project.snakemake("download_train", check=False)
    assert done.returncode == 1
    lines = (done.stdout + done.stderr).splitlines()
    assert " download_train: failed after " in lines[-1] and "train.json" in lines[-1]
    assert lines[-1].endswith("(log: logs/download_train.log)")
    assert len(lines) < 10 and "Traceback" not in done.stdout + done.stderr
