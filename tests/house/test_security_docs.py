"""The security pages point at tests that exist, leave out no entry of the lists that they promise, and quote figures as they stand."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREATS = ROOT / "docs" / "security" / "threats.md"
OWASP = ROOT / "docs" / "security" / "owasp.md"
PAGES = [ROOT / "docs" / "security.md", THREATS, OWASP]
BOUNDARIES = (
    "Sender → gateway",
    "Operator → gateway",
    "Gateway → broker",
    "Service → broker",
    "The broker's store",
    "Runner → pack process",
    "Worker → tool process",
    "Router → provider",
    "Policy → analysis worker and OPA",
    "Ledger → auditor and anchors",
    "Gates → notification target",
)
_REFERENCE = re.compile(r"(?P<file>\btests/[\w/]+\.py)(?:::(?P<test>\w+))?")
_ROW = re.compile(r"^- \*\*(?P<letter>[A-Z])\*\* ", re.MULTILINE)


@cache
def names_in(path: Path) -> frozenset[str]:
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def sections(page: Path) -> dict[str, str]:
    """Heading of the second level → what stands below it."""
    _, *parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    return {head.strip(): body for head, _, body in (part.partition("\n") for part in parts)}


def rows(section: str) -> dict[str, str]:
    """STRIDE letter → its bullet, with the references below it."""
    starts = list(_ROW.finditer(section))
    ends = [each.start() for each in starts[1:]] + [len(section)]
    return {each["letter"]: section[each.end() : end] for each, end in zip(starts, ends, strict=True)}


def answers(text: str) -> bool:
    """Whether an entry names what shows it, or says outright that nothing does."""
    return _REFERENCE.search(text) is not None or "**Not covered" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    named = list(_REFERENCE.finditer(page.read_text()))
    assert named
    for reference in named:
        file = ROOT / reference["file"]
        assert file.is_file(), f"{reference[0]}: no such file"
        if reference["test"] is not None:
            assert reference["test"] in names_in(file), f"{reference[0]}: no such test"


def test_the_boundaries_are_all_there() -> None:
    assert tuple(sections(THREATS)) == BOUNDARIES


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_every_letter_of_stride_has_its_test_or_says_that_it_has_none(boundary: str) -> None:
    found = rows(sections(THREATS)[boundary])
    assert "".join(found) == "STRIDE"
    assert [letter for letter, text in found.items() if not answers(text)] == []


@pytest.mark.parametrize("list_", ["LLM", "ASI"])
def test_every_entry_of_the_owasp_lists_has_its_test_or_says_that_it_has_none(list_: str) -> None:
    found = {head.split()[0]: body for head, body in sections(OWASP).items() if head.startswith(list_)}
    assert list(found) == [f"{list_}{number:02}" for number in range(1, 11)]
    assert [code for code, text in found.items() if not answers(text)] == []


def test_figures_of_the_name_model_are_those_of_its_card() -> None:
    (quoted,) = re.findall(r"^- \*\*Names are found by a model.*?(?=^- |\Z)", PAGES[0].read_text(), re.MULTILINE | re.DOTALL)
    card = (ROOT / "services" / "policy" / "names" / "names.md").read_text()
    measured = set(re.findall(r"\b[01]\.\d{3}", card))
    figures = re.findall(r"\b[01]\.\d{3}\b", quoted)
    assert figures
    assert set(figures) <= measured
