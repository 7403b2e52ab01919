"""Quoted data under a key that only records of people have: ``"lastName": "Okafor"``, ``city: 'Leeds'``, ``<firstName>Ann</firstName>``.

What is in quotes or between tags is data, whatever code stands around it; keys that other records have too (``name``, ``title``) do not count.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

_KEYS = (
    ("PERSON", "PERSON", r"(?:first|last|given|family|middle|maiden|full|legal|real|birth|nick|customer|patient|employee|contact|"
    r"holder|cardholder|account_?holder|recipient|sender|passenger|guest|student|teacher|driver|owner|manager|author|payee|tenant)_?name|"
    r"surname|forename|cardholder|vorname|nachname|pr[ée]nom|cognome|apellidos?|achternaam|voornaam"),
    ("LOCATION", "LOCATION", r"city|town|hometown|birth_?place|place_?of_?birth|"
    r"(?:billing|shipping|home|mailing)_?city|city_?name|ort|stadt|ville|citt[àa]|"
    r"ciudad|woonplaats|county|province|country_?name"),
    ("STREET_ADDRESS", "ADDRESS", r"street(?:_?(?:address|name|line_?[12]?))?|"
    r"address_?(?:line)?_?[12]?|line_?[12]|(?:billing|shipping|home|mailing)_?address"),
    ("STREET_NAME", "ADDRESS", r"(?:street_?)?address_?line_?[12]?|street_?address"),
    ("ORGANIZATION", "ORG", r"employer(?:_?name)?|company_?name|organi[sz]ation_?name|workplace"),
)  # fmt: skip
_VALUES = {
    "PERSON": r"(?=[^\W\d_])[^\d\"'<>{}\[\]$%@:;=_/\\()]{2,60}",
    "LOCATION": r"(?=[^\W\d_])[^\d\"'<>{}\[\]$%@:;=_/\\]{2,48}",
    "STREET_ADDRESS": r"(?=[^\"<>{}\n]{0,60}(?:\d|[a-z] (?:Street|Road|Avenue|Lane|Drive|Court|Close|Way|Terrace|Boulevard|"
    r"Square)\b))(?=[^\"<>{}\n]{0,60}[^\W\d_]{3})[^\"<>{}\[\]$@=\n]{5,90}?",
    "STREET_NAME": r"[A-ZÀ-Þ][\w'’-]{1,24}(?: [A-ZÀ-Þ][\w'’-]{0,24}| (?:na|an|de|la|le|of|the|du|van|der|den)){1,4}",
    "ORGANIZATION": r"(?=[A-ZÀ-Þ\d])[^\"<>{}\[\]$@=\n]{2,60}?",
}
_NAMED = re.compile(r"(?<!\w)(?P<name>\w{3,}+)(?:[\"']\s{0,4}:|\s{0,24}=>|\s{0,24}[:=])\s{0,4}[\"'`]")
"""Whatever has a quoted value, which ``_QUOTED_VALUE`` finds sooner. Its name is looked at alone, for to try all keys
at each word of a text takes ten times as long."""
_QUOTED_VALUE = re.compile(r"[:=>]\s{0,4}[\"'`]")
_QUOTED = tuple(
    (
        entity,
        stem,
        re.compile(rf"(?<![^\W_])(?i:{keys})\Z"),
        re.compile(rf"(?P<open>[\"'`])(?P<value>{_VALUES[entity]})(?P=open)"),
    )
    for entity, stem, keys in _KEYS
)
_TAGGED = tuple(
    (entity, stem, re.compile(rf"<(?:\w{{1,16}}:)?(?i:{keys})(?: [^<>]{{0,120}})?>\s{{0,4}}(?P<value>{_VALUES[entity]})\s{{0,4}}</"))
    for entity, stem, keys in _KEYS
)  # fmt: skip
_WORDS = Words((
    "name", "holder", "vorname", "nachname", "nom", "apellido", "naam", "city", "town", "place", "ort", "stadt", "ville", "citt",
    "ciudad", "plaats", "licen", "passport", "identity", "county", "province", "street", "address", "line", "employer", "company", "organi",
))  # fmt: skip
_FORM_WORDS = Words(("name", "naam", "nom", "apellido"))
_FORM = re.compile(
    r"(?:^|[ \t]{2}|[|;,][ \t]?)(?:[*•-] )?(?i:(?:legal |applicant'?s? |patient'?s? |customer'?s? )?(?:last|first|middle|"
    r"family|given|maiden|full|sur|fore)[ -]?names?(?:\(s\))?|"
    r"vorname|nachname|familienname|geburtsname|nom(?: de famille)?|pr[ée]noms?|cognome|nome|apellidos?|nombre|achternaam|voornaam)"
    r"[ \t]{0,3}(?:[:=][ \t]{0,12}|[ \t])(?P<value>[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’.-]{1,30}(?: [A-ZÀ-ÖØ-ÞĀ-Ž][\w'’.-]{0,30}| (?:de|del|"
    r"della|van|von|der|den|da|la|le|el|al|bin)){0,4})"
    r"(?=[ \t]*(?:$|[;,|/<(]|[ \t]{2}))",
    re.MULTILINE,
)
"""A line of a form: ``Surname: Ball``."""
_UNQUOTED = re.compile(
    rf"(?<![\w.])(?:{_KEYS[0][2]})=(?P<value>[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]{{1,30}}(?: (?!\w{{1,24}}=)[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’.-]{{0,30}}){{0,3}})"
    r"(?=[ \t]*(?:$|[;,|&)\]]|[ ]\w{1,24}=))",
    re.MULTILINE,
)
"""Of a log: ``customer_name=Ann Lee order=88213``."""
_TOWN_OF_LOG = re.compile(
    r"(?<![\w.])(?:city|town)=(?P<value>[A-ZÀ-Þ][^\W\d_]{2,24})(?=[ ]\w{1,24}=|[ \t]*$|[;,|&])", re.MULTILINE
)
_NESTED = re.compile(
    r"[\"'](?:(?:drivers?_?)?licen[cs]e|passport|id_?(?:card|document)|national_?id|identity(?:_?document)?)[\"']\s?:\s?\{\s{0,12}"
    r"(?:[\"']\w{1,24}[\"']\s?:\s?[\"'][^\"'\n]{0,40}[\"'],\s{1,12}){0,3}[\"'](?:number|no|num|value)[\"']\s?:\s?"
    r"[\"'](?P<value>(?=[^\"']{0,12}\d)[A-Za-z0-9][A-Za-z0-9 -]{4,20})[\"']",
    re.IGNORECASE,
)
"""``"license": {"number": "K01-48-2207", …}``"""
_NESTED_WORDS = Words(("licen", "passport", "id_", 'id"', "id'", "idcard", "iddoc", "identity"))
_NO_VALUES = frozenset(
    (
        "string", "str", "text", "varchar", "char", "name", "surname", "city", "town", "null", "none", "true", "false", "undefined", "unknown",
        "required", "optional", "asc", "desc", "label", "first name", "last name", "full name", "given name", "family name", "your name",
        "first", "last", "street address", "not null", "company name", "street",
    )
)  # fmt: skip


def keyed(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    if not _WORDS.any_within(lowered):
        return
    for match in _FORM.finditer(text) if _FORM_WORDS.any_within(lowered) else ():
        if match["value"].lower() not in _NO_VALUES:
            yield Finding(*match.span("value"), "PERSON", "PERSON", 0.7)
    if "name=" in lowered:
        for match in _UNQUOTED.finditer(text):
            if match["value"].lower() not in _NO_VALUES:
                yield Finding(*match.span("value"), "PERSON", "PERSON", 0.7)
    if "city=" in lowered or "town=" in lowered:
        for match in _TOWN_OF_LOG.finditer(text):
            yield Finding(*match.span("value"), "LOCATION", "LOCATION", 0.7)
    for named in _NAMED.finditer(text) if _QUOTED_VALUE.search(text) is not None else ():
        for entity, stem, key, quoted in _QUOTED:
            match = quoted.match(text, named.end() - 1) if key.search(named["name"]) is not None else None
            if match is not None:
                yield from _told(match, entity, stem)
    if ": {" in text or ":{" in text:
        for match in _NESTED.finditer(text) if _NESTED_WORDS.any_within(lowered) else ():
            yield Finding(*match.span("value"), "IDENTITY_DOCUMENT", "ID", 0.7)
    for entity, stem, tagged in _TAGGED if "</" in text else ():
        for match in tagged.finditer(text):
            yield from _told(match, entity, stem)


def _told(match: re.Match[str], entity: str, stem: str) -> Iterator[Finding]:
    value = match["value"].strip()
    if value.lower() not in _NO_VALUES:
        start = match.start("value") + len(match["value"]) - len(match["value"].lstrip())
        yield Finding(start, start + len(value), entity, stem, 0.85)


__all__ = ["keyed"]
