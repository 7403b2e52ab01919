"""Replacing what was found. Pure: findings, vault and plan in; texts, a grown vault and what was done out.

It goes in stages over all segments together, so that a value found in the last message is also gone from the first: the places of
what was found and of what is known; the placeholders of all their values, numbered in the order in which they stand; the new texts; and at
last the look-alikes.

A look-alike is looked for in the *new* text, for only there it matters: what stands beside a placeholder now may not have stood
there before (``EMAIL_1x`` with the ``x`` gone is ``EMAIL_1``). Whatever ``restore`` would take for a placeholder and is none of ours becomes a
LITERAL; unless its name is free, when it is reserved and the text keeps it: code that happens to speak of ``EMAIL_1`` stays as it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agentos.contracts.errors import Unavailable
from agentos.contracts.events.call import Operator, RedactedEntity
from agentos.sealing.json_text import is_json_text
from agentos.sealing.placeholders import LOOKALIKE, PlaceholderVault
from agentos.sealing.writings import NAME, writings
from services.policy.findings import Finding, resolve
from services.policy.redacting.finding import Analysis
from services.policy.redacting.known import Known, entity_of
from services.policy.redacting.plan import Blocked, Plan
from services.policy.redacting.segments import Segment

_ROUNDS = 8
"""A look-alike that was replaced may free the one after it (``EMAIL_1[ID_1]``), once; more rounds are none that anybody has thought of."""


@dataclass(frozen=True)
class Replaced:
    """The segments' texts in their order (None for a number that goes without a trace), the vault, and each replacement once."""

    texts: tuple[str | None, ...]
    vault: PlaceholderVault
    entities: tuple[RedactedEntity, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """What is to be done with a place in a text. ``name`` is the first part of its placeholder: NUMBER for a number of JSON."""

    start: int
    end: int
    entity: str
    stem: str
    operator: Operator
    name: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a new text; ``ours`` if it is a placeholder."""

    text: str
    ours: bool = False


def replace_findings(
    segments: Sequence[Segment], analyses: Sequence[Analysis], vault: PlaceholderVault, plan: Plan
) -> Replaced:
    """See the module. Raises ``Blocked``, and ``Unavailable`` when no text can be made that restores exactly."""
    places = _places(segments, analyses, vault, plan)
    blocked = {place.entity for found in places for place in found if place.operator == "block"}
    if blocked:
        raise Blocked(blocked)
    vault = vault.reserve(name for segment in segments for name in _free_names(segment.text))
    vault, texts, entities = _new_texts(segments, places, vault, plan)
    vault, texts, literals = _without_lookalikes(segments, texts, vault)
    allowed = _allowed(analyses, plan)
    joined = (_joined(pieces) for pieces in texts)
    written = tuple(text or None if segment.number else text for segment, text in zip(segments, joined, strict=True))
    return Replaced(written, vault, (*entities, *literals, *allowed))


def _places(
    segments: Sequence[Segment], analyses: Sequence[Analysis], vault: PlaceholderVault, plan: Plan
) -> list[tuple[_Place, ...]]:
    handled = [
        tuple(found for found in analysis.findings if plan.operator(found.entity, found.stem) != "allow")
        for analysis in analyses
    ]
    values = dict.fromkeys(
        (found.stem, segment.text[found.start : found.end], found.entity)
        for segment, findings in zip(segments, handled, strict=True)
        for found in findings
        if found.stem != "LITERAL"
    )
    values |= dict.fromkeys(
        (stem, value, kind) for stem, value, kind in vault.known() if plan.operator(_kind(stem, kind), stem) != "allow"
    )
    known = Known(values)
    return [tuple(_decided(segment, findings, known, plan)) for segment, findings in zip(segments, handled, strict=True)]


def _decided(segment: Segment, findings: tuple[Finding, ...], known: Known, plan: Plan) -> Iterable[_Place]:
    there = {(found.start, found.end) for found in findings}
    swept = [place for place in known.places_in(segment.text) if (place.start, place.end) not in there]
    if swept:
        findings = resolve((*findings, *swept))
    while rest := list(_in_rests(segment.text, findings, known)):
        findings = resolve((*findings, *rest))
    if segment.number and findings:
        # A number goes as a whole: half of one is none.
        first = findings[0]
        findings = (Finding(0, len(segment.text), first.entity, first.stem, first.score),)
    for found in findings:
        operator = plan.operator(found.entity, found.stem)
        name = "NUMBER" if segment.number else found.stem
        yield _Place(found.start, found.end, found.entity, found.stem, operator, name)


def _in_rests(text: str, findings: Sequence[Finding], known: Known) -> Iterable[Finding]:
    """Values that stand as themselves once what they are glued to has gone: a number right after another one's digits."""
    ends = [0, *(edge for found in findings for edge in (found.start, found.end)), len(text)]
    for begin, end in zip(ends[::2], ends[1::2], strict=True):
        cut = (begin and text[begin - 1 : begin].isalnum() and text[begin:end][:1].isalnum()) or (
            end < len(text) and text[begin:end][-1:].isalnum() and text[end].isalnum()
        )
        if cut and begin < end:
            for place in known.places_in(text[begin:end]):
                yield Finding(place.start + begin, place.end + begin, place.entity, place.stem, place.score)


def _kind(stem: str, kind: str) -> str:
    return entity_of(stem) if kind == stem else kind


def _free_names(text: str) -> Iterable[str]:
    """Names that stand in a text otherwise than as we write them."""
    for writing in writings(text):
        if LOOKALIKE.fullmatch(text, writing.start, writing.end) is None:
            yield writing.name


def _new_texts(
    segments: Sequence[Segment], places: Sequence[Sequence[_Place]], vault: PlaceholderVault, plan: Plan
) -> tuple[PlaceholderVault, list[list[_Piece]], list[RedactedEntity]]:
    wanted: dict[tuple[str, str], str] = {}
    for segment, found in zip(segments, places, strict=True):
        for place in found:
            if place.operator == "replace":
                value = segment.text[place.start : place.end]
                wanted.setdefault((place.name, value), place.entity)
                if place.name != place.stem:
                    # The number as a text, in another message.
                    wanted.setdefault((place.stem, value), place.entity)
    vault, placeholders = vault.add_all(wanted)
    named = dict(zip(wanted, placeholders, strict=True))
    vault = vault.of_kind(
        {
            placeholder[1:-1]: entity
            for ((stem, _), entity), placeholder in zip(wanted.items(), placeholders, strict=True)
            if stem not in {"LITERAL", "NUMBER"} and entity not in {stem, entity_of(stem)}
        }
    )
    texts: list[list[_Piece]] = []
    entities: dict[str, RedactedEntity] = {}
    for segment, found in zip(segments, places, strict=True):
        pieces: list[_Piece] = []
        position = 0
        for place in found:
            value = segment.text[place.start : place.end]
            if place.operator == "replace":
                piece = _Piece(named[place.name, value], ours=True)
            else:
                piece = _Piece(plan.irreversible(place.operator, place.stem, value))
            once = piece.text if piece.ours else f"{place.entity} {piece.text}"
            if once not in entities:
                entities[once] = RedactedEntity(entity=place.entity, placeholder=piece.text, operator=place.operator)
            pieces += (_Piece(segment.text[position : place.start]), piece)
            position = place.end
        pieces.append(_Piece(segment.text[position:]))
        texts.append(pieces)
    return vault, texts, list(entities.values())


def _without_lookalikes(
    segments: Sequence[Segment], texts: list[list[_Piece]], vault: PlaceholderVault
) -> tuple[PlaceholderVault, list[list[_Piece]], list[RedactedEntity]]:
    entities: dict[str, RedactedEntity] = {}
    for _ in range(_ROUNDS):
        reserved = frozenset(vault.reserved)
        found = {
            index: places for index in range(len(texts)) if (places := _lookalikes(segments[index], texts[index], reserved))
        }
        if not found:
            return vault, texts, list(entities.values())
        joined = {index: _joined(texts[index]) for index in found}
        values = [("LITERAL", joined[index][start:end]) for index, places in found.items() for start, end in places]
        vault, placeholders = vault.add_all(values)
        names = dict(zip((value for _, value in values), placeholders, strict=True))
        for index, places in found.items():
            texts[index] = _with_literals(
                texts[index], [(start, end, names[joined[index][start:end]]) for start, end in places]
            )
        entities |= {name: RedactedEntity(entity="LITERAL", placeholder=name) for name in placeholders}
    raise Unavailable("The redactor found no text that could be restored exactly.", code="redactor_failed")


def _lookalikes(segment: Segment, pieces: Sequence[_Piece], reserved: frozenset[str]) -> list[tuple[int, int]]:
    """Places in the joined pieces that would be taken for a placeholder of this vault, now or later, and are none."""
    if segment.number:
        return []
    text = _joined(pieces)
    ours: dict[int, int] = {}
    position = 0
    for piece in pieces:
        if piece.ours:
            ours[position] = position + len(piece.text)
        position += len(piece.text)
    found = [
        (writing.start, writing.end)
        for writing in writings(text, besides=ours)
        if writing.name not in reserved and NAME.fullmatch(writing.name) is not None
    ]
    if not found and ours and segment.whole and not is_json_text(segment.text) and is_json_text(text):
        # It has become JSON, and would be restored with the escapes of JSON: it must not look so.
        first = len(text) - len(text.lstrip())
        found.append((first, first + 1))
    return found


def _with_literals(pieces: Sequence[_Piece], places: Sequence[tuple[int, int, str]]) -> list[_Piece]:
    """The pieces with the places, which no placeholder of ours overlaps, taken out of them."""
    changed: list[_Piece] = []
    position = 0
    following = iter(places)
    place = next(following, None)
    for piece in pieces:
        end = position + len(piece.text)
        start = position
        while place is not None and place[0] < end:
            if piece.ours:
                raise Unavailable("A look-alike overlaps a placeholder.", code="redactor_failed")
            if place[0] >= start:
                changed += (_Piece(piece.text[start - position : place[0] - position]), _Piece(place[2], ours=True))
            start = min(place[1], end)
            if place[1] > end:
                break
            place = next(following, None)
        changed.append(replace(piece, text=piece.text[start - position :]))
        position = end
    return changed


def _allowed(analyses: Iterable[Analysis], plan: Plan) -> list[RedactedEntity]:
    kinds = {
        found.entity
        for analysis in analyses
        for found in analysis.findings
        if plan.operator(found.entity, found.stem) == "allow"
    }
    return [RedactedEntity(entity=kind, placeholder="", operator="allow") for kind in sorted(kinds)]


def _joined(pieces: Iterable[_Piece]) -> str:
    return "".join(piece.text for piece in pieces)


__all__ = ["Replaced", "replace_findings"]
