"""Builds the native program once: with its engines, and with sanitizers against the fake AscendCL."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from native_helpers import WITH_RAW_MAPS, Program

from yolov3.errors import InputError
from yolov3.native.build import json_include_dirs, openvino_cmake_dir
from yolov3.native.mslite_runtime import home_of_user, provide_runtime

SOURCE = Path(__file__).parents[2] / "native310"
SANITIZERS = "address,undefined"


def _cmake(*arguments: str) -> str:
    result = subprocess.run(["cmake", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@contextmanager
def _alone(cache_dir: Path) -> Iterator[None]:
    """Let another process of the same test run wait; it then finds everything built."""
    with (cache_dir / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def cache_dir(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.cache.mkdir("native310"))


@pytest.fixture(scope="session")
def mslite_root(cache_dir: Path) -> str:
    """MindSpore Lite, empty if it is not here and cannot be fetched; a wrong one fails the tests."""
    try:
        with _alone(cache_dir):
            return provide_runtime(cache_dir, home_of_user()).root
    except InputError as error:
        if home_of_user() or "not the expected" in str(error):
            raise
        return ""


@pytest.fixture(scope="session")
def engine_options(mslite_root: str) -> list[str]:
    options = [f"-DMSLITE_ROOT={mslite_root}"] if mslite_root else []
    options += [f"-DOpenVINO_DIR={openvino_cmake_dir()}"] if openvino_cmake_dir() else []
    if not options:
        pytest.skip("neither MindSpore Lite nor OpenVINO is here")
    return [*options, f"-DNLOHMANN_JSON_DIRS={json_include_dirs()}"]


@pytest.fixture(scope="session")
def build_dir(cache_dir: Path, engine_options: list[str]) -> Path:
    """The program as users build it; warnings of our own code are errors here."""
    build = cache_dir / "build"
    with _alone(cache_dir):
        _cmake("-S", str(SOURCE), "-B", str(build), "-DCMAKE_CXX_FLAGS=-Werror", *engine_options)
        _cmake("--build", str(build), "-j2")
    return build


@pytest.fixture(scope="session")
def native(build_dir: Path) -> Program:
    return Program(build_dir / "native310", dict(os.environ), WITH_RAW_MAPS)


@pytest.fixture(scope="session")
def converter(build_dir: Path) -> Program:
    if not (build_dir / "mslite_convert").is_file():
        pytest.skip("MindSpore Lite is not here")
    return Program(build_dir / "mslite_convert", dict(os.environ))


@pytest.fixture(scope="session")
def has_engine(build_dir: Path) -> set[str]:
    return {path.stem.removeprefix("libnative310_engine_") for path in build_dir.glob("libnative310_engine_*.so")}


@pytest.fixture(scope="session")
def sanitized_dir(cache_dir: Path, engine_options: list[str]) -> Path:
    build = cache_dir / "sanitized"
    options = [f"-DNATIVE310_SANITIZE={SANITIZERS}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *engine_options]
    # Optimising further takes the compiler half as long again, and the tests no less; -g1 is enough for stack traces.
    options += ["-DCMAKE_CXX_FLAGS=-Werror", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1"]
    targets = ["native310_with_fake_acl", "native310_engine_fake_acl", "unit_tests", "dump_image", "resize_images"]
    with _alone(cache_dir):
        if "libjpeg is not found" in _cmake("-S", str(SOURCE), "-B", str(build), *options):
            pytest.skip("libjpeg is not here")
        _cmake("--build", str(build), "-j2", "--target", *targets)
    return build / "tests"


@pytest.fixture(scope="session")
def fake(sanitized_dir: Path) -> Program:
    """The program with the real engine acl over the fake AscendCL, under sanitizers that end it at the first error."""
    return Program(sanitized_dir / "native310_with_fake_acl", dict(os.environ), WITH_RAW_MAPS)
