"""Documents for training: templates put together, and made as untidy as what people write."""

import random
import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from services.policy.names.training.grammar import Document, expand, joined
from services.policy.names.training.lists import HERE
from services.policy.names.training.negatives import excerpt, prose
from services.policy.names.training.records import record
from services.policy.names.training.retold import retold
from services.policy.names.training.values import Part, Scene

LANGUAGES = ("en", "de", "fr", "it", "es", "nl")
_WEIGHTS = (62, 9, 8, 7, 7, 7)
RETOLD = 0.42
"""So many documents are written ones told again. They are several times as long as what templates make."""


@cache
def templates(name: str) -> tuple[str, ...]:
    """Of ``templates/<name>.txt``: a line each (``\\n`` is a line's end), or of documents what stands between lines of ``%%``."""
    text = (HERE / "templates" / f"{name}.txt").read_text("utf-8")
    if name.startswith(("documents", "code")):
        return tuple(template for part in text.split("\n%%\n") if (template := part.strip("\n")))
    return tuple(line.replace("\\n", "\n") for line in text.splitlines() if line)


def template_words() -> set[str]:
    """Every word of the templates outside slots: ordinary words, for the list of them."""
    names = [f"{kind}.{language}" for language in LANGUAGES for kind in ("sentences", "documents", "plain")]
    text = "\n".join("\n".join(templates(name)) for name in names)
    text = re.sub(r"\{\w+\}|\[\[.*?\]\]", " ", text)
    return set(re.findall(r"(?<![\w{])[^\W\d_]{3,}(?![\w}])", text))


def documents(seed: int, count: int, held_back: bool = False) -> Iterator[Document]:
    """``count`` documents; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  # training text must be the same each time
    for _ in range(count):
        yield joined(_document(rng, held_back))


def _document(rng: random.Random, held_back: bool) -> list[Part]:
    if rng.random() < RETOLD:
        language, whole = retold(rng, held_back)
        return _untidy(rng, whole, language)
    language = rng.choices(LANGUAGES, _WEIGHTS)[0]
    scene = Scene(rng, language, held_back)
    kind = rng.random()
    if kind < 0.25:
        parts = expand(rng.choice(templates(f"documents.{language}")), scene, rng)
    elif kind < 0.37:
        parts = record(rng, scene)
    elif kind < 0.52:
        parts = _letter(rng, scene)
    elif kind < 0.70:
        parts = _sentences(rng, scene, rng.randint(1, 7))
    elif kind < 0.80:
        parts = _planted(rng, scene)
    elif kind < 0.87:
        return _code(rng, scene)
    elif kind < 0.95:
        return [(excerpt(rng), None)]
    else:
        parts = _plain(rng, scene)
    return _untidy(rng, parts, language)


def _filler(rng: random.Random, scene: Scene) -> list[Part]:
    if rng.random() < 0.25:
        return expand(
            "{{words}|{clause}|{clause}|{label}|{capital}: {{capital}|{words}|{num}|{id}|{date}|{email}}}{.|.|,|!|?|}",
            scene,
            rng,
        )
    if scene.language == "en" and rng.random() < 0.35:
        sentence = rng.choice(prose())
        return [(sentence.title() if rng.random() < 0.06 else sentence, None)]
    return expand(rng.choice(templates(f"plain.{scene.language}")), scene, rng)


def _sentences(rng: random.Random, scene: Scene, count: int) -> list[Part]:
    separator = rng.choice([" ", " ", " ", "\n", "\n\n", "\n- ", " "])
    parts: list[Part] = [("- ", None)] if separator == "\n- " else []
    for index in range(count):
        if index:
            parts.append((separator, None))
        if rng.random() < 0.3:
            parts += _filler(rng, scene)
        else:
            sentence = expand(rng.choice(templates(f"sentences.{scene.language}")), scene, rng)
            parts += _capitalised(sentence) if rng.random() < 0.1 else sentence
    return parts


def _capitalised(parts: list[Part]) -> list[Part]:
    return [(text[:1].upper() + text[1:] if index == 0 else text, entity) for index, (text, entity) in enumerate(parts)]


def _letter(rng: random.Random, scene: Scene) -> list[Part]:
    language = scene.language
    parts: list[Part] = []
    if rng.random() < 0.25:
        parts += [*expand(rng.choice(templates("heads")), scene, rng), ("\n\n", None)]
    gap: Part = (rng.choice(["\n\n", "\n\n", "\n", " "]), None)
    parts += expand(rng.choice(templates(f"greetings.{language}")), scene, rng)
    parts.append(gap)
    parts += _sentences(rng, scene, rng.randint(1, 5))
    if rng.random() < 0.85:
        parts.append(gap)
        parts.append((rng.choice(templates(f"closings.{language}")), None))
        parts.append((rng.choice(["\n", "\n", "\n\n", " "]), None))
        parts += expand(rng.choice(templates("signatures")), scene, rng)
    return parts


_PLANTS = (
    ("person",) * 6
    + ("first",) * 4
    + ("last",) * 2
    + ("org",) * 4
    + ("city",) * 3
    + ("country", "loc", "titled", "street", "user", "region")
)
_WEEDS = (
    *("capital",) * 10,
    *("label",) * 4,
    "product",
    "product",
    "class",
    "camel",
    "snake",
    "weekday",
    "month",
    "job",
    "heading",
    "version",
    "id",
    "date",
    "num",
    "path",
    "url",
    "email",
    "money",
)


def _planted(rng: random.Random, scene: Scene) -> list[Part]:
    """Names, and capitalised words that are none, at places of a sentence that say nothing about them."""
    parts: list[Part] = []
    for _ in range(rng.randint(1, 5)):
        host = _host(rng, scene)
        words = host.split(" ")
        places = sorted(rng.sample(range(len(words)), min(len(words), rng.randint(1, 3))))
        if rng.random() < 0.2:
            places[0] = 0
        shouted = rng.random() < 0.1
        for at, word in enumerate(words):
            if at in places:
                plant = rng.random() < 0.6
                parts += scene.make(rng.choice(_PLANTS if plant else _WEEDS))
                if plant and rng.random() < 0.08:
                    parts.append((rng.choice(["'s", "’s"]), None))
                parts.append((rng.choice([" ", " ", " ", " ", ", ", ": ", " (", ") ", ' "', " - ", ". ", " / ", "; "]), None))
                if rng.random() < 0.5:
                    continue
            parts.append(((word.title() if shouted and rng.random() < 0.5 else word) + " ", None))
        parts.append((rng.choice(["", "\n", " "]), None))
    return parts


def _host(rng: random.Random, scene: Scene) -> str:
    """A sentence for names to stand in."""
    if rng.random() < 0.15:
        return scene.make("words")[0][0]
    if scene.language == "en" and rng.random() < 0.5:
        return rng.choice(prose())
    plain = rng.choice(templates(f"plain.{scene.language}"))
    return "".join(text for text, entity in expand(plain, scene, rng) if entity is None).replace("\n", " ")


def _plain(rng: random.Random, scene: Scene) -> list[Part]:
    separator = rng.choice([" ", " ", "\n", "\n\n"])
    parts: list[Part] = []
    for _ in range(rng.randint(1, 8)):
        parts += [*_filler(rng, scene), (separator, None)]
    return parts


def _code(rng: random.Random, scene: Scene) -> list[Part]:
    parts: list[Part] = []
    for _ in range(rng.randint(1, 3)):
        parts += [*expand(rng.choice(templates("code")), scene, rng), ("\n", None)]
        if rng.random() < 0.15:
            note = rng.choice(["# {sentence}", "// {sentence}", "-- {sentence}", "/* {sentence} */"]).split("{sentence}")
            parts += [(note[0], None), *expand(rng.choice(templates("sentences.en")), scene, rng), (f"{note[1]}\n", None)]
    return parts


def _untidy(rng: random.Random, parts: list[Part], language: str) -> list[Part]:
    form = rng.random()
    if form < (0.15 if language == "en" else 0.13):
        parts = [(text.lower(), entity) for text, entity in parts]
    elif form < 0.17:
        parts = [(text.upper(), entity) for text, entity in parts]
    elif form < 0.20:
        parts = [
            (text.lower() if entity in ("PERSON", "LOCATION", "ORGANIZATION", "TITLE") else text, entity)
            for text, entity in parts
        ]
    elif form < 0.22:
        parts = [(text.upper() if entity == "PERSON" else text, entity) for text, entity in parts]
    if rng.random() < 0.05:
        parts = [
            ("".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)), entity)
            for text, entity in parts
        ]
    if rng.random() < 0.06:
        parts = [(re.sub(r"[.,!?]", "", text) if entity is None else text, entity) for text, entity in parts]
    if rng.random() < 0.06:
        parts = [(_typo(rng, text) if entity is None or rng.random() < 0.3 else text, entity) for text, entity in parts]
    if rng.random() < 0.08:
        parts = [(_thinned(rng, text) if entity is None else text, entity) for text, entity in parts]
    if rng.random() < 0.05:
        parts = [("> ", None), *((text.replace("\n", "\n> "), entity) for text, entity in parts)]
    if rng.random() < 0.05:
        mark = rng.choice(["**", '"', "'", "`", "_", "(", "“", "<b>"])
        close = {"(": ")", "“": "”", "<b>": "</b>"}.get(mark, mark)
        marked: list[Part] = []
        for part in parts:
            marked += [(mark, None), part, (close, None)] if part[1] is not None and rng.random() < 0.5 else [part]
        parts = marked
    if rng.random() < 0.04:
        parts = [
            (text.replace(" ", "\n") if entity is not None and rng.random() < 0.15 else text, entity) for text, entity in parts
        ]
    return parts


def _thinned(rng: random.Random, text: str) -> str:
    """Without some of its words, as in notes."""
    return re.sub(r"(?<= )[a-z]+ ", lambda match: "" if rng.random() < 0.25 else match[0], text)


def _typo(rng: random.Random, text: str) -> str:
    letters = list(text)
    for _ in range(max(1, len(letters) // 60)):
        at = rng.randrange(len(letters)) if letters else 0
        if at + 1 < len(letters) and letters[at].isalpha() and letters[at + 1].isalpha():
            form = rng.random()
            if form < 0.4:
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            elif form < 0.7:
                letters[at] = ""
            else:
                letters[at] *= 2
    return "".join(letters)


__all__ = ["documents", "template_words", "templates"]
