"""How the vendor's converter program is started, by a stand-in for it."""

import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "native310" / "tools" / "mslite_convert.cc"
# Its output tells where it would look for libraries.
STAND_IN = """#!/bin/sh
for word in "$@"; do
  case "$word" in --outputFile=*) printf %s "$LD_LIBRARY_PATH" > "${word#--outputFile=}.ms";; esac
done
"""


def test_the_vendors_converter_finds_its_libraries(tmp_path: Path) -> None:
    folder = tmp_path / "tools" / "converter"
    program = folder / "converter" / "converter_lite"
    program.parent.mkdir(parents=True)
    program.write_text(STAND_IN)
    program.chmod(0o755)
    convert = tmp_path / "convert"
    define = f'-DCONVERTER_PROGRAM="{program}"'
    subprocess.run(["c++", "-std=c++17", define, str(SOURCE), "-o", str(convert)], check=True)
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")
    words = [str(convert), "--fmk", "ONNX", "--modelFile", str(model), "--outputFile", str(tmp_path / "model")]
    done = subprocess.run(
        [*words, "--saveType", "MINDIR_LITE"],
        env={**os.environ, "LD_LIBRARY_PATH": "/elsewhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.ms").read_text() == f"{folder}/lib:/elsewhere"
