"""Documents told again: other people, the same text, and nothing that is marked lost."""

import random

from services.policy.names.training.grammar import joined
from services.policy.names.training.retold import Written, retold, written


def names(document: Written) -> set[str]:
    return {text for text, entity in document.parts if entity == "PERSON" and " " in text}


def test_every_written_document_has_a_language_and_no_mark_is_left_in_its_text() -> None:
    assert len(written()) > 400
    for document in written():
        text = "".join(text for text, _ in document.parts)
        assert "[[" not in text
        assert "]]" not in text
        assert "¦" not in text


def test_the_same_seed_tells_the_same() -> None:
    first, second = (joined(retold(random.Random(7), False)[1]) for _ in range(2))
    assert first == second


def test_people_are_others_and_one_person_is_the_same_throughout() -> None:
    known = set[str]().union(*map(names, written()))
    again = total = 0
    for seed in range(200):
        told = {text for text, entity in retold(random.Random(seed), False)[1] if entity == "PERSON" and " " in text}
        again += len(told & known)
        total += len(told)
    assert total > 200
    assert again < total / 2


def test_a_telling_marks_what_its_places_say() -> None:
    for seed in range(200):
        document = joined(retold(random.Random(seed), False)[1])
        position = 0
        for start, end, _ in document.spans:
            assert position <= start < end <= len(document.text)
            assert document.text[start:end].strip()
            position = end
