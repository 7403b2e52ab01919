"""What stands beside a name or a place in a row, or right after it in a sentence."""

import pytest

from services.policy.detection import Detector
from services.policy.findings import Finding
from services.policy.neighbours import neighbours


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def told(text: str, *marked: tuple[str, str]) -> list[tuple[str, str]]:
    """What the neighbours of the ``marked`` parts (kind, text) are."""
    found = [Finding(text.index(part), text.index(part) + len(part), stem, stem, 0.9) for stem, part in marked]
    return [(each.stem, text[each.start : each.end]) for each in neighbours(text, sorted(found, key=lambda each: each.start))]


@pytest.mark.parametrize(
    ("text", "marked", "expected"),
    [
        ("9|Okafor, Ada|1984-02-05|Sweetwater|TN|37874|x", [("PERSON", "Okafor, Ada"), ("LOCATION", "Sweetwater")],
         [("DOB", "1984-02-05"), ("POSTCODE", "37874")]),
        ("(1,'Abellard','1961-04-17','Paducah','KY','42001'),", [("PERSON", "Abellard"), ("LOCATION", "Paducah")],
         [("DOB", "1961-04-17"), ("POSTCODE", "42001")]),
        ("Xoliswa Berg    14-FEB-81  Polokwane\n", [("PERSON", "Xoliswa Berg")], [("DOB", "14-FEB-81")]),
        ("Patient: Teixeira Rui, 17.08.1989, maçon", [("PERSON", "Teixeira Rui")], [("DOB", "17.08.1989")]),
        ("riga 3: Jelena;12/02/2001;Loc. Pian 4;32016;Farra;x", [("PERSON", "Jelena"), ("LOCATION", "Farra")],
         [("DOB", "12/02/2001"), ("POSTCODE", "32016")]),
        ("We moved to Boise 83706.", [("LOCATION", "Boise")], [("POSTCODE", "83706")]),
        ("Signed: Ann Lee, 12.03.2015\n", [("PERSON", "Ann Lee")], []),
        ("I met Ann Lee, 1200 people, and others in Paris, 2019, too.", [("PERSON", "Ann Lee"), ("LOCATION", "Paris")], []),
    ],
)  # fmt: skip
def test_a_neighbour_is_told_by_its_place(text: str, marked: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    assert told(text, *marked) == expected


def test_a_row_without_a_head_is_redacted_as_a_whole(detector: Detector) -> None:
    text = (
        "importer: offending row: 9|Delgadillo, William|1971-03-09|415 Wisteria Ln|Sweetwater|TN|37874|270-555-0182|LIFTGATE\n"
    )
    stems = {each.stem for each in detector.find(text)}
    assert {"PERSON", "DOB", "ADDRESS", "POSTCODE", "PHONE"} <= stems


def test_a_row_of_any_length_is_read_to_its_end(detector: Detector) -> None:
    row = "Ann Lee|1984-02-05|Boise|ID|83706|"
    short, long = (len(detector.find(row * count)) for count in (50, 500))
    assert long == pytest.approx(10 * short, rel=0.05)
