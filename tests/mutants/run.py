"""Mutation testing of the modules whose mistakes no run would show: `make mutants`.

mutmut's operators make one change at a time, such as another number, operator or argument; a mutant is killed if one of
the module's unit tests fails with it. mutmut's own runner changes neither module constants nor properties and other
decorated functions, where the tolerances and sizes of this project are. Here a child is forked for each mutant from a
process that has only imported the libraries, and compiles the mutated source itself: nothing on disk changes, MindSpore
is imported once, and a mutant takes about a second.

Left out are annotations, decorators, docstrings, the texts of messages and `strict=True` of `zip`.
"""

import argparse
import difflib
import gc
import importlib
import importlib.util
import math
import os
import random
import resource
import signal
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path

import libcst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

ROOT = Path(__file__).parents[2]
UNIT_TESTS = ROOT / "tests" / "unit"
PACKAGE = ROOT / "workflow" / "lib" / "yolov3"
MODULES = {
    "training/augment": ["test_augment.py"],
    "training/compose": ["test_compose.py"],
    "training/sampler": ["test_sampler.py"],
    "training/schedule": ["test_schedule.py"],
    "training/targets": ["test_targets.py"],
    "evaluation/nms": ["test_nms.py"],
    "evaluation/postprocess": ["test_postprocess.py"],
    "data/annotations": ["test_annotations.py"],
    "data/checks": ["test_checks.py"],
    "config/config": ["test_config.py"],
    "config/recipe": ["test_recipe.py"],
    "evaluation/coco_metrics": ["test_coco_metrics.py", "test_analysis.py"],
    "evaluation/matching": ["test_matching.py"],
    "evaluation/thresholds": ["test_thresholds.py"],
    "training/loss": ["test_loss.py"],
    "training/overlap": ["test_overlap.py"],
    "training/average": ["test_average.py"],
}
NEED_MINDSPORE = ("training/loss", "training/overlap", "training/average")
LIBRARIES = ("numpy", "cv2", "PIL.Image", "hotcoco", "tqdm", "yaml", "jsonschema", "matplotlib")
NOT_MUTATED = (libcst.Annotation, libcst.Decorator, libcst.Import, libcst.ImportFrom)
MESSAGE_CALLS = {"info", "warning"}
# Seconds after which a child that waits for something that never comes is ended.
WAIT_LIMIT = 600


class MutationVisitor(libcst.CSTVisitor):
    """Collect line, node and replacement of every mutation of a module."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self):
        super().__init__()
        self.mutations = []
        self._message_depth = 0

    def on_visit(self, node):
        if isinstance(node, NOT_MUTATED):
            return False
        self._message_depth += _is_message(node)
        if self._message_depth and isinstance(node, libcst.BaseString):
            return isinstance(node, libcst.FormattedString | libcst.ConcatenatedString)
        line = self.get_metadata(PositionProvider, node, None)
        for node_type, operator in mutation_operators:
            if isinstance(node, node_type):
                self.mutations += [(line.start.line if line else 0, node, mutated) for mutated in operator(node)]
        return True

    def on_leave(self, original_node):
        self._message_depth -= _is_message(original_node)


def _is_message(node):
    """Whether a node holds text for people: an exception that is raised or a call of `logging`."""
    if isinstance(node, libcst.Call) and isinstance(node.func, libcst.Attribute):
        return node.func.attr.value in MESSAGE_CALLS
    return isinstance(node, libcst.Raise)


def mutants_of(source):
    """Return (line, mutated source) of every mutant that is valid Python and differs from the source."""
    wrapper = MetadataWrapper(libcst.parse_module(source))
    visitor = MutationVisitor()
    wrapper.visit(visitor)
    mutants = {}
    for line, node, mutated in visitor.mutations:
        code = wrapper.module.deep_replace(node, mutated).code
        try:
            compile(code, "mutant", "exec")
        except SyntaxError:
            continue
        # Lengths that `zip` compares are equal by construction.
        if code != source and code.count("strict=True") == source.count("strict=True"):
            mutants.setdefault(code, line)
    return [(line, code) for code, line in mutants.items()]


class MutantFinder:
    """Import finder that gives the mutated source for one module."""

    def __init__(self, name, path, source):
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name, _path=None, _target=None):
        if name != self.name:
            return None
        loader = SourceFileLoader(name, str(self.path))
        loader.get_code = lambda _name: compile(self.source, str(self.path), "exec", dont_inherit=True)
        return importlib.util.spec_from_file_location(name, self.path, loader=loader)


def is_killed(module, source, cpu_seconds, tests):
    """Run tests in a forked child with the given source of a module; a child that exceeds the limit is killed, too.

    The limit is processor time, so that a busy machine kills no mutant; wall time ends only children that wait forever.
    """
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        sys.meta_path.insert(0, MutantFinder(f"yolov3.{module.replace('/', '.')}", PACKAGE / f"{module}.py", source))
        code = 1
        try:
            code = pytest.main(["-x", "-p", "no:cacheprovider", "-p", "no:unraisableexception", *tests])
        finally:
            os._exit(int(code != 0))
    deadline = time.monotonic() + WAIT_LIMIT
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status != 0
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True
        time.sleep(0.01)


def test_module(module, share):
    """Run a module's mutants, print the survivors and return the numbers of killed and survived."""
    source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    tests = [str(UNIT_TESTS / name) for name in MODULES[module]]
    before = _cpu_seconds_of_children()
    if is_killed(module, source, WAIT_LIMIT, tests):
        raise SystemExit(f"the tests of {module} fail without a mutant: {' '.join(tests)}")
    cpu_limit = 10 + 5 * math.ceil(_cpu_seconds_of_children() - before)
    mutants = mutants_of(source)
    mutants = sorted(random.Random(0).sample(mutants, round(len(mutants) * share)))
    survivors = []
    for index, (line, code) in enumerate(mutants):
        if not is_killed(module, code, cpu_limit, tests):
            survivors.append(line)
            changes = list(difflib.unified_diff(source.splitlines(), code.splitlines(), n=0, lineterm=""))[3:]
            print(f"  survived: {module}.py:{line}", *changes, sep="\n    ", flush=True)
        if sys.stderr.isatty():
            print(f"{module}: {index + 1} of {len(mutants)}", end="\r", file=sys.stderr)
    killed = len(mutants) - len(survivors)
    print(f"{module}: {killed} killed, {len(survivors)} survived ({killed / len(mutants):.1%} killed)", flush=True)
    return killed, len(survivors)


def _cpu_seconds_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main():
    """Return 1 if fewer than 90 % of a module's mutants were killed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("modules", nargs="*", default=list(MODULES), help="such as training/augment; default: all")
    parser.add_argument("--share", type=float, default=1.0, help="share of the mutants, drawn with a fixed seed")
    arguments = parser.parse_args()
    sys.path[:0] = [str(UNIT_TESTS), str(PACKAGE.parent)]
    importlib.import_module("yolov3")
    for library in LIBRARIES:
        importlib.import_module(library)
    # No plug-ins, and pytest's own modules are loaded before the forks: its start is most of a mutant's time.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    pytest.main(["--version"])
    results = {}
    for module in arguments.modules:
        if module in NEED_MINDSPORE:
            importlib.import_module("mindspore")
        gc.freeze()
        results[module] = test_module(module, arguments.share)
    print("\nmodule                    killed  survived")
    for module, (killed, survived) in results.items():
        print(f"{module:25} {killed:6}  {survived:8}  {killed / (killed + survived):.1%}")
    return int(any(killed < 0.9 * (killed + survived) for killed, survived in results.values()))


if __name__ == "__main__":
    sys.exit(main())
