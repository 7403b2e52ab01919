"""What somebody is told to type: ``you get in with Harbour4471``, ``introduzca 550918``, ``punch in 6120E at the barrier``.

Two things together say it: a verb for typing or for getting in right before, and a value that is made up, or a few digits; or a value that
nobody writes but as a password, in a text that speaks of getting in somewhere.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words
from services.policy.recognizers.made_up import is_value

_SCORE = 0.45
_LEAST = 6
_FAR = 240
"""Characters to either side: a few sentences."""
_NUMBER = r"\d{3} \d{3}(?! \d)|\d{4,8}[*#]?|[*#]\d{4,8}|\d{3,5}[A-Z]|[A-Z]\d{3,6}|\d(?:-\d){3,7}"
_ENTERED = re.compile(
    r"(?<![^\W_])(?:enter|type|types|typed|key in|keyed in|and key|then key|punch in|punches in|dial in|tap in|put in|"
    r"introduzca|introduce|teclea|teclee|marque|digita|digiti|inserisca|inserisci|saisissez|saisir|tapez|composez|"
    r"gib|geben sie|eingeben|tippe|tippen sie|toets|voer|draai|set (?:it|the (?:wheels|dials|lock)) to|wheels to|turn (?:it )?to)"
    rf"(?: (?:the|le|el|il|den|de|die|code|pin|in|ein|then))?[ :]{{1,2}}[\"'“«]?(?P<value>{_NUMBER})"
    r"(?![\w-]|[.,:/]\d|[ ]?(?:%|€|\$|£|euros?|eur|usd|gbp|hours?|days?|times|characters?|digits|zeichen|km|kg|mm|cm)\b)",
    re.IGNORECASE,
)
_LED = re.compile(
    r"(?<![^\W_])(?:(?:get|gets|got|log|logs|logged|sign|signs|signed|logging|signing) (?:you |me |us )?(?:in|on|onto|"
    r"into)(?: \w{1,12}){0,2} (?:with|using|as)|"
    r"(?:opens?|open it|unlocks?|protected|secured|encrypted|zipped|locked) (?:it )?(?:with|by|using)|(?:still|now|temporarily|"
    r"currently) (?:set )?(?:to|on)|"
    r"(?:use|using|try|tried|type|enter|typed|entered|i read out|read out|gave (?:him|her|them)|set it to|reset it to|"
    r"changed it to|it['’]?s|and then|luego|danach|dann|poi scrivi|poi|puis|ensuite|"
    r"et puis|daarna|vervolgens|con|avec|mit|met|poniendo|entrando con|tijdelijk op|nog (?:altijd )?op|the word is|word is|"
    r"asks for|sticker says|says|de fábrica|dejado en|clé c['’]est|ouais ?:|einloggen erstmal))"
    r"[ :]{1,2}[\"'`“„«]?(?P<value>[^\s\"'`”»<>(){}\[\]=,;/\\|]{6,40})",
    re.IGNORECASE,
)
_OWN_SIGN = re.compile(
    r"(?<![^\s\"'`“„«(:>])(?P<value>(?=[^\s]{0,40}[A-Za-zÀ-ž]{3})(?:[A-Za-zÀ-ž0-9]{2,24}[!#%&*+^~_]){1,4}[A-Za-zÀ-ž0-9]{0,24}[!]?|"
    r"[A-ZÀ-Þ][a-zà-ÿ]{2,16}(?:[A-ZÀ-Þ][a-zà-ÿ]{2,16})?\d{2,4}!?)(?=[\s\"'`”»),;]|[.:?](?:\s|$)|$)"
)
"""A sign within a word, or a word with a capital and its number."""
_YEAR = re.compile(r"(?:19|20)\d\d")
_GETTING_IN = re.compile(
    r"(?<![^\W_])(?:log(?:s|ged|ging)?[ -]?in|log(?:s|ged|ging)? on|sign(?:s|ed|ing)? in|get(?:s)? in(?: with)?|lock(?:ed)? (?:me |"
    r"you |her |him )?out|passwords?|passwort|kennwort|passcode|"
    r"wi-?fi|wlan|router|vpn|netflix|nas|portal|panel|hosting|zipbestand|zip file|archiv|case sensitive|caps lock|reset you|"
    r"credentials|shared mailbox|"
    r"wachtwoord(?:en)?|gebruiker|geblokkeerd|inloggen|einloggen|zugang|mot de passe|mdp|la box|se connecter|identifiant|"
    r"contraseña|clave|usuario|entrar|"
    r"accesso|accedere|rete|netwerk heet|switch|idracs?)(?![^\W_])",
    re.IGNORECASE,
)
_CODE = re.compile(r"[={}<>;$\\]|\(\)|://|->|::|\w\(|^\s*(?:[-+@]|#include|import |from )")
_DATE_OR_NAME = re.compile(
    r"\d[\d.,:/-]*\w{0,3}|(?:[A-Z]{2,5}[-_]?)\d[\d-]*[A-Z]?|v?\d+(?:\.\d+)+.*|.*\.(?:[a-z]{2,4})|(?:windows|office|ios|android|python|java|web|covid|euro|"
    r"level|room|unit|flat|gate|phase|part|step|version|build|issue|ticket|case|order|invoice|page|chapter|section|figure|table|appendix|act|year|"
    r"summer|winter|spring|autumn|fall|season|vision|agenda|studio\w*|casa|haus|zimmer|raum|sala|salle|kamer)[-_]?\d.*|[A-Za-z]+&[A-Za-z]+|"
    r"(?-i:[a-z0-9]+(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z0-9]+)+)|[A-Za-z]+[*+]|[*_~]+.*|.*[*_~]",
    re.IGNORECASE,
)
_STUDLY = re.compile(r"(?=.*\d)(?=.*[a-zà-ÿ]).*(?:[A-ZÀ-Þ]|[!#%&*+^~_.-]).*")

_ENTERED_WORDS = Words((
    "enter", "type", "key", "punch", "dial in", "tap in", "put in", "introduz", "introduc", "teclea", "teclee", "marque", "digit",
    "inseris", "saisi", "tapez", "compose", "gib ", "geben", "eingeben", "tipp", "toets", "voer", "draai", "set it", "set the",
    "wheels", "turn ",
))  # fmt: skip
_GETTING_IN_WORDS = Words((
    "log in", "login", "log-in", "logged in", "logs in", "logging in", "logged on", "log on", "logs on", "sign in", "signs in",
    "signed in", "signing in", "get in", "locked out", "locked me out", "locked you out", "lock me out", "password", "passwort",
    "kennwort", "passcode", "wifi", "wi-fi", "wlan", "router", "vpn", "netflix", " nas", "portal", "panel", "hosting", "zipbestand",
    "zip file", "archiv", "case sensitive", "caps lock", "reset you", "credentials", "mailbox", "wachtwoord", "gebruiker",
    "geblokkeerd", "inloggen", "einloggen", "zugang", "mot de passe", "mdp", "la box", "connecter", "identifiant", "contraseña",
    "clave", "usuario", "entrar", "accesso", "accedere", "rete", "netwerk heet", "switch", "idrac",
))  # fmt: skip
_LEAD_WORDS = Words((
    " with ", " using ", " by ", " to ", " on ", " op ", "use ", "try ", "tried ", "type ", "enter ", "typed ", "entered ",
    "read out", "gave ", "it's ", "it’s ", "its ", "then ", "luego ", "danach", "dann ", "poi ", "puis ", "ensuite", "daarna",
    "vervolgens", " con ", "avec ", " mit ", " met ", "poniendo", "word is", "asks for", "says", "fábrica", "dejado en", "c'est",
    "c’est", "ouais", "erstmal",
))  # fmt: skip


def typed(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    if _ENTERED_WORDS.any_within(lowered):
        for match in _ENTERED.finditer(text):
            if _YEAR.fullmatch(match["value"]) is None:
                yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", _SCORE)
    if not _GETTING_IN_WORDS.any_within(lowered):
        return
    for match in _LED.finditer(text) if _LEAD_WORDS.any_within(lowered) else ():
        value = _stripped(match["value"])
        if _STUDLY.fullmatch(value) is not None and _may_be_typed(text, match.start("value"), value):
            yield Finding(match.start("value"), match.start("value") + len(value), "CREDENTIAL", "SECRET", _SCORE)
    for match in _OWN_SIGN.finditer(text):
        value = match["value"]
        if any(map(str.isdigit, value)) and any(map(str.islower, value)) and _may_be_typed(text, match.start("value"), value):
            yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", _SCORE)


def _stripped(value: str) -> str:
    return value.rstrip(".?:*")


def _may_be_typed(text: str, start: int, value: str) -> bool:
    """Whether the value is none of what programs and papers have, its line is a sentence, and the sentences around speak of getting in."""
    if len(value) < _LEAST or _DATE_OR_NAME.fullmatch(value) is not None or not is_value(value):
        return False
    end = start + len(value)
    before, after = text[max(0, start - _FAR) : start].rpartition("\n")[2], text[end : end + _FAR].partition("\n")[0]
    if _CODE.search(before) is not None or _CODE.search(after) is not None:
        return False
    return _GETTING_IN.search(text, max(0, start - _FAR), start + _FAR) is not None


__all__ = ["typed"]
