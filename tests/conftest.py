"""The order of the test files, and how MindSpore runs in them."""

import sys
from pathlib import Path

TESTS = Path(__file__).parent
# The first file builds the native program; the second makes the small run, and takes longest.
FIRST = ("native/test_jpeg_stages.py", "workflow/test_reruns.py")
# Builds the native program with sanitizers.
SECOND_BUILD = ("native/test_native_acl.py",)
# Unit tests that run beside the first two, and beside the second build.
UNITS_BESIDE_FIRST, UNITS_BESIDE_SECOND = 15, 40


def pytest_collection_modifyitems(items):
    """Begin with the builds and the small run, which most files of their folders need, and some of the units.

    The other files of these folders would only wait for them. Short files stay last, so that all workers end together.
    """
    files = list(dict.fromkeys(item.path for item in items))
    units = [path for path in files if path.parent.name == "unit"]
    first, second = ([TESTS / name for name in names] for names in (FIRST, SECOND_BUILD))
    assert all(path.is_file() for path in [*first, *second]), "a file that should start early has another name now"
    order = [*first, *units[:UNITS_BESIDE_FIRST], *second, *units[: UNITS_BESIDE_FIRST + UNITS_BESIDE_SECOND], *files]
    place = {path: number for number, path in enumerate(dict.fromkeys(order))}
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish():
    """Run eager operators one after the other: MindSpore's threads wait busily, and would take the cores of others."""
    if "mindspore" in sys.modules:
        sys.modules["mindspore"].set_context(pynative_synchronize=True)
