"""How the native program is configured."""

from pathlib import Path

from yolov3.native.build import BuildSettings, build

CMAKE_DIR = Path(__file__).parents[2] / "native310" / "cmake"

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
