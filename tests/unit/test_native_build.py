"""How the native program is configured."""

import subprocess
from pathlib import Path

import pytest

from yolov3.errors import InputError
from yolov3.native.build import BuildSettings, build, json_include_dirs

SOURCE = Path(__file__).parents[2] / "native310"
CMAKE_DIR = SOURCE / "cmake"

PROJECT = """cmake_minimum_required(VERSION 3.16)
project(probe LANGUAGES CXX)
list(APPEND CMAKE_MODULE_PATH "@CMAKE_DIR@")
find_package(MindSporeLite REQUIRED)
add_custom_target(probe)
"""


def test_another_mindspore_lite_in_the_same_build_folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(PROJECT.replace("@CMAKE_DIR@", CMAKE_DIR.as_posix()))
    for name in ("first", "second"):
        root = tmp_path / name
        for file in ("runtime/include/api/model.h", "runtime/lib/libmindspore-lite.so"):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).touch()
        build(BuildSettings(source, tmp_path / "build", "probe", str(root), "", 1))
        cache = (tmp_path / "build" / "CMakeCache.txt").read_text()
        assert f"MSLITE_LIBRARY:FILEPATH={root}/runtime/lib/libmindspore-lite.so" in cache


def test_a_moved_project_is_built_anew(tmp_path):
    for place in ("here", "there"):
        if place == "there":
            (tmp_path / "here").rename(tmp_path / "there")
        source = tmp_path / place / "source"
        source.mkdir(parents=True, exist_ok=True)
        (source / "CMakeLists.txt").write_text("project(probe LANGUAGES CXX)\nadd_custom_target(probe)\n")
        build(BuildSettings(source, tmp_path / place / "build", "probe", "", "", 1))


def find_json_header(build_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Configure native310 on a host whose own folders have no headers."""
    nothing = build_dir.with_name("nothing")
    nothing.mkdir(exist_ok=True)
    hidden = [f"-DCMAKE_FIND_ROOT_PATH={nothing}", "-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY"]
    command = ["cmake", "-S", str(SOURCE), "-B", str(build_dir), *hidden, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_json_header_comes_from_the_first_folder_that_has_it(tmp_path):
    package, mindspore = json_include_dirs().split(";")
    assert (Path(package) / "nlohmann" / "json.hpp").is_file() and (Path(mindspore) / "nlohmann" / "json.hpp").is_file()
    for folders, expected in ((f"{package};{mindspore}", package), (f";{mindspore}", mindspore)):
        build_dir = tmp_path / Path(expected).name
        find_json_header(build_dir, f"-DNLOHMANN_JSON_DIRS={folders}", "-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=BOTH")
        assert f"NLOHMANN_JSON_INCLUDE_DIR:PATH={expected}\n" in (build_dir / "CMakeCache.txt").read_text()


def test_a_host_without_the_json_header(tmp_path):
    done = find_json_header(tmp_path / "build")
    assert done.returncode != 0 and done.stderr.count("CMake Error") == 1
    message = " ".join(done.stderr.split())
    assert "nlohmann/json.hpp is not found: install it with pip install nlohmann-json==" in message


def test_the_message_of_cmake_is_the_reason(tmp_path):
    reason = "this is missing: " + "install it and " * 20 + "configure again"
    project = f'project(probe LANGUAGES CXX)\nmessage(FATAL_ERROR "{reason}")\n'
    (tmp_path / "CMakeLists.txt").write_text(project)
    with pytest.raises(InputError) as error:
        build(BuildSettings(tmp_path, tmp_path / "build", "probe", "", "", 1))
    assert str(error.value).startswith(f"{tmp_path.name} cannot be built ({reason}): see the log")
