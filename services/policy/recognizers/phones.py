"""Telephone numbers: by shape, checked with the numbering plans of ``phonenumbers`` where the shape alone says little."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import phonenumbers

from services.policy.findings import Finding
from services.policy.recognizers import announced as words
from services.policy.recognizers.lowered import Lowered, Words, holds_any

MAX_VALIDATED = 500
"""Beyond so many candidates in one text each counts as a number unchecked: checking costs a tenth of a millisecond, and an attacker's
text is full of them."""

_EXTENSION = r"(?:[ ,;]{0,3}(?:ext\.?|extension|x|durchwahl|poste|int\.?)[ .:]{0,2}\d{1,6})?"
_EXTENSION_LETTERS = "exdpi"
"""What the words of one begin with, after so many blanks and signs at most."""
_BEFORE_EXTENSION = 3
_PLUS = re.compile(r"[+0](?<![\w+].)(?:(?<=\+)\(?|(?<=0)0[ ]?(?=[1-9]))\d(?:[ .()/-]{0,3}\d){6,14}(?!\d)", re.DOTALL)
_DECIMAL = re.compile(r"\+\d+\.\d+")
_LAST_GROUP = re.compile(r"[ .()/-]{1,3}\d+$")
_NANP = re.compile(
    r"[\d(](?<![\w.+/#$=-].)(?:(?<=1)[ .-](?:\(\d{3}\)[ -]?|\d{3}[ .-])|(?<=\()\d{3}\)[ -]?|(?<=\d)\d{2}[ .-])\d{3}[ .-]\d{4}"
    r"(?!(?!x\d)\w|-(?!(?:[Oo]ffice|[Ff]ax|[Hh]ome|[Cc]ell|[Mm]obile|[Ww]ork)\b)|\.\d)",
    re.DOTALL,
)
_NANP_SHAPES = tuple(f"{before}000{between}0000" for before in " .-)" for between in " .-")
_TRUNK = re.compile(
    r"[(0](?<![\w+/#$=-].)(?<![^a-z]\..)(?<!\d:.)(?:(?<=\()0\d{1,5}\)(?:[ /.-]{0,3}\d{2,8})|(?<=0)\d{1,5}[ /.-]{1,3}\d{2,8})"
    r"(?:[ /.-]{1,3}\d{2,8}|-\d(?= \d\d(?!\d))){0,4}"
    r"(?![\w-]|\.\d)",
    re.DOTALL,
)
_TRUNK_BARE = re.compile(r"0(?<![\w.+/#$=:-]0)[1-9]\d{8,9}(?![\w-]|\.\d)")
_FREE = re.compile(
    r"[108](?<![\w.+/#$=-].)(?:(?<=1)[ -](?:0?800|888|877|866|855|844|833)|(?<=0)800|(?<=8)(?:00|88|77|66|55|44|33))"
    r"[ -]\d{3}[ -]?\d{3,4}(?![\w-]|\.\d)",
    re.DOTALL,
)
# Spain, Italy, India: no trunk prefix, told by how they are grouped, and by the plan of the country that groups so.
_BEFORE = r"(?<![\w.+/#$=:-]\d)(?<!\d[ ,]\d)"
"""What is not before a number of which the first digit has been read."""
_AFTER = r"(?![\w-]|\.\d| \d)"
_UNPREFIXED = (
    (
        ("000 00 00 00", "000 000 000", "00 000 00 00"),
        re.compile(
            rf"[6789]{_BEFORE}(?:\d{{2}} \d{{2}} \d{{2}} \d{{2}}|(?<!8)\d{{2}} \d{{3}} \d{{3}}|(?<=9)\d \d{{3}} \d{{2}} \d{{2}}){_AFTER}"
        ),
        ("ES",),
    ),
    (
        ("000 000", "000 0000 000", "000-0000000"),
        re.compile(rf"3{_BEFORE}\d{{2}}(?: \d{{3}} \d{{3,4}}| \d{{6}}| \d{{4}} \d{{3}}|[ -]\d{{7}}){_AFTER}"),
        ("IT",),
    ),
    (("00000 00000",), re.compile(rf"[6-9]{_BEFORE}\d{{4}} \d{{5}}{_AFTER}"), ("IN",)),
    (("0000000000",), _TRUNK_BARE, ("GB", "FR", "DE", "NL", "AU")),
)
"""What a text must hold of the shape for a pattern to be tried, the pattern, and whose plan."""
_NO_DIGITS = re.compile(r"\D")
_FIGURES = re.compile(r"\d{1,3}(?:[ ]\d{1,3}){6,}|\d{1,3}\.\d{1,3}(?:[ ]\d{1,3}\.\d{1,3})+(?:[ ]\d{1,3})?")
"""Of a table or a list: more groups than any number of a telephone has, or fractions."""
_LONG_GROUP = re.compile(r"\d{3}")
_DATE = re.compile(r"0?[1-9]\.(?:0?[1-9]|1[0-2])\.\d\d(?![.\d])")
"""With a year of two digits: what heads the messages of a chat, of which one says that a number is new."""
_SENT_TO = re.compile(r"[=:][ \"']{0,2}(?P<number>[1-9]\d{10,12})(?![\w.-])")
"""With the country's code, as gateways of messages write it: ``to=919845027716``."""
_SENT_BEFORE = re.compile(r"(?<![^\W_])(?:to|from|dest(?:ination)?|recipient|sender|caller|callee|cli|msisdn)[\"']?$")
_LONGEST_SENT = 16
_TEN_DIGITS = re.compile(r"[2-9]\d{2}[ .-]?\d{3}[ .-]?\d{4}")
_TRACKED = re.compile(r"\b1Z ?[0-9A-Z]{3} ?[0-9A-Z]{3} ?$")
"""Before it, the beginning of a parcel's number."""
_FRENCH = re.compile(r"0(?<![\w.+/#$=:-]0)(?<!\d[ .]0)[1-9](?:(?: \d{2}){4}|(?:\.\d{2}){4}|(?:-\d{2}){4})(?![\w-]|[ .]\d)")
_BARE = re.compile(
    r"[\d(](?<![\w.+/#$-].)(?:(?<=\()\d|(?<!\())(?:[ .()/-]{0,3}\d){5,14}(?!(?!x\d)\w|-(?!(?:[Oo]ffice|[Ff]ax|[Hh]ome|[Cc]ell|"
    r"[Mm]obile|[Ww]ork|[Dd]esk|[Dd]irect|[Hh]andy|[Mm]obil|[Pp]rivat|[Bb]üro|[Cc]asa|[Mm][óo]vil)\b)|\.\d)",
    re.DOTALL,
)
_BRAZILIAN = re.compile(r"\((?<![\w.+/#$=-].)[1-9]\d\) ?9?\d{4}-\d{4}(?![\w-]|\.\d)", re.DOTALL)
_RUSSIAN = re.compile(r"8(?<![\w.+/#$=-].)[ -]?\(\d{3}\) ?\d{3}-\d\d-\d\d(?![\w-]|\.\d)", re.DOTALL)
_FREE_CODES = ("800", "888", "877", "866", "855", "844", "833")
_ENCODED = re.compile(r"%2[Bb][1-9]\d{7,13}(?!\d)")
"""In a URL."""
_SURE = (
    (_FREE_CODES, ("000 000", "000-000"), _FREE),
    (("(",), (") 00000-0000", ") 0000-0000", ")00000-0000"), _BRAZILIAN),
    (("8",), (") 000-00-00", ")000-00-00"), _RUSSIAN),
    (("0",), ("00 00 00 00 00", "00.00.00.00.00", "00-00-00-00-00"), _FRENCH),
)
"""What a text must hold, and what of the shape, for a pattern to be tried."""
# A span of years, a size; a bank and an account there.
_NO_NUMBER = re.compile(
    r"\d\d-\d\d-\d\d(?: ?[/,;] ?| )\d{7,12}\b|(?:19|20)\d\d-(?:19|20)\d\d\b|\d+ (?:bytes|rows|records|ms|ns|[KMG]i?B)\b"
)
_ROW = re.compile(r"\d[ \t]{1,3}$")
"""Before a number, another: both are part of something longer."""
_EXTENDED = re.compile(_EXTENSION, re.IGNORECASE)
_WORDS = re.compile(
    r"(?<![^\W\d_])(?:phone|telephone|tel|telefon\w*|t[ée]l[ée]phone|tel[ée]fono|cellulare|m[óo]vil|portable|telefoon\w*|"
    r"handy|mobile|mobil|mob|cel|hp|recapito|l[íi]nea|"
    r"cell|cellphone|ph|fax|whatsapp|sms|call(?:ed|ing|s|back)?|dial(?:led|ed)?|ring|rang|text(?:ed|ing)?|reach(?:ed|able)?|"
    r"appel\w+|rappel\w+|joindre|bellen|bel|terugbellen|"
    r"erreich\w+|anruf\w*|rückruf|hotline|"
    r"contact|kontakt|llam\w+|chiam\w+|hmu|hit me up|gsm|msisdn|tfno|tlfn?o?|telef|celular|telem[óo]vel|"
    r"(?:za|od)?dzwoni\w*|zadzwoń|ligu[ei]\w*|ligar|kom[óo]rk\w*|puhelin)(?![^\W\d_])"
)
"""In lower case, as all but one of the patterns for what stands before a number: ``re`` then looks at few of the words."""
# Everything has a number; of a telephone's it is said, not assigned.
_WEAK_WORDS = re.compile(
    r"(?<![^\W\d_])(?:nummer|number|numbers|num|numero|numéro|número|line|direct)(?![^\W\d_])[^\n\d=()\[\]]{0,20}$"
)
_ADDRESS_BESIDE = re.compile(r"\w@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?: or | and |[ ,;|/\n·•>-]{1,6})$")
_BESIDE_ADDRESS = re.compile(r"(?: or | and |[ ,;|/\n·•<-]{1,6})[\w.+-]{1,64}@[\w-]")
_SAID_AFTER = re.compile(
    r",? (?:is|was)(?: also)? (?:my|his|her|our|their|the)(?: [a-z]{2,10}){0,2} (?:number|phone|cell|mobile|line|landline|home|work|fax)\b"
    r"|-(?:home|work|cell|mobile|office|fax)\b|,? ?\((?:home|work|cell|mobile|mob|office|fax|h|w|c|m|o)\)|[ ,]{1,2}(?:ext|x)\.? ?\d{2,6}\b",
    re.IGNORECASE,
)
"""Of a number whose words come after it."""
_KIND = (
    r"(?:office|fax|mobile|cell(?: ?phone)?|desk|direct(?: line| dial)?|home|work|landline|main(?: line)?|switchboard|reception|whatsapp|"
    r"handy|mobil|büro|privat|dienstlich|zentrale|durchwahl|bureau|domicile|portable|standard|oficina|trabajo|casa|m[óo]vil|celular|fijo|"
    r"ufficio|cellulare|abitazione|centralino|kantoor|thuis|mobiel|vast)"
)
_NAMED_AFTER = re.compile(
    rf"(?: {{0,2}}-|[ \t]{{0,3}}[(\[]){_KIND}(?![\w-]|\.\w)|[ \t]{{1,4}}{_KIND}(?=[ \t]*(?:$|[\n,;|\\)]))", re.IGNORECASE
)
"""``640 2217 office``, ``(52) 611-093-Office``: what a number of a card or a signature is for."""
_BEFORE_KIND = frozenset(" \t-([")
_KIND_WORDS = Words((
    "office", "fax", "mobil", "cell", "desk", "direct", "home", "work", "landline", "main", "switchboard", "reception", "whatsapp", "handy",
    "büro", "privat", "dienstlich", "zentrale", "durchwahl", "bureau", "domicile", "portable", "standard", "oficina", "trabajo", "casa",
    "móvil", "movil", "fijo", "ufficio", "abitazione", "centralino", "kantoor", "thuis", "vast",
))  # fmt: skip
_HEADS_LINE = re.compile(r"(?:^|[\n,;|\\/>·•])[ \t]*\(?$")
_COUNTED = re.compile(r"[1-9]\d{0,2}(?:[ .]\d{3})+|(?:19|20)\d\d(?:[01]\d[0-3]\d|[-. /]\d+.*|)")
"""Thousands, or a year: of these a word after them says how many, or what for."""
_YEARS = re.compile(r"(?:19|20)\d\d[-. /]\d.*")
_HOW_MANY = re.compile(r" [a-z]{3,24}s\b| [a-z]{1,3}/")
_ASKED_AT = re.compile(
    r"(?<![^\W\d_])(?:answer(?:s|ed|ing)?|pick(?:s|ed|ing)? up|(?:get|got|getting) (?:me|him|her|us|them|hold of|through to|in touch with)|"
    r"(?:try|tried|trying|catch|caught|ping|buzz|message|messaged|messaging|leave|left|leaving|speak|spoke|speaking|talk|talked|talking)|"
    r"available|hört|abgenommen|melde\w*|melden|répond\w*|joignable|contest\w+|rispond\w+|raggiung\w+|localiz\w+|opneemt|opnemen|bereik\w+|"
    r"svar\w*|atend\w+)(?: [^\W\d_]['’\w-]{0,14}){0,4}? (?:at|on|under|unter|au|al|en|op|på|no|via|en el|op het|auf der|sur le)"
    r"(?: (?:the|my|his|her|their|our|this|nummer|number|numéro|número|numero)){0,2}[ ]\(?$"
)
_ASKED_AT_ENDS = (" at ", " on ", "under ", "unter ", " au ", " al ", " en ", " op ", " på ", " no ", " via ", " het ", " der ", " le ", " el ",
" the ", " my ", " his ", " her ", " their ", " our ", " this ", "nummer ", "number ", "numéro ", "número ", "numero ", "registered ",
"linked ")  # fmt: skip
"""How it ends, and ``_REGISTERED`` too."""
_REGISTERED = re.compile(r"(?<![^\W\d_])(?:my|your|his|her|their|our|the|as|is) (?:registered|linked)[ ]\(?$")
_GROUPED = re.compile(r"\d[ ./()-]{1,3}\d")
_LETTER = re.compile(r"(?:^|[\n|·•,;] {0,3})(?:[TMFPHC]|Ph|Tf|Tlf|Mob|Fx)[.:]? {1,3}$")
"""``T 08-23 84 38``, as on cards and under letters."""
_AFTER_NAME = re.compile(r"[A-ZÀ-Þ][\wÀ-ž'’-]+ [A-ZÀ-Þ][\wÀ-ž'’-]+ ?(?:\([a-zà-ÿ ]{2,16}\)|[-–|:·,])? {0,2}\(?$")
_LINE_ENDS = re.compile(r"\)?(?:[ \t]*(?:\n|$)| [|·])")
_NUMBERED = re.compile(
    r"\b(?:no|number|num|nr|order|invoice|id|ref|code|model|part|serial|account|version|build|case|ticket|room|page)\b",
    re.IGNORECASE,
)
"""``2. Ann Lee - 3802739770``: in a list of people, at the end of a line."""
_CAMEL_WORDS = re.compile(r"(?:[Pp]hone|[Mm]obile|[Ff]ax|[Tt]el)(?:_?(?:[Nn]umber|[Nn]o))?[\"']?\s{0,3}[:=]\s{0,3}[\"']?$")
_OTHER_NUMBERS = re.compile(
    r"(?:order|ticket|invoice|case|ref(?:erence)?|tracking|serial|part|line|issue|build|employee|customer|kunden|auftrags?|"
    r"bestell|rechnungs?|commande|"
    r"client|port|error|code|version|id|pid|size|bytes|count|amount|total|index|offset|seq|sequence|term|epoch|ts|timestamp|block|sector|"
    r"inode|lsn|position|rows)(?:[ _-]?(?:number|no|nr|nummer|id|"
    r"#))?[.:]?[ #\"'=:]{0,3}$"
)
_CONTEXT_CHARS = 48

EXTENSIONS = words.Announcements(
    words.announcement(
        "PHONE_NUMBER", "PHONE", "ext.|ext |extension|durchwahl|poste|toestel|anexo|interno|dw ",
        r"(?:ext\.?|extension|durchwahl|(?-i:DW)|poste|toestel|anexo|interno)(?: (?:is|number|no\.?|nr\.?|ist|est))?", r"\d{2,5}",
        gap=r"[ :.-]{1,3}", score=0.5,
    ),
    words.announcement("PHONE_NUMBER", "PHONE", " x1| x2| x3| x4| x5| x6| x7| x8| x9", r"(?-i:[A-Z][a-z'’-]{1,20})", r"x\d{4}",
    gap=r"[ (]{1,2}", score=0.5),
)  # fmt: skip
"""Within a house, where the number itself stands elsewhere or nowhere."""


def prepare() -> None:
    """Load what ``phonenumbers`` knows of the countries asked for here, which it would at the first number of each."""
    for region in ("US", "ES", "IT", "IN", "GB", "FR", "DE", "NL", "AU", "IE"):
        example = phonenumbers.example_number(region)
        if example is not None:
            _is_phone(str(example.national_number), (region,))


def phones(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order, and with overlaps."""
    yield from words.announced(text, lowered, EXTENSIONS)
    start = end = -1
    for first, last in lowered.numbers:
        first = max(0, first - _CONTEXT_CHARS - 16)
        if first > end:
            if end >= 0:
                yield from _untimed(text, lowered, start, end)
            start = first
        end = last + _CONTEXT_CHARS
    if end >= 0:
        yield from _untimed(text, lowered, start, end)


_DAY_AND_TIME = re.compile(
    r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]) (?:[01]\d|2[0-3])(?:[0-5]\d){2}|"
    r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])/(?:[01]\d|2[0-3])(?:[0-5]\d){2}"
)
"""``081110 103027``, ``0701/114930``: as logs write them."""
_OF_CALL = re.compile(r"(?:matrix|translate|rotate|scale|rgba?|hsla?|bezier|polygon|path|viewBox=\")\(?\Z")
"""What a drawing's numbers stand behind."""
_SEQUENCE = re.compile(r"\bsequence (?:number|no\.?)[ :=]{1,24}\Z", re.IGNORECASE)
_SLASHED = re.compile(r"\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})")
_MINUTES = re.compile(r":[0-5]\d")
_SECONDS_BEFORE = re.compile(r"\d\d:\d\d:(?:\d\d[.,])?\Z|(?:^|\n)\d{6} \Z|\d\.\Z|HTTP/\d(?:\.\d)?\" \Z")


def _untimed(text: str, lowered: Lowered, start: int, end: int) -> Iterator[Finding]:
    return (found for found in _phones(text, lowered, start, end) if not _is_of_time(text, found.start, found.end))


def _is_of_time(text: str, start: int, end: int) -> bool:
    """Whether it is a time, or begins within one, as at the head of a log's line."""
    return (
        _MINUTES.match(text, end) is not None
        or _SECONDS_BEFORE.search(text, max(0, start - 12), start) is not None
        or _DAY_AND_TIME.fullmatch(text, start, end) is not None
        or _SLASHED.fullmatch(text, start, end) is not None
        # Columns of a table.
        or text.find("  ", start, end) >= 0
        or _SEQUENCE.search(text, max(0, start - 40), start) is not None
    )


def _phones(whole_text: str, whole_lowered: Lowered, offset: int, end: int) -> Iterator[Finding]:
    """Those in a part of the text, at their places in the whole."""
    kinds = _KIND_WORDS.any_within(whole_lowered)
    text, lowered, shape = whole_text[offset:end], whole_lowered[offset:end], whole_lowered.shape[offset:end]
    checked = 0
    asked: dict[int, bool] = {}

    def announced(start: int) -> bool:
        if start not in asked:
            asked[start] = _announced(text, lowered, start)
        return asked[start]

    def valid(number: str, regions: tuple[str, ...]) -> bool:
        nonlocal checked
        checked += 1
        return checked > MAX_VALIDATED or _is_phone(number, regions)

    def found(start: int, end: int, score: float) -> Finding:
        # A look at the next letter costs a fifth of the pattern.
        next_letter = lowered[end : end + _BEFORE_EXTENSION + 1].lstrip(" ,;")[:1]
        extension = _EXTENDED.match(text, end) if next_letter and next_letter in _EXTENSION_LETTERS else None
        return Finding(start + offset, (extension.end() if extension else end) + offset, "PHONE_NUMBER", "PHONE", score)

    for start, written, number in _whole(text, _PLUS, _is_dialable):
        # ``20-00-00 55779911``: of a bank.
        if text[start - 1 : start] == "-" and text[start - 2 : start - 1].isdigit():
            continue
        # A plus says enough, though no such number be in use; but not before a decimal fraction.
        taken = number or (written if written.startswith("+") and not _DECIMAL.fullmatch(written) else "")
        if taken:
            yield found(start, start + len(taken), 0.5)
    for match in _NANP.finditer(text) if holds_any(shape, _NANP_SHAPES) else ():
        # Dashes or brackets are enough; blanks and dots also separate columns and versions.
        sure = "-" in match[0] or "(" in match[0] or match[0].count(".") == 2 or announced(match.start())
        if sure or (_ROW.search(text, max(0, match.start() - 8), match.start()) is None and valid(match[0], ("US",))):
            yield found(*match.span(), 0.45)
    for start, written, number in _whole(text, _TRUNK, _is_national):
        if _TRACKED.search(text, max(0, start - 16), start) is not None:
            continue
        # ``Tel.030 901820``
        if text[start - 1 : start] == "." and not announced(start):
            continue
        # Two digits and two digits: a dump, a table, a time.
        if number and not _LONG_GROUP.search(number[1:]):
            continue
        if _DATE.match(written) is not None:
            continue
        # An area code in brackets says enough too.
        taken = number or (written if written.startswith("(") or announced(start) else "")
        if taken:
            yield found(start, start + len(taken), 0.4)
    for match in _SENT_TO.finditer(lowered) if "=" in lowered or ":" in lowered else ():
        sent = _SENT_BEFORE.search(lowered, max(0, match.start() - _LONGEST_SENT), match.start())
        if sent is not None and valid(f"+{match['number']}", ("US",)):
            yield found(*match.span("number"), 0.5)
    for match in _ENCODED.finditer(text) if "%2b" in lowered else ():
        yield found(*match.span(), 0.5)
    for codes, shapes, pattern in _SURE:
        for match in pattern.finditer(text) if holds_any(shape, shapes) and holds_any(text, codes) else ():
            yield found(*match.span(), 0.45)
    for shapes, pattern, regions in _UNPREFIXED:
        for match in pattern.finditer(text) if holds_any(shape, shapes) else ():
            if (
                match[0] != "0123456789"
                and not _OTHER_NUMBERS.search(lowered, max(0, match.start() - 24), match.start())
                and valid(match[0], regions)
            ):
                yield found(*match.span(), 0.4)
    for match in _BARE.finditer(text):
        start = match.start() + (match[0].startswith("(") and ")" not in match[0])
        if (
            sum(map(str.isdigit, match[0])) > 6
            and _FIGURES.fullmatch(match[0]) is None
            # ``Oct 7 1991. 862-555-0119``: two sentences.
            and ". " not in match[0]
            and _OF_CALL.search(text, max(0, match.start() - 12), match.start()) is None
            and not _NO_NUMBER.match(text, match.start())
            and (
                announced(start)
                or _beside_words(text, lowered, start, match.end())
                or _beside_name(text, start, match.end())
                or (kinds and _named_after(text, lowered, match.start(), match.end()))
                or _asked_at(lowered, match.start(), match.end())
            )
        ):
            yield found(start, match.end(), 0.4)


def _announced(text: str, lowered: str, start: int) -> bool:
    """Whether a word of telephony is close before, and no word of another number closer."""
    before = max(0, start - _CONTEXT_CHARS)
    if _LETTER.search(text, max(0, start - 12), start) is not None:
        return True
    if (
        _WORDS.search(lowered, before, start) is None
        and _WEAK_WORDS.search(lowered, before, start) is None
        and _CAMEL_WORDS.search(text, before, start) is None
    ):
        return False
    return _OTHER_NUMBERS.search(lowered, max(0, start - 24), start) is None


def _beside_name(text: str, start: int, end: int) -> bool:
    """Whether a line ends with the number, right after a name."""
    if _LINE_ENDS.match(text, end) is None or not 8 <= sum(map(str.isdigit, text[start:end])) <= 12:
        return False
    before = text[max(0, start - 48) : start]
    return _AFTER_NAME.search(before) is not None and _NUMBERED.search(before) is None


def _beside_words(text: str, lowered: str, start: int, end: int) -> bool:
    """Whether ten digits stand beside an address of electronic mail, or before a word of telephony."""
    if _TEN_DIGITS.fullmatch(text, start, end) is None or _OTHER_NUMBERS.search(lowered, max(0, start - 24), start) is not None:
        return False
    return (
        _SAID_AFTER.match(text, end) is not None
        or _BESIDE_ADDRESS.match(text, end) is not None
        or _ADDRESS_BESIDE.search(text, max(0, start - 96), start) is not None
    )


def _named_after(text: str, lowered: str, start: int, end: int) -> bool:
    """Whether a word after the number says whose telephone it is: on a line or in a field of its own, or in brackets, or joined by a dash."""
    # Most numbers are followed by a sign, or by the end.
    if text[end : end + 1] not in _BEFORE_KIND:
        return False
    kind = _NAMED_AFTER.match(text, end)
    if kind is None or sum(map(str.isdigit, text[start:end])) > 13 or _COUNTED.fullmatch(text, start, end) is not None:
        return False
    return _HEADS_LINE.search(text, max(0, start - 12), start) is not None or (
        kind[0].lstrip()[0] in "-([" and _OTHER_NUMBERS.search(lowered, max(0, start - 24), start) is None
    )


def _asked_at(lowered: str, start: int, end: int) -> bool:
    """Whether somebody is asked for, answers or is registered under the number."""
    if not lowered.endswith(_ASKED_AT_ENDS, 0, start) or sum(map(str.isdigit, lowered[start:end])) > 13:
        return False
    if _GROUPED.search(lowered, start, end) is None or _YEARS.fullmatch(lowered, start, end) is not None:
        return False
    if _HOW_MANY.match(lowered, end) is not None:
        return False
    before = max(0, start - 64)
    return _ASKED_AT.search(lowered, before, start) is not None or _REGISTERED.search(lowered, before, start) is not None


def _whole(text: str, pattern: re.Pattern[str], counts: Callable[[str], bool]) -> Iterator[tuple[int, str, str]]:
    """Place, as written, and the longest run of whole groups from there that counts as a number ("" when there is none)."""
    position = 0
    while (match := pattern.search(text, position)) is not None:
        number = match[0]
        while number and not counts(number):
            shorter = _LAST_GROUP.sub("", number)
            number = shorter if shorter != number and sum(map(str.isdigit, shorter)) > 6 else ""
        yield match.start(), match[0], number
        position = match.start() + max(len(number), 1) if number else match.end()


def _is_dialable(number: str) -> bool:
    """Whether a number that begins with + or 00 has a calling code of ITU-T E.164 and as many digits as numbers have."""
    digits = _NO_DIGITS.sub("", number.replace("(0)", ""))
    if number.startswith("00"):
        digits = digits[2:]
    if digits.startswith("1"):
        return len(digits) == 11
    return 8 <= len(digits) <= 13 and any(
        int(digits[:length]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE for length in (1, 2, 3)
    )


def _is_national(number: str) -> bool:
    """Whether a number with a trunk 0 has as many digits as they have in Europe and Australia."""
    digits = sum(map(str.isdigit, number))
    return 10 <= digits <= 12 or (digits == 9 and _is_phone(number, ("GB", "DE", "IT", "IE")))


@lru_cache(maxsize=4096)
def _is_phone(number: str, regions: tuple[str, ...]) -> bool:
    for region in regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


__all__ = ["MAX_VALIDATED", "phones", "prepare"]
