"""Forms, tables, JSON and log lines, put together from fields: every way of writing a record meets every kind of field."""

import random

from services.policy.names.training.lists import sections
from services.policy.names.training.values import Part, Scene

_KEYS = sections("fields.txt")
_NAMED = {head.removeprefix("named "): keys for head, keys in _KEYS.items() if head.startswith("named ")}
_OTHER = {head.removeprefix("other "): keys for head, keys in _KEYS.items() if head.startswith("other ")}
_LIKELY = (
    *("person",) * 6, "first", "last", "first", "last", *("org",) * 3, *("city",) * 3, "country", "region", "street", "street", "postcode",
    "postcode", "dob", "dob", "age", "age", "user", "user", "title", "phone", "phone", "document", "account", "secret", "secret",
)  # fmt: skip
_UNANNOUNCED = {
    "dob": "olddate",
    "age": "num",
    "postcode": "city",
    "user": "noun",
    "document": "id",
    "account": "id",
    "secret": "noun",
}
"""Nobody can tell these without a word that says so."""


def _fields(rng: random.Random, count: int) -> list[tuple[str, str]]:
    """Key and slot of each field."""
    chosen: list[tuple[str, str]] = []
    for _ in range(count):
        named = rng.random() < 0.6
        slot = rng.choice(_LIKELY) if named else rng.choice(list(_OTHER))
        chosen.append((rng.choice((_NAMED if named else _OTHER)[slot]), slot))
        if slot == "first" and rng.random() < 0.7:
            chosen.append((rng.choice(_NAMED["last"]), "last"))
    return chosen


def _styled(rng: random.Random, keys: list[str], code: bool) -> list[str]:
    style = rng.choice(
        ["snake", "camel", "snake", "kebab", "pascal"] if code else ["title", "title", "sentence", "upper", "lower", "as is"]
    )
    styled: list[str] = []
    for key in keys:
        words = key.replace("_", " ").replace("-", " ").replace(".", "").replace("/", " ").split() if code else [key]
        match style:
            case "snake":
                styled.append("_".join(words))
            case "kebab":
                styled.append("-".join(words))
            case "camel":
                styled.append(words[0] + "".join(word.title() for word in words[1:]))
            case "pascal":
                styled.append("".join(word.title() for word in words))
            case "title":
                styled.append(key.title())
            case "sentence":
                styled.append(key[:1].upper() + key[1:])
            case "upper":
                styled.append(key.upper())
            case _:
                styled.append(key)
    return styled


def record(rng: random.Random, scene: Scene) -> list[Part]:
    form = rng.choice(
        ["lines", "lines", "lines", "json", "json", "table", "table", "log", "log", "call", "slashes", "xml", "stacked"]
    )
    fields = _fields(rng, rng.randint(1, 7) if form != "table" else rng.randint(2, 5))
    slots = [slot for _, slot in fields]
    if form == "slashes":
        slots = [_UNANNOUNCED.get(slot, slot) for slot in slots]
    keys = _styled(
        rng, [key for key, _ in fields], code=form in ("json", "log", "call", "xml") or (form == "table" and rng.random() < 0.5)
    )
    if form == "table":
        return _table(rng, scene, keys, slots)
    parts: list[Part] = []
    cells = [(key, _value(scene, slot)) for key, slot in zip(keys, slots, strict=True)]
    match form:
        case "lines":
            head = rng.choice(["", "", "", "\n", "- ", "* ", "  ", "• "])
            sign = rng.choice([": ", ": ", ": ", ":\t", " : ", ":  ", " = ", " - ", " ..... ", ":\n", "\t", " → ", " | "])
            for key, value in cells:
                parts += [(head + key + sign, None), *value, ("\n", None)]
        case "stacked":
            for key, value in cells:
                parts += [(key + "\n", None), *value, (rng.choice(["\n", "\n\n"]), None)]
        case "json":
            quote, end = rng.choice(['""', '""', '""', "''"]), rng.choice([", ", ",", ",\n  ", ",\n    "])
            colon = rng.choice([": ", ": ", ":"])
            parts.append(("{" + (end[1:] if "\n" in end else ""), None))
            for at, ((key, value), slot) in enumerate(zip(cells, slots, strict=True)):
                q = "" if slot in ("age", "num") and rng.random() < 0.7 else quote[0]
                parts += [(end if at else "", None), (f"{quote[0]}{key}{quote[0]}{colon}{q}", None), *value, (q, None)]
            parts.append(("\n}" if "\n" in end else "}", None))
        case "log":
            intro = rng.choice(
                [
                    "",
                    "{stamp} INFO ",
                    "{stamp} [info] ",
                    "level=info ts={stamp} ",
                    "[{stamp}] audit: ",
                    "{stamp} WARN  {class} - ",
                    "DEBUG: ",
                ]
            )
            for piece in intro.replace("}", "{").split("{"):
                parts += scene.make(piece) if piece in ("stamp", "class") else [(piece, None)]
            equals = rng.choice(["=", "=", ": ", ":"])
            for at, (key, value) in enumerate(cells):
                quote = rng.choice(['"', '"', "'", "", "[]", "<>"])
                parts += [(" " if at else "", None), (key + equals + quote[:1], None), *value, (quote[-1:], None)]
        case "call":
            quote = rng.choice(['"', "'"])
            maker = rng.choice(
                [
                    "Person(",
                    "User(",
                    "Customer(",
                    "create_user(",
                    "new Contact({ ",
                    "dict(",
                    "Employee.create(",
                    "assert_equal(",
                    "VALUES (",
                ]
            )
            sign = ": " if "{" in maker else "="
            parts.append((maker, None))
            for at, (key, value) in enumerate(cells):
                named = maker not in ("assert_equal(", "VALUES (")
                parts += [(", " if at else "", None), (key + sign + quote if named else quote, None), *value, (quote, None)]
            parts.append((" })" if "{" in maker else ");", None))
        case "xml":
            for key, value in cells:
                parts += [(f"<{key}>", None), *value, (f"</{key}>" + rng.choice(["", "\n"]), None)]
        case _:
            sign = rng.choice([" / ", " | ", ", ", " - ", "; ", " · ", "\t", ","])
            for at, (_, value) in enumerate(cells):
                parts += [(sign if at else "", None), *value]
    return parts


def _value(scene: Scene, slot: str) -> list[Part]:
    if slot == "person" and scene.rng.random() < 0.6:
        return scene.make("name")
    if slot == "city" and scene.rng.random() < 0.15:
        return scene.make("loc")
    return scene.make(slot)


def _table(rng: random.Random, scene: Scene, keys: list[str], slots: list[str]) -> list[Part]:
    separator = rng.choice([",", ",", ",", ";", "\t", " | ", " | ", "   ", "  "])
    edge = "| " if separator == " | " and rng.random() < 0.6 else ""
    quote = '"' if separator in ",;" and rng.random() < 0.3 else ""
    parts: list[Part] = []
    if rng.random() < 0.15:
        slots = [_UNANNOUNCED.get(slot, slot) for slot in slots]
    else:
        parts.append((edge + separator.join(f"{quote}{key}{quote}" for key in keys) + edge[::-1] + "\n", None))
        if edge and rng.random() < 0.8:
            parts.append(("|" + "---|" * len(keys) + "\n", None))
    for _ in range(rng.randint(1, 6)):
        parts.append((edge, None))
        for at, slot in enumerate(slots):
            value = _value(scene, slot)
            inner = '"' if not quote and separator == "," and any("," in text for text, _ in value) else quote
            parts += [(separator if at else "", None), (inner, None), *value, (inner, None)]
        parts.append((edge[::-1] + "\n", None))
    return parts


__all__ = ["record"]
