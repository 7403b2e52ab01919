"""Who is put into a role, paid, or told the right name of, and whose a device is: ``add … as a beneficiary``,
``the name is wrong, change it to …``, ``Annas-iPhone``.

What a form or a request leaves room for is somebody's name, in whatever language the name is.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

_NAME = (
    r"(?!(?:Sie|Herrn?|Frau|Mrs?|Ms|Dr|M|Mme|Sra?|Signora?)\b)"
    r"(?P<value>[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]{1,30}(?: (?:de|del|della|di|da|dos|van|von|der|den|la|le|el|al|bin|[A-ZÀ-ÖØ-ÞĀ-Ž]\.?|"
    r"[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]{1,30})){1,4})"
)
_ROLE = (
    r"(?:beneficiar(?:y|ies)|payee|signator(?:y|ies)|co-?signer|guarantor|dependents?|executor|trustee|guardian|nominee|proxy|next of kin|"
    r"emergency contact|(?:account|card|policy) ?holder|co-?owner|"
    r"(?:authori[sz]ed|additional|second|named) (?:user|person|driver|signer|contact|card ?holder)|"
    r"spouse|passenger|attorney|delegate|begünstigte\w?|bevollmächtigte\w?|kontoinhaber\w*|bezugsberechtigte\w?|mitinhaber\w*|bénéficiaire|mandataire|titulaire|cotitulaire|"
    r"beneficiari[oa]|titular|autorizad[oa]|apoderad[oa]|intestatari[oa]|cointestatari[oa]|delegat[oa]|begunstigde|gemachtigde|medehouder)"
)
_NAME_BEFORE = re.compile(rf"(?<![\w-]){_NAME}$")
_LONGEST_NAME = 120
_APPOINTED = re.compile(
    rf" (?:as|als|comme|como|come) (?:(?:an?|the|my|our|his|her|joint|sole|primary|secondary|second|new|contingent|"
    rf"legal|meine?n?|weiteren?|zweiten?|mon|ma|un|une|mi|il|la|mio|mia|mijn|tweede) ){{0,3}}(?i:{_ROLE})"
    r"(?=[.,;:!?)\n]|$| (?:to|on|for|of|in|with|at|and|please|instead|ein|zu|für|auf|à|sur|de|en|a|al|su|voor|op|aan|in)\b)"
)
_APPOINTED_WORDS = Words(
    (
        "benef", "payee", "signator", "signer", "guarantor", "dependent", "executor", "trustee", "guardian", "nominee", "proxy", "next of kin",
        "emergency contact", "holder", "owner", "user", "person", "driver", "contact", "spouse", "passenger", "attorney", "delegate",
        "begünstigte", "bevollmächtigte", "inhaber", "bezugsberechtigte", "bénéf", "mandataire", "titular", "titulaire", "autorizad",
        "apoderad", "intestatari", "delegat", "begunstigde", "gemachtigde", "medehouder",
    )
)  # fmt: skip
_AS_WORDS = Words((" as ", " als ", " comme ", " como ", " come "))
_RENAMED = re.compile(
    r"(?<![^\W_])(?:[Nn]ame|[Ss]urname|[Nn]om|[Nn]ombre|[Nn]ome|[Nn]aam|[Nn]achname|[Cc]ognome|[Aa]pellidos?)\b(?! (?:of|for) (?:the )?"
    r"(?:file|branch|repo|table|field|column|package|module|class|function|variable|project|company|product|server|host))"
    r"[^\n!?]{0,90}?\b(?:[Cc]hange|[Cc]orrect|[Uu]pdate|[Aa]mend|[Ff]ix|spelt|spelled|read|[Ää]ndern|[Cc]orrig\w+|[Mm]odifi\w+|[Cc][aá]mbi\w+|[Ww]ijzig\w*)"
    rf"(?: (?:it|that|this|them))?(?: (?:back|please))?(?: (?:to|as|in|auf|en|por|a|con|naar)) {_NAME}"
)
_NAME_WORDS = Words(("name", "nom ", "nombre", "nome ", "naam", "apellido"))
_RENAMED_WORDS = Words(
    f"{verb}{what} {link} "
    for verb in ("change", "changed", "correct", "corrected", "update", "updated", "amend", "fix", "spelt", "spelled", "read")
    for what in ("", " it", " that", " this", " please", " it please", " it back")
    for link in ("to", "as")
)
_MORE_RENAMED_WORDS = Words(
    ("ändern", "corrige", "modifier ", "modifiez", "modificar", "modificare", "cámbi", "cambiar", "cambi", "wijzig")
)
_PAID = re.compile(r"[oOmM] (?P<value>[A-Z]{1,2} (?!\d)[A-Z][A-Za-zÀ-ž'’-]{2,24})(?![\w'’-])")
_PAYMENT_BEFORE = re.compile(
    r"(?<![^\W_])(?:[Ss]tanding [Oo]rder|[Tt]ransfer|[Pp]ayment|[Pp]aid|[Cc]heque|STANDING ORDER|TRANSFER|PAYMENT) (?:to|from|TO|FROM)$"
)
_LONGEST_PAYMENT = 24
"""As on statements of accounts: ``Standing order to M Oyelaran``."""
_PAID_WORDS = Words(f"{what} {link} " for what in ("order", "transfer", "payment", "paid", "cheque") for link in ("to", "from"))
_DEVICE_OF = re.compile(
    r"(?<![\w.@/-])(?P<value>[A-ZÀ-Þ][a-zà-ÿ]{2,20}?)(?:['’]?s)?[- ](?:MacBook|iPhone|iPad|iMac|MBP|"
    r"Laptop|Galaxy|Pixel|Apple-?Watch|AirPods)(?![a-z])"
)
"""What people's devices call themselves: ``Annas-iPhone``."""
_DEVICE_WORDS = Words(
    f"{sign}{device}"
    for sign in ("-", " ")
    for device in ("macbook", "iphone", "ipad", "imac", "mbp", "laptop", "galaxy", "pixel", "apple", "airpods")
)
_NO_OWNERS = frozenset(
    ("The", "New", "Old", "Your", "Our", "This", "That", "Apple", "Samsung", "Google", "Company", "Office", "Work", "Home", "Test", "Guest",
    "Dell", "Lenovo", "Spare", "Loaner", "Any")
)  # fmt: skip
_NOBODY = re.compile(r"(?:The|This|That|My|Our|Your|New|Old|Please|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b")


def appointed(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    if _AS_WORDS.any_within(lowered) and _APPOINTED_WORDS.any_within(lowered):
        for role in _APPOINTED.finditer(text):
            name = _NAME_BEFORE.search(text, max(0, role.start() - _LONGEST_NAME), role.start())
            if name is not None and _NOBODY.match(name["value"]) is None:
                yield Finding(*name.span("value"), "PERSON", "PERSON", 0.6)
    if _PAID_WORDS.any_within(lowered):
        for match in _PAID.finditer(text):
            link = match.start() + 1
            if _PAYMENT_BEFORE.search(text, max(0, link - _LONGEST_PAYMENT), link) is not None:
                yield Finding(*match.span("value"), "PERSON", "PERSON", 0.6)
    if _DEVICE_WORDS.any_within(lowered):
        for match in _DEVICE_OF.finditer(text):
            owned = text[match.end("value") : match.end("value") + 2].strip("'’").startswith("s")
            if (owned or text[match.end("value")] == "-") and match["value"] not in _NO_OWNERS:
                yield Finding(*match.span("value"), "PERSON", "PERSON", 0.6)
    if _NAME_WORDS.any_within(lowered) and (_RENAMED_WORDS.any_within(lowered) or _MORE_RENAMED_WORDS.any_within(lowered)):
        for match in _RENAMED.finditer(text):
            if _NOBODY.match(match["value"]) is None:
                yield Finding(*match.span("value"), "PERSON", "PERSON", 0.6)


__all__ = ["appointed"]
