"""The pages agree with the code: settings, messages, links. tests/workflow/test_documented_commands.py runs them."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config" / "README.md", ROOT / "native310" / "README.md"]


def text_of(path):
    return path.read_text(encoding="utf-8")


def test_configuration_page_is_what_the_schema_gives():
    page = text_of(ROOT / "docs" / "configuration.md")
    assert runpy.run_path(ROOT / "docs" / "make_configuration.py")["page"](page) == page, "run `make docs`"


@pytest.fixture(scope="module")
def sources():
    """All code, with string literals joined that stand one after another."""
    kinds = ("workflow/**/*.py", "workflow/**/*.smk", "native310/src/*.cc")
    files = [*(path for kind in kinds for path in ROOT.glob(kind)), ROOT / "Makefile"]
    return "\n".join(re.sub(r'"\s*\n\s*f?"', "", text_of(path)) for path in sorted(files))


def test_every_message_explained_is_one_of_the_code(sources):
    messages = re.findall(r"^\| `([^`]+)` \|", text_of(ROOT / "docs" / "troubleshooting.md"), re.MULTILINE)
    assert len(messages) >= 25
    for message in messages:
        for fragment in filter(None, (part.strip() for part in message.split("..."))):
            assert fragment in sources, f"no message has {fragment!r}: correct docs/troubleshooting.md"


def anchors_of(page):
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        place = page.parent / name if name else page
        assert place.exists(), target
        assert not anchor or anchor in anchors_of(place), target


def code_and_numbers(page):
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)
    code = [(language, re.sub(r"  # .*", "", block)) for language, block in blocks]
    return code, re.findall(r"\b0\.\d{3}\b", text_of(page))


def test_both_readmes_say_the_same_on_one_page():
    english, chinese = ROOT / "README.md", ROOT / "README_zh.md"
    assert code_and_numbers(english) == code_and_numbers(chinese)
    for page in (english, chinese):
        assert len(text_of(page).splitlines()) <= 100
