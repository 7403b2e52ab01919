"""What somebody is asked for, and answers on the next line of a chat: ``what's the wifi password?`` – ``Ann: oui c Tulip-lamp-41``.

The word that announces stands in the question, so that nothing but the answer itself is on its line.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.lowered import Lowered, Words

# What a line may begin with: who speaks and when, and what one says before the answer.
_ANSWER = (
    r"[^\n?]{0,40}\n{1,2}[ \t>*-]{0,4}(?:[^\n:>]{1,40}(?::\d\d){0,2}[^\n:>]{0,40}[:>][ \t]{1,3})?"
    r"(?:(?:yes|yep|yeah|sure|ok|okay|sorry|of course|oui|bien sûr|si|sì|sí|claro|certo|ja|klar|natürlich|zeker|um|uh|er|erm|äh|euh|so|well|"
    r"hi|hello|thanks|it|it['’]s|"
    r"its|that['’]s|this is|that is|is|the|my|mine|number|code|pin|password|c|c['’]est|est|le|la|mon|ma|es|el|mi|è|il|mio|mia|das|ist|"
    r"lautet|mein|meine|die|der|het|de|mijn)[,:.!]? ){0,6}[\"'`“]?"
)
_ASKED = r"(?:\?|(?:(?<= again)|(?<= please)|(?<= pls)|(?<= plz)|(?<= bitte)|(?<= stp))(?=[ \t]*\n))"
"""How a question ends."""
_PASSWORD = re.compile(
    r"(?<![a-z])(?:pass(?:word|wort|code|phrase|wd)?|pwd?|mdp|psw|kennwort|mot de passe|contraseña|clave|wachtwoord|parola d['’]ordine|"
    rf"(?:api |access |secret )?(?:key|token)|"
    rf"schlüssel)(?![a-z])[^\n?]{{0,48}}{_ASKED}{_ANSWER}(?P<value>(?![^\s]{{1,40}}:(?: |$))[^\s\"'`”<>]{{6,64}})(?=[\s\"'`”]|$)",
    re.MULTILINE,
)
_PIN = re.compile(
    r"(?<![a-z])(?:pin(?:code|nummer)?|(?:door|gate|alarm|entry|lock ?box|key ?safe|access|garage|building|tür|haus|tor|"
    r"toegangs)[ -]?code|code|"
    r"código|codigo|codice|digicode|otp|passcode|combination)(?![a-z])"
    rf"[^\n?]{{0,48}}{_ASKED}{_ANSWER}(?P<value>\d{{4,8}}|\d{{3}}[ -]\d{{3}}|\d{{2}} \d{{2}} \d{{2}}|"
    rf"\d{{2,4}}[a-z]\d{{0,4}}|[a-z]\d{{3,6}}[a-z]?)(?![\w-]|[.,:/]\d)"
)
_ANNOUNCED_CODE = re.compile(
    r"(?<![a-z])(?:otp|one[ -]time (?:code|password|pin)|verification code|security code|einmalcode|code de vérification|codice di verifica|"
    r"código de verificación|sms[ -]?code)(?![a-z])[^\n]{0,90}\n{1,2}(?:[^\n]{1,60}\n)??(?P<value>\d{4,8}|\d{3}[ -]\d{3})(?=[ \t]*(?:\n|$))"
)
"""Somebody is to tell a code when it comes; the next one who writes, writes nothing else."""
_ACCOUNT = re.compile(
    r"(?<![a-z])(?:account|acct|konto(?:nummer)?|compte|conto|cuenta|rekening(?:nummer)?|direct deposit)(?![a-z])"
    rf"[^\n?]{{0,48}}{_ASKED}{_ANSWER}(?P<value>\d(?:[ -]?\d){{6,13}})(?![\w-]|[.,:/]\d)"
)
_CARD = re.compile(
    r"(?<![a-z])(?:card|karten?|carte|carta|tarjeta|kaart)(?:[ -]?(?:number|no|nr|nummer)| bancaire| di credito| de crédito)(?![a-z])"
    rf"[^\n?]{{0,48}}{_ASKED}{_ANSWER}(?P<value>\d(?:[ -]?\d){{11,18}})(?![\w-]|[.,:/]\d)"
)
_DOCUMENT = re.compile(
    r"(?<![a-z])(?:passport|licen[cs]e|id(?:entity)? card|(?:member|membership|policy|customer|patient|insurance|employee|staff|"
    r"student|reference|ausweis|pass|versicherten|kunden|mitglieds|klant|polis|document)[ -]?(?:id|number|no|nr|nummer|#)|numéro|"
    r"número|numero)(?![a-z])"
    rf"[^\n?]{{0,48}}{_ASKED}{_ANSWER}(?P<value>(?=(?:[a-z -]{{0,6}}\d){{5}})[a-z]{{0,4}}[ -]?(?:[\d-]{{5,16}}|"
    rf"\d{{3,6}}(?: \d{{2,6}}){{1,4}})[a-z]?)(?![\w-]|[.,:/]\d)"
)
_MONTH = (
    r"(?:jan|feb|mar|apr|ma[iy]|ju[nl]|aug|sep|o[ck]t|nov|de[cz]|ene|abr|ago|dic|gen|mag|giu|lug|set|ott|fév|avr|mär|août|juin|juil)"
    r"[a-zéû]{0,6}\.?"
)
_BORN = re.compile(
    rf"(?:geburts(?:datum|tag)|date of birth|birth(?:day|date)|(?<![a-z])dob(?![a-z])|(?:date de nais|data di nas)c?(?:sance|ita)|"
    rf"n[ée]e? le|nacimiento|"
    rf"geboortedatum|data urodzenia)[^\n]{{0,48}}{_ANSWER}(?P<value>\d{{1,2}}(?P<s>[./-])\d{{1,2}}(?P=s)"
    rf"(?:(?:19|20)\d\d|\d\d(?!,? \d\d?:\d\d))|"
    rf"(?:19|20)\d\d-\d\d-\d\d(?![ T]\d)|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d\d|"
    rf"\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH},? (?:de )?(?:19|20)\d\d)(?!\w)"
)
_BORN_WORDS = Words(
    ("geburts", "birth", "dob", "naissance", "nascita", "né le", "née le", "nacimiento", "geboortedatum", "urodzenia")
)
_PASSWORD_WORDS = Words(
    ("pass", "pwd", "pw", "mdp", "psw", "kennwort", "contraseña", "clave", "wachtwoord", "parola", "key", "token", "schlüssel")
)
_PIN_WORDS = Words(("pin", "code", "código", "codigo", "codice", "otp", "combination"))
_ONE_TIME_WORDS = Words(("otp", "one time", "one-time", "verif", "security code", "einmalcode", "sms"))
_ACCOUNT_WORDS = Words(("account", "acct", "konto", "compte", "conto", "cuenta", "rekening", "deposit"))
_CARD_WORDS = Words(("card", "karte", "carte", "carta", "tarjeta", "kaart"))
_DOCUMENT_WORDS = Words(
    ("passport", "licen", "card", "number", " no", "nummer", "nr", " id", "#", "numéro", "número", "numero")
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_GUESSED = re.compile(r"[\d!@#$%^&*+=?~_]")


def asked(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order."""
    if "\n" not in text:
        return
    if _PASSWORD_WORDS.any_within(lowered):
        for match in _PASSWORD.finditer(lowered):
            start = match.start("value")
            value = text[start : match.end("value")].rstrip(".,;:!")
            # Nobody's password is a word; in words joined by dashes it is the digit that tells.
            if _WORD.fullmatch(value) is None and _GUESSED.search(value) is not None:
                yield Finding(start, start + len(value), "CREDENTIAL", "SECRET", 0.6)
    for words, pattern, entity, stem in (
        (_PIN_WORDS, _PIN, "CREDENTIAL", "SECRET"),
        (_ONE_TIME_WORDS, _ANNOUNCED_CODE, "CREDENTIAL", "SECRET"),
        (_ACCOUNT_WORDS, _ACCOUNT, "BANK_ACCOUNT", "ACCOUNT"),
        (_CARD_WORDS, _CARD, "CREDIT_CARD", "CARD"),
        (_DOCUMENT_WORDS, _DOCUMENT, "IDENTITY_DOCUMENT", "ID"),
        (_BORN_WORDS, _BORN, "DATE_OF_BIRTH", "DOB"),
    ):
        if words.any_within(lowered):
            for match in pattern.finditer(lowered):
                yield Finding(*match.span("value"), entity, stem, 0.85 if stem == "CARD" else 0.6)


__all__ = ["asked"]
