"""Names in running text: what the shipped model finds of people and places, and what it leaves alone."""

import json
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from services.policy.detection import Detector
from services.policy.names import ModelBroken, NameFinder
from services.policy.names.doubts import is_doubtful
from services.policy.names.finder import MODEL
from services.policy.names.kept import MAX_WORDS, KeptWords
from services.policy.names.network import WIDTH, WINDOW, Floats
from services.policy.names.words import TOKEN, canonical, features

CODE = Path(__file__).parent / "code.txt"
MOST_FALSE = 1 / 1000
"""Of tokens of code, logs and stack traces."""


@pytest.fixture(scope="module")
def finder() -> NameFinder:
    return NameFinder()


def found(finder: NameFinder, text: str) -> list[tuple[str, str]]:
    return [(finding.entity, text[finding.start : finding.end]) for finding in finder.find(text)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Please contact Priya Raghunathan about the refund.", "Priya Raghunathan"),
        ("hi this is maria lopez from acme", "maria lopez"),
        ("PATIENT: JOHN SMITH", "JOHN SMITH"),
        ('{"customer_name": "Wanjiku Kamau", "total": 12}', "Wanjiku Kamau"),
        ("Kind regards,\nMałgorzata Wiśniewska\nHead of Sales", "Małgorzata Wiśniewska"),
        ("2024-05-01 10:00:00 INFO John Smith logged in", "John Smith"),
        ("# Author: Jean-Pierre Lefèvre", "Jean-Pierre Lefèvre"),
        ("Sehr geehrter Herr Hofstetter,", "Hofstetter"),
        ("ok ask priyanka or marloes, they were on the call", "priyanka"),
        ("Present: F. Whitfield (chair), Rosalind, Dr Papadimitriou", "Rosalind"),
        ("my landlord Szczepan never answers", "Szczepan"),
        ("id,name,city\n7,Thandiwe Dlamini,Durban\n", "Thandiwe Dlamini"),
    ],
)
def test_a_person_is_found_in_letters_chats_forms_logs_and_tables(text: str, name: str, finder: NameFinder) -> None:
    assert ("PERSON", name) in found(finder, text)


def test_every_kind_of_the_model_is_found_in_a_letter(finder: NameFinder) -> None:
    text = (
        "Name: Dr. Anna Hughes\nDate of birth: 12/03/1984\nAge: 41\nAddress: 12 Baker Street, London NW1 6XE\n"
        "Employer: Northwind Consulting Ltd\nUsername: ahughes84\n"
    )
    assert {entity for entity, _ in found(finder, text)} == {
        "TITLE", "PERSON", "DATE_OF_BIRTH", "AGE", "STREET_ADDRESS", "LOCATION", "POSTCODE", "ORGANIZATION", "USERNAME",
    }  # fmt: skip


def test_code_logs_and_stack_traces_pass_almost_unharmed(finder: NameFinder) -> None:
    text = CODE.read_text("utf-8")
    tokens = sum(1 for _ in TOKEN.finditer(text))
    assert len(found(finder, text)) <= tokens * MOST_FALSE, found(finder, text)


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dataSource'",
        "Upgrade from v1.18.2-rc.1 to 2.0.0",
        "Kafka consumers lag while Jenkins rebuilds the Docker image.",
        "May I ask when the grace period ends? Will it be in May?",
    ],
)
def test_identifiers_versions_class_names_and_products_are_no_names(text: str, finder: NameFinder) -> None:
    assert found(finder, text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Merci encore, tout cela est de votre responsabilité.\nBastien Le Goff\n", "Bastien Le Goff"),
        ("Thanks, the invoice is attached as you asked.\nAdaeze Whitcombe\n", "Adaeze Whitcombe"),
        ("raj: rolled back to v2.31.0, all green again\nbea: thank you raj\n", "raj"),
        ("My address at home is 84.105.62.190, should Wesley want to know it again. Thanks, Wesley Jansen", "Wesley"),
        ("Ms Adaeze Okafor sent it (file: CV_Whitcombe_Adaeze.pdf) on Monday.", "Whitcombe_Adaeze"),
    ],
)
def test_a_name_is_found_at_the_head_of_a_line_beside_numbers_and_in_a_papers_name(text: str, name: str) -> None:
    at = text.index(name)
    assert any(each.stem == "PERSON" and each.start <= at and at + len(name) <= each.end for each in Detector().find(text))


@pytest.mark.parametrize(
    "text",
    [
        "solver: damp Gauss-Newton steps with Levenberg-Marquardt, Cholesky instead of QR for n < 64",
        "Embedded Runge-Kutta 5(4) pair (Dormand-Prince), with PI step control. Stiff systems (Jacobian) need Rosenbrock instead.",
        "    t.P = A @ t.P @ A.T + K @ R @ K.T\n    chol = y @ cho_solve(c, y)",
    ],
)
def test_methods_are_nobody_in_a_text_about_nobody(text: str) -> None:
    assert not Detector().find(text)


def test_a_name_told_once_in_full_is_found_again_where_little_gives_it_away(finder: NameFinder) -> None:
    text = "Dear Mr. Okonkwo,\n\n" + "The parcel has not arrived yet. " * 3 + "Okonkwo\n"
    assert [name for entity, name in found(finder, text) if entity == "PERSON"] == ["Okonkwo", "Okonkwo"]


def test_an_address_of_electronic_mail_stays_one_finding() -> None:
    text = "Write to Jane Doe <jane.doe@example.com> today."
    assert [(f.entity, text[f.start : f.end]) for f in Detector().find(text)] == [
        ("PERSON", "Jane Doe"),
        ("EMAIL_ADDRESS", "jane.doe@example.com"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "a",
        "\ud800\udfff\ud800",
        "\x00" * 50,
        "x" * 200_000,
        " " * 200_000,
        "." * 200_000,
        "Jane\u200bDoe 名前 Иван مرحبا",
        "\r\n\t\v\f",
    ],
)
def test_any_text_is_read_to_its_end(text: str, finder: NameFinder) -> None:
    for finding in finder.find(text):
        assert 0 <= finding.start < finding.end <= len(text)


def test_a_long_text_yields_what_its_parts_yield(finder: NameFinder) -> None:
    """It is taken in pieces; nothing is lost or told twice where they meet."""
    line = "Please send the contract to Priya Raghunathan in Hamburg before noon.\n"
    names = [text for entity, text in found(finder, line * 2000) if entity == "PERSON"]
    assert names == ["Priya Raghunathan"] * 2000


def test_more_words_than_are_kept_change_nothing(finder: NameFinder) -> None:
    rng = random.Random(7)
    text = " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(30_000))
    before = found(finder, "I spoke to Anna Hughes.")
    list(finder.find(text))
    assert found(finder, "I spoke to Anna Hughes.") == before


def test_threads_that_share_a_finder_find_the_same(finder: NameFinder) -> None:
    texts = [json.dumps({"name": f"Anna Hughes{n}", "note": f"word{n} " * 40}) + " Maria Lopez called." for n in range(60)]
    expected = [found(finder, text) for text in texts]
    results: list[list[list[tuple[str, str]]]] = []
    threads = [threading.Thread(target=lambda: results.append([found(finder, text) for text in texts])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_a_broken_model_is_refused_clearly(content: bytes, tmp_path: Path) -> None:
    broken = tmp_path / "names.npz"
    broken.write_bytes(content)
    with pytest.raises(ModelBroken, match=r"names\.npz"):
        NameFinder(broken)


def test_the_shipped_model_stays_small() -> None:
    assert MODEL.stat().st_size < 15_000_000


def test_words_beyond_what_is_kept_replace_the_oldest_and_every_text_gets_its_own() -> None:
    """Also a text that needs what its new words push out."""
    letters = str.maketrans("0123456789", "abcdefghij")
    worked_out: list[str] = []

    def vectors(words: Sequence[str]) -> Floats:
        worked_out.extend(words)
        return np.array(
            [[float("".join(str("abcdefghij".index(letter)) for letter in word))] * (WINDOW * WIDTH) for word in words],
            np.float32,
        )

    kept = KeptWords(vectors)

    def asked(first: int, last: int) -> list[int]:
        return [int(row[0]) for row in kept.rows([str(number).translate(letters) for number in range(first, last)])]

    assert asked(0, MAX_WORDS - 10) == asked(0, MAX_WORDS - 10) == list(range(MAX_WORDS - 10))
    assert len(worked_out) == MAX_WORDS - 10
    # Thirty new ones and the twenty that they replace, in one text.
    assert asked(MAX_WORDS - 10, MAX_WORDS + 20) == list(range(MAX_WORDS - 10, MAX_WORDS + 20))
    assert asked(0, 40) == list(range(40))
    assert len(worked_out) == MAX_WORDS + 20 + 20


def test_a_number_is_known_by_what_the_model_sees_of_it() -> None:
    """Its row is shared with others, so that their features have to be the same."""
    for token in (" 48213", "48213", "a-9", "x2024", " 1984", "7", " 42", "é81x3", "٣١٤"):
        assert features(canonical(token), len) == features(token, len)
    assert canonical(" 48213") == canonical(" 48999") != canonical(" 49213")


def test_a_name_with_a_point_that_a_text_ends_with_is_no_word_of_a_program() -> None:
    text = "please ask anna.berg"
    assert not is_doubtful(text, 11, 20, "PERSON", 0.99, lambda _: 0, True)
    assert is_doubtful(f"{text}[0]", 11, 20, "PERSON", 0.99, lambda _: 0, True)
