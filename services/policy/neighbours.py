"""What a name or a place says of what stands right beside it: the postcode of a town, a person's day of birth in a row of a table.

A row without a head has only its neighbours to tell by: ``9|Okafor, Ada|1984-02-05|Sweetwater|TN|37874``.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from services.policy.findings import Finding

_SCORE = 0.5
_SEEN = 400
"""Characters of a row to either side."""
_LONGEST_ROW = 48
"""Characters between a name and the day that is looked for."""
_CODE_AFTER = re.compile(
    r"(?: [A-Z](?= ))?,? (?P<code>(?!(?:19|20)\d\d(?!-))(?:\d{3} \d{2,3}|\d{2}-\d{3}|\d{4}-\d{3}|\d{4,6}))(?=[.;!?)]?(?:\s*\n|\s*$)|[.,;!?)] |"
    r" (?:in|and|is|for|to|or|but|where|as|und|et|y|e|en)\b)"
)
"""Of a town, right after it: no year, and no number of anything."""
_CELL = r"[\"'’]?[ \t]{0,24}[,;|\t][ \t]{0,4}[\"']?"
"""The end of a cell and the beginning of the next."""
_CODE_CELL = re.compile(
    rf"{_CELL}(?:[A-Z]{{2,3}}{_CELL})?(?P<code>\d{{5}}(?:-\d{{4}})?|(?!(?:19|20)\d\d)\d{{4}})(?=[\"']?[ \t]*[,;|\t)\n])"
)
"""In the next cell of a row, or the one after the state's. In a sentence a comma stands there too, and no sign of a cell after it."""
_CODE_BEFORE = re.compile(rf"(?:(?<=[,;|\t\"'])|(?<=[,;|\t] ))(?P<code>(?!(?:19|20)\d\d(?!\d))\d{{4,5}})(?:{_CELL}| )$")
_LONGEST_CODE = 32
_SIGN = re.compile(r"[A-Za-z0-9]")
_CODE = re.compile(r"[A-Za-z0-9]{2,8}(?:-[A-Za-z0-9]{2,8}){1,5}")
_NEXT_CODE = re.compile(
    rf"(?:[ ]?[,;/|]?[ ]{{1,4}}|[ ]{{0,4}}\n[ \t]{{0,8}}(?:[-*•]|\d\d?[.)])?[ ]{{0,4}})(?P<code>{_CODE.pattern})(?![\w-])"
)
_YEAR = r"(?:19\d\d|20[01]\d)"
_DAY = (
    rf"(?:{_YEAR}-[01]\d-[0-3]\d|{_YEAR}/[01]\d/[0-3]\d|[0-3]?\d[./-][01]?\d[./-]{_YEAR}|[01]?\d/[0-3]?\d/{_YEAR}|"
    rf"\d{{1,2}}[- ](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{{0,6}}[- ](?:{_YEAR}|\d\d))"
)
_DAY_CELL = re.compile(rf"{_CELL}(?:[A-Z]{_CELL})?(?P<day>{_DAY})(?=[\"']?[ \t]*[,;|\t)])", re.IGNORECASE)
"""In the cell after a name's, or after a sex or an initial."""
_DAY_COLUMN = re.compile(rf"[ ]{{2,24}}(?P<day>{_DAY})(?=[ ]{{2}}|[ ]*\n)", re.IGNORECASE)
_DAY_SAID = re.compile(
    rf", (?P<day>[0-3]?\d[./][01]?\d[./](?:19\d\d|200\d)|\d{{1,2}}-[A-Z][a-z]{{2}}-(?:19\d\d|200\d))(?=, [a-zà-ÿ]|\)|"
    rf", (?:[A-Z][a-z]{{0,3}}[ -])?\d)|"
    rf" \((?P<within>{_DAY}|\d{{1,2}}[A-Za-z]{{3}}\d\d)\)|,? (?P<short>\d{{2}}(?:[A-Z]{{3}}|[A-Z][a-z]{{2}})\d{{2}})(?!\w)"
)
"""``Teixeira, Rui, 17.08.1989, maçon``, ``Jaydon Hallam (22.10.2003)``, ``Salma 02AUG93``. Under a signature a line ends after a date."""
_RELATED = re.compile(
    r",? (?:spouse|wife|husband|partner|son|daughter|child|dependent|mother|father|brother|sister|ehefrau|ehemann|sohn|tochter|époux|épouse|"
    rf"conjointe?|fils|fille|marido|mujer|hij[oa]|moglie|marito|figli[oa]|zoon|dochter)(?: \(?[a-z]{{2,12}}\)?)?,? \(?(?P<day>{_DAY})(?!\w)",
    re.IGNORECASE,
)
"""``Ignatius Reyes, spouse, 10/30/1989``."""
_ACCOUNT_OF = re.compile(r" [(\[](?P<value>@?[a-z][a-z0-9._-]{3,30})[)\]]")
_NAME_PARTS = re.compile(r"[\W\d_]+")
_LEAST_SHARED, _LONGEST_SHARED = 4, 6
"""``Radoslav Dimitrov (dimitrovr)``: letters that the account's name has of the person's."""
_WHOSE_ADDRESS = re.compile(
    r"(?<![\w.@/-])(?P<first>[A-ZÀ-Þ][\w'’-]{1,24})(?: (?:[A-ZÀ-Þ][\w'’-]{0,24}\.?|de|da|van|von|der|den|la|del|di|al|bin)){0,3} "
    r"(?P<last>[A-ZÀ-Þ][\w'’-]{1,32})[\"']? <\Z"
)
_LONGEST_CALLED = 100
_PASSWORD_AFTER = re.compile(
    r" / (?P<value>(?=[^\s/]{0,40}\d)(?=[^\s/]{0,40}[A-Za-z])(?![\d.,-]+[a-z]{1,3}\b)[^\s/@,;()<>]{6,40})(?=[\s.,;)]|$)"
)
"""``ann@example.org / Tulip41x``"""
_MARKS = re.compile(r"[;|\t]|'[ ]?,|\",")
_OF_ROWS = re.compile(r"insert|values|\brow\b", re.IGNORECASE)


def neighbours(text: str, found: Sequence[Finding]) -> Iterator[Finding]:
    """In any order; ``found`` is in order."""
    for each in found:
        if each.stem == "LOCATION":
            yield from _codes(text, each)
        elif each.stem == "SECRET":
            yield from _listed(text, each)
        elif each.stem in ("EMAIL", "USERNAME"):
            if each.stem == "EMAIL" and text[each.start - 1 : each.start] == "<":
                yield from _called(text, each)
            password = _PASSWORD_AFTER.match(text, each.end)
            if password is not None:
                end = password.start("value") + len(password["value"].rstrip(".:"))
                yield Finding(password.start("value"), end, "CREDENTIAL", "SECRET", _SCORE)
        elif each.stem == "PERSON":
            account = _ACCOUNT_OF.match(text, each.end)
            if account is not None and _shares(account["value"], text[each.start : each.end]):
                yield Finding(*account.span("value"), "USERNAME", "USERNAME", _SCORE)
            for pattern in (_DAY_CELL, _DAY_COLUMN, _DAY_SAID, _RELATED):
                day = pattern.match(text, each.end)
                if day is not None and (pattern is not _DAY_CELL or _in_row(text, each.start, day.end())):
                    yield Finding(*day.span(str(day.lastgroup)), "DATE_OF_BIRTH", "DOB", _SCORE)
                    break


def _called(text: str, address: Finding) -> Iterator[Finding]:
    """Whose address it is, where it is made of the name: ``Wanjiru Mwangi <wanjiru.mwangi@x.example>``."""
    whose = _WHOSE_ADDRESS.search(text, max(0, address.start - _LONGEST_CALLED), address.start)
    if whose is not None:
        local = text[address.start : address.end].partition("@")[0].lower()
        first, last = _plain(whose["first"]), _plain(whose["last"])
        if last in local and (first in local or local.startswith(first[0])) and last not in _NOBODY:
            yield Finding(whose.start(), whose.end("last"), "PERSON", "PERSON", _SCORE)


_NOBODY = frozenset(
    ("team", "desk", "support", "service", "services", "sales", "office", "accounts", "security", "alerts", "news", "newsletter", "bot",
     "group", "list", "department")
)  # fmt: skip


def _plain(word: str) -> str:
    """As it stands in an address: without accents, in small letters."""
    letters = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _shares(account: str, name: str) -> bool:
    """Whether ``account`` has a part of a word of ``name``, as names of accounts are made."""
    words = [word for word in _NAME_PARTS.split(name.lower()) if len(word) >= _LEAST_SHARED]
    return any(word[:_LONGEST_SHARED] in account for word in words)


def _listed(text: str, secret: Finding) -> Iterator[Finding]:
    """The rest of a list of codes, of which the first was announced: ``backup codes: 8f52-5c51 9365-4c69``."""
    first = text[secret.start : secret.end]
    if not 6 <= len(first) <= _LONGEST_CODE or "-" not in first or _CODE.fullmatch(first) is None:
        return
    form, position = _SIGN.sub("x", first), secret.end
    while (code := _NEXT_CODE.match(text, position)) is not None and _SIGN.sub("x", code["code"]) == form:
        if any(map(str.isdigit, code["code"])):
            yield Finding(*code.span("code"), secret.entity, secret.stem, _SCORE)
        position = code.end()


def _codes(text: str, place: Finding) -> Iterator[Finding]:
    code = _CODE_AFTER.match(text, place.end)
    if code is None:
        code = _CODE_CELL.match(text, place.end)
        if code is not None and not _in_row(text, place.start, code.end()):
            code = None
    if code is None:
        code = _CODE_BEFORE.search(text, max(0, place.start - _LONGEST_ROW), place.start)
    if code is not None:
        yield Finding(*code.span("code"), "POSTCODE", "POSTCODE", _SCORE)


def _in_row(text: str, start: int, end: int) -> bool:
    """Whether the line is rather a row than a sentence: it has another end of a cell, and cells are parted by more than commas."""
    before, after = text[max(0, start - _SEEN) : start].rpartition("\n")[2], text[end : end + _SEEN].partition("\n")[0]
    line = f"{before}{text[start:end]}{after}"
    return len(_MARKS.findall(line)) > 1 or (line.count(",") > 2 and ", " not in line) or _OF_ROWS.search(line) is not None


__all__ = ["neighbours"]
