"""The people of a scene: names of many cultures, in the forms that people use, and what they call themselves on computers."""

import random
from dataclasses import dataclass
from functools import cache

from services.policy.names.training.lists import Culture, all_cultures, extra, native_cultures, split
from services.policy.names.words import folded

CULTURES_OF_LANGUAGE = {
    "en": "en_US en_GB en_US en_GB western western en en_IE en_NZ southasian chinese arabic african vietnamese korean japanese persian-turkic "
    "es_MX es_CO en_IN pt_BR de_DE fr_FR it_IT",
    "de": "de_DE de_DE de_DE de_AT de_CH persian-turkic western tr_TR",
    "fr": "fr_FR fr_FR fr_FR fr_BE fr_CH fr_QC arabic african fr_DZ",
    "it": "it_IT it_IT it_IT western ro_RO",
    "es": "es_ES es_ES es_AR es_CL es_MX es_CO western",
    "nl": "nl_NL nl_NL nl_NL nl_BE persian-turkic western",
}
_CONSONANTS = "b c d f g h j k l m n p r s t v w z sh ch th br kr dr tr st kw mb nd ng zh gl fl"
_VOWELS = "a e i o u ai ou ie a e o y ee ö á é"
_ENDINGS = ("", "n", "r", "s", "k", "l", "m", "t", "ski", "sen", "ian", "ova", "ez", "yan", "wala", "shvili")
_ODD = 0.03
"""Share of names in their own script, of double first names, of double surnames."""
_INVENTED = 0.07
_SHORT = 0.06
"""Share of given names that are cut short, as friends do: ``Ale``, ``Steffi``, ``Olu``."""
_SHORT_ENDINGS = ("", "", "", "", "i", "y", "ie", "o", "a", "s")


@cache
def cultures(held_back: bool) -> dict[str, Culture]:
    return {culture.locale: culture for culture in split(all_cultures(), held_back)}


@cache
def _natives(held_back: bool) -> tuple[Culture, ...]:
    return split(native_cultures(), held_back)


@cache
def _of_language(language: str, held_back: bool) -> tuple[Culture, ...]:
    known = cultures(held_back)
    return tuple(known[name] for name in CULTURES_OF_LANGUAGE[language].split(" ") if name in known)


@cache
def _all(held_back: bool) -> tuple[Culture, ...]:
    return tuple(cultures(held_back).values())


@dataclass(frozen=True)
class Human:
    first: str
    last: str
    middle: str
    user: str
    email: str


def invented(rng: random.Random) -> str:
    """A name that nobody has."""
    syllables = (rng.choice(_CONSONANTS.split(" ")) + rng.choice(_VOWELS.split(" ")) for _ in range(rng.randint(1, 3)))
    return ("".join(syllables) + rng.choice(_ENDINGS)).title()


def shortened(rng: random.Random, first: str) -> str:
    """Its first syllable or two, and an ending of endearment."""
    letters = rng.choice([3, 3, 4, 4, 5])
    if len(first) < letters + 2 or not first.isalpha() or not first.isascii():
        return first
    head, end = first[:letters], rng.choice(_SHORT_ENDINGS)
    if end and head[-1] in "aeiouy":
        head = head[:-1]
    return head + end


def surname(rng: random.Random, held_back: bool) -> str:
    return rng.choice(rng.choice(_all(held_back)).surnames)


def human(rng: random.Random, language: str, held_back: bool) -> Human:
    if rng.random() < _ODD:
        culture = rng.choice(_natives(held_back))
    else:
        culture = rng.choice(_of_language(language, held_back) if rng.random() < 0.6 else _all(held_back))
    first = invented(rng) if rng.random() < _INVENTED else rng.choice(culture.given)
    if rng.random() < _SHORT:
        first = shortened(rng, first)
    last = invented(rng) if rng.random() < _INVENTED else rng.choice(culture.surnames)
    if rng.random() < _ODD:
        last = f"{last}-{rng.choice(culture.surnames)}"
    elif rng.random() < 0.12 and culture.locale.startswith(("es_", "pt_")):
        last = f"{last} {rng.choice(culture.surnames)}"
    if rng.random() < _ODD:
        first = f"{first}-{rng.choice(culture.given)}"
    f, s = (folded(name).replace(" ", "").replace("'", "").replace("’", "") for name in (first, last))
    if rng.random() < 0.5:
        f, s = f.replace("-", ""), s.replace("-", "")
    return Human(first, last, rng.choice(culture.given), _user(rng, first, last, f, s), _email(rng, f, s))


def _digits(rng: random.Random) -> str:
    return str(rng.choice([rng.randint(1, 99), rng.randint(1, 9), rng.randint(1950, 2012), rng.randint(100, 999)]))


def _user(rng: random.Random, first: str, last: str, f: str, s: str) -> str:
    own = extra()
    return rng.choice(own["users"]).format(
        f=f, s=s, f1=f[:1], f2=f[:2], s1=s[:1], s4=s[:4], First=first.replace(" ", ""), Last=last.replace(" ", ""), digits=_digits(rng),
        noun=rng.choice(own["user nouns"]), thing=rng.choice(["user", "guest", "client", "web", "the"]), role=rng.choice(own["user roles"]),
    )  # fmt: skip


def _email(rng: random.Random, f: str, s: str) -> str:
    local = rng.choice([f"{f}.{s}", f"{f[:1]}{s}", f, f"{f}_{s}", f"{f}{_digits(rng)}", f"{s}.{f}"])
    return f"{local}@{rng.choice([*extra()['domains'], f'{s}.com'])}"


def written(rng: random.Random, who: Human) -> str:
    """The whole name, in one of its forms."""
    first, last = who.first, who.last
    form = rng.random()
    if form < 0.76:
        return f"{first} {last}"
    if form < 0.80:
        return f"{first} {who.middle[0]}. {last}"
    if form < 0.83:
        return f"{first} {who.middle} {last}"
    if form < 0.87:
        return f"{first[0]}. {last}"
    if form < 0.90:
        return f"{last}, {first}"
    if form < 0.92:
        return f"{first} {last[0]}."
    if form < 0.95:
        return f"{last.upper()} {first}" if rng.random() < 0.5 else f"{first} {last.upper()}"
    if form < 0.97:
        return f"{first} {last}".upper()
    if form < 0.98:
        return f"{first} {last} {rng.choice(['Jr.', 'Sr.', 'III', 'II', 'Jr'])}"
    return f"{last} {first}"


__all__ = ["Human", "cultures", "human", "invented", "shortened", "surname", "written"]
