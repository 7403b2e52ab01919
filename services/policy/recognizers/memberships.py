"""Numbers by which a firm, a school, an insurer or an office knows somebody: ``employee ID 4711802``, ``Policennummer: HV-20331-8``.

Not those of things: orders, tickets, invoices, claims. A key of a record (``customer_id``) counts only for those whom a firm employs or
insures, since every program has customers.
"""

from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.announced import Announcements, announced, announcement
from services.policy.recognizers.lowered import Lowered

_SAID = (
    r"[\"'\])>]{0,3}[ \t]{0,3}(?:[:=#|>]|-|\.{2,60}|(?:(?:with|bei|chez) (?:you|us|Ihnen|uns|vous|nous) )?(?:is|was|are|ist|lautet|est|es|"
    r"è)\b(?: (?:still|now|n\.|nr\.|il|le|el|die|het))?)?"
    r"[ \t]{0,24}[\"'(<>|#]{0,3}"
)
_NUMBER = r"\x20?(?:number|num\b\.?|no\b\.?|nr\b\.?|id\b|n°|nº|n\.º|#|ref(?:erence)?\b\.?|code)"
_VALUE = (
    r"(?!\d{3}-\d{2}-\d{4})(?:(?=(?:[A-Z/-]{0,6}\d){5})[A-Z]{0,4}(?:[-/]?[A-Z0-9]{1,10}){1,5}|"
    r"(?=(?:[A-Z ]{0,5}\d){6})[A-Z]{0,4} ?\d{2,6}(?: \d{1,6}){1,4}(?: [A-Z](?![a-z]))?|"
    r"[A-Z]{1,5}-\d{3,9})"
)
_LETTERED = r"[A-Z]{1,3}-?\d{6,9}|\d{3}-\d{3}-\d{3}|\d{8,9}"

ANNOUNCED = Announcements(
    announcement(
        "PERSONAL_NUMBER", "ID", "employee|emp n|emp. n|emp i|emp #|staff|personnel|payroll|customer|client|patron|donor|"
        "member|subscriber|policy|participant|supporter|volunteer|"
        "policyholder|badge|barcode|"
        "library card|voter|taxpayer|tax ref|registration|admission|state id|pupil|resident|tenant|applicant|inmate|"
        "claimant|beneficiary|enrol|insurer|personnel|worker",
        r"(?:employee|emp\.?|staff|personnel|payroll|(?<!api\x20)(?<!web\x20)(?<!http\x20)client|customer|patron|donor|"
        r"member(?:ship)?|participant|supporter|volunteer|subscriber|(?:insurance\x20)?policy|policyholder|badge|"
        r"library\x20card|voter|tax(?:payer)?|registration|admission|state\x20id|pupil|resident|tenant|"
        rf"applicant|inmate|claimant|beneficiary|enrol?lment|insurer|worker){_NUMBER}",
        _VALUE, gap=_SAID, score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "employee|staff|emp_|member|subscriber|insur|policy|patient|beneficiary|emp n|emp i",
        r"(?:emp|employee|staff|member(?:ship)?|subscriber|insurer|insured|insurance|policy|policyholder|patient|beneficiary|"
        r"voter)_?(?:id|no|num|number|nr)",
        _VALUE, gap=r"[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"']?", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "member", r"member(?:ship)?", r"[A-Z]{1,4}-?\d{5,10}", gap=r"(?: (?:is|was)|:)? #?", score=0.6,
    ),
    announcement("PERSONAL_NUMBER", "ID", "member ", r"member", r"\d{8,12}", gap=" ", score=0.6),
    announcement(
        "PERSONAL_NUMBER", "ID", "staff i|staff n|employee i|student i|student n|faculty i|matric",
        rf"(?:staff|employee|student|faculty|matric(?:ulation)?){_NUMBER}", r"[A-Za-z]{1,3}-?\d{4,9}|(?=(?:[A-Z/-]{0,6}\d){5})[\d/-]{5,14}",
        gap=_SAID, score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "donor #|patron #|customer #|client #|member #|employee #|policy #|staff #|donor#|customer#|member#",
        r"(?:donor|patron|customer|client|member|employee|policy|staff)", r"\d{5,12}", gap=r" ?# ?", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "kundenn|kunden-n|personaln|personal-n|pers.-n|mitglied|vers.-n|versicherungsn|"
        "versichertenn|versicherungs-n|policen|ausweisn|ausweis-n|"
        "patientenn|patienten-|dokument|leistungsempf|teilnehmer",
        r"(?:kunden|personal|pers\.|mitglieds?|vers\.|versicherungs|versicherungsschein|versicherten|policen|(?:dienst|"
        r"personal|schüler|mitglieds)?ausweis|"
        r"patienten|dokumenten?|teilnehmer)-?(?:nummer|nr\.?|id)", _VALUE, gap=_SAID, score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "policy |contrat |vertrag |póliza |polizza ",
        r"(?:policy|contrat(?: auto| habitation)?(?: n°)?|vertrag(?: nr\.?)?|p[óo]liza|polizza)",
        r"[A-Z]{2,4}(?:[/-][A-Z]{2,4})?[/ -]?\d{4,10}(?:[/ -]\d{2,4})?", gap=r"[ :]{1,2}", score=0.6,
    ),
    announcement("INSURANCE_MEMBER", "ID", "member ", r"member", r"[A-Z]{2,4} \d{3} \d{3} \d{2,4}", gap=" ", score=0.9),
    announcement(
        "PERSONAL_NUMBER", "ID", "patient|client",
        r"(?:référence|ref\.?|réf\.?|identifiant|dossier)(?: du| de la)? (?:patiente?|cliente?)", _VALUE, gap=_SAID, score=0.9,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "employee code|employee no|employeenu", r"employee ?(?:code|number|no\.?)", r"[A-Z]{1,4}-?\d{3,9}",
        gap=r"[\"']?(?: is|:|>)?[ ]?[\"']?", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "badge", r"badge", r"[A-Z]{0,3}-?(?!(?:19|20)\d\d\b)\d{4,9}", gap=r"(?:,? ?(?:number|no\.?|nr\.?|#)?[ ]|=)",
        score=0.6,
    ),
    announcement(
        "MEDICAL_RECORD", "ID", "record n|ipp=|ipp ", r"(?:(?:local |medical |hospital )?record (?:number|no\.?)(?: for (?:him|her|them))?|"
        r"(?-i:ipp|IPP))", _VALUE,
        gap=r"(?: (?:is|was))?[ ]?[:=]?[ ]?", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "frequent fl|adherent=", r"(?:frequent fl[iy]er with [^\d\n,]{2,32}, number|adherent(?==))", r"[A-Z]{2} "
        r"?\d{6,10}", gap=r"[ =:]{1,2}",
        score=0.9,
    ),
    announcement("PERSONAL_NUMBER", "ID", "upn", r"(?-i:UPN)", r"[A-Z]\d{11}[A-Z0-9]", gap=_SAID, score=0.9),
    announcement("PERSONAL_NUMBER", "ID", "uan", r"(?-i:UAN)", r"\d{12}", gap=r"[^\d\n]{0,48}?", score=0.9),
    announcement("PERSONAL_NUMBER", "ID", "wwc|with children", r"(?:(?-i:WWCC?)|working with children(?: check)?)", r"WWC\d{7}[A-Z]",
    gap=_SAID, score=0.9),
    announcement(
        "STUDENT_ID", "ID", "identifiant national|ine ", r"(?:identifiant national(?: (?:de l['’])?(?:élève|étudiant))?|(?-i:INE))",
        r"\d{9}[A-Z]{2}|\d{10}[A-Z]|\d{4}[A-Z0-9]\d{5}[A-Z]", gap=r"(?: (?:est|est le|n°)|[ ]?:)?[ ]", score=0.9,
    ),
    announcement("PERSONAL_NUMBER", "ID", "allocataire", r"allocataire(?: caf)?", r"\d{7}(?: ?[A-Z])?", gap=_SAID, score=0.9),
    announcement(
        "PERSONAL_NUMBER", "ID", "emplead", r"n(?:[úu]mero|[º°])\.? de emplead[oa](?: asignado)?", r"[A-Z]{1,3}-?\d{3,9}|\d{4,9}", gap=_SAID,
        score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "mitgl", r"mitgl(?:ieds)?(?:\.|)[ -]?(?:nr\.?|nummer)", r"[A-Z]{1,5}-?\d{3,9}", gap=_SAID, score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "client|adhérent|adherent|assuré|allocataire|matricule|police|pièce d|piece d|sociétaire|"
        "dossier patient|abonné|licencié|licence",
        r"(?:(?:num[ée]ro|n°|nº|no\.?|identifiant)(?: de | d['’]|\x20)?(?:client|adh[ée]rent|assur[ée]|allocataire|police|"
        r"matricule|pi[èe]ce d['’]identit[ée]|"
        r"soci[ée]taire|dossier patient|abonn[ée]|salari[ée]|licence(?: f[ée]d[ée]rale)?)|"
        r"matricule|pi[èe]ce d['’]identit[ée](?: n°)?|réf(?:érence|\.) client)",
        _VALUE, gap=_SAID, score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "cliente|polizza|tessera|document|socio|afiliad|póliza|poliza|matricola|assistito|empleado|"
        "asegurado|dipendente|abonad|paziente|paciente",
        r"(?:(?:codice|cod\.|numero|num\.|n\.|núm\.?|número|n\.?º)(?: de(?:l|lla)? | di | d['’]|\x20)?(?:cliente|polizza|tessera|"
        r"documento|socio|afiliad[oa]|p[óo]liza|matricola|"
        r"assistito|empleado|asegurado|dipendente|abonad[oa]|paciente|paziente)|(?:polizza|tessera|documento|p[óo]liza|"
        r"matricola|afiliad[oa]|socio)"
        r"(?:[^\n\d,;]{0,12}\x20(?:n\.|nr\.?|numero|número|núm\.?|n\.?º))?)",
        _VALUE, gap=_SAID, score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "klant|document|polis|personeel|lidmaat|lidnummer|relatien|cliënt|clientn|studentn|patiënt",
        r"(?:klant|document|polis|personeels?|lid|lidmaatschaps?|relatie|cliënt|student|patiënt)-?(?:nummer|nr\.?)",
        _VALUE, gap=_SAID, score=0.6,
    ),
    # A licence or a permit, of the shapes that these have.
    announcement(
        "DRIVER_LICENSE", "ID", "licen|permit|state id|dl ", r"(?:(?:driv(?:er['’]?s?|ing)|pilot|nursing|medical|teaching|"
        r"professional)[ _]|certificate/)?(?:licen[cs]e|permit)"
        r"(?: ?(?:number|no\.?|#|id))?|state id(?: ?(?:number|no\.?|#))?", _LETTERED,
        gap=rf"(?:\?[ \n]{{1,2}}(?:[A-Za-z]{{1,12}}[.:] )?(?:[Ii]t['’]s )?|{_SAID})", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "barcode|badge", r"(?:(?:library |member'?s? )?card barcode|(?<!new )badge)", r"\d{6,14}",
        gap=r"(?: (?:is|was|no\.?)|:)? ?#?", score=0.6,
    ),
    # Their number after their name: ``Patient: Eze, David  ID: 98718033``.
    announcement(
        "PERSONAL_NUMBER", "ID", "patient|student|member|employee|client|customer|resident|pupil|subscriber",
        r"(?:patient|student|member|employee|client|customer|resident|pupil|subscriber)", r"[A-Z]{0,3}\d{6,10}",
        gap=r"[ :]{1,3}(?-i:[A-ZÀ-Þ][^\d\n()=]{2,40}?)(?:\bID\b[: #]{1,3}|[ ]\((?:ID:? )?|, ID:? )", score=0.6,
    ),
    announcement("DRIVER_LICENSE", "ID", "lic. |lic.:|lic #|lic no|lic: ", r"lic(?:\.|(?=[ :]))(?: ?(?:no\.?|#))?",
    _LETTERED, gap=r"[: ]{0,3}", score=0.6),
    announcement("MEDICAL_LICENSE", "ID", "dea ", r"(?-i:DEA)", r"[A-Z]{2}\d{7}", gap=r"[ :#]{1,3}", score=0.6),
    announcement("MEDICAL_RECORD", "ID", "historia", r"(?:n\.?[º°o]\.?|n[úu]mero)(?: de)? historia(?: cl[íi]nica)?",
    _VALUE, gap=_SAID, score=0.6),
    announcement("PERSONAL_NUMBER", "ID", "npi", r"(?-i:NPI)(?: ?(?:number|no\.?|#))?", r"\d{9,10}", gap=_SAID, score=0.6),
)  # fmt: skip


def memberships(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order, and with overlaps."""
    return announced(text, lowered, ANNOUNCED)


__all__ = ["ANNOUNCED", "memberships"]
