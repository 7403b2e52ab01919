"""What a slot of a template becomes: names, places and numbers of one scene (a document's people and the country it plays in)."""

import random
import string
from collections.abc import Callable
from typing import cast

from services.policy.names.training import places
from services.policy.names.training.lists import capitals, extra, jobs, ordinary_words
from services.policy.names.training.people import Human, cultures, human, written
from services.policy.names.training.secret_values import made_up_secret

Part = tuple[str, str | None]
"""A piece of text and its entity, or None."""

_VERBS = "get set load build make parse fetch update delete create find handle process compute render validate convert send read write"
_NOUNS = (
    "user order session token request response config file path item node event message stream cache index record schema table queue task "
    "worker client server account invoice payload buffer thread handler manager factory service controller context builder parser"
)
VERBS, NOUNS = tuple(_VERBS.split(" ")), tuple(_NOUNS.split(" "))


class Scene:
    """Gives values for one document. The people numbered 1 to 9 stay the same throughout."""

    def __init__(self, rng: random.Random, language: str, held_back: bool) -> None:
        self.rng = rng
        self.language = language
        self.held_back = held_back
        self.country = rng.choice(places.COUNTRIES[language].split(" "))
        self._people: dict[str, Human] = {}
        self._told: dict[str, str] = {}

    def make(self, slot: str) -> list[Part]:
        name = slot.rstrip(string.digits)
        return _MAKERS[name](self, slot[len(name) :])

    @staticmethod
    def knows(slot: str) -> bool:
        return slot.rstrip(string.digits) in _MAKERS

    def _human(self, number: str) -> Human:
        if not number:
            return human(self.rng, self.language, self.held_back)
        if number not in self._people:
            self._people[number] = human(self.rng, self.language, self.held_back)
        return self._people[number]

    def someone(self) -> Human:
        """Nobody who was here before."""
        return self._human("")

    def _pick(self, section: str) -> str:
        return self.rng.choice(extra()[f"{section} {self.language}"])

    # People

    def person(self, number: str) -> list[Part]:
        return [(written(self.rng, self._human(number)), "PERSON")]

    def name(self, number: str) -> list[Part]:
        """First and last, plainly."""
        who = self._human(number)
        return [(f"{who.first} {who.last}", "PERSON")]

    def lastfirst(self, number: str) -> list[Part]:
        who = self._human(number)
        return [(f"{who.last}, {who.first}", "PERSON")]

    def first(self, number: str) -> list[Part]:
        return [(self._human(number).first, "PERSON")]

    def last(self, number: str) -> list[Part]:
        return [(self._human(number).last, "PERSON")]

    def firstcaps(self, number: str) -> list[Part]:
        return [(self._human(number).first.upper(), "PERSON")]

    def lastcaps(self, number: str) -> list[Part]:
        """As reports of the police and tickets write it."""
        return [(self._human(number).last.upper(), "PERSON")]

    def namecaps(self, number: str) -> list[Part]:
        who = self._human(number)
        return [(f"{who.first} {who.last.upper()}", "PERSON")]

    def firstinit(self, number: str) -> list[Part]:
        """``Jane D``."""
        who = self._human(number)
        return [(f"{who.first} {who.last[0]}", "PERSON")]

    def initials(self, number: str) -> list[Part]:
        who = self._human(number)
        return [(f"{who.first[0]}.{who.last[0]}.", "PERSON")]

    def title(self, _: str) -> list[Part]:
        titles = extra()[f"titles {self.language}"]
        return [(titles[int(len(titles) * self.rng.random() ** 1.6)], "TITLE")]

    def titled(self, number: str) -> list[Part]:
        who = self._human(number)
        return [*self.title(""), (" ", None), (who.last if self.rng.random() < 0.6 else f"{who.first} {who.last}", "PERSON")]

    def user(self, number: str) -> list[Part]:
        return [(self._human(number).user, "USERNAME")]

    def email(self, number: str) -> list[Part]:
        return [(self._human(number).email, None)]

    def age(self, _: str) -> list[Part]:
        return [(str(self.rng.choice([self.rng.randint(18, 89), self.rng.randint(18, 65), self.rng.randint(1, 104)])), "AGE")]

    def dob(self, _: str) -> list[Part]:
        return [(self._date(1930, 2015), "DATE_OF_BIRTH")]

    # Organisations and places

    def org(self, number: str) -> list[Part]:
        told = self._told.get(f"org{number}") or places.organisation(self.rng, self.language, self.country, self.held_back)
        if number:
            self._told[f"org{number}"] = told
        return [(told, "ORGANIZATION")]

    def city(self, _: str) -> list[Part]:
        return [(places.city(self.rng, self.country, self.held_back), "LOCATION")]

    def place(self, _: str) -> list[Part]:
        """In the name of a thing: no place is meant."""
        return [(places.city(self.rng, self.country, self.held_back), None)]

    def land(self, _: str) -> list[Part]:
        return [(self.rng.choice(places.kept("countries", self.held_back)), "LOCATION")]

    def region(self, _: str) -> list[Part]:
        return [(self.rng.choice(places.kept("regions", self.held_back)), "LOCATION")]

    def state(self, _: str) -> list[Part]:
        return [(self.rng.choice(extra()["states"]), "LOCATION")] if self.rng.random() < 0.7 else self.region("")

    def loc(self, _: str) -> list[Part]:
        place = self.rng.random()
        if place < 0.5:
            return self.city("")
        if place < 0.62:
            return [*self.city(""), (", ", None), *self.rng.choice([self.land, self.state, self.region])("")]
        return self.land("") if place < 0.82 else self.region("")

    def street(self, _: str) -> list[Part]:
        return [(places.street(self.rng, self.language, self.held_back), "STREET_ADDRESS")]

    def postcode(self, _: str) -> list[Part]:
        return [(places.postcode(self.rng, self.country), "POSTCODE")]

    def address(self, _: str) -> list[Part]:
        """Street, place and postcode in the order of the country."""
        rng, street, code, city = self.rng, self.street(""), self.postcode(""), self.city("")
        comma: list[Part] = [(rng.choice([", ", ", ", ", ", "\n", " "]), None)]
        tail: list[Part] = [(rng.choice([", ", "\n"]), None), *self.land("")] if rng.random() < 0.25 else []
        if self.country in ("US", "CA", "AU"):
            return [*street, *comma, *city, (rng.choice([", ", ", ", " "]), None), *self.state(""), (" ", None), *code, *tail]
        if self.language == "en":
            return [*street, *comma, *city, (rng.choice([", ", " ", "\n", " - "]), None), *code, *tail]
        if rng.random() < 0.15:
            return [*street, *comma, *city, *tail]
        province = self.language == "it" and rng.random() < 0.4
        return [
            *street,
            *comma,
            *code,
            (" ", None),
            *city,
            (f" ({places.patterned(rng, '@@')})" if province else "", None),
            *tail,
        ]

    # What is no name

    def _date(self, earliest: int, latest: int) -> str:
        rng = self.rng
        year, month, day = rng.randint(earliest, latest), rng.randint(1, 12), rng.randint(1, 28)
        name = extra()[f"months {self.language}"][month - 1]
        forms = [
            "{y}-{m:02}-{d:02}",
            "{d:02}/{m:02}/{y}",
            "{d:02}.{m:02}.{y}",
            "{d:02}-{m:02}-{y}",
            "{d} {n} {y}",
            "{d}/{m}/{y}",
            "{d:02}.{m:02}.{s:02}",
        ]
        if self.language == "en":
            ordinal = "th" if 3 < day < 21 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
            forms += [
                "{m:02}/{d:02}/{y}",
                "{n} {d}, {y}",
                "{n} {d}, {y}",
                "{b} {d}, {y}",
                f"{{d}}{ordinal} {{n}} {{y}}",
                "{m}/{d}/{s:02}",
                "{m}/{d}/{y}",
                "{d:02} {b} {y}",
                "{d:02}-{b}-{y}",
                "{n} {d} {y}",
                f"{{n}} {{d}}{ordinal}, {{y}}",
                "{y}/{m:02}/{d:02}",
            ]
        elif self.language == "es":
            forms += ["{d} de {n} de {y}", "{d} de {n} de {y}"]
        elif self.language == "de":
            forms += ["{d}. {n} {y}", "{d:02}.{m:02}.{y}", "{d}.{m}.{y}"]
        return rng.choice(forms).format(y=year, m=month, d=day, n=name, b=name[:3], s=year % 100)

    def date(self, _: str) -> list[Part]:
        return [(self._date(2015, 2027), None)]

    def olddate(self, _: str) -> list[Part]:
        return [(self._date(1950, 2020), None)]

    def time(self, _: str) -> list[Part]:
        hour, minute = self.rng.randint(0, 23), self.rng.randint(0, 59)
        half = self.rng.choice(["am", "pm", " AM", " PM"])
        return [(self.rng.choice([f"{hour:02}:{minute:02}", f"{hour % 12 + 1}{half}", f"{hour:02}:{minute:02}:17"]), None)]

    def stamp(self, _: str) -> list[Part]:
        rng = self.rng
        day = f"20{rng.randint(18, 27)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
        return [(f"{day}{rng.choice('T ')}{clock}{rng.choice(['', 'Z', '.123Z', ',482', '.004512', '+00:00'])}", None)]

    def weekday(self, _: str) -> list[Part]:
        return [(self._pick("weekdays"), None)]

    def month(self, _: str) -> list[Part]:
        return [(self._pick("months"), None)]

    def num(self, _: str) -> list[Part]:
        return [(str(self.rng.choice([self.rng.randint(1, 9), self.rng.randint(10, 99), self.rng.randint(100, 9999)])), None)]

    def id(self, _: str) -> list[Part]:
        return [(places.patterned(self.rng, self.rng.choice(extra()["ids"])), None)]

    def money(self, _: str) -> list[Part]:
        amount = f"{self.rng.randint(1, 9999)}.{self.rng.randint(0, 99):02}"
        forms = ["${0}", "{0} EUR", "€{0}", "£{0}", "{0} €", "USD {0}", "{1} €", "{0}"]
        return [(self.rng.choice(forms).format(amount, amount.replace(".", ",")), None)]

    def phone(self, _: str) -> list[Part]:
        return [(places.patterned(self.rng, self.rng.choice(extra()["phones"])), "PHONE_NUMBER")]

    def document(self, _: str) -> list[Part]:
        """The number of a passport, a licence or of the kind that a state gives."""
        return [(places.patterned(self.rng, self.rng.choice(extra()["documents"])), "PERSONAL_NUMBER")]

    def account(self, _: str) -> list[Part]:
        return [(places.patterned(self.rng, self.rng.choice(extra()["accounts"])), "BANK_ACCOUNT")]

    def secret(self, _: str) -> list[Part]:
        return [(made_up_secret(self.rng, self.language), "CREDENTIAL")]

    def hash(self, _: str) -> list[Part]:
        return [("".join(self.rng.choices("0123456789abcdef", k=self.rng.choice([7, 8, 12, 32, 40, 64]))), None)]

    def uuid(self, _: str) -> list[Part]:
        h = "".join(self.rng.choices("0123456789abcdef", k=32))
        return [(f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}", None)]

    def ip(self, _: str) -> list[Part]:
        return [(".".join(str(self.rng.randint(1, 254)) for _ in range(4)), None)]

    def version(self, _: str) -> list[Part]:
        rng = self.rng
        number = f"{rng.randint(0, 20)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}"
        return [(f"{rng.choice(['', 'v', ''])}{number}{rng.choice(['', '', '-rc.1', '-beta', '.post1'])}", None)]

    def product(self, _: str) -> list[Part]:
        return [(self.rng.choice(extra()["products"]), None)]

    def heading(self, _: str) -> list[Part]:
        return [(self.rng.choice(extra()["headings"]), None)]

    def job(self, _: str) -> list[Part]:
        listed = jobs("en_US") if self.language == "en" and self.rng.random() < 0.5 else extra()[f"jobs {self.language}"]
        return [(self.rng.choice(listed), None)]

    def dept(self, _: str) -> list[Part]:
        return [(self.rng.choice(extra()["departments"]), None)]

    def word(self, _: str) -> list[Part]:
        return [(self.rng.choice(ordinary_words()[self.language]), None)]

    def words(self, _: str) -> list[Part]:
        return [(" ".join(self.rng.choices(ordinary_words()[self.language], k=self.rng.randint(2, 9))), None)]

    def capital(self, _: str) -> list[Part]:
        """An ordinary word as it begins a sentence or stands in a label."""
        word = self.rng.choice(capitals()[self.language])
        return [(word.upper() if self.rng.random() < 0.08 else word[:1].upper() + word[1:], None)]

    def label(self, _: str) -> list[Part]:
        """Two to four of them: a heading, a product, a field's name."""
        words = self.rng.choices(capitals()[self.language], k=self.rng.choice([2, 2, 2, 3, 4]))
        shout = self.rng.random() < 0.1
        return [(" ".join(word.upper() if shout else word[:1].upper() + word[1:] for word in words), None)]

    def clause(self, _: str) -> list[Part]:
        """Words as a sentence begins."""
        said = self.words("")[0][0]
        return [(said[:1].upper() + said[1:], None)]

    def noun(self, _: str) -> list[Part]:
        return [(self.rng.choice(NOUNS), None)]

    def snake(self, _: str) -> list[Part]:
        return [("_".join([self.rng.choice(VERBS), *self.rng.sample(NOUNS, self.rng.randint(1, 2))]), None)]

    def camel(self, _: str) -> list[Part]:
        return [(self.rng.choice(VERBS) + "".join(n.title() for n in self.rng.sample(NOUNS, self.rng.randint(1, 2))), None)]

    def klass(self, _: str) -> list[Part]:
        """Now and then named after someone."""
        name = self.rng.choice(cultures(held_back=False)["western"].surnames).replace(" ", "").replace("'", "")
        first = name if self.rng.random() < 0.25 else self.rng.choice(NOUNS)
        return [(first.title() + "".join(n.title() for n in self.rng.sample(NOUNS, self.rng.randint(1, 2))), None)]

    def package(self, _: str) -> list[Part]:
        rng = self.rng
        vendor = rng.choice([*NOUNS, "acme", "apache", "springframework", "google"])
        return [(f"{rng.choice(['com', 'org', 'io', 'net'])}.{vendor}.{rng.choice(NOUNS)}.{rng.choice(NOUNS)}", None)]

    def path(self, _: str) -> list[Part]:
        rng = self.rng
        root = rng.choice(["/usr/lib", "/var/log", "/opt/app", "src", "./lib", "C:\\Program Files", "/srv", "app", "tests"])
        end = rng.choice([".py", ".js", ".java", ".log", ".yaml", ".go", "", ".ts", ".rs"])
        return [(f"{root}/{rng.choice(NOUNS)}/{rng.choice(NOUNS)}{end}", None)]

    def url(self, _: str) -> list[Part]:
        rng = self.rng
        host = rng.choice(["www.example.com", "api.acme.io", "docs.python.org", "github.com", "example.org"])
        end = rng.choice(["", f"?id={rng.randint(1, 9999)}", f"/{rng.randint(1, 99)}"])
        return [(f"https://{host}/{rng.choice(NOUNS)}/{rng.choice(NOUNS)}{end}", None)]


_MAKERS: dict[str, Callable[[Scene, str], list[Part]]] = {
    name: cast("Callable[[Scene, str], list[Part]]", maker)
    for name, maker in vars(Scene).items()
    if callable(maker) and not name.startswith("_") and name not in ("make", "knows")
}
_MAKERS["class"] = _MAKERS.pop("klass")
_MAKERS["country"] = _MAKERS.pop("land")

__all__ = ["NOUNS", "VERBS", "Part", "Scene"]
