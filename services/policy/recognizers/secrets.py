"""Credentials: by the patterns of ``secret_patterns``, by the name they are given, by their begin and end, and by their randomness."""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.handed_over import handed_over
from services.policy.recognizers.lowered import Lowered, Words
from services.policy.recognizers.made_up import PASSWORD, is_made_up, is_of_machine, is_random, is_value
from services.policy.secret_patterns import KEYED, KEYED_WORDS, PRIVATE_KEY_BEGIN, PRIVATE_KEY_END, SECRETS

_RANDOM = re.compile(r"(?<![\w+/=.:@#%~-])(?=[A-Za-z0-9_-]{0,40}\d)[A-Za-z0-9_-]{32,64}(?![\w+/=.:@%~-])")
_LEAST_RANDOM = 32
_PUBLIC = re.compile(
    r"(?:sha\d{1,3}|md5|integrity|digest|checksum|hash|etag|fingerprint|nonce|commit|rev|ssh-\w+|ecdsa-\w+|id|cursor|sig|"
    r"receipts?|request|req|trace|span|layer|version)[\"']?[ :=\"'-]{0,4}$",
    re.IGNORECASE,
)


_TRIGGERED = [secret for secret in SECRETS for _ in secret.triggers]
_UNTRIGGERED = [secret for secret in SECRETS if not secret.triggers]
_TRIGGERS = Words(trigger for secret in SECRETS for trigger in secret.triggers)
_CARD_CODE = re.compile(
    r"(?<![A-Za-z])(?:[Cc][Vv][VvCc]2?|[Cc][Ii][Dd]|[Ss]ecurity [Cc]ode(?: on the (?:back|card))?|CSC|[Pp]r[üu]fziffer|[Cc]ryptogramme|"
    r"PIN(?! ?[Cc]ode)|PIN [Cc]ode(?=[: ]{1,2}\d{4}\b))[\"']?(?: code)?(?: (?:is|was|ist|number|no\.?))?[ \t]{0,2}[:=#]?"
    r"[ \t]{0,2}[\"']?(?P<value>\d{3,6})(?![\w-]|[.,]\d)"
)
_CARD_CODE_WORDS = Words(("cvv", "cvc", "cid", "security code", "csc", "prüfziffer", "pin"))


# What a word announces without a sign between them; then the value must look like one that a person or a machine made up.
_PLAINLY = re.compile(
    r"(?<![A-Za-z_-])(?:(?:pass(?:word|wort|code|phrase|wd)?|pwd?|mdp|psw|kennwort|contraseña|mot de passe|wachtwoord|"
    r"(?:api|access|secret|license|encryption|subscription)[ _-]key|passkey|salt|(?:access|auth|bearer|api) token)(?: is)?[ \t]{1,3}[\"'`]?)"
    r"(?P<value>[^\s\"'`<>]{6,128})",
)
_IN_QUOTES = re.compile(
    rf"(?<![A-Za-z_-]){PASSWORD}(?: (?:is|was|ist|war|est|es|è))?:?[ \t](?P<quote>[\"'`])"
    r"(?P<value>(?=[^\s\"'`]{0,64}[\d!@#$%^&*?+])[^\s\"'`<>{}]{6,128})(?P=quote)",
    re.IGNORECASE,
)
"""``with password 'AtomicBomb9'``: whatever it is made of."""
_OF_LINK = re.compile(
    r"(?:reset|confirm|verif|activat|magic|invit|one-?time|unlock|signin|sign-in|login|password)[^\s\"'<>?]{0,80}\?(?:[^\s\"'<>]{0,120}&)?"
    r"(?:t|k|c|key|code|token|tk|otp)=(?P<value>(?=[\w-]{0,40}\d)(?=[\w-]{0,40}[a-zA-Z])[\w-]{12,200})",
    re.IGNORECASE,
)
"""What lets whoever has the link in: ``/reset?mail=…&t=YbANIyk…``."""
_OF_AWS = re.compile(r"aws_secret_access_key[\"']?[ \t]{1,3}[\"']?(?P<value>[A-Za-z0-9/+]{40})(?![\w/+])", re.IGNORECASE)
"""``aws configure set aws_secret_access_key …``"""
_OF_TWILIO = re.compile(r"\btwilio[\"']?\)?\([\"'][^\"'\n]{4,40}[\"'],\s?[\"'](?P<value>[0-9a-f]{32})[\"']", re.IGNORECASE)
_PLAIN_WORDS = Words(("pass", "pw ", "pwd ", "mdp ", "psw ", "kennwort", "contraseña", "wachtwoord", "key ", "salt ", "token "))
_SESSION = re.compile(
    r"cookie[\"']?\s?:[^\n]{0,200}?(?<![A-Za-z])(?:[a-z.]{0,12}sess(?:ion)?(?:_?id)?|sid|connect\.sid|auth\w{0,12}|(?:csrf|"
    r"xsrf|access|refresh)?_?token|jwt)"
    r"=(?P<value>[\w%.~+/-]{16,512})",
    re.IGNORECASE,
)
_SESSION_VALUE = re.compile(
    r"(?<![A-Za-z])(?:sess(?:ion)?(?:_?(?:id|token|key))?|phpsessid|jsessionid|connect\.sid|"
    r"sid)=(?P<value>(?![^\s&]{0,40}[?])(?![0-9a-f]{8}-[0-9a-f]{4}-)(?=[\w%.~+/-]{0,40}\d)"
    r"(?=[\w%.~+/-]{0,40}[A-Za-z])[\w%~+/-]{16,512})",
    re.IGNORECASE,
)
_ENTRY_CODE = re.compile(
    r"(?<![A-Za-z])(?:(?:(?:the|my|your|his|her|our|card|sim|phone|voicemail|alarm|debit|atm|bank|banking|account|online|"
    r"tablet|ipad|ssh|nas|safe)[ -])pin(?: code| number)?"
    r"|(?:voucher|mein|dein|il|mio|mi|el|mijn|je|(?:le )?code)[ -]pin|pin (?:für die karte|della carta|de la carte|de la tarjeta|van de pas)"
    r"|(?:door|gate|alarm|entry|lockbox|key ?safe|keypad|safe|garage|access|building|security|voicemail|bike|locker|padlock|"
    r"shed) ?(?:code|pin|passcode|combination|combo)"
    r"|puk[12]?(?:[ -]code)?(?=[^\d\n]{1,12}\d{8}\b)"
    r"|otp|one[- ]time (?:code|password|passcode|pin)|(?:verification|2fa|mfa|authenticator|login|sign-in|confirmation|sms|your|ihr|dein|"
    r"votre|tuo|suo|pick-?up|collection|unlock|activation|recovery) code|pass ?code|"
    r"(?:abhol|bestätigungs|sicherheits|freischalt|aktivierungs|einmal)code|"
    r"(?:code de|c[óo]digo de|codice di) (?:retrait|v[ée]rification|validation|confirmation|s[ée]curit[ée]|d[ée]blocage|"
    r"verificaci[óo]n|recogida|confirmaci[óo]n|seguridad|desbloqueo|verifica|ritiro|conferma|sicurezza|sblocco)|(?:verificatie|afhaal|bevestigings|beveiligings)code|"
    r"(?:tür|tor)code|c[óo]digo (?:de la )?(?:puerta|alarma|portal)|(?:clave|c[óo]digo) (?:del |de la |de )?(?:portal|puerta|"
    r"alarma|entrada|garaje)|codice (?:del |della |di )?(?:cancello|allarme|portone|porta|ingresso|accesso)|"
    r"code d['’]acc[èe]s|code (?:du |de la |de "
    r"l['’])?(?:portail|porte|d['’]entrée|immeuble)|digicode|toegangscode|deurcode|alarmcode|poortcode|haustürcode|türcode)"
    r"(?: (?:is now|is|was|ist jetzt|ist|lautet|c['’]est|est|è|es ahora|es|to|changed to|"
    r"for the \w{2,12} is))?[ \t]{0,2}[:=,]?[ \t]{0,2}[\"'#]?(?P<value>\d{4,8}|"
    r"\d{2,4}[A-Z]\d{0,4}|[A-Z]\d{3,6}[A-Z]?|"
    r"\d{3}[ -]\d{3}|\d\d(?P<s>[ -])\d\d(?P=s)\d\d)(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
_LOCK = (
    r"(?:(?:front|back|side|main|garage) )?(?:door|gate)|building|lobby|key ?box|key ?safe|lock ?box|safe|alarm|garage|"
    r"(?:haus|wohnungs|garagen)?t[üu]r|tor|eingang|tresor|schlüsselbox|furtk[ia]|domofonu?|bramy|drzwi|klatki|alarmu|garażu|"
    r"porte|portail|immeuble|cancello|portone|puerta|portal|garaje|poort|voordeur|deur"
)
_NUMBER_OF_LOCK = (
    r"(?P<value>[#*]?(?:\d(?:-\d){3,7}|\d{4,8}|[A-Z]\d{3,6}|\d{2,4}[A-Z]\d{0,4}|\d{2}-\d{2}-\d{2})[#*A-Z]?)(?![\w-]|[.,:/]\d)"
)
_CODE_OF_LOCK = re.compile(
    r"(?<![A-Za-z])(?:(?:code|combination|combo|pin|codice|c[óo]digo|clave|kod) (?:for|to|on|of|für|zu|zum|zur|per|pour|para|voor|van|do|"
    rf"de|del|della|dostępu do)(?: (?:the|our|my|your|die|das|den|der|il|la|le|el|l['’]|het|de))? (?:{_LOCK})"
    rf"|(?:lock ?box|key ?safe|key ?box|safe combination|padlock|keypad)(?: (?:code|combination|number))?)"
    rf"(?: (?:is|was|ist|est|è|es|to))?[ ]?:?[ ]{_NUMBER_OF_LOCK}",
    re.IGNORECASE,
)
"""``der Code für die Haustür ist 2580``, ``lockbox 4471 on the side gate``."""
_CODE_CHANGED = re.compile(
    rf"(?<![A-Za-z])(?:door|gate|alarm|entry|access|safe)[ -](?:code|pin)[^\d\n.!?]{{1,60}}? (?:to|is)(?: the)?(?: default)? {_NUMBER_OF_LOCK}",
    re.IGNORECASE,
)
_ONE_TIME = r"(?P<value>\d{3}[ -]\d{3}|\d{2}-\d{2}-\d{2}|\d{4,8})(?![\w-]|[.,:/]\d)"
_CODE_SENT = re.compile(
    r"(?<![A-Za-z])(?:(?:says?|said|texted|sent|shows?|got|gave|read)(?: me)?(?: the| a)? code[: ]{1,2}(?=\d{6}\b|\d{3} )"
    r"|code (?:it|they|you|he|she|that)[^\d\n.!?]{1,30}? (?:is|was)[: ]{1,2}(?=\d{6}\b|\d{3} )"
    r"|(?:log(?:ging)?[ -]?in|sign(?:ing)? in|inloggen|anmelden|einloggen|connecter|accedere|entrar|acceder)[^\d\n.!?]{0,40}? "
    rf"(?:with|using|met|mit|avec|con|com)(?: the| de| dem| le| il| el| o)? (?:code|codice|c[óo]digo)[: ]{{1,2}}){_ONE_TIME}",
    re.IGNORECASE,
)
"""``it says code 662 918``."""
_FOR_ONCE = re.compile(
    r"(?<![A-Za-z])(?:codice (?:usa e getta|monouso|temporaneo)|einmal(?:code|passwort|kennwort)|code (?:à usage unique|temporaire)|"
    r"c[óo]digo (?:de un solo uso|temporal)|eenmalige code|(?:jednorazowy )?kod jednorazowy|one-time (?:code|password|link code))"
    r"(?: (?:is|ist|lautet|est|è|es|to))?[ ]?:?[ ](?P<value>(?=[^\s\"'<>]{0,24}\d)[A-Za-z0-9][A-Za-z0-9-]{3,24})(?![\w-])",
    re.IGNORECASE,
)
_APPOSED = re.compile(
    rf"(?<![A-Za-z_-])(?:{PASSWORD}|(?:api|access|secret|auth)[ -](?:key|token))"
    r"(?: [^\n:=.,!?]{1,40})?, [\"'`“]?(?P<value>[^\s\"'`”<>,]{6,128}?)[\"'`”]?(?=[,;)]|\.?(?:\s|$))",
    re.IGNORECASE,
)
"""``a new password, Tulip*58kz, was sent to her``."""
_OF_CAMEL = re.compile(
    r"[a-z]Pass[\"']?\s{0,3}(?::=|=|:)\s{0,3}[\"'](?P<value>(?=[^\s\"']{0,64}[\d!@#$%^&*])[^\s\"'<>{}]{6,128})[\"']"
)
_OF_ENVIRONMENT = re.compile(
    r"(?<![A-Za-z0-9_])(?!PUBLIC|CACHE|SORT|PRIMARY|FOREIGN|PARTITION|IDEMPOTENCY|HOST)(?:[A-Z][A-Z0-9]{0,24}_){1,4}KEY[ ]?[=:][ ]?[\"']?"
    r"(?P<value>(?=[^\s\"']{0,24}\d)(?=[^\s\"']{0,24}[A-Za-z])(?![0-9a-f]{8}-)[\w+/=-]{16,256})(?![\w./:-])"
)
"""``MAPS_KEY=a8f3…``: whatever it opens."""
_LOGIN_PAIR = re.compile(
    r"(?<![A-Za-z])(?:log[ -]?in|logon|creds?|credentials|user(?:name)?|zugang|zugangsdaten|accesso|acceso|acc[èe]s|identifiants?|"
    r"inlog)(?: (?:is|are|ist|details|portail|portal|portale))?"
    r"(?:[ ](?=:))?"
    r"[ \t]{0,2}[:=]?[ \t]{1,2}[\w.@+-]{2,48}(?: ?[/|] ?|, | and )(?:pw |pass |password )?(?P<value>[^\s,;\"'<>]{6,64})",
    re.IGNORECASE,
)
_OF_CLIENT = re.compile(r"\b(?:mysql\w{0,5}|mariadb) [^\n|;&]{0,120}?(?<= -p)(?P<value>[^\s-]\S{5,63})")
_OF_REGISTRY = re.compile(r"\blogin [^\n|;&]{0,120}?(?<= -p) ?(?P<value>(?![-$<{%*\"'])[^\s-]\S{5,127})")
_OF_SHELL = re.compile(
    r"(?:\bset -g?x|\bsetx|\bsetenv|\bENV) \w{0,24}(?:KEY|TOKEN|SECRET|PASS\w{0,8}|"
    r"PWD)\w{0,8} [\"']?(?P<value>(?=[^\s\"']{0,64}\d)(?![$<{%])[^\s\"']{6,256})"
)
_OF_CONTAINER = re.compile(
    r"\bname:\s?[\"']?\w{0,40}(?:TOKEN|SECRET|PASSWORD|PASSWD|KEY)\w{0,16}[\"']?[ \t]*\n(?:[ \t]*#[^\n]{0,120}\n)?"
    r"[ \t]*value:\s?[\"']?(?P<value>(?=[^\s\"']{0,64}\d)(?![$<{%])[^\s\"']{6,256})"
)
"""A variable of a container's: its name, perhaps a remark, its value."""
_OR_ELSE = re.compile(
    r"(?i:key|token|secret|password|salt)\w{0,8}[\])\"']{0,3}\s?(?:\|\||"
    r"\?\?)\s?[\"'](?P<value>(?=[^\s\"']{0,64}\d)(?=[^\s\"']{0,64}[A-Za-z])(?![$<{%])[^\s\"']{8,256})[\"']"
)
"""What a program takes when nobody gave another."""
_LOGGED_CODE = re.compile(
    r"\b(?:otp|2fa|mfa)\b[^\n]{0,80}?\bcode[\"']?[=:] ?[\"']?(?P<value>\d{4,8})(?![\w-]|[.,:]\d)", re.IGNORECASE
)
_OF_NETWORK = re.compile(
    r"\bssid\b[^\n]{0,64}(?:\n|[ ,;/|]{1,3})[ \t]{0,4}(?:wpa\d? )?(?:key|pass(?:word|phrase|wort)?|pw|schlüssel|clé|clave|"
    r"chiave)[ \t]{0,2}[:=][ \t]{0,3}(?P<value>[^\s\"'<>]{6,64})",
    re.IGNORECASE,
)
_BY_DEFAULT = re.compile(
    r"(?:password|passwd|secret|token|"
    r"api_key)\w{0,24}\"\s{0,4}\{[^{}\n]{0,120}?\bdefault\s{0,4}=\s{0,4}\"(?P<value>(?=[^\"\s]{0,64}\d)(?![$<{])[^\"\s]{6,128})\"",
    re.IGNORECASE,
)
_KEYED_PIN = re.compile(
    r"(?:(?:account|card|user|atm|security|access|sim|door)_?pin|(?<![A-Za-z])otp(?:_?[a-z]{1,8})?|(?:verification|mfa|auth|one_?time)_?code)[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?P<value>\d{4,8})(?![\w-]|[.,]\d)",
    re.IGNORECASE,
)
_CODE_FIRST = re.compile(
    r"(?<![\w.,:/#-])(?P<value>\d{4,8}|\d{3}[ -]\d{3}|[A-Z]-\d{5,8}) (?:(?:is|as) (?:your|the|my)|ist (?:Ihr|dein)|"
    r"est (?:votre|ton)|è il (?:tuo|suo)|"
    r"es (?:tu|su)|is (?:je|uw)) (?:[\w-]{2,20} ){0,3}(?:code|otp|passcode|pin|codice|c[óo]digo|\w{2,16}code)(?![\w])",
    re.IGNORECASE,
)
"""``143555 is your verification code``."""
_CODE_FOR = re.compile(
    r"(?<![A-Za-z])code:? (?P<value>\d{4,8}|\d{3}[ -]\d{3}) (?:to (?:sign|log|verify|confirm|access|authenticate|complete|finish|unlock|"
    r"enter|reset|activate)|um sich|zum anmelden|pour (?:vous|te|se) |per accedere|para (?:entrar|acceder|iniciar)|om in te)",
    re.IGNORECASE,
)
"""``use code 143555 to sign in``."""
_BESIDE_USER = re.compile(
    r"(?<![A-Za-z])(?:(?:user(?:name| ?id)?|login)[ \t]?[:=]?|(?:usr|u)[:=])[ \t]{0,2}[^\s,;|:=]{2,64}"
    r"(?:[ \t]{1,3}|[,;|/][ \t]{0,3}|\n[ \t]{0,8})"
    r"(?:(?:pass(?:word|wd|wort)?|pwd?)[ \t]?[:=]?|p[:=])[ \t]{0,2}"
    r"(?P<value>(?=[^\s\"'<>,;(\[]{0,64}[\d!@#$%^&*])(?![$<{%*])[^\s\"'<>,;(\[]{5,63}[^\s\"'<>,;.:)(\[])",
    re.IGNORECASE,
)
"""``username jpark password rosebud41``: of a password that stands beside its user no more is asked than a digit or a sign."""
_OF_CONNECTION = re.compile(
    r"(?:\b(?:host|server|dbname|database|user|uid|user id|port)=[^\s;,\"']{1,64}[ ;]{1,2}){1,5}"
    r"(?:password|pwd)=(?P<value>(?![$<{%*]|[\w.]*[(\[])[^\s;,\"']{4,64})",
    re.IGNORECASE,
)
# A few words between the word and its value, or the value before it; then it must look like one.
_SAID_OF = re.compile(
    rf"(?:(?<![A-Za-z_-])|(?<=[A-Za-z]-)){PASSWORD}(?:[^\n:=.!?]{{0,40}}?(?:['’]s| (?:is|are|ist|lautet|est|es|è|é|to)| ?[:=])| ?(?:→|->|⇒)|"
    r" (?:temporal|temporaire|provisoire|temporanea|provvisoria|tijdelijk|temporär)\w{0,2})[ \t]{1,3}[\"'`“]?(?P<value>[^\s\"'`”<>]{6,64})"
    rf"|(?<![A-Za-z])(?:use|using|try|with|nimm|mit|utilise|usa|gebruik) [\"'`“]?(?P<before>[^\s\"'`”<>]{{6,64}})[\"'`”]? "
    rf"(?:as|for|als|comme|come|como) "
    rf"(?:the |das |le |la |il |el |het |your |my )?(?:\w{{2,12}} )?{PASSWORD}(?![A-Za-z])"
    r"|(?<![A-Za-z])(?:wlan|wi-?fi|wpa[23]?|vpn|netzwerk|router)[ -]?(?:schlüssel|key|passwort|pass(?:word)?|code|"
    r"pw)?[ :]{1,2}(?:[\w!.-]{1,24} ){0,2}(?:/ )?"
    r"(?P<net>(?=\S{0,40}\d)[^\s\"'`<>,;/]{8,63})",
    re.IGNORECASE,
)
_SAID_WORDS = Words(
    (
        "pass",
        "pw ",
        "pwd ",
        "kennwort",
        "contraseña",
        "wachtwoord",
        "senha",
        "parola",
        "mdp",
        "psw",
        "clave",
        "wlan",
        "wifi",
        "wi-fi",
        "vpn",
        "router",
        "wpa",
    )
)
_OR = re.compile(
    r"[\"'`”]?,? (?:as well as|and then|and also|and|then|or|und|et|oder|ou|e|o|y|en|of) [\"'`“]?(?P<value>[^\s\"'`”<>]{6,64})"
)
"""A second one: ``the password Plum-81x as well as Pear-92y``."""
_OPTION = re.compile(
    r"(?<![\w-])(?:--?(?:password|passwd|pass|pw|token|secret|api-?key|apikey|auth|client-secret)[ =]|sshpass -p ?|net use "
    r"[^\n]{3,80}? (?=\S{4,64} /u)|(?<= )-p(?='))"
    r"[\"']?(?P<value>(?![-$<{%*])[^\s\"'<>]{6,128})",
    re.IGNORECASE,
)
_RECOVERY = re.compile(
    r"(?<![A-Za-z])(?:(?:recovery|backup|rescue|restore|activation|licen[cs]e|product) (?:code|key)s?|wiederherstellungs\w+|"
    r"notfallcodes?)(?: (?:is|are|ist))?"
    r"[ \t]{0,2}[:=]?[ \t]{1,2}(?P<value>[A-Za-z0-9]{4,8}(?:-[A-Za-z0-9]{4,8}){1,7})(?![\w-])"
    r"|(?<![A-Za-z])(?:seed|recovery|mnemonic|backup|secret)[ -](?:phrase|words?)(?: (?:is|"
    r"are))?[ \t]{0,2}[:=]?[ \t\n]{1,2}[\"'`]?(?P<words>(?:[a-z]{3,8} ){11,23}[a-z]{3,8})"
    r"|(?<![A-Za-z])(?:security|secret) (?:question )?answer(?: is| was)?[ \t]{0,2}:?[ \t]{1,2}[\"'`]?(?P<answer>[^\s\"'`<>{}()]{3,40})",
    re.IGNORECASE,
)
_RECOVERY_WORDS = Words((" code", " key", "notfallcode", "wiederherst", "phrase", "words", " answer"))
_DIRECTLY = (
    (
        Words(("reset", "confirm", "verif", "activat", "magic", "invit", "unlock", "signin", "sign-in", "login", "password")),
        _OF_LINK,
    ),
    (Words(("aws_secret_access_key",)), _OF_AWS),
    (Words(("twilio",)), _OF_TWILIO),
    (Words(("cookie",)), _SESSION),
    (Words(("sess=", "session=", "sessid=", "sessionid=", "session_id=", "session_token=", "sid=")), _SESSION_VALUE),
    (Words(("mysql", "mariadb")), _OF_CLIENT),
    (Words((" login ",)), _OF_REGISTRY),
    (Words(("set -", "setx ", "env ")), _OF_SHELL),
    (Words(("value:",)), _OF_CONTAINER),
    (Words(("||", "??")), _OR_ELSE),
    (Words(("otp", "2fa", "mfa")), _LOGGED_CODE),
    (Words(("ssid",)), _OF_NETWORK),
    (Words(("_pin", 'pin"', "userpin", "cardpin", 'otp"', "otp=", "otp:", "otp_", "_code", 'code"')), _KEYED_PIN),
    (Words(("code", "otp", "passcode", "kod", "codice", "código")), _CODE_FIRST),
    (Words((" code ", " code: ")), _CODE_FOR),
    (
        Words(
            (
                "code",
                "combination",
                "combo",
                "codice",
                "código",
                "codigo",
                "clave",
                "kod d",
                "pin ",
                "lockbox",
                "lock box",
                "key safe",
                "keysafe",
                "key box",
                "padlock",
                "keypad",
            )
        ),
        _CODE_OF_LOCK,
    ),
    (Words((" code", "-code", " pin")), _CODE_CHANGED),
    (Words((" code", " codice", " código", " codigo")), _CODE_SENT),
    (Words(("pass",)), _OF_CAMEL),
    (
        Words(
            (
                "usa e getta",
                "monouso",
                "temporaneo",
                "einmal",
                "usage unique",
                "temporaire",
                "solo uso",
                "temporal",
                "eenmalige",
                "jednoraz",
                "one-time",
            )
        ),
        _FOR_ONCE,
    ),
    (Words(("_key",)), _OF_ENVIRONMENT),
    (Words((" password=", " pwd=", ";password=", ";pwd=")), _OF_CONNECTION),
    (
        Words(
            (
                " pin:",
                "pin ",
                "puk",
                "code",
                "código",
                "codigo",
                "codice",
                "clave",
                "combination",
                "combo",
                "otp",
                "one-time",
                "one time",
            )
        ),
        _ENTRY_CODE,
    ),
)
_APPOSED_WORDS = Words(
    ("pass", "pwd", "kennwort", "contraseña", "wachtwoord", "senha", "mdp", "clave", " key", "-key", " token", "-token")
)
_DEFAULT_WORDS = Words(("default",))
_DEFAULT_NAMES = Words(("password", "passwd", "secret", "token", "api_key"))
_KEYED_WORDS = Words(word for word, _ in KEYED_WORDS)
_BESIDE_WORDS = Words((" pass", " pw ", " pwd", "\npass", "\npw", " p:", " p=", ",pass", "/pass", "\np:"))
_USER_WORDS = Words(("user", "login", "usr", "u:", "u="))
_PAIR_WORDS = Words(
    ("login", "log in", "log-in", "logon", "cred", "user", "zugang", "access", "acces", "accès", "identifiant", "inlog")
)


def secrets(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order, and with overlaps."""
    triggered = dict.fromkeys(_TRIGGERED[at] for at in _TRIGGERS.within(lowered))
    for secret in (*triggered, *_UNTRIGGERED):
        if secret.least > lowered.longest:
            continue
        group = "value" if "value" in secret.pattern.groupindex else 0
        for match in secret.pattern.finditer(text):
            if secret.entity == "CREDENTIAL" and not is_value(match[group]):
                continue
            yield Finding(*match.span(group), secret.entity, "SECRET", 1.0)
    yield from _keyed(text, lowered)
    if _PLAIN_WORDS.any_within(lowered):
        for match in _IN_QUOTES.finditer(text):
            yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", 0.7)
        for match in _PLAINLY.finditer(lowered):
            value = text[match.start("value") : match.end("value")].rstrip(".,;:!?)")
            if is_made_up(value):
                yield Finding(match.start("value"), match.start("value") + len(value), "CREDENTIAL", "SECRET", 0.6)
                another = _OR.match(text, match.end())
                if another is not None:
                    yield from _made_up(another)
    if _SAID_WORDS.any_within(lowered):
        for match in _SAID_OF.finditer(text):
            if match.lastgroup == "before" and any(map(str.isdigit, match["before"])):
                # Whoever says so says enough.
                yield Finding(*match.span("before"), "CREDENTIAL", "SECRET", 0.95)
            yield from _made_up(match)
            another = _OR.match(text, match.end())
            if another is not None:
                yield from _made_up(another)
    if _APPOSED_WORDS.any_within(lowered):
        for match in _APPOSED.finditer(text):
            yield from _made_up(match)
    yield from handed_over(text, lowered)
    if "-p" in lowered or "--" in lowered or "-token" in lowered or "net use" in lowered:
        for match in _OPTION.finditer(text):
            yield from _made_up(match)
    if _RECOVERY_WORDS.any_within(lowered):
        for match in _RECOVERY.finditer(text):
            if match.lastgroup != "value" or any(map(str.isdigit, match["value"])):
                yield Finding(*match.span(str(match.lastgroup)), "CREDENTIAL", "SECRET", 0.6)
    if _PAIR_WORDS.any_within(lowered):
        for match in _LOGIN_PAIR.finditer(text):
            yield from _made_up(match)
    if _BESIDE_WORDS.any_within(lowered) and _USER_WORDS.any_within(lowered):
        for match in _BESIDE_USER.finditer(text):
            yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", 0.7)
    for words, pattern in _DIRECTLY:
        if words.any_within(lowered):
            for match in pattern.finditer(text):
                yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", 0.7)
    if _DEFAULT_WORDS.any_within(lowered) and _DEFAULT_NAMES.any_within(lowered):
        for match in _BY_DEFAULT.finditer(text):
            yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", 0.7)
    if _CARD_CODE_WORDS.any_within(lowered):
        for match in _CARD_CODE.finditer(text):
            yield Finding(*match.span("value"), "CREDENTIAL", "SECRET", 0.6)
    position = 0 if "-----begin " in lowered or "putty-" in lowered else len(text)
    while (begin := PRIVATE_KEY_BEGIN.search(text, position)) is not None:
        end = PRIVATE_KEY_END.search(text, begin.end())
        # Without its end it is cut off, and everything after may be key.
        position = len(text) if end is None else end.end()
        yield Finding(begin.start(), position, "PRIVATE_KEY", "SECRET", 1.0)
    for match in _RANDOM.finditer(text) if lowered.longest >= _LEAST_RANDOM else ():
        if (
            is_random(match[0])
            and not is_of_machine(match[0])
            and not _PUBLIC.search(text, max(0, match.start() - 24), match.start())
        ):
            yield Finding(*match.span(), "HIGH_ENTROPY", "SECRET", 0.5)


_LEAST_KEYED = 4
_OF_A_PAGE = re.compile(
    r"(?:page|next|continuation|pagination|sync|lock|cancell?ation|resume|concurrency)[ _-]?\Z", re.IGNORECASE
)
"""``next page token: …`` says where to go on reading."""
_OF_QUERY = re.compile(r"[?&][\w-]{1,20}\Z")
"""A parameter of a URL: what follows the next ``&`` is another."""


def _keyed(text: str, lowered: Lowered) -> Iterator[Finding]:
    for at in _KEYED_WORDS.within(lowered):
        word, before = KEYED_WORDS[at]
        position = lowered.find(word)
        while position >= 0:
            after = position + len(word)
            match = KEYED.match(text, after)
            if match is not None and before.search(text[max(0, position - 24) : position]) is not None:
                group = "quoted" if match["quoted"] is not None else "value"
                value = match[group]
                if (
                    text[position - 1 : position] in ("?", "&")
                    or _OF_QUERY.search(text, max(0, position - 24), position) is not None
                ):
                    value = value.partition("&")[0]
                # (password: hunter2)
                value = value[:-1] if value.endswith(")") and "(" not in value else value
                if (
                    len(value) >= _LEAST_KEYED
                    and is_value(value)
                    and _OF_A_PAGE.search(text, max(0, position - 16), position) is None
                ):
                    yield Finding(match.start(group), match.start(group) + len(value), "CREDENTIAL", "SECRET", 0.8)
            position = lowered.find(word, after)


def _made_up(match: re.Match[str]) -> Iterator[Finding]:
    """What the last group of a match holds, if it looks like a credential."""
    group = str(match.lastgroup)
    value = match[group].rstrip(".,;:!?)")
    if is_made_up(value):
        yield Finding(match.start(group), match.start(group) + len(value), "CREDENTIAL", "SECRET", 0.6)


__all__ = ["secrets"]
