"""Records of people in formats that say by place what a field is: vCard, iCalendar, LDIF, HL7, GEDCOM, ``/etc/passwd`` and the zone of a
passport that machines read.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding

_VCARD = re.compile(
    r"^(?:item\d{1,2}\.)?(?P<field>N|FN|NICKNAME|ORG|ADR|BDAY|TEL|TITLE)(?:;[^:\n]{0,120})?:(?P<value>[^\n\r]{1,300})",
    re.MULTILINE,
)
_PLACES = {
    "N": ("PERSON", "PERSON", "PERSON", "TITLE"),
    "FN": ("PERSON",),
    "NICKNAME": ("PERSON",),
    "ORG": ("ORG",),
    "ADR": ("ADDRESS", "ADDRESS", "ADDRESS", "LOCATION", "LOCATION", "POSTCODE", "LOCATION"),
    "BDAY": ("DOB",),
    "TEL": ("PHONE",),
}
"""What the parts of a field of a vCard are (RFC 6350, 6.2 and 6.3)."""
_CALENDAR = re.compile(r"^(?:ATTENDEE|ORGANIZER)[^:\n]{0,160}?;CN=\"?(?P<value>[^\n\";:@]{2,60})", re.MULTILINE)
_LDIF = re.compile(
    r"^(?:(?P<person>cn|sn|givenName|displayName|gecos|initials)|(?P<user>uid|sAMAccountName)|(?P<street>street|postalAddress|"
    r"homePostalAddress)): "
    r"(?P<value>[^\n\r$]{2,80})",
    re.MULTILINE,
)
_HL7 = re.compile(r"^(?P<segment>PID|NK1|GT1|IN1|PV1|OBR|ORC)\|(?P<fields>[^\n\r]{8,1000})", re.MULTILINE)
_HL7_FIELDS = {
    ("PID", 3): ("ID",), ("PID", 5): ("PERSON",) * 3, ("PID", 6): ("PERSON",) * 3, ("PID", 7): ("DOB",), ("PID", 9): ("PERSON",) * 3,
    ("PID", 11): ("ADDRESS", "ADDRESS", "LOCATION", "LOCATION", "POSTCODE"), ("PID", 13): ("PHONE",), ("PID", 14): ("PHONE",),
    ("PID", 18): ("ID",), ("PID", 19): ("SSN",), ("PID", 20): ("ID",), ("NK1", 2): ("PERSON",) * 3, ("NK1", 5): ("PHONE",),
    ("NK1", 4): ("ADDRESS", "ADDRESS", "LOCATION", "LOCATION", "POSTCODE"), ("GT1", 3): ("PERSON",) * 3, ("IN1", 16): ("PERSON",) * 3,
    ("IN1", 36): ("ID",), **{("PV1", place): ("ATTENDING",) * 3 for place in (7, 8, 9, 17)}, ("OBR", 16): ("ATTENDING",) * 3,
    ("ORC", 12): ("ATTENDING",) * 3,
}  # fmt: skip
"""``ATTENDING``: a person, whose number may stand first.

What the components of a field are, by segment and place (HL7 v2.5.1, chapters 3 and 6)."""
_CHAT = re.compile(
    r"^\u200e?(?:\[\d{1,2}[./]\d{1,2}[./]\d{2,4},? \d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp]\.?[Mm]\.?)?\]|"
    r"\d{1,2}[./]\d{1,2}[./]\d{2,4},? \d{1,2}:\d{2}(?: ?[AaPp]\.?[Mm]\.?)? -) "
    r"(?P<value>[A-ZÀ-Þ][^\W\d_]+(?: [A-ZÀ-Þ][^\W\d_]*\.?){0,3}): ",
    re.MULTILINE,
)
"""Who says a line of an exported chat."""
_GEDCOM = re.compile(r"^\s{0,4}\d{1,2} (?:NAME|GIVN|SURN) (?P<value>[^\n\r/]{0,60}(?:/[^\n\r/]{1,40}/)?)", re.MULTILINE)
_PASSWD = re.compile(
    r"^(?P<user>[a-z_][\w.-]{0,31}):[^:\n]{0,120}:\d{1,7}:\d{1,7}:(?P<person>[A-ZÀ-Þ][^:,\n]{2,48} [^:,\n]{2,48})[^:\n]{0,60}:/",
    re.MULTILINE,
)
_MACHINE_ZONE = re.compile(
    r"^[ \t]{0,4}(?P<name>[PIACV][A-Z<][A-Z]{3}(?=[A-Z<]{5,39}$)(?=\S*<<)[A-Z<]{25,39})$|"
    r"^[ \t]{0,4}(?P<number>(?=\S*<)(?=(?:[^\d\n]*\d){8})[A-Z0-9<]{30,44})$",
    re.MULTILINE,
)
"""ICAO 9303: two lines of 44 or 36, or three of 30."""
_ENTITIES = {
    "PERSON": "PERSON", "TITLE": "TITLE", "ORG": "ORGANIZATION", "ADDRESS": "STREET_ADDRESS", "LOCATION": "LOCATION", "POSTCODE": "POSTCODE",
    "DOB": "DATE_OF_BIRTH", "PHONE": "PHONE_NUMBER", "ID": "MEDICAL_RECORD", "SSN": "US_SSN", "USERNAME": "USERNAME",
}  # fmt: skip
_SCORE = 0.85


def formats(text: str) -> Iterator[Finding]:
    """In any order."""
    if "BEGIN:VCARD" in text or "ADR;" in text or "ADR:;" in text:
        for match in _VCARD.finditer(text):
            yield from _parts(match["value"], match.start("value"), ";", _PLACES.get(match["field"], ()))
    if ";CN=" in text:
        for match in _CALENDAR.finditer(text):
            yield _found(match, "value", "PERSON")
    if "] " in text or " - " in text:
        for match in _CHAT.finditer(text):
            yield _found(match, "value", "PERSON")
    if "dn: " in text:
        for match in _LDIF.finditer(text):
            yield _found(match, "value", "PERSON" if match["person"] else "USERNAME" if match["user"] else "ADDRESS")
    if "PID|" in text or "PV1|" in text or "OBR|" in text:
        for match in _HL7.finditer(text):
            at = match.start("fields")
            for place, field in enumerate(match["fields"].split("|"), 1):
                yield from _parts(field, at, "^", _HL7_FIELDS.get((match["segment"], place), ()))
                at += len(field) + 1
    if " NAME " in text and " INDI" in text:
        for match in _GEDCOM.finditer(text):
            yield _found(match, "value", "PERSON")
    if ":/" in text:
        for match in _PASSWD.finditer(text):
            yield _found(match, "user", "USERNAME")
            yield _found(match, "person", "PERSON")
    if "<<" in text:
        for match in _MACHINE_ZONE.finditer(text):
            yield _found(match, str(match.lastgroup), "PERSON" if match["name"] else "ID")


def _found(match: re.Match[str], group: str, stem: str) -> Finding:
    return Finding(*match.span(group), _ENTITIES[stem], stem, _SCORE)


def _parts(value: str, start: int, between: str, stems: tuple[str, ...]) -> Iterator[Finding]:
    for part, stem in zip(value.split(between), stems, strict=False):
        kept = part.strip()
        # One letter is a sex or a kind of address.
        if len(kept) > 1 and (stem != "ATTENDING" or not any(map(str.isdigit, kept))):
            stem = "PERSON" if stem == "ATTENDING" else stem
            begin = start + part.index(kept)
            yield Finding(begin, begin + len(kept), _ENTITIES[stem], stem, _SCORE)
        start += len(part) + 1


__all__ = ["formats"]
