"""The modules of this package that a program imports, for the workflow's rerun rules."""

import ast
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import grimp

PACKAGE = "yolov3"
PACKAGE_DIR = Path(__file__).parents[1]


@lru_cache(maxsize=1)
def _import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=None)


def python_sources(script: Path, without: Iterable[str] = ()) -> list[Path]:
    """Return the files of this package that `script` imports, directly or through others, sorted.

    Args:
        script: a Python program outside the package.
        without: modules that the program imports but does not use as it is run; they and what only they import are
            left out.
    """
    graph = _import_graph()
    left_out = set(without)
    found = {PACKAGE}
    waiting = [name for name in _imported_names(script) if name not in left_out]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(graph.find_modules_directly_imported_by(module) - left_out)
    return sorted(_file_of(module) for module in found)


def _imported_names(script: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            names.add(node.module)
    return names


def _file_of(module: str) -> Path:
    path = PACKAGE_DIR.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
