"""Numbers by which somebody is known to a firm or an office, what a chat is asked for and answers, and what resembles both."""

import pytest

from services.policy.detection import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    return [(each.stem, text[each.start : each.end]) for each in detector.find(text)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Exit interview of the clerk (employee ID 4711802).", "4711802"),
        ("Emp ID ....... E-204417", "E-204417"),
        ("staff id: S4410", "S4410"),
        ("her student ID u1029384 works", "u1029384"),
        ("my staff number is 93459834 and i moved", "93459834"),
        ("Policy No.: ZEW-7067-90237", "ZEW-7067-90237"),
        ('{"insurer_id": "WL3922446"}', "WL3922446"),
        ("and membership is HC3587785", "HC3587785"),
        ("Donor #32607878: pledged fifty", "32607878"),
        ("third party, licence J3166079", "J3166079"),
        ("Q. Your license? A. 123-456-781, I think", "123-456-781"),
        ("the driver's permit DG747441", "DG747441"),
        ("Student Molly Logan (40615589) has", "40615589"),
        ("Patient: Eze, David  ID: 98718033", "98718033"),
        ("Die Versicherungsnummer lautet OU4252372.", "OU4252372"),
        ("Kundennummer 55339097", "55339097"),
        ("N° de pièce d'identité : JI9976115", "JI9976115"),
        ("sociétaire n° 4471902K, sociétaire\nidentifiant client : 13392952", "13392952"),
        ("Il suo documento è il n. SN5847101", "SN5847101"),
        ("Nº de afiliado: 204286952", "204286952"),
        ("Documentnummer: GD3616893", "GD3616893"),
        ("Zijn klantnummer is 73043225 en", "73043225"),
        ("emp_no,surname,forename\n75682808,Rowe,Karen\n", "75682808"),
    ],
)
def test_a_number_by_which_somebody_is_known_is_found(text: str, number: str, detector: Detector) -> None:
    assert ("ID", number) in found(detector, text)


@pytest.mark.parametrize(
    ("stem", "text", "value"),
    [
        ("SECRET", "ann: whats the wifi password?\nbob: sure, Tulip-lamp-41\nann: ta", "Tulip-lamp-41"),
        ("SECRET", "ann: whats the wifi password again\nbob: Tulip-lamp-41\nann: ta", "Tulip-lamp-41"),
        ("SECRET", "ann: and the door code?\nbob: 8375 then press #", "8375"),
        ("SECRET", "t'as le mdp du wifi ?\nZoé: oui c T9j+ChhPy", "T9j+ChhPy"),
        ("SECRET", "cuál es la contraseña?\nIrene: meses-primero-64", "meses-primero-64"),
        ("SECRET", "en de pincode van het alarm?\nTalia: 7127", "7127"),
        ("ACCOUNT", "Agent: could you confirm the account?\nAnn: yes it's 372221943", "372221943"),
        ("ID", "Agent: and your membership number?\nAnn: 88120447", "88120447"),
    ],
)
def test_what_is_asked_for_is_found_in_the_answer(stem: str, text: str, value: str, detector: Detector) -> None:
    assert (stem, value) in found(detector, text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("143555 is your verification code. Do not share it.", "143555"),
        ("PIN: 3332", "3332"),
        ('{"account_pin": "5185"}', "5185"),
        ("bank pin 6112", "6112"),
        ("Gate combination is now 5520.", "5520"),
        ("Codice portone 6072", "6072"),
        ("La clave del portal es 4651", "4651"),
        ("Deurcode 9567", "9567"),
        ("svc=otp to=+48601555012 code=884213", "884213"),
        ("I tried the password Plum-81xQ as well as Pear-92yW.", "Pear-92yW"),
        ("SSID: Guest-5G\nKey: Veritatis28!", "Veritatis28!"),
        ("bindpw = Material8935", "Material8935"),
        ("docker login -u ann -p iiM4S4hiXcMrrwa5jS1aeZD8", "iiM4S4hiXcMrrwa5jS1aeZD8"),
        ('variable "db_password" { default = "Ducimus5223?" }', "Ducimus5223?"),
        ("set -x OPENAI_KEY iADN5RpVI2XQWhX1ssrKrxqV", "iADN5RpVI2XQWhX1ssrKrxqV"),
        ('process.env.SESSION_KEY || "738713a818d8962058765a6c"', "738713a818d8962058765a6c"),
        ("SENTRY_SALT=bd1bd6d282853416d112fb3a141e4ce0", "bd1bd6d282853416d112fb3a141e4ce0"),
        ("Mein PC-Passwort für den Notfall: Hafer_flocke77", "Hafer_flocke77"),
    ],
)
def test_what_opens_a_door_is_found_in_further_notations(text: str, secret: str, detector: Detector) -> None:
    assert ("SECRET", secret) in found(detector, text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Surname Ball\nGiven names Hope\n", "Ball"),
        ("LAST NAME: Ball   FIRST NAME: Hope   MI: Q", "Hope"),
        ("Prénom : Ange\nNom : Per\n", "Per"),
    ],
)
def test_a_form_says_what_is_a_name_though_it_be_a_word(text: str, name: str, detector: Detector) -> None:
    assert ("PERSON", name) in found(detector, text)


@pytest.mark.parametrize(
    "text",
    [
        "order number 48213377, invoice no. 20417, ticket #88120447",
        "policy version 20260101 of the bundle; policy no longer applies after build 48213377",
        'if (code == 404) {\n  return key ?? "default";\n}',
        "is the key in the map?\nno, see line 1180",
        "def token() -> str:\n    return client.number(1024)\n",
        "what is the exit code?\n137, as before",
        "the registration of the handler took 48213 ns; member access is 10x faster",
        "First name Required\nLast name Optional\n",
        "license: Apache-2.0, permit empty = false",
    ],
)
def test_what_resembles_them_is_left_alone(text: str, detector: Detector) -> None:
    assert found(detector, text) == []
