"""Numbers that a state, a tax office or a health service gives to a person: Germany, France, Italy, Spain, the Netherlands, the United
Kingdom, the United States, Canada, India and Australia.

**Announced** ("NHS number", "Steuer-ID"), the shape is enough. **Not announced**, a shape that is its own needs its checksum, and a shape
that bare numbers share (nine digits) the checksum and a word of its world ("Finanzamt") nearby.

Checksums are presidio's where it has them; the others are in ``checksums``, each with its source.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from services.policy.findings import Finding
from services.policy.recognizers.announced import CLOSE, FAR, Announcements, announced, announcement
from services.policy.recognizers.checksums import bsn, luhn, nir, nuss, spi, utr
from services.policy.recognizers.lowered import Lowered

# An identifier of capitals and digits that has at least four digits; and one with at least two, for passports.
_CODE = r"(?=(?:[A-Z-]{0,8}\d){4})[A-Z0-9][A-Z0-9-]{4,17}"
_PASSPORT = r"(?=(?:[A-Z]{0,6}\d){2})[A-Z0-9]{6,10}"
_DOCUMENT = r"(?=(?:[A-Z]{0,8}[ -]?\d){3})[A-Z0-9](?:[ -]?[A-Z0-9]){5,17}"
_NUMBER = r"(?:[ _.-]{0,2}(?:number|num|no|nr|n°|nº|#|numero|número|numéro|nummer|id|code|card)\.?)?"


def _digits(low: int, high: int, separators: str = " .-") -> str:
    """From ``low`` to ``high`` digits, at most one separator between two."""
    return rf"\d(?:[{separators}]?\d){{{low - 1},{high - 1}}}"


ANNOUNCED = Announcements(
    # United States
    announcement(
        "US_SSN", "SSN", "ssn|social sec|social_sec|socialsec|ss#|ss #|soc sec|my social|social is|social:|social #",
        r"(?:ssn|(?:my )?social(?= is|:| #|'s| num|,? \d)|social[ _-]?security(?: (?:no|number|num|nr|#))?|ss ?#|"
        r"soc\.? sec\.?)", r"\d{3}[ .-]?\d{2}[ .-]?\d{4}", gap=FAR,
    ),
    announcement(
        "US_ITIN", "ID", "itin|taxpayer id|tax_id|tax id|taxid|tin:|tin ", r"(?:itin|taxpayer id\w*|tax[ _]?id\w*|\btin\b)",
        r"9\d{2}[ -]?\d{2}[ -]?\d{4}",
    ),
    announcement(
        "US_EIN", "ID", "ein|employer id|tax id|tax_id|taxid|fein|tin ", r"(?:\bf?ein\b|\btin\b|employer id\w*|tax[ _]?id\w*)",
        r"\d{2}-?\d{7}"
    ),
    announcement(
        "US_MEDICARE", "ID", "medicare|mbi", r"(?:medicare|mbi)", r"[1-9][A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d-?[A-Z]{2}\d{2}"
    ),
    announcement("US_NPI", "ID", "npi|national provider", r"(?:npi|national provider id\w*)", r"[12]\d{9}"),
    announcement("DEVICE_ID", "ID", "imei", r"imei", r"\d{2}[ -]?\d{6}[ -]?\d{6}[ -]?\d{1,2}"),
    # United Kingdom
    announcement(
        "UK_NHS", "ID", "nhs|national health|chi ", r"(?:nhs|national health(?: service)?|chi)(?: ?/ ?(?:nhs|chi))?",
        r"\d{3}[ .-]?\d{3}[ .-]?\d{4}", gap=FAR,
    ),
    announcement(
        "UK_NINO", "ID", "national ins|nino|ni n|ni:|ni #|insurance n",
        r"(?:national ins(?:urance)?|nino|ni(?: number| no\.?|:| #)|insurance (?:no|number))",
        r"[A-Za-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-Za-z]?", gap=r"[^\d\n]{0,60}?(?:\n[^\d\n]{0,8}?)?",
    ),
    announcement("UK_UTR", "ID", "utr|taxpayer ref", r"(?:utr|(?:unique )?taxpayer'?s? ref\w*)", r"\d{5} ?\d{5}", gap=FAR),
    # Germany
    announcement(
        "DE_TAX_ID", "ID", "steuer|idnr|identifikationsn|tax id",
        r"(?:steuer[ -]?(?:id|identifikations?)\w*|steuerliche\w* identifikations\w*|idnr|id-nr|identifikationsn\w*|"
        r"german tax id\w*)",
        r"\d{2}[ ./]?\d{3}[ ./]?\d{3}[ ./]?\d{3}|" + _digits(10, 13, " "), gap=FAR,
    ),
    announcement(
        "DE_TAX_NUMBER", "ID", "steuernummer|steuer-nr|st.-nr|stnr|steuernr|st.nr|tax n|taxn",
        r"(?:steuer-?n(?:umme)?r|st\.?-?nr|tax ?(?:number|no)(?=.{1,6}\d{2,3}/))",
        r"\d{2,3}[ /]?\d{3,4}[ /]?\d{4,5}",
    ),
    announcement(
        "DE_SOCIAL_SECURITY", "ID", "versicherungsn|svnr|sv-n|rvnr|rentenvers|sozialvers|versicherungs-n",
        r"(?:(?:sozial|renten)?versicherungs-?n\w*|rentenversicherung\w*|sozialversicherung\w*|svnr|sv-n\w*|rvnr)",
        r"\d{2} ?\d{6} ?[A-Za-z] ?\d{2} ?\d", gap=FAR,
    ),
    announcement(
        "DE_HEALTH_INSURANCE", "ID", "versichert|krankenvers|kvnr|kv-nr|gesundheitskart|krankenkass",
        r"(?:kranken(?:versicher\w*|kasse\w*)|versicherten\w*|kv-?nr|gesundheitskarte\w*)", r"[A-Z] ?\d{3} ?\d{3} ?\d{3}",
    ),
    # France
    announcement(
        "FR_NIR", "ID", "sécurité sociale|securite sociale|sécu|nir|vitale|assuré|insee|n° ss|social security",
        r"(?:s[ée]curit[ée] sociale|s[ée]cu\b|nir\b|(?:carte )?vitale|assur[ée]e?|insee|n° ss|french social security)",
        r"[12378] ?\d{2} ?\d{2} ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3}(?: ?[/|-]? ?\d{2})?", gap=FAR,
    ),
    announcement(
        "FR_TAX_ID", "ID", "fiscal|spi|impôt", r"(?:num[ée]ro fiscal\w*|n° fiscal|num[ée]ro spi|spi\b|fiscal(?:e)? (?:n°|"
        r"number|ref\w*)|identifiant fiscal)",
        r"[0-3]\d? ?\d{2} ?\d{3} ?\d{3} ?\d{3}|" + _digits(13, 13, " "),
    ),
    # Italy
    announcement(
        "IT_CODICE_FISCALE", "ID", "fiscal|c.f.|cf|tax code", r"(?:cod(?:ice|\.)? ?fisc(?:ale|\.)?|c\.f\.|cf|fiscal code|"
        r"tax code)",
        r"(?i:[A-Z]{3} ?[A-Z]{3} ?[0-9LMNP-V]{2} ?[A-EHLMPR-T] ?[0-9LMNP-V]{2} ?[A-Z] ?[0-9LMNP-V]{3} ?[A-Z])",
    ),
    announcement("IT_VAT", "ID", "iva", r"(?:p(?:art(?:ita)?)?\.? ?iva)", r"(?:IT ?)?\d{11}"),
    announcement(
        "IT_ID_CARD", "ID", "identit|c.i.", r"(?:carta d['’]identit[àa]|carta identit[àa]|c\.i\.)",
        r"[A-Z]{2} ?\d{5} ?[A-Z]{2}|[A-Z]{2} ?\d{7}|\d{7}[A-Z]{2}"
    ),
    # Spain
    announcement(
        "ES_NIF", "ID", "nif|dni|documento nacional|identificación fiscal",
        r"(?:nif|dni|d\.n\.i\.|n\.i\.f\.|documento nacional de identidad)",
        r"\d{1,2}\.?\d{3}\.?\d{3}[ -]?[A-Za-z]|[KLM]\d{7}[A-Z]",
    ),
    announcement("ES_NIE", "ID", "nie|extranjero", r"(?:nie|n\.i\.e\.|identidad de extranjeros?)",
    r"[XYZxyz][ -]?\d{7}[ -]?[A-Za-z]"),
    announcement(
        "ES_NUSS", "ID", "seguridad social|nuss|nss|naf|afiliación", r"(?:seguridad social|nuss|nss|naf|afiliaci[óo]n)",
        r"\d{2}[ /-]?\d{7,8}[ /-]?\d{2}", gap=FAR,
    ),
    # Netherlands
    announcement(
        "NL_BSN", "ID", "bsn|burgerservice|sofi", r"(?:bsn|burgerservicen\w*|sofi-?n\w*)",
        r"\d{4}[ .]?\d{2}[ .]?\d{3}|\d{3}[ .-]?\d{3}[ .-]?\d{3}|\d{8}", gap=FAR
    ),
    # Canada
    announcement(
        "CA_SIN", "ID", "social insurance|sin:|sin #|sin n|sin on|sin is|(sin|sin ",
        r"(?:social insurance(?: (?:no|number|num))?|(?-i:\bSIN\b)(?: (?:no|number|#))?)",
        r"\d{3}[ .-]?\d{3}[ .-]?\d{3}", gap=FAR,
    ),
    announcement(
        "CA_NAS", "ID", "assurance sociale|nas:|nas |n.a.s.", r"(?:num[ée]ro d['’]assurance sociale|assurance sociale|(?-i:\bNAS\b|N\.A\.S\.))",
        r"\d{3}[ .-]?\d{3}[ .-]?\d{3}"
    ),
    announcement(
        "CA_HEALTH_CARD", "ID", "health card|assurance maladie|ohip|ramq|phn|health number",
        r"(?:health(?: card| number)|assurance maladie|ohip|ramq|phn)",
        r"\d{4}[ -]?\d{3}[ -]?\d{3}(?:[ -]?[A-Z]{1,2})?|[A-Z]{4} ?\d{4} ?\d{4}", gap=FAR,
    ),
    # India
    announcement(
        "IN_AADHAAR", "ID", "aadhaar|aadhar|adhaar|uidai|uid", r"(?:aadhaa?r|adhaar|uidai|uid\b)", r"\d{4}[ -]?\d{4}[ -]?\d{4}", gap=FAR,
        score=0.95,
    ),
    announcement(
        "IN_PAN", "ID", "pan|permanent account", r"(?:(?-i:PAN)|pan (?:no|number|card)|permanent account n\w*)",
        r"[A-Za-z]{5}\d{4}[A-Za-z]"
    ),
    announcement("IN_GSTIN", "ID", "gst", r"gst(?:in)?", r"\d{2}[A-Z]{5}\d{4}[A-Z][A-Z0-9]Z[A-Z0-9]"),
    announcement("IN_VOTER", "ID", "voter|epic", r"(?:voter(?:'s)? id\w*|(?-i:EPIC))", r"[A-Z]{3}\d{7}"),
    # Australia
    announcement("AU_TFN", "ID", "tfn|tax file", r"(?:tfn|tax file(?: n\w*)?)", r"\d{3}[ .-]?\d{3}[ .-]?\d{2,3}", gap=FAR),
    announcement("AU_MEDICARE", "ID", "medicare", r"medicare", r"[2-6]\d{3}[ -]?\d{5}[ -]?\d(?:[ /-]?\d)?", gap=FAR),
    announcement("AU_ABN", "ID", "abn|business number", r"(?:abn|australian business n\w*)",
    r"\d{2}[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d{3}"),
    announcement("AU_ACN", "ID", "acn|company number", r"(?:acn|australian company n\w*)", r"\d{3}[ .-]?\d{3}[ .-]?\d{3}"),
    # Documents that every country has
    announcement(
        "PASSPORT", "ID", "passport|passeport|pasaporte|passaporto|paspoort|reisepass|pass-nr|passnummer|pass nr",
        r"(?:passport|passeport|pasaporte|passaporto|paspoort|reisepass|passnummer|pass[ -]nr)\w*", _PASSPORT +
        r"|[A-Z]{1,2} ?\d{6,8}|\d{3} \d{3} \d{3}",
    ),
    announcement(
        "DRIVER_LICENSE", "ID", "licen|führerschein|fuehrerschein|permis|patente|conduc|rijbewijs|dl #|dl#|dl no|dl:|dvla|drivers|driver's",
        r"(?:driv(?:er'?s?|er’s|ing|ers)[ _-]?licen[cs]es?|drivers(?=[,:] \d)|driver's(?=[,:] \d)|licen[cs]e[ _](?:no|number|num|"
        r"nr|#)\.?|f(?:ü|ue)hrerschein\w*|"
        r"permis de conduire|patente(?: di guida)?"
        r"|(?:permiso|carn[ée]t?|licencia) de conduc\w+|rijbewijs\w*|dl ?(?:#|no\.?|number|:)|dvla)",
        _DOCUMENT, gap=FAR,
    ),
    announcement(
        "ID_CARD", "ID", "ausweis|identity card|id card|national id|identité|identidad|identiteit|id-kaart|identity n|id "
        "number|cni|nationalid|national_id|identification n",
        r"(?:(?:personal)?ausweis\w*|(?:national )?identity (?:card|number|no)|id[ -]card|national[ _-]?id(?:entification)?|"
        r"carte (?:nationale )?d['’]identit[ée]|(?-i:CNI)"
        r"|identiteits\w+|id-kaart|id number|identification number)", _CODE + "|" + _PASSPORT,
    ),
    announcement(
        "VAT_ID", "ID", "vat|ust-id|ustid|umsatzsteuer|tva|btw|siret|siren|cif",
        r"(?:vat(?: (?:no|number|id|reg))?\w*|ust-?id\w*|umsatzsteuer-id\w*|tva(?: intracommunautaire)?|btw-?\w*|sire[tn]|"
        r"(?-i:\bCIF\b))",
        r"(?:DE|GB|FR|IT|ES|NL|AT|BE|IE) ?(?:[A-Z0-9]{2} ?)?\d{3} ?\d{3} ?\d{3}(?: ?\d{2,3}|B\d{2})?|"
        r"\d{3} ?\d{3} ?\d{3}(?: ?\d{5})?|[ABEGHNPQSUVW]-?\d{8}|(?:GB ?)?\d{3} ?\d{4} ?\d{2}(?: ?\d{3})?",
    ),
    announcement(
        "STUDENT_ID", "ID", "student|matrikel|étudiant|estudiante|matricola",
        r"(?:student[ _-]?(?:id|n\w*|nr|#)|matrikel-?(?:nr\.?|nummer)|num[ée]ro d['’][ée]tudiant|matricola)", _CODE,
        gap=r"[^\d\n]{0,16}?",
    ),
    # Health and insurance
    announcement(
        "MEDICAL_RECORD", "ID", "mrn|medical record|patient|chart n|hospital n|krankenakte|patiënt",
        rf"(?:mrn|medical[ _]record|patient[ _-]?(?:id|n\w*|#)|chart|hospital|patiëntn\w*){_NUMBER}", _CODE, gap=CLOSE,
    ),
    announcement(
        "HEALTH_PLAN", "ID", "medicaid|health plan|health_plan|health insurance|membership",
        r"(?:medicaid|health[ _](?:plan|insurance)|membership)(?:[ _-]?(?:beneficiary[ _-]?)?(?:id|number|num|no|nr|#)\.?)",
        r"(?=(?:[A-Z -]{0,8}\d){4})[A-Z0-9](?:[ -]?[A-Z0-9]){5,17}", gap=CLOSE,
    ),
    announcement(
        "US_IMMIGRATION", "ID", "uscis|green card|alien n|a-number|alien reg", r"(?:uscis ?#?|green card(?: (?:number|"
        r"no\.?))?|alien (?:registration )?"
        r"(?:number|no\.?|#)|a-number)", r"A?-?\d{3}-?\d{3}-?\d{3}|[A-Z]{3}\d{10}", gap=CLOSE,
    ),
    announcement(
        "MEDICAL_LICENSE", "ID", "dea |dea#|medical licen", r"(?:\bdea(?: (?:number|no\.?|#|registration)|#)|"
        r"medical licen[sc]e(?: (?:number|no\.?|#))?)",
        r"[A-Z]{1,3}-?\d{4,8}", gap=CLOSE,
    ),
    announcement(
        "INSURANCE_MEMBER", "ID", "member|subscriber|insured|policyholder|policy/|beneficiary",
        r"(?:(?:policy ?/ ?)?member|subscriber|insured|beneficiary)(?:[ _-]?(?:id|number|no|nr|#)\.?)",
        r"(?=(?:[A-Z-]{0,8}\d){4})[A-Z0-9][A-Z0-9 -]{4,16}[A-Z0-9]",
        gap=r"[^\d\n]{0,16}?",
    ),
)  # fmt: skip

# What stands alone, by what it begins with. Separators only where people write them.
_CAPITAL_FIRST = re.compile(
    r"[A-Z](?<![A-Za-z0-9_/+=.-].)(?=[A-Z0-9]{8,15}(?![A-Za-z0-9_/+=]))[A-Z]{0,5}\d[A-Z0-9]{2,14}", re.DOTALL
)
_NINO_SPACED = re.compile(
    r"[A-CEGHJ-PR-TW-Z](?<![A-Za-z0-9].)[A-CEGHJ-NPR-TW-Z](?<!BG|GB|NK|KN|NT|TN|ZZ) \d\d \d\d \d\d [A-D](?![A-Za-z0-9])",
    re.DOTALL,
)
_DIGIT_FIRST = re.compile(r"\d(?<![\w.,:/+=#-]\d)(?:[ -]?\d){6,15}(?:[ -]?[A-Z](?![a-z])(?: ?\d){0,3})?(?![\w=/+]|[.,:]\d|-\w)")
_MBI = re.compile(
    r"[1-9](?<![\w-]\d)[AC-HJ-KM-NP-RT-Y][AC-HJ-KM-NP-RT-Y0-9]\d-[AC-HJ-KM-NP-RT-Y][AC-HJ-KM-NP-RT-Y0-9]\d-[AC-HJ-KM-NP-RT-Y]{2}\d{2}(?![\w-])"
)
_SPLIT = re.compile(r"[ .-]")

_NINO = re.compile(r"(?!BG|GB|NK|KN|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")
_NIE = re.compile(r"[XYZ]\d{7}[A-Z]")
_PAN = re.compile(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]")
_CODICE_FISCALE = re.compile(r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]")
_UK_LICENCE = re.compile(r"[A-Z]{1,5}9{0,4}\d(?:0[1-9]|1[0-2]|5[1-9]|6[0-2])(?:0[1-9]|[12]\d|3[01])\d[A-Z][A-Z9]\d[A-Z]{2}")
_GSTIN = re.compile(r"\d(?<![A-Za-z0-9]\d)\d[A-Z]{5}\d{4}[A-Z][A-Z0-9]Z[A-Z0-9](?![A-Za-z0-9])")
_NIF = re.compile(r"(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))\d{8}-?[A-Z]")
_RVNR = re.compile(r"\d{2} ?\d{6} ?[A-Z] ?\d{3}|\d{2} \d{6} [A-Z] \d{2} \d")
_NIR = re.compile(r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d{2} ?\d{3} ?\d{3} ?\d{2}")
_STEUER_ID = re.compile(r"[1-9]\d \d{3} \d{3} \d{3}")
_AADHAAR = re.compile(r"[2-9]\d{3}([ -])\d{4}\1\d{4}")
_NHS = re.compile(r"\d{3}([ -])\d{3}\1\d{4}")
_ITIN = re.compile(r"9\d{2}([ -])(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\1\d{4}")

_AFTER_DIGITS = 16
"""What ``_DIGIT_FIRST`` reads beyond the digits, and more."""
_NEARBY = 120
"""Characters before a number in which a word of its world counts; after it, half as many."""

_FAR = 600
_SAID_FAR = {
    "CA_SIN": re.compile(r"\bSINs?\b|[Ss]ocial [Ii]nsurance"),
    "NL_BSN": re.compile(r"\bBSN\b|[Bb]urgerservice"),
    "AU_TFN": re.compile(r"\bTFNs?\b|[Tt]ax [Ff]ile"),
    "DE_TAX_ID": re.compile(r"[Ss]teuer-?(?:ID|[Ii]dent|[Nn]ummer)|IdNr"),
    "UK_NHS": re.compile(r"\bNHS (?:no|number)"),
    "UK_UTR": re.compile(r"\bUTR\b"),
    "IN_AADHAAR": re.compile(r"[Aa]adhaa?r"),
}
"""The number's own name, which counts from further away."""
_AS_US_SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
_CALLED_AT = re.compile(r"(?:phone|mobile|cell|fax|\btel)(?:[ ]?(?:number|no|#))?\.?[^.\n\d]{0,24}\Z", re.IGNORECASE)
"""What is announced then is where somebody is called, whatever document the sentence before was about."""

_Check = Callable[[str], bool]


class NationalIds:
    """The recognizers, built once from presidio's (its module ``predefined_recognizers``)."""

    def __init__(self, presidio: Any) -> None:
        def valid(recognizer: str) -> _Check:
            validate: Callable[[str], bool | None] = getattr(presidio, recognizer)().validate_result
            return lambda compact: validate(compact) is True

        aadhaar: Any = presidio.InAadhaarRecognizer()
        self._capital: tuple[tuple[re.Pattern[str], str, _Check], ...] = (
            (_NINO, "UK_NINO", _always),
            (_NIE, "ES_NIE", valid("EsNieRecognizer")),
            (_PAN, "IN_PAN", _always),
            (_CODICE_FISCALE, "IT_CODICE_FISCALE", valid("ItFiscalCodeRecognizer")),
            (_UK_LICENCE, "UK_DRIVING_LICENCE", _always),
        )
        self._digit: tuple[tuple[re.Pattern[str], str, _Check, float], ...] = (
            (_NIF, "ES_NIF", valid("EsNifRecognizer"), 0.8),
            (_RVNR, "DE_SOCIAL_SECURITY", valid("DeSocialSecurityRecognizer"), 0.9),
            (_NIR, "FR_NIR", nir, 0.9),
            (_STEUER_ID, "DE_TAX_ID", valid("DeTaxIdRecognizer"), 0.7),
            (re.compile(r"\d{2} \d{3} \d{3} \d{3}"), "AU_ABN", valid("AuAbnRecognizer"), 0.7),
            (_AADHAAR, "IN_AADHAAR", lambda compact: aadhaar.validate_result(compact) is True, 0.6),
            # Also the shape of a North American telephone number, which wins when it is one.
            (_NHS, "UK_NHS", valid("NhsRecognizer"), 0.42),
            (_ITIN, "US_ITIN", _always, 0.86),
        )
        # Bare digits: the checksum, and a word nearby.
        in_context: tuple[tuple[int, str, _Check, re.Pattern[str]], ...] = (
            (11, "DE_TAX_ID", valid("DeTaxIdRecognizer"), _words("steuer|finanzamt|elster|lohn|tax")),
            (13, "FR_TAX_ID", spi, _words("impôt|impots|fiscal|trésor|tax")),
            (11, "IT_VAT", luhn, _words("iva|fattura|azienda")),
            (12, "ES_NUSS", nuss, _words("seguridad|afilia|cotiza")),
            (9, "NL_BSN", bsn, _words("burger|belasting|identiteit|dutch|zorg|sofi")),
            (
                9,
                "CA_SIN",
                luhn,
                _words(
                    "social|insurance|canad|cra\\b|sins?\\b|nas\\b|rrsp|tfsa|t[14]s?\\b|roe\\b|efile|payroll|ottawa|ontario|quebec|québec"
                ),
            ),
            (9, "AU_TFN", valid("AuTfnRecognizer"), _words("tax|ato\\b|super|austral")),
            (9, "AU_ACN", valid("AuAcnRecognizer"), _words("company|asic|pty")),
            (11, "AU_ABN", valid("AuAbnRecognizer"), _words("business|pty|austral|gst")),
            (10, "AU_MEDICARE", valid("AuMedicareRecognizer"), _words("medicare|health|bulk")),
            (10, "UK_NHS", valid("NhsRecognizer"), _words("nhs|patient|hospital|surgery|gp\\b|health")),
            (10, "UK_UTR", utr, _words("hmrc|self assessment|tax|taxpayer")),
            (
                12,
                "IN_AADHAAR",
                lambda compact: aadhaar.validate_result(compact) is True,
                _words("kyc|uid|india|card|aadh"),
            ),
        )
        self._in_context: dict[int, list[tuple[str, _Check, re.Pattern[str]]]] = {}
        for digits, entity, check, words in in_context:
            self._in_context.setdefault(digits, []).append((entity, check, words))
        self._gstin = valid("InGstinRecognizer")

    def find(self, text: str, lowered: Lowered) -> Iterator[Finding]:
        """In any order, and with overlaps."""
        for finding in announced(text, lowered, ANNOUNCED):
            if _CALLED_AT.search(text, max(0, finding.start - 48), finding.start) is None:
                yield finding
        shape = lowered.shape
        for match in _CAPITAL_FIRST.finditer(text) if "A0" in shape else ():
            for pattern, entity, check in self._capital:
                if pattern.fullmatch(match[0]) and check(match[0]):
                    yield Finding(*match.span(), entity, "ID", 0.85)
        for match in _NINO_SPACED.finditer(text) if "AA 00 00 00 A" in shape else ():
            yield Finding(*match.span(), "UK_NINO", "ID", 0.9)
        for start, end in lowered.numbers:
            for match in _DIGIT_FIRST.finditer(text, start, end + _AFTER_DIGITS):
                if match.start() >= end:
                    break
                for pattern, entity, check, score in self._digit:
                    if pattern.fullmatch(match[0]) and check(_SPLIT.sub("", match[0])):
                        yield Finding(*match.span(), entity, "ID", score)
                compact = _SPLIT.sub("", match[0])
                if compact.isdecimal():
                    yield from self._near_a_word(text, match, compact)
        if "00AAAAA0000A" in shape:
            for match in _GSTIN.finditer(text):
                if self._gstin(match[0]):
                    yield Finding(*match.span(), "IN_GSTIN", "ID", 0.9)
        for match in _MBI.finditer(text) if "0-A" in shape else ():
            yield Finding(*match.span(), "US_MEDICARE", "ID", 0.9)

    def _near_a_word(self, text: str, number: re.Match[str], compact: str) -> Iterator[Finding]:
        if _AS_US_SSN.fullmatch(number[0]) is not None:
            return
        for entity, check, words in self._in_context.get(len(compact), ()):
            if check(compact):
                if words.search(text, max(0, number.start() - _NEARBY), number.end() + _NEARBY // 2):
                    yield Finding(*number.span(), entity, "ID", 0.6)
                elif (said := _SAID_FAR.get(entity)) is not None and said.search(
                    text, max(0, number.start() - _FAR), number.start()
                ):
                    # Asked for some lines above: ``mine is 731 900 551``.
                    yield Finding(*number.span(), entity, "ID", 0.6)


def _words(beginnings: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W\d_])(?:{beginnings})", re.IGNORECASE)


def _always(_: str) -> bool:
    return True


__all__ = ["ANNOUNCED", "NationalIds"]
