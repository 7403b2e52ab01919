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
from services.policy.names.training.values import Part, Scene

LANGUAGES = ("en", "de", "fr", "it", "es", "nl")
_WEIGHTS = (62, 9, 8, 7, 7, 7)

GREETINGS = {
    "en": "Hi {first1},|Hello {first1},|Dear {titled1},|Hi {first1}|Dear {first1} {last1},|Hey {first1},|Good morning {first1},|Dear {first1},|Hi {first1} and {first2},|"
    "Hello {titled1},|{first1},|Hi team,|Hi all,|Hello,|Dear Sir or Madam,|Hi there,|Good afternoon,|hey {first1}|hi,|Hi {first1}!|Dear {org1} team,|Hello {first1}!|"
    "Good evening {titled1},|Dear all,|@{first1} -|Hiya {first1},|{first1} -|Attention: {person1}|FAO {person1}|To {person1},",
    "de": "Hallo {first1},|Liebe {first1},|Lieber {first1},|Sehr geehrte Damen und Herren,|Guten Tag {titled1},|Hi {first1},|Hallo zusammen,|Moin {first1},|Hallo {titled1},",
    "fr": "Bonjour {first1},|Bonjour {titled1},|Cher {first1},|Chère {first1},|Bonjour,|Madame, Monsieur,|Salut {first1},|Bonjour à tous,|Coucou {first1} !",
    "it": "Ciao {first1},|Buongiorno {titled1},|Cara {first1},|Caro {first1},|Gentile {titled1},|Buongiorno,|Spettabile {org1},|Salve,|Gentilissima {titled1},",
    "es": "Hola {first1},|Hola {first1}:|Estimado {titled1}:|Estimada {titled1},|Buenos días,|Querido {first1}:|Muy señores míos:|Hola a todos,|Buenas tardes {first1},",
    "nl": "Hoi {first1},|Beste {first1},|Geachte {titled1},|Beste {titled1},|Hallo allemaal,|Hallo {first1},|Geachte heer/mevrouw,|Dag {first1},|Lieve {first1},",
}
CLOSINGS = {
    "en": "Best regards,|Kind regards,|Regards,|Best,|Thanks,|Many thanks,|Cheers,|Sincerely,|Yours sincerely,|Yours faithfully,|Thank you,|All the best,|Warm regards,|Thx,|"
    "Thanks in advance,|Take care,|Best wishes,|Respectfully,|Yours truly,|Talk soon,|xx|Love,|With thanks,|Thanks!|Cordially,|Warmly,|BR,|Looking forward to hearing from you,",
    "de": "Mit freundlichen Grüßen|Viele Grüße|Liebe Grüße|Beste Grüße|MfG|Gruß|Herzliche Grüße|Schöne Grüße|LG|VG|Mit besten Grüßen|Hochachtungsvoll",
    "fr": "Cordialement,|Bien cordialement,|Bien à vous,|Merci,|Amicalement,|Sincères salutations,|Bonne journée,|À bientôt,|Bises,|Respectueusement,",
    "it": "Cordiali saluti,|Distinti saluti,|Saluti,|Un saluto,|Grazie,|Cordialmente,|A presto,|Un abbraccio,|Grazie mille,",
    "es": "Un saludo,|Saludos,|Atentamente,|Saludos cordiales,|Gracias,|Un abrazo,|Cordialmente,|Muchas gracias,|Quedo a la espera,",
    "nl": "Met vriendelijke groet,|Groeten,|Groetjes,|Mvg,|Hartelijke groet,|Met vriendelijke groeten,|Alvast bedankt,|Vriendelijke groet,|Liefs,",
}
SIGNATURES = (
    "{name3}", "{first3}", "{person3}", "{first3} {last3}\n{job}", "{name3}\n{job}\n{org3}", "{name3}\n{org3}\n{phone}", "{first3}",
    "{name3}\n{street}\n{city}", "{name3}\n{job}, {org3}\n{address}", "{name3} | {job} | {org3}", "{name3}\n{email3}", "{title} {last3}",
    "{initials3}", "{name3} ({job})", "{name3}\n{phone}", "{name3}, {org3}", "{name3}\n{street}, {city}\n{phone}", "{first3} @ {org3}",
    "{name3}\nTeam {noun}\n{org3}", "*{name3}*\n{job}", "{titled3}", "{first3} and {first4}", "The {org3} team", "{name3}\n{city}, {country}",
)  # fmt: skip


@cache
def templates(name: str) -> tuple[str, ...]:
    text = (HERE / "templates" / f"{name}.txt").read_text("utf-8")
    separator = "\n" if name.startswith(("sentences", "plain")) else "\n%%\n"
    return tuple(template for part in text.split(separator) if (template := part.strip("\n")))


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
    language = rng.choices(LANGUAGES, _WEIGHTS)[0]
    scene = Scene(rng, language, held_back)
    kind = rng.random()
    if kind < 0.25:
        parts = expand(rng.choice(templates(f"documents.{language}")), scene, rng)
    elif kind < 0.37:
        parts = record(rng, scene)
    elif kind < 0.53:
        parts = _letter(rng, scene)
    elif kind < 0.73:
        parts = _sentences(rng, scene, rng.randint(1, 7))
    elif kind < 0.87:
        parts = _planted(rng, scene)
    elif kind < 0.91:
        return _code(rng, scene)
    elif kind < 0.95:
        return [(excerpt(rng), None)]
    else:
        parts = _plain(rng, scene)
    return _untidy(rng, parts, language)


def _filler(rng: random.Random, scene: Scene) -> list[Part]:
    if rng.random() < 0.25:
        return expand("{words}{.|.|,|!|?|}", scene, rng)
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
        parts += expand(rng.choice(["Subject: {heading}\n\n", "From: {name3} <{email3}>\nTo: {name1} <{email1}>\nSubject: {words}\n\n", "{date}\n\n",
                                    "{street}\n{city}\n\n", "To: {person1}\nFrom: {person3}\nDate: {date}\nRe: {heading}\n\n", "{org1}\n{street}\n{city} {postcode}\n\n",
                                    "From: {email3}\nSent: {date}\nTo: {name1}\nSubject: {words}\n\n"]), scene, rng)  # fmt: skip
    gap: Part = (rng.choice(["\n\n", "\n\n", "\n", " "]), None)
    parts += expand(rng.choice(GREETINGS[language].split("|")), scene, rng)
    parts.append(gap)
    parts += _sentences(rng, scene, rng.randint(1, 5))
    if rng.random() < 0.85:
        parts.append(gap)
        parts.append((rng.choice(CLOSINGS[language].split("|")), None))
        parts.append((rng.choice(["\n", "\n", "\n\n", " "]), None))
        parts += expand(rng.choice(SIGNATURES), scene, rng)
    return parts


_PLANTS = ("person",) * 6 + ("first",) * 4 + ("last",) * 2 + ("org",) * 4 + ("city",) * 3 + ("country", "loc", "titled", "street", "user", "region")
_WEEDS = ("product", "product", "class", "camel", "snake", "weekday", "month", "job", "heading", "version", "id", "date", "num", "path", "url", "email", "money")


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
    if form < (0.10 if language == "en" else 0.05):
        parts = [(text.lower(), entity) for text, entity in parts]
    elif form < 0.12:
        parts = [(text.upper(), entity) for text, entity in parts]
    elif form < 0.14:
        parts = [
            (text.lower() if entity in ("PERSON", "LOCATION", "ORGANIZATION", "TITLE") else text, entity)
            for text, entity in parts
        ]
    elif form < 0.16:
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
