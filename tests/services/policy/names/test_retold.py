"""Documents told again: other people, the same text, and nothing that is marked lost."""

import random

from services.policy.names.training.grammar import joined
from services.policy.names.training.retold import Written, other_numbers, retold, written
from services.policy.names.training.secret_values import made_up_secret, other_secret


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
    for seed in range(400):
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


def test_secrets_are_others_of_the_same_kind_and_one_secret_is_the_same_throughout() -> None:
    known = {text for document in written() for text, entity in document.parts if entity == "CREDENTIAL"}
    again = total = 0
    for seed in range(800):
        told = [text for text, entity in retold(random.Random(seed), False)[1] if entity == "CREDENTIAL"]
        again += sum(text in known for text in told)
        total += len(told)
    assert total > 200
    assert again < total / 2


def test_numbers_that_are_nobodys_change_too() -> None:
    """Else it would be learnt that a number which was seen before is harmless."""
    text = "commit 3f9ac1e07 of order 20417733, build 4418, in 2024"
    told = {other_numbers(random.Random(seed), text) for seed in range(20)}
    assert len(told) == 20
    assert all(each.endswith("in 2024") and len(each) == len(text) for each in told)


def test_a_made_up_secret_has_a_form_of_one() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        secret = made_up_secret(rng, "en")
        assert 4 <= len(secret) <= 80
        assert secret.strip() == secret
        assert "\n" not in secret


def test_digits_become_digits_and_a_token_keeps_its_head() -> None:
    for seed in range(50):
        assert other_secret(random.Random(seed), "4471", "en").rstrip("#*ABCX").replace(" ", "").replace("-", "").isdigit()
    assert any(other_secret(random.Random(seed), "sk_live_a8Hk2mQ9zL71", "en").startswith("sk_live_") for seed in range(20))
