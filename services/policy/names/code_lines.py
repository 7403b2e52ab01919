"""Lines of programs: which they are, and which words of them are not in quotes or in a remark, where programs name people."""

import re

_CODE_BEGINS = re.compile(
    r"""^\s+at[ ]\S+[.(] | ^\s*File[ ]" | ^\s*@\w+(?:\.\w+)*\(
    | ^\s*(?:import|export|from|def|class|const|let|var|func|fn|type|enum|struct|public|private|static|async|package|use|
        impl|trait|\#(?:include|define|undef|if|ifdef|ifndef|elif|else|endif|pragma|error|warning|region|line))\b.*[={(;.<]
    | ^(?:diff[ ]-|index[ ][0-9a-f]{7}|(?:---|\+\+\+)[ ]\S*[/.]\S*\s*(?:$|\t)|@@[ ]-)""",
    re.VERBOSE,
)
# Every branch begins with a sign of its own: ``re`` then passes over the letters of a sentence.
_CODE_HOLDS = re.compile(
    r"""\{\s*$ | \}\s*$ | \)\s*[{:]\s*$
    | => | :(?<=[g-zG-Z_]:):\w | :(?<=\w:):[g-zG-Z_] | -(?<=\w-)>\w | !==?[^=] | ===?[^=] | <==?[^=] | >==?[^=] | &&
    | \|(?<=[ ]\|)\|[ ] | \.(?<=\w\.)\w+\( | \((?<=\w\()\)""",
    re.VERBOSE,
)
_STATEMENT = re.compile(r"[^;]*[\w)\]\"'];\s*$")
"""What a line of code begins with or has, and a sentence has not."""
_OF_FORMAT = re.compile(r"[A-Z][A-Z0-9]{2}\||N(?:;[^:\n]{0,40})?:[^\n]{0,120};")
"""A segment of HL7, the name of a vCard: the recognizers know what stands where."""
_PROSE = re.compile(
    r"(?<![\w.'\"-])(?:the|my|our|your|we|was|were|she|he|they|his|her|says?|said|please|who|which|this|that|und|der|die|das|ich|wir|nicht|les|des|"
    r"nous|vous|avec|los|las|con|una|che|della|het|een|wij|van|com|na|uma|nie|się)(?![\w.(\"'=-])"
)
"""Words of which a sentence has two or more, whatever call or sign of a program it quotes."""
_CALL = re.compile(r"\w\(|\b(?:if|for|while|with|in|elif)\b")
_OPENS = "\"'`>“‘"
_COMMENT = re.compile(r"(?:^|\s)(?:#|//|/?\*|--|<!--|%)\s|@author|\"\"\"")
_BLAMED = re.compile(r"\^?[0-9a-f]{7,40} (?:[^\s()]{1,120} {1,8})?\(")
"""What ``git blame`` says before who wrote the line of code after it."""
_LIFETIME = re.compile(r"(?<=[<&,])[ ]?'[a-z]\w{0,15}(?!\w{0,15}')")
"""Rust's quotes have no other end."""
_LONGEST = 400
_LEAST_PROSE = 2
"""Of a longer line only so much before and after a finding is looked at."""

Lines = dict[tuple[int, int], bool]
"""Where a line begins and ends → whether it is code."""


def _line(text: str, start: int, end: int) -> tuple[int, int]:
    begin = text.rfind("\n", max(0, start - _LONGEST), start) + 1 or max(0, start - _LONGEST)
    close = text.find("\n", end, end + _LONGEST)
    return begin, close if close != -1 else end + _LONGEST


def is_line_of_code(text: str, start: int, end: int, lines: Lines) -> bool:
    """Whether the line of it is one of a program. ``lines`` remembers what was asked before of the same text."""
    place = _line(text, start, end)
    code = lines.get(place)
    if code is None:
        line = text[slice(*place)]
        code = lines[place] = (
            _CODE_BEGINS.match(line) is not None
            or _OF_FORMAT.match(line) is not None
            or (
                ((";" in line and _STATEMENT.match(line) is not None) or _CODE_HOLDS.search(line) is not None)
                # ``Internal note (Ann, 14 January):``
                and not (line.rstrip().endswith("):") and _CALL.search(line) is None)
                and len(_PROSE.findall(line)) < _LEAST_PROSE
            )
        )
    return code


def is_code(text: str, start: int, end: int, lines: Lines) -> bool:
    """Whether this is a word of a program, and neither in quotes nor in a comment, where programs name people."""
    if not is_line_of_code(text, start, end, lines):
        return False
    begin, _ = _line(text, start, end)
    before = text[begin:start]
    if _COMMENT.search(before) is not None or _BLAMED.fullmatch(before) is not None:
        return False
    # Within quotes: an opening one before it, on this line, that nothing has closed.
    return (
        not (before[-1:] in _OPENS and before)
        and before.count('"') % 2 == 0
        and _LIFETIME.sub("", before).count("'") % 2 == 0
        and before.count("`") % 2 == 0
    )


__all__ = ["Lines", "is_code", "is_line_of_code"]
