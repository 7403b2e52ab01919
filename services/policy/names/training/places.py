"""The places and organisations of a scene, as its country writes them."""

import random
from functools import cache

import faker

from services.policy.names.training.lists import (
    company_suffixes,
    extra,
    is_held_back,
    ordinary_words,
    places,
    street_suffixes,
    town_parts,
)
from services.policy.names.training.people import cultures, invented, surname

COUNTRIES = {
    "en": "US US US GB GB CA AU IN IE NZ ZA SG NG KE", "de": "DE DE DE AT CH", "fr": "FR FR FR BE CH CA", "it": "IT",
    "es": "ES ES MX AR CO CL", "nl": "NL NL BE",
}  # fmt: skip
POSTCODES = {
    "US": "##### ##### #####-####", "CA": "@#@_#@#", "AU": "####", "IN": "###### ###_###", "IE": "@##_@@##",
    "GB": "@#_#@@ @##_#@@ @@#_#@@ @@##_#@@ @#@_#@@ @@#@_#@@ @@##@@", "NZ": "####", "ZA": "####", "SG": "######", "NG": "######", "KE": "#####",
    "DE": "##### ##### D-#####", "AT": "#### A-####", "CH": "#### CH-####", "FR": "##### ##### F-#####", "BE": "#### B-####", "IT": "#####",
    "ES": "#####", "MX": "#####", "AR": "#### C####@@@", "CO": "######", "CL": "#######", "NL": "####_@@ ####_@@ ####@@",
}  # fmt: skip
"""Patterns as ``patterned`` reads them, ``_`` for a blank."""


def patterned(rng: random.Random, pattern: str) -> str:
    """Digits for ``#``, capitals for ``@``."""
    capitals = "ABCDEFGHJKLMNPRSTUWXYZ"
    return "".join(rng.choice("0123456789") if c == "#" else rng.choice(capitals) if c == "@" else c for c in pattern)


def postcode(rng: random.Random, country: str) -> str:
    return patterned(rng, rng.choice(POSTCODES[country].split(" "))).replace("_", " ")


@cache
def _cities(country: str, held_back: bool) -> tuple[str, ...]:
    return tuple(city for city in places().cities.get(country, ()) if is_held_back(city) == held_back) or ("Springfield",)


@cache
def _all_cities(held_back: bool) -> tuple[str, ...]:
    ranked = sorted((rank, city) for cities in places().cities.values() for rank, city in enumerate(cities))
    return tuple(city for _, city in ranked if is_held_back(city) == held_back)


def _skewed(rng: random.Random, items: tuple[str, ...]) -> str:
    """The first ones more often: lists of places go from large to small."""
    return items[int(len(items) * rng.random() ** 2.5)]


@cache
def _towns(held_back: bool) -> tuple[str, ...]:
    return tuple(town for town in places().towns if is_held_back(town) == held_back)


def _made_of_a_name(rng: random.Random, language: str, held_back: bool) -> str:
    """``North Jessica``, ``Jessicaburgh``, ``Wilkinsonhaven``: as towns of the New World are called, and those of made-up data."""
    heads, tails = town_parts()[language]
    given, last = rng.choice(cultures(held_back)["western"].given), surname(rng, held_back)
    form = rng.random()
    if form < 0.4:
        return f"{rng.choice(heads)} {given}{rng.choice(tails) if form < 0.1 else ''}"
    return f"{given if form < 0.75 else last}{'' if language == 'en' else ' '}{rng.choice(tails)}"


def city(rng: random.Random, country: str, held_back: bool) -> str:
    kind = rng.random()
    if kind < 0.10:
        return _made_of_a_name(rng, rng.choice(["en", "en", "en", "en", "fr", "it"]), held_back)
    if kind < 0.18:
        return rng.choice(_towns(held_back))
    return _skewed(rng, _cities(country, held_back) if rng.random() < 0.65 else _all_cities(held_back))


@cache
def kept(section: str, held_back: bool) -> tuple[str, ...]:
    """Of a list, what is held back, or what is not (all of it, where that leaves nothing)."""
    listed = {"countries": places().countries, "regions": places().regions}.get(section) or extra()[section]
    return tuple(item for item in listed if is_held_back(item) == held_back) or tuple(listed)


_ABROAD = (
    "cs_CZ da_DK de_DE en_AU en_CA en_GB en_IE en_IN en_NZ en_PH es_ES es_MX fi_FI fr_FR hr_HR id_ID it_IT nl_NL no_NO pl_PL pt_BR pt_PT "
    "ro_RO sk_SK sl_SI sv_SE tr_TR zu_ZA"
)


@cache
def _abroad(locale: str) -> faker.Faker:
    return faker.Faker(locale)


def _foreign_street(rng: random.Random) -> str:
    """As it is written elsewhere, in whatever language the text is."""
    source = _abroad(rng.choice(_ABROAD.split(" ")))
    source.seed_instance(rng.getrandbits(32))
    return source.street_address().replace("\n", ", ")


def street(rng: random.Random, language: str, held_back: bool) -> str:
    if rng.random() < 0.06:
        return _foreign_street(rng)
    number = str(rng.choice([rng.randint(1, 99), rng.randint(1, 250), rng.randint(1, 9999)]))
    if rng.random() < 0.03:
        number += f"-{int(number) + 2}"
    elif rng.random() < 0.08:
        number += rng.choice(["a", "b", "c", "A", "B", "C", " a"])
    if language == "en":
        return _english_street(rng, number, surname(rng, held_back))
    own = extra()
    given = cultures(held_back=False)[f"{language}_{language.upper()}"].given
    form = rng.choice(own[f"streets {language}"])
    name = form.format(
        name=rng.choice(own[f"street names {language}"]), surname=surname(rng, held_back), given=rng.choice(given)
    )
    match language:
        case "fr":
            extension = rng.choice(["", "", "", "", "", "", "", "", " bis", " ter", ", bis"])
            tail = rng.choice(["", "", "", "", "", "", "", f", app. {rng.randint(1, 40)}", f", bât. {rng.choice('ABC')}"])
            return f"{number}{extension}{rng.choice([' ', ', '])}{name}{tail}"
        case "it":
            return f"{name}{rng.choice([' ', ', ', ' n. ', ' n° '])}{number}{rng.choice(['', '', '', '', '/A', ', int. 3', ', scala B'])}"
        case "es":
            floor = rng.choice(
                [
                    "",
                    "",
                    "",
                    f", {rng.randint(1, 9)}º {rng.choice('ABCD')}",
                    f", piso {rng.randint(1, 9)}",
                    ", 2º izda.",
                    ", bajo",
                ]
            )
            return f"{name}{rng.choice([', ', ' ', ', nº '])}{number}{floor}"
        case "nl":
            return f"{name} {number}{rng.choice(['', '', '', '-II', ' hs', ' bis', '-3'])}"
        case _:
            return f"{name} {number}"


def _english_street(rng: random.Random, number: str, last: str) -> str:
    own = extra()
    if rng.random() < 0.2:
        given = rng.choice(cultures(held_back=False)["western"].given)
        way = (
            f"{rng.choice([number, str(rng.randint(100, 99999))])} {rng.choice([given, last])} {rng.choice(street_suffixes())}"
        )
        return way + rng.choice(["", "", "", f" Apt. {rng.randint(1, 999)}", f" Suite {rng.randint(1, 999)}"])
    name = rng.choice(own["street names"]) if rng.random() < 0.55 else last
    if rng.random() < 0.07:
        compass = [
            "North",
            "South",
            "E",
            "W",
            "N",
            "S",
            "E.",
            "W.",
            "N.",
            "S.",
            "Old",
            "New",
            "West",
            "East",
            "St.",
            "Martin Luther King",
        ]
        name = f"{rng.choice(compass)} {name}"
    elif rng.random() < 0.05:
        name = f"{name} {rng.choice(own['street names'])}"
    way = f"{number} {name} {rng.choice(own['street tails'])}"
    if rng.random() < 0.06:
        way = f"{number} {rng.choice(['Broadway', 'The Green', 'Kingsway', 'The Strand', name])}"
    flat = rng.choice([str(rng.randint(1, 999)), f"{rng.randint(1, 20)}{rng.choice('ABCD')}", rng.choice("ABCDEF")])
    unit = rng.random()
    if unit < 0.17:
        kind = rng.choice(["Apt ", "Apt. ", "Suite ", "Unit ", "Flat ", "#", "Ste ", "Floor ", "Apartment ", "Room "])
        return f"{way}{rng.choice([', ', ' ', ', '])}{kind}{flat}"
    if unit < 0.21:
        return f"{rng.choice(['Flat', 'Unit', 'Apartment', 'Suite'])} {flat}, {way}"
    if unit < 0.23:
        return f"{rng.choice(['P.O. Box', 'PO Box', 'P.O.Box', 'RR 2 Box', 'Postbus'])} {rng.randint(10, 99999)}"
    if unit < 0.24:
        return f"{rng.choice(['Lot', 'Plot No.', 'Flat No.', 'House No.', 'Shop'])} {flat}, {way.split(' ', 1)[1]}"
    if unit < 0.25:
        return f"{rng.choice(['Rose Cottage', 'The Old Rectory', 'Oak House', 'Kings Court', 'Mill House'])}, {way}"
    return f"{flat}-{way}" if unit < 0.26 and flat.isdigit() else way


def organisation(rng: random.Random, language: str, country: str, held_back: bool) -> str:
    own = extra()
    local = "" if language == "en" else f" {language}"
    last, second = surname(rng, held_back), surname(rng, held_back)
    tail = rng.choice(own[f"org tails{local}"] if rng.random() < 0.8 else own["org tails"])
    form = rng.random()
    if form < 0.17:
        return rng.choice(kept("companies", held_back))
    if form < 0.22:
        return f"{rng.choice([last, f'{last} {second}', f'{last}-{second}', invented(rng)])} {rng.choice(company_suffixes())}"
    if form < 0.36:
        patterns = [
            "{0}, {1} and {2}",
            "{0}, {1} and {2}",
            "{0}, {1} & {2}",
            "{0} & {1}",
            "{0}-{1}",
            "{0}-{1}",
            "{0}-{1}",
            "{0} and {1}",
            "{0} {3}",
            "{0} and Sons",
            "{0} Group",
            "{0} {3}",
            "{0} & {1} {3}",
        ]
        return rng.choice(patterns).format(last, second, surname(rng, held_back), tail)
    if form < 0.62:
        head = rng.choice(kept("org heads", held_back)) if rng.random() < 0.75 else invented(rng)
        if rng.random() < 0.15:
            head += rng.choice(["ly", "ify", "Tech", "Soft", "Net", "Works", "Hub", "Lab", "Care", "Med", "Pay", "Data"])
        middle = f" {rng.choice(own['org tails'][20:])}" if rng.random() < 0.4 else ""
        return f"{head}{middle} {tail}" if rng.random() < 0.88 else head + middle
    if form < 0.75:
        words = [word.title() for word in rng.choices(ordinary_words()["en"], k=rng.choice([1, 2, 2, 3])) if len(word) > 2] or [
            "Acme"
        ]
        if rng.random() < 0.25:
            return words[0] + rng.choice([words[-1].lower(), words[-1], "ly", "ify", "io", "ster", "hub", "base", "wise"])
        if rng.random() < 0.15:
            return f"{words[0]} {rng.choice(['&', 'and', '+'])} {rng.choice([words[-1], last, 'Sons', 'Co'])}"
        return " ".join(words) + (f" {tail}" if rng.random() < 0.75 else "")
    if form < 0.80:
        return invented(rng) + rng.choice(["", " AI", " Labs", " Health", ".io", "soft", " Systems", ".com", " Bank"])
    body = rng.choice(own[f"org bodies{local}"])
    given = rng.choice(cultures(held_back)["western"].given)
    land = rng.choice(kept("countries", held_back))
    return body.format(city=city(rng, country, held_back), last=last, first=given, country=land)


__all__ = ["COUNTRIES", "city", "kept", "organisation", "patterned", "postcode", "street"]
