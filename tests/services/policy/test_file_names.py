"""People by whom papers are named, and the many files that are named after things."""

import pytest

from services.policy.detection import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def people(detector: Detector, text: str) -> set[str]:
    return {text[each.start : each.end] for each in detector.find(text) if each.stem == "PERSON"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("error: lstat /srv/finance/claims/2025-10/Petrov_dental.pdf: permission denied", {"Petrov"}),
        ("schrijven naar /export/gouda/wijkteam_Terpstra.csv mislukt", {"Terpstra"}),
        ("copied C:\\Scans\\Scan 2024 Novak Ivana.jpg to the share", {"Novak", "Ivana"}),
    ],
)
def test_whose_paper_it_is(text: str, names: set[str], detector: Detector) -> None:
    found = " ".join(people(detector, text))
    assert all(name in found for name in names), found


@pytest.mark.parametrize(
    "text",
    [
        "see docs/Annual_Report_Spring.pdf and Release-Notes.docx",
        "the photo is assets/img/Header_Large.png",
        "wrote build/Coverage Summary.csv",
        "imports src/models/Murphy.py",
    ],
)
def test_a_file_that_is_named_after_a_thing_is_nobodys(text: str, detector: Detector) -> None:
    assert people(detector, text) == set()


def test_a_line_of_an_exported_chat_says_who_speaks(detector: Detector) -> None:
    text = "[14/06/2025, 10:14] Babatunde: 0803 555 7129\n14/06/2025, 10:15 - Wrzesława: ok\n"
    assert {"Babatunde", "Wrzesława"} <= people(detector, text)


def test_who_attends_to_a_patient_stands_in_a_visits_seventh_field(detector: Detector) -> None:
    text = "PV1|1|I|CHIR2^204^1||||8812^Nguyen-Harms^Thi Mai^^^Dr.||\n"
    assert {"Nguyen-Harms", "Thi Mai"} <= people(detector, text)


def test_what_was_typed_at_a_login_that_failed_is_a_secret(detector: Detector) -> None:
    text = "Login incorrect (mschap: MS-CHAP2-Response is incorrect): [rsaarinen/Kevad-2025kevad] (from client gw)"
    assert ("SECRET", "Kevad-2025kevad") in [(each.stem, text[each.start : each.end]) for each in detector.find(text)]
