"""Columns: a head that says ``dob`` or ``ssn`` announces what stands under it, in CSV and its kin, in tables of Markdown, in SQL and dumps.

Names of columns that also other tables have (``name``, ``city``) count beside one that only a table about people has.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

_HEAD_CELL = re.compile(r"[\"'`]?[A-Za-zÀ-ž][\w .#/()-]{0,30}[\"'`]?")
_BETWEEN = "\t|;,"
_LONGEST_HEAD = 2_000
_INSERT = re.compile(
    r"insert\s{1,4}into\s{1,4}[\w.\"`]{1,64}\s{0,4}\((?P<head>[^()]{3,1000})\)\s{0,8}values\s{0,8}", re.IGNORECASE
)
_INSERT_ALL = re.compile(r"insert\s{1,4}into\s{1,4}(?P<table>[\w.\"`]{1,64})\s{1,4}values\s{0,8}", re.IGNORECASE)
_CREATE = re.compile(
    r"create\s{1,4}table\s{1,4}(?:if\s{1,4}not\s{1,4}exists\s{1,4})?(?P<table>[\w.\"`]{1,64})\s{0,4}\(\s{0,8}", re.IGNORECASE
)
_CREATED = re.compile(r"[\"`]?(?P<head>[A-Za-zÀ-ž_]\w{0,40})[\"`]?\s[^\n]{0,200}?(?:,[ \t]*(?:--[^\n]*)?\n|\n)\s{0,8}")
_NO_COLUMN = frozenset(("primary", "unique", "key", "constraint", "foreign", "index", "check", "fulltext"))
"""What else a table is made with."""
_MOST_COLUMNS = 200
_COPY = re.compile(
    r"^copy\s{1,4}[\w.\"`]{1,64}\s{0,4}\((?P<head>[^()\n]{3,1000})\)\s{1,4}from\s{1,4}stdin\b[^\n]{0,80}\n",
    re.IGNORECASE | re.MULTILINE,
)
"""As pg_dump writes a table: the cells of the rows after it are parted by tabs."""
_TUPLE = re.compile(r"\s{0,8},?\s{0,8}\((?P<row>(?:[^()'\n]|'[^'\n]{0,400}'){1,4000})\)")
_RULE = re.compile(r"^[ \t|:-]+$")
_LINE = re.compile(r"[^\n]*\n?")
_MOST_ROWS = 100_000


@dataclass(frozen=True)
class _Column:
    head: re.Pattern[str]
    entity: str
    stem: str
    value: re.Pattern[str]
    personal: bool = True


def _column(entity: str, stem: str, head: str, value: str, *, personal: bool = True) -> _Column:
    return _Column(re.compile(head), entity, stem, re.compile(value), personal)


_NAME = r"[A-ZÀ-ÖØ-ÞĀ-Ž][^\d@:/\\<>{}=_]{0,60}"
_COLUMNS = (
    _column("US_SSN", "SSN", r"\bssn|social_sec", r"\d{3}[ -]?\d{2}[ -]?\d{4}"),
    _column("DATE_OF_BIRTH", "DOB", r"\bdob\b|\bborn\b|birth|geburt|geboren|naissance|nascita|nacim|geboorte|"
    r"\bdata ur|f(?:echa)?_? ?nac\b|\bnat[oa] il\b|\bddn\b",
    r"(?=.*\d)[\w ./,-]{6,24}(?:T[\d:.Z]+)?"),
    _column("PHONE_NUMBER", "PHONE", r"phone|\btel\b|telefon|mobil|\bcell|\bfax|msisdn|handy|movil|t[ée]l\b|\bdirect\b",
    r"(?:tel:)?[+(\d][\d ().x/+-]{5,24}"),
    _column("POSTCODE", "POSTCODE", r"\bzip|post_?code|postal|\bplz\b|\bcap\b|\bcp\b|pin_?code",
    r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9 -]{2,9}"),
    _column("IBAN_CODE", "IBAN", r"iban", r"[A-Z]{2}\d{2}[A-Z0-9 ]{10,40}"),
    _column("CREDIT_CARD", "CARD", r"card_?(?:no|num)|\bcard\b|\bpan\b|credit_?card", r"\d[\d -]{10,22}\d"),
    _column("BANK_ACCOUNT", "ACCOUNT", r"account_?(?:no|num|\b)|\bacct|bank_?acc|konto|routing|\brtn\b|\baba\b|^sort$|^acc$|^rt$|"
    r"sort_?code|compte|cuenta|rekening|\bbsb\b",
    r"\d[\d -]{4,20}\d"),
    _column(
        "NATIONAL_ID", "ID",
        r"\bnhs|nino|national_?i|passport|licen[cs]e|aadhaa?r|\bpan\b|tax_?(?:id|no|num)|steuer|\bnif\b|\bdni\b|\bnie\b|"
        r"\bbsn\b|\bsin\b|\btfn\b|medicare|\bnir\b|codice|fiscal|\bmrn\b|insurance_?(?:no|num)|identity|"
        r"member_?(?:id|no)|\bitin\b|\bein\b|\butr\b|versicherung|s[ée]curit[ée]_soc|\bpesel\b|matr[íi]cula\b|\bplate\b|kennzeichen|"
        r"kenteken|\btarga\b|immatriculation|\breg (?:no|nr|number)\b|"
        r"\bnric\b|\bpps\b|\brut\b|\bcpf\b|\bcurp\b|personnummer|\bcpr\b|\bahv\b|\bavs\b|\bcnp\b",
        r"(?=(?:.*\d){4})[A-Za-z0-9][A-Za-z0-9 /.-]{4,22}",
    ),
    _column(
        "PERSONAL_NUMBER", "ID",
        r"^(?:emp(?:loyee)?|staff|member(?:ship)?|patient|policy(?:_?holder)?|badge|personnel|kunden|mitglieds?|personal|"
        r"klant|adh[ée]rent|customer|cust|client|student|pupil|subscriber|guest|tenant|driver|loyalty|citizen|applicant|candidate|"
        r"mitarbeiter|versicherten|patienten|socio|cliente|alumno|utente)_?"
        r"(?:no|nr|num|number|nummer|ref|code)$|^badge$|^matricul",
        r"(?=(?:.*\d){4})[A-Za-z0-9][A-Za-z0-9 /.-]{3,22}", personal=False,
    ),
    _column(
        "PERSONAL_NUMBER", "ID", r"^(?:emp(?:loyee)?|staff|member|student|customer|client|loyalty|tenant|guest)_?id$", r"[A-Z]{1,4}-?\d{3,9}",
        personal=False,
    ),
    _column("CREDENTIAL", "SECRET", r"passw|\bsecret|api_?key|\btoken\b|\bpwd\b|\bjeton\b|mot_?de_?passe|contrase|kennwort",
    r"(?=.*[\d!@#$%^&*])\S{6,512}"),
    _column("USERNAME", "USERNAME", r"user_?name|\blogin\b|\bhandle\b|\bidentifiant\b", r"[A-Za-z0-9][\w.-]{2,31}"),
    _column("STREET_ADDRESS", "ADDRESS", r"street|addr|anschrift|adres|indirizzo|direcci|stra(?:ß|ss)e|address_?line|domicilio",
    r"(?=.*\d|.*s/n)(?=.*[A-Za-zÀ-ž]{3}).{5,80}"),
    _column("AGE", "AGE", r"\bage\b|\balter\b|\bedad\b|\bleeftijd\b", r"1[01]\d|[1-9]?\d", personal=False),
    _column("PERSON", "PERSON", r"(?:first|last|full|given|family|middle|customer|patient|employee|contact|holder|sur|"
    r"display)_?name|surname|forename|vorname|nachname|pr[ée]nom|cognome|apellido|achternaam|voornaam|\bimi[eę]\b|nazwisko", _NAME),
    _column("PERSON", "PERSON", r"^(?:name|nom|nombre|nome|naam|contact|customer|patient|employee|owner|holder|person|user|"
    r"manager|line_manager|"
    r"client|tenant|member)$", _NAME, personal=False),
    _column("LOCATION", "LOCATION", r"^(?:city|town|ort|stadt|ville|citt[àa]|ciudad|plaats|woonplaats|"
    r"poblaci[óo]n|localidad|comune|commune|st|state|province|region|"
    r"country|land|pays|paese)$", _NAME, personal=False),
    _column("ORGANIZATION", "ORG", r"^(?:company|company_name|organi[sz]ation|employer|firma|soci[ée]t[ée]|azienda|empresa|"
    r"bedrijf)$", _NAME, personal=False),
)  # fmt: skip
_OF_PEOPLE = re.compile(
    r"e_?mail|^(?:age|sex|gender|nationality|occupation|job_title|marital|salutation|hire|salary|department|dept|desk|"
    r"extension|badge|line_manager)(?:_|$)"
)
"""What else only people have; beside a name."""
_NOT_WORDS = re.compile(r"[^a-zà-ž0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORTH_IT = (
    "ssn", "social", "dob", "birth", "geburt", "naissance", "nascita", "nacim", "geboor", "phone", "tel", "mobil", "cell", "fax",
    "zip", "post", "plz", "iban", "card", "account", "acct", "konto", "nhs", "nino", "passport",
    "licen", "aadha", "tax", "steuer", "nif", "dni", "bsn", "tfn", "medicare", "codice", "mrn", "mail", "street", "addr",
    "pesel", "matr", "nazwisko", "adres", "name", "vorname", "nom", "cognome", "apellido", "passw", "login", "emp",
)  # fmt: skip
_WORDS_WORTH_IT = Words(_WORTH_IT)


def tables(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In order of the tables."""
    position = 0
    for start, end in sorted(_lines_worth_it(text, lowered)):
        between = next((between for between in _BETWEEN if between in text[start:end]), "")
        if start < position or not between:
            continue
        cells = _cells(text, start, end, between)
        if between == "|" and _within_table(text, start, len(cells)):
            continue
        if len(cells) > 1 and all(_HEAD_CELL.fullmatch(text, *cell) for cell in cells):
            columns = _columns_of(text[first:last] for first, last in cells)
            if any(columns):
                position = yield from _rows(text, end + 1, between, columns)
    if "stdin" in lowered:
        for copied in _COPY.finditer(text):
            columns = _columns_of(text[start:end] for start, end in _cells(text, *copied.span("head"), ","))
            if any(columns):
                yield from _rows(text, copied.end(), "\t", columns)
    if "insert" in lowered:
        for insert in _INSERT.finditer(text):
            columns = _columns_of(text[start:end] for start, end in _cells(text, *insert.span("head"), ","))
            position = insert.end()
            yield from _tuples(text, position, columns)
        if "create" in lowered:
            yield from _dumped(text)


def _dumped(text: str) -> Iterator[Finding]:
    """Rows that are inserted into a table which the text makes: ``CREATE TABLE t (…); INSERT INTO t VALUES (…)``."""
    tables = {
        match["table"].strip('"`').lower(): _columns_of(iter(_created(text, match.end()))) for match in _CREATE.finditer(text)
    }
    for insert in _INSERT_ALL.finditer(text):
        columns = tables.get(insert["table"].strip('"`').lower(), [])
        yield from _tuples(text, insert.end(), columns)


def _created(text: str, position: int) -> list[str]:
    """The names of the columns of a table that is made from here on."""
    heads: list[str] = []
    while len(heads) < _MOST_COLUMNS and (column := _CREATED.match(text, position)) is not None:
        if column["head"].lower() in _NO_COLUMN:
            break
        heads.append(column["head"])
        position = column.end()
    return heads


def _tuples(text: str, position: int, columns: Sequence[_Column | None]) -> Iterator[Finding]:
    while any(columns) and (row := _TUPLE.match(text, position)) is not None:
        yield from _row(text, _cells(text, *row.span("row"), ","), columns)
        position = row.end()


def _within_table(text: str, start: int, width: int) -> bool:
    """Whether the line above has as many cells: then this is a row, as of a form with its labels in the first column."""
    above = text.rfind("\n", max(0, start - _LONGEST_HEAD), max(0, start - 1)) + 1
    return "|" in text[above : max(0, start - 1)] and len(_cells(text, above, start - 1, "|")) == width


def _lines_worth_it(text: str, lowered: Lowered) -> set[tuple[int, int]]:
    """The lines, but for the last, that have a word of the head of a table about people, and are not too long for one."""
    lines: set[tuple[int, int]] = set()
    for at in _WORDS_WORTH_IT.within(lowered):
        word = _WORTH_IT[at]
        position = lowered.find(word)
        while position >= 0:
            end = text.find("\n", position)
            if end < 0:
                break
            start = text.rfind("\n", max(0, position - _LONGEST_HEAD), position) + 1
            if end - start <= _LONGEST_HEAD:
                lines.add((start, end))
            position = lowered.find(word, end)
    return lines


def _rows(text: str, position: int, between: str, columns: Sequence[_Column | None]) -> Generator[Finding, None, int]:
    """The findings under a head, and where the table ends."""
    for _ in range(_MOST_ROWS):
        line = _LINE.match(text, position)
        if line is None or not line[0].strip():
            break
        end = line.end() - line[0].endswith("\n")
        cells = _cells(text, position, end, between)
        if _RULE.match(text[position:end]) is None:
            # A sign between cells may stand in one as well.
            if not 0 <= len(cells) - len(columns) <= 2:
                break
            yield from _row(text, cells, columns)
        position = line.end()
    return position


def _row(text: str, cells: Sequence[tuple[int, int]], columns: Sequence[_Column | None]) -> Iterator[Finding]:
    for (start, end), column in zip(cells, columns, strict=False):
        if column is not None and column.value.fullmatch(text, start, end) is not None:
            yield Finding(start, end, column.entity, column.stem, 0.85)


def _cells(text: str, start: int, end: int, between: str) -> list[tuple[int, int]]:
    """Where the cells of a line are, without blanks and quotes around them."""
    cells: list[tuple[int, int]] = []
    if between == "|":
        while start < end and text[start] in " \t":
            start += 1
        start += text[start : start + 1] == "|"
        while end > start and text[end - 1] in " \t":
            end -= 1
        end -= text[end - 1 : end] == "|"
    begin, position, quote = start, start, ""
    while position <= end:
        character = text[position] if position < end else between
        if quote:
            if character == quote or position == end:
                quote = ""
                if position == end:
                    continue
        elif character in "\"'" and not text[begin:position].strip():
            quote = character
        elif character == between:
            first, last = begin, position
            while first < last and text[first] in " \t\"'`":
                first += 1
            while last > first and text[last - 1] in " \t\"'`\r":
                last -= 1
            cells.append((first, last))
            begin = position + 1
        position += 1
    return cells


def _columns_of(heads: Iterator[str]) -> list[_Column | None]:
    names = [_NOT_WORDS.sub("_", _CAMEL.sub("_", head).lower()).strip("_") for head in heads]
    columns = [
        next((column for column in _COLUMNS if column.head.search(name.replace("_", " ")) or column.head.search(name)), None)
        for name in names
    ]
    if any(column is not None and column.personal for column in columns) or any(_OF_PEOPLE.search(name) for name in names):
        return columns
    return []


__all__ = ["tables"]
