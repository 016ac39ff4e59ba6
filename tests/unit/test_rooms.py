"""The package's rooms: imports run downward only, and each way into the package loads what it needs and no more."""

import ast
from pathlib import Path

import grimp
import pytest

import yolov3
from yolov3.quantization import amct_worker

PACKAGE_DIR = Path(yolov3.__file__).parent
# From the bottom up, as data flow; modules outside of a folder are at the very bottom.
ROOMS = (
    "config",
    "data",
    "data.shapes",
    "data.custom",
    "network",
    "weights",
    "evaluation",
    "distributed",
    "training",
    "export",
    "native",
    "quantization",
    "drawing",
    "prediction",
    "report",
    "preflight",
)
INITS = [path for path in PACKAGE_DIR.rglob("__init__.py") if path.parent != PACKAGE_DIR]
# What AMCT's Python 3.9 runs.
AMCT_MODULES = {"quantization.amct_worker", "network.yolo", "network.darknet53", "network.settings"}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("yolov3", include_external_packages=True, cache_dir=None)


def is_package(module):
    return PACKAGE_DIR.joinpath(*module.split(".")[1:]).is_dir()


def room_of(module):
    """The place of a module's room among ROOMS, -1 for a module outside of them."""
    folder = module if is_package(module) else module.rpartition(".")[0]
    room = folder.removeprefix("yolov3").removeprefix(".")
    return ROOMS.index(room) if room else -1


def own_modules(graph):
    return sorted(name for name in graph.modules if name.split(".")[0] == "yolov3")


def upstream(graph, module):
    """All that a module imports, and what that imports, in this package and outside."""
    return graph.find_upstream_modules(f"yolov3.{module}")


def test_every_room_has_its_place(graph):
    assert {ROOMS[room_of(module)] for module in own_modules(graph) if room_of(module) >= 0} == set(ROOMS)


def test_no_module_imports_upward(graph):
    upward = [
        f"{module} imports {imported}"
        for module in own_modules(graph)
        for imported in sorted(graph.find_modules_directly_imported_by(module))
        if imported.startswith("yolov3.") and room_of(imported) > room_of(module)
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle(graph):
    circles = [
        f"{module} imports {imported}"
        for module in own_modules(graph)
        for imported in sorted(graph.find_modules_directly_imported_by(module))
        if module in graph.find_upstream_modules(imported)
    ]
    assert circles == []


def test_packages_are_empty_but_the_public_one():
    files = {path.parent.relative_to(PACKAGE_DIR).as_posix().replace("/", "."): path.read_text() for path in INITS}
    assert set(files) == set(ROOMS)
    assert {room for room, text in files.items() if text} == {"prediction"}


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("network.settings", {"mindspore", "cv2", "numpy"}),
        ("network.grid", {"mindspore", "cv2"}),
        ("evaluation.postprocess", {"mindspore"}),
        ("native.run", {"mindspore", "cv2"}),
        ("preflight.settings", {"mindspore", "cv2"}),
    ],
)
def test_light_modules_stay_light(graph, module, without):
    assert upstream(graph, module) & without == set()


def test_the_amct_worker_loads_nothing_else_of_the_package(graph):
    loaded = upstream(graph, "quantization.amct_worker") | {amct_worker.__name__}
    assert {name.removeprefix("yolov3.") for name in loaded if name.startswith("yolov3.")} == AMCT_MODULES


@pytest.mark.parametrize("module", [*sorted(AMCT_MODULES), "__init__", "network.__init__", "quantization.__init__"])
def test_what_the_amct_worker_loads_is_python_3_9(module):
    path = PACKAGE_DIR.joinpath(*module.split(".")).with_suffix(".py")
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))
