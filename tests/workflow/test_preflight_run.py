"""The preflight within the workflow: before anything begins, for what is going to run, and in nobody's way."""

import pytest
from conftest import SMALL, Project, changed, copy_of_the_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    base = tmp_path_factory.mktemp("nicht bereit ü")
    (base / "run").mkdir()
    return Project(copy_of_the_project(base / "project"), base / "run")


def test_a_run_stops_before_its_first_stage_with_all_that_is_missing(project):
    wanted = {"device_target": "GPU", "infer.device": "ascend", "quantize.quant_backend": "amct"}
    project.write_config(changed(SMALL, wanted), "gpu.yaml")
    done = project.snakemake("report", config="gpu.yaml", check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    for words in ("nvidia-smi is not found", "/dev/davinci0", "MSLITE_HOME", "amct_python", "preflight to false"):
        assert words in said, words
    assert not (project.folder / "results").exists()
    # What those stages lack does not keep others from running.
    project.snakemake("download", config="gpu.yaml")


def test_as_a_target_of_its_own(project):
    project.write_config(changed(SMALL, {"device_target": "GPU"}), "gpu.yaml")
    done = project.snakemake("preflight", config="gpu.yaml", check=False)
    assert done.returncode == 1
    assert "nvidia-smi is not found" in (project.folder / "logs" / "preflight.log").read_text()
    project.write_config(changed(SMALL, {"device_target": "GPU", "preflight": False}), "gpu.yaml")
    project.snakemake("preflight", config="gpu.yaml")
