"""Secrets, numbers and telephones as the model finds them: made whole, and those let go that have not the form of one.

The model reads what stands around a value, and says so of a part of it. Where a value begins and ends, and what it cannot be, is told by form.
"""

import re
from itertools import pairwise

from services.policy.recognizers.made_up import PASSWORD, is_made_up, is_of_machine, is_text, is_value

VALUES = frozenset(("CREDENTIAL", "PERSONAL_NUMBER", "BANK_ACCOUNT", "PHONE_NUMBER"))
_BOLD = 2
_PROCESS = re.compile(r"\w\[\Z|:\d\d(?:\.\d+)? #\Z")
"""Before a process's number, which a bracket ends."""
_TIME_OF_LOG = re.compile(r" (?:[01]\d|2[0-3])(?:[0-5]\d){2} ")
"""After the day: ``081110 103027 34 INFO``"""
_BEFORE = re.compile(r"[^\s\"'`“”„«»<>()\[\]{},;|=:/@&?*\\]{1,64}\Z")
_AFTER = re.compile(r"[^\s\"'`“”„«»<>()\[\]{},;|=:@&\\]{1,128}=*|={1,2}(?![\w=])")
_NUMBER_BEFORE = re.compile(r"(?:\w|(?<=\w)-|\+){1,32}\Z")
_NUMBER_AFTER = re.compile(r"(?:\w|-(?=\w)){1,32}")
_STOPS = ".,!?:"
_NO_SECRET = re.compile(
    rf"[*x•.#_=-]+|\.{{3,}}.*|#(?:[0-9a-f]{{3,4}}){{1,2}}|[<{{$%].*|"
    r"(?:change|replace)[-_ ]?(?:me|it|this)\w*|(?:your|my|the|some|test|new|old)[-_ ].*|"
    r"example\w*|dummy|null|none|nil|undefined|true|false|"
    rf"redacted|hidden|masked|omitted|unknown|empty|n/?a|tbd|{PASSWORD}|(?:secret|token|key|code|pin|otp)s?|\S+@\S+\.\S+|\w+://.*|[~.]?/.*|[A-Za-z]:\\.*|"
    r".*\.(?:py|kts?|swift|scala|c|h|cc|cpp|hpp|rb|php|cs|[jt]sx|vue|exs?|erl|hs|dart|gradle|proto|tf|jl|lua|pl|js|ts|json|ya?ml|txt|md|csv|pdf|pem|crt|key|env|log|sh|xml|html?|go|rs|java|sql|zip|gz|png|jpg|conf|cfg|ini|toml|ovpn|whl|tgz|tar|deb|rpm|jar|dll|lock)(?::\d+)?|"
    r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?.*|\d\d?[A-Za-z]{3}\d\d(?:\d\d)?|\d\d?[./]\d\d?[./]\d{2,4}|\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?|\d+(?:\.\d+){1,3}|\d[\d_]*_\d+|\d+e[-+]?\d+|"
    r"[\d.,]+ ?(?:%|€|\$|£|[kMG]?B|ms|s|min|h|km|kg|EUR|USD)|"
    r"\d[\d.,]* ?[kmgt]i?b?(?:/s|ps)?|\d+/(?:s|sec|min|h|hour|day)|v\d{1,4}(?:[.\-+_]\w{1,16}){0,6}|v\d[a-z]{1,2}\d{0,2}|"
    r"(?=[^.]*\.)(?=[^-]*-)(?:[\d.-]|(?<=[\d.-])[a-z](?![a-z]))+|r\d+|"
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|\d+[uUlLfF]{1,3}|sha\d*[-:].*|0x[0-9a-f_]{1,24}|"
    r"\^?\\?(?:[0-9a-zÀ-ɏ]-[0-9a-zÀ-ɏ_]){1,5}[\wÀ-ɏḀ-ỿ^.+-]{0,6}|(?:\\?[ux][0-9a-f]{2,5}[ -]?)+.*|.*(?:0123456|abcdefg).*|"
    r"[\w-]{2,9}[_.-]|\.\w+|-{1,2}[a-z][\w-]*|"
    r"[a-z]{2,12}_[0-9A-HJKMNP-TV-Z]{26}|A[CP][0-9a-f]{32}|_Z[A-Z]\w+|[\w.]+\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?|"
    r"[A-Z]{1,3}-\d{1,4}/\d{1,4}|(?:GHSA|CVE|CWE|PYSEC|RUSTSEC|RHSA|DSA|USN|OSV)-.*|(?=(?:[^.]*\.\d){2})(?:-?\d+(?:\.\d+)?)?(?:[Zz]?[MLHVCSQTAmlhvcsqta]-?\d+(?:\.\d+)?)+[Zz]?|"
    r"(?:[a-z-]{2,12}[./])*(?:claude|gpt|gemini|llama|mistral|mixtral|qwen|deepseek|grok|gemma|phi|nova|titan|codestral|command)-?\d*(?:[-.:@]\w{1,16}){1,8}|"
    r"(?:np|pd|tf|os|self|torch)\.\w+|user(?:name)?:pass(?:word)?|.*\\.*|[a-z]+(?:_[a-z]+|_\d{1,5}[a-z]?){2,}|x(?:-[a-z]+)+(?:-\d+)?|"
    r"(?:aes|rsa|sha|hs|rs|es|ps|ecdsa|ed|rot|utf|md|gpt|base)-?\d+(?:-\w+)*|a\d{3}[a-z]\w{1,12}|"
    r"[a-z]\w*-\d+(?:\.\d+)+\w*|(?:value|field|column|param|arg|line|step|item|option|input)\d*|(?:foo|bar|baz)\d*|\w{2,5}v\d|[a-z]+,[a-z]+",
    re.IGNORECASE | re.DOTALL,
)
_OF_PROGRAM = re.compile(r"(?:[A-Z][a-z]+\d{0,5}){2,}|[A-Z][A-Z0-9]*(?:_[A-Z0-9*]+)+|[a-z]+(?:\.[a-z*]+){1,8}")
_CAPITALIZED = re.compile(r"[A-Z][a-z]{3,}")
_NAME_OF_TYPE = 2
"""Words of more: ``LanguageModelV4StreamPart``"""
_HEX = re.compile(r"(?:0x)?[0-9a-f]{20,128}", re.IGNORECASE)
_GETTING_IN = re.compile(
    r"pass|pwd|\bpw\b|psw|mdp|secret|token|key|auth|cred|\bpin\b|(?<!en)(?<!de)(?<!uni)(?<!trans)(?<!bar)(?<!byte)(?<!source)(?<!op)(?<!geo)(?<!time)code|cookie|session|sid\b|signature|\bsig\b|salt|psk|\botp\b|\btan\b|kennwort|sign|geheim|schlüssel|schluessel|hmac|"
    r"\bcl[ée]\b|chiave|clave|contraseña|wachtwoord|sleutel|senha|login|log in|bearer|hook|dsn|private|wifi|wi-fi|wlan",
    re.IGNORECASE,
)
_NO_KEY = re.compile(
    r"(?:ssid|bssid|hash|etag|checksum|prüfsumme|pruefsumme|digest|sha\d*|sha\d*sum|md5|commit|build|version|trace|span|request|req_?id|txid|tx|hash|revision|rev|key_id|keyid|fingerprint|"
    r"place|issue|order|charge|record|publickeytoken|name|user|host|file|package|branch|tag)[\w-]{0,12}[\"']?\s{0,2}[:=]?\s{0,2}[\"']?$|"
    r"\bh1:$|\bexamples?[\"']?: ?[\"']?$|(?:\bid|port|etag|generation|hash|digest|cache\.key)[\"'], ?[\"']value[\"'][^\n]{0,32}$|"
    r"sha\d+-[\w+/]{0,60}$|base64,$|p(?:oo|o|ue)rt[oas]{0,2} (?:is |ist |est |es |è |are )?$|(?<=\w)@$|"
    r"\b(?:says|error|status|exit|close|return(?:ed|s)?|http|response) code:? $|\breceipts? $|"
    r"\bcache (?:hit|miss|restored|saved)\b[^\n]{0,24}: $|"
    r"\b(?:cached?|caching|restored?|sav(?:ed|ing)|hit|miss)\b[^\n]{0,32}\bkeys?[\"']?[:=] ?[\"']?(?:[a-z]\w{0,12}:){0,3}$|"
    r"://[^\s/]{1,80}:$|\w\.[a-z]{2,12}:$|\b[A-Z]{2,}_[A-Z_]{2,24} \Z",
    re.IGNORECASE,
)
_OF_URL = re.compile(r"(?:\w/$|://|[\s\"'(]/|[?&]\w{1,24}=)[^\s\"'<>]{0,200}\Z")
_NUMBERS = re.compile(r"(?<![\w.,/-])\d+(?:\.\d+)?(?![\w/-])")
_LONGEST = 600
"""Characters of a value. Keys of more have a head line, and so a rule."""
_MANY = 5
_SHORT_PHONE = 9
_DAY_OF_LOG = 6
_MOST_OF_ACCOUNT = 25
"""Digits. More are two numbers."""
_FIGURES = re.compile(r"[\d .a-z-]{1,32}")
_DUMPED = re.compile(r"(?:\b[0-9a-f]{2} ){3}")
_COLUMNS = re.compile(r"\d{6,} +\d{6,}|.*(?:\d0{4,}|01234567).*")
"""Two of a table's, or as round as no account is."""
_HOST = re.compile(r"[a-z]+\d{0,3}(?:-[a-z]+\d{0,3}){1,3}|[a-z]+(?:-[a-z]+){0,3}-?\d{1,3}")
_OF_HOST = re.compile(r"\b(?:for|of|to|on|für|von|de|di|del|voor|van|pour|para|per) \Z")
_EXAMPLE = re.compile(
    r"\b(?:for example|for instance|e\.g\.|such as|z\. ?B\.|par exemple|p\. ?ej\.|por ejemplo|ad es\.|bijv\.)[:,]? [`\"']?\Z",
    re.IGNORECASE,
)
_NOBODYS = re.compile(
    r"\b(?:order|invoice|ticket|tracking|booking|case|crime|demande|commande|bestell\w*|rechnung\w*|auftrag\w*|vorgang\w*|pedido|expediente|dossier|pratica|zaak|aktenzeichen|ordine|fattura|factura|facture|job|build)"
    r"(?:[ _-]?(?:number|ref(?:erence)?|num|no|nr|id|nummer))?[.:#]?(?: ?n[°º.])?(?: (?:is|was|ist|est|es)(?: still| now)?)?[ :]{0,2}\Z",
    re.IGNORECASE,
)
_PART_NUMBER = re.compile(r"[A-Z]{2,6}\d{0,3}[- ]\d{1,6}(?:-\d{1,6}){0,3}")
"""``DIN-912-6``, ``AVX-512``"""
_MADE_UP = 23
"""Characters. A longer one that looks made up is no other thing."""
_LINE = 160
_SENT_AT = re.compile(r"^\s*\[[\d:., /-]{4,24}\]\s?")
"""When a line of a chat was written."""
_PROGRAM = re.compile(r"[{}\[\]|<>;\\=]|\w\(|(?<!\w)--?\w|^\s*(?:19|20)\d\d-\d\d-\d\d| {3}\S")
_SMALL_WORD = re.compile(r"(?<![^\s\"'(¿¡“«])[^\W\d_A-ZÀ-Þ][^\W\d_A-ZÀ-Þ’']+(?=[\s,.:!?)]|$)")
_SENTENCE = 2
"""Words in small letters that a line has which somebody says."""
_SURE_IN_PROGRAM, _SURE_IN_RECORD, _SURE_OF_DIGITS, _SURE_OF_NOBODYS = 0.985, 0.9, 0.88, 0.985
_LIKELY = 0.6
_IDENTIFIER = re.compile(
    r"(?=.*[a-z]{3})[a-z]{2,}\d{0,4}[a-z]{0,2}(?:[._-][a-z0-9]{1,12}){1,4}|[a-z]+\.[A-Z]\w+|-\d+|"
    r"(?=.*[a-z]{3})[a-z]{2,24}\d{0,3}(?:[._/#-](?:[a-z]{1,24}\d{0,3}|\d[a-z\d]{0,7}))+/?"
)
"""What programs call things: ``memchr_avx2``, ``cortex-m0plus``, ``atomic.Uint64``."""
_OPTION = re.compile(r"--?[a-z][\w-]+ ")
_BYTES = re.compile(r"[0-9a-f]{2}(?: [0-9a-f]{2})+")
_BLOB_LINE = 40
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_OF_BLOB = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_DATA = re.compile(r";base64,|^[0-9a-f]{6,8}:? ")
_POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}")
_OF_IBAN = re.compile(r"\b[A-Z]{2}\d\d ?(?:[A-Z0-9]{4} ?){1,7}\Z")
_THIRD_COLUMN = re.compile(r"\d{5,} +\d{5,} +\Z")
_UNITS = re.compile(r"\b(?:[mnuµ]?s|[kMG]i?B|min|h|rps|x)\b")
_BLANKS = re.compile(r"\s*")
_OPERATION = re.compile(r"[a-z]{3,12}\d{1,3}")
"""``endbr64``, ``sha256``"""
_DIGEST = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,16}")
"""Shortened, as of commits and images."""
_MEASURE = re.compile(r"[A-Z]{2,4}\d")
"""``FEV1``"""
_ROUTING_KEY = re.compile(r"\b[A-Z]\d[\dW] $|,,\Z")
"""Of an Eircode, whose other half follows; or of a telephone that dials on."""
_CALLED = re.compile(r"\w\([\"']\Z")
_MONEY_OR_MEASURE = re.compile(
    r" ?(?:%|€|\$|£|[kMG]i?B\b|[mnuµ]s\b|(?:bytes|rows|requests|pixels|px|iterations|ops)\b|EUR\b|USD\b|CHF\b|kg\b|km\b)"
)
_FIGURES_ALONE = re.compile(r"\d(?:[ .]?\d)*")
_BY_DEFAULT = re.compile(r" by default\b")
_FRACTION_BEFORE = re.compile(r"\d\.\Z")
_DECIMAL = re.compile(r"[.,]\d")
_DATE = re.compile(
    r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?(?:[T ].*)?|\d\d?[./-]\d\d?[./-]\d{2,4}|(?:19|20)\d\d(?: ?[-–/] ?(?:19|20)?\d\d)?|\d\d?:\d\d.*|"
    r"\d{1,3}(?:[.,]\d{3})*[.,]\d{1,2}"
)


_SORT_CODE = re.compile(r"\d\d-\d\d-\d\d")


def whole_value(text: str, start: int, end: int, entity: str) -> tuple[int, int]:
    """``start`` and ``end`` moved out to where what has been found begins and ends."""
    before, after = (_BEFORE, _AFTER) if entity == "CREDENTIAL" else (_NUMBER_BEFORE, _NUMBER_AFTER)
    first = before.search(text, max(0, start - 64), start)
    last = after.match(text, end)
    begin, close = first.start() if first else start, last.end() if last else end
    while close > end and text[close - 1] in _STOPS:
        close -= 1
    if text.startswith("**", begin - 2) and text.endswith("**", begin, close) and close - begin > _BOLD:
        # Bold, in Markdown.
        close -= 2
    return begin, close


def is_doubtful_value(
    text: str, start: int, end: int, entity: str, sure: float, *, code: bool = False, personal: bool | None = None
) -> bool:
    """``code``: whether it stands on a line of a program; ``personal``: whether the text is about people, as far as anybody knows."""
    if end - start > _LONGEST or (_BLANKS.fullmatch(text, 0, start) is not None and _BLANKS.fullmatch(text, end) is not None):
        # Of what stands alone nothing around it can tell what it is.
        return True
    value = text[start:end]
    if value.isdigit() and text.startswith("]", end) and _PROCESS.search(text, max(0, start - 16), start) is not None:
        return True
    if entity == "CREDENTIAL":
        return _is_no_secret(text, start, value, sure, code, personal)
    if personal is False and sure < _SURE_OF_NOBODYS:
        return True
    if (
        (_DATE.fullmatch(value) is not None and (entity != "BANK_ACCOUNT" or _SORT_CODE.fullmatch(value) is None))
        or _MONEY_OR_MEASURE.match(text, end) is not None
        or _DECIMAL.match(text, end) is not None
        or _FRACTION_BEFORE.search(text, max(0, start - 2), start) is not None
    ):
        return True
    digits = sum(map(str.isdigit, value))
    if digits == len(value) == _DAY_OF_LOG and _TIME_OF_LOG.match(text, end) is not None:
        return True
    before = text[max(0, start - 48) : start]
    if _NOBODYS.search(before) is not None or _THIRD_COLUMN.search(before) is not None or _OF_IBAN.search(before) is not None:
        return True
    if _is_of_figures(text, start, end) or _is_sequence(value):
        return True
    if (code and sure < 0.9) or _COLUMNS.fullmatch(value) is not None:
        return True
    # Among the figures of somebody's record there are some of a bank and of a telephone.
    if not (personal and entity != "PERSONAL_NUMBER" and sure > _LIKELY) and _is_one_of_many(text, start, end, sure):
        return True
    if entity == "PHONE_NUMBER":
        return not 6 <= digits <= 16 or (digits < _SHORT_PHONE and sure < 0.9)
    if entity == "BANK_ACCOUNT" and digits > _MOST_OF_ACCOUNT:
        return True
    if entity == "BANK_ACCOUNT" and digits == len(value) < 6:
        return sure < 0.9
    return digits < (5 if entity == "PERSONAL_NUMBER" and len(value) < 8 else 4)


def _is_no_secret(text: str, start: int, value: str, sure: float, code: bool, personal: bool | None) -> bool:
    if value.replace("_", "").isalnum() and len(_CAPITALIZED.findall(value)) > _NAME_OF_TYPE:
        return True
    if len(value) < 4 or "\n" in value or _NO_SECRET.fullmatch(value) is not None or _OF_PROGRAM.fullmatch(value) is not None:
        return True
    before = text[max(0, start - 64) : start]
    line = before.rpartition("\n")[2]
    if _NO_KEY.search(line) is not None or _EXAMPLE.search(line) is not None or _ROUTING_KEY.search(line) is not None:
        return True
    if _NOBODYS.search(line) is not None or _POSTCODE.fullmatch(value) is not None:
        return True
    if _FIGURES_ALONE.fullmatch(value) is not None and (
        _MONEY_OR_MEASURE.match(text, start + len(value)) is not None or _BY_DEFAULT.match(text, start + len(value)) is not None
    ):
        return True
    announced = _GETTING_IN.search(line) is not None
    if not announced and (
        (personal is False and _OPERATION.fullmatch(value) is not None)
        or _DIGEST.fullmatch(value) is not None
        or (personal is False and " " in value)
        or (value.endswith("=") and is_text(value))
    ):
        return True
    if not announced and (
        (value.isdigit() and line.endswith("=")) or (line.endswith("**") and not any(map(str.isdigit, value)))
    ):
        # A number that a log assigns, a word in bold.
        return True
    if not announced and (is_of_machine(value) or _is_unlikely(text, start, value, line, sure, personal)):
        return True
    if not announced and _FIGURES.fullmatch(value) is not None:
        end = start + len(value)
        if _DUMPED.search(line) is not None or (len(value) > 3 and _is_one_of_many(text, start, end, sure)):
            return True
    if _HOST.fullmatch(value) is not None and _OF_HOST.search(line) is not None:
        return True
    code = code or _CALLED.search(line) is not None
    if _BYTES.fullmatch(value) is not None and (
        _DUMPED.search(before) is not None or _DUMPED.search(text, start, start + 40) is not None
    ):
        return True
    if value.isalpha() or " " in value or not is_value(value):
        return sure < (0.6 if any(map(str.isdigit, value)) else 0.95) or code
    of_login = text[start + len(value) : start + len(value) + 1] == "@"
    if not announced and _MEASURE.fullmatch(value) is not None:
        return True
    if (
        not announced
        and not of_login
        and (_HEX.fullmatch(value) is not None or _OF_URL.search(before) is not None or (code and not is_made_up(value)))
    ):
        return True
    return not announced and sure < 0.6


def _is_unlikely(text: str, start: int, value: str, line: str, sure: float, personal: bool | None) -> bool:
    """Whether nothing says that it is a secret: what stands in a program, a log or a table is something else, unless the model is very sure."""
    if _PART_NUMBER.fullmatch(value) is not None or _OPTION.match(value) is not None or _is_of_blob(text, start, value):
        return True
    if len(value) > _MADE_UP and is_made_up(value) and _IDENTIFIER.fullmatch(value) is None:
        return False
    after = text[start + len(value) : start + len(value) + _LINE].partition("\n")[0]
    if not line.strip() and not after.strip():
        return False
    whole = _SENT_AT.sub("", line) + " " + after
    if _PROGRAM.search(whole) is not None or len(_SMALL_WORD.findall(whole)) < _SENTENCE:
        return sure < (_SURE_IN_PROGRAM if personal is False else _SURE_IN_RECORD) or _IDENTIFIER.fullmatch(value) is not None
    return value.isdigit() and sure < _SURE_OF_DIGITS


def _is_of_blob(text: str, start: int, value: str) -> bool:
    """Whether it is a line among such lines: of an image, a certificate, a dump."""
    if _OF_BLOB.fullmatch(value) is None:
        return False
    end = start + len(value)
    above, below = text[max(0, start - 200) : start].split("\n"), text[end : end + 200].split("\n")
    beside = [*above[-2:-1], *(below[1:2] if len(value) >= _BLOB_LINE else ())]
    return any(_BLOB.fullmatch(each.strip()) is not None for each in beside) or (
        len(above) > 1 and len(value) >= _BLOB_LINE and _DATA.search(above[-2]) is not None
    )


def _is_sequence(value: str) -> bool:
    """``100 200 300``"""
    figures = value.split()
    if len(figures) < 3 or not all(map(str.isdigit, figures)):
        return False
    steps = {int(second) - int(first) for first, second in pairwise(figures)}
    return len(steps) == 1


def _is_of_figures(text: str, start: int, end: int) -> bool:
    """Whether it stands in a row of a table with other figures and no word."""
    begin = text.rfind("\n", max(0, start - 120), start) + 1
    close = text.find("\n", end, end + 120)
    before, after = text[max(begin, start - 120) : start], text[end : close if close != -1 else end + 120]
    others = _UNITS.sub("", before + after)
    return any(map(str.isdigit, others)) and "|" in others and not any(map(str.isalpha, others))


def _is_one_of_many(text: str, start: int, end: int, sure: float) -> bool:
    """Whether it is a number among such that nothing parts: of a table of figures or a sequence."""
    if sure > 0.99:
        return False
    begin = text.rfind("\n", max(0, start - 120), start) + 1 or max(0, start - 120)
    close = text.find("\n", end, end + 120)
    return len(_NUMBERS.findall(text, begin, close if close != -1 else end + 120)) >= _MANY


__all__ = ["VALUES", "is_doubtful_value", "whole_value"]
