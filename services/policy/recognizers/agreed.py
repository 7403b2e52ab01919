"""What two have agreed on, or one was given to say or type: phrases, answers to questions, codes for a pick-up, first passwords.

Here a word tells what it is, on its line, and the value follows it nearly at once.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words
from services.policy.recognizers.made_up import PASSWORD, is_value

_SCORE = 0.5
_LEAST = 6
_NO_PHRASE = frozenset(
    "the this that must not may can should will your its for and with from are has have been field empty blank leave enter set minimum least "  # noqa: SIM905  # words, not a list of strings
    "characters character letters digits long short reset changed required optional incorrect correct invalid wrong matches match given taken "
    "policy manager protected expired".split()
)
_NO_VALUE = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|v?\d+(?:\.\d+)+|(?:sha|md|aes|rsa|utf|base|tls|http|wpa|oauth|win|ipv|mp|python|ec|web|vpn|sso|saml)-?\d.*|"
    r"\d+(?:st|nd|rd|th|am|pm|[smhd]|min|x|k|m)|(?:[A-Z]{2,5}-)\d{1,6}|.*\.(?:txt|md|py|js|json|ya?ml|html?|pdf|docx?|xlsx?|csv|log|conf|ini|env|sh)",
    re.IGNORECASE,
)
_MIXED = r"(?=[^\s\"'`”»<>]{0,40}\d)(?=[^\s\"'`”»<>]{0,40}[^\W\d_])[^\s\"'`”»<>(){}\[\]=,;:/\\|]{6,48}"
"""Letters and digits."""
_PARTS = r"(?=[A-Za-z0-9-]{0,24}\d)[A-Za-z0-9]{1,8}(?:-[A-Za-z0-9]{1,8}){1,4}|\d{4,8}|[A-Z0-9]{6,10}"

_PHRASE = re.compile(
    r"(?<![^\W_])(?:(?:agreed|verbal|collection|family|security|pickup) (?:password|phrase|word)|mot de passe convenu|passwort der familie|"
    r"(?:vereinbartes )?kennwort|safe word|code word|codewort|memorable (?:word|name|place))(?=[ (:,?])[^\n:,?]{0,60}(?:[:,]|"
    r"\?[^\n]{0,24}\n[^\n:]{0,24}:)"
    r"(?: (?:oh gosh|um|uh|is|it['’]s)[.,]?)? ?[«\"“]? ?(?P<value>[^\W\d_]{3,16}(?: [^\W\d_]{3,16}){0,3})(?= ?[»\"”]| ?[.,;?]? ?(?:\n|$)|"
    r", (?:before|after|when|if)\b|\.)",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"(?:security|secret) question[^\n]{0,90}?(?:answer|antwort|réponse)[ :]{1,2}[\"“]?(?P<value>[^\W_]{3,24})|"
    r"(?:security|secret) question[^\n]{0,70}?, (?:he|she|they|it)[^\n,.]{0,24}? (?:is|it['’]s) (?P<said>[A-ZÀ-Ž][^\W\d_]{2,24})|"
    r"answer to (?:the|your|my|our) (?:security |secret |transfer )?question (?:is|was|will be)[ :]{1,2}[\"“]?(?P<told>[^\s\"”,.;]{3,32})",
    re.IGNORECASE,
)
_FOR_A_START = re.compile(
    r"(?<![^\W_])(?:temp(?:orary|\.)?|initial|one[- ]time|starter|first|interim|vorläufig\w{0,2}|initial|start|temporär\w{0,2}|provisoire|"
    rf"provvisori[ao]|provisional|tijdelijke?)(?:[ -]?(?:one|{PASSWORD})(?: (?:is|was|ist|lautet|est|è|es|(?:für|for)\b[^\n:.]{{0,24}}))?"
    rf"(?::|,)? [„“\"'`«]?| [„“«])(?P<value>{_MIXED})",
    re.IGNORECASE,
)
_STRAIGHT = re.compile(
    rf"(?<![^\W_])(?:password|passwort|passcode|passphrase|kennwort|contraseña|mot de passe|wachtwoord|senha)(?: de [^\W\d_]{{3,16}})? "
    rf"[„“\"'`«(]?(?P<value>{_MIXED})(?=[\s\"'`”»),;]|[.!?](?:\s|$)|$)",
    re.IGNORECASE,
)
"""Nothing between: ``transfer password loonsong7``."""
_OF_A_FILE = re.compile(
    rf"(?:pass(?:word|wd)?s?|secret|cred\w*)\.txt[ \t]{{0,3}}(?:->|=>|:|=)[ \t]{{1,4}}(?P<value>{_MIXED})", re.IGNORECASE
)
_TO_FETCH = re.compile(
    r"(?<![^\W_])(?:code|codice|c[óo]digo)[ -](?:d['’]ouverture|d['’]accès|d['’]activation|de retrait|de (?:retiro|acceso|"
    r"activación|descarga|recogida)|"
    r"di (?:ritiro|accesso|attivazione|sblocco|prenotazione online))(?: (?:est|è|es))?[ :]{1,2}[«\"“]?(?P<value>" + _PARTS + r")(?![\w-])",
    re.IGNORECASE,
)  # fmt: skip
_BY_MESSAGE = re.compile(
    r"(?<![^\W_])(?:code|codice|c[óo]digo)[^\n.!?\d:]{0,16}(?:reçu|received|texted|sent|ricevuto|arrivato|recibido|enviado|per sms|"
    r"par sms|por sms|by text)"
    r"[^\n.!?\d]{0,40}?[ (:](?P<value>\d{4,8}|\d{3}[ -]\d{3})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_RECOVERY = re.compile(
    r"(?<![^\W_])(?:recovery|backup|rescue|wiederherstellungs|récupération|recupero|recuperación)[ -]?codes?(?: (?:is|are|left|"
    r"sind|sont))*[ :]{1,3}"
    r"(?P<value>[A-Za-z0-9]{3,8}(?:-[A-Za-z0-9]{3,8}){1,5})(?:(?:, | and | or | und | et | e | y |"
    r", and )(?P<other>[A-Za-z0-9]{3,8}(?:-[A-Za-z0-9]{3,8}){1,5}))?"
    r"(?:(?:, | and | or | und | et | e | y |, and )(?P<third>[A-Za-z0-9]{3,8}(?:-[A-Za-z0-9]{3,8}){1,5}))?(?![\w-])",
    re.IGNORECASE,
)
_KEY_FOR = re.compile(
    r"(?<![^\W_])(?:key|token|schlüssel|clé|chiave|clave)(?: (?:for|of|to|für|pour|per|para) [^\n:=]{1,40}?| \([^\n()]{1,24}\)){0,2}"
    r"(?: is| ist| est| è| es)?[ ]?[:=][ ]{1,2}[\"'`]?"
    r"(?P<value>(?=[A-Za-z0-9_+/-]{0,80}\d)(?=[A-Za-z0-9_+/-]{0,80}[a-z])(?=[A-Za-z0-9_+/-]{0,80}[A-Z])[A-Za-z0-9_+/-]{20,128}={0,2})(?![\w-])",
    re.IGNORECASE,
)

_OF_WORDS = re.compile(
    r"(?<![^\W_])(?:password|passwort|passphrase|kennwort|psk|wi-?fi key|network key|wlan-schlüssel)(?: is| ist)?(?: profile)?[ :(]{1,3}"
    r"[„“\"'`«]?(?P<value>[a-z]{2,14}(?:[-.][a-z0-9]{2,14}){2,5})(?![\w-])",
)
"""Words joined by dashes, as managers of passwords make them."""
_ONCE = re.compile(
    r"(?<![^\W_])(?:one[- ]time|single[- ]use|verification|security|login|sign-in|confirmation)[ -](?:pass)?code"
    r"[^\n.!?\d:]{0,48}?(?: is|:)[ ]{1,2}(?P<value>\d{4,8}|\d{3}[ -]\d{3}|[A-Z0-9]{2,6}(?:-[A-Z0-9]{2,6}){1,3})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_CODE_OF_LOCKS = re.compile(
    r"(?<![^\W_])code (?:for|to|of|at|on) (?:the|all|both|our|my|your)?[^\n.!?:]{0,48}?"
    r"(?:gates?|doors?|padlocks?|locks?|sheds?|lockers?|safes?|keypads?|lockbox|alarm|garage|entrance|"
    r"building)\b[^\n.!?:]{0,40}?(?: is|:| will be|,)? "
    r"(?P<value>(?!(?:19|20)\d\d\b)\d{4,8}|\d{1,4}[#*]\d{2,6}|[A-Z]?\d{3,6}[#*A-Z]?)(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_NEXT_LINE = re.compile(
    r"(?<![^\W_])(?:TAN|OTP|SMS-Code|codice(?: otp| sms)?|c[óo]digo|code)(?![^\W_])[^\n]{0,90}\n[^\n:]{1,32}: (?:[^\W\d_]{1,10},? ){0,4}"
    r"(?P<value>\d{3} \d{3}|\d{5,6})(?=[ .,!]*(?:\n|$)| [a-zà-ÿ])"
)
"""Sent to somebody, who says it on the next line of the chat."""
_SHELL = re.compile(
    r"(?:\bldap(?:search|modify|add|delete|passwd)\b[^\n]{0,200}? -w |\bsecurity unlock-keychain -p |\bredis-cli\b[^\n]{0,80}? -a |"
    r"(?<![\w-])AUTH )"
    r"[\"']?(?P<value>(?=[^\s\"']{0,60}[\d!@#$%^&*_])[^\s\"']{6,64})"
)
_DEFINED = re.compile(
    r"\bdefine\([ ]{0,2}[\"'][A-Z_]{0,24}(?:KEY|SALT|PASSWORD|SECRET)[\"'],[ ]{0,4}[\"'](?P<value>[^\n]{8,128}?)[\"'][ ]{0,2}\)"
)
_SIGNING = re.compile(
    r"(?<![A-Za-z])(?:[A-Z]{2,16}_){0,3}(?:SIGN|SIGNATURE|GEHEIMNIS|SEGRETO|SECRETO|SCHLUESSEL|CLE|CHIAVE|CLAVE)[\"']?[ ]?[=:][ ]?[\"']?"
    r"(?P<value>(?=[\w+/-]{0,80}\d)[\w+/-]{16,128}={0,2})"
)

_PHRASE_WORDS = Words(("password", "phrase", "word", "mot de passe conv", "kennwort", "codewort", "memorable"))
_QUESTION_WORDS = Words(("question",))
_START_WORDS = Words((
    "temp", "initial", "one-time", "one time", "starter", "interim", "vorläufig", "provis", "provvis", "tijdelijk", "first ", "start",
))  # fmt: skip
_PASSWORD_WORDS = Words((
    "password ", "passwort ", "passcode ", "passphrase ", "kennwort ", "contraseña ", "mot de passe ", "wachtwoord ", "senha ",
))  # fmt: skip
_FILE_WORDS = Words(("pass.txt", "password.txt", "passwords.txt", "passwd.txt", "secret.txt", "creds.txt", "credentials.txt"))
_CODE_WORDS = Words(("code", "codice", "código", "codigo"))
_RECOVERY_WORDS = Words(("recovery", "backup", "rescue", "wiederherst", "récup", "recup"))
_KEY_WORDS = Words(("key ", "key:", "token ", "token:", "schlüssel", "clé ", "chiave", "clave"))
_OF_WORDS_WORDS = Words(
    ("password", "passwort", "passphrase", "kennwort", "psk", "wifi key", "wi-fi key", "network key", "wlan-schlüssel")
)
_TAN_WORDS = Words(("tan", "otp", "sms-code", "codice", "código", "codigo", "code"))
_SHELL_WORDS = Words(("ldap", "unlock-keychain", "redis-cli", "auth "))
_DEFINE_WORDS = Words(("define(",))
_SIGN_WORDS = Words((
    "sign=", "sign:", "sign =", "signature", "geheimnis", "segreto", "secreto", "schluessel", "cle=", "cle:", "chiave", "clave",
))  # fmt: skip
_RULES: tuple[tuple[Words, tuple[re.Pattern[str], ...]], ...] = (
    (_PHRASE_WORDS, (_PHRASE,)), (_QUESTION_WORDS, (_ANSWER,)), (_START_WORDS, (_FOR_A_START,)), (_PASSWORD_WORDS, (_STRAIGHT,)),
    (_FILE_WORDS, (_OF_A_FILE,)), (_CODE_WORDS, (_TO_FETCH, _BY_MESSAGE, _ONCE, _CODE_OF_LOCKS)), (_OF_WORDS_WORDS, (_OF_WORDS,)),
    (_TAN_WORDS, (_NEXT_LINE,)), (_SHELL_WORDS, (_SHELL,)), (_DEFINE_WORDS, (_DEFINED,)), (_SIGN_WORDS, (_SIGNING,)),
    (_RECOVERY_WORDS, (_RECOVERY,)), (_KEY_WORDS, (_KEY_FOR,)),
)  # fmt: skip
_TYPED = frozenset({_FOR_A_START, _STRAIGHT, _OF_A_FILE})
_OF_A_CACHE = re.compile(r"(?:[A-Za-z][A-Za-z0-9]{0,24}[-_.]){1,8}[0-9a-f]{32,64}")
"""``Linux-pnpm-store-7b965ee3…``: what caches keep things under, a digest at its end."""
_OF_A_PAGE = re.compile(r"(?:page|next|continuation|pagination|sync)[ _-]token", re.IGNORECASE)
_EASY = re.compile(r"[a-z]{4,20}\d{1,4}")
"""As many passwords are, and names of variables too."""


def agreed(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    for words, patterns in _RULES:
        if not words.any_within(lowered):
            continue
        for pattern in patterns:
            for match in pattern.finditer(text):
                for group, value in match.groupdict().items():
                    if value is None or not _NO_PHRASE.isdisjoint(value.lower().split()) or _OF_A_CACHE.fullmatch(value):
                        continue
                    if _OF_A_PAGE.search(text, max(0, match.start() - 16), match.start(group)) is not None:
                        continue
                    start = match.start(group)
                    kept = value.rstrip(".!?*_") if pattern in _TYPED else value
                    if pattern not in _TYPED or _is_typed(text, start, kept):
                        yield Finding(start, start + len(kept), "CREDENTIAL", "SECRET", _SCORE)


def _is_typed(text: str, start: int, value: str) -> bool:
    if len(value) < _LEAST or _NO_VALUE.fullmatch(value) is not None:
        return False
    # An easy one ends what is said; ``password field2 of the form`` goes on.
    return is_value(value) or (_EASY.fullmatch(value) is not None and text[start + len(value) : start + len(value) + 1] != " ")


__all__ = ["agreed"]
