"""Names in running text: the shipped model, applied.

**Speed.** What a word contributes is computed once and kept; the rest is a few small matrix products per kilobyte. Linear in the
text: it is taken in pieces of ``PIECE`` tokens that overlap by what the network can see.

**Threads.** Safe: the kept words are under a lock (see ``kept``), everything else is local.

**Names told once.** Who is named in full in a letter's head is "Maria" in its third sentence, where little gives it away: a
capitalised word that is surely a person's at one place of a text is so at all.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from zlib import crc32

import numpy as np

from services.policy.findings import Finding, Places
from services.policy.names.code_lines import Lines, is_code, is_line_of_code
from services.policy.names.doubted_values import VALUES, is_doubtful_value, whole_value
from services.policy.names.doubts import is_doubtful
from services.policy.names.kept import KeptWords
from services.policy.names.network import BLOCK, ENTITIES, Floats, Ints, Network
from services.policy.names.organisations import as_organisation
from services.policy.names.words import COMMON, COUNTRY, FEATURES, GIVEN, PLACE, SURNAME, TOKEN, features, folded, key

MODEL = Path(__file__).with_name("names.npz")
FREQUENT = Path(__file__).with_name("frequent.txt")
"""Words that are known before the first text, one a line: see ``training.frequent``."""
PIECE = 4096
OVERLAP = 12
_AT_ONCE = 256
BONUS = np.array([0, 4.8, 3.0, 2.0, 2.6, 0.5, 0.5, 0.7, 1.5, 1.5, 2.0, 2.5, 1.5, 1.0], np.float32)
"""Added to the scores of the labels, "no name" first, then ``ENTITIES``: missing a person is worse than a redaction too many (F2, not F1)."""
AMONG_PEOPLE = 0.5
"""Added for a person where something else says that the text is about people: there one more is rather right."""
SURE = 0.9
SURE_OF_NAMESAKE = 0.75
"""Less sure than this of a person who has a town's name and nobody else's, it is the town."""
SURE_PERSON = 0.97
"""So sure of a name of two words, the text is about people."""
_FORM = {
    "PERSON": re.compile(r"..", re.DOTALL),
    "ORGANIZATION": re.compile(r"..", re.DOTALL),
    "LOCATION": re.compile(r"..", re.DOTALL),
    "USERNAME": re.compile(r"..."),
    "POSTCODE": re.compile(r"(?=.{3,10}$)(?!\d{8}).*\d"),
    "DATE_OF_BIRTH": re.compile(r"(?!\d{3}(?!\d))."),
    "AGE": re.compile(r"(?:1[01])?\d{1,2}\b|[^\W\d]"),
}
"""What of each kind must at least look like this from its beginning on."""

_STEMS = {
    "PERSON": "PERSON", "ORGANIZATION": "ORG", "LOCATION": "LOCATION", "STREET_ADDRESS": "ADDRESS", "POSTCODE": "POSTCODE",
    "AGE": "AGE", "TITLE": "TITLE", "DATE_OF_BIRTH": "DOB", "USERNAME": "USERNAME", "CREDENTIAL": "SECRET", "PERSONAL_NUMBER": "ID",
    "BANK_ACCOUNT": "ACCOUNT", "PHONE_NUMBER": "PHONE",
}  # fmt: skip
_PERSON = ENTITIES.index("PERSON") + 1
_CREDENTIAL = ENTITIES.index("CREDENTIAL") + 1
_ASKS = frozenset(("Can", "Could", "Would", "Should", "Did", "Does", "Has", "Is", "Are", "Was"))
"""Words that a question begins with."""
_SHORT = 4
_SENTENCE_ENDS = frozenset(",.?!:")
_LOCATION = ENTITIES.index("LOCATION") + 1
_OF_VALUES = frozenset(at for at, entity in enumerate(ENTITIES, 1) if entity in VALUES)
_OF_ONE_LINE = _OF_VALUES | {_LOCATION}
"""Several codes may stand on a line each, and a town above its country."""
_PARTICLES = frozenset(("de", "da", "do", "dos", "das", "del", "della", "di", "du", "des", "la", "le", "van", "von", "der", "den",
"zu", "ten", "ter", "el",
"al", "bin", "ben", "y", "e"))  # fmt: skip
"""Small words that a name may begin with or end with."""
_BETWEEN = frozenset((" to", " and", " und", " or", " oder", " &", " with", " mit", ";"))
"""Between two people, or the two cells of one. Other languages' words for it stand within names too."""
_LONGEST_LOCAL = 8
"""Tokens before the ``@`` of an address."""
_WITHIN_LOCAL = frozenset(".-_+")
_LEADS = frozenset(
    (
        "INFO",
        "WARN",
        "WARNING",
        "ERROR",
        "DEBUG",
        "TRACE",
        "op",
        "in",
        "at",
        "of",
        "to",
        "te",
        "an",
        "auf",
        "von",
        "en",
        "bei",
        "near",
        "from",
        "on",
        "the",
        "is",
        "by",
        "and",
        "und",
        "et",
        "y",
        "naslovu",
    )
)
"""Words that no finding begins with."""
_LEADS_OF_STREET = _LEADS | {"la", "el"}
_DIRECTION = re.compile(r" \((?:North|South|East|West)\)$")
"""Which part of a country is meant. It is no name."""
_SPEAKS = re.compile(r":[ ]?[\"“«]?[A-ZÀ-Þ¡¿]")
_SPEAKER = re.compile(
    r"(?:^|(?<=\n))(?P<name>[A-ZÀ-Þ][a-zà-ÿ'’-]{2,20}):[ ]?[\"“«]?[A-ZÀ-Þ¡¿][a-zà-ÿ'’]{0,20}(?: [a-zà-ÿ]|[,.!?])"
)
"""A line that somebody says, in a sentence."""
_DIALOGUE = 1_000


class NameFinder:
    """The model, loaded once. Raises ``ModelBroken`` when the file that it is shipped in cannot be read."""

    def __init__(self, model: Path = MODEL) -> None:
        self._network = Network.load(model)
        hashes: list[int] = self._network.listed_hashes.tolist()
        bits: list[int] = self._network.listed_bits.tolist()
        self._listed = dict(zip(hashes, bits, strict=True))
        self._words = KeptWords(self._worked_out)
        self._words.rows(FREQUENT.read_text("utf-8").split("\n"))

    def find(self, text: str, *, personal: bool | None = None, told: Sequence[Finding] = ()) -> Iterator[Finding]:
        """In order, without overlaps; a name over two lines is two findings.

        ``personal``: whether something else says that the text is about people, so that less is asked of a name, or more; None when
        nobody has looked. ``told``: what rules have found, in order and without overlaps; what the model takes for a secret or a number
        there is left out, for a rule knows why.
        """
        known = Places(told)
        matches = TOKEN.finditer(text)
        piece: list[re.Match[str]] = []
        begin = 0
        last = False
        while not last:
            new = list(islice(matches, PIECE))
            last = len(new) < PIECE
            piece += new
            if piece:
                found, done = self._in_piece(piece, begin, last, personal, known)
                yield from found
                # What lies in the overlap is told by the piece that sees both of its sides.
                begin = min(done, OVERLAP)
                piece = piece[done - begin :]

    def _in_piece(
        self, piece: list[re.Match[str]], begin: int, last: bool, personal: bool | None, told: Places
    ) -> tuple[list[Finding], int]:
        """What is found from ``begin`` on, and up to where: the end of the ``last`` piece, short of another's (within no name, if possible)."""
        tokens = [token if (token := match[0])[-1].isalnum() else key(token) for match in piece]
        words = (self._words.rows(tokens[at : at + BLOCK]) for at in range(0, len(tokens), BLOCK))
        scores = self._network.scores(words, _lines(tokens), len(tokens))
        scores += BONUS
        if personal:
            scores[:, _PERSON] += AMONG_PEOPLE
        labels: list[int] = scores.argmax(axis=1).tolist()
        end = len(piece)
        if not last:
            end -= OVERLAP
            cuts = range(end, max(begin, end - OVERLAP), -1)
            end = next((cut for cut in cuts if not labels[cut] or labels[cut] != labels[cut - 1]), end)
        labels = [0 if label == _PERSON and _parts(tokens, at) else label for at, label in enumerate(labels)]
        lands = [at for at in self._lands(tokens) if not labels[at]]
        for at in lands:
            labels[at] = _LOCATION
        named = [at for at, label in enumerate(labels) if label]
        inside = [at for at in named if begin <= at < end]
        found: list[Finding] = []
        if not inside:
            return found, end
        sure = _certainties(scores, named)
        sure |= dict.fromkeys(lands, SURE)
        again = self._told_elsewhere(tokens, labels, sure)
        if again:
            # What another place says, as sure as it has to be there.
            sure |= dict.fromkeys(again, SURE)
            inside = sorted([*inside, *(at for at in again if begin <= at < end)])
        lines: Lines = {}
        guessed: list[tuple[Finding, float]] = []
        at = 0
        while at < len(inside):
            first = final = inside[at]
            while (
                at + 1 < len(inside)
                and inside[at + 1] == final + 1
                and labels[final + 1] == labels[first]
                and not (labels[first] in _OF_ONE_LINE and tokens[final + 1][0] == "\n")
            ):
                at += 1
                final += 1
            at += 1
            if labels[first] == _PERSON and first < final:
                first, final = self._trimmed(tokens, sure, first, final)
            if labels[first] == _CREDENTIAL and first < final:
                final = self._without_words_after(tokens, first, final)
            if labels[first] in _OF_VALUES and told.overlapping(piece[first].start(), piece[final].end()):
                continue
            certainty = sum(sure[place] for place in range(first, final + 1)) / (final + 1 - first)
            finding = _finding(piece, first, final, labels[first], certainty, lines)
            if finding is not None:
                guessed.append((finding, certainty))
        text = piece[0].string
        if any(
            certainty > SURE_PERSON
            and finding.entity == "PERSON"
            and " " in (value := text[finding.start : finding.end])
            and not value.isupper()
            for finding, certainty in guessed
        ):
            personal = True
        for finding, certainty in guessed:
            if finding.entity in VALUES:
                if told.overlapping(finding.start, finding.end):
                    continue
                code = is_line_of_code(text, finding.start, finding.end, lines)
                if not is_doubtful_value(
                    text, finding.start, finding.end, finding.entity, certainty, code=code, personal=personal
                ):
                    found.append(finding)
            elif not is_doubtful(text, finding.start, finding.end, finding.entity, certainty, self._bits_of, personal):
                whole = as_organisation(text, finding, self._bits_of)
                if whole.stem == "PERSON" and certainty < SURE_OF_NAMESAKE and self._is_place(text[whole.start : whole.end]):
                    whole = Finding(whole.start, whole.end, "LOCATION", "LOCATION", whole.score)
                if found and whole.start < found[-1].end:
                    whole = Finding(found.pop().start, max(whole.end, finding.end), whole.entity, whole.stem, whole.score)
                found.append(whole)
        speakers = list(self._speakers(text, found, piece[begin].start(), piece[end - 1].end())) if end > begin else []
        return sorted([*found, *speakers], key=lambda each: each.start) if speakers else found, end

    def _speakers(self, text: str, found: Sequence[Finding], first: int, last: int) -> Iterator[Finding]:
        """Who else speaks, from ``first`` to ``last``, in a dialogue in which somebody does: ``Imre: What a day``, below ``Petra: Hi``."""
        known = [each for each in found if each.entity == "PERSON" and _SPEAKS.match(text, each.end) is not None]
        known = [each for each in known if each.start == 0 or text[each.start - 1] == "\n"]
        if not known:
            return
        taken = {place for each in found for place in (each.start, each.end)}
        first, last = max(first, known[0].start - _DIALOGUE), min(last, known[-1].end + _DIALOGUE)
        for head in _SPEAKER.finditer(text, first, last):
            if taken.isdisjoint(head.span("name")) and not self._bits_of(folded(head["name"])) & COMMON:
                yield Finding(*head.span("name"), "PERSON", "PERSON", 0.5)

    def _trimmed(self, tokens: list[str], sure: dict[int, float], first: int, final: int) -> tuple[int, int]:
        """A run of tokens without the ordinary words at its ends of which the model is less sure than of others: ``ring Cruz``."""
        surest = max(sure[at] for at in range(first, final + 1))
        while first < final and sure[first] < surest and self._is_ordinary(tokens[first]):
            first += 1
        while first < final and sure[final] < surest and self._is_ordinary(tokens[final]):
            final -= 1
        if first < final and tokens[first].istitle() and tokens[final][0] == " " and self._is_small_word(tokens[final]):
            # ``Clara yelled``
            final -= 1
        for at in range(first + 2, final):
            # ``Hope   MI: Q``: the label of the next column.
            if tokens[at] == ":" and (column := next((back for back in range(at - 1, first, -1) if tokens[back].isspace()), 0)):
                final = column - 1
                break
        if first < final and tokens[first].strip() in _ASKS and tokens[first + 1].istitle():
            first += 1
        return first, final

    @staticmethod
    def _without_words_after(tokens: list[str], first: int, final: int) -> int:
        """Where a secret of more than words ends, when words follow it: ``v7Kq-9tPz, right?``."""
        if any(any(map(str.isdigit, token)) for token in tokens[first : final + 1]):
            while first < final and (
                tokens[final] in _SENTENCE_ENDS
                or (tokens[final][0] == " " and tokens[final][1:].isalpha() and tokens[final].islower())
            ):
                final -= 1
        return final

    def is_ordinary(self, word: str) -> bool:
        """Whether it is on the list of words that are no names."""
        return bool(self._bits_of(folded(word)) & COMMON)

    def is_name(self, word: str) -> bool:
        """Whether people have it on the lists, and neither countries nor things."""
        bits = self._bits_of(folded(word))
        return bool(bits & (GIVEN | SURNAME)) and not bits & (COMMON | COUNTRY)

    def _is_place(self, word: str) -> bool:
        bits = self._bits_of(folded(word))
        return word.isalpha() and bool(bits & PLACE) and not bits & (GIVEN | SURNAME)

    def _is_small_word(self, token: str) -> bool:
        word = token.strip()
        return (
            len(word) > _SHORT
            and word.isalpha()
            and word.islower()
            and not self._bits_of(folded(word)) & (GIVEN | SURNAME | PLACE)
        )

    def _is_ordinary(self, token: str) -> bool:
        word = token.strip()
        if word.isalpha():
            bits = self._bits_of(folded(word))
            return word.islower() and word not in _PARTICLES and bool(bits & COMMON) and not bits & (GIVEN | SURNAME)
        # A sign is no end of a name either; but a full stop may be an initial's.
        return word not in ("", ".")

    def _lands(self, tokens: list[str]) -> Iterator[int]:
        """Where a country's name is all that a line has, as below an address."""
        for at in range(1, len(tokens)):
            if (
                tokens[at - 1][0] == "\n"
                and tokens[at][0].isupper()
                and (at + 1 == len(tokens) or tokens[at + 1][0] == "\n" or tokens[at + 1] == " (")
                and self._bits_of(folded(tokens[at])) & (COUNTRY | COMMON | GIVEN) == COUNTRY
            ):
                yield at

    def _told_elsewhere(self, tokens: list[str], labels: list[int], sure: dict[int, float]) -> list[int]:
        names: set[str] = set()
        for at, certainty in sure.items():
            if labels[at] == _PERSON and certainty > SURE:
                word = tokens[at].strip()
                if len(word) > 2 and word.istitle() and word.isalpha() and not self._bits_of(folded(word)) & COMMON:
                    names |= {word, f" {word}", word.upper(), f" {word.upper()}"}
        if "@" in tokens:
            for word in _of_addresses(tokens):
                if not self._bits_of(folded(word)) & COMMON:
                    names |= {word.title(), f" {word.title()}"}
        if not names:
            return []
        again = [at for at, token in enumerate(tokens) if token in names and not labels[at] and not _in_address(tokens, at)]
        for at in again:
            labels[at] = _PERSON
        return again

    def _worked_out(self, words: Sequence[str]) -> Floats:
        vectors: list[Floats] = []
        # Some at a time: the rows of the table that they stand for are a hundred times as large as what becomes of them.
        for at in range(0, len(words), _AT_ONCE):
            rows: list[int] = []
            for word in words[at : at + _AT_ONCE]:
                rows += features(word, self._bits_of)
            # Twice as fast as ``np.array``.
            vectors.append(self._network.words(np.frombuffer(array("i", rows), np.int32).reshape(-1, FEATURES)))
        return vectors[0] if len(vectors) == 1 else np.concatenate(vectors)

    def _bits_of(self, word: str) -> int:
        return self._listed.get(crc32(word.encode("utf-8", "surrogatepass")), 0)


def _certainties(scores: Floats, places: list[int]) -> dict[int, float]:
    """How sure the model is at each place of the label that it gives."""
    rows = scores.take(places, axis=0)
    rows -= rows.max(axis=1, keepdims=True)
    np.exp(rows, out=rows)
    # The greatest has become 1.
    certainties: list[float] = (1 / rows.sum(axis=1)).tolist()
    return dict(zip(places, certainties, strict=True))


def _of_addresses(tokens: list[str]) -> Iterator[str]:
    """The words before each ``@`` of an electronic address: ``jane`` and ``doe`` of ``jane.doe@x.example``."""
    for at, sign in enumerate(tokens):
        if sign != "@":
            continue
        part = at - 1
        while part >= 0 and part > at - _LONGEST_LOCAL:
            word = tokens[part].strip()
            if word.isalpha() and len(word) > 2:
                yield word
            elif word not in _WITHIN_LOCAL and not word.isdigit():
                break
            if tokens[part][0].isspace():
                break
            part -= 1


def _in_address(tokens: list[str], at: int) -> bool:
    """Whether an ``@`` follows, with nothing but parts of an address between."""
    for token in tokens[at + 1 : at + _LONGEST_LOCAL]:
        if token == "@":
            return True
        if token[0].isspace() or not (token.isalnum() or token in _WITHIN_LOCAL):
            return False
    return False


def _lines(tokens: list[str]) -> Ints:
    starts = [0, *(at + 1 for at, token in enumerate(tokens) if token[0] == "\n")]
    if starts[-1] == len(tokens):
        starts.pop()
    return np.array(starts, np.int32)


def _finding(piece: list[re.Match[str]], first: int, last: int, label: int, sure: float, lines: Lines) -> Finding | None:
    # A name neither begins nor ends with white space, nor with a sign but for a full stop or bracket of its own.
    while first <= last and (piece[first]["gap"] is not None or _is_sign(piece[first][0])):
        first += 1
    while last >= first and (piece[last]["gap"] is not None or (_is_sign(piece[last][0]) and piece[last][0][-1] not in ".)")):
        last -= 1
    leads = _LEADS_OF_STREET if ENTITIES[label - 1] == "STREET_ADDRESS" else _LEADS
    while first < last and piece[first][0].strip() in leads:
        first += 1
    if first > last:
        return None
    if first < last and piece[last][0] == "." and len(piece[last - 1][0].strip()) > _SHORT and piece[last - 1][0].islower():
        # Of a sentence, and of no initial.
        last -= 1
    start, end = piece[first].start() + (piece[first][0][0] == " "), piece[last].end()
    entity = ENTITIES[label - 1]
    text = piece[first].string
    direction = _DIRECTION.search(text, start, end) if entity == "LOCATION" else None
    if direction is not None:
        end = direction.start()
    if entity in VALUES:
        start, end = whole_value(text, start, end, entity)
    elif entity == "USERNAME":
        start, end = _whole_user(text, start, end)
    form = _FORM.get(entity)
    if (form is not None and form.match(text[start:end]) is None) or is_code(text, start, end, lines):
        return None
    # From 0.4 on: the bonus has decided already.
    return Finding(start, end, entity, _STEMS[entity], round(0.4 + 0.6 * sure, 3))


_REST_OF_USER = re.compile(r"[\w.-]{0,32}(?<![.-])(?!@)|")
_HEAD_OF_USER = re.compile(r"(?<![\w.@/-])[\w.-]{0,32}\Z")


def _whole_user(text: str, start: int, end: int) -> tuple[int, int]:
    """A name of an account up to where it ends, of which the model may have seen some: ``agt_`` of ``agt_lwilde``."""
    if text[end - 1 : end] in ("_", "-", ".") or text[end : end + 1] == "_":
        rest = _REST_OF_USER.match(text, end)
        end = rest.end() if rest is not None else end
    if text[start - 1 : start] == "_":
        head = _HEAD_OF_USER.search(text, max(0, start - 33), start)
        start = head.start() if head is not None else start
    return start, end


def _parts(tokens: list[str], at: int) -> bool:
    """Whether a token stands between two people: ``ann: hi bo`` and ``Ann: bo is late`` too, where names have small letters."""
    return tokens[at] in _BETWEEN or (
        tokens[at] == ":" and at > 0 and (tokens[at - 1].islower() or (at + 1 < len(tokens) and tokens[at + 1].islower()))
    )


def _is_sign(token: str) -> bool:
    """Whether it is one sign, and a blank at most."""
    sign = token[-1]
    return not sign.isalnum() and sign != "_" and len(token.strip()) == 1


__all__ = ["FREQUENT", "MODEL", "NameFinder"]
