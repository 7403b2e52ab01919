"""What a pack says of itself loses what looks personal, and keeps the ids that a person needs to follow it up."""

from agentos.packhost.hiding import Hider


def test_an_id_of_ours_stays_whole_although_it_has_the_digits_of_a_telephone_number() -> None:
    said = "the kill switch 01a1fb2f-be63-7857-b035-4017839cf1f6 stops pack asker: call +1 415 555 0100"
    assert Hider()(said) == "the kill switch 01a1fb2f-be63-7857-b035-4017839cf1f6 stops pack asker: call <…>"


def test_addresses_and_long_numbers_are_blotted_out() -> None:
    said = "no such user jane@example.org today, card 4111 1111 1111 1111, tel4155550100"
    assert Hider()(said) == "no such user <…> today, card <…>, tel<…>"


def test_values_of_the_task_are_hidden_but_not_within_longer_words() -> None:
    hide = Hider({"5": "<AGE_1>", "Ann": "<PERSON_1>", "Ann Lee": "<PERSON_2>", "hunter2": "<SECRET_1>", "": "<LITERAL_1>"})
    assert (
        hide("Ann Lee, Ann and Anna, step 5 of 15, xhunter2y")
        == "<PERSON_2>, <PERSON_1> and Anna, step <AGE_1> of 15, x<SECRET_1>y"
    )
