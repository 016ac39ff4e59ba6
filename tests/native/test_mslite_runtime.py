"""Where MindSpore Lite comes from: the user's copy, the pinned wheel, or one sentence."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from yolov3.errors import InputError
from yolov3.native.mslite_runtime import WHEELS, inspect_runtime, provide_runtime

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "mslite_runtime.py"


def make_copy(root: Path, layout: str) -> Path:
    base, library = {
        "archive": (root / "runtime", "libmindspore-lite.so"),
        "wheel": (root / "mindspore_lite", "libmindspore-extendrt_python.so"),
        "inside of the wheel": (root, "libmindspore-extendrt_python.so"),
    }[layout]
    for path in (base / "include/api/model.h", base / "lib" / library):
        path.parent.mkdir(parents=True)
        path.touch()
    return root


def run_script(output_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "MSLITE_HOME" and not name.startswith("PIP_")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--output_dir", str(output_dir)],
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **environment},
    )


@pytest.mark.parametrize(
    ("layout", "name"), [("archive", "archive"), ("wheel", "wheel"), ("inside of the wheel", "wheel")]
)
def test_a_copy_of_the_user(tmp_path: Path, layout: str, name: str) -> None:
    home = make_copy(tmp_path / "copy", layout)
    if name == "archive":
        (home / "tools/converter/converter").mkdir(parents=True)
        (home / "tools/converter/converter/converter_lite").touch()
        (home / "version").write_text("2.3.1\n")
    result = run_script(tmp_path / "out", MSLITE_HOME=str(home))
    assert result.returncode == 0, result.stderr
    runtime = json.loads((tmp_path / "out" / "runtime.json").read_text())
    assert runtime["layout"] == name and runtime["root"] == str(home)
    assert (Path(runtime["include"]) / "api/model.h").is_file() and Path(runtime["lib"]).is_dir()
    assert runtime["version"] == ("2.3.1" if name == "archive" else "2.0.0")
    assert runtime["converter"].endswith("converter_lite") == (name == "archive")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["runtime.json"]


def test_a_copy_that_is_none(tmp_path: Path) -> None:
    result = run_script(tmp_path / "out", MSLITE_HOME=str(tmp_path))
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert "is no MindSpore Lite" in result.stderr and "runtime/include/api/model.h" in result.stderr
    with pytest.raises(InputError, match="is no MindSpore Lite"):
        inspect_runtime(tmp_path / "nowhere")


def test_offline(tmp_path: Path) -> None:
    result = run_script(tmp_path / "out", PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert result.returncode == 1
    assert "cannot be downloaded" in result.stderr and "MSLITE_HOME" in result.stderr
    assert "Traceback" not in result.stderr
    assert not any((tmp_path / "out").iterdir())


def test_another_file_than_the_pinned_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = tmp_path / "links"
    links.mkdir()
    name = "mindspore_lite-2.0.0"
    with zipfile.ZipFile(links / f"{name}-cp37-cp37m-{WHEELS['x86_64'][0]}.whl", "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: mindspore-lite\nVersion: 2.0.0\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(links), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    with pytest.raises(InputError, match="not the pinned 199cd060"):
        provide_runtime(tmp_path / "out", machine="x86_64")
    assert not any((tmp_path / "out").iterdir())


def test_a_processor_without_a_wheel(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no MindSpore Lite wheel for riscv64"):
        provide_runtime(tmp_path, machine="riscv64")
