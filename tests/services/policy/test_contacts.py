"""What signatures, complaints and letters say of where and how somebody is reached; and what resembles it."""

import pytest

from services.policy.detection import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    return [(each.stem, text[each.start : each.end]) for each in detector.find(text)]


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("Marta Ruiz\n(52) 611-093-Office\n07700 900 146-Fax", ["(52) 611-093", "07700 900 146"]),
        ("Jon Berg\n640 2217 office\n(640)221-3308 fax", ["640 2217", "(640)221-3308"]),
        ("88-12-40-07 desk, 88-12-40-11 direct", ["88-12-40-07", "88-12-40-11"]),
        ("> Ana Prat\n> 611 20 44 cell", ["611 20 44"]),
        ("Petra Lenz\n771 20 45 Büro\n0171 2345678 mobil", ["771 20 45", "0171 2345678"]),
        ("22 418 90 (casa) y 22 418 77 (oficina)", ["22 418 90", "22 418 77"]),
        ("She is not answering at 61 220 870, so I left it.", ["61 220 870"]),
        ("Nobody picks up on 412 60 118", ["412 60 118"]),
        ("you can try me on 52 118 403 after six", ["52 118 403"]),
        ("I never got the code on my registered 553 2810. Why?", ["553 2810"]),
        ("er meldet sich nicht unter 61 220 87", ["61 220 87"]),
        ("on ne répond pas au 61 22 08 70", ["61 22 08 70"]),
        ("no contestan en el 612 204 87", ["612 204 87"]),
    ],
)
def test_a_telephone_is_named_by_what_follows_or_by_who_does_not_answer(
    text: str, phones: list[str], detector: Detector
) -> None:
    assert [value for stem, value in found(detector, text) if stem == "PHONE"] == phones


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("the last bill of cc 676770123457 please", "676770123457"),
        ("my CC# 3540 2217 8830 1146 was refused", "3540 2217 8830 1146"),
        ("CB n° 4970101234567", "4970101234567"),
        ("KK-Nr. 6767 7012 3457", "6767 7012 3457"),
        ("CCN: 676770123456", "676770123456"),
    ],
)
def test_a_card_is_announced_by_two_letters_too(text: str, card: str, detector: Detector) -> None:
    assert ("CARD", card) in found(detector, text)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("The party is on Friday, I'll turn 23.", "23"),
        ("he is turning 40 next week", "40"),
        ("She just turned 52 on Monday", "52"),
        ("before my brother and I turn 30, we go", "30"),
        ("he will be 67 in May", "67"),
        ("Ich werde 40 am Sonntag", "40"),
        ("zaterdag word ik 50.", "50"),
    ],
)
def test_an_age_is_told_by_the_day_on_which_it_is_reached(text: str, age: str, detector: Detector) -> None:
    assert ("AGE", age) in found(detector, text)


@pytest.mark.parametrize(
    "text",
    [
        "We shipped 1 200 000 mobile units.", "20240101-home.tar.gz", "2024 2025 home games", "1 200 300 home", "answers at 12 345 678 rows",
        "cc 12 people on it", "the knob will turn 45 degrees, then turn 20 more", "the margin will be 20 in width", "2019-11-04-work.log",
        "it will be 40 in total", "available on ports 5000 6000",
    ],
)  # fmt: skip
def test_counts_files_and_turns_are_nobodys(text: str, detector: Detector) -> None:
    assert found(detector, text) == []


@pytest.mark.parametrize(
    "food",
    [
        "1234567 ",
        "12 34 567 office ",
        "answer at ",
        "answering a a a at 12 345 67 ",
        "registered 12 34567-",
        "cc 1 ",
        "turn 20 ",
        "office ",
    ],
)
def test_what_starts_the_patterns_for_these_and_ends_none_is_digested(food: str, detector: Detector) -> None:
    assert isinstance(detector.find(food * (60_000 // len(food))), tuple)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "Ola Nordby\n3120 Trestien 44\n Apt. 7\n HAMAR\n Norway 23170",
            [("ADDRESS", "3120 Trestien 44\n Apt. 7"), ("LOCATION", "HAMAR"), ("LOCATION", "Norway"), ("POSTCODE", "23170")],
        ),
        (
            "> Ola Nordby\n> 3120 Trestien 44\n> Suite 7\n> Hamar\n> Norway 23170\n> Mobile: 40 61 22 08",
            [
                ("ADDRESS", "3120 Trestien 44"),
                ("ADDRESS", "Suite 7"),
                ("LOCATION", "Hamar"),
                ("LOCATION", "Norway"),
                ("POSTCODE", "23170"),
            ],
        ),
        (
            "Invoice to: Ann Vik\n   1203 Lepakuja 12 Apt. 40\n   KOTKA\n   SK\n   48100",
            [("ADDRESS", "1203 Lepakuja 12 Apt. 40"), ("LOCATION", "KOTKA"), ("LOCATION", "SK"), ("POSTCODE", "48100")],
        ),
        (
            "Zoe Kiss\n412 Jana Karafiáta 38\nΛΕΜΕΣΟΣ (ΛΕΜ)\n, LI\n Cyprus (South) 44127",
            [("ADDRESS", "412 Jana Karafiáta 38"), ("LOCATION", "LI"), ("LOCATION", "Cyprus"), ("POSTCODE", "44127")],
        ),
        ("Mr. Per Lund Suite 54 634 Granstien 10\nASKIM", [("ADDRESS", "Suite 54 634 Granstien 10")]),
        ("we sit at the corner of Lindvej 44 and Marsh Lane.", [("ADDRESS", "Lindvej 44 and Marsh Lane")]),
        ("turn at the corner of tallgatan 9 and frost courts", [("ADDRESS", "tallgatan 9 and frost courts")]),
        ("Treffpunkt Ecke Maaßenstraße/Winterfeldtstraße", [("ADDRESS", "Maaßenstraße/Winterfeldtstraße")]),
        ("The office is at Deák Ferenc u. 31.", [("ADDRESS", "Deák Ferenc u. 31")]),
        ("menj a Karolina út 17. felé", [("ADDRESS", "Karolina út 17")]),
        ("живу на ул. Ленина, д. 5", [("ADDRESS", "ул. Ленина, д. 5")]),
        ("na naslovu Trg republike 8", [("ADDRESS", "Trg republike 8")]),
        ("Atatürk Caddesi No: 12, Ankara", [("ADDRESS", "Atatürk Caddesi No: 12")]),
        ("34 Πλατεία Ελευθερίας 12", [("ADDRESS", "34 Πλατεία Ελευθερίας 12")]),
        ("send it to USCGC Ærøbo\nFPO AE 09588", [("ADDRESS", "USCGC Ærøbo"), ("LOCATION", "FPO AE"), ("POSTCODE", "09588")]),
        ("we moved to unit 4417 box 0338\ndpo ap 96521", [("ADDRESS", "unit 4417 box 0338"), ("POSTCODE", "96521")]),
        ("My zip code is 881", [("POSTCODE", "881")]),
        ("meu código postal é 4710-057", [("POSTCODE", "4710-057")]),
        (
            "The depot in Bergen 5003 is closed, and the one in Porto 4000-322.",
            [("POSTCODE", "5003"), ("POSTCODE", "4000-322")],
        ),
    ],
)
def test_an_address_is_found_line_by_line_and_where_two_streets_meet(
    text: str, parts: list[tuple[str, str]], detector: Detector
) -> None:
    assert set(parts) <= set(found(detector, text))


@pytest.mark.parametrize(
    "text",
    [
        "the corner of the room and the door", "in the corner of my eye and there", "corner case and edge case", "a cup of tee 12",
        "suite 3 200 tests passed 12", "unit 5 of the course has 12 parts", "the test suite 12\nrun 3 of 4\ntotal 12345",
        "2 apples and 3\nTotal 12345", "error code is 881", "u. 15 andere",
    ],
)  # fmt: skip
def test_corners_suites_and_codes_of_other_things_are_no_addresses(text: str, detector: Detector) -> None:
    assert found(detector, text) == []


@pytest.mark.parametrize(
    "food",
    [
        "12 a 1\n", "apt 1 ", "1 Aa 1 apt 1\n", "Apt. 1\nAa\n", "> ", "corner of a ", "corner of A and ", " u. 1", "12 Foo Road\nAa\n",
        "fpo ae ", "ul. A ", "Aa utca ", "suite 1 1 A", "zip code is ", "trg a ", "\n ", "12 Foo Road\n" + " " * 40,
    ],
)  # fmt: skip
def test_what_starts_the_patterns_for_addresses_and_ends_none_is_digested(food: str, detector: Detector) -> None:
    assert isinstance(detector.find(food * (60_000 // len(food))), tuple)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Please add Mercina Szolt as a beneficiary to my account", ["Mercina Szolt"]),
        ("I need Tuvi B Olsdal as the second signatory, please.", ["Tuvi B Olsdal"]),
        ("Bitte tragen Sie Ilka Brauwer als Bevollmächtigte ein", ["Ilka Brauwer"]),
        ("Quiero añadir a Nerea Zubi como titular", ["Nerea Zubi"]),
        ("The name on the card is wrong, please change it to Bekbol Muslyev", ["Bekbol Muslyev"]),
        ('"We are late!" whispered Clara to Tobias', ["Clara", "Tobias"]),
        ('Clara yelled at Tobias: "Stop it now!"', ["Clara", "Tobias"]),
        ("their kids: carla, petra, tomas and oscar.", ["carla", "petra", "tomas", "oscar"]),
        ("Imre: What a day it was.\nPetra: Do sit down.", ["Imre", "Petra"]),
    ],
)
def test_who_is_appointed_spoken_to_or_listed_is_somebody(text: str, names: list[str], detector: Detector) -> None:
    persons = [value for stem, value in found(detector, text) if stem == "PERSON"]
    assert set(names) <= {name for value in persons for name in (value, *value.split(", "))}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Ms. Orr flew to VELMARK on Monday.", "VELMARK"),
        ("I'm in Raahe, at the fair", "Raahe"),
        ("We returned to Sorsele by train", "Sorsele"),
        ("the agency is based in Langenfurt.", "Langenfurt"),
    ],
)
def test_where_somebody_flies_or_lives_is_no_more_shown(text: str, place: str, detector: Detector) -> None:
    assert place in [value for _, value in found(detector, text)]


@pytest.mark.parametrize(
    ("text", "firm"),
    [
        ("I used to work for Zerbatix as a cook", "Zerbatix"),
        ("Vonderlux is a design agency of nine people.", "Vonderlux"),
        ("The office of Kelvarion is closed on Fridays.", "Kelvarion"),
        ("Brennick was founded in 1977.", "Brennick"),
    ],
)
def test_for_whom_somebody_works_is_no_more_shown(text: str, firm: str, detector: Detector) -> None:
    assert firm in [value for _, value in found(detector, text)]


@pytest.mark.parametrize(
    "text",
    [
        "An ode to the harbour, sadly too short for a banjo solo.", "Energetic and cheerful clerk wanted", "Oh, the TV is on",
        "all CEOs agree", "Use Visual Studio as the default user", "The name of the file is wrong, change it to Main Window",
        "add Blue Whale as a dependent package",
        "We moved to Kubernetes last year and it is based in Rust", "Note: It works.\nTotal: Nothing was found.\nUsage: Run it twice.",
        "See us on Labor Day", "the job of Kafka at work is a queue",
    ],
)  # fmt: skip
def test_words_that_people_say_and_roles_of_programs_are_nobody(text: str, detector: Detector) -> None:
    assert found(detector, text) == []


@pytest.mark.parametrize(
    "food",
    [
        "Aa Bb as a ", "name is Aa change it to ", "Ann: Hi there\n", "flew to Aa ", "Aa, Bb, ", "Ann Lee as ", "said Ann to ",
        "name change ", "A a: B ", "benef as Aa ",
    ],
)  # fmt: skip
def test_what_starts_the_patterns_for_persons_and_ends_none_is_digested(food: str, detector: Detector) -> None:
    assert isinstance(detector.find(food * (60_000 // len(food))), tuple)
