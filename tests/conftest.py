"""The order of the test files, and how MindSpore runs in them."""

import sys

# Files that run beside the build of the native program and the small run, which the other files of their folders need.
UNITS_FIRST = 55


def pytest_collection_modifyitems(items):
    """Begin with one file that builds the native program and one that makes the small run, then some of the units.

    The other files of these folders would only wait for them. Short files stay last, so that all workers end together.
    """
    files = list(dict.fromkeys(item.path for item in items))
    folders = {name: [path for path in files if path.parent.name == name] for name in ("native", "workflow", "unit")}
    first = [*folders["native"][:1], *folders["workflow"][:1], *folders["unit"][:UNITS_FIRST]]
    place = {path: number for number, path in enumerate(dict.fromkeys([*first, *files]))}
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish():
    """Run eager operators one after the other: MindSpore's threads wait busily, and would take the cores of others."""
    if "mindspore" in sys.modules:
        sys.modules["mindspore"].set_context(pynative_synchronize=True)
