"""Digests of code: what it does counts, how it is written does not; every form of import is followed."""

from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from yolov3.config import sources
from yolov3.config.sources import code_digest, files_digest, module_digests, python_digest

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
LIB = Path(sources.__file__).parents[2]

BEFORE = '''"""Module."""
import os


def area(width, height):
    """Return the area."""
    return width * height  # in pixels


class Box:
    """A box."""

    side: int = 3
    """Length of a side."""
'''


@pytest.fixture
def digest(tmp_path):
    def write(text):
        sources._digest_and_imports.cache_clear()
        path = tmp_path / "module.py"
        path.write_text(text, encoding="utf-8")
        return python_digest(path)

    return write


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Module."""\n', ""),
        ('"""Return the area."""', '"""Return the area, in pixels.\n\n    A remark.\n    """'),
        ("  # in pixels", ""),
        ("return width * height", "return (\n        width * height\n    )"),
        ('    """Length of a side."""\n', ""),
        ("import os\n\n\n", "import os\n# first\n"),
        ('    """A box."""\n', ""),
    ],
)
def test_what_does_nothing_changes_no_digest(digest, old, new):
    assert old in BEFORE and digest(BEFORE.replace(old, new)) == digest(BEFORE)


def test_how_a_text_is_quoted_changes_no_digest(digest):
    assert digest('name = "a"\n') == digest("name = u'a'\n") == digest('name = ("" "a")\n')
    assert digest('name = "a"\n') != digest('name = b"a"\n')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width * height", "width + height"),
        ("side: int = 3", "side: int = 4"),
        ("import os", "import sys"),
        ("def area(width, height)", "def area(height, width)"),
        ("class Box", "class Square"),
        ("return width", "'a text that is used'.strip()\n    return width"),
    ],
)
def test_what_does_something_changes_the_digest(digest, old, new):
    assert old in BEFORE and digest(BEFORE.replace(old, new)) != digest(BEFORE)


FILES = {
    "__init__.py": "",
    "plain.py": "import yolov3.room.leaf\n",
    "room/__init__.py": "from yolov3.exported import name\n",
    "room/leaf.py": "from . import sibling\nfrom .. import top\n",
    "room/sibling.py": "def later():\n    from ..lazy import value\n    return value\n",
    "exported.py": "name = 1\n",
    "top.py": "",
    "lazy.py": "import yolov3.deep.inner as inner\nvalue = 1\n",
    "deep/__init__.py": "",
    "deep/inner.py": "try:\n    from yolov3.guarded import thing\nexcept ImportError:\n    thing = None\n",
    "guarded.py": "thing = 2\n",
    "unused.py": "",
}


def test_every_form_of_import_is_seen(tmp_path, monkeypatch):
    """import a.b, from a import b, relative, in functions, in try, by another name, and re-exports."""
    for name, text in FILES.items():
        path = tmp_path / "yolov3" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text("from yolov3 import plain\n", encoding="utf-8")
    monkeypatch.setattr(sources, "PACKAGE_DIR", tmp_path / "yolov3")
    modules = set(module_digests(script))
    named = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in FILES}
    expected = {f"yolov3.{name}" for name in named - {"__init__", "unused"}} | {"yolov3", ""}
    assert modules == expected
    # What is left out takes along what only it imports.
    assert expected - set(module_digests(script, ["yolov3.lazy"])) == {
        *("yolov3.lazy", "yolov3.deep", "yolov3.deep.inner", "yolov3.guarded")
    }


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_the_programs_modules_are_those_that_python_finds(script):
    finder = ModuleFinder(path=[str(LIB)])
    finder.run_script(str(script))
    found = {name for name in finder.modules if name.split(".")[0] == "yolov3"}
    assert set(module_digests(script)) - {""} == found


def test_training_needs_the_loss_and_evaluation_does_not():
    train, evaluation = (module_digests(SCRIPTS / f"{name}.py") for name in ("train", "eval_coco"))
    assert {"yolov3.training.loss", "yolov3.training.augment", "yolov3.boxes", "yolov3"} <= set(train)
    assert "yolov3.training.loss" not in evaluation
    assert {"yolov3.evaluation.postprocess", "yolov3.evaluation.nms"} <= set(evaluation)
    without = module_digests(SCRIPTS / "train.py", ["yolov3.evaluation"])
    assert not [name for name in without if name.startswith("yolov3.evaluation")] and "yolov3.training.loss" in without


def test_a_program_is_part_of_its_code(tmp_path):
    script = tmp_path / "script.py"
    digests = []
    for text in ("a = 1\n", "a = 1  # remark\n", "a = 2\n"):
        sources._digest_and_imports.cache_clear()
        script.write_text(text)
        digests.append(code_digest(script))
    assert digests[0] == digests[1] != digests[2]


CPP = """// First.
#include <string>
int f(int a, int b) {
  const char* text = "// no  comment /* here */";  // a remark
  /* another
     remark */ return a + b;
}
"""


@pytest.mark.parametrize(
    ("suffix", "text", "same", "other"),
    [
        (
            ".cc",
            CPP,
            CPP.replace("// First.\n", "").replace("a remark", "").replace("int a, int b", "int a,\n  int b"),
            0,
        ),
        (".cc", CPP, 0, CPP.replace("no  comment", "no comment")),
        (".cc", CPP, CPP.replace("f(int a", "f( int a"), CPP.replace("a + b", "a - b")),
        (".cc", "int x = 1;\n// the end", "// x\nint x = 1;", "int x = 2;"),
        (".h", 'auto s = R"(a // b)"; // c', 'auto s = R"(a // b)";', 'auto s = R"(a)";'),
        (".cmake", 'set(A "x # y") # z\n', 'set( A "x # y" )', 'set(A "x")'),
        (".j2", "<p>{# remark #}\n  {{ x }}</p>", "<p> {{ x }}</p>", "<p> {{ y }}</p>"),
    ],
)
def test_other_languages(tmp_path, suffix, text, same, other):
    def of(content):
        path = tmp_path / f"file{suffix}"
        path.write_text(content, encoding="utf-8")
        return files_digest([path])

    assert same == 0 or of(same) == of(text)
    assert other == 0 or of(other) != of(text)
