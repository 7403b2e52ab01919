"""What a slot of a template becomes: names, places and numbers of one scene (a document's people and the country it plays in)."""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from services.policy.names.training.lists import (
    Culture,
    all_cultures,
    extra,
    is_held_back,
    jobs,
    native_cultures,
    ordinary_words,
    places,
    split,
)
from services.policy.names.words import folded

Part = tuple[str, str | None]
"""A piece of text and its entity, or None."""

CULTURES_OF_COUNTRY = {
    "en": ("en_US", "en_GB", "en_US", "en_GB", "western", "western", "en", "en_IE", "en_NZ", "southasian", "chinese", "arabic", "african",
           "vietnamese", "korean", "japanese", "persian-turkic", "es_MX", "es_CO", "en_IN", "fil", "pt_BR", "pl_PL"),
    "de": ("de_DE", "de_DE", "de_DE", "de_AT", "de_CH", "persian-turkic", "western", "tr_TR", "pl_PL"),
    "fr": ("fr_FR", "fr_FR", "fr_FR", "fr_BE", "fr_CH", "fr_QC", "arabic", "african", "fr_DZ"),
    "it": ("it_IT", "it_IT", "it_IT", "western", "ro_RO"),
    "es": ("es_ES", "es_ES", "es_AR", "es_CL", "es_MX", "es_CO", "western"),
    "nl": ("nl_NL", "nl_NL", "nl_NL", "nl_BE", "persian-turkic", "western"),
}  # fmt: skip
COUNTRIES = {
    "en": ("US", "US", "US", "GB", "GB", "CA", "AU", "IN", "IE", "NZ", "ZA", "SG", "NG", "KE"),
    "de": ("DE", "DE", "DE", "AT", "CH"),
    "fr": ("FR", "FR", "FR", "BE", "CH", "CA"),
    "it": ("IT",),
    "es": ("ES", "ES", "MX", "AR", "CO", "CL"),
    "nl": ("NL", "NL", "BE"),
}
POSTCODES = {
    "US": ("#####", "#####", "#####-####"), "CA": ("@#@ #@#",), "AU": ("####",), "IN": ("######", "### ###"), "IE": ("@## @@##",),
    "GB": ("@# #@@", "@## #@@", "@@# #@@", "@@## #@@", "@#@ #@@", "@@#@ #@@", "@@##@@"), "NZ": ("####",), "ZA": ("####",), "SG": ("######",),
    "NG": ("######",), "KE": ("#####",), "DE": ("#####", "#####", "D-#####"), "AT": ("####", "A-####"), "CH": ("####", "CH-####"),
    "FR": ("#####", "#####", "F-#####"), "BE": ("####", "B-####"), "IT": ("#####",), "ES": ("#####",), "MX": ("#####",), "AR": ("####", "C####@@@"),
    "CO": ("######",), "CL": ("#######",), "NL": ("#### @@", "#### @@", "####@@"),
}  # fmt: skip
TITLES = {
    "en": ("Mr", "Mr.", "Mrs", "Mrs.", "Ms", "Ms.", "Miss", "Dr", "Dr.", "Prof.", "Professor", "Sir", "Madam", "Rev.", "Capt.", "Judge", "Mx.", "Doctor",
           "Lady", "Lord", "Father", "Sgt.", "Lt.", "Col.", "Officer", "Hon.", "Dame", "Sister", "Senator", "Mister"),
    "de": ("Herr", "Herrn", "Frau", "Dr.", "Prof.", "Prof. Dr.", "Herr Dr.", "Frau Dr.", "Dipl.-Ing.", "Fräulein", "Dr. med."),
    "fr": ("M.", "Mme", "Mlle", "Monsieur", "Madame", "Mademoiselle", "Dr", "Docteur", "Me", "Maître", "Pr", "Mme."),
    "it": ("Sig.", "Sig.ra", "Signor", "Signora", "Dott.", "Dott.ssa", "Ing.", "Avv.", "Prof.", "Prof.ssa", "Sig.na", "Signorina", "Arch.", "Geom."),
    "es": ("Sr.", "Sra.", "Srta.", "Señor", "Señora", "D.", "Dña.", "Don", "Doña", "Dr.", "Dra.", "Sr", "Sra", "Prof.", "Lic.", "Ing."),
    "nl": ("dhr.", "mevr.", "Dhr.", "Mevr.", "de heer", "mevrouw", "Meneer", "Mevrouw", "dr.", "prof.", "drs.", "ir.", "mr.", "De heer"),
}  # fmt: skip
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}  # fmt: skip
WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
}  # fmt: skip
_CONSONANTS = ("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "sh", "ch", "th", "br", "kr", "dr", "tr",
               "st", "kw", "mb", "nd", "ng", "zh", "gl", "fl")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou", "ie", "a", "e", "o", "y", "ee", "ö", "á", "é")
_VERBS = "get set load build make parse fetch update delete create find handle process compute render validate convert send read write".split()
_NOUNS = (
    "user order session token request response config file path item node event message stream cache index record schema table queue task "
    "worker client server account invoice payload buffer thread handler manager factory service controller context builder parser"
).split()


@cache
def cultures(held_back: bool) -> dict[str, Culture]:
    return {culture.locale: culture for culture in split(all_cultures(), held_back)}


@cache
def _natives(held_back: bool) -> tuple[Culture, ...]:
    return split(native_cultures(), held_back)


@cache
def _cities(country: str, held_back: bool) -> tuple[str, ...]:
    return tuple(city for city in places().cities.get(country, ()) if is_held_back(city) == held_back) or ("Springfield",)


@cache
def _all_cities(held_back: bool) -> tuple[str, ...]:
    ranked = sorted((rank, city) for cities in places().cities.values() for rank, city in enumerate(cities))
    return tuple(city for _, city in ranked if is_held_back(city) == held_back)


@cache
def _kept(section: str, held_back: bool) -> tuple[str, ...]:
    listed = {"countries": places().countries, "regions": places().regions}.get(section) or extra()[section]
    return tuple(item for item in listed if is_held_back(item) == held_back) or tuple(listed)


@dataclass
class Human:
    first: str
    last: str
    middle: str
    user: str
    email: str


def _skewed(rng: random.Random, items: tuple[str, ...]) -> str:
    """The first ones more often: lists of places go from large to small."""
    return items[int(len(items) * rng.random() ** 2.5)]


class Scene:
    """Gives values for one document. The people numbered 1 to 9 stay the same throughout."""

    def __init__(self, rng: random.Random, language: str, held_back: bool) -> None:
        self.rng = rng
        self.language = language
        self.held_back = held_back
        self.country = rng.choice(COUNTRIES[language])
        self._people: dict[str, Human] = {}
        self._orgs: dict[str, str] = {}
        self._cities: dict[str, str] = {}
        self._makers: dict[str, Callable[[str], list[Part]]] = {
            name.removeprefix("make_"): getattr(self, name) for name in dir(self) if name.startswith("make_")
        }

    def make(self, slot: str) -> list[Part]:
        name = slot.rstrip(string.digits)
        return self._makers[name](slot[len(name) :])

    def knows(self, slot: str) -> bool:
        return slot.rstrip(string.digits) in self._makers

    # People

    def _human(self, number: str) -> Human:
        if not number:
            return self._new_human()
        if number not in self._people:
            self._people[number] = self._new_human()
        return self._people[number]

    def _new_human(self) -> Human:
        rng = self.rng
        known = cultures(self.held_back)
        if rng.random() < 0.03:
            culture = rng.choice(_natives(self.held_back))
        elif rng.random() < 0.6:
            names = [name for name in CULTURES_OF_COUNTRY[self.language] if name in known]
            culture = known[rng.choice(names)]
        else:
            culture = known[rng.choice(list(known))]
        first, last = rng.choice(culture.given), rng.choice(culture.surnames)
        if rng.random() < 0.06:
            first = self._invented()
        if rng.random() < 0.08:
            last = self._invented()
        if rng.random() < 0.03:
            last = f"{last}-{rng.choice(culture.surnames)}"
        elif rng.random() < 0.12 and culture.locale.startswith(("es_", "pt_")):
            last = f"{last} {rng.choice(culture.surnames)}"
        if rng.random() < 0.03:
            first = f"{first}-{rng.choice(culture.given)}"
        f, s = (folded(name).replace(" ", "").replace("'", "").replace("’", "") for name in (first, last))
        if rng.random() < 0.5:
            f, s = f.replace("-", ""), s.replace("-", "")
        digits = str(rng.choice([rng.randint(1, 99), rng.randint(1, 9), rng.randint(1950, 2012), rng.randint(100, 999)]))
        noun = rng.choice(
            [
                "gamer",
                "dev",
                "fan",
                "star",
                "king",
                "queen",
                "rocks",
                "official",
                "music",
                "art",
                "travels",
                "codes",
                "cat",
                "wolf",
            ]
        )
        user = rng.choice([
            f"{f[:1]}{s}", f"{f}.{s}", f"{f}_{s}", f"{f}{digits}", f"{f[:1]}.{s}", f"{s}{f[:1]}", f"{f}{s[:1]}", f"{f}-{s}", f"{f}{s}{digits}",
            f"{s}.{f}", f"{f}_{digits}", f"{f[:1]}{s}{digits}", f"{f}_{noun}", f"{noun}_{f}{digits}", f"{s}{digits}", f"{f[:2]}{s[:4]}",
            f"{first}{digits}", f"{f}{noun}", f"x{f}x", f"{noun}{digits}", f"{rng.choice(_NOUNS)}_{noun}{digits}",
        ])  # fmt: skip
        domain = rng.choice(["gmail.com", "outlook.com", "yahoo.com", "example.com", "example.org", "acme.io", "company.co.uk", "web.de", "orange.fr",
                             "libero.it", "hotmail.es", "mail.nl", f"{s}.com", "corp.example.net"])  # fmt: skip
        email = f"{rng.choice([f'{f}.{s}', f'{f[:1]}{s}', f, f'{f}_{s}', f'{f}{digits}', f'{s}.{f}'])}@{domain}"
        return Human(first, last, rng.choice(culture.given), user, email)

    def _invented(self) -> str:
        rng = self.rng
        name = "".join(rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(rng.randint(1, 3)))
        return (
            name
            + rng.choice(["", "n", "r", "s", "k", "l", "m", "t", "ski", "sen", "ian", "ova", "ez", "yan", "wala", "shvili"])
        ).title()

    def make_person(self, number: str) -> list[Part]:
        """In full, in one of the forms that people use."""
        human, rng = self._human(number), self.rng
        form = rng.random()
        if form < 0.76:
            name = f"{human.first} {human.last}"
        elif form < 0.80:
            name = f"{human.first} {human.middle[0]}. {human.last}"
        elif form < 0.83:
            name = f"{human.first} {human.middle} {human.last}"
        elif form < 0.87:
            name = f"{human.first[0]}. {human.last}"
        elif form < 0.90:
            name = f"{human.last}, {human.first}"
        elif form < 0.92:
            name = f"{human.first} {human.last[0]}."
        elif form < 0.95:
            name = f"{human.last.upper()} {human.first}" if rng.random() < 0.5 else f"{human.first} {human.last.upper()}"
        elif form < 0.97:
            name = f"{human.first} {human.last}".upper()
        elif form < 0.98:
            name = f"{human.first} {human.last} {rng.choice(['Jr.', 'Sr.', 'III', 'II', 'Jr'])}"
        else:
            name = f"{human.last} {human.first}"
        return [(name, "PERSON")]

    def make_name(self, number: str) -> list[Part]:
        """First and last, plainly."""
        human = self._human(number)
        return [(f"{human.first} {human.last}", "PERSON")]

    def make_lastfirst(self, number: str) -> list[Part]:
        human = self._human(number)
        return [(f"{human.last}, {human.first}", "PERSON")]

    def make_lastcomma(self, number: str) -> list[Part]:
        """In two cells of a table."""
        human = self._human(number)
        return [(human.last, "PERSON"), (",", None), (human.first, "PERSON")]

    def make_first(self, number: str) -> list[Part]:
        return [(self._human(number).first, "PERSON")]

    def make_last(self, number: str) -> list[Part]:
        return [(self._human(number).last, "PERSON")]

    def make_anyname(self, number: str) -> list[Part]:
        return self.rng.choice([self.make_person, self.make_person, self.make_first, self.make_titled])(number)

    def make_initials(self, number: str) -> list[Part]:
        human = self._human(number)
        return [(f"{human.first[0]}.{human.last[0]}.", "PERSON")]

    def make_title(self, _: str) -> list[Part]:
        titles = TITLES[self.language]
        return [(titles[int(len(titles) * self.rng.random() ** 1.6)], "TITLE")]

    def make_titled(self, number: str) -> list[Part]:
        human = self._human(number)
        name = human.last if self.rng.random() < 0.6 else f"{human.first} {human.last}"
        return [*self.make_title(""), (" ", None), (name, "PERSON")]

    def make_user(self, number: str) -> list[Part]:
        return [(self._human(number).user, "USERNAME")]

    def make_email(self, number: str) -> list[Part]:
        return [(self._human(number).email, None)]

    def make_age(self, _: str) -> list[Part]:
        return [(str(self.rng.choice([self.rng.randint(18, 89), self.rng.randint(18, 65), self.rng.randint(1, 104)])), "AGE")]

    def make_dob(self, _: str) -> list[Part]:
        return [(self._date(1930, 2015), "DATE_OF_BIRTH")]

    # Organisations and places

    def make_org(self, number: str) -> list[Part]:
        if not number:
            return [(self._organisation(), "ORGANIZATION")]
        if number not in self._orgs:
            self._orgs[number] = self._organisation()
        return [(self._orgs[number], "ORGANIZATION")]

    def _organisation(self) -> str:
        rng, own = self.rng, extra()
        local = "" if self.language == "en" else f" {self.language}"
        names = cultures(self.held_back)
        last = rng.choice(rng.choice(list(names.values())).surnames)
        form = rng.random()
        if form < 0.22:
            return rng.choice(_kept("companies", self.held_back))
        tails = own[f"org tails{local}"] if rng.random() < 0.8 else own["org tails"]
        tail = rng.choice(tails)
        if form < 0.34:
            second = rng.choice(rng.choice(list(names.values())).surnames)
            return rng.choice([f"{last}, {second} and {self._invented()}", f"{last} & {second}", f"{last}-{second}", f"{last} and {second}",
                               f"{last} {tail}", f"{last} and Sons", f"{last} Group", f"{last} {tail}", f"{last} & {second} {tail}"])  # fmt: skip
        if form < 0.64:
            head = rng.choice(_kept("org heads", self.held_back)) if rng.random() < 0.75 else self._invented()
            if rng.random() < 0.15:
                head += rng.choice(["ly", "ify", "Tech", "Soft", "Net", "Works", "Hub", "Lab", "Care", "Med", "Pay", "Data"])
            second = f" {rng.choice(own['org tails'][20:])}" if rng.random() < 0.4 else ""
            return f"{head}{second} {tail}" if rng.random() < 0.88 else head + second
        if form < 0.78:
            return (
                f"{self._invented()}{rng.choice(['', ' AI', ' Labs', ' Health', '.io', 'soft', ' Systems', '.com', ' Bank'])}"
            )
        body = rng.choice(own[f"org bodies{local}"])
        return (
            body.replace("{city}", self._city())
            .replace("{last}", last)
            .replace("{first}", rng.choice(names["western"].given))
            .replace("{country}", rng.choice(_kept("countries", self.held_back)))
        )

    def _city(self) -> str:
        if self.rng.random() < 0.65:
            return _skewed(self.rng, _cities(self.country, self.held_back))
        return _skewed(self.rng, _all_cities(self.held_back))

    def make_city(self, number: str) -> list[Part]:
        city = self._cities.setdefault(number, self._city()) if number else self._city()
        return [(city, "LOCATION")]

    def make_country(self, _: str) -> list[Part]:
        return [(self.rng.choice(_kept("countries", self.held_back)), "LOCATION")]

    def make_region(self, _: str) -> list[Part]:
        return [(self.rng.choice(_kept("regions", self.held_back)), "LOCATION")]

    def make_state(self, _: str) -> list[Part]:
        codes = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC TN TX UT VA WA WI"
        return [(self.rng.choice(codes.split()), "LOCATION")] if self.rng.random() < 0.7 else self.make_region("")

    def make_loc(self, _: str) -> list[Part]:
        place = self.rng.random()
        if place < 0.5:
            return self.make_city("")
        if place < 0.62:
            return [
                *self.make_city(""),
                (", ", None),
                *self.rng.choice([self.make_country, self.make_state, self.make_region])(""),
            ]
        return self.make_country("") if place < 0.82 else self.make_region("")

    def make_street(self, _: str) -> list[Part]:
        return [(self._street(), "STREET_ADDRESS")]

    def _street(self) -> str:
        rng, own = self.rng, extra()
        number = str(rng.choice([rng.randint(1, 99), rng.randint(1, 250), rng.randint(1, 9999)]))
        if rng.random() < 0.08:
            number += rng.choice("abcABC")
        elif rng.random() < 0.03:
            number += f"-{int(number.rstrip('abcABC')) + 2}"
        names = cultures(self.held_back)
        surname = rng.choice(rng.choice(list(names.values())).surnames)
        if self.language == "de":
            name = rng.choice(own["street names de"])
            street = rng.choice([f"{name}straße", f"{name}str.", f"{name}strasse", f"{name}weg", f"{name}platz", f"{name}allee", f"{name}gasse",
                                 f"Am {name}hof", f"Alte {name}straße", f"An der {name}mühle", f"{surname}straße", f"{surname}weg", f"{surname}-Straße",
                                 f"Im {name}feld", f"Unter den {name}", f"{name}er Straße", f"{name}damm", f"{name}ring", f"{name}ufer"])  # fmt: skip
            return f"{street} {number}"
        if self.language == "fr":
            street = f"{rng.choice(['rue', 'avenue', 'boulevard', 'place', 'rue', 'chemin', 'impasse', 'allée', 'quai', 'Rue', 'Avenue', 'Bd', 'cours'])} "
            street += rng.choice([*own["street names fr"], surname, f"{rng.choice(names['fr_FR'].given)} {surname}"])
            return (
                f"{number}{rng.choice(['', ' bis', ' ter'] if rng.random() < 0.1 else [''])}{rng.choice([' ', ', '])}{street}"
            )
        if self.language == "it":
            street = (
                f"{rng.choice(['Via', 'via', 'Viale', 'Corso', 'Piazza', 'Largo', 'Vicolo', 'Via', 'Strada', 'Piazzale'])} "
            )
            street += rng.choice([*own["street names it"], surname, f"{rng.choice(names['it_IT'].given)} {surname}"])
            return f"{street}{rng.choice([' ', ', ', ' n. '])}{number}"
        if self.language == "es":
            street = f"{rng.choice(['Calle', 'calle', 'C/', 'Avenida', 'Avda.', 'Plaza', 'Paseo', 'Ronda', 'Camino', 'Carrera', 'Av.', 'Travesía'])} "
            street += rng.choice([*own["street names es"], surname])
            floor = rng.choice(["", "", "", f", {rng.randint(1, 9)}º {rng.choice('ABCD')}", f", piso {rng.randint(1, 9)}"])
            return f"{street}{rng.choice([', ', ' ', ', nº '])}{number}{floor}"
        if self.language == "nl":
            name = rng.choice(own["street names nl"])
            street = rng.choice([f"{name}straat", f"{name}laan", f"{name}weg", f"{name}plein", f"{name}gracht", f"{name}kade", f"{surname}straat", name,
                                 f"Oude {name}weg", f"{name}pad", f"{name}dijk", f"{name}hof", f"{name}singel"])  # fmt: skip
            return f"{street} {number}{rng.choice(['', '', '', '-II', ' hs', ' bis'])}"
        name = rng.choice(own["street names"]) if rng.random() < 0.55 else surname
        if rng.random() < 0.07:
            name = f"{rng.choice(['North', 'South', 'E', 'W', 'N', 'S', 'E.', 'W.', 'N.', 'S.', 'Old', 'New', 'West', 'East', 'St.', 'Martin Luther King'])} {name}"
        elif rng.random() < 0.05:
            name = f"{name} {rng.choice(own['street names'])}"
        tail = rng.choice(own["street tails"])
        street = (
            f"{number} {name} {tail}"
            if rng.random() < 0.94
            else f"{number} {rng.choice(['Broadway', 'The Green', 'Kingsway', 'The Strand', name])}"
        )
        unit = rng.random()
        flat = rng.choice([str(rng.randint(1, 999)), f"{rng.randint(1, 20)}{rng.choice('ABCD')}", rng.choice("ABCDEF")])
        if unit < 0.17:
            street += f"{rng.choice([', ', ' ', ', '])}{rng.choice(['Apt', 'Apt.', 'Suite', 'Unit', 'Flat', '#', 'Ste', 'Floor', 'Apartment', 'Room'])} {flat}".replace(
                "# ", "#"
            )
        elif unit < 0.21:
            street = f"{rng.choice(['Flat', 'Unit', 'Apartment', 'Suite'])} {flat}, {street}"
        elif unit < 0.23:
            street = f"{rng.choice(['P.O. Box', 'PO Box', 'P.O.Box'])} {rng.randint(10, 99999)}"
        elif unit < 0.235:
            street = f"{rng.choice(['RR', 'Lot', 'Plot', 'Plot No.', 'Flat No.', 'House No.', 'Shop'])} {flat}, {street.split(' ', 1)[-1]}"
        elif unit < 0.25:
            street = f"{rng.choice(['Rose Cottage', 'The Old Rectory', 'Oak House', 'Kings Court', 'Mill House'])}, {street}"
        return street

    def make_postcode(self, _: str) -> list[Part]:
        return [(self._pattern(self.rng.choice(POSTCODES[self.country])), "POSTCODE")]

    def make_address(self, _: str) -> list[Part]:
        """Street, place and postcode in the order of the country."""
        rng, street, code, city = self.rng, self.make_street(""), self.make_postcode(""), self.make_city("")
        comma: list[Part] = [(rng.choice([", ", ", ", ", ", "\n", " "]), None)]
        blank: list[Part] = [(" ", None)]
        tail: list[Part] = [(rng.choice([", ", "\n"]), None), *self.make_country("")] if rng.random() < 0.25 else []
        if self.country in ("US", "CA", "AU"):
            return [*street, *comma, *city, (rng.choice([", ", ", ", " "]), None), *self.make_state(""), *blank, *code, *tail]
        if self.language == "en":
            return [*street, *comma, *city, (rng.choice([", ", " ", "\n"]), None), *code, *tail]
        if rng.random() < 0.85:
            province: list[Part] = (
                [(f" ({rng.choice('MI RM TO NA BO FI VE GE PA BA'.split())})", None)]
                if self.language == "it" and rng.random() < 0.4
                else []
            )
            return [*street, *comma, *code, *blank, *city, *province, *tail]
        return [*street, *comma, *city, *tail]

    # What is no name

    def _pattern(self, pattern: str) -> str:
        rng = self.rng
        return "".join(
            rng.choice("0123456789") if c == "#" else rng.choice("ABCDEFGHJKLMNPRSTUWXYZ") if c == "@" else c for c in pattern
        )

    def _date(self, earliest: int, latest: int) -> str:
        rng = self.rng
        year, month, day = rng.randint(earliest, latest), rng.randint(1, 12), rng.randint(1, 28)
        name = MONTHS[self.language].split()[month - 1]
        if self.language == "en":
            return rng.choice([
                f"{year}-{month:02}-{day:02}", f"{month:02}/{day:02}/{year}", f"{day:02}/{month:02}/{year}", f"{name} {day}, {year}",
                f"{day} {name} {year}", f"{day:02}-{month:02}-{year}", f"{name[:3]} {day}, {year}", f"{day:02}.{month:02}.{year}",
                f"{day}{'th' if 3 < day < 21 else 'st' if day % 10 == 1 else 'nd' if day % 10 == 2 else 'rd' if day % 10 == 3 else 'th'} {name} {year}",
                f"{month}/{day}/{year % 100:02}", f"{month}/{day}/{year}", f"{day:02} {name[:3]} {year}", f"{day:02}-{name[:3]}-{year}", f"{name} {day} {year}",
            ])  # fmt: skip
        return rng.choice([f"{day:02}.{month:02}.{year}", f"{day:02}/{month:02}/{year}", f"{day} {name} {year}", f"{day:02}-{month:02}-{year}",
                           f"{day}. {name} {year}" if self.language == "de" else f"{day} de {name} de {year}" if self.language == "es" else f"{day} {name} {year}",
                           f"{year}-{month:02}-{day:02}", f"{day}/{month}/{year}"])  # fmt: skip

    def make_date(self, _: str) -> list[Part]:
        return [(self._date(2015, 2027), None)]

    def make_olddate(self, _: str) -> list[Part]:
        return [(self._date(1950, 2020), None)]

    def make_time(self, _: str) -> list[Part]:
        hour, minute = self.rng.randint(0, 23), self.rng.randint(0, 59)
        return [
            (
                self.rng.choice(
                    [
                        f"{hour:02}:{minute:02}",
                        f"{hour % 12 + 1}{self.rng.choice(['am', 'pm', ' AM', ' PM'])}",
                        f"{hour:02}:{minute:02}:17",
                    ]
                ),
                None,
            )
        ]

    def make_stamp(self, _: str) -> list[Part]:
        rng = self.rng
        return [(f"20{rng.randint(18, 27)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}{rng.choice(['T', ' '])}{rng.randint(0, 23):02}:"
                 f"{rng.randint(0, 59):02}:{rng.randint(0, 59):02}{rng.choice(['', 'Z', '.123Z', ',482', '.004512', '+00:00'])}", None)]  # fmt: skip

    def make_weekday(self, _: str) -> list[Part]:
        return [(self.rng.choice(WEEKDAYS[self.language].split()), None)]

    def make_month(self, _: str) -> list[Part]:
        return [(self.rng.choice(MONTHS[self.language].split()), None)]

    def make_num(self, _: str) -> list[Part]:
        return [(str(self.rng.choice([self.rng.randint(1, 9), self.rng.randint(10, 99), self.rng.randint(100, 9999)])), None)]

    def make_id(self, _: str) -> list[Part]:
        form = [
            "#####",
            "@@-####",
            "@@@-#####",
            "########",
            "@#######",
            "####-####",
            "INC-######",
            "#@@##@#",
            "@@########",
            "######",
        ]
        return [(self._pattern(self.rng.choice(form)), None)]

    def make_money(self, _: str) -> list[Part]:
        amount = f"{self.rng.randint(1, 9999)}.{self.rng.randint(0, 99):02}"
        return [
            (
                self.rng.choice(
                    [
                        f"${amount}",
                        f"{amount} EUR",
                        f"€{amount}",
                        f"£{amount}",
                        f"{amount} €",
                        f"USD {amount}",
                        f"{amount.replace('.', ',')} €",
                    ]
                ),
                None,
            )
        ]

    def make_phone(self, _: str) -> list[Part]:
        form = ["+1 (###) ###-####", "(###) ###-####", "###-###-####", "+44 #### ######", "0#### ######", "+49 ### #######", "0### / ######", "+33 # ## ## ## ##",
                "0# ## ## ## ##", "+39 ### ### ####", "+34 ### ### ###", "6## ### ###", "06-########", "+31 6 ########", "+91 ##### #####"]  # fmt: skip
        return [(self._pattern(self.rng.choice(form)), None)]

    def make_hash(self, _: str) -> list[Part]:
        return [("".join(self.rng.choices("0123456789abcdef", k=self.rng.choice([7, 8, 12, 32, 40, 64]))), None)]

    def make_uuid(self, _: str) -> list[Part]:
        h = "".join(self.rng.choices("0123456789abcdef", k=32))
        return [(f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}", None)]

    def make_ip(self, _: str) -> list[Part]:
        return [(".".join(str(self.rng.randint(1, 254)) for _ in range(4)), None)]

    def make_version(self, _: str) -> list[Part]:
        rng = self.rng
        return [
            (
                f"{rng.choice(['', 'v', ''])}{rng.randint(0, 20)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}{rng.choice(['', '', '-rc.1', '-beta', '.post1'])}",
                None,
            )
        ]

    def make_product(self, _: str) -> list[Part]:
        return [(self.rng.choice(extra()["products"]), None)]

    def make_heading(self, _: str) -> list[Part]:
        return [(self.rng.choice(extra()["headings"]), None)]

    def make_job(self, _: str) -> list[Part]:
        if self.rng.random() < 0.5 and self.language == "en":
            return [(self.rng.choice(jobs("en_US")), None)]
        own = {
            "en": "engineer,teacher,nurse,accountant,Sales Manager,CEO,CTO,Head of Marketing,software developer,designer,analyst,Director of Operations,"
            "product manager,project manager,Senior Engineer,VP of Sales,consultant,lawyer,driver,receptionist,technician,HR Manager,Account Executive,Data Scientist",
            "de": "Geschäftsführer,Sachbearbeiterin,Ingenieur,Vertriebsleiter,Buchhalterin,Lehrer,Projektleiterin,Kundenberater,Personalreferentin",
            "fr": "directeur commercial,comptable,ingénieure,chef de projet,responsable RH,infirmière,professeur,gérant,assistante",
            "it": "direttore commerciale,impiegata,ingegnere,responsabile acquisti,medico,insegnante,geometra,amministratore",
            "es": "director comercial,contable,ingeniera,jefe de proyecto,responsable de RRHH,enfermera,profesor,gerente",
            "nl": "directeur,accountmanager,ingenieur,projectleider,boekhouder,verpleegkundige,docent,teamleider",
        }[self.language].split(",")
        return [(self.rng.choice(own), None)]

    def make_word(self, _: str) -> list[Part]:
        return [(self.rng.choice(ordinary_words()[self.language]), None)]

    def make_words(self, _: str) -> list[Part]:
        return [(" ".join(self.rng.choices(ordinary_words()[self.language], k=self.rng.randint(2, 9))), None)]

    def make_snake(self, _: str) -> list[Part]:
        return [("_".join([self.rng.choice(_VERBS), *self.rng.sample(_NOUNS, self.rng.randint(1, 2))]), None)]

    def make_noun(self, _: str) -> list[Part]:
        return [(self.rng.choice(_NOUNS), None)]

    def make_camel(self, _: str) -> list[Part]:
        return [(self.rng.choice(_VERBS) + "".join(n.title() for n in self.rng.sample(_NOUNS, self.rng.randint(1, 2))), None)]

    def make_class(self, _: str) -> list[Part]:
        names = cultures(held_back=False)["western"]
        first = self.rng.choice([*_NOUNS, *_NOUNS, *_NOUNS, self.rng.choice(names.surnames).replace(" ", "").replace("'", "")])
        return [(first.title() + "".join(n.title() for n in self.rng.sample(_NOUNS, self.rng.randint(1, 2))), None)]

    def make_package(self, _: str) -> list[Part]:
        rng = self.rng
        return [
            (
                f"{rng.choice(['com', 'org', 'io', 'net'])}.{rng.choice([*_NOUNS, 'acme', 'apache', 'springframework', 'google'])}.{rng.choice(_NOUNS)}.{rng.choice(_NOUNS)}",
                None,
            )
        ]

    def make_path(self, _: str) -> list[Part]:
        rng = self.rng
        root = rng.choice(["/usr/lib", "/var/log", "/opt/app", "src", "./lib", "C:\\Program Files", "/srv", "app", "tests"])
        return [
            (
                f"{root}/{rng.choice(_NOUNS)}/{rng.choice(_NOUNS)}{rng.choice(['.py', '.js', '.java', '.log', '.yaml', '.go', '', '.ts', '.rs'])}",
                None,
            )
        ]

    def make_url(self, _: str) -> list[Part]:
        rng = self.rng
        return [(f"https://{rng.choice(['www.example.com', 'api.acme.io', 'docs.python.org', 'github.com', 'example.org'])}/{rng.choice(_NOUNS)}/{rng.choice(_NOUNS)}"
                 f"{rng.choice(['', f'?id={rng.randint(1, 9999)}', '/' + str(rng.randint(1, 99))])}", None)]  # fmt: skip


__all__ = ["Part", "Scene", "cultures"]
