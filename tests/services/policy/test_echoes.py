"""What is told at one place of a text is found at its others."""

import pytest

from services.policy.detection import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def found(detector: Detector, text: str, stem: str) -> list[str]:
    return [text[each.start : each.end] for each in detector.find(text) if each.stem == stem]


def test_a_name_told_in_full_is_found_in_a_path_and_in_small_letters(detector: Detector) -> None:
    text = "Dear Mrs Rachel Goldfarb,\n\nthe scans are in /scans/2024/goldfarb_left/ and in offer_Goldfarb.pdf.\n"
    assert [each.lower() for each in found(detector, text, "PERSON")][1:] == ["goldfarb", "goldfarb"]


def test_the_name_of_a_host_is_no_echo_of_a_person(detector: Detector) -> None:
    text = "Dear Mrs Rachel Goldfarb,\n\nthe page is at https://www.goldfarb.example/about now.\n"
    assert found(detector, text, "PERSON") == ["Rachel Goldfarb"]


def test_an_ordinary_word_is_no_echo_of_a_name(detector: Detector) -> None:
    text = "Dear Mr Peter Baker,\n\nany baker in town would like the oven.\n"
    assert found(detector, text, "PERSON") == ["Peter Baker"]


def test_a_login_told_once_is_found_where_nothing_announces_it(detector: Detector) -> None:
    text = "AUTH_FAILED user=toyelara\nIt was toyelara again, not toyelaras.\n"
    assert found(detector, text, "USERNAME") == ["toyelara", "toyelara"]


def test_a_password_told_once_is_found_where_it_is_repeated(detector: Detector) -> None:
    text = "password: Zq9!rookery-Lamp\nNo, I typed Zq9!rookery-Lamp twice.\n"
    assert found(detector, text, "SECRET") == ["Zq9!rookery-Lamp", "Zq9!rookery-Lamp"]


def test_rows_inserted_into_a_table_that_is_made_above_are_read_by_its_columns(detector: Detector) -> None:
    text = (
        "CREATE TABLE `members` (\n  `id` int NOT NULL,\n  `full_name` varchar(120),\n  `birth_date` date,\n  `zip` varchar(10),\n"
        "  `aba` char(9),\n  PRIMARY KEY (`id`)\n);\nINSERT INTO `members` VALUES\n"
        "(12,'Lindqvist, Harold E.','1951-08-19','50613','071939906'),\n(13,'Vu, Minh-Anh','1984-02-05','50622',NULL);\n"
    )
    assert found(detector, text, "DOB") == ["1951-08-19", "1984-02-05"]
    assert found(detector, text, "POSTCODE") == ["50613", "50622"]
    assert found(detector, text, "ACCOUNT") == ["071939906"]
    assert found(detector, text, "PERSON") == ["Lindqvist, Harold E.", "Vu, Minh-Anh"]
