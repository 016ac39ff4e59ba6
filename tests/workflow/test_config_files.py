"""Config files that YAML reads in part, or not at all, are refused in one sentence."""

import pytest
from conftest import Project, copy_of_the_project, forks


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    base = tmp_path_factory.mktemp("config files")
    project = Project(base / "project", base / "run")
    for folder in (project.root, project.folder):
        folder.mkdir()
    copy_of_the_project(project.root)
    return project


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000 + "]" * 3000], ids=["digits", "depth"])
def test_a_value_that_yaml_cannot_read(project, value):
    """In the config that is read without `--configfile`; with it, Snakemake reads the file before the workflow."""
    (project.root / "config" / "config.yaml").write_text(f"train: {{lr: {value}}}\n")
    output = project.folder / "dry_run.txt"
    words = ["--dry-run", "report", "--cores", "2", "--snakefile", str(project.root / "Snakefile")]
    code = forks().run([*words, "--directory", str(project.folder)], project.folder, project.environment(), output)
    text = output.read_text(encoding="utf-8")
    assert code == 1 and "config/config.yaml cannot be read (" in text and "Traceback" not in text


def test_a_key_given_twice(project):
    (project.folder / "config.yaml").write_text("train: {lr: 0.1}\ntrain: {max_epoch: 2}\n")
    code, text = project.dry_run()
    assert code == 1 and "config.yaml has the key train twice in the mapping that begins at line 1: join or" in text
