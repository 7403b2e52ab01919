"""Numbers of registers beyond ``national_ids``: of persons in further countries, of vehicles and drivers, of professions; and a number of
whatever shape that a word for such a number announces at once, since forms are filled in by people from everywhere.
"""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.announced import CLOSE, FAR, Announcements, announced, announcement
from services.policy.recognizers.lowered import Lowered, Words

# Groups of digits and capitals; all but the first begin with a digit, so that no word in capitals after it is taken along.
_ANY = r"(?=(?:[A-Z ./-]{0,6}\d){5})[A-Z0-9]{1,18}(?:[ ./-]\d[\dA-Z]{0,12}){0,6}"
_LONG = r"(?=(?:[A-Z ./-]{0,6}\d){7})[A-Z0-9]{1,18}(?:[ ./-]\d[\dA-Z]{0,12}){0,6}"
_CODE = r"(?=(?:[A-Z-]{0,6}\d){4})[A-Z0-9]{2,12}(?:-[A-Z0-9]{1,9}){0,3}"
_NUMBER = r"(?:[ _.-]{0,2}(?:number|num|no|nr|n°|nº|#|numero|número|numéro|nummer)\.?)?"
_PLATE = r"(?=[A-ZÄÖÜ0-9 ·-]{0,9}\d)(?=[A-ZÄÖÜ0-9 ·-]{0,9}[A-Z])[A-ZÄÖÜ0-9]{1,7}(?:[ ·-][A-Z0-9]{1,5}){0,2}(?<=[A-ZÄÖÜ0-9 ·-]{5})(?![a-z])"
_SAID = r"[\"'\])>]{0,3}[ \t]{0,8}(?:[:=#|>]|-|(?:is|was|ist|lautet|est|es|è|é|to|jest|är|er|of)\b)?[ \t]{0,24}[\"'(<>|]{0,3}"

ANNOUNCED = Announcements(
    announcement(
        "NATIONAL_ID", "ID", "bsn|burgerservice|dni|nif|codice fiscale|cod. fisc|steuer-id|steuerid|steueridentifikation|identifikationsnummer|"
        "national ins|national id|sécurité sociale|tax file|aadhaar|identity n",
        r"(?:bsn|burgerservicenummer|dni|nif|codice fiscale|cod\. fisc\.|(?:persönliche )?(?:steuer-?id|(?:steuer-?)?identifikationsnummer)|"
        rf"national (?:insurance|id(?:entity|entification)?)|num[ée]ro de s[ée]curit[ée] sociale|tax file|aadhaar|identity){_NUMBER}",
        _LONG, gap=_SAID, score=0.7,
    ),
    announcement(
        "NATIONAL_ID", "ID", "pesel|cnp|cpf|cnpj|personnummer|samordningsnummer|cpr|fødselsnummer|fodselsnummer|henkilötunnus|"
        "hetu|rodné č|rodne c|"
        "tckn|kimlik|rentenvers|ahv|avs|niss|insz|rijksregister|registre national|registernummer|nric|hkid|svnr|sv-nr|"
        "sozialversicherungsn|jmbg|egn|oib|"
        "pps|nip|regon|dowód|dowod|kvk|companies house|sa id|care card|services card|curp|rfc|rut|run:|cédula|cedula|cuit|cuil|"
        "bvn|emirates id|iqama|cnic|ghana card|amka|afm|ird n|ktp|nik:|nik ",
        r"(?:pesel|dow[óo]d(?: osobisty)?|(?:numer )?nip|regon|kvk|companies house|(?-i:SA|RSA) id|(?:services|care) card|"
        r"(?-i:CNP|CPF|CNPJ|CPR|AHV|AVS|NISS|INSZ|NRIC|HKID|JMBG|EGN|OIB|PPSN?|CURP|RFC|RUT|RUN|CUIT|CUIL|BVN|CNIC|"
        r"AMKA|AFM|NIK|KTP|SVNR)"
        r"|(?:person|samordnings|cpr-?|renten(?:vers\.?|versicherungs)[ -]?|f[øo]dsels|rijksregister|insz-?|ahv-?|sv-?|"
        r"sozialversicherungs-?)n(?:umme)?r\.?|henkilötunnus|hetu|"
        r"rodn[ée] [čc][íi]slo|tckn|(?:t\.?c\.? )?kimlik(?: no)?|num[ée]ro (?:avs|national)|registre national|c[ée]dula(?: de (?:ciudadanía|"
        rf"identidad))?|emirates id|iqama|ghana card|ird){_NUMBER}",
        _ANY + r"|[A-Z]{2,3} ?\d{6}|[A-Z]{4}\d{6}[A-Z]{6}[A-Z0-9]\d|[A-Z]\d{7}[A-Z]|[A-Z]{1,2}\d{6}\([0-9A]\)|"
        r"\d{6}[-+A]\d{3}[0-9A-Y]", gap=_SAID, score=0.85,
    ),
    # Documents by the names that clerks and their clients have for them.
    announcement(
        "IDENTITY_DOCUMENT", "ID", "ppt|pp n|pp #|travel doc|visa |perso|a#|alien n|crn|h&c|uci |uan|ration card|lic|permis|"
        "séjour|sejour|récépissé|"
        "tessera sanitaria|tarjeta sanitaria|cip |nhc|ipp |doc. id|documento|pass. n|pass n|ktn|known travel|redress|i-94|"
        "sevis|hicn|cartella clinica|historia cl|n° patient|pat.-nr|pat.nr|patient n|chart #|chart#|carnet|cni |v-nummer|v-nr|"
        "vreemdelingen|residence permit|residence card|brp|aufenthalts|permesso|nulla osta",
        r"(?:ppt|(?-i:PP)(?=[ .]{0,2}(?:n|#))|travel doc(?:ument)?|visa(?: (?=n|#))|perso(?:nalausweis(?:nummer)?)?|(?-i:A)#|"
        r"alien (?:registration )?|"
        r"(?-i:CRN|UCI|UAN|BRP)|h&c|"
        r"ration card|driver'?s? lic\.?|(?:pass|doc)\.? (?=n)|doc(?:umento)?\.? (?:d['’]|di )?identit[àa]|(?-i:KTN|I-94|SEVIS|"
        r"HICN|IPP|NHC|CIP|CNI)(?: id)?|known travell?er|redress|tarjeta sanitaria|cartella clinica|historia cl[íi]nica|(?:n° "
        r"patient|patient(?=[ _.-]{0,2}(?:n|#|id)))|pat\.?-?(?=nr)|chart(?= ?#)|permis(?: de (?:conduire|séjour))?|titre de "
        r"s[ée]jour|r[ée]c[ée]piss[ée]|tessera sanitaria|v-n(?:umme)?r\.?|"
        rf"vreemdelingen\w*|residence (?:permit|card)|aufenthalts\w+|permesso di soggiorno){_NUMBER}",
        r"(?=(?:[A-Z /-]{0,4}\d){4})[A-Z0-9]{1,20}(?:[ /-][\dA-Z][A-Z0-9]{0,12}){0,6}(?![a-z])", gap=_SAID, score=0.7,
    ),
    announcement("UK_NINO", "ID", " ni ", r"(?:his|her|my|your|the|their) ni(?: (?:no|number)\.?)?(?: is|:)?",
    r"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]", gap=" "),
    announcement(
        "HEALTH_NUMBER", "ID", "vitale|carnet de santé|kv-nummer|kvnr|hosp|ur n|urn:|urn |nhi|smartcard|smart card|bcbs|holder "
        "id|holder n|nº ss|n° ss",
        r"(?:carte vitale|kv-?(?:nummer|nr\.?)|hosp(?:ital)?(?=[ .]{1,2}(?:n|#))\.?|(?-i:UR|URN|NHI|BCBS)(?: id)?|nhs smart "
        r"?card|policy ?holder(?: id)?|"
        rf"n[º°] ss){_NUMBER}",
        r"(?=(?:[A-Z /-]{0,4}\d){4})[A-Z0-9]{2,20}(?:[ /-]\d[A-Z0-9]{0,12}){0,6}", gap=_SAID, score=0.95,
    ),
    announcement(
        "STUDENT_ID", "ID", "student|matriculation|matricule|matrikel",
        rf"(?:student(?= ?(?:n|id|#))|matriculation|matricule|matrikel){_NUMBER}",
        r"[a-zA-Z]{0,3}\d{5,10}", gap=_SAID, score=0.7,
    ),
    # A document's number later in the sentence, of the shape that most states give theirs.
    announcement(
        "PASSPORT", "ID", "passport|passeport|pasaporte|passaporto|paspoort|reisepass", r"(?:passport|passeport|pasaporte|passaporto|paspoort|"
        r"reisepass)\w*", r"[A-Z]{1,2}\d{7,8}", gap=r"[^\d\n]{0,90}?", score=0.7,
    ),
    announcement(
        "NATIONAL_ID", "ID", "rut ", r"rut", r"\d{1,2}\.?\d{3}\.?\d{3}-[\dkK]", gap=_SAID, score=0.85,
    ),
    announcement(
        "DRIVER_LICENSE", "ID", "dl |oln|odl|cdl|licen",
        r"(?:(?-i:[A-Z]{2}) dl|(?-i:\b[OC]DL)(?: (?:#|no\.?))?|(?-i:\bOLN|\bDL)|"
        r"licen[cs]e)", r"(?=(?:[A-Z -]{0,3}\d){6})[A-Z]?\d[\d -]{5,16}\d",
        gap=r"[ :#]{1,3}", score=0.8,
    ),
    announcement(
        "VEHICLE_ID", "ID", "vin |vin:|vin=|vin\"|vin#|vehicle identification|chassis|fahrgestell|fin:|fin ", r"(?:vin|vehicle identification|"
        rf"chassis|fahrgestell(?:nummer|nr\.?)?|(?-i:FIN)){_NUMBER}", r"(?=[A-Z]{0,9}\d)[A-HJ-NPR-Z0-9]{17}", gap=_SAID, score=0.85,
    ),
    # What a car has at its back; the words alone are also said of people and programs, so the value has letters and digits.
    announcement(
        "VEHICLE_ID", "ID", "plate|vehicle reg|car reg|reg. n|reg n|kennzeichen|immatricul|targa|kenteken|rejestracyjn|matrícula",
        rf"(?:(?:licen[cs]e|number|registration|car) plate|(?<!boiler)(?<!template )plate|(?:vehicle|car) registration|"
        rf"(?:vehicle |car )?reg\.?(?= n)|"
        rf"(?:amtliches |kfz-?)?kennzeichen|(?:plaque d['’])?immatriculation|targa|kenteken|(?:numer )?rejestracyjny|"
        rf"matrícula(?= del)){_NUMBER}",
        _PLATE, gap=_SAID, score=0.7,
    ),
    announcement(
        "VEHICLE_ID", "ID", "matrícula|matricula|plaque |plaque:|immatriculé|targat|rego |rego:|rej.|rejestrac",
        r"(?:matr[íi]culas?(?: (?:del|de la) (?:coche|veh[íi]culo|furgoneta|moto|turismo))?|plaque|immatriculée?s?|targat[oai]|rego|"
        r"(?:nr|numer|numerze|numerach)\.? rej(?:\.|estracyjn\w{1,4}))",
        _PLATE, gap=_SAID, score=0.7,
    ),
    announcement("VEHICLE_ID", "ID", "reg |reg:|reg. |registration", r"(?:reg\.?|registration)", r"[A-Z]{2}\d{2} ?[A-Z]{3}", gap=_SAID,
    score=0.7),
    announcement(
        "MEDICAL_LICENSE", "ID", "nmc|gmc|gphc|hcpc|rpps|lanr|adeli|big-n|sra |colegiad|licen|registration n|bar n|bar #",
        r"(?:(?-i:NMC|GMC|GPhC|HCPC|RPPS|LANR|ADELI|SRA)(?: (?:pin|id|ref(?:erence)?|registration))?|big-?(?:register|n(?:umme)?r)|"
        r"(?:n[º°.]? ?(?:de )?)?colegiad[oa]|(?:nursing|rn|medical|pharmacy|teaching|notary|bar) (?:licen[cs]e|registration)|"
        rf"(?:state )?bar(?= n| #)){_NUMBER}", _CODE, gap=CLOSE, score=0.8,
    ),
    # Further off in the sentence, of shapes that nothing else has there.
    announcement("IE_PPS", "ID", "pps", rf"pps{_NUMBER}", r"\d{7}[A-W][A-IW]?", gap=r"[^\d\n]{0,90}?(?:\n[^\d\n]{0,24}?)?", score=0.85),
    announcement(
        "PT_TAX_ID", "ID", "nif|nipc|contribuinte", r"(?:nif|nipc|contribuinte)", r"[1235689]\d{2}[ .]?\d{3}[ .]?\d{3}", gap=FAR, score=0.8,
    ),
    announcement(
        "PT_CITIZEN_CARD", "ID", "cidad", r"cart[ãa]o d[eo] cidad[ãa]o", r"\d{8}[ -]?\d(?: ?[A-Z0-9]{2}\d)?", gap=r"[^\d\n]{0,24}?", score=0.95,
    ),
    announcement(
        "ID_CARD", "ID", "paszport|dowód|dowod", r"(?:paszport\w{0,3}|dow[óo]d\w{0,3}(?: osobist\w{1,3})?)", r"[A-Z]{2,3} ?\d{6,7}",
        gap=r"[^\d\n:]{0,24}?(?::[ \t]{0,32})?", score=0.85,
    ),
    announcement(
        "DRIVER_LICENSE", "ID", "dl is|dl was", r"(?-i:DL) (?:is|was)", r"(?=(?:[A-Z-]{0,3}\d){6})[A-Z]{0,2}\d[\d-]{5,16}", gap=" ", score=0.7,
    ),
    announcement(
        "SG_NRIC", "ID", "ic n|ic:|fin |fin:|nric", r"(?-i:NRIC|FIN|IC)(?:/(?-i:FIN|IC))?(?: ?(?:no\.?|number|#))?", r"[STFGM]\d{7}[A-Z]",
        gap=_SAID, score=0.85,
    ),
    announcement(
        "ES_HEALTH_CARD", "ID", "sanitaria|cip", r"(?:tarjeta sanitaria|(?-i:CIP))(?: individual)?",
        r"[A-Z]{4} ?[A-Z0-9]{2} ?\d{6} ?[A-Z]{2} ?\d", gap=_SAID, score=0.95,
    ),
    announcement(
        "IT_TAX_ID", "ID", "idcodice|codicefiscale|partitaiva", r"(?:idcodice|codicefiscale|partitaiva)",
        r"\d{11}|[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]",
        gap=r"[\"']?[>:=][ \"']{0,2}", score=0.9,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "polisn|klantn|relatien|lidn|contractn", r"(?:polis|klant|relatie|lid|contract)nummer",
        r"\d{3,4}(?:\.\d{2,3}){2,3}",
        gap=_SAID, score=0.7,
    ),
    announcement("PERSONAL_NUMBER", "ID", "policy:", r"policy", r"[A-Z]{1,3} ?\d{6,9}(?: ?[A-Z])?", gap=r":[ ]{1,8}", score=0.6),
    announcement("US_PTIN", "ID", "ptin", r"(?-i:PTIN)", r"P\d{8}", gap=_SAID, score=0.9),
    announcement(
        "TAX_ID", "ID", "gst|vat|qst|hst|tva|tvq|tps|abn|acn|nzbn|btw|mwst|p. iva|p.iva|ust-id",
        r"(?:(?-i:GST|VAT|QST|HST|TVA|TVQ|TPS|ABN|ACN|NZBN|GSTIN)|vat_?(?=no|num)|btw|mwst|p\. ?iva|ust-id)(?: reg(?:istration|\.)?)?"
        rf"(?:\.|-)?(?:nr|{_NUMBER})",
        r"(?=(?:[A-Z ./-]{0,4}\d){8})[A-Z0-9]{2,15}(?:[ .-][A-Z0-9]{2,6}){0,4}", gap=r"[\"'.)]{0,2}[ ]?[:#]?[ ]?[\"'(]?", score=0.7,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "supplier|vendor|lieferanten|fournisseur|proveedor|fornitore",
        rf"(?:supplier|vendor|lieferanten|fournisseur|proveedor|fornitore){_NUMBER}", r"[A-Z]{1,3}-?\d{4,9}|\d{5,10}",
        gap=r"[ ]?[:#]{1}[ ]{1,8}| (?:is|was|ist) ", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "employee n|staff n|payroll n|member n|student n|customer n|employee i|staff i|member i|customer i",
        r"(?:employee|staff|personnel|payroll|member|student|customer) (?:number|no\.?|id)(?: (?:will be|is|was|are))?", r"[A-Z]{1,3}\d{3,9}",
        gap=r":? ", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "with children|wwc", r"(?:(?-i:WWCC?)|working with children(?: check)?)(?: (?:no\.?|number|card))?",
        r"\d{6,8}[A-Z](?:-\d{2})?", gap=_SAID, score=0.8,
    ),
    announcement(
        "IDENTITY_DOCUMENT", "ID", "work permit|study permit", rf"(?:work|study) permit(?: doc(?:ument)?\.?)?{_NUMBER}", r"[A-Z]\d{8,9}",
        gap=_SAID, score=0.8,
    ),
    announcement(
        "INSURANCE_MEMBER", "ID", "certificate n|plan n|policy n|member n|group n",
        r"(?:(?:plan )?certificate|plan|policy|member|group) (?:no\.?|number)(?: (?:will be|is|"
        r"was))?", r"\d{4,8}-\d{2,4}", gap=r":? ", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "nummer (|nr. (|number (", r"(?:(?:personal|kunden|mitglieds?|versicherten|patienten)-?(?:nummer|nr\.)|"
        r"(?:employee|member|patient|student|policy) number)", r"[A-Z]{0,3}-?\d{4,12}", gap=r" \([^()\n]{1,60}\)[ ]?:[ ]{1,8}", score=0.6,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "mitgliedschaft|vertrag|versicherungssch|policen", r"(?:mitgliedschaft(?:s)?|versicherungsschein|policen)"
        r"[ -]?(?:nr\.?|nummer)", r"[A-Z]{0,4}[ -]?\d{2,6}(?:[ -]\d{2,8}){1,3}", gap=_SAID, score=0.7,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "polis|jazdy", r"(?:polis[aęyie]{1,2}|praw\w{1,2} jazdy)(?: (?:nr|numer))?\.?",
        r"[A-Z]{1,4} ?\d{3,6}(?: \d{4,8}){0,2}|\d{5}/\d{2}/\d{4}", gap=r"[ :]{1,2}", score=0.95,
    ),
    announcement(
        "DRIVER_LICENSE", "ID", "dl |oln", r"(?-i:\bDL|\bOLN)(?: (?-i:[A-Z][a-z]{3,13}|[A-Z]{2}))?", r"[A-Z]{1,2}\d[\d-]{5,14}",
        gap=r"[ :#]{1,3}", score=0.8,
    ),
    announcement(
        "PERSONAL_NUMBER", "ID", "deputy|officer|sergeant|sgt|detective|trooper|constable",
        r"(?:deputy|officer|sergeant|sgt\.?|detective|trooper|constable)", r"\d{3,6}", gap=r" (?-i:[A-Z])[^\n#\d,]{1,40}#", score=0.6,
    ),
    announcement("PERSONAL_NUMBER", "ID", "pc ", r"(?-i:PC)", r"\d{3,5}(?= [A-Z][a-z])", gap=" ", score=0.6),
    announcement(
        "PERSONAL_NUMBER", "ID", "holder|passbook|book no|book number", r"(?:holder['’]?s?(?: (?:no\.?|number))?|(?:pass)?book (?:no\.?|"
        r"number))",
        r"\d{2,4}(?:[ -]\d{3,5}){1,3}(?:-\d)?", gap=r"[ :]{1,2}", score=0.8,
    ),
    # A record's key where it names one of a firm's people or clients, and the value is no plain count.
    announcement(
        "PERSONAL_NUMBER", "ID", "_id\"|_no\"|_number\"|_id'|_no'", r"(?:tenant|contact|customer|client|member|patient|employee|student|"
        r"subscriber|guest|"
        r"policyholder|claimant|applicant|beneficiary)_(?:id|no|number)", r"[A-Z]{1,4}-\d{3,9}|\d{3,4}-\d{3,5}-\d{1,4}|[A-Z]{1,3}\d{5,9}",
        gap=r"[\"'][ ]?:[ ]?[\"']", score=0.95,
    ),
    # Of those who fly, borrow and collect points.
    announcement(
        "PERSONAL_NUMBER", "ID", "frequent fl|miles & more|miles and more|executive club|loyalty|clubcard|club card|flying blue|skymiles|"
        "payback|library card|rewards n|rewards #",
        r"(?:frequent fl[iy]er|miles (?:&|and) more|executive club|loyalty (?:card|number|no\.?)|club ?card|flying blue|skymiles|payback|"
        rf"library card|rewards(?= ?(?:n|#))){_NUMBER}",
        r"(?=(?:[A-Z ]{0,5}\d){6})[A-Z]{0,3} ?\d[\d ]{4,20}\d", gap=r"(?: (?:is|was))?[ ]?[:#]?[ \t]{0,8}", score=0.95,
    ),
    announcement(
        "INSURANCE_MEMBER", "ID", "member|policy|subscriber|patient|customer|insurance n",
        r"(?:member|policy|subscriber|patient|customer|insurance) (?:id|number|no\.?)",
        r"(?=(?:[A-Z -]{0,6}\d){5})[A-Z0-9]{2,14}(?:[ -][A-Z0-9]{2,9}){0,4}", gap=r",[^\d\n,]{1,48}, (?:is|it['’]s|was) ", score=0.9,
    ),
    announcement(
        "INSURANCE_MEMBER", "ID", "insurance id|insurance n|member id|member n|subscriber id|beneficiary n|plan id|medicaid id",
        r"(?:insurance|member|subscriber|beneficiary|medicaid|health plan) (?:id|number|no\.?|#)(?: (?:is|was))?",
        r"(?=(?:[A-Z -]{0,6}\d){5})[A-Z0-9]{2,14}(?:-[A-Z0-9]{2,14}| \d{2,9}){0,4}",
        gap=r"(?:[: #]{1,3}|[^\d\n,;|]{0,40}\?[^\d\n,;|]{0,16}\n[^\d\n,;|]{0,40}?)", score=0.7,
    ),
)  # fmt: skip


_INDIAN_PLATE = re.compile(
    r"[A-Z](?<![A-Za-z0-9].)(?:(?<=A)[NPRS]|(?<=B)R|(?<=C)[GH]|(?<=D)[DLN]|(?<=G)[AJ]|(?<=H)[PR]|(?<=J)[HK]|(?<=K)[AL]|(?<=L)[AD]|"
    r"(?<=M)[HLNPZ]|(?<=N)L|(?<=O)[DR]|(?<=P)[BY]|(?<=R)J|(?<=S)K|(?<=T)[GNRS]|(?<=U)[AKP]|(?<=W)B)"
    r"[ -]?\d{2}[ -]?[A-Z]{1,3}[ -]?\d{4}(?![A-Za-z0-9])",
    re.DOTALL,
)
"""The state, the office, the series and the number (Central Motor Vehicles Rules, 50)."""
_FRENCH_PLATE = re.compile(r"[A-HJ-NP-TV-Z](?<![\w-].)[A-HJ-NP-TV-Z]-\d{3}-[A-HJ-NP-TV-Z]{2}(?![\w-])", re.DOTALL)
"""Since 2009, without I, O and U (arrêté du 9 février 2009)."""
_BRITISH_PLATE = re.compile(r"[A-HJ-PR-Y](?<![\w-].)[A-HJ-PR-Y](?:0[2-9]|[1-7]\d) [A-HJ-PR-Z]{3}(?![\w-])", re.DOTALL)
"""Since September 2001 (DVLA, INF104)."""
_NEAR_CAR = re.compile(
    r"(?<![^\W\d_])(?:car|van|vehicle|truck|lorry|wagen|auto|pkw|fahrzeug|stellplatz|parkplatz|lease\w{0,4}|bestelbus|coche|furgoneta|"
    r"veh[íi]culo|"
    r"macchina|furgone|veicolo|voiture|véhicule|camionnette|golf|transit|sprinter|corsa|polo|fiesta)(?![^\W\d_])",
    re.IGNORECASE,
)
_CAR_PLATE = re.compile(
    r"(?<![\w-])(?:[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} \d{1,4}[EH]?|[A-Z]{1,3}-\d{2,3}-[A-Z]{1,3}|\d{1,3}-[A-Z]{2,3}-\d{1,2}|"
    r"\d{4} ?[BCDFGHJKLMNPRSTVWXYZ]{3}|"
    r"[A-Z]{2} ?\d{3} ?[A-Z]{2})(?![\w-])"
)
"""Of Germany, the Netherlands, Spain and Italy; only beside a word for a car."""
_CAR_PLATE_SHAPES = ("-A 0", "-AA 0", "A-00", "0-AA", "0000AAA", "0000 AAA", "AA000", "AA 000")
_CAR_WORDS = Words((
    "car", "van", "vehicle", "truck", "lorry", "wagen", "auto", "pkw", "fahrzeug", "stellplatz", "parkplatz", "lease", "bestelbus", "coche",
    "furgoneta", "vehículo", "vehiculo", "macchina", "furgone", "veicolo", "voiture", "véhicule", "camionnette", "golf", "transit", "sprinter",
    "corsa", "polo", "fiesta",
))  # fmt: skip
_INDIAN_LICENCE = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[- ]?\d{2}[- ]?(?:19|20)\d{2}[- ]?\d{7}(?![A-Z0-9])")
_SWISS_SSN = re.compile(r"(?<![\w.])756\.\d{4}\.\d{4}\.\d{2}(?![\w.]\d)")
"""Since 2008: 13 digits, of which the first three are the country's."""
_EIN = re.compile(r"(?<![\w-])\d{2}-\d{7}(?![\w-])")
_PLATE_SHAPES = ("AA00", "AA 00", "AA-00")
_INDIAN_PLATE_SHAPES = ("A0000", "A 0000", "A-0000")


def registers(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order, and with overlaps."""
    yield from announced(text, lowered, ANNOUNCED)
    if lowered.has_shape(_PLATE_SHAPES):
        for match in _INDIAN_PLATE.finditer(text) if lowered.has_shape(_INDIAN_PLATE_SHAPES) else ():
            yield Finding(*match.span(), "VEHICLE_ID", "ID", 0.7)
        for match in _BRITISH_PLATE.finditer(text) if "AA00 AAA" in lowered.shape else ():
            yield Finding(*match.span(), "VEHICLE_ID", "ID", 0.6)
        for match in _INDIAN_LICENCE.finditer(text) if "0000000" in lowered.shape else ():
            yield Finding(*match.span(), "DRIVER_LICENSE", "ID", 0.6)
    if "756." in text:
        for match in _SWISS_SSN.finditer(text):
            yield Finding(*match.span(), "CH_SSN", "ID", 0.95)
    if "EIN" in text:
        for match in _EIN.finditer(text):
            yield Finding(*match.span(), "US_EIN", "ID", 0.8)
    if _CAR_WORDS.any_within(lowered) and lowered.has_shape(_CAR_PLATE_SHAPES):
        for match in _CAR_PLATE.finditer(text):
            if _NEAR_CAR.search(text, max(0, match.start() - 64), match.end() + 24) is not None:
                yield Finding(*match.span(), "VEHICLE_ID", "ID", 0.6)
    if "AA-000-AA" in lowered.shape:
        for match in _FRENCH_PLATE.finditer(text):
            yield Finding(*match.span(), "VEHICLE_ID", "ID", 0.6)


__all__ = ["ANNOUNCED", "registers"]
