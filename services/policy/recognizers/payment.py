"""Cards, bank accounts and wallets."""

import re
from collections.abc import Iterator
from typing import Any

from services.policy.findings import Finding
from services.policy.recognizers.announced import FAR, Announcements, announced, announcement
from services.policy.recognizers.checksums import base58check, luhn
from services.policy.recognizers.lowered import Lowered, Words

# Windows may overlap (a look-ahead consumes nothing): a number must not hide the one that begins within its window.
_CARD_START = re.compile(r"[2-6](?<![\w+]\d)(?<!\d[.,]\d)(?=(\d{3}(?:[ .-]{0,2}\d){8,15}))")
_LAST_GROUP = re.compile(r"[ .-]{0,2}\d+$")
_CODE_OF_CARD = re.compile(
    r"(?:[ ,;|\t]{1,3}(?:exp\.? ?)?\d{2} ?/ ?\d{2,4}[ ,;|\t]{1,3}| \()(?P<value>\d{3,4})(?![\w-]|[.,:/]\d)"
)
"""``4111… 09/27 321``: its date, and the number on its back."""
_GROUP_BEFORE = re.compile(r"\d[ .-]{1,2}$")
_NO_SEPARATORS = str.maketrans("", "", " .-")
_GROUPS = re.compile(r"\d+")
_DEVICE = re.compile(
    r"\b(?:(?:imei|sim|iccid|esn|meid|isbn|serial)\b[^\n]{0,24}|"
    r"(?:a/?c|account|acct|vitale|s[ée]cu)(?: (?:no|number|num|#))?[.:# ]{0,3}(?:is )?)$",
    re.IGNORECASE,
)

_LEAST_CARD = 12
_LEAST_CRYPTO = 26
_LONGEST_OF_ACCOUNT = 40

# Issuer ranges with the lengths in use (ISO/IEC 7812; the networks' own tables).
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-59]|[689]\d)\d{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|(?:6011|64[4-9]\d|65\d{2})\d{12,15}"  # Discover
    r"|62\d{14,17}"  # UnionPay
    r"|(?:50|5[6-9]|6\d)\d{10,17}"  # Maestro
    r"|6(?:0|5|81|82|521|522)\d{10,14}|220[0-4]\d{12,15}|9792\d{12}"  # RuPay, Mir, Troy
)

_IBAN_START = re.compile(r"\d(?<=[A-Za-z]{2}\d)(?<![A-Za-z0-9]..\d)\d(?=[ -]?[A-Za-z0-9]{4})", re.DOTALL)
_IBAN_SHAPES = ("AA00", "aa00", "Aa00", "aA00")
_CRYPTO_START = re.compile(r"[b13](?<![A-Za-z0-9].)(?:(?<=b)c1|(?<=[13]))[a-zA-HJ-NP-Z0-9]{25,59}(?![A-Za-z0-9])", re.DOTALL)
_ETHEREUM = re.compile(r"(?<![A-Za-z0-9])0x[0-9a-fA-F]{40}(?![A-Za-z0-9])")
_COIN = re.compile(
    r"(?<![A-Za-z])(?i:ltc|litecoin|doge(?:coin)?|xmr|monero|sol(?:ana)?|trx|tron|xrp|ripple|dash|zec|zcash|bch|btc|bitcoin|crypto|wallet)"
    r"(?![A-Za-z])[^\n]{0,40}?(?<![\w/+=.-])(?P<value>(?=[1-9A-Za-z]{0,40}[1-9])(?=[1-9a-z]{0,24}[A-Z])(?=[1-9A-Z]{0,24}[a-z])"
    r"[1-9A-HJ-NP-Za-km-z]{26,106})(?![\w/+=.-])"
)
"""An address in base 58 (without 0, O, I and l) after the name of a coin that has no check of its own here."""
_CHECKED_ADDRESS = re.compile(r"[DLMTX9A](?<![\w/+.-].)[1-9A-HJ-NP-Za-km-z]{25,34}(?![\w/+=-])", re.DOTALL)
"""Of Dogecoin, Litecoin, Tron and Dash, as their checksum confirms."""
_CARDANO = re.compile(r"addr1(?<![A-Za-z0-9].....)[02-9ac-hj-np-z]{50,110}(?![A-Za-z0-9])")
_BECH32 = re.compile(
    r"(?:cosmos|osmo|juno|terra|stars|akash|kava|inj|sei|celestia|secret|evmos|axelar|persistence|band|bnb|ltc|stake|zil|one|erd|kujira)1"
    r"(?=[a-z0-9]{0,20}\d)[02-9ac-hj-np-z]{38,62}(?![A-Za-z0-9])"
)
"""Of other chains that write their addresses as BIP 173 has it."""
_RIB = re.compile(r"(?<![\w-])(?P<bank>\d{5})[ ](?P<branch>\d{5})[ ](?P<account>[0-9A-Z]{11})[ ](?P<key>\d{2})(?![\w-])")
"""A French account as its bank writes it (relevé d'identité bancaire)."""
_LETTERS_OF_RIB = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789")
_COINS = Words(
    (
        "ltc",
        "litecoin",
        "doge",
        "xmr",
        "monero",
        "solana",
        "sol ",
        "trx",
        "tron",
        "xrp",
        "ripple",
        "dash",
        "zec",
        "zcash",
        "bch",
        "btc",
        "bitcoin",
        "crypto",
        "wallet",
    )
)
_ETHEREUM_WORDS = re.compile(
    r"eth|wallet|usdt|usdc|erc-?20|crypto|donat|metamask|token|coin|polygon|address|send|payout", re.IGNORECASE
)

_NUMBER = r"(?:[ _.-]{0,2}(?:number|num|nbr|no|nr|n°|nº|#|code|numero|número|numéro|nummer)\.?)?"
_ACCOUNT = r"\d(?:[ -]?\d){5,23}|\d{2}\.\d{2}\.\d{2}\.\d{3}|(?=\d{5})[0-9A-Z]{11}"

ANNOUNCED = Announcements(
    announcement(
        "CREDIT_CARD", "CARD", "card|visa|mastercard|amex|karte|carte|carta|tarjeta|kaart|pan|maestro",
        r"(?:(?:credit|debit|bank|kredit|credit)?[ -]?(?:card|karte|kaart)(?:[ _-]?(?:number|num|no|nr|nummer|#))?\.?|visa|"
        r"master ?card|amex|maestro|american express"
        r"|carte(?! vitale| nationale| d['’]identit)(?: bancaire| bleue| de crédit)?|carta di credito|tarjeta(?: de crédito)?|\bpan\b)",
        r"\d{4}[ -]?\d{4}[ -]?\d{4}(?:[ -]?\d{1,7})?|\d{4}[ -]?\d{6}[ -]?\d{4,5}", gap=r"[^\d\n_/\\]{0,32}?",
    ),
    # As people shorten it: ``cc 6767…``, ``CB n° 4970…``, ``KK-Nr.``; then in any grouping.
    announcement(
        "CREDIT_CARD", "CARD", "cc |cc#|cc:|cc no|ccn|cc-n|cb |kk-n|kk n",
        r"(?:ccn?|(?-i:CB|KK))(?:[ _-]?(?:number|num|nummer|no|nr|n°|#)\.?)?",
        r"\d(?:[ -]?\d){11,18}", gap=r"[ \t]?(?:is|ist|est|[:=#])?[ \t]{0,2}", score=0.85,
    ),
    announcement(
        "BANK_SORT_CODE", "ACCOUNT", "sort c|sort_c|sort-c|sortc|s/c", r"(?:sort[ _-]?code|s/c)", r"\d{2}[ -]?\d{2}[ -]?\d{2}",
        gap=r"[^\d\n]{0,24}?",
    ),
    announcement("BANK_SORT_CODE", "ACCOUNT", "sort", r"sort", r"\d{2}[ -]?\d{2}[ -]?\d{2}(?![.,]\d)", gap=r"[\"' ]{0,2}[ :=#]{1,3}[\"']?"),
    announcement(
        "BANK_ACCOUNT", "ACCOUNT", "account|acct|acc |a/c|konto|kto|compte|conto|cuenta|rekening|clabe|c/c|checking|savings",
        rf"(?:(?:bank )?account(?:[ _]?holder)?|acct\.?|acc|a/c|konto(?:nummer|-nr\.?)?|(?:num[ée]ro de )?compte|"
        rf"conto(?: corrente)?|cuenta(?: bancaria)?|rekening(?:nummer)?|kto\.?|clabe|c/c|(?:checking|savings)(?= (?:\d{{8}}|#|n))){_NUMBER}",
        _ACCOUNT, gap=r"(?:[^\d\n\w]{0,6}(?:is|ist|est|es|number|no|at|with|of|und|and|-)?){0,3}?[^\d\n\w]{0,4}",
    ),
    announcement(
        "BANK_ACCOUNT", "ACCOUNT", "account|acct|a/c|loan n|loan #", rf"(?:account|acct\.?|a/c|loan(?=[ _](?:n|#)|#)){_NUMBER}",
        r"[A-Z]{1,4}-?\d{6,14}", gap=r"(?:[ ]is|[ ]?[:#=])?[ ]", score=0.7,
    ),
    announcement("BANK_ACCOUNT", "ACCOUNT", "dda", r"(?-i:DDA)", r"\d{6,14}", gap=r"(?: (?:no\.?|number|#))?[ :]{1,2}", score=0.8),
    announcement("BANK_ACCOUNT", "ACCOUNT", "bank 0|bank 1|bank 2|bank 3|bank 4|bank 5|bank 6|bank 7|bank 8|bank 9|bank, ", r"bank",
    r"\d{9,18}(?![.,]\d)", gap=r",? ", score=0.7),
    announcement("BANK_ACCOUNT", "ACCOUNT", "ac no|ac number|ac #", r"ac (?:no\.?|number|#)", r"\d{9,18}", gap=r"(?: is)?[ :]{1,3}"),
    announcement(
        "BANK_ACCOUNT", "ACCOUNT", "checking|savings|chequing", r"(?:checking|savings|chequing)(?: account)?(?: (?:no\.?|number|#))?",
        r"\d(?:[ -]?\d){7,13}", gap=r"[ ]?:?[ \t]{1,16}", score=0.9,
    ),
    announcement("BANK_SORT_CODE", "ACCOUNT", "branch code", r"branch code", r"\d{3} ?\d{3}|\d{5}", gap=r"(?: is|:)?[ ]", score=0.9),
    announcement(
        "BANK_ACCOUNT", "ACCOUNT", "konta|konto|rachun", r"(?:(?:nr|numer\w{0,2}) )?(?:konta|konto|rachunek|rachunku)(?: bankow\w{1,3})?",
        r"\d{2}(?: ?\d{4}){6}", gap=r"[^\d\n]{0,16}?", score=0.95,
    ),
    announcement(
        "BANK_ACCOUNT", "ACCOUNT", "cuenta|ccc", r"(?:cuenta(?: (?:corriente|bancaria|de ahorro))?|(?-i:CCC))",
        r"\d{4}[ -]?\d{4}[ -]?\d{2}[ -]?\d{10}",
        gap=r"[^\d\n]{0,16}?", score=0.95,
    ),
    # ``the account with Midlands Mutual, number 41209987``
    announcement(
        "BANK_ACCOUNT", "ACCOUNT", "account", r"account\b", r"\d{8,12}",
        gap=r"[^\d\n;={}]{1,60}?(?:(?:number|no\.?|nr\.?|#)[ :]{0,3}(?:(?:is|was|ist) )?|(?:['’]s|one is|it is|with you is) )",
        score=0.6,
    ),
    announcement(
        "US_BANK_ROUTING", "ACCOUNT", "routing|rtn|aba|transit", r"(?:routing|(?-i:RTN)|aba|transit)(?:[ /_-]?(?:number|no|rtn|transit|aba|"
        r"#))?\.?", r"\d{9}|\d{5}(?:-\d{3})?",
        gap=r"[^\d\n]{0,24}?",
    ),
    announcement("DE_BLZ", "ACCOUNT", "blz|bankleitzahl", r"(?:blz|bankleitzahl)", r"\d{3} ?\d{3} ?\d{2}"),
    announcement("CA_TRANSIT", "ACCOUNT", "institution", r"institution", r"\d{3}-\d{5}-\d{5,12}"),
    announcement("CA_TRANSIT", "ACCOUNT", "institution", r"institution(?: (?:no\.?|number))?", r"\d{3}", gap=" ", score=0.6),
    announcement("IT_BANK", "ACCOUNT", "abi |cab |abi:|cab:", r"(?-i:ABI|CAB)", r"\d{5}", gap=r"[ :]{1,2}", score=0.9),
    announcement("FR_RIB", "ACCOUNT", "rib ", r"rib", r"\d{5} ?\d{5} ?[A-Z0-9]{11} ?\d{2}", score=0.95),
    announcement("AU_BSB", "ACCOUNT", "bsb", r"bsb", r"\d{3}[ -]?\d{3}"),
    announcement("IN_IFSC", "ACCOUNT", "ifsc", r"ifsc(?: code)?", r"[A-Z]{4}0[A-Z0-9]{6}"),
    announcement(
        "BIC", "ACCOUNT", "bic|swift", r"(?:bic|swift)(?: ?/ ?(?:bic|swift))?(?:[ -]?code)?",
        r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?",
        gap=r"[^\dA-Z\n]{0,16}?",
    ),
    announcement(
        "IBAN_CODE", "IBAN", "iban", r"iban", r"[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?", gap=FAR
    ),
)  # fmt: skip


_ACCOUNT_BESIDE = r"[ ,;/|]{1,3}(?:(?:account|acct|acc|a/c)\.?[ :#]{1,3})?(?P<account>\d{6,12})(?![\w-]|[.,]\d)"
_SORT_AND_ACCOUNT = re.compile(
    r"-(?:(?P<second>(?<=(?<![\w.,:/-])\d\d-)\d\d)-\d\d|(?<=(?<![\w.,:/-])\d{3}-)\d{3}(?= \d{6,9}\b))(?P<end>)"
    + _ACCOUNT_BESIDE
)
"""From the first dash on: ``re`` looks for a literal much faster than for a class."""
_SPACED_SORT_AND_ACCOUNT = re.compile(rf"(?<![\w.,:/-])(?P<sort>\d\d \d\d \d\d)(?= ?/){_ACCOUNT_BESIDE}")
_SORT_THEN_NUMBER = re.compile(
    r"(?<![\w.,:/-])\d\d-\d\d-\d\d[\"'],?\s{0,4}[\"']?(?i:no|acc(?:ount|t)?(?:_?n(?:o|um(?:ber)?))?|number)[\"']?\s?[:=]\s?[\"']"
    r"(?P<value>\d{6,10})[\"']"
)
"""``Sort: "60-83-71", No: "31926819"``"""
_BEFORE_BLZ = re.compile(r"\d(?<![\w.,:/#=+-]\d)(?: ?\d){5,11}(?=,? \(?BLZ\b)")
_AT_A_BANK = re.compile(
    r"\d(?<![\w.,:/#=+-]\d)\d{7,11}(?=[ ,][^\d\n]{0,60}?\b(?:[Bb]ank|[Rr]outing|[Cc]redit [Uu]nion|[Bb]uilding [Ss]ociety|"
    r"[Ss]avings|[Cc]hecking|[Ss]ort [Cc]ode)\b)"
)
_BANKS = Words(("sort code", "bank", "routing", "credit union", "building society", "savings", "checking"))
_IBAN = re.compile(
    r"([A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,6})((?:[ -]?[A-Z0-9]{4})?)((?:[ -]?[A-Z0-9]{1,3})?)(?![A-Z0-9])", re.ASCII
)
"""Presidio's pattern, from its first sign on."""
_IBAN_SCORES = {True: 1.0, None: 0.5, False: 0.0}
_NOT_WORD = re.compile(r"[ -]")
_AS_NUMBERS = str.maketrans({chr(ord("A") + number - 10): str(number) for number in range(10, 36)})
_GROUPED_IBAN = re.compile(r"\d(?<=(?<![A-Za-z0-9])[A-Z]{2}\d)\d(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?(?![A-Za-z0-9])")
"""From its first digit on."""
_COUNTRY = 2
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "BA": 20, "BE": 16, "BG": 22, "BR": 29, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18,
    "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "LI": 21,
    "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24,
    "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29, "XK": 20,
}  # fmt: skip
"""Characters of an IBAN by country (the SWIFT registry). Written in fours and of this length it counts though its check digits fail."""
_OF_BANKS = re.compile(
    r"(?i:iban|bic\b|swift|bank|konto|überweis|dauerauftrag|lastschrift|account|transfer|wire|\bpay|paid|refund|deposit|"
    r"payout|sepa|virement|compte|pr[ée]l[èe]vement|"
    r"bonifico|\bconto|cuenta|transferencia|rekening|overschrij|overma|filiale|branch|beneficiary|payee|empf[äa]nger)"
)
_NEARBY = 96
_BESIDE_IBAN = re.compile(
    r"[ ,;/(|\n]{1,4}(?:BIC|SWIFT)?[ :]{0,2}(?P<value>[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)(?![A-Za-z0-9])"
)


_BIC_SAID = re.compile(
    r"(?<![A-Za-z])(?:BIC|SWIFT)(?:[ /-]?(?:BIC|SWIFT|code|"
    r"Code))?[ \t]{0,2}[:=]?[ \t]{0,3}(?P<value>[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)(?![A-Za-z0-9])"
)


def bics(text: str) -> Iterator[Finding]:
    """Those that are announced: most have no digit, so that nothing else looks where they stand."""
    if "BIC" in text or "SWIFT" in text:
        for match in _BIC_SAID.finditer(text):
            yield Finding(*match.span("value"), "BIC", "ACCOUNT", 0.9)


class Payment:
    """The recognizers, built once from presidio's."""

    def __init__(self, presidio: Any) -> None:
        self._iban: Any = presidio.IbanRecognizer()
        self._crypto: Any = presidio.CryptoRecognizer()

    def find(self, text: str, lowered: Lowered) -> Iterator[Finding]:
        """In any order, and with overlaps."""
        yield from announced(text, lowered, ANNOUNCED)
        for start, end in lowered.numbers:
            if lowered.shape.count("0", start, end) >= _LEAST_CARD:
                yield from _cards(text, start, end)
        for match in _SORT_AND_ACCOUNT.finditer(text) if lowered.has_shape(("00-00-00", "000-000 0")) else ():
            digits_before = 2 if match["second"] else 3
            yield Finding(match.start() - digits_before, match.end("end"), "BANK_SORT_CODE", "ACCOUNT", 0.7)
            yield Finding(*match.span("account"), "BANK_ACCOUNT", "ACCOUNT", 0.7)
        for match in _SORT_THEN_NUMBER.finditer(text) if lowered.has_shape(("00-00-00",)) else ():
            yield Finding(*match.span("value"), "BANK_ACCOUNT", "ACCOUNT", 0.8)
        for match in _RIB.finditer(text) if lowered.has_shape(("00000 00000 ",)) else ():
            numbers = [int(match[part].translate(_LETTERS_OF_RIB)) for part in ("bank", "branch", "account", "key")]
            if "rib" in lowered or (89 * numbers[0] + 15 * numbers[1] + 3 * numbers[2] + numbers[3]) % 97 == 0:
                yield Finding(*match.span(), "BANK_ACCOUNT", "ACCOUNT", 0.9)
        for match in _SPACED_SORT_AND_ACCOUNT.finditer(text) if lowered.has_shape(("00 00 00 /", "00 00 00/")) else ():
            yield Finding(*match.span("sort"), "BANK_SORT_CODE", "ACCOUNT", 0.7)
            yield Finding(*match.span("account"), "BANK_ACCOUNT", "ACCOUNT", 0.7)
        if _BANKS.any_within(lowered):
            for match in _AT_A_BANK.finditer(text):
                yield Finding(*match.span(), "BANK_ACCOUNT", "ACCOUNT", 0.5)
        if lowered.has_shape(_IBAN_SHAPES):
            checked = list(self._iban_codes(text))
            for finding in (*checked, *_grouped_ibans(text, {(each.start, each.end) for each in checked if each.score == 1.0})):
                yield finding
                beside = _BESIDE_IBAN.match(text, finding.end)
                if beside is not None:
                    yield Finding(*beside.span("value"), "BIC", "ACCOUNT", 0.8)
        for match in _CRYPTO_START.finditer(text) if lowered.longest >= _LEAST_CRYPTO else ():
            if self._crypto.validate_result(match[0]):
                yield Finding(match.start(), match.end(), "CRYPTO", "CRYPTO", 1.0)
        for match in _CHECKED_ADDRESS.finditer(text) if lowered.longest >= _LEAST_CRYPTO else ():
            if base58check(match[0]):
                yield Finding(*match.span(), "CRYPTO", "CRYPTO", 1.0)
        if lowered.longest >= _LEAST_CRYPTO and _COINS.any_within(lowered):
            for match in _COIN.finditer(text):
                yield Finding(*match.span("value"), "CRYPTO", "CRYPTO", 0.85)
        for match in _BEFORE_BLZ.finditer(text) if "blz" in lowered else ():
            yield Finding(*match.span(), "BANK_ACCOUNT", "ACCOUNT", 0.9)
        for match in _CARDANO.finditer(text) if "addr1" in lowered else ():
            yield Finding(*match.span(), "CRYPTO", "CRYPTO", 1.0)
        if lowered.longest > _LONGEST_OF_ACCOUNT and "1" in text:
            for match in _BECH32.finditer(text):
                if not text[match.start() - 1 : match.start()].isalnum():
                    yield Finding(*match.span(), "CRYPTO", "CRYPTO", 0.9)
        if "0x" in text:
            for match in _ETHEREUM.finditer(text):
                # Letters of both sizes are its checksum (EIP-55): nothing else is written so.
                if not (match[0][2:].islower() or match[0][2:].isupper() or match[0][2:].isdecimal()) or _ETHEREUM_WORDS.search(
                    text, max(0, match.start() - 96), match.end() + 48
                ):
                    yield Finding(match.start(), match.end(), "CRYPTO", "CRYPTO", 0.9)

    def _iban_codes(self, text: str) -> Iterator[Finding]:
        for start in _IBAN_START.finditer(text):
            # 34 characters at most, in groups of four, and one beyond to see where it ends.
            begin = start.start() - 2
            window = text[begin : begin + 45]
            if not window.isascii():
                window = re.split(r"[^\x00-\x7f]", window, maxsplit=1)[0]
            window = window.upper()
            whole = _of_its_length(window)
            if whole and _is_checked(window[:whole]):
                yield Finding(begin, begin + whole, "IBAN_CODE", "IBAN", 1.0)
                continue
            match = _IBAN.match(window)
            if match is None:
                continue
            # Without what follows in capitals, which may look like one group more.
            for end in dict.fromkeys((match.end(3), match.end(2), match.end(1))):
                # Presidio's own check costs as much as all else here: only where the check digits fit.
                score = _IBAN_SCORES[self._iban.validate_result(match[0][:end])] if _is_checked(match[0][:end]) else 0.0
                if score:
                    yield Finding(begin, begin + end, "IBAN_CODE", "IBAN", score)
                    break


def _of_its_length(window: str) -> int:
    """Where the IBAN at the beginning ends that is as long as those of its country, in any grouping; 0 where there is none."""
    left = _IBAN_LENGTHS.get(window[:2], 0)
    for place, sign in enumerate(window):
        if not left:
            return 0 if sign.isalnum() else place
        if sign.isalnum():
            left -= 1
        elif sign not in " -" or not window[place - 1].isalnum():
            return 0
    return 0 if left else len(window)


def _is_checked(iban: str) -> bool:
    """ISO 7064, modulo 97."""
    compact = _NOT_WORD.sub("", iban)
    return int((compact[4:] + compact[:4]).translate(_AS_NUMBERS)) % 97 == 1


def _grouped_ibans(text: str, checked: set[tuple[int, int]]) -> Iterator[Finding]:
    """Those of which the check digits do not fit, but a word says so."""
    for match in _GROUPED_IBAN.finditer(text):
        start = match.start() - _COUNTRY
        length = _IBAN_LENGTHS.get(text[start : match.start()], 0)
        groups = text[start : match.end()].split(" ")
        # What follows in capitals may look like one group more.
        while len(groups) > 2 and sum(map(len, groups)) > length:
            groups.pop()
        end = start + len(" ".join(groups))
        if (
            sum(map(len, groups)) == length
            and (start, end) not in checked
            and _OF_BANKS.search(text, max(0, start - _NEARBY), match.end() + _NEARBY // 2) is not None
        ):
            yield Finding(start, end, "IBAN_CODE", "IBAN", 0.7)


_FRACTION = re.compile(r"\d+\.\d+")


def _cards(text: str, first: int, last: int) -> Iterator[Finding]:
    """Twelve to nineteen digits in any grouping, of an issuer's range, whose Luhn digit fits; all between ``first`` and ``last``."""
    for window in _CARD_START.finditer(text, first, last):
        start, end = window.start(), window.end(1)
        if text[end : end + 1].isalnum():
            # The window ends within a number or a word: back to the last whole group.
            end = start + len(_LAST_GROUP.sub("", text[start:end]))
        shown = text[start:end]
        while shown:
            number = shown.translate(_NO_SEPARATORS)
            if len(number) < 12:
                break
            if (
                _ISSUERS.fullmatch(number)
                and luhn(number)
                and _grouped(shown)
                and not (len(number) < 14 and _GROUP_BEFORE.search(text, max(0, start - 3), start))
            ):
                if (
                    not _DEVICE.search(text, max(0, start - 32), start)
                    and _FRACTION.fullmatch(shown) is None
                    and text[max(0, start - 2) : start].rstrip("-")[-1:] != "_"
                ):
                    yield Finding(start, start + len(shown), "CREDIT_CARD", "CARD", 1.0)
                    code = _CODE_OF_CARD.match(text, start + len(shown))
                    if code is not None:
                        yield Finding(*code.span("value"), "CREDENTIAL", "SECRET", 0.6)
                break
            shorter = _LAST_GROUP.sub("", shown)
            shown = shorter if shorter != shown else ""


def _grouped(shown: str) -> bool:
    """Whether the digits stand as on a card: in one piece, or in groups of which all but the last have four to six."""
    groups = [len(group) for group in _GROUPS.findall(shown)]
    # Twelve and thirteen digits in one piece are also times in milliseconds and ids: Maestro and old Visa come grouped or announced.
    return (len(groups) > 1 and all(4 <= length <= 6 for length in groups[:-1])) or (len(groups) == 1 and groups[0] > 13)


__all__ = ["ANNOUNCED", "Payment", "bics"]
