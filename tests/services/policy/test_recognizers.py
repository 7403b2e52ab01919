"""What people and programs write of somebody in forms of their own: each line is one, and what nobody may see in it."""

import pytest

from services.policy.detection import Detector
from services.policy.names.doubted_values import is_doubtful_value
from services.policy.recognizers.made_up import is_of_machine, is_value


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    return [(each.stem, text[each.start : each.end]) for each in detector.find(text)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("PESEL: 85010112345", "85010112345"),
        ("personnummer 850101-1234", "850101-1234"),
        ("CPF 123.456.789-09", "123.456.789-09"),
        ("RFC GODE561231GR8", "GODE561231GR8"),
        ("CURP GODE561231HDFRRN04", "GODE561231HDFRRN04"),
        ("AHV-Nr. 756.9217.0769.85", "756.9217.0769.85"),
        ("NRIC S1234567D", "S1234567D"),
        ("VIN: 1HGCM82633A004352", "1HGCM82633A004352"),
        ("NMC PIN   14C0817O", "14C0817O"),
        ("No injuries. NM DL 514902267.", "514902267"),
        ("titre de séjour 9903123456", "9903123456"),
        ("ration card no MH12/234/56789", "MH12/234/56789"),
        ("her green card A#A098-765-432", "A098-765-432"),
        ("mi DNI es 72114631206 y mi móvil", "72114631206"),
        ("il passaporto di nonno, il numero vecchio era YA8820931.", "YA8820931"),
        ("Insurance ID FHN-701-3145", "FHN-701-3145"),
    ],
)
def test_a_number_is_found_by_the_word_for_it_in_whatever_country(text: str, number: str, detector: Detector) -> None:
    assert ("ID", number) in found(detector, text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Settlement by BACS, 20-11-81 / 93004412.", ["20-11-81", "93004412"]),
        ("her account with Midlands Mutual, number 41209987, was closed", ["41209987"]),
        ("Pay to DE89370400440532013000 (COBADEFFXXX).", ["COBADEFFXXX"]),
        ("BIC: DEUTDEFF", ["DEUTDEFF"]),
        ("IFSC HDFC0001234 a/c no 50100123456789", ["HDFC0001234", "50100123456789"]),
        ("checking # 1000123456", ["1000123456"]),
    ],
)
def test_an_account_is_found_beside_its_bank(text: str, numbers: list[str], detector: Detector) -> None:
    assert [value for stem, value in found(detector, text) if stem == "ACCOUNT"] == numbers


def test_a_mistyped_iban_counts_where_money_is_spoken_of_and_nowhere_else(detector: Detector) -> None:
    assert ("IBAN", "AT29 7402 3912 1141 1738") in found(detector, "der Dauerauftrag auf AT29 7402 3912 1141 1738 ist angelegt")
    assert "IBAN" not in {stem for stem, _ in found(detector, "part AT29 7402 3912 1141 1738 fits")}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("use Tr4ktor-Blau as password", "Tr4ktor-Blau"),
        ("password for the zip is Blue.kettle.42", "Blue.kettle.42"),
        ("Login: oleon / 3R0_kMIa+6", "3R0_kMIa+6"),
        ("mdp : Cactus44", "Cactus44"),
        ("the gate code is C1945", "C1945"),
        ("my pin is 4471", "4471"),
        ("recovery code 4F7K-92LM-XX31", "4F7K-92LM-XX31"),
        ("net use z: \\\\srv\\share P@ss99word /user:anna", "P@ss99word"),
        ("4111 1111 1111 1111 09/27 321", "321"),
        ("the cookie in case it helps, session=enPMdpWwKmiWjeH7j7mwvLQg", "enPMdpWwKmiWjeH7j7mwvLQg"),
        ("username jpark82 password rosebud1941", "rosebud1941"),
        ("u: kwells p: Broth3rs!", "Broth3rs!"),
        ("login with bluebird77 as password", "bluebird77"),
        ("use code 220418 to sign in", "220418"),
        ('psql "host=db user=app password=correcthorse dbname=x"', "correcthorse"),
        ("hasło: Ogórek.1364", "Ogórek.1364"),
        ("seed phrase witch collapse practice feed shame open despair creek road again ice least",
         "witch collapse practice feed shame open despair creek road again ice least"),
    ],
)  # fmt: skip
def test_what_opens_a_door_is_found_as_people_tell_it(text: str, secret: str, detector: Detector) -> None:
    assert ("SECRET", secret) in found(detector, text)


@pytest.mark.parametrize(
    ("stem", "text", "value"),
    [
        ("DOB", "Fecha nac.: 02/09/1992", "02/09/1992"),
        ("DOB", "F.N.: 03/05/74", "03/05/74"),
        ("DOB", "Anna Lee, *12.03.1978, Ulm", "12.03.1978"),
        ("DOB", "YOB 1974", "1974"),
        ("AGE", "We have one daughter, Mahathi, who is 4.", "4"),
        ("AGE", "Bas (stagiair, 19) BSN 120843122", "19"),
        ("AGE", "pt Xochitl Barragan, 46F. Phone fallback", "46"),
        ("TITLE", "2  HARTIGAN/SINEAD MS    passport PD8820417", "MS"),
        ("PERSON", "2  HARTIGAN/SINEAD MS    passport PD8820417", "HARTIGAN/SINEAD"),
        ("PHONE", "T 08-23 84 38", "08-23 84 38"),
        ("PHONE", "2. Ann Lee - 3802739770\n", "3802739770"),
        ("USERNAME", "Stay away from there.\n - hungry_in_LA_77\n", "hungry_in_LA_77"),
        ("USERNAME", "my twitch is pixelmarten", "pixelmarten"),
        ("USERNAME", "'username' => 'annb2'", "annb2"),
        ("ORG", "Refund approved by Tomlinson Ferries in May.", "Tomlinson Ferries"),
    ],
)  # fmt: skip
def test_who_somebody_is_is_found_as_registers_and_chats_tell_it(stem: str, text: str, value: str, detector: Detector) -> None:
    assert (stem, value) in found(detector, text)


def test_a_card_of_an_address_book_says_by_place_what_is_what(detector: Detector) -> None:
    card = "BEGIN:VCARD\nN:Okoro;Ada;;Dr.;\nADR;TYPE=home:;;14 Larkspur Lane;Leeds;;LS6 3HN;UK\nBDAY:1974-05-03\nEND:VCARD\n"
    assert found(detector, card) == [
        ("PERSON", "Okoro"),
        ("PERSON", "Ada"),
        ("TITLE", "Dr."),
        ("ADDRESS", "14 Larkspur Lane"),
        ("LOCATION", "Leeds"),
        ("POSTCODE", "LS6 3HN"),
        ("LOCATION", "UK"),
        ("DOB", "1974-05-03"),
    ]


def test_a_message_of_a_hospital_says_by_place_what_is_what(detector: Detector) -> None:
    message = "PID|1||77120344^^^MRN||OKORO^ADA^M||19740503|F|||14 Larkspur Lane^^Leeds^^LS6 3HN||0113 496 0000\n"
    told = found(detector, message)
    for each in (("ID", "77120344"), ("PERSON", "OKORO"), ("DOB", "19740503"), ("POSTCODE", "LS6 3HN")):
        assert each in told


def test_the_zone_that_machines_read_is_hidden(detector: Detector) -> None:
    zone = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10\n"
    assert [stem for stem, _ in found(detector, zone)] == ["PERSON", "ID"]


@pytest.mark.parametrize(
    "text",
    [
        "Эта версия исправляет ошибку при сохранении файла. Сервер будет отключён ночью.",
        "此版本修复了保存文件时的错误。服务器将于夜间关闭。",
        "यह संस्करण फ़ाइल सहेजने की त्रुटि ठीक करता है। सर्वर रात में बंद रहेगा।",
        "이 버전은 파일 저장 오류를 수정합니다. 서버는 밤에 종료됩니다.",
        "c81d9e4 Bump hugo from 0.121 to 0.123.8",
        "retry code: 1234, exit code 137, error code 404 for status code 500",
    ],
)
def test_other_scripts_and_releases_are_nobody(text: str, detector: Detector) -> None:
    assert found(detector, text) == []


@pytest.mark.parametrize("run", ["a", "Ab", "aB1", "a_", "_1", "a-", "a.", ".a", "A_", "1.", "a:", "[a", "-a1", "M1.5"])
@pytest.mark.parametrize("end", ["-9!", "!", "$(", "é¿"])
def test_what_looks_like_a_word_of_a_program_for_long_is_judged_at_once(run: str, end: str, detector: Detector) -> None:
    """Read in too many ways it would be judged for ever: this ends, whatever it says."""
    value = run * 400 + end
    assert is_value(value) in (True, False)
    assert not is_of_machine(value)
    for begin in ("", "gpt", "aa", "user"):
        text = f"lead {begin}{run * 100}{end} tail"
        assert is_doubtful_value(text, 5, len(text) - 5, "CREDENTIAL", 0.9) in (True, False)
    assert all(finding.start < finding.end for finding in detector.find(f"password: {value}\n"))


@pytest.mark.parametrize("value", ["q8Rk1vXn5TzPw2LmYd7sBf0cHj3uGa9eWx4oQi6yKtM==", "aVhXn8ghC9YqSz5R=", "Ab3=="])
def test_what_ends_as_base64_does_may_be_a_secret(value: str) -> None:
    assert is_value(value)
    assert not is_value(f"{value[:3]}==other")


def test_a_long_secret_is_found_to_its_end(detector: Detector) -> None:
    secret = "Zq7xV9" * 300
    [found] = detector.find(f'client_secret = "{secret}"\n')
    assert (found.start, found.end) == (17, 17 + len(secret))
