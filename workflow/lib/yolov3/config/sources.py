"""Digests of the code that a stage runs, which comments, docstrings and formatting do not change.

Each rule has the digest of its stage as a parameter; a training stores the digests of its modules in its state.
"""

import ast
import hashlib
import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "yolov3"
PACKAGE_DIR = Path(__file__).parents[1]

# (literal, gap) patterns: literals are kept unchanged, gaps are white space and comments.
_CPP = (r"""R"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", r"\s|//[^\n]*|/\*.*?\*/")
_CMAKE = (r'"(?:\\.|[^"\\])*"', r"\s|#[^\n]*")
_JINJA = (r"(?!)", r"\s|\{#.*?#\}")
_LANGUAGES = {".cc": _CPP, ".h": _CPP, ".txt": _CMAKE, ".cmake": _CMAKE, ".j2": _JINJA}
_NO_GAP_BESIDE = "(){}[];,"


def prefer_this_python() -> None:
    """Make `python` in shell commands the interpreter that runs Snakemake, even if its environment is not activated."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def module_digests(script: Path, without: Iterable[str] = ()) -> dict[str, str]:
    """Return a digest of each module of this package that a program imports, and of the program itself under "".

    Args:
        script: a Python program outside of the package.
        without: dotted names of modules or packages to leave out because the program imports but never uses them;
            what only they import is left out too.
    """
    excluded = tuple(without)
    digests = {"": python_digest(script)}
    pending = list(_imports_of(script, ""))
    while pending:
        module = pending.pop()
        if module in digests or any(module == name or module.startswith(f"{name}.") for name in excluded):
            continue
        path = _file_of(module)
        digests[module] = python_digest(path)
        pending.extend(_imports_of(path, module))
    return digests


def loaded_digests() -> dict[str, str]:
    """Return a digest of each module of this package imported by this process, and of the main program under ""."""
    loaded = sorted(name for name in sys.modules if name.split(".")[0] == PACKAGE)
    program = getattr(sys.modules["__main__"], "__file__", None)
    return {
        **({"": python_digest(Path(program))} if program else {}),
        **{name: python_digest(_file_of(name)) for name in loaded},
    }


def code_digest(script: Path, without: Iterable[str] = ()) -> str:
    """Return one digest of a program and the modules that it imports; see `module_digests` for the arguments."""
    return _short_digest(repr(sorted(module_digests(script, without).items())))


def files_digest(paths: Iterable[Path]) -> str:
    """Return one digest of C++, CMake and template files, by name and content without comments and white space."""
    return _short_digest(repr([(path.name, _significant_text(path)) for path in sorted(paths)]))


def python_digest(path: Path) -> str:
    """Return a digest of a Python file's syntax tree without docstrings and other bare string statements."""
    return _digest_and_imports(path)[0]


@cache
def _digest_and_imports(path: Path) -> tuple[str, list[ast.Import | ast.ImportFrom]]:
    """Return the digest of a Python file and its import statements, also those inside functions."""
    words: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []

    def visit(value: Any) -> None:
        if isinstance(value, ast.AST):
            if isinstance(value, ast.Import | ast.ImportFrom):
                imports.append(value)
            words.append(f"{type(value).__name__}(")
            # The kind of a constant only says that it is written with the prefix u.
            for name in (name for name in value._fields if name != "kind"):
                field = getattr(value, name, None)
                # Not written, so that Python 3.11 and 3.12, which has more fields, give the same digest.
                if field is not None and field != []:
                    words.append(f"{name}=")
                    visit(field)
            words.append(")")
        elif isinstance(value, list):
            for item in value:
                if not _is_bare_string(item):
                    visit(item)
            words.append("]")
        else:
            words.append(repr(value))

    visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return _short_digest(" ".join(words)), imports


def _is_bare_string(statement: Any) -> bool:
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
        return False
    return isinstance(statement.value.value, str)


def _significant_text(path: Path) -> str:
    literal, gap = _LANGUAGES[path.suffix]
    text = path.read_text(encoding="utf-8").strip()

    def normalise_gap(token: re.Match[str]) -> str:
        if token["gap"] is None:
            return token[0]
        neighbours = text[max(token.start() - 1, 0)] + text[min(token.end(), len(text) - 1)]
        return "" if any(character in _NO_GAP_BESIDE for character in neighbours) else " "

    return re.sub(f"(?:{literal})|(?P<gap>(?:{gap})+)", normalise_gap, text, flags=re.DOTALL).strip()


@cache
def _imports_of(path: Path, module: str) -> frozenset[str]:
    """Return the modules of this package that a file imports, also inside functions, and their parent packages."""
    names: set[str] = set()
    for node in _digest_and_imports(path)[1]:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        else:
            base = _absolute_name(node, path, module)
            names.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
    parts = [name.split(".") for name in names if name.split(".")[0] == PACKAGE]
    candidates = {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}
    return frozenset(name for name in candidates if _file_of(name).is_file())


def _absolute_name(node: ast.ImportFrom, path: Path, module: str) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def _file_of(module: str) -> Path:
    path = PACKAGE_DIR.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
