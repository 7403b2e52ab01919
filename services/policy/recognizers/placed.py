"""Secrets by their place: in commands, calls, settings and answers of programs, where the program says which argument is one.

``net use Z: \\\\files\\scans /user:CORP\\ann Jacaranda71``, ``new PDO(dsn, 'stocks', 'ardoise_Bleue5')``,
``snmp-server community n0tpubl1c RO``.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

_SCORE = 0.6
_WORD = r"(?![$<{%*]|\.\.\.|x{4}|null\b|none\b|true\b|false\b)[^\s\"'`<>]{4,128}"
"""What is no variable, placeholder or mask."""
_QUOTED = r"(?![$<{%*]|\.\.\.|x{4})[^\"'\n$<>{}]{4,128}"
_HEX = r"[0-9a-f]{32,128}"
_BASE64 = r"(?=[\w+/=-]{0,128}\d)(?=[\w+/=-]{0,128}[a-z])(?=[\w+/=-]{0,128}[A-Z])[A-Za-z0-9+/_-]{32,128}={0,2}"

_RULES = tuple(
    (Words(words), re.compile(pattern, flags))
    for words, pattern, flags in (
        (("net use",), rf"\bnet use [^\n]{{0,120}}?/user:\S{{1,64}} (?![/-])(?P<value>{_WORD})", re.IGNORECASE),
        (("smb", "rpcclient", "curl", "mysql"), rf"(?<=[ =])(?:-U|--user)[ =]?[\"']?[\w.\\/@-]{{1,64}}%(?P<value>{_WORD})", 0),
        (("sqlplus", "impdp", "expdp", "rman"), r"\b(?:sqlplus|impdp|expdp|rman)\b[^\n/]{0,40} [\w.$#]{1,32}/(?P<value>"
        r"(?!@)[^\s@\"'/$<]{3,64})@", 0),
        (("storepass", "keypass"), rf"-(?:src|dest)?(?:store|key)pass(?:wd)?[ =][\"']?(?P<value>{_WORD})", re.IGNORECASE),
        (("snmp",), rf"\bsnmp\w{{2,10}}\b[^\n]{{0,120}}? -A [\"']?(?P<value>{_WORD})(?:[^\n]{{0,40}}? -X [\"']?(?P<other>{_WORD}))?", 0),
        (("snmp-server", "community"), rf"\bsnmp-server community (?P<value>{_WORD})", 0),
        (("enable secret", "enable password", "privilege"), rf"\b(?:enable|privilege \d{{1,2}}) (?:secret|password) \d (?P<value>{_WORD})", 0),
        ((" login ",), rf"^\w{{1,8}} LOGIN \S{{3,64}} \"?(?P<value>{_WORD})", re.MULTILINE),
        (("--from-literal",), r"--from-literal=\w{0,24}(?i:pass|secret|key|token|hmac|salt|pwd|cred)\w{0,12}=[\"']?(?P<value>"
        r"(?![$<{])[^\s\"'\\]{4,256})", 0),
        (("signature=", "sig="), r"[?&](?:X-Amz-Signature|X-Goog-Signature|[Ss]ignature|sig)=(?P<value>[\w%+/=-]{20,600})", 0),
        (("sonar",), rf"\bsonar\.(?:login|token|password)=(?P<value>{_WORD})", 0),
        (("pdo(", "connect("), rf"\b(?:new PDO|DBI->connect|(?:mysqli?|pg|psycopg2?|pymysql|MySQLdb|oracledb)(?:_|\.|"
        rf"->)?connect)\([ ]?[\"'][^\"'\n]{{1,160}}[\"'],"
         rf" ?[\"'][^\"'\n]{{1,64}}[\"'], ?[\"'](?P<value>{_QUOTED})[\"']", 0),
        (("jwt", "jws"), rf"\bj(?:wt|ws)\.(?:sign|verify|encode|decode)\([^\n]{{1,200}}?, ?[\"'](?P<value>{_QUOTED})[\"']", 0),
        (("basic_auth", "basicauth", "httpbasicauth", "auth("), rf"(?i:basic_?auth)\([ ]?[\"'][^\"'\n]{{1,64}}[\"'], ?"
        rf"(?:Some\()?[\"'](?P<value>{_QUOTED})[\"']", 0),
        (("setpassword", "setpasswd", "withpassword", "setsecret", "setpassphrase"), rf"\.(?:set|with)(?:Password|Passwd|Secret|"
        rf"Passphrase)\([ ]?[\"'](?P<value>{_QUOTED})[\"']", 0),
        (("frombase64string", "decodebase64", "b64decode"), rf"(?i:key|secret|signing|hmac|encrypt)[^\n]{{0,80}}"
        rf"(?:FromBase64String|b64decode|decodeBase64)\([ ]?b?[\"'](?P<value>{_BASE64})", 0),
        (("buffer.from", "fromhex", "unhexlify"), rf"(?i:\bkey|secret|\biv|salt|hmac)\w{{0,10}}[ ]?[:=][ ]?(?:\w{{1,10}}\.)?"
        rf"(?:from|fromhex|unhexlify)\([ ]?[\"'](?P<value>{_HEX})", 0),
        (("secret_key", "signing_key", "encryption_key"), r"(?i:secret|signing|encryption)_key\s?=\s?b[\"'](?P<value>"
        r"(?![$<{])\S{6,128})[\"']\s*$", re.MULTILINE),
        (("[none]:", "[****"), rf"(?:Secret Access Key|Access Key ID|Password|Token)[^\n\[]{{0,16}}\[[^\]\n]{{0,24}}\]: (?P<value>{_WORD})", 0),
        (("login ok:", "login incorrect"), r"Login (?:OK|incorrect)[^\[\n]{0,160}\[[^/\]\n]{1,64}/(?P<value>(?![<*])[^\]\n]{4,128})\]", 0),
        (("unseal",), r"Unseal Key(?: \d{1,2})?: (?P<value>[A-Za-z0-9+/]{24,64}={0,2})", 0),
        (("bitlocker", "recovery key", "recovery password", "wiederherstellung"), r"(?<![\d-])(?P<value>\d{6}(?:-\d{6}){7})(?![\d-])", 0),
        (("psk", "pre-shared", "preshared", "secret partagé", "shared secret"), r"(?<![^\W_])(?i:psk|pre-?shared key|secret "
        r"partagé|shared secret)(?i: (?:should|must|read|be|is|ist|est|now|set|to)){0,4}"
         r"[ :=]{1,3}[\"']?(?P<value>(?=\S{0,40}\d)[A-Za-z0-9][^\s\"',;<>]{7,63})(?<![.,;])", 0),
        (("totp", "authenticator", "setup key", "einrichtungs", "2fa"), r"(?<![A-Za-z0-9])(?P<value>"
        r"(?=[A-Z]{0,31}[2-7])[A-Z2-7]{16,32}|[a-z2-7]{4}(?: [a-z2-7]{4}){3,7})(?![A-Za-z0-9])", 0),
        (("licen", "product key", "serial", "installer", "activation", "lizenz", "clave de producto"), r"(?<![A-Z0-9-])"
        r"(?P<value>(?=[A-Z-]{0,28}\d)[A-Z0-9]{5}(?:-[A-Z0-9]{5}){3,4})(?![A-Z0-9-])", 0),
        (("pass", "contrase", "wachtwoord", "parola", "clave", "cle_", "cle=", "chiave", "schluessel", "schlüssel", "sleutel",
         "geheim", "segret", "jeton"),
         r"^[ \t]{0,12}(?:export )?[\w.-]{0,40}?(?:mot_?de_?passe|motdepasse|passwort|kennwort|contrase(?:ñ|n|ni)a|wachtwoord|"
         r"parola_?chiave|parola_?d_?ordine|clave|cle_api|cl[ée]_api|cle_secrete|"
         r"chiave|schl(?:ü|ue)ssel|sleutel|geheim(?:nis)?|segreto|jeton|password|passwd|passphrase)[\w-]{0,24}[ \t]{0,3}[:=][ \t]{0,4}[\"']?"
         r"(?P<value>(?![$<{%*(\[]|null\b|none\b|true\b|false\b|"
         r"x{4})(?=[^\s\"']{0,100}[\d!@#$%^&*+=_.~-])[^\s\"'<>{}()]{6,128})[\"']?[ \t]*(?:[#;].*)?$", re.MULTILINE | re.IGNORECASE),
        (("passwort>", "motdepasse>", "contrasena>", "contraseña>", "wachtwoord>", "password>", "secret>", "clave>"),
         r"<(?:\w{1,16}:)?(?:passwort|kennwort|motdepasse|contrase[nñ]a|wachtwoord|password|secret|"
         r"clave)>[ ]?(?P<value>(?![$<{%*])[^<>\s]{4,128})[ ]?</", re.IGNORECASE),
    )
)  # fmt: skip
_NO_VALUE = re.compile(
    r"(?:[a-z_][\w]*\.)+[a-z_]\w*(?:\(.*)?|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|.*(?:\$\{|\(\)|://|=>|\*\*\*).*|(?:change_?me|example|"
    r"placeholder|your[-_ ].*|"
    r"redacted|hidden|secret|password|string|required|optional|env|file|vault).*|[a-z]+\[.*|/(?:[\w.-]+/)*[\w.-]+|[A-Za-z]:\\.*|\w+\.(?:txt|ya?ml|json|key|pem|env|conf|ini|py|js|sh)",
    re.IGNORECASE,
)


def placed(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    for words, pattern in _RULES:
        if not words.any_within(lowered):
            continue
        for match in pattern.finditer(text):
            for group, value in match.groupdict().items():
                if value is not None and _NO_VALUE.fullmatch(value) is None:
                    yield Finding(*match.span(group), "CREDENTIAL", "SECRET", _SCORE)


__all__ = ["placed"]
