"""What stands near a word for a password, a PIN or a lock, and looks like nothing else: ``the wifi? still Lv9fQ2mZx7``.

People say what opens something a sentence after they have said what it opens. No grammar leads from one to the other; that the word was
said is why what was plainly made up, or a few digits that nothing else explains, are taken for what opens it. Weakly: whoever knows better
what a text is says so with a higher score.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words
from services.policy.recognizers.made_up import PASSWORD, is_of_machine, is_value

_SCORE = 0.42
_LEAST_HEX = 36
_FAR = 170
"""Characters from the word: two or three sentences."""

_SAID = re.compile(
    r"(?<![^\W_])(?:pass(?:word|wort|code|phrase|wd)s?|pw|kennwort|contraseñas?|mots? de passe|wachtwoord(?:en)?|parola d['’]ordine|senha|mdp|"
    r"psw|clave|hasł[oa]|lösenord(?:et)?|wi-?fi|wlan|credentials|log[ -]?in|logged in|sign(?:ed)? in)(?![^\W_])",
    re.IGNORECASE,
)
_MADE_UP = re.compile(r"(?<=[\s\"'`“«(])(?P<value>[^\s\"'`“”«»<>(){}\[\]|=\\/@:,;]{6,40})(?=[\s\"'`”»)]|[,;:](?:\s|$)|$)")
_CODE = re.compile(r"[={}<>;$|\\]|\(\)|://|->|\.\w+\(")
"""Between the word and the value, this is no sentence."""
_BEFORE_OTHERS = re.compile(
    r"(?:\b(?:for|on|of|at|from|by|user|username|account|host|server|ticket|order|case|version|device|model|file|branch|commit|release|"
    r"build|"
    r"für|auf|von|nutzer|benutzer|konto|pour|sur|utilisateur|compte|para|en|usuario|cuenta|per|su|utente|conto|voor|op|gebruiker|named|called|"
    r"namens|id|no|nr|number|#)[.:]?[ \t\"'`]{1,2}|#)$",
    re.IGNORECASE,
)
"""What follows is what the password is for, or another thing with a number."""
_DATE_OR_FILE = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|\d[\d.,-]*\w{0,3}|[\d.,-]+[%€$£]|.*\.(?:[a-z]{2,4}|py|js|ts|json|yaml|yml|xml|html?|txt|csv|log|pdf|"
    r"docx?|xlsx?|"
    r"png|jpe?g|zip|gz|conf|ini|env|sh|go|rs|java|md)|[0-9a-fA-F]{7,64}|(?-i:[A-Z]{1,5}[-_]?\d[\d-]*[A-Z]?)|v?\d+(?:\.\d+)+.*|.*\d(?:st|nd|"
    r"rd|th)|"
    r"(?:wpa|wep|tls|ssl|sha|utf|aes|rsa|http|win|office|windows|ios|md|iso|ipv|base)-?\d.*",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r" [a-zà-ÿ]|[,;)]")
_NUMBER_OF_PARTS = re.compile(r"(?:^|-)\d{1,6}(?:-|$)")
_SIGN = re.compile(r"[!#$%^&*+=?~_]")

_PLAINLY = re.compile(r"(?=[^\W\d_]*\d{1,6}[^\W\d_]*\d?)(?:[^\W\d_]{3,20}\d{2,6}|[^\W\d_]{2,20}\d[^\W\d_]{2,20})")
_STRONGLY = re.compile(
    r"(?<![^\W_])(?:key|pw|pass|password|passwort|senha|clave|mdp|is it still|still|used?|try|tried|was|uso|usa|usei|mais|war|era|était|"
    r"hieß|immer noch)"
    r"[ :]{1,2}[\"'`“]?$",
    re.IGNORECASE,
)
"""After these words, a word with a number is enough."""

_NO_PHRASE = frozenset(
    "the this that must not may can should will your its for and with from are has have been field empty blank leave enter set minimum least "  # noqa: SIM905  # words, not a list of strings
    "characters character letters digits long short reset changed required optional incorrect correct invalid wrong matches match given taken "
    "policy manager protected expired".split()
)
_PIN = re.compile(r"(?<![A-Za-z_.-])PIN(?:s|-?[Cc]ode|-?Nummer)?(?![A-Za-z_])")
_DIGITS_AFTER = re.compile(
    r"(?<=[\s\"'“«(])(?P<value>\d{4,8}|\d{3}[ -]\d{3}|\d(?:[ -]\d){3,5})(?![\w/-]|[.,:]\d|[ ]?(?:%|€|\$|£|euros?|eur|usd|gbp|hours?|days?|min|"
    r"people|users|times|km|kg|mm|cm|mb|gb|kb|ms)\b)",
    re.IGNORECASE,
)
_LEADS = re.compile(
    r"(?:(?<![^\W_])(?:is|was|be|are|it['’]s|with|use|used|try|to|says?|said|now|still|ist|war|lautet|mit|auf|est|était|avec|c['’]est|es|era|"
    r"con|usa|usi|provi|è|met|het is|är|var|med|com|é|jest)(?: (?:the|code|pin|now|still|currently|der|dem|le|el|il|o|de))?[ :,]{1,2}[\"'“«]?|"
    r"[:,(][ ]?[\"'“«]?)$",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_OTHERS_NUMBER = re.compile(
    r"(?<![^\W_])(?:order|invoice|ticket|case|ref(?:erence)?|no|nr|number|flat|unit|room|floor|line|port|error|status|page|ext(?:ension)?|"
    r"apt|house|"
    r"suite|version|build|release|tel|phone|call|ring|dial|rechnung|auftrag|zimmer|facture|commande|pedido|factura|ordine|fattura|bestelling)"
    r"[^\w\n]{0,3}(?:is|was|to|:)?[^\w\n]{0,3}$",
    re.IGNORECASE,
)

_IS = re.compile(
    rf"(?<![^\W_-])(?:{PASSWORD}|pass ?phrase|hasło|lösenord(?:et)?)(?: [^\W\d_]{{1,14}}){{0,3}}? (?:is|was|ist|lautet|est|es|era|è|é|är|"
    rf"jest)[ :]{{1,2}}"
    r"[\"'`“]?(?P<value>(?=[^\s\"'`”<>]{0,40}\d)(?=[^\s\"'`”<>]{0,40}[^\W\d_])[^\s\"'`”<>(){}=,;]{6,64})",
    re.IGNORECASE,
)
"""Of what it *is*, no more is asked than a letter and a digit."""

_CODE_SAID = re.compile(
    r"(?<![^\W_])(?:code|codice|c[óo]digo|kod)(?![^\W_])[^\n\d]{0,60}(?:\n[^\n\d]{0,40}(?:\d{1,2} [^\n\d]{1,12})?)?(?<=[\s(,.\"])"
    r"(?P<value>\d{3} \d{3})(?![\w-]| \d|[.,:/]\d)",
    re.IGNORECASE,
)
_CODE_KEYPAD = re.compile(
    r"(?<![^\W_])(?:code|codice|c[óo]digo|kod)(?![^\W_])[^\n\d.!?]{0,60}?[ :](?P<value>\d{3,8}[#*]|\*\d{3,8}|(?:pound|hash|"
    r"star) \d(?: ?\d){2,7})(?![\w-])",
    re.IGNORECASE,
)
_OF_CODE = re.compile(
    r"(?<![^\W_])(?:bypass|backup|unlock|reset|override|release|pick-?up|abhol|meld|zahlen|zugangs|master|entsperr|türöffner) ?codes?"
    r"(?: (?!error|status|is not)[^\n.:,\d]{0,40}?)?[ :,]{1,2}"
    r"(?P<value>\d{2,3}(?: \d{2,3}){1,3}|\d{3,8}|[A-Z]\d(?: [A-Z0-9]{2}){1,3})(?![\w-]| \d|[.,:/]\d)",
    re.IGNORECASE,
)
_OF_OTP = re.compile(
    r"(?<![^\W_])(?:otp|totp|2fa|mfa)(?![^\W_])[^\n]{0,90}?(?<![^\W_])(?:expected|got|entered|actual|received|given|"
    r"value)[=:] ?[\"']?(?P<value>\d{4,8})(?!\w)"
    r"(?:[ ,;]{1,2}(?:expected|got|entered|actual|received|given)[=:] ?[\"']?(?P<other>\d{4,8})(?!\w))?",
    re.IGNORECASE,
)
_ALARM = re.compile(r"(?<![^\W_])(?:alarm|alarme|allarme|alarma|keypad)(?![^\W_])", re.IGNORECASE)
_PUT_IN = re.compile(
    r"(?<![^\W_])(?:put in|typed(?: in)?|entered|tried|its|it['’]s|it is|heb ik|is|code|pin|gebe|digitato|tapé)[ :]{1,2}$",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"(?:pass|password|passwd|pwd|passphrase|"
    r"passwort)[\"']?[ ]?[:=][ ]?(?P<quote>[\"'])(?P<value>(?=[^\"'\n]{0,60}\d)[^\W\d_]{2,20}(?: [^\W_]{1,20}){1,4})(?P=quote)",
    re.IGNORECASE,
)
"""A phrase with a number, quoted as a value."""
_PHRASE = re.compile(
    r"(?:passphrase[\"']?[ ]{0,12}(?:=>?|:)[ ]?(?P<quote>[\"'])(?P<value>[^\W\d_]{2,20}(?: [^\W\d_]{1,20}){2,7})(?P=quote)|"
    r"pass(?:word|wd)?[\"']?[ ]{0,12}(?:=>?|:)[ ]?[\"']?(?P<app>[a-z]{4}(?: [a-z]{4}){3})(?![\w ]))",
    re.IGNORECASE,
)
"""Words that are a passphrase; and what providers of mail give programs: ``hzrp ekwd mtuo qvyb``."""
_FIRST_PASSWORD = re.compile(
    r"(?<![^\W_])(?:initial|admin|root|default|temp|bootstrap|become|sudo)[._-]?pass(?:word|wd)?[\"']?[ ]?[:=][ ]?[\"']?"
    r"(?P<value>(?=[^\s\"']{0,40}[^\s\"'a-z_])[^\s\"'<>{}()$%,;]{6,64})",
    re.IGNORECASE,
)
_NO_FIRST = re.compile(r".*(?:\(|\$|env|vault|secret|\.get|none|null|true|false)", re.IGNORECASE)
_AUTH_PAIR = re.compile(r"\bauth ?= ?\([\"'](?P<user>[^\"'\n]{2,64})[\"'], ?[\"'](?P<value>[^\"'\n]{4,128})[\"']\)")
_COMMUNITY = re.compile(
    r"(?:snmp_?community|community_string|totp_?(?:seed|secret)|otp_?(?:seed|"
    r"secret))[\"']?[ ]?[:=][ ]?[\"']?(?P<value>(?=[^\s\"']{0,40}[\dA-Z])"
    r"[^\s\"'<>{}()$%,;]{6,128})",
    re.IGNORECASE,
)
_HEX_KEY = re.compile(
    r"(?<![\w./:@-])[a-z]{2,10}(?:[-_][a-z]{2,10}){1,3}[-_](?=[0-9a-f]{0,40}\d)(?=[0-9a-f]{0,40}[a-f])[0-9a-f]{32,64}(?![\w.-])"
)
"""``fs-prod-20b8…``: what it opens, where, and what nobody typed."""
_PASSWORD_WORDS = Words((
    "pass", "pw", "kennwort", "contraseña", "mot de passe", "mots de passe", "wachtwoord", "parola d", "senha", "mdp", "psw", "clave", "hasł",
    "lösenord", "wifi", "wi-fi", "wlan", "credentials", "login", "log in", "log-in", "logged in", "sign in", "signed in",
))  # fmt: skip
_CODE_WORDS = Words(("code", "codice", "código", "codigo", "kod "))
_OTP_WORDS = Words(("otp", "2fa", "mfa"))
_ALARM_WORDS = Words(("alarm", "allarme", "keypad"))
_AUTH_WORDS = Words(("auth=", "auth ="))
_COMMUNITY_WORDS = Words(("community", "totp", "otp_", "otpse"))
_PIN_WORDS = Words(("pin", "pins", "pincode", "pin-"))


def nearby(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    if _PASSWORD_WORDS.any_within(lowered):
        for match in _IS.finditer(text):
            value = match["value"].rstrip(".!?:*_")
            if len(value) > 5 and _DATE_OR_FILE.fullmatch(value) is None:
                yield Finding(match.start("value"), match.start("value") + len(value), "CREDENTIAL", "SECRET", _SCORE)
        for said in _SAID.finditer(text):
            yield from _made_up_after(text, said.end())
            yield from _digits_after(text, said.end(), _LEADS, least=6)
        for match in _PHRASE.finditer(text):
            group = "app" if match["app"] is not None else "value"
            if _NO_PHRASE.isdisjoint(match[group].lower().split()):
                yield _secret(match, group)
        for pattern in (_QUOTED, _FIRST_PASSWORD):
            for match in pattern.finditer(text):
                if _NO_PHRASE.isdisjoint(match["value"].lower().split()) and _NO_FIRST.match(match["value"]) is None:
                    yield _secret(match, "value")
    if _PIN_WORDS.any_within(lowered):
        for said in _PIN.finditer(text):
            yield from _digits_after(text, said.end(), _LEADS, least=4)
    if _ALARM_WORDS.any_within(lowered):
        for said in _ALARM.finditer(text):
            yield from _digits_after(text, said.end(), _PUT_IN, least=4)
    for words, patterns in (
        (_CODE_WORDS, (_CODE_SAID, _CODE_KEYPAD, _OF_CODE)), (_OTP_WORDS, (_OF_OTP,)), (_COMMUNITY_WORDS, (_COMMUNITY,)),
    ):  # fmt: skip
        if words.any_within(lowered):
            for pattern in patterns:
                for match in pattern.finditer(text):
                    for group, value in match.groupdict().items():
                        if value is not None and _NO_PHRASE.isdisjoint(value.lower().split()):
                            yield _secret(match, group)
    if _AUTH_WORDS.any_within(lowered):
        for match in _AUTH_PAIR.finditer(text):
            yield Finding(*match.span("user"), "USERNAME", "USERNAME", _SCORE)
            yield _secret(match, "value")
    if lowered.longest > _LEAST_HEX:
        for match in _HEX_KEY.finditer(text):
            yield Finding(*match.span(), "CREDENTIAL", "SECRET", _SCORE)


def _end(text: str, start: int) -> int:
    """How far a word is heard: its paragraph, and the next line of a dialogue."""
    paragraph = text.find("\n\n", start, start + _FAR)
    return paragraph if paragraph >= 0 else min(start + _FAR, len(text))


def _made_up_after(text: str, start: int) -> Iterator[Finding]:
    for match in _MADE_UP.finditer(text, start, _end(text, start)):
        whole = match["value"] if _ends_in_a_sign(text, match) else match["value"].rstrip(".!?*_")
        before = text[start : match.start()]
        simple = _PLAINLY.fullmatch(whole) is not None and _STRONGLY.search(before) is not None
        if (
            (simple or looks_typed(whole))
            and not is_of_machine(whole)
            and _CODE.search(before) is None
            and _BEFORE_OTHERS.search(before) is None
        ):
            yield Finding(match.start("value"), match.start("value") + len(whole), "CREDENTIAL", "SECRET", _SCORE)


def _ends_in_a_sign(text: str, match: re.Match[str]) -> bool:
    """``Lakemont16! but``: in the middle of a sentence, the sign belongs to it."""
    return match["value"][-1] in "!?" and _GOES_ON.match(text, match.end()) is not None


def looks_typed(value: str) -> bool:
    """Whether somebody made it up to be hard to guess: letters and digits with a sign or both cases; no date, file, id or version."""
    digits = sum(map(str.isdigit, value))
    small, large = any(map(str.islower, value)), any(map(str.isupper, value))
    if not (digits and small and len(value) > 5) or _DATE_OR_FILE.fullmatch(value) is not None or not is_value(value):
        return False
    if _SIGN.search(value) is not None:
        return True
    joined = value.count("-") > 1 and len(value) > 12 and _NUMBER_OF_PARTS.search(value) is not None
    return joined or (large and value.replace("-", "", 1).isalnum() and digits > 1)


def _secret(match: re.Match[str], group: str) -> Finding:
    return Finding(*match.span(group), "CREDENTIAL", "SECRET", _SCORE)


def _digits_after(text: str, start: int, leads: re.Pattern[str], *, least: int) -> Iterator[Finding]:
    for match in _DIGITS_AFTER.finditer(text, start, _end(text, start)):
        before = text[start : match.start()]
        value = match["value"]
        if sum(map(str.isdigit, value)) < least or _YEAR.fullmatch(value) is not None:
            continue
        if _CODE.search(before) is None and leads.search(before) is not None and _OTHERS_NUMBER.search(before) is None:
            yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", _SCORE)


__all__ = ["nearby"]
