"""The training of the name model: reproducible, and measured on documents that it never saw."""

from pathlib import Path
from zlib import crc32

import pytest

from services.policy.names.finder import MODEL
from services.policy.names.network import Network
from services.policy.names.training.__main__ import hashed_lists, measured, train
from services.policy.names.training.corpus import LANGUAGES, documents, templates
from services.policy.names.training.evaluation import Result, dev_documents, measure
from services.policy.names.training.lists import HERE
from services.policy.names.training.people import cultures
from services.policy.names.words import folded

DEV = sorted((HERE / "dev").glob("*.txt"))


@pytest.fixture(scope="module")
def result() -> Result:
    finder = measured(MODEL)
    return measure(finder, (document for file in DEV for document in dev_documents(file)))


def test_the_shipped_model_reaches_its_quality_on_the_dev_set(result: Result) -> None:
    assert result.f2() >= 0.90
    assert result.letter_f2() >= 0.90


def test_the_shipped_model_finds_almost_every_person_of_the_dev_set(result: Result) -> None:
    assert result.recall("PERSON") >= 0.97


def test_the_same_seed_makes_the_same_documents() -> None:
    assert list(documents(5, 40)) == list(documents(5, 40))
    assert list(documents(5, 40)) != list(documents(6, 40))


def test_a_document_marks_what_its_places_say() -> None:
    for document in documents(11, 300):
        position = 0
        for start, end, _ in document.spans:
            assert position <= start < end <= len(document.text)
            position = end


def test_two_trainings_make_the_same_model(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        train(tmp_path / name, count=60, epochs=1)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_no_template_of_the_dev_set_is_one_of_training() -> None:
    training = {
        line for language in LANGUAGES for kind in ("sentences", "documents") for line in templates(f"{kind}.{language}")
    }
    training |= {*templates("plain.en"), *templates("code")}
    for file in DEV:
        shared = {text.strip("\n") for text in file.read_text("utf-8").split("\n%%\n")} & training
        assert not shared


def test_the_shipped_lists_know_what_is_held_back_from_training_and_those_that_measure_do_not() -> None:
    given = {name for culture in cultures(held_back=True).values() for name in culture.given}
    hashes = {crc32(folded(name).encode()) for name in given if folded(name).isalpha()}
    shipped, measuring = (set(hashed_lists(whole=known)) for known in (True, False))
    assert len(shipped & hashes - measuring) > 300
    assert set(Network.load(MODEL).listed_hashes.tolist()) == shipped


def test_what_is_held_back_is_no_name_of_training() -> None:
    held_back = {name for culture in cultures(held_back=True).values() for name in culture.given}
    assert len(held_back) > 300
    assert not held_back & {
        name for culture in cultures(held_back=False).values() for name in (*culture.given, *culture.surnames)
    }
