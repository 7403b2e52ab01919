"""Templates: ``{slot}`` takes a value of the scene, ``{one|other}`` one of the two (they may hold slots and choices), ``{!x}`` is
``{x}``, and ``[[ENTITY|text]]`` is as it stands. Braces of any other kind stay: code and JSON have them.

``{person1}`` is the same person wherever it stands in a document, ``{first1}`` and ``{email1}`` are theirs; without a number everyone is new.
"""

import random
import re
from dataclasses import dataclass, field
from functools import lru_cache

from services.policy.names.training.values import Part, Scene

_MARK = re.compile(r"\[\[([A-Z_]+)\|(.*?)\]\]", re.DOTALL)


@dataclass
class Document:
    text: str
    spans: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])


def joined(parts: list[Part]) -> Document:
    text = ""
    spans: list[tuple[int, int, str]] = []
    for piece, entity in parts:
        if entity is not None:
            spans.append((len(text), len(text) + len(piece), entity))
        text += piece
    return Document(text, spans)


def expand(template: str, scene: Scene, rng: random.Random) -> list[Part]:
    parts: list[Part] = []
    _into(parts, template, scene, rng)
    return parts


def _into(parts: list[Part], template: str, scene: Scene, rng: random.Random) -> None:
    for kind, content in _cut(template):
        if kind == "text":
            parts.append((content, None))
        elif kind != "braces":
            parts.append((content, kind))
        elif content.startswith("!"):
            parts.append(("{" + content[1:] + "}", None))
        elif scene.knows(content):
            parts.extend(scene.make(content))
        elif options := _options(content):
            _into(parts, rng.choice(options), scene, rng)
        else:
            parts.append(("{", None))
            _into(parts, content, scene, rng)
            parts.append(("}", None))


@lru_cache(maxsize=8192)
def _cut(template: str) -> list[tuple[str, str]]:
    """Plain text, outermost braces (their content), and what is marked."""
    cut: list[tuple[str, str]] = []
    position = at = 0
    while at < len(template):
        if template[at] == "{" and (end := _closing(template, at)) != -1:
            cut += [("text", template[position:at]), ("braces", template[at + 1 : end])]
            position = at = end + 1
        elif template.startswith("[[", at) and (mark := _MARK.match(template, at)) is not None:
            cut += [("text", template[position:at]), (mark[1], mark[2])]
            position = at = mark.end()
        else:
            at += 1
    cut.append(("text", template[position:]))
    return [piece for piece in cut if piece[0] != "text" or piece[1]]


def _closing(template: str, at: int) -> int:
    depth = 0
    for position in range(at, len(template)):
        depth += (template[position] == "{") - (template[position] == "}")
        if depth == 0:
            return position
    return -1


@lru_cache(maxsize=8192)
def _options(content: str) -> list[str]:
    """The parts between the bars of a choice; none when it is code that happens to have a bar."""
    if "\n" in content or '"' in content or " | " in content or "||" in content:
        return []
    options, depth, begin = list[str](), 0, 0
    for position, c in enumerate(content):
        depth += (c == "{") - (c == "}") + (content.startswith("[[", position)) - (content.startswith("]]", position))
        if c == "|" and depth == 0:
            options.append(content[begin:position])
            begin = position + 1
    return [*options, content[begin:]] if options else []


__all__ = ["Document", "expand", "joined"]
