"""Check digits for which presidio has no function that is right for us. Each takes digits without separators, but the last."""

import hashlib


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right doubled, cross sums, divisible by ten."""
    total = 0
    for place, character in enumerate(reversed(number)):
        digit = int(character)
        if place % 2:
            digit *= 2
            digit -= 9 * (digit > 9)
        total += digit
    return total % 10 == 0


def nir(number: str) -> bool:
    """Numéro d'inscription au répertoire (INSEE, décret n° 82-103): 97 less the first 13 digits modulo 97. Corsica: 2A is 19, 2B is 18."""
    body = number[:13].upper().replace("2A", "19").replace("2B", "18")
    return len(number) == 15 and body.isdigit() and number[13:].isdigit() and 97 - int(body) % 97 == int(number[13:])


def spi(number: str) -> bool:
    """Numéro fiscal de référence (OECD, TIN information sheet France): first ten digits modulo 511 are the last three."""
    return len(number) == 13 and number[0] in "0123" and int(number[:10]) % 511 == int(number[10:])


def bsn(number: str) -> bool:
    """Burgerservicenummer (Logisch Ontwerp BSN): the eleven test with weights 9 to 2 and -1."""
    if len(number) != 9 or number == "000000000":
        return False
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True)) % 11 == 0


def nuss(number: str) -> bool:
    """Número de la Seguridad Social (Orden ESS/214/2018 keeps it): province and serial modulo 97 are the last two digits.

    The serial is written with eight digits, and counts with seven when its first is zero.
    """
    if len(number) not in (11, 12):
        return False
    province, serial, check = number[:2], number[2:-2], number[-2:]
    return (int(province) * 10 ** (7 if int(serial) < 10_000_000 else 8) + int(serial)) % 97 == int(check)


def utr(number: str) -> bool:
    """Unique Taxpayer Reference (HMRC, MTD specification of the modulus 11 check): the first digit checks the other nine."""
    weights = (6, 7, 8, 9, 10, 5, 4, 3, 2)
    remainder = sum(int(digit) * weight for digit, weight in zip(number[1:], weights, strict=True)) % 11
    return len(number) == 10 and "21987654321"[remainder] == number[0]


_BASE58 = {sign: place for place, sign in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}


def base58check(address: str) -> bool:
    """An address of 21 bytes in Bitcoin's base 58 (Bitcoin Core, base58.cpp): the last four are the beginning of a double SHA-256."""
    number = 0
    for sign in address:
        number = number * 58 + _BASE58[sign]
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


__all__ = ["base58check", "bsn", "luhn", "nir", "nuss", "spi", "utr"]
