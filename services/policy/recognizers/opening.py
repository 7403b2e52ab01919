"""What opens a door, a safe, a screen or a file, as people tell each other: ``the key safe by the door, code 1949*``, ``the alarm wants 7205``,
``der Tresor geht mit 31-08-77 auf``.

A few digits are anything; here a lock and a word for opening it stand before them, or a code of which it is said what it is for.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words
from services.policy.recognizers.made_up import is_made_up

_LOCK = (
    r"(?<![^\W\d_])(?:key ?safe|key ?box|lock ?box|black box|safe(?! (?:mode|to|and|from|for|by)\b)|alarm|gate|garage|(?:front|back|side|"
    r"street|main|cellar|shed) door|door|"
    r"cage|shed|cabinet|combination lock|keypad|"
    r"padlock|locker|screen|tablet|zip(?: file)?|archive|pdf|phone|caja fuerte|alarma|portal|puerta|candado|portone|cancello|cassaforte|"
    r"allarme|"
    r"porte|porta|portail|coffre|alarme|cadenas|digicode|(?:\w{0,12})tresor|(?:\w{0,12})schloss|alarmanlage|klingelanlage|(?:\w{0,12})tür|"
    r"tor|garage|kluis|poort|"
    r"deur|magazijn|slot|sejf|brama|drzwi|cofre|portão)(?![^\W\d_])"
)
_OPENS = (
    r"(?:code|codes|pin|combination|combo|codice|combinazione|c[óo]digo|clave|combinaci[óo]n|kombination|combinaison|combinatie|kod|senha|"
    r"opens? with|turn it to|turned to|unlocks? with|disarmed with|set to|wants|takes|keypad(?: is)?|(?:si )?apre con|(?:se )?abre con|"
    r"sigue con|"
    r"s['’]ouvre avec|ouvre avec|geht mit|öffnet mit|mit dem code|con|mit|avec|com o c[óo]digo|hat die zahl|(?:up |down |out )?there is|"
    r"(?:gaat )?open met|opent met)"
)
_VALUE = (
    r"(?P<value>\d(?:-\d){2,7}|\d{4}-\d|\d{2}-\d{2}-\d{2}|\d{2}-\d{2}-\d|\d{2}-\d{2}|[#*]\d{4,8}|\d{4,8}[#*]|[A-Z]\d{2,6}[A-Z]?|\d{2,4}[A-Z]\d{0,4}|"
    r"(?!(?:19|"
    r"20)\d\d(?![\d#*]))\d{4,8})"
    r"(?![\w-]|[.,:/]\d|[%€$£])"
)
_OF_LOCK = re.compile(
    rf"{_LOCK}[^\n.!?]{{0,80}}?(?<![^\W\d_]){_OPENS}(?:[ ,:]{{1,2}}(?:is|was|ist|è|es|est|now|currently|still|toch nog|nog|ora|ahora|the|"
    rf"code|by|"
    rf"de|del|van|het|dem|den)){{0,4}}[ ,:(]{{1,2}}{_VALUE}",
    re.IGNORECASE,
)
_OF_LOCK_AFTER = re.compile(
    r"(?<![^\W\d_])(?:code|combination|combo|codice|c[óo]digo|clave|kombination|combinaison|combinatie|kod) (?:for|to|of|on|für|zu[mr]?|per|"
    r"pour|"
    rf"para|voor|van|de|del|della|dello|do)(?: (?:the|our|my|die|das|den|der|il|la|le|el|lo|het|de))? (?:[\w'’-]{{2,20}} ){{0,2}}?{_LOCK}"
    rf"[^\n.!?\d]{{0,24}}?[ :(]{_VALUE}",
    re.IGNORECASE,
)
_NOT_OF_A_PERSON = (
    r"(?<!error )(?<!exit )(?<!status )(?<!return )(?<!response )(?<!http )(?<!zip )(?<!post )(?<!postal )(?<!area )(?<!country )(?<!product )"
    r"(?<!promo )(?<!voucher )(?<!discount )(?<!source )(?<!branch )(?<!sort )(?<!fault )(?<!reason )(?<!swift )(?<!tax )(?<!op)(?<!close )"
)
_SAID_IN_PASSING = re.compile(
    rf"(?<![^\W\d_]){_NOT_OF_A_PERSON}(?:code|codice|c[óo]digo)(?: (?:secret|secreto|segreto|de|di|del|reçu|received|ricevuto|recibido|par|"
    rf"by|per|"
    r"por|sms|text|confirmation|confirmaci[óo]n|conferma|vérification|accès|activation))+(?: \(|, |[ ]:[ ]|: | (?:is|was|est|è|es) )"
    r"(?:currently |now |which is )?(?P<value>\d{4,8}|\d{3}[ -]\d{3}|[A-Z]{1,3}-?\d{4,6}|\d{2,4}[A-Z])(?=[),.;\n ]|$)(?![.,]\d)",
    re.IGNORECASE,
)
_COMBINATION = re.compile(
    r"(?<![^\W\d_])(?:combination|kombination|zahlenkombination|combinaci[óo]n|combinaison|combinazione|combinatie)(?: (?:is|was|ist|lautet|"
    r"est|es|è))?"
    r"[ :]{1,2}(?P<value>\d{3,6})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_PIN = re.compile(
    r"(?<![A-Za-z_.-])PIN(?=[ ,:(])(?:[^\n.!?\d_=]{0,40}?[ ,:(]|[^\n.!?\d_=]{0,32}? \d{1,2}(?:st|nd|rd|th) [^\n.!?\d_=]{0,16}?[ ,:(])"
    r"(?P<value>\d{4,8})(?![\w-]|[.,:/]\d)"
)
"""``the turnstile PIN for the 4th floor is 60277``: in capitals, no needle and no leg of a chip."""
_CODE_OF_PARTS = re.compile(
    r"(?<![^\W\d_])(?:passcode|(?:abruf|zugangs|freischalt|einmal|toegangs|inlog)code|(?:with|mit(?: dem)?|avec le|con el|con il|met|"
    r"gave me|telefonisch|"
    r"confirmation|"
    r"confirmación) code)[^\n.!?\d:]{0,24}?[ (](?P<value>(?=[A-Za-z-]{0,12}\d)[A-Za-z0-9]{1,6}(?:-[A-Za-z0-9]{1,6}){1,3})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_OF_A_LOCK_S_CODE = re.compile(
    r"(?<![^\W\d_])(?:tür|tor|alarm|lager|haus|keller|deur|poort)code(?: [\w'’-]{2,20}){1,2} (?P<value>[#*]?\d{4,8}[#*]?|"
    r"[A-Z]\d{3,6})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_AGREED = re.compile(
    r"(?<![A-Za-z])(?:family|verbal|collection|agreed|security|duress|telephone|phone) (?:password|phrase|"
    r"word)[^\n.!?\"“]{0,24}[\"“](?P<value>[^\"”\n]{4,40})[\"”]",
    re.IGNORECASE,
)
_WORDS_IN_A_ROW = re.compile(
    r"(?<![A-Za-z])(?:seed|recovery|mnemonic|backup|secret)[ -](?:phrase|"
    r"words?)[^\n]{0,120}?[:\"“][ \n]?(?P<value>(?:[a-z]{3,8} ){11,23}[a-z]{3,8})",
    re.IGNORECASE,
)
_START = re.compile(
    r"(?<![A-Za-z])(?:start|erst|initial|einmal|standard|admin)passwort(?: ist| lautet|:)? (?P<value>[^\s\"'`”<>]{6,64})",
    re.IGNORECASE,
)
_ACCESS = re.compile(
    r"(?<![^\W\d_])(?:access|activation|activatie|aktivierungs|freischalt|toegangs|registration|enrol?lment|confirmation|bestätigungs|"
    r"pairing)[ -]?"
    r"code[^\n.!?\d:]{0,24}?(?: is| was| ist| lautet|:)? (?P<value>\d{3}[ -]\d{3}|\d{4,8}|"
    r"(?=[A-Z]{0,8}\d)(?=\d{0,8}[A-Z])[A-Z0-9]{6,12})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_ON_THE_BACK = re.compile(
    r"(?:(?:3|three)(?: digits?| numbers?)? on the back (?:is|are|of it is|being)|(?:the )?back (?:says|reads))[: ]{1,2}"
    r"(?P<value>\d{3})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_PASSWORD_STILL = re.compile(
    r"(?<![A-Za-z_-])(?:password|passwort|passcode|passphrase|kennwort|mot de passe|contraseña|wachtwoord|senha|hasło|parola d['’]ordine)"
    r"[^\n:=.!?]{0,48}?(?:(?: is| was)(?: still| now| currently| just)|, it['’]s|, it is) [\"'`“]?(?P<value>[^\s\"'`”<>]{6,64})"
    r"|(?<![A-Za-z_-])(?:password|passcode|passphrase)[^\n:=.!?]{0,40}? (?:is|was) [\"“](?P<quoted>(?=[^\s\"”]{0,40}\d)[^\s\"”]{6,64})[\"”]"
    r"|(?<![A-Za-z_-])(?:opens?|log(?:ging|ged)? ?in|unlocks?|sign(?:ed)? in) with [\"'`“]?(?P<opens>[^\s\"'`”<>]{8,64})",
    re.IGNORECASE,
)
_IDENTIFIED = re.compile(r"\bidentified by (?:password )?'(?P<value>[^'\n]{4,128})'", re.IGNORECASE)
_OF_A_PAIR = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{12,20}[ \"',:/|;]{1,8}(?P<value>[A-Za-z0-9+/]{38,42})(?![A-Za-z0-9+/=])")
"""AWS gives both together."""
_SHARED_KEY = re.compile(r"\bSharedKey[ :=]{1,3}(?P<value>[A-Za-z0-9+/]{40,100}={0,2})")
_NO_FILE = re.compile(r"[A-Z!@#$%^&*+=?~]")
_NETWORK_KEY = re.compile(
    r"(?<![^\W\d_])(?:wlan|wi-?fi|wpa2?|netzwerk|network)[- ]?(?:schlüssel|key|passwort|password|"
    r"code)[ :=]{1,4}(?P<value>\d{4,5}(?:[ -]\d{4,5}){2,4})(?!\d)"
    r"|(?<![^\W\d_])(?:wlan|wi-?fi|wpa2?|fritz!?box|router)[^\n.!?]{0,40}?(?<![^\W\d_])(?:schlüssel|key|clé|clave|chiave|sleutel)"
    r"[ :=]{1,4}(?P<digits>\d{16,24}|\d{4,5}(?:[ -]\d{4,5}){2,4})(?!\d)",
    re.IGNORECASE,
)
_LOCK_WORDS = Words((
    "key safe", "keysafe", "key box", "keybox", "lock box", "lockbox", "black box", "safe", "alarm", "gate", "garage", "door", "keypad",
    "padlock", "locker", "screen", "tablet", "zip", "archive", "pdf", "phone", "caja fuerte", "portal", "puerta", "candado", "portone",
    "cancello", "cassaforte", "allarme", "cage", "shed", "cabinet", "combination lock", "porte", "porta", "portail", "coffre", "cadenas",
    "digicode",
    "tresor", "schloss", "klingel", "tür", " tor ", "kluis", "poort", "deur", "magazijn", "slot", "sejf", "brama", "drzwi", "cofre",
    "portão",
))  # fmt: skip
_OPENS_WORDS = Words((
    "code", " pin", "combin", "combo", "codice", "código", "codigo", "clave", "kombination", "kod", "senha", "s with", "n with", "d with",
    "set to", "wants", "takes", "keypad", "re con", "re avec", "mit ", "avec ", "con ", "com o", "zahl", "there is",
    "open met", "opent met", "gue con", "turn",
))  # fmt: skip
_CODE_WORDS = Words(("code ", "codice ", "código ", "codigo "))
_PIN_WORDS = Words(("pin ", "pin,", "pin:", "pin ("))
_PARTS_WORDS = Words(("code ", "code("))
_COMPOUND_WORDS = Words(("ürcode", "torcode", "alarmcode", "lagercode", "hauscode", "kellercode", "deurcode", "poortcode"))
_AGREED_WORDS = Words(("family ", "verbal ", "collection ", "agreed ", "security ", "duress ", "phone "))
_ROW_WORDS = Words(("phrase", "words", " word"))
_START_WORDS = Words(("startpass", "erstpass", "initialpass", "einmalpass", "standardpass", "adminpass"))
_ACCESS_WORDS = Words(
    (
        "access code",
        "access-code",
        "ation code",
        "ationcode",
        "tiecode",
        "ungscode",
        "freischalt",
        "toegangscode",
        "ment code",
        "pairing",
    )
)
_IDENTIFIED_WORDS = Words(("identified by",))
_PAIR_WORDS = Words(("akia", "asia"))
_SHARED_WORDS = Words(("sharedkey",))
_BACK_WORDS = Words(("on the back", "back says", "back reads"))
_STILL_WORDS = Words(("pass", "kennwort", "contraseña", "wachtwoord", "senha", "hasło", "s with ", "n with ", "d with "))
_NETWORK_WORDS = Words(("wlan", "wifi", "wi-fi", "wpa", "netzwerk", "network", "fritzbox", "fritz!box", "router"))


def opening(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    if _LOCK_WORDS.any_within(lowered) and _OPENS_WORDS.any_within(lowered):
        for pattern in (_OF_LOCK, _OF_LOCK_AFTER, _COMBINATION):
            for match in pattern.finditer(text):
                yield _secret(match, "value", 0.6)
    for words, pattern in (
        (_CODE_WORDS, _SAID_IN_PASSING), (_PIN_WORDS, _PIN), (_PARTS_WORDS, _CODE_OF_PARTS), (_COMPOUND_WORDS, _OF_A_LOCK_S_CODE),
        (_AGREED_WORDS, _AGREED), (_ROW_WORDS, _WORDS_IN_A_ROW), (_ACCESS_WORDS, _ACCESS),
        (_IDENTIFIED_WORDS, _IDENTIFIED), (_PAIR_WORDS, _OF_A_PAIR), (_SHARED_WORDS, _SHARED_KEY),
        (_BACK_WORDS, _ON_THE_BACK), (_NETWORK_WORDS, _NETWORK_KEY),
    ):  # fmt: skip
        if words.any_within(lowered):
            for match in pattern.finditer(text):
                yield _secret(match, str(match.lastgroup), 0.6)
    if _START_WORDS.any_within(lowered):
        for match in _START.finditer(text):
            value = match["value"].rstrip(".,;:!?)")
            if is_made_up(value):
                yield Finding(match.start("value"), match.start("value") + len(value), "CREDENTIAL", "SECRET", 0.7)
    if _STILL_WORDS.any_within(lowered):
        for match in _PASSWORD_STILL.finditer(text):
            group = str(match.lastgroup)
            value = match[group].rstrip(".,;:!?)")
            if group == "quoted" or (is_made_up(value) and (group != "opens" or _NO_FILE.search(value) is not None)):
                yield Finding(match.start(group), match.start(group) + len(value), "CREDENTIAL", "SECRET", 0.7)


def _secret(match: re.Match[str], group: str, score: float) -> Finding:
    return Finding(*match.span(group), "CREDENTIAL", "SECRET", score)


__all__ = ["opening"]
