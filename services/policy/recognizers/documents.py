"""Numbers of documents that their own shape tells, or what the text is about: ``G5760-10022-40517`` of Ontario, ``HK685826`` of a passport."""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words, holds_any

_ALONE = r"(?<![A-Za-z0-9.-])"
_END = r"(?![A-Za-z0-9]|[-.]\w)"
_SHAPED: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    # A letter of the family name and fourteen digits (Ontario), as its licences are written; Quebec's are shorter.
    (
        ("A0000-00000-00000", "A0000 00000 00000"),
        re.compile(rf"{_ALONE}[A-Z]\d{{4}}([- ])\d{{5}}\1\d{{5}}{_END}"),
        "DRIVER_LICENSE",
    ),
    (
        ("A0000-000000-00", "A0000 000000 00"),
        re.compile(rf"{_ALONE}[A-Z]\d{{4}}([- ])\d{{6}}\1\d{{2}}{_END}"),
        "DRIVER_LICENSE",
    ),
    # Florida, Illinois, Maryland, Michigan and others after the Soundex of the name.
    (("A000-000-00-000-0",), re.compile(rf"{_ALONE}[A-Z]\d{{3}}-\d{{3}}-\d{{2}}-\d{{3}}-\d{_END}"), "DRIVER_LICENSE"),
    (("A000-0000-0000",), re.compile(rf"{_ALONE}[A-Z]\d{{3}}-\d{{4}}-\d{{4}}{_END}"), "DRIVER_LICENSE"),
    # A NINO in other groups.
    (
        ("AA 000000 A",),
        re.compile(rf"{_ALONE}(?!BG|GB|NK|KN|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d{{6}} [A-D]{_END}"),
        "UK_NINO",
    ),
    # Italy's electronic card.
    (("AA00000AA",), re.compile(rf"{_ALONE}C[A-Z]\d{{5}}[A-Z]{{2}}{_END}"), "IT_ID_CARD"),
    (("000 - 00 - 0000",), re.compile(rf"{_ALONE}(?!000|666|9)\d{{3}} - \d{{2}} - \d{{4}}{_END}"), "US_SSN"),
)
"""What a text must hold of the shape, the pattern, and whose it is."""
_TRAVEL = re.compile(
    r"(?<![^\W\d_])(?:passports?|passeports?|pasaportes?|passaport[oi]|reisep[aä]ss\w*|pässe|paspoort(?:en)?|visa|visum|esta|apis|"
    r"booklet|travel doc(?:ument)?s?|"
    r"travel(?:l?ing|led) on|pax|pasajer[ao]|viaja con|need docs)(?![^\W\d_])",
    re.IGNORECASE,
)
_OF_PASSPORT = re.compile(
    rf"{_ALONE}(?P<value>[A-Z]{{1,2}}\d{{7}}|[A-Z]{{2}}\d{{6}}|[A-Z]{{3}}\d{{6}}|[A-Z]\d{{8}}|(?=(?:[A-Z]*\d){{3}})(?=(?:\d*[A-Z]){{2}})[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{{8}}|"
    rf"(?<!- )\d{{9}}){_END}"
)
_OTHERS = re.compile(
    r"(?:ref(?:erence)?|booking|buchung|reserva(?:ción)?|prenotazione|pnr|flight|receipt|invoice|file|order|case|ticket|serial|uci|"
    r"member|client|no\. of|domanda|request)"
    r"[ .:#/(]{0,3}(?:is |no\.? |id |number |è (?:la )?|es )?$",
    re.IGNORECASE,
)
_FAR = 160

_TRAVEL_WORDS = Words((
    "passport", "passeport", "pasaporte", "passaporto", "reisep", "pässe", "paspoort", "visa", "visum", "esta", "apis", "booklet", "travel doc",
    "travelling on", "traveling on", "travelled on", "traveled on", " pax ", "pasajer", "viaja con", "need docs",
))  # fmt: skip


def documents(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    for shapes, pattern, entity in _SHAPED:
        if holds_any(lowered.shape, shapes):
            for match in pattern.finditer(text):
                yield Finding(*match.span(), entity, "SSN" if entity == "US_SSN" else "ID", 0.7)
    if _TRAVEL_WORDS.any_within(lowered):
        for match in _OF_PASSPORT.finditer(text):
            start = match.start()
            if (
                _OTHERS.search(text, max(0, start - 24), start) is None
                and _TRAVEL.search(text, max(0, start - _FAR), start) is not None
            ):
                yield Finding(*match.span(), "PASSPORT", "ID", 0.5)


__all__ = ["documents"]
