"""Sentences that have a person, a place or a firm where a name stands, whatever the name: ``flew to …``, ``shouted at …``, ``… began writing``.

There the model may be less sure. It has to have seen a name: what people fly to is told here, what programs move to is not.
"""

import re

_PERSON_BEFORE = re.compile(
    r"(?:\b(?:said|says|shouted|yelled|screamed|whispered|waved|smiled|winked|nodded|growled|muttered)(?: [A-ZÀ-Þ][\w'’-]+)? (?:to|at)"
    r"|\b(?:assistant|married|engaged|related|addressed|introduced(?: me| us)?|condolences|congratulations) to"
    r"|\((?:not |also |only )?(?:\w+ )?by|\bwithout me|\bin memory of|\bon behalf of)[ ]$",
    re.IGNORECASE,
)
_BEFORE_PERSON = frozenset(("to", "at", "by", "(by", "me", "of"))
"""How it ends: most words before a name are others."""
_PERSON_AFTER = re.compile(
    r" (?:(?:began|started|stopped|kept) (?:writing|singing|acting|painting|teaching|drawing|crying|laughing|composing)|was born|grew up|"
    r"passed away|lives? (?:on|at|with)|lived (?:on|at|with))\b"
)
_PLACE_BEFORE = re.compile(
    r"(?:\b(?:fl(?:ew|y|ying|ies|own)|travel(?:l?ing|l?ed|s)?|trips?|relocat\w{1,4}|emigrated|drove|driving|returned|sailed|commutes?|"
    r"(?:who['’]?s |who is |not |are |been )?coming|deported|headed) (?:back )?(?:to|from)"
    r"|\b(?:(?:moved|moving) (?:here|back|over|away|house)) (?:to|from)"
    r"|\b(?:i am|i['’]m|we are|we['’]re|she['’]s|he['’]s|based|born|raised|grew up|liv(?:es|ed|ing)|resid(?:es|ed|ing)|"
    r"arriv(?:ed|es|ing)|landed|stranded|(?:on )?(?:holiday|vacation)|honeymoon|year|summer|winter|weekend) (?:in|at)"
    r"|\b(?:home ?town|home (?:town|city|country)|originally from|native of|suburb of|(?:city|town|village|municipality) of))[ ]$",
    re.IGNORECASE,
)
_BEFORE_PLACE = frozenset(("to", "from", "in", "at", "of", "town", "hometown", "city", "country"))
_PLACE_AFTER = re.compile(
    r" (?:was|is) (?:\w{2,6} ){0,2}(?:fun|great|nice|lovely|wonderful|boring|expensive) to (?:visit|see|live)\b"
)
_FIRM_BEFORE = re.compile(
    r"(?:\b(?:work(?:s|ed|ing)?|intern(?:s|ed|ing)?|job|career|employee|employed|hired|sacked) (?:for|at|by|of)|"
    r"\b(?:office|address|headquarters|website|branch|offices|customers?|founders?|owners?|ceo) of|"
    r"\b(?:merged with|acquired by|subsidiary of))[ ]$",
    re.IGNORECASE,
)
_BEFORE_FIRM = frozenset(("for", "at", "by", "of", "with"))
_FIRM_AFTER = re.compile(
    r" (?:(?:is|was) an? (?:[\w-]{2,15} ){0,4}(?:agency|company|bank|firm|start-?up|manufacturer|retailer|provider|consultancy|charity|"
    r"non-?profit|co-?operative|publisher|studio|brand|orchestra)\b|"
    r"(?:was founded|is headquartered|is based|went public|employs|is the brainchild|has offices)\b|"
    r"(?:website|headquarters|office|offices|employees|spokes\w{3,6}|shareholders) )"
)
_ENUMERATED = re.compile(
    r", (?:[A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w'’-]+)?, ){0,5}[A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w'’-]+)?,? (?:and|und|et|y|e|en|&) [A-ZÀ-Þ]"
)
_BEFORE = 48
_AFTER = 120


def _ends_before(text: str, start: int) -> str:
    """The word before a name, in small letters; "" where no blank is between."""
    return text[max(0, start - 16) : start - 1].rpartition(" ")[2].lower() if text[start - 1 : start] == " " else ""


def frames_person(text: str, start: int, end: int) -> bool:
    """Whether somebody has to be meant between ``start`` and ``end``."""
    if _ends_before(text, start) in _BEFORE_PERSON and _PERSON_BEFORE.search(text, max(0, start - _BEFORE), start) is not None:
        return True
    return _PERSON_AFTER.match(text, end) is not None


def frames_place(text: str, start: int, end: int) -> bool:
    """The same of a place."""
    if _ends_before(text, start) in _BEFORE_PLACE and _PLACE_BEFORE.search(text, max(0, start - _BEFORE), start) is not None:
        return True
    return _PLACE_AFTER.match(text, end) is not None


def frames_firm(text: str, start: int, end: int) -> bool:
    """The same of a firm."""
    if _ends_before(text, start) in _BEFORE_FIRM and _FIRM_BEFORE.search(text, max(0, start - _BEFORE), start) is not None:
        return True
    return _FIRM_AFTER.match(text, end) is not None


def heads_enumeration(text: str, end: int) -> bool:
    """Whether two names follow or more, the last after an "and"."""
    return text[end : end + 1] == "," and _ENUMERATED.match(text, end, end + _AFTER) is not None


__all__ = ["frames_firm", "frames_person", "frames_place", "heads_enumeration"]
