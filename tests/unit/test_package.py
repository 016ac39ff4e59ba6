"""The package outside of this repository: what it needs, and what an installed copy does."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from exported_samples import SETTINGS, small_network

from yolov3.weights.checkpoint import save_checkpoint

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# They come with CANN and ModelArts, not from an index.
OF_VENDORS = {"amct_mindspore", "moxing"}
EXAMPLE = """
import sys
import yolov3.prediction
assert "mindspore" not in sys.modules

from yolov3.prediction import load_detector
detections = load_detector("yolov3.ckpt", score=0.4).detect("street.png")
print(len(detections), set(detections.names), detections.boxes_xyxy.shape)

from yolov3.config.schema import config_schema
from yolov3.report import templates
assert all(map(templates.page_template, ("report.html.j2", "live.html.j2", "style.css.j2")))
assert config_schema()["properties"]
print(templates.__file__)
"""


def imported_names(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def test_every_import_is_a_declared_dependency() -> None:
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["workflow"]]
    known = {re.split(r"[<>=]", requirement)[0] for requirement in declared}
    imported = set().union(*(imported_names(path) for path in (ROOT / "workflow" / "lib").rglob("*.py")))
    distributions = importlib.metadata.packages_distributions()
    for name in imported - sys.stdlib_module_names - OF_VENDORS - {"yolov3"}:
        assert known & {distribution.lower() for distribution in distributions[name]}, name


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with the package installed from its wheel, as pip does it: unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("workflow/lib", "workflow/schemas"):
        without = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=without)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", folder, folder / "source"], check=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    shutil.rmtree(folder / "source")
    return folder / "site"


def test_an_installed_package_detects_by_the_example_of_its_documentation(site: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "yolov3.ckpt", small_network(), SETTINGS)
    image = np.random.default_rng(3).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "street.png"), image)
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, file = done.stdout.splitlines()
    assert Path(file).is_relative_to(site)
    count = int(found.split()[0])
    assert count > 0 and f"({count}, 4)" in found and "'a'" in found
