"""What a pack says of itself loses what looks personal, and keeps the ids that a person needs to follow it up."""

from agentos.packhost.hiding import Hider


def test_an_id_of_ours_stays_whole_although_it_has_the_digits_of_a_telephone_number() -> None:
    said = "the kill switch 01a1fb2f-be63-7857-b035-4017839cf1f6 stops pack asker: call +1 415 555 0100"
    assert Hider()(said) == "the kill switch 01a1fb2f-be63-7857-b035-4017839cf1f6 stops pack asker: call <…>"


def test_addresses_and_long_numbers_are_blotted_out() -> None:
    said = "no such user jane@example.org today, card 4111 1111 1111 1111, tel4155550100"
    assert Hider()(said) == "no such user <…> today, card <…>, tel<…>"
