"""Credentials as people hand them over: given anew, as a phrase, under a user's name, or both in one line."""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words
from services.policy.recognizers.made_up import PASSWORD, is_made_up, is_value

_RESET = re.compile(
    rf"(?<![A-Za-z_-]){PASSWORD}(?![A-Za-z])[^\n:=.!?]{{0,48}}? (?:to|auf|par|a|in|naar|op) [\"'`“]?"
    rf"(?P<value>(?=[^\s\"'`”<>]{{0,40}}\d)[^\s\"'`”<>]{{6,64}})",
    re.IGNORECASE,
)
_RESETTING = re.compile(
    r"chang(?:ed|ing)|\breset|\b(?:re)?set\b|updated|rotated|geändert|gesetzt|remplacé|changé|modifié|réinitialisé|cambi|restable|"
    r"modificat|reimpost|impostat|gewijzigd|veranderd|ingesteld",
    re.IGNORECASE,
)
"""Of a password that is given anew, in the words before or after it, no more is asked than a digit."""
_KEY_FOR = re.compile(
    r"(?<![A-Za-z_-])(?:api|access|secret|encryption|signing|license|licence|auth|bearer)[ -](?:key|token|secret) (?:for|of|to|on|in) "
    r"[^\n:=.!?]{1,40}?(?: is| was|:)[ \t]{1,3}[\"'`“]?(?P<value>[^\s\"'`”<>]{12,256})",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"(?<![A-Za-z_-])(?:pass ?phrase|passwords?|passwort|mot de passe|contraseña|wachtwoord)(?: (?:is|was|ist|lautet|est|es|è)|"
    r"[ \t]?[:=])[ \t]{1,3}"
    r"(?:[\"“](?P<quoted>(?:[a-z]{3,12} ){2,7}[a-z]{3,12})[\"”]|(?P<joined>[a-z]{3,12}(?:-[a-z]{3,12}){2,7})(?![\w(=-])|"
    r"(?<=phrase[: =]{2})(?P<spaced>(?:[a-z]{3,12} ){2,7}[a-z]{3,12})(?=[.,;]?[ \t]*(?:\n|$)))",
    re.IGNORECASE,
)
"""Words that nobody says in a row, where a password is said."""
_NO_PHRASE = frozenset(
    "the this that must not may can should will your its for and with from are has have been used field empty blank leave enter set "  # noqa: SIM905  # words, not a list of strings
    "too short long least characters stored here wrong".split()
)
_OF_FORM = re.compile(
    r"^(?P<indent>[ \t]{0,8})(?:(?:user(?:[ _]?name|[ _]?id)?|login|account|e-?mail|benutzer(?:name)?|nutzername|identifiant|"
    r"utilisateur|usuario|utente|gebruiker(?:snaam)?)[ \t]{0,2}[:=][ \t]{0,3}[^\s{}()\[\]<>$|]{2,64}[ \t]*\n(?P=indent))"
    r"(?:password|passwort|pass|pw|kennwort|mot de passe|contraseña|"
    r"wachtwoord)[ \t]{0,2}[:=][ \t]{0,3}(?P<value>[^\s{}()\[\]<>$|,;]{5,64})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""A password under its user: then even a word is one."""
_NO_PASSWORD = re.compile(
    r"(?:string|str|text|char|varchar|bytes?|none|null|nil|true|false|required|optional|hidden|redacted|changeit|unknown|empty|prompt|"
    r"password|passwort|secret|value|[*x•.]+|.*(?:password|secret|_pass)_?.*|!.*|%.*|.*_id|env.*|vault.*)",
    re.IGNORECASE,
)
_PAIRED = re.compile(
    r"(?<![A-Za-z])(?:(?:log[ -]?in|user(?:name)?|account) ?[/&+] ?(?:password|pass|pw|pwd)|creds?|credentials)[ \t]{0,2}[:=][ \t]{0,2}"
    r"(?P<user>[A-Za-z0-9][\w.@+-]{1,48})(?: ?/ ?|:)(?P<value>[^\s,;\"'<>/{}()]{6,64})",
    re.IGNORECASE,
)
"""``login/password: ann / Winter-71``."""
_OF_ELEMENT = re.compile(
    r"(?<![\w-])(?:key|name|id)=[\"'][\w.:-]{0,40}(?:secret|password|passwd|pwd|token|api[_.-]?key)[\"'][ \t\n]{1,4}value=[\"']"
    r"(?P<value>(?![$<{%#])[^\s\"'<>{}]{5,256})[\"']",
    re.IGNORECASE,
)
"""``<add key="ApiSecret" value="…" />``"""
_OF_TAG = re.compile(
    r"<(?:\w{1,16}:)?[\w.-]{0,24}(?:password|passwd|pwd|secret|token|api-?key)(?: [^<>]{0,80})?>[ \t\n]{0,8}"
    r"(?P<value>(?![$%#*{])[^<>\s{}]{5,256})[ \t\n]{0,8}</",
    re.IGNORECASE,
)
_OF_DIGITS = re.compile(r"pass(?:word|wd|wort)[\"']?[ ]?[:=][ ]?[\"']?(?P<value>\d{5,12})(?![\w.,:/-])", re.IGNORECASE)
"""Of a number a name says that it is a password; of a port or a size it does not."""
_OF_MYSQLI = re.compile(
    r"\bmysqli(?:_connect)?\([ ]?[\"'][^\"'\n]{1,80}[\"'],[ ]?[\"'](?P<user>[^\"'\n$]{1,48})[\"'],[ ]?[\"'](?P<value>[^\"'\n$]{4,128})[\"']"
)
_GUESSED = re.compile(r"[\d!@#$%^&*]")
_PASSWORD_WORDS = Words(
    (
        "pass",
        "pw ",
        "pw:",
        "pw=",
        "pwd",
        "kennwort",
        "contraseña",
        "wachtwoord",
        "senha",
        "parola",
        "mdp",
        "psw",
        "clave",
        'secret"',
        "secret'",
        'token"',
        "token'",
        'key"',
        "key'",
        "secret>",
        "token>",
        "key>",
    )
)
_KEY_FOR_WORDS = Words(f"{kind} {link} " for kind in ("key", "token", "secret") for link in ("for", "of", "to", "on", "in"))
_PAIRED_WORDS = Words(("/pass", "/ pass", "/pw", "/ pw", "&pass", "& pass", "+pass", "+ pass", "cred"))


def handed_over(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    if _PASSWORD_WORDS.any_within(lowered):
        for match in _RESET.finditer(text):
            value = match["value"].rstrip(".,;:!?)")
            around = text[max(0, match.start() - 32) : match.start("value")] + text[match.end() : match.end() + 24]
            if is_value(value) and len(value) > 5 and _RESETTING.search(around) is not None:
                yield _secret(match, "value", value)
        for match in _PHRASE.finditer(text):
            if _NO_PHRASE.isdisjoint(match[str(match.lastgroup)].lower().replace("-", " ").split()):
                yield Finding(*match.span(str(match.lastgroup)), "CREDENTIAL", "SECRET", 0.7)
        for match in _OF_FORM.finditer(text) if "\n" in text else ():
            if _NO_PASSWORD.fullmatch(match["value"]) is None:
                yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", 0.7)
        for match in _OF_DIGITS.finditer(text):
            yield _secret(match, "value", match["value"])
        for match in _OF_TAG.finditer(text) if "</" in text else ():
            if is_value(match["value"]):
                yield _secret(match, "value", match["value"])
        for match in _OF_ELEMENT.finditer(text) if "value=" in lowered else ():
            if is_value(match["value"]):
                yield _secret(match, "value", match["value"])
    if "mysqli" in lowered:
        for match in _OF_MYSQLI.finditer(text):
            yield Finding(*match.span("user"), "USERNAME", "USERNAME", 0.6)
            yield _secret(match, "value", match["value"])
    if _KEY_FOR_WORDS.any_within(lowered):
        for match in _KEY_FOR.finditer(text):
            value = match["value"].rstrip(".,;:!?)")
            if is_made_up(value):
                yield _secret(match, "value", value)
    if _PAIRED_WORDS.any_within(lowered):
        for match in _PAIRED.finditer(text):
            if _GUESSED.search(match["value"]) is not None and is_value(match["value"]):
                yield Finding(*match.span("user"), "USERNAME", "USERNAME", 0.6)
                yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", 0.7)


def _secret(match: re.Match[str], group: str, value: str) -> Finding:
    start = match.start(group)
    return Finding(start, start + len(value), "CREDENTIAL", "SECRET", 0.7)


__all__ = ["handed_over"]
