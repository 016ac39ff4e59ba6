"""How the vendor's converter program is started, by a stand-in for it."""

import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "native310" / "tools" / "mslite_convert.cc"
# Its output tells where it would look for libraries.
STAND_IN = """#!/bin/sh
for word in "$@"; do
  case "$word" in --outputFile=*) printf %s "$LD_LIBRARY_PATH" > "${word#--outputFile=}.ms";; esac
done
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vendor's folder tools/converter, with `convert` beside it that runs its program."""
    folder = tmp_path_factory.mktemp("vendor") / "tools" / "converter"
    program = folder / "converter" / "converter_lite"
    program.parent.mkdir(parents=True)
    program.write_text(STAND_IN)
    program.chmod(0o755)
    define = f'-DCONVERTER_PROGRAM="{program}"'
    subprocess.run(["c++", "-std=c++17", define, str(SOURCE), "-o", str(folder / "convert")], check=True)
    return folder


def words(folder: Path, model: Path) -> list[str]:
    model.write_bytes(b"model")
    options = {"fmk": "ONNX", "modelFile": model, "outputFile": model.with_suffix(""), "saveType": "MINDIR_LITE"}
    return [str(folder / "convert"), *(f"--{name}={value}" for name, value in options.items())]


def test_the_vendors_converter_finds_its_libraries(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        words(folder, tmp_path / "model.onnx"),
        env={**os.environ, "LD_LIBRARY_PATH": "/elsewhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.ms").read_text() == f"{folder}/lib:/elsewhere"
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.ms"}


def test_a_folder_that_was_there_is_kept(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "model.ms" / "kept"
    kept.parent.mkdir()
    kept.touch()
    done = subprocess.run(words(folder, tmp_path / "model.onnx"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "model.ms cannot be written (a folder has that name): choose another --outputFile" in done.stderr
    assert kept.exists() and {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.ms"}


def test_only_the_own_temporary_folder_is_removed(folder: Path, tmp_path: Path) -> None:
    """A folder whose name could be guessed from the process, whose number the shell passes on, is not touched."""
    script = (
        f'for name in model.converting.$$ .mslite_convert.$$; do mkdir "{tmp_path}/$name" && '
        f'touch "{tmp_path}/$name/kept"; done; exec "$@"'
    )
    command = ["sh", "-c", script, "sh", *words(folder, tmp_path / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*/kept"))) == 2
    assert len(list(tmp_path.iterdir())) == 4
