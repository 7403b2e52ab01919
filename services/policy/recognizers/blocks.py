"""Addresses as they stand on letters and in mail, line under line: what is above and below a flat or a street tells what a line is.

Of the streets of most countries nothing but their place in such a block says that they are streets.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

_UNIT = r"(?i:apt|apartment|suite|ste|unit|flat|lgh|whg|top|appt|piso|interno)\.? ?#?\d{1,5}[A-Za-z]?(?![\w-])"
_UNIT_WORDS = Words(
    ("apt", "apartment", "suite", "ste ", "ste. ", "unit ", "flat ", "lgh ", "whg", "top ", "appt", "piso ", "interno ")
)
_UNITS = re.compile(rf"(?<![\w-]){_UNIT}")
_QUOTED = r"[ \t>|?*]{0,12}"
"""What lines of quoted mail begin with, and indented ones."""
_HEADS = re.compile(rf"(?:^|\n){_QUOTED}$")
_LINE_ABOVE = re.compile(rf"(?:^|\n){_QUOTED}(?P<street>[^\W_][^\n:;@=<>{{}}\[\]|]{{3,60}}?)[ \t,.]{{0,3}}\n{_QUOTED}$")
_FROM_HOUSE = re.compile(r"\d{1,5}[A-Za-z]?,? (?:\d{1,4} )?[^\W\d_].{2,}")
_TO_HOUSE = re.compile(r".{3,}[^\W\d_]\.?,? \d{1,5}[A-Za-z]?\.?")
"""A street has its house at one end or at the other."""
_OF_DWELLING = re.compile(r"apt|apartment|suite|ste\b|lgh|whg|appt|piso|interno", re.IGNORECASE)
"""Courses and shops have units and tops too."""
_OF_TWO_HOUSES = re.compile(
    rf"(?:^|\n){_QUOTED}(?P<street>\d{{1,5}}[A-Za-z]? [^\W\d_][^\d\n:;@=<>{{}}()\[\]|]{{2,40}} \d{{1,5}}[A-Za-z]?\.?)(?=[ \t,]{{0,3}}\n)"
)
"""A line with a house before and after words is a street when a town and its postcode are below."""
_BEFORE_UNIT = re.compile(
    r"(?<![\w.,:/#$-])\d{1,5}[A-Za-z]? (?:\d{1,4} )?[^\W\d_](?:[^\d\n:;@=<>{}()\[\]|]|\d{1,3}(?=\. [^\W\d_])){2,40}[ ]\d{1,5}[A-Za-z]?\.?,? $"
)
_AFTER_UNIT = re.compile(r",? \d{1,5} (?=[^\W\d_a-zà-ÿ])[^\W\d_][^\d\n:;@=<>{}()\[\]|]{2,40} \d{1,5}[A-Za-z]?(?![\w-]|[.,]\d)")
"""``3120 Lindvej 44 Apt. 7``; and ``Suite 7 3120 Lindvej 44``."""
_CODE = (
    r"(?:\d{4} ?[A-Z]{2}|\d{3} \d{2}|\d{2}-\d{3}|\d{3,6}(?:-\d{3,4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d)"
    r"(?![\w-]|[.,:/]\d)"
)
_PLACE = r"[^\W\d_][^\d\n:;@=<>{}\[\]|?!]{1,40}"
_LINE = re.compile(
    rf"{_QUOTED}(?:(?P<unit>{_UNIT})|(?P<place>{_PLACE}?),? {{1,3}}(?P<code>{_CODE})|"
    rf"(?P<code_alone>{_CODE})(?: {{1,2}}(?P<place_after>{_PLACE}?))?|"
    r",? ?(?P<region>[A-Z]{2,3})|(?P<place_alone>[^\W\d_][^\d\n:;@=<>{}\[\]|?!]{1,40}?))(?P<end>[ \t,.]{0,3}(?:\n|$)|[?.!,;)](?:\s|$))"
)
_WORD = re.compile(r"[^\W\d_][\w'’.-]*")
_PARTS = re.compile(r"[^\W\d_](?:[^,()\n ]| (?![,()]|[A-Z]{2,3}(?:[ ,\n]|$)))*")
_OTHER = re.compile(
    r"\b(?:number|no|nr|order|invoice|total|amount|tel|phone|mobile|fax|cell|office|home|work|desk|id|ref|reference|account|page|line|item|"
    r"case|ticket|date|room|port|version|code|build|step|sum|count|size|score|kind|regards|thanks|hello|dear)\b",
    re.IGNORECASE,
)
"""What numbers of other kinds are after, and what else stands below an address."""
_LINE_SHAPES = tuple(f"0{end}\n" for end in ("", ".", ",", " "))
_MOST_LINES, _MOST_WORDS = 5, 5
_LINE_ENDS = re.compile(r"[ \t,.]{0,3}\n")
_SMALL = frozenset(
    "de da do dos das del della di du des la le les van von der den zu am an in im of the el y i u nad pod na sur on".split()  # noqa: SIM905
)

_CORNER_WORDS = Words(
    (
        "corner of ",
        "corner ",
        "intersection of ",
        "junction of ",
        "ecke ",
        "esquina ",
        "angolo ",
        "hoek van ",
        "angle de ",
        "l'angle d",
    )
)
_CORNER_PART = (
    r"(?!(?i:the|a|an|my|your|his|her|our|their|its|this|that|each|every|one|two|left|right|top|bottom|upper|lower|der|die|das|den|dem|le|los|las|"
    r"lo|gli|il|de|het|een|un|una|une)\b)[^\W_][\w'’.-]{0,24}(?: [^\W_][\w'’.-]{0,24}){0,4}?"
)
_CORNER = re.compile(
    r"(?<![^\W\d_])(?:(?i:(?:street )?corner of|intersection of|junction of|hoek van|corner)|(?i:esquina)(?: (?:de|con|entre))?|"
    r"(?i:angolo)(?: (?:tra|di|fra))?|(?i:ecke)|(?i:[àa] l['’]angle de|angle de)) "
    rf"(?P<streets>{_CORNER_PART}(?: (?:and|&|und|y|con|e|et|en) | ?/ ?){_CORNER_PART})(?=[,;?!)\"\n]|\.(?:\s|$)|$| "
    r"(?:in|at|for|near|on|to|is|was|where|by|opposite|there|before|after|from|please|next|every|when|this|that|i|we|in|bei|nahe|cerca|près)\b)"
)
"""``at the corner of Lindvej 44 and Marsh Lane``"""
_OF_STREETS = re.compile(
    r"\d|(?i:\b(?:st|str|street|road|rd|ave|avenue|lane|ln|drive|dr|court|courts|way|place|square|terrace|blvd|boulevard|route|pass|turnpike)\b)|"
    r"(?:^| )(?=[^\W\d_a-zß-ÿ])[^\W\d_]\w"
)
_FORCES = re.compile(r"\b(?P<place>(?:[AFD]PO|[afd]po),? (?:A[AEP]|a[aep])),? {1,3}(?P<code>\d{5}(?:-\d{4})?)(?![\w-])")
_FORCES_WORDS = Words(("po aa", "po ae", "po ap", "po, a"))


def blocks(text: str, lowered: Lowered, streets: Sequence[Finding]) -> Iterator[Finding]:
    """What is part of the addresses of which ``streets`` are known, and of those with a flat or a unit; in any order."""
    ends = {street.end for street in streets}
    if _UNIT_WORDS.any_within(lowered):
        known = sorted((street.start, street.end) for street in streets)
        furthest = list(accumulate((end for _, end in known), max))
        for unit in _UNITS.finditer(text):
            ends.add(unit.end())
            found = _at_unit(text, *unit.span())
            if found is None:
                continue
            before = bisect_left(known, (found[1], 0))
            # What is known to go on beyond the unit has an end of its own.
            if not before or furthest[before - 1] <= unit.end():
                yield _address(*found)
                if "\n" in text[found[0] : unit.start()]:
                    yield _address(*unit.span())
                ends.add(found[1])
    if "\n" in text:
        for end in sorted(ends):
            yield from _below(text, end)
        for match in _OF_TWO_HOUSES.finditer(text) if lowered.has_shape(_LINE_SHAPES) else ():
            below = list(_below(text, match.end())) if match.end() not in ends else []
            if below and _OTHER.search(match["street"]) is None:
                yield _address(*match.span("street"))
                yield from below
    if _FORCES_WORDS.any_within(lowered):
        for match in _FORCES.finditer(text):
            yield Finding(*match.span("place"), "LOCATION", "LOCATION", 0.7)
            yield Finding(*match.span("code"), "POSTCODE", "POSTCODE", 0.8)


def corners(text: str, lowered: Lowered) -> Iterator[Finding]:
    """Where two streets meet; in order. They need no number."""
    if _CORNER_WORDS.any_within(lowered):
        for match in _CORNER.finditer(text):
            if _OF_STREETS.search(match["streets"]) is not None:
                yield _address(match.start("streets"), match.start("streets") + len(match["streets"].rstrip(". ")))


def _address(start: int, end: int) -> Finding:
    return Finding(start, end, "STREET_ADDRESS", "ADDRESS", 0.6)


def _at_unit(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the street of a unit is, with the unit if they stand on one line; None when there is none."""
    near = max(0, start - 100)
    if _HEADS.search(text, near, start) is not None:
        after = _AFTER_UNIT.match(text, end)
        if after is not None:
            return start, after.end()
        above = _LINE_ABOVE.search(text, near, start)
        if above is None or _OTHER.search(above["street"]) is not None:
            return None
        houses = (_FROM_HOUSE.fullmatch(above["street"]) is not None) + (_TO_HOUSE.fullmatch(above["street"]) is not None)
        if houses == 2 or (houses and (_OF_DWELLING.match(text, start) is not None or any(_below(text, end)))):
            return above.span("street")
        return None
    before = _BEFORE_UNIT.search(text, near, start)
    if before is not None and _OTHER.search(before[0]) is None:
        return before.start(), end
    after = _AFTER_UNIT.match(text, end)
    return (start, after.end()) if after is not None else None


def _below(text: str, end: int) -> Iterator[Finding]:
    """The lines below a street, as far as one has a postcode."""
    ending = _LINE_ENDS.match(text, end)
    if ending is None:
        return
    position = ending.end()
    held: list[Finding] = []
    unit = False
    for _ in range(_MOST_LINES):
        line = _LINE.match(text, position)
        if line is None:
            return
        kind = str(line.lastgroup if line.lastgroup != "end" else next(name for name in _KINDS if line[name] is not None))
        if kind == "unit":
            unit = True
            held.append(_address(*line.span("unit")))
        elif kind == "region":
            held += _places(text, *line.span("region"))
        elif kind == "place_alone":
            if not _is_place(line["place_alone"], unit):
                return
            held += _places(text, *line.span("place_alone"))
        else:
            place = "place" if kind == "code" else "place_after"
            if line[place] is not None:
                if not _is_place(line[place], unit):
                    return
                held += _places(text, *line.span(place))
            yield from held
            yield Finding(*line.span(kind), "POSTCODE", "POSTCODE", 0.6)
            held.clear()
        if not line["end"].endswith("\n"):
            return
        position = line.end()


_KINDS = ("unit", "code", "code_alone", "region", "place_alone")


def _places(text: str, start: int, end: int) -> Iterator[Finding]:
    """The town, and its region or country where one is told beside it: ``Québec, QC``, ``Nea Poli (Larisa)``."""
    for part in _PARTS.finditer(text, start, end):
        yield Finding(*part.span(), "LOCATION", "LOCATION", 0.5)


def _is_place(words: str, small: bool) -> bool:
    """Whether it is written as places are; of a block with a unit ``small`` letters may all be."""
    found = _WORD.findall(words)
    return (
        0 < len(found) <= _MOST_WORDS
        and _OTHER.search(words) is None
        and (small or all(not word[0].islower() or word in _SMALL or len(word) < 4 for word in found))
    )


__all__ = ["blocks", "corners"]
