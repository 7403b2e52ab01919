"""What the model calls a secret or a number: where it begins and ends, and what it cannot be."""

import pytest

from services.policy.detection import Detector
from services.policy.names.doubted_values import is_doubtful_value, whole_value

SURE = 0.99


@pytest.mark.parametrize(
    ("text", "seed", "whole"),
    [
        ("the code is Moewe#2291x.", "Moewe", "Moewe#2291x"),
        ("pw=Anker#7705q;", "7705q", "Anker#7705q"),
        ("(try kq7-22XP-9qtw)", "22XP", "kq7-22XP-9qtw"),
        ("https://x.example/hook/a8Hk2mQ9zL", "a8Hk2mQ9zL", "a8Hk2mQ9zL"),
        ("use 'WsEosW0zdPFm+hQC=='", "WsEosW0zdPFm", "WsEosW0zdPFm+hQC=="),
        ("mailto:ann@x.example", "ann", "ann"),
    ],
)
def test_a_secret_is_made_whole(text: str, seed: str, whole: str) -> None:
    at = text.index(seed)
    start, end = whole_value(text, at, at + len(seed), "CREDENTIAL")
    assert text[start:end] == whole


def test_what_stands_at_the_head_of_a_line_does_not_begin_on_the_line_before() -> None:
    text = "it is now\nMoewe#2291x"
    assert whole_value(text, 10, len(text), "CREDENTIAL") == (10, len(text))
    assert whole_value("valid until\nA0177418", 12, 20, "PERSONAL_NUMBER") == (12, 20)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ('instance_families = ["', "c7g.2xlarge", '", "m7g"]'),
        ("CPU := -mcpu=", "cortex-m4", " -mthumb -mfpu=hard"),
        (" M8X40-A2  | 190422\n ", "6204-2RSH", " |  98417\n"),
        ("2025-11-04T08:06:02Z ", "vpn-gw3", " DEBUG retry"),
        ("- ", "AVX-512", " and NEON kernels"),
        ("sets max_body to ", "8MiB", " by itself"),
        ("; rip   0x401183  0x401183 <", "memchr_avx2", "+67>"),
        ("MCU      := ", "cortex-m0plus", "\nTARGET   := node"),
        ("      OOMScoreAdjust=", "-600", "\n  notify: Reload"),
        ("; $ objdump -d -M intel ", "--no-show-raw-insn memchr_avx2.o", " | head"),
        ("seed the twister with ", "5489", " and run it"),
        (
            "AAAABsPACQUAC0ZADYeAD8jAEgoAFEtAFoyAGM3AGw8\n",
            "AMZuAM9zAAABCwAKDgETAQIcBAMlHwQuEgU3FQZAKAd",
            "\nWxCaXhGjURKsVBO1bxS\n",
        ),
    ],
)
def test_in_a_program_a_log_or_a_table_the_model_has_to_be_surer(before: str, value: str, after: str) -> None:
    at = len(before)
    assert is_doubtful_value(f"{before}{value}{after}", at, at + len(value), "CREDENTIAL", 0.87)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("Then they asked me for the six digits, ", "118 603", ", all fine."),
        ("[09:19] Chiara: sì, è arrivato proprio ora: ", "518 402", "\n"),
        ("The router sticker says ", "XK7PM93QWD", ", no spaces."),
    ],
)
def test_among_words_it_is_believed(before: str, value: str, after: str) -> None:
    at = len(before)
    assert not is_doubtful_value(f"{before}{value}{after}", at, at + len(value), "CREDENTIAL", 0.87)


def test_a_number_in_a_text_about_nobody_is_nobodys_unless_the_model_is_very_sure() -> None:
    text = "lines 57-63, 339200 of them"
    for personal, doubtful in ((False, True), (True, False), (None, False)):
        assert is_doubtful_value(text, 13, 19, "BANK_ACCOUNT", 0.92, personal=personal) is doubtful


def test_bytes_of_a_dump_and_the_key_of_a_cache_are_no_secret() -> None:
    for text, value in (
        ("[  951.330852] Code: 90 90 90 90 f3 0f 1e fa 0f 1f 44", "90 90 f3"),
        ("DEBUG: cache miss key=album:1993:tracks ttl=900", "1993"),
        ("x = 6.109427", "109427"),
    ):
        at = text.rindex(value)
        entity = "BANK_ACCOUNT" if text.startswith("x") else "CREDENTIAL"
        assert is_doubtful_value(text, at, at + len(value), entity, 0.93)


def test_a_number_is_made_whole_with_its_letters_and_dashes() -> None:
    text = "No. AB-4471-90X, issued"
    at = text.index("4471")
    start, end = whole_value(text, at, at + 4, "PERSONAL_NUMBER")
    assert text[start:end] == "AB-4471-90X"


@pytest.mark.parametrize(
    "value",
    ["********", "<your token>", "${DB_PASSWORD}", "changeme", "password", "2026-11-03", "14:05", "4.17.21", "settings.yaml", "null",
     "ann@x.example", "https://x.example/a", "3f2a9c1e-77b1-4c2e-9f00-1a2b3c4d5e6f", "/etc/nginx", "abc",
     "v2.31.0", "v0.7.0-rc.1", "165.5Mi", "256k", ".....IDATx", "field2",
     "#556b2f"],
)  # fmt: skip
def test_what_is_no_secret_whatever_the_model_says(value: str) -> None:
    assert is_doubtful_value(f"it is {value}", 6, 6 + len(value), "CREDENTIAL", SURE)


@pytest.mark.parametrize(
    "value", ["hunter2", "4417", "418 067", "Moewe#2291x", "cuthbert-wren-1987", "XK7-94QP", "rosinante", "v7Kq-9tPz-04mL"]
)
def test_what_may_be_one(value: str) -> None:
    assert not is_doubtful_value(f"it is {value}", 6, 6 + len(value), "CREDENTIAL", SURE)
    assert is_doubtful_value(value, 0, len(value), "CREDENTIAL", SURE), "of what stands alone nothing tells what it is"


def test_a_word_takes_more_than_what_nobody_says() -> None:
    assert is_doubtful_value("it is rosinante", 6, 15, "CREDENTIAL", 0.9)
    assert not is_doubtful_value("it is Moewe#2291x", 6, 17, "CREDENTIAL", 0.7)


@pytest.mark.parametrize("text", ["2026-11-03", "1,250.00", "1999-2004", "12345 km", "12345.67"])
def test_dates_amounts_and_measures_are_nobodys_number(text: str) -> None:
    end = text.index(" ") if " " in text else text.index(".") if text.count(".") == 1 and "," not in text else len(text)
    for entity in ("PERSONAL_NUMBER", "BANK_ACCOUNT", "PHONE_NUMBER"):
        assert is_doubtful_value(f"it is {text}", 6, 6 + end, entity, SURE)


@pytest.mark.parametrize("unit", ["1", "1.", "1-", "a1", "0a-", "u00", "_a", "12 ", "a.", "A1b"])
def test_a_value_of_any_length_is_judged_at_once(unit: str) -> None:
    """No pattern may try the same signs twice: this text would take it longer than the universe has had."""
    value = (unit * 600)[:599] + "!"
    for entity in ("CREDENTIAL", "PERSONAL_NUMBER", "BANK_ACCOUNT", "PHONE_NUMBER"):
        is_doubtful_value(f"it is {value}", 6, 6 + len(value), entity, SURE)
    assert is_doubtful_value(f"it is {unit * 601}", 6, 6 + 601 * len(unit), "CREDENTIAL", SURE)


def test_what_follows_a_key_or_a_name_of_any_length_is_read_at_once() -> None:
    """As above: with a sign that two parts of a pattern could take, there would be more ways to read these than anybody has time for."""
    detector = Detector()
    for unit in ("a_", "a-", "a.", "_", "Ab_"):
        tail = (unit * 200)[:250]
        for text in (f"cache key: {tail[:100]}1A", f"Ms Petrusic, see /files/Petrusic{tail}.pdfx", f"dump 00000010: {tail}"):
            detector.find(text)
