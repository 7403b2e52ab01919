"""What a credential looks like: told from a word, a variable, a version and a digest."""

import base64
import binascii
import math
import re
from collections import Counter
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase, digits

PASSWORD = r"(?:pass(?:word|wort|code|phrase|wd)?|pwd?|kennwort|contraseña|mot de passe|wachtwoord|parola d['’]ordine|senha|mdp|psw|clave)"
"""The words for one."""

_ENTROPY_BITS = 4.3
"""Of a character. Words and identifiers have 3 to 4, random letters and digits of this length above 4.5."""
_CHANGES = 12
"""So often at least the class of character (upper, lower, digit) changes in what nobody typed."""

_CODE = re.compile(
    r"[a-z_]\w*(?:\.\w+)+(?:@[0-9a-f]{5,8})?|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z]+(?:[_-][a-z]+)*\d?|[\^~<>=v]{0,3}\d+(?:\.(?:\d+|[x*]))*|"
    r"[\^~<>=v]{0,3}\d+(?:\.\d+){2}-[a-z]+\.?\d*|(?:sha|md|SHA|MD)-?\d+.*|"
    r"[a-z]+\d+-(?:encoded|hashed|encrypted|based|only|compatible)|v\d+-[a-z]+|\d+[smhd]|/[\w./-]+|"
    r"[a-z]{2,16}:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|"
    r"\w+\[.*|[a-z]+\d?:(?:[a-z]+:?)+|\$(?:[A-Z_][A-Z0-9_]*|[a-z_][a-z0-9_]*)|:?:?[A-Za-z_]+[A-Za-z_.]{2,}\(.*|[*x#.]+|.*(?:\$\{|"
    r"\$\(|%\(|://|\(\)|=>|!=|==(?!=?\Z)).*|@{1,2}[a-z][\w.?!]*|[A-Za-z][a-z_]*\??|[A-Z]?[a-z]+(?:[A-Z][a-z]+)*\d?",
    re.DOTALL,
)


_OF_MACHINE = re.compile(
    r"(?:[A-Za-z0-9_-]{1,63}\.){1,6}(?:com|org|net|edu|gov|io|local|internal|corp|lan|intra)(?::\d{2,5})?(?: [A-Z]{2,6})?|"
    r"(?:[A-Za-z0-9_-]{1,63}\.){2,6}[a-z]{2}(?::\d{2,5})?(?: [A-Z]{2,6})?|"
    r"[A-Za-z]+\d?(?:-\d{1,3}){3,5}|[\w.$]{4,80}@[0-9a-f]{5,8}|[a-z]{2,8}-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|"
    r"[\w-]+\.(?:exe|apk|so|dll|dylib|properties|plist|class|bin|service)|[A-Z]{1,3}\d{1,3}(?:-[A-Z]{1,2}\d{0,3}){1,5}(?::[A-Z]\d{1,3}(?:-[A-Z]\d{1,3})?)?|"
    r"[A-Z][A-Za-z]{1,24}(?:_[A-Z][A-Za-z]{1,30}){1,4}|KUBE-[A-Z]{2,4}-[A-Z0-9]{16}|[a-z0-9]{1,16}(?:-[a-z0-9]{1,16}){1,12}-[0-9a-f]{8,10}-[a-z0-9]{4,5}"
)


def is_value(value: str) -> bool:
    """Whether it may be a secret: not a path into an object, a variable, a constant's name, a call, a version or a file."""
    return _CODE.fullmatch(value) is None


def is_of_machine(value: str) -> bool:
    """Whether it is what logs call hosts, places in a rack, objects, requests, files and classes."""
    return _OF_MACHINE.fullmatch(value) is not None


_MAC = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
_SIGNS = re.compile(r"[!@#$%^&*+=?~_-]")


def is_made_up(value: str) -> bool:
    """Whether three of small letters, capitals, digits and signs are in it, as in no word."""
    small, large, digit = any(map(str.islower, value)), any(map(str.isupper, value)), any(map(str.isdigit, value))
    sign = _SIGNS.search(value) is not None or "." in value
    long = len(value) > 15
    return len(value) > 5 and digit and (small + large + sign > 1 or long) and is_value(value) and _MAC.fullmatch(value) is None


_KINDS = str.maketrans(
    {**dict.fromkeys(ascii_uppercase, "u"), **dict.fromkeys(ascii_lowercase, "l"), **dict.fromkeys(digits, "d"), "_": "-"}
)


def is_random(token: str) -> bool:
    kinds = token.translate(_KINDS)
    if min(kinds.count("u"), kinds.count("l"), kinds.count("d")) < 3 or kinds.count("-") > 3:
        return False
    if sum(a != b for a, b in pairwise(kinds)) < _CHANGES:
        return False
    if -sum(n / len(token) * math.log2(n / len(token)) for n in Counter(token).values()) < _ENTROPY_BITS:
        return False
    return not is_text(token)


def is_text(token: str) -> bool:
    """Whether it is base64 of something readable: a fixture, an attachment, no key."""
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return all(32 <= byte < 127 or byte in (9, 10, 13) for byte in decoded)


__all__ = ["PASSWORD", "is_made_up", "is_of_machine", "is_random", "is_text", "is_value"]
