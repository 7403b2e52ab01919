"""When what the model says takes more than its word: a second look at each finding, by the lists and by what stands around it.

The model is sure of too much: it has seen sentences made for it. An ordinary word with a capital, a word of an identifier, a number that
nothing calls an age are let go unless it is very sure, or something beside them says the same.
"""

import re
from collections.abc import Callable

from services.policy.names.frames import frames_firm, frames_person, frames_place, heads_enumeration
from services.policy.names.listed import is_listed, is_ordinary, is_unread, least_certainty
from services.policy.names.methods import is_method
from services.policy.names.products import has_name_of_product, is_product
from services.policy.names.words import COUNTRY, PLACE, WORD, folded

_OF_IDENTIFIER_BEFORE = re.compile(
    r"(?:[\w)\]]_|[\w)\]]->|\w::|[$#%]|(?:^|[\s\[(=,])--?|[a-z_]\w+(?:\(\))?\.|\)\.|(?:^|[\s,{>+~])\.|[/\\][\w.-]*[/\\])\Z"
)
_ENDS_IDENTIFIER = frozenset("_>:$#%-./\\")
_OF_IDENTIFIER_AFTER = re.compile(
    r"_\w| {0,8}[:?+]?=(?!=)|::|->|\(\)|\[\d|/(?=[a-z-]{0,24}\d)[a-z0-9]{1,24}(?:-[a-z0-9]{1,24}){2}|"
    r"\.[A-Z]\w{1,40}[.\[]\w|"
    r"\.(?:js|py|ts|go|rs|rb|java|php|css|html|json|ya?ml|"
    r"toml|md|txt|log|so|exe|sh|conf|cfg|ini)\b"
)
_SMALL = re.compile(r"[a-zß-ÿ]+")
_SMALL_BEFORE = re.compile(r"[\"'`.]")
"""One word in small letters, quoted or after a point: a value of a program, where people write their names large."""
_NO_TITLE = re.compile(r"Miss (?:Rate|Ratio|Count|Branch|Cover)|(?:Dr|Miss|M\.|Sir|Lord|Lady) [a-zß-ÿ]")
_WIFE = re.compile(r"\b(?:[mds]eine[rn]?|ihre[rn]?|eine[rn]?|jede|diese|die|der|keine) \Z")
_FONT = re.compile(r"font[\w-]*[\"']?\s{0,4}:[^;{}\n]{0,120}\Z", re.IGNORECASE)
_AFTER_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ][\w'’-]+[)\"'*]{0,2}(?:,| \(|/| [-–]|[:\t|]) ?\Z")
"""Where an age needs no word. All others are the recognizers': they know whose years are meant."""
_AGE_COLUMN = re.compile(
    r"(?:^|[,;\t|])[ \t]*[\"']?(?:age|alter|âge|edad|età|leeftijd)[\"']?[ \t]*(?:[,;\t|]|$)[^\n]*\n",
    re.IGNORECASE | re.MULTILINE,
)
_OF_A_THING = re.compile(
    r"(?:\w_|[=<>/*+#%$€£]|\b(?:over|da|in|per|hace|depuis|seit|for|about|version|page|step|level|v|no\.?|nr\.?|id))[ \t:]{0,2}\Z",
    re.IGNORECASE,
)
_YEARS = re.compile(
    r"[ -]?(?:degrees?|years?|yrs?|y/?o|"
    r"jahre?|ans|años|anni|jaar|s|ms|h|hours?|days?|weeks?|months?|min|kg|cm|mm|m|km|%|°|x|px|[kmg]b|€|\$|£)\b|"
    r"[%°€$£=_(]|[.,:/-]\d",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|\w{3,7}teen|(?:thir|for|fif|six|seven|eigh|nine)ty|"
    r"ein\w*|zwei\w*|drei\w*|vier\w*|fünf\w*|sech\w*|sieb\w*|acht\w*|neun\w*|zehn|elf|zwölf|zwanzig|"
    r"un|deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze|treize|quatorze|quinze|seize|vingt|trente|quarante|cinquante|soixante|"
    r"due|tre|quattro|cinque|sei|sette|otto|nove|dieci|vent\w+|trent\w+|\w+anta\w*|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|veint\w+|\w+enta|"
    r"twee\w*|drie\w*|vijf\w*|zes\w*|zeven\w*|negen\w*|tien|twaalf|\w+tig)",
    re.IGNORECASE,
)
_AGED = re.compile(r"age|alter|âge|edad|età|leeftijd", re.IGNORECASE)
_BORN = re.compile(
    r"born|birth|\bdob\b|d\.o\.b|\bgeb|geboren|\bn[ée]e?\b|naiss|\bnat[oai]\b|\bnasc|nacid|nacim|\bnac[.:]|geboorte|\bb\. |"
    r"b['’]?day|\bddn\b|(?<![\n*/])[*†] ?\d"
)
"""In lower case."""
_WHO_IS_SO_OLD = re.compile(
    r"(?<!\w)(?P<who>[^\W\d_][\w'’-]{1,20})(?:(?: is| was| turned| turns)(?: only| just| already)?|['’]?s)(?: now)? \Z"
)
_SO_FAR = re.compile(r"(?: now| today| this | next | already| and |[,;.!?)]?(?:\s|$))")
_CHILD_OF = re.compile(
    r"\b(?:zoon|dochter|zus(?:je)?|broer(?:tje)?|kind|jongen|meisje|vrouw|neef|nicht|son|daughter|hij[oa]|niñ[oa]|fils|fille|figli[oa])"
    r"(?: [A-ZÀ-Þ][\w'’-]+)? (?:van|of|de|di) \Z"
)
"""``mijn zusje van 15``"""
_NEAR = 120
_FAR = 4_000
_HEX = re.compile(r"(?=.*\d)[0-9a-f]{7,}")
_SPEAKS = re.compile(
    r"(?:> |: [a-zA-Z]| has (?:joined|left)| joined| (?:posted|commented|pushed|merged|opened|closed|replied|wrote|liked|"
    r"uploaded|approved) | \(\d\d?\):)"
)
_PLACED_BEFORE = re.compile(r"[^\W\d_]{2,}[.)]?,? \Z")
_PLACED_AFTER = re.compile(r" [A-ZÀ-Þ][^\W\d_]{2,}")
_POSTCODE = re.compile(
    r"\d{4} ?[A-Za-z]{2}|[A-Za-z]{1,2}\d[A-Za-z\d]? ?\d[A-Za-z]{2}|[A-Za-z]\d[A-Za-z][ -]?\d[A-Za-z]\d|[A-Z]\d[\dW] ?[\dA-Z]{4}"
)
_POSTCODE_DIGITS = re.compile(r"\d{4,6}|\d{5}-\d{4}|\d{3} \d{2,3}|\d{2}-\d{3}")
_POSTCODE_KEYED = re.compile(
    r"(?<![a-z])(?:postal(?:_?code)?|post_?code|postcode|zip(?:_?code)?|plz|cp|cap|cep|code_?postal|c[óo]digo_?postal|pin_?code)"
    r"[\"']?\s{0,2}(?:=>|[:=,])\s{0,3}[\"']?\Z",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?=.*\d).{6,}|(?:19|20)\d\d", re.DOTALL)
_STREET = re.compile(r"(?=.*\d).*[^\W\d_]{2}|\S+\s+\S", re.DOTALL)
_ROAD = re.compile(r" (?:Road|Street|Lane|Avenue|Drive|Close|Crescent|Terrace|Rd|St|Ave)\Z")
_PART_OF_A_TEXT = re.compile(
    r"(?:sections?|chapters?|figures?|fig\.|pages?|steps?|items?|lines?|tables?|rows?|orders?|parts?|versions?|"
    r"commande|bestell\w+|pedido|ordine|n°|#)[ :.]{0,3}\Z",
    re.IGNORECASE,
)
_STAIRCASE = re.compile(r"(?:\w+,? )?scala [A-Z]")
"""Of a house that is not named."""
_IN_MONEY = re.compile(r" ?(?:€|euros?|EUR|£|\$|USD|CHF|Rs)(?!\w)")
_SUITE_OF_TESTS = re.compile(r"(?<=test |ware )suite(?=\s)")
_CODE_OF_STATE = re.compile(r"(?!UK|US|UAE)[A-Z]{2}")
_TOWN_BEFORE = re.compile(r"[a-zà-ÿ.][\"'’]?(?:[,;|\t]| \(| |,? [\"'])[ ]?[\"']?\Z")
_STATE_KEYED = re.compile(
    r"(?:(?<![a-z])(?:state|region|province|provincia|prov|estado)[\"']?\s{0,2}(?:=>|[:=])\s{0,3}|<state>)[\"']?\Z",
    re.IGNORECASE,
)
_CODE_AFTER_STATE = re.compile(r"\)?[\"']?[,;|\t]?[ ]{0,2}[\"']?(?:\d{4,5}|[A-Z]\d[A-Z])\b")
_USER = re.compile(
    r"user|login|logged|account|acct|handle|nick|author|owner|assign|actor|principal|alias|screen[ _]?name|insta|twitter|github|gitlab|"
    r"linkedin|telegram|discord|skype|watch|approv|subscrib|follow|"
    r"konto|compte|cuenta|utenza|agent[ =:]|_(?:by|da|von|par|por)[\"']?\s?[:=]|"
    r"benutzer|utilisateur|identifiant|usuario|utente|gebruiker|nutzer|(?:\bby|@|<|reported|review\w*)\W{0,3}\Z",
    re.IGNORECASE,
)


_STYLED = re.compile(r"(?:--[a-z][\w-]{0,20}|color|background|fill|stroke|border)\s?:\s?\Z")
"""What style sheets give a colour's name to."""
_DOTTED = re.compile(r"[a-z]+\.[a-z]{1,12}")
_OPENS_OR_ASSIGNS = frozenset("[(=")
_OPERATOR = re.compile(r"\S @ \Z")
"""``A @ t.P``: a product of matrices. No handle has a blank after its sign."""
_WHO_IS = re.compile(r"[A-ZÀ-Þ][\w'’-]+ [A-ZÀ-Þ][\w'’-]+ \(\Z")
_BLOB_ENDS = frozenset("+/=_-")
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{12,}[+/=_-]\Z")
_CODE_AFTER_TOWN = re.compile(r",? \d{4}-\d{3}(?![\w-])")
"""A postcode as nothing else is written."""
_TECHNICAL = re.compile(r"\d\.\d{1,3}(?:\.\d|[^\d€$%])|[{}=`\\]|\w\(\)|://|(?<!\w)--?\w|#\d")
"""Beside a version, an option, a call or a piece of markup, a name has to be told from a product's."""
_RELEASE = re.compile(
    r"(?<![\w.])(?!\d{1,2}\.\d{1,2}\.(?:19|20)\d\d(?!\d)|\d{3}\.\d{3}\.\d{4})v?\d{1,3}\.\d{1,4}\.\d{1,4}(?!\.?\d|[\w.]*\d\.)"
)
"""``Bump hugo from 0.121 to 0.123.8``: beside the number of a release one word is rather what is released. No address, no day, no telephone."""
_CHANGED = re.compile(r"(?:Bump|Upgrade|Downgrade|Pin|Revert|Backport|Unpin) ")
"""What somebody did to a program, in the first word of a commit's message."""
_RELEASED_AFTER = re.compile(
    r" (?:(?:was |is )?(?:upgraded|updated|bumped|pinned|downgraded|moved) (?:from |to )|(?:from |to |>=? ?|== ?))v?\d{1,3}\.\d|"
    r":(?: \d{1,4}){6}"
)
"""``Jackson upgraded to 2.17.1``; ``Fibonacci: 1 1 2 3 5``."""
_LOGGED, _DIGIT_BEFORE = re.compile(r"[VDIWEF] [A-Z]\w+"), re.compile(r"\d +\Z")
"""``812 I Zygote``: the level of a line of a log and what wrote it."""
_WEAKNESS = re.compile(
    r"\b(?:Denial of Service|Injection|Overflow|Traversal|Disclosure|Code Execution|Forgery|Cross-Site|Escalation|Deserialization)$"
)
_ANNOTATED = re.compile(r"\bdef \w+\([^\n]{0,120}: [\"']\Z")
"""The type of a parameter that is not there yet: ``def chase(self, other: "Mark")``."""
_ABBREVIATED = re.compile(r"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec")
_DAY_BEFORE = re.compile(r"(?<!\d)[0-3]?\d(?:st|nd|rd|th)? \Z")
_OF_DUMP = re.compile(r"(?:^|\n)[0-9a-fA-F]{6,10}:?[ ]{1,3}(?:[0-9a-fA-F]{2,4} ){4}[^\n]{0,80}\Z")
"""Beside bytes, the letters that they stand for."""
_COLLECTS = re.compile(r"-(?:[Cc]ompact|[Ss]weep)")
"""As V8 and others tell of collecting garbage."""
_DEGREE = re.compile(r"[ABM]\.(?:S|A|Sc|Arch|Eng|Ed|Com|Tech|B\.A)\b")
"""``A.S. Business``"""
_DAY_AND_TIME = re.compile(r" {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d")
"""As a log's lines begin."""
_CAMEL = re.compile(r"(?!mc|mac|de|van|von|di|da|du|la|le|o[A-Z])[a-z]{2,24}[A-Z]\w*")
"""``cancelPeek``"""
_INTERFACE = re.compile(r"(?:en|eth|wl|wlan|awdl|lo|utun|bridge|docker|veth|br|tun|tap|ens|enp|bond|vlan)\d\w{0,6}")
_MONTH = re.compile(r"March|April|May|June|August|Mai|Mars|Avril|Juin|Août")
_IN_MONTH = re.compile(r"\b(?:in|since|until|till|by|of|last|next|this|early|late|mid|im|seit|ab|en|depuis) \Z")
_A_OR_ANY = re.compile(r"\b(?:an?|any|the|every|each|no|some|this|that) \Z")
_SENTENCE_BEFORE = re.compile(r"[a-z]{4}[.!?] \Z")
_ONE_OF, _MAY = re.compile(r"An? [A-ZÀ-Þ]"), re.compile(r"May (?:I|we|you|he|she|they|it)\b")
"""``A Markov process``, ``May I ask``"""
_DESCRIBED = re.compile(r"(?:^|\n)[ \t]+description \Z")
"""Of a port of a router."""
_RANGE = re.compile(r"\d{4}(?:[-–, ]{1,2}\d{4})*")
_BOUND = re.compile(
    r"\s[<>]=?\s{1,3}(?:(?:DATE|date|timestamp|to_date)[ (]{0,2})?[\"']?$|"
    r"(?i:expir\w{1,8}|expires_(?:on|at)|valid_(?:to|until|from)|issued?(?:_(?:on|at))?|ablauf\w{0,8}|g[üu]ltig_\w{3})[\"']?\s?[:=]\s?[\"']?$"
)
"""``CHECK (born > DATE '1900-01-01')``, ``"expiry": "2029-03-30"``"""
_SIGNED = re.compile(
    r"(?:\bsigned|signature|unterschrift|"
    r"(?:ort|place|lieu|luogo|lugar|plaats)(?:,| (?:und|and|et|e|y|en)) (?:date|datum|data|fecha)|\bdated)[^\n]{0,40}\Z",
    re.IGNORECASE,
)
"""When something was signed, however near it stands to somebody's birth."""
_COPYRIGHT = re.compile(r"copyright|©|\(c\)", re.IGNORECASE)
_OF_ATTRIBUTE = re.compile(r"(?<!age)=[\"']\Z|[\d'\"], ?[\"']\Z", re.IGNORECASE)


PERSONAL = 0.15
"""So much less sure the model may be of a person in a text that is about people."""
IMPERSONAL = 0.5
"""In a text of which it is known that nothing else says so it must be surer, by this share of what is left to certainty."""


FRAMED = 0.42
"""The same where a sentence has a person, a place or a firm in that part."""
SURE_PERSONAL = 0.97
"""So sure the model must be of an account's name in a text about nobody."""
SURE_OF_PAPER = 0.85
"""So sure the model must be of a person whom a file is named after."""
SMALL = 0.98
"""So sure the model must be of a name in small letters that is on no list, where others are written with capitals."""


def _is_framed(text: str, start: int, end: int, entity: str, lists: Callable[[str], int]) -> bool:
    value = text[start:end]
    if value.islower() or is_ordinary(value, lists) or has_name_of_product(value):
        return False
    if frames_place(text, start, end) or (entity != "LOCATION" and frames_firm(text, start, end)):
        return True
    if entity == "PERSON" and heads_enumeration(text, end):
        return any(is_listed(word, lists) for word in WORD.findall(value))
    return entity != "LOCATION" and frames_person(text, start, end)


def _is_small_among_large(text: str, start: int, end: int, entity: str) -> bool:
    """Whether it is in small letters, in a sentence that has capitals: only where there are none does anybody write names so."""
    if entity == "ORGANIZATION" or not text[start:end].islower():
        return False
    return _CAPITALISED.search(text, max(0, start - _AROUND), start) is not None


_SECTION = re.compile(r"[A-Z]\.(?: [A-ZÀ-Þ][A-ZÀ-Þ'&/-]*)*")


def _is_heading(text: str, start: int, end: int) -> bool:
    """Whether a line is of capitals only, with a letter that counts it before: ``D. BOND REFUND ACCOUNT``."""
    if start and text[start - 1] != "\n":
        return False
    line = text[start : (text.find("\n", end) + 1 or len(text) + 1) - 1]
    return len(line) > len("A. B") and line[3:].isupper() and _SECTION.match(line) is not None


def _is_place(value: str, lists: Callable[[str], int]) -> bool:
    """Whether towns or countries are called so: ``Bandung`` ends like many a German noun."""
    return any(lists(folded(word)) & (PLACE | COUNTRY) for word in WORD.findall(value))


def is_doubtful(
    text: str, start: int, end: int, entity: str, sure: float, lists: Callable[[str], int], personal: bool | None = None
) -> bool:
    """Whether to let a finding of the model go. ``sure`` is its own measure, 0 to 1; ``lists`` gives a folded word's lists as bits."""
    value = text[start:end]
    match entity:
        case "PERSON" | "ORGANIZATION" | "LOCATION":
            least = least_certainty(entity, value, lists)
            if personal is False and not (entity == "LOCATION" and _CODE_AFTER_TOWN.match(text, end) is not None):
                least += IMPERSONAL * (1 - least)
            elif personal and entity == "PERSON" and not is_ordinary(value, lists):
                least -= PERSONAL
            if sure < least and _is_framed(text, start, end, entity, lists):
                # Capitals throughout are asked for more than the model ever gives.
                least -= 2 * FRAMED if value.isupper() else FRAMED
            named = any(is_listed(word, lists) for word in WORD.findall(value) if not word.islower())
            if (
                is_product(text, start, end, lambda word: is_listed(word, lists), person=entity == "PERSON")
                or _is_of_zone(text, start, end)
                or _COLOUR.match(text, end) is not None
                or (not named and _COMMON_NOUN.fullmatch(value) is not None and not _is_place(value, lists))
            ):
                return True
            if (
                (text[end : end + 1] == ">" and f"</{value}>" in text)
                or (
                    _ABBREVIATED.fullmatch(value.rstrip(".")) is not None
                    and (
                        _DAY_AND_TIME.match(text, end) is not None
                        or _DAY_BEFORE.search(text, max(0, start - 6), start) is not None
                    )
                )
                or _DEGREE.match(value) is not None
                or _CAMEL.fullmatch(value) is not None
                or _LABEL.fullmatch(value) is not None
                or _DRUG.fullmatch(value) is not None
                or _LETTERS.fullmatch(value) is not None
            ):
                return True
            if entity == "LOCATION" and len(value) < 3 and value.islower():
                return True
            if text[start - 2 : start] == "  " and _OF_DUMP.search(text, max(0, start - 100), start) is not None:
                return True
            if entity == "LOCATION" and _CODE_OF_STATE.fullmatch(value) is not None and not _is_after_town(text, start, end):
                return True
            if (
                sure < least
                or _is_foreign(text, start, end)
                or (not personal and is_unread(text, start, end, lists))
                or (
                    sure < 0.995
                    and _is_of_identifier(text, start, end)
                    and not (sure > SURE_OF_PAPER and _is_of_paper(text, start, end))
                )
            ):
                return True
            if (
                _LOGGED.fullmatch(value) is not None and _DIGIT_BEFORE.search(text, max(0, start - 8), start) is not None
            ) or _WEAKNESS.search(value) is not None:
                return True
            if (_MONTH.fullmatch(value) is not None and _IN_MONTH.search(text, max(0, start - 12), start) is not None) or (
                value.islower() and is_ordinary(value, lists) and _A_OR_ANY.search(text, max(0, start - 8), start) is not None
            ):
                return True
            if text[start - 1 : start] in ("'", '"') and _ANNOTATED.search(text, max(0, start - 160), start) is not None:
                return True
            if entity == "ORGANIZATION" and _DESCRIBED.search(text, max(0, start - 24), start) is not None:
                return True
            if (
                _ONE_OF.match(value) is not None and _SENTENCE_BEFORE.search(text, max(0, start - 8), start) is not None
            ) or _MAY.match(text, start) is not None:
                return True
            if entity == "PERSON" and value[1:2] == "." and _is_heading(text, start, end):
                return True
            if value == "Mark" and _COLLECTS.match(text, end) is not None:
                return True
            if _CHANGED.match(value) is not None or (" " not in value and _RELEASED_AFTER.match(text, end) is not None):
                return True
            if _SAID.fullmatch(value) is not None and _TITLED.search(text, max(0, start - 8), start) is None:
                return True
            if not named and (
                _MANNER.fullmatch(value) is not None or (sure < SMALL and _is_small_among_large(text, start, end, entity))
            ):
                return True
            if (
                sure < 0.8
                and entity == "PERSON"
                and (least > -PERSONAL or not personal)
                and _TECHNICAL.search(text, max(0, start - 40), end + 40) is not None
            ):
                return True
            if (
                (sure < 0.97 or value.islower())
                and " " not in value
                and not _speaks(text, start, end)
                and _RELEASE.search(text, max(0, start - 40), end + 40) is not None
            ):
                return True
            if _STYLED.search(text, max(0, start - 32), start) is not None or (
                _DOTTED.fullmatch(value) is not None and text[end : end + 1] in _OPENS_OR_ASSIGNS
            ):
                return True
            if is_method(text, start, end, personal=personal):
                return True
            before = text[max(0, start - 160) : start]
            return (before[-1:] in _BLOB_ENDS and " " not in value and _BLOB.search(before[-64:]) is not None) or (
                "font" in before.lower() and _FONT.search(before) is not None
            )
        case "TITLE":
            return (
                _NO_TITLE.match(text, start) is not None
                or (text[start - 1 : start] == "-" and text[start - 2 : start - 1].isalpha())
                or text[end - 1 : end] == "_"
                or (value == "Frau" and _WIFE.search(text, max(0, start - 8), start) is not None)
                or _is_of_identifier(text, start, end)
            )
        case "POSTCODE":
            if _POSTCODE.fullmatch(value) is not None or _POSTCODE_KEYED.search(text, max(0, start - 24), start) is not None:
                return False
            placed = _PLACED_BEFORE.search(text, max(0, start - 24), start) or _PLACED_AFTER.match(text, end)
            return placed is None or sure < 0.9 or _POSTCODE_DIGITS.fullmatch(value) is None
        case "DATE_OF_BIRTH":
            if _DATE.fullmatch(value) is None:
                return True
            if _RANGE.fullmatch(value) is not None and _COPYRIGHT.search(text, max(0, start - 48), start) is not None:
                return True
            if _BOUND.search(text, max(0, start - 24), start) is not None:
                return True
            if _SIGNED.search(text, max(0, start - 48), start) is not None:
                return True
            near = max(0, start - _NEAR)
            # With the sign before it, by which a word begins.
            return _BORN.search(text[max(0, near - 1) : end + 24].lower(), min(near, 1)) is None
        case "STREET_ADDRESS":
            if sure < 0.75 or _STREET.match(value) is None:
                return True
            if (
                sure < 0.95
                and not any(map(str.isdigit, value))
                and not (sure > 0.85 and _ROAD.search(value) and text[end : end + 1] == ",")
            ):
                return True
            return (
                _STAIRCASE.fullmatch(value) is not None
                or _IN_MONEY.match(text, end) is not None
                or _SUITE_OF_TESTS.match(text, start) is not None
                or _PART_OF_A_TEXT.search(text, max(0, start - 24), start) is not None
            )
        case "AGE":
            if sure < 0.65 or (not any(map(str.isdigit, value)) and _NUMBER_WORD.search(value) is None):
                return True
            if not value.isdigit() or _AFTER_NAME.search(text, max(0, start - 40), start) is not None:
                return False
            if _AGE_COLUMN.search(text, max(0, start - _FAR), start) is not None:
                return False
            if personal and _is_so_old(text, start, end, lists):
                return False
            # Where a word says how old, the recognizers know of what.
            return (
                sure < 0.97
                or _AGED.search(text, max(0, start - 24), start) is not None
                or _OF_A_THING.search(text, max(0, start - 24), start) is not None
                or _OF_ATTRIBUTE.search(text, max(0, start - 8), start) is not None
                or _YEARS.match(text, end) is not None
            )
        case "USERNAME":
            at = text.find(f"@{value}", max(0, start - _NEAR), end + _NEAR)
            if text[start - 1 : start] == "<" and f"</{value}>" in text:
                return True
            if _INTERFACE.fullmatch(value) is not None or (at > 0 and text[at - 1].isalnum()):
                # Of a network, or a host: ``local@node-admin1``.
                return True
            if personal is False and (sure < SURE_PERSONAL or text[end : end + 1] == "."):
                return True
            if _WHO_IS.search(text, max(0, start - 32), start) is not None and text[end : end + 1] == ")":
                return sure < 0.6
            if _OPERATOR.search(text, max(0, start - 4), start) is not None or text[end : end + 1] == "(":
                return True
            if _is_of_identifier(text, start, end) or sure < 0.75 or _HEX.fullmatch(value) is not None:
                return True
            return _USER.search(text, max(0, start - 60), start) is None and _SPEAKS.match(text, end) is None
        case _:
            return False


def _is_so_old(text: str, start: int, end: int, lists: Callable[[str], int]) -> bool:
    """Whether somebody is said to be so old, though no word of age stands there: ``Ken is 82, on oxygen``."""
    if _SO_FAR.match(text, end) is None or text[start] == "0" or end - start > 3:
        return False
    who = _WHO_IS_SO_OLD.search(text, max(0, start - 40), start)
    if who is not None:
        word = folded(who["who"])
        return word in ("she", "he") or (is_listed(word, lists) and not is_ordinary(word, lists))
    return _CHILD_OF.search(text, max(0, start - 48), start) is not None


def _speaks(text: str, start: int, end: int) -> bool:
    """Whether a line of a dialogue begins so: ``raj: rolled back to v2.31.0``."""
    return text[end : end + 2] == ": " and (start == 0 or text[start - 1] == "\n" or text[start - 2 : start] == "] ")


_PAPER = re.compile(
    r"(?:[_.-][^\W_]{1,24}){0,4}\.(?:pdf|docx?|odt|rtf|xlsx?|csv|pptx?|jpe?g|png|heic|tiff?|msg|eml|vcf)\b", re.IGNORECASE
)


def _is_of_paper(text: str, start: int, end: int) -> bool:
    """Whether it is, with a capital, in the name of a file that people make: ``/offers/Fitzgerald_Maeve_offer.docx``."""
    return text[start].isupper() and text[start + 1 : start + 2].islower() and _PAPER.match(text, end) is not None


def _is_after_town(text: str, start: int, end: int) -> bool:
    """Whether a state's two letters stand where addresses have them: ``["DE", "FR"]`` are countries of a list."""
    return (
        _TOWN_BEFORE.search(text, max(0, start - 8), start) is not None
        or _CODE_AFTER_STATE.match(text, end) is not None
        or _STATE_KEYED.search(text, max(0, start - 24), start) is not None
    )


_AROUND = 120
_CAPITALISED = re.compile(r"(?:^|[.!?\n\"“:>] ?)[A-ZÀ-Þ][a-zà-ÿ]*[ ,'’][^.!?\n:>]{4,}\Z")
"""A sentence that begins with a capital, up to a word of it."""
_SAID = re.compile(
    r"你好|您好|(?i:oh|ah|wow|ugh|hmm+|yeah|yep|nope|okay|asap|fyi|eta|tbd|tba|faqs?|diy|rsvp|lol|omg|btw|imho)|C[EFTO]Os?|VPs?|TV|TVs|Q&A|"
    r"(?:Labou?r|Memorial|Independence|Veterans|Christmas|Boxing|Thanksgiving|Columbus|Election|Bastille|Groundhog|"
    r"(?:New Year|Mother|Father|Valentine|President)['’]?s['’]?) (?:Day|Eve)"
)
"""What people say and nobody is called, and days that all have."""
_TITLED = re.compile(r"(?:Mr|Ms|Mrs|Dr)\.? \Z")
_MANNER = re.compile(r"[A-Za-z][a-z]{1,14}(?:etic|ful|ously|ively|fully|ally|adly|ately|ently|antly|ably|ibly|edly|ingly)")
"""An adjective or adverb by its ending, with a capital where a sentence begins."""
_LATIN = re.compile(r"[A-Za-zÀ-ɏḀ-ỿ]")
_OTHER_LETTER = re.compile(r"[^\W\d_A-Za-zªºÀ-ɏḀ-ỿ]")
_ABOUT = 60
_MOST_WORDS, _LONGEST_NAME = 4, 20
_SENTENCE = re.compile("[。।、，？！۔]|\\. ")
"""No name has a full stop or a comma within, in any script."""


def _is_foreign(text: str, start: int, end: int) -> bool:
    """Whether a name is in letters other than Latin, in a text of such: the model has learnt to read Latin ones only.

    Among Latin words, as in a form or a contact list, such a name is told by what stands around it.
    """
    if text[start:end].isascii() or _OTHER_LETTER.search(text, start, end) is None:
        return False
    value = text[start:end]
    if len(words := value.split()) > _MOST_WORDS or max(map(len, words)) > _LONGEST_NAME or _SENTENCE.search(value) is not None:
        return True
    around = text[max(0, start - _ABOUT) : start] + text[end : end + _ABOUT]
    return len(_OTHER_LETTER.findall(around)) > len(_LATIN.findall(around))


_COMMON_NOUN = re.compile(
    r"[A-ZÄÖÜ]\w{1,24}(?:ungs?|ungen|keit|keiten|heit|schaft|tion|tionen|dienst|lauf|gleich|verein|satz|sätze|zeichnis|vorgang|abruf|speicher)"
    r"(?: [a-zäöü]{3,14})?|(?:Sätze|Zeilen|Dateien|Einträge|Seiten) [a-zäöü]{3,14}|[A-ZÀ-Þ][a-zà-ÿ]{2,14}ez"
)
"""German nouns by their endings, and what French tells its reader to do."""
_COLOUR = re.compile(r"[\"']?\s?:\s?[\"']?#[0-9a-fA-F]{3,8}\b")
"""After the name of a colour."""
_ZONE = re.compile(
    r"(?<![\w/.])(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)(?:/[A-Z][A-Za-z]{1,20}(?:[_-][A-Za-z]{1,20}){0,3}){1,2}(?![\w/])"
)
"""A zone of the IANA's time zone database. It says where a clock is, of many millions."""


def _is_of_zone(text: str, start: int, end: int) -> bool:
    near = max(0, start - 32)
    return "/" in text[near : end + 1] and any(
        zone.start() <= start and end <= zone.end() for zone in _ZONE.finditer(text, near, end + 48)
    )


_DRUG = re.compile(
    r"[^\W\d_]{2,12}(?:olol|statin|pril|sartan|mycin|micin|cillin|floxacin|cycline|azole|dipine|formin|gliptin|gliflozin|parin|xaban|gatran|tinib|zumab|ximab|"
    r"zepam|zolam|codone|caine|oxetine|traline|pramine|triptyline|setron|gabalin|gabapentin|tidine|prazole|semide|thiazide|profen|fenac|metasone|nisolone|"
    r"thyroxine|paracetamol|acetamol|fentanyl|tramadol|lukast|terol|tropium|dronate|grel|vastatine|prolol|troponin|globin|"
    r"cholesterol)(?: \d.*)?",
    re.IGNORECASE,
)
"""By the endings that the WHO gives to the names of medicines (its stem book), and of what laboratories measure."""
_LETTERS = re.compile(r"[a-zà-ÿ](?: [a-zà-ÿ])+")
"""Small ones, one by one: initials are large."""
_LABEL = re.compile(
    r"(?:ADRs?|ANSI|ASCII|FFI|GIL|MADR|RACI|SSRF|UUID|EHRs?|YOLO|BDAY|USt|RVNR|SIRET|SIREN|UAN|PESEL|NIP|EMS|NMLS|MB|GB|KB|TB|Soc|Diners|ABA|ACH|[Nn]|NICKNAME|VCARD|PAN|ABN|ACN|TFN|BSN|NAF|NUSS|GSTIN|NIF|NIE|DNI|CIF|SSN|MRN|NHS|IBAN|BIC|SWIFT|BACS|CLABE|IFSC|BSB|ETH|BTC|USDT|USDC|GBP|EUR|USD|CHF|CAD|AUD|INR|CNP|RUT|"
    r"Branch BrPart|Min/Max|CPF|PESEL|NPI|DEA|EIN|ITIN|SIN|OHIP|UTR|NINO|VAT|IVA|TVA|"
    r"DOB|VIN|IMEI|PNR|IP|MAC|ID|Aadhaar|Aadhar|UPI|KYC|ECG|EKG|MRI|CT|BP|HR|PIN|OTP|PLZ|ZIP|"
    r"Tel|Fax|Kto|Konto|Str|Nr|Ref|Rechnung|Invoice|Betreff|Oggetto|Asunto|Objet|Segundo|Municipio|Provincia|Lui|Lei|"
    r"[Pp]ra mim|Dzień dobry|Pozdrawiam|Hej|Dear|Hi|Hello|Thanking|Regards|Bearer|The|My|Your|Our|His|Her|Su|El|La|Mon|Son|Sa|"
    r"Alpha|Bravo|Delta|Foxtrot|Tango|Zulu|"
    r"January|February|March|July|October|November|December|Januar|Februar|März|Juli|Oktober|Dezember)\.?"
)
"""What announces something, begins a sentence or names a month is nobody."""


def _is_of_identifier(text: str, start: int, end: int) -> bool:
    if _SMALL.fullmatch(text, start, end) is not None and (_SMALL_BEFORE.match(text, start - 1) if start else False):
        return True
    return (
        # How all that the pattern finds may end: it is slow to find nothing.
        (
            text[max(0, start - 1) : start] in _ENDS_IDENTIFIER
            and _OF_IDENTIFIER_BEFORE.search(text, max(0, start - 48), start) is not None
        )
        or _OF_IDENTIFIER_AFTER.match(text, end) is not None
    )


__all__ = ["is_doubtful"]
