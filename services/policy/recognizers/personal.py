"""Dates of birth, ages and titles."""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.announced import CLOSE, Announcements, announced, announcement
from services.policy.recognizers.lowered import Lowered, Words, holds_any

_MONTH = (
    r"(?i:jan(?:uary|uar|vier|uari|\.)?|jän(?:ner)?|feb(?:ruary|ruar|rero|braio|ruari|\.)?|f[ée]v(?:rier|\.)?|mar(?:ch|s|zo|"
    r"ch|\.)?|mär(?:z|\.)?|maart|mrt|apr(?:il|ile|\.)?|avr(?:il|\.)?|abril|abr|"
    r"may|mai|mayo|maggio|mag|mei|jun(?:e|i|io|\.)?|juin|giu(?:gno|\.)?|jul(?:y|i|io|\.)?|juil(?:let|\.)?|lug(?:lio|\.)?|"
    r"aug(?:ust|ustus|\.)?|ao[uû]t|ago(?:sto|\.)?|"
    r"sep(?:t(?:ember|embre|iembre|\.)?|\.)?|set(?:tembre|\.)?|o[ck]t(?:ober|obre|ubre|\.)?|ott(?:obre|\.)?|nov(?:ember|embre|"
    r"iembre|\.)?|de[czs](?:ember|embre|iembre|\.)?|d[ée]c(?:embre|\.)?|dic(?:embre|iembre|\.)?|gen(?:naio|\.)?|ene(?:ro|\.)?|"
    r"janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|dezembro|mars|augusti|maj|juni|"
    r"stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia)"
)
_YEAR = r"(?:1[89]\d{2}|20[0-3]\d|['’]?\d{2})"
_DATE = (
    rf"(?:\d{{1,4}}(?P<s>[-./ ]|\. |[ ]?/[ ]?)\d{{1,2}}(?P=s)\d{{1,4}}|\d{{1,2}}(?:st|nd|rd|th|er|º|°|\.)?(?:[ -]|\. )?(?:of |"
    rf"de |di |del )?{_MONTH}(?:,? ?|-|/)(?:of |de |del )?{_YEAR}"
    rf"|{_MONTH}[ -]\d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}|(?:19|20)\d{{2}}[ -]{_MONTH}[ -]\d{{1,2}}|"
    rf"(?:19|20)\d{{2}}, ?\d{{1,2}}, ?\d{{1,2}}(?=\))|(?:19[0-9]{{2}}|20[0-2]\d)"
    rf"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:T00:00:00(?:\.0+)?Z?)?)"
)

_BIRTH = (
    r"(?:born|date[ _-]?of[ _-]?birth|birth[ _-]?(?:date|day)|dobs?(?![a-z])|d\.o\.b\.?|\bdob|geboren|geburts(?:datum|tag)|\bgeb\.|"
    r"nee?_le\b|n[ée]e?(?:\(e\))? le|n[ée]e?\b|date de naissance|nat[oai](?:/a)?\b|nat[oa]_(?:il|a)\b|"
    r"data (?:di )?nasc(?:ita|\.)|nac(?:i[óo]|í) el|nacid[oa](?:/a|\(a\))?|fecha (?:de )?nac(?:imiento|\.)?|f\. ?(?:de )?nac\.?|nacimiento|"
    r"geboortedatum|geb\b|birth_?dt|\bf_?nac\b|\bfecha_?nac\b|"
    r"date (?:de )?naiss\.?|\bddn\b|\bd\. ?d\. ?n\b|gebdat\w*|geb[.-]?dat(?:um|\.)?|\bbday\b|b['’]day|nasc\.|(?<=\bn)\. (?:il|"
    r"a)|(?-i:\bF\. ?N\.|\bFN\b|\bGD\b|\bYOB\b)|urodz(?:ony|ona|enia)|ur\.(?= ?\d)|född|født|fødsels(?:dato|dag)|syntym\w+|narozen\w*|"
    r"year of birth|jahrgang|compleanno|cumplea[ñn]os|anniversaire|verjaardag|birthdate)"
)

ANNOUNCED = Announcements(
    announcement(
        "DATE_OF_BIRTH", "DOB", "born|birth|dob|d.o.b|geb|né|nato|nata|nasc|naci|nací|nac.|nac:|naiss|ddn|bday|b'day|f.n.|fn |fn:|"
        "nee_le|ne_le|urodz|ur. |ur.|född|født|fødsels|syntym|narozen|gd:|gd |compleanno|cumplea|anniversaire|verjaardag|n. a|n. il", _BIRTH,
        # A time after a date is of a message.
        rf"{_DATE}(?!,? \d\d?:\d\d)",
        gap=r"[^\d\n]{0,40}?(?:\n[^\d\n]{0,16}?)?", score=0.9,
    ),
    # Without the year, where nothing but the date is asked for.
    announcement("DATE_OF_BIRTH", "DOB", "birthday|b'day|bday|geburtstag|anniversaire|compleanno|cumplea|verjaardag",
    r"(?:birthday|b['’]?day|geburtstag|anniversaire|compleanno|cumplea[ñn]os|verjaardag)",
    rf"\d{{1,2}}[/.]\d{{1,2}}\.?|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH}|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?",
    gap=r"(?:[ ](?:is|ist|est|es|è|am|le|il|el|on|op))?[ ]?:?[ ]?(?:on |am |le |il |el |op |the )?", score=0.6),
    # Who is under somebody's care: ``(daughter, minor, 07/08/2011)``.
    announcement("DATE_OF_BIRTH", "DOB", "minor, |minor (|daughter, |daughter (|son, |son (|child, |child (|tochter, |tochter (|sohn, |sohn (|"
    "fille, |fille (|fils, |fils (|hija, |hija (|hijo, |hijo (|figlia, |figlia (|figlio, |figlio (|dochter, |dochter (|zoon, |zoon (",
    r"(?:minor|daughter|son|child|tochter|sohn|fille|fils|hij[ao]|figli[ao]|dochter|zoon)",
    r"\d{1,2}(?P<t>[./-])\d{1,2}(?P=t)(?:19|20)\d{2}(?!,? \d\d?:\d\d)", gap=r"(?:, ?| \()", score=0.6),
    # As registers and courts write it: ``Ann Lee, *12.4.1987``.
    announcement("DATE_OF_BIRTH", "DOB", "*0|*1|*2|*3|* 0|* 1|* 2|* 3", r"\*", r"\d{1,2}\.\d{1,2}\.(?:19|20)\d{2}", gap=" ?", score=0.6),
    announcement("DATE_OF_BIRTH", "DOB", "yob|year of birth|jahrgang|birth year|geburtsjahr|année de naissance",
    r"(?:yob|year of birth|jahrgang|"
    r"birth[ _]year|geburtsjahr|ann[ée]e de naissance)", r"(?:19\d{2}|20[0-2]\d)", gap=CLOSE, score=0.7),
    announcement("AGE", "AGE", "dob/age|age/sex|sex/age", r"dob ?/ ?age", r"1[01]\d|[1-9]?\d", gap=r":? {0,3}[\d/.-]{6,10} ?/ ?", score=0.6),
    # On the day, in words.
    announcement("DATE_OF_BIRTH", "DOB", "born|geboren|nato|nata|nacid|née|né ", r"(?:born|geboren|nat[oa]|nacid[oa]|n[ée]e?)",
    r"(?:19\d{2}|20[01]\d)", gap=r" (?:in|en|nel|im Jahr|anno)? ?", score=0.6),
    announcement(
        "AGE", "AGE", "age|alter|âge|edad|età|eta\"|leeftijd", r"(?:(?<![-_])(?:ages?|aged|alter|âge|edad|et[àa]|leeftijd)|"
        r"(?<=user_)age|(?<=patient_)age|(?<=customer_)age|(?<=person_)age|(?<=client_)age|(?<=employee_)age)",
        r"1[01]\d|[1-9]?\d",
        gap=CLOSE + r"(?:of |approx\.? |about |ca\. |von )?", score=0.6,
    ),
    # On a day that a form names: ``Age on 1 Sept 2026: 4``.
    announcement("AGE", "AGE", "age on |age at |age as |alter am |alter zum |âge au |edad a|età al ",
    r"(?:age (?:on|at|as (?:of|at))|alter (?:am|zum)|âge au|edad a[l]?|et[àa] al) [^\n:?]{3,24}", r"1[01]\d|[1-9]?\d",
    gap=r": {0,8}", score=0.6),
)  # fmt: skip

# What stands before and after two digits when they say how old somebody is, though no word for it does.
_TWO_DIGITS = re.compile(r"[1-9](?<![\w.,:/$€£#=+-]\d)(?<!\d \d)\d(?![\w%€$£/]|[.,:]\d|-\d| ?(?:percent|%))")
_ABOUT_ENDS = tuple(
    f"{word} "
    for word in (  # noqa: SIM905  # words, not a list of strings
        "now just nearly almost only turning jetzt schon erst i'm i’m im am 's ’s is was bin ist 'ai ’ai a ho ha tengo tiene ben "
        "turns turned aged wird werd turning were at age turn be werde word ik"
    ).split()
)
"""How all of ``_ABOUT_SOMEBODY`` ends, in lower case."""
_ABOUT_SOMEBODY = re.compile(
    r"(?:\b(?:i['’]?m|i am|i was|s?he['’]s|s?he is|s?he was|they were|we were|who is|ich bin|(?:sie|er) ist|j['’]ai|(?:elle|"
    r"il) a|ho|ha|tengo|tiene|"
    r"ik ben|(?:zij|hij) is)"
    r"(?: (?:now|just|nearly|almost|only|turning|jetzt|schon|erst))?"
    r"|\b(?:turn(?:s|ed|ing)|aged|wird|werd|ich werde|word ik|ik word|(?:you|they|we) were)"
    r"|\b(?:had|developed|diagnosed with|died of) [a-z]{4,24}(?: cancer| disease| attack)? at"
    r"|(?:['’]ll|\b(?:will|gonna|going to|about to|have to|ready to|i|you|they)) turn|\b(?:i|s?he)(?:['’]ll| will) be"
    r"|\b(?:married|retired|died|widowed|graduated|emigrated|orphaned|passed away|moved to [A-ZÀ-Ž][\w'’ -]{2,24}) at(?: age)?"
    r"|\b(?:mother|father|mum|mom|dad|wife|husband|partner|son|daughter|brother|sister|grandmother|grandfather|gran|grandma|"
    r"grandpa|aunt|uncle|kid|"
    r"girlfriend|boyfriend|fianc[ée]e?|youngest|oldest|eldest)(?: [A-ZÀ-Ž][\w'’-]+)? (?:is|was|turned|turns))"
    r"[ ]$",
    re.IGNORECASE,
)
_NAME_COMMA = re.compile(r"[A-ZÀ-Ž][\wÀ-ž'’-]{1,30}[\"”)]?,[ ]$")
_ON_SOMEBODY = re.compile(
    r",? (?:and|but|so|who|which|of|a|an|the|from|was|is|has|had|originally|living|works?|working|male|female|m|f|single|"
    r"married|divorced|widowed|"
    r"passed|died|told|said|when|in (?:jan|feb|mar|apr|may|ju|aug|sep|oct|nov|dec)\w*|today|yesterday|und|aus|et|y|e|en|uit|nurse|teacher)\b"
    r"|, (?:[a-z]+ing|mother|father)\b|[.!?;)](?:\s|$)|,? ?\n|$|, ",
    re.IGNORECASE,
)
_ON_A_DAY = re.compile(
    r" (?:(?:next|this|last|in (?:a|one|two|three|\d)|on (?:the|my|his|her|\d|mon|tues|wednes|thurs|fri|satur|sun))\b|soon\b|tonight\b|"
    r"tomorrow\b|yesterday\b|already\b|(?:nächste|kommende|diese|letzte)\w{0,2} |am \w+tag\b|morgen\b|volgende |"
    r"in (?:jan|feb|mär|mar|apr|ma[iy]|ju[nl]|aug|sep|o[ck]t|nov|de[cz])\w*)",
    re.IGNORECASE,
)
"""On which somebody grows older."""
_GROWS_OLDER = re.compile(r"(?:turn(?:s|ed|ing)?|be|wird|werde?|word) $", re.IGNORECASE)
_ON_NAME = re.compile(
    r", (?:(?:who|whose|of|a|an|the|from|was|is|has|had|originally|living|told|said|died|passed|works?|mother|father|married|"
    r"single|male|female|[a-z]+ing)\b|(?-i:[A-ZÀ-Þ][a-zà-ÿ]{2,}))",
    re.IGNORECASE,
)

_AGE_AFTER = re.compile(
    r"(?P<value>\d(?<![\w.,:/$€£-]\d)(?:(?<=1)[01]\d|(?<=[1-9])\d|))(?=(?:[ -]{0,1}(?:years?|yrs?)[ -]{0,1}(?:old|of age)|"
    r"[ ]?y/?o\b|[ ]?yrs(?= ?[MF]\b)|-year-old|"
    r"(?<=\bma \d\d)[ ]lat\b|(?<=\bmam \d\d)[ ]lat\b|[ ]?yo\b|[ ]?j(?:ä|ae)hrige[rnms]?\b|-j(?:ä|ae)hrige[rnms]?\b"
    r"|"
    r"(?<=, \d\d)[ ](?:Jahre|jaar|años|anni|ans),|"
    r"[ ]Jahre (?:alt|jung)\b|(?<=\bmit \d\d)[ ]Jahren\b|[ ]yrs?(?=[),])|[ ]jaar(?: oud|\))|"
    r"[ ]ans\b(?! d['e])|[ ]anni\b|[ ]años\b(?: de edad)?|"
    r"(?<=\btem \d\d)[ ]anos\b|[ ]anos de idade\b|[ ]year old))",
    re.IGNORECASE,
)
_BEFORE_SEX = re.compile(
    r"\d(?<![\w.,:/$€£#=-]\d)(?:(?<=1)[01]\d|\d?)(?!\d)(?=[ -]?(?:[MF]|(?:[Ff]e)?[Mm]ale)[,.]? (?:presents|presenting|c/o|w/|s/p|h/o|who|here|"
    r"admitted|complain\w{2,4}|pt|patient|seeking|looking for|referred|brought)\b|[MF](?:\)|(?:,| -) [A-Za-z])|(?:, | ?/ ?)(?:[Ff]e)?[Mm]ale\b|"
    r"(?:, | ?/ ?)[MF](?:[),;.\n]|$)| (?:[Ff]e)?[Mm]ale\b)",
    re.MULTILINE,
)
_AFTER_SEX = re.compile(
    r"\b(?:(?:[Ff]e)?[Mm]ale(?:,| ?/|:)? |(?<=\()[MF][,/] ?|(?<![\w/])[MF]/)(?P<value>1[01]\d|[1-9]\d)(?=[ ,;.)]|\n|$)"
    r"(?![.,]\d| ?(?:%|percent|cases))",
    re.MULTILINE,
)
"""``34F presents``, ``41, male``; and ``(F, 29)``, ``M/67``."""
_SEX_WORDS = Words(("male",))
_BEFORE_SEX_SHAPES = ("0A)", "0A, ", "0A -", "0A ", "0 A ", "0 A, ", "0 A. ", "0-A ", "0, A", "0/A", "0 / A")
_AFTER_SEX_SHAPES = ("A/0", "(A, 0", "(A,0")
_CHILD = re.compile(
    r"(?:daughter|son|kid|child|boy|girl|baby|twins|brother|sister|niece|nephew|grandson|"
    r"granddaughter)[^\d\n.]{0,24}?,? (?:who is|is|aged|turns|turned|of)"
    r" (?:just |now |only )?(?P<value>\d)(?=[.,;)!?]|\s(?:and|but|now|today|in|tomorrow|so)\b|\n|$)(?![.,]\d)",
    re.IGNORECASE,
)
_CHILD_WORDS = Words(
    ("daughter", "son", "kid", "child", "boy", "girl", "baby", "twins", "brother", "sister", "niece", "nephew")
)
_IN_BRACKETS = re.compile(r"[A-ZÀ-Þ][\wÀ-ž'’-]+ \([a-zà-ÿ][a-zà-ÿ ]{2,24}, (?P<value>[1-9]\d?)\)")
_SEX_LETTER = re.compile(r"(?:[a-zà-ÿ],|\b(?:pt|patient|client|pt is)) (?P<value>[1-9]\d?)[MF](?=[.,;)\n]|$)")
_SEX_SLASHED = re.compile(
    r"/(?:(?<=(?<![\w/.])[MFmf]/)(?P<after>[1-9]\d)(?=[)]|/[A-Z])|(?<=(?<![\w/.])(?P<value>[1-9]\d)/)[MFmf](?=[)\n]|/[A-Z]|$))"
)
_IN_YEARS = re.compile(
    r"(?:\b(?:ist|is|wird|wordt|war|was|er|sie|zij|hij)|[A-ZÀ-Þ][a-zà-ÿ]+,|\() (?:jetzt |nu |schon |al )?(?P<value>1[01]\d|"
    r"[1-9]?\d) (?:Jahre|jaar|J\.)(?![\wß])"
)
"""``my daughter, who is 4``; ``Bas (stagiair, 19)``; ``Ann Lee, 46F.``"""
_IN_POLISH = re.compile(r"(?:, |\()lat (?P<value>1[01]\d|[1-9]?\d)(?=[,;.)\n]|$)")
_AT_DEATH = re.compile(
    r"\b[Mm]it (?P<value>1[01]\d|[1-9]\d)(?= (?:Jahren |J\. )?(?:verstorben|gestorben|verschieden|heimgegangen)\b)|"
    r"\b(?:verstarb|starb|muri[óo]|mor[ìi]|décédée?|overleden|zmarła?)[^\d\n.]{0,24}? (?:mit|a|con|à|op|w wieku)(?: los)? "
    r"(?P<then>1[01]\d|[1-9]\d)(?=[,;.)\n ]|$)(?![.,]\d| ?%|:)"
)
_AGE_WORDS = Words((" lat", "year", "yr", "y/o", "yo", "jähr", "jaehr", "jahre", "jaar", " ans", " anni", " años", " anos"))
_DEATH_WORDS = Words(
    ("storben", "verschieden", "heimgegangen", "starb", "muri", "morì", "mori ", "décédé", "overleden", "zmarł")
)
_YEAR_WORDS = Words((" jahre", " jaar", " j."))
_THINGS = re.compile(
    r"^[ -]?(?:years?|yrs?|year)[ -]old[ -](?:code|codebase|bug|issue|commit|version|system|server|laptop|car|house|building|"
    r"branch|release|api|ticket|pr|problem|"
    r"company|software|data|backup|log|file|record|machine|library|project|driver|firmware|kernel|dependency|test|script|"
    r"account|phone|boiler)s?\b",
    re.IGNORECASE,
)
# Durations, not ages: "après 3 ans", "da 10 anni", "hace 5 años", "depuis 12 ans".
_DURATION = re.compile(
    r"(?<![^\W\d_])(?:depuis|après|pendant|dans|il y a|tous les|sur|en|da|per|fa|tra|ogni|hace|durante|desde|cada|in|tras|sinds|na|voor|al|"
    r"ultimi|primi|últimos|près de|plus de|contrat de|garantie)[ ](?:les |los |gli |le )?(?:\w{1,9} )?$",
    re.IGNORECASE,
)

_TITLE = re.compile(
    r"(?<![\w.@/-])(?P<value>"
    r"(?:Mr|Mrs|Ms|Mx|Messrs|Dr|Prof|Rev|Hon|Capt|Sgt|Lt|Col|Fr|Hr|Sig|Sig\.ra|Sig\.na|Dott|Dott\.ssa|Ing|Avv|Sr|Sra|Srta|"
    r"Dhr|Mag|Ofc|Det|Insp|Lic|Arch|Geom|"
    r"dhr|Mevr|mevr|Mme|Mlle|M|MM|Mw|mw|Drs|Smt|Pr|D[ñn]a|Dra|Sigg|Me|Cllr|Adv|MR|MRS|MS|DR)\."
    r"(?: (?:med|phil|rer|jur|Dr|Ing|h\.c|nat)\.){0,3}"
    r"|D\.?ª\.?|MR|MRS|MS|DR|[Mm](?:onsieur|adame|ademoiselle)|Ma[îi]tre|Cllr|Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Dame|Lord|Lady|Professor|"
    r"Doctor|Herrn?|Frau|Mme|Mlle|"
    r"Signora?|Signorina|Dottor(?:essa)?|Professoressa|"
    r"[Ss]eñora?|[Ss]eñorita|don(?= [A-ZÁÉÍÓÚÑ])|[Dd]oña|[Mm]evrouw|[Mm]eneer|[Dd]e heer|Shri|Smt|Sri(?! Lanka)|Pastor|Reverend|Captain|"
    r"Sergeant|Officer(?= [A-Z])|Mdm\.?|Dña\.|Magister|[Pp]an(?:i|ie|em|a|ią)?(?= [A-ZĆŁŃÓŚŹŻ][a-ząćęłńóśźż]{2})"
    r")(?=[ \u00a0](?P<next>[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’-]*))"
)
_TITLE_BEGINS = re.compile(
    r"[MDPRHCSLFIAOGdmps](?<![\w.@/-].)(?=[\w.]{0,14}[ \u00a0][A-ZÀ-ÖØ-ÞĀ-Žmprjhn])",
    re.DOTALL,
)
"""Where a title may stand: its first letter, and the name, or more of the title, in the next word."""
_NAME_BEFORE = re.compile(
    r"(?<![\w.])(?!(?:Bonjour|Bonsoir|Cher|Merci|Avec|Pour|Par|De|Et|Selon|Chez|Si|Que|Signé|Patient|Client|Nom|Contact|Dr|Monsieur) )"
    r"[A-ZÀ-Þ][a-zà-ÿ'’-]+ $"
)
"""``Paul M. Smith``: an initial."""
_COUPLE = re.compile(
    r"(?<![\w.@/-])(?P<value>Mr|Mrs|Ms|Dr|Herr|Frau|M\.|Mme|Sr\.|Sra\.|Sig\.|MR|MRS)\.?"
    r"(?= (?:&|and|und|et|e|y|en) (?:Mr|Mrs|Ms|Dr|Herr|Frau|M|Mme|Sra?|Sig|MRS?)\b)"
)
_LOWER_TITLE = re.compile(r"(?<![\w.@/-])(?P<value>(?:mr|mrs|dr|prof)\.?)(?= (?!(?:of|who|and|or|the|is|at)\b)[a-z]{3,20}\b)")
_OF_TICKET = re.compile(
    r"(?<![\w/])(?P<name>[A-Z][A-Z'-]{1,24}(?: [A-Z'-]{2,24})?/[A-Z]{2,24}(?: [A-Z]{2,24})?) (?P<value>MR|MRS|MS|MISS|MSTR|DR|"
    r"CHD|INF)(?![A-Za-z])"
)
"""``HARTIGAN/SINEAD MS``: on tickets of airlines."""
_TICKET_SLASH = re.compile(r"/(?<=[A-Z'-]/)[A-Z]{2}")
_MORE_TITLES = (
    (("Mr", "Ms", "Dr", "Herr", "Frau", "M.", "Mme", "Sr.", "Sra.", "Sig.", "MR"), _COUPLE),
    (("mr ", "mr. ", "mrs ", "mrs. ", "dr ", "dr. ", "prof ", "prof. "), _LOWER_TITLE),
)
_NOT_NAMES = frozenset(
    "Rate Ratio Count Branch Cover Name Index The A An Who No Null None Type Value Width Header Key Data And Or Is In Of To Id ID Sir "  # noqa: SIM905  # words, not a list of strings
    "Madam Madame Monsieur Hit Cache January February March April June July August September October November December".split()
)


_MORE_AGES = re.compile(
    r"(?:, ?|,? (?:and|&|und|et|e|y|en|or) )(?P<value>1[01]\d|[1-9]?\d)(?![\w%€$£/-]|[.,:]\d| ?(?:percent|%))"
)
_OF_SEVERAL = re.compile(r"(?<![^\W\d_])(?:ages|aged)[ :]{1,3}$", re.IGNORECASE)
"""``aged 12 and 14``: of several people, one after another."""
_CHILDREN = re.compile(
    r"\b(?:kids|children|sons|daughters|twins|boys|girls|brothers|sisters|nephews|nieces|grandchildren|grandkids|kinder|söhne|töchter|enfants|"
    r"filles|fils|figli|figlie|hijos|hijas|kinderen)[ ](?:\(|aged? |of |de )(?:aged? )?(?P<value>1\d|\d)(?=(?:,| and| &| und|"
    r" et| e| y| en|\)))",
    re.IGNORECASE,
)
"""``our kids (4 and 7)``."""
_TURNING = re.compile(
    r"\b(?:turn(?:s|ed|ing)|wird|wordt|compie|cumple) (?P<value>\d)(?= (?:on|in|next|this|tomorrow|today|am|nächste\w*|morgen|"
    r"heute|el|il|op) |[.!?)]|$)",
    re.IGNORECASE | re.MULTILINE,
)
"""Of a child, on the day."""
_CHILDREN_WORDS = Words(
    (
        "kids ",
        "children ",
        "sons ",
        "daughters ",
        "twins ",
        "boys ",
        "girls ",
        "brothers ",
        "sisters ",
        "nephews ",
        "nieces ",
        "grandkids ",
        "kinder ",
        "söhne ",
        "töchter ",
        "enfants ",
        "filles ",
        "fils ",
        "figli ",
        "figlie ",
        "hijos ",
        "hijas ",
        "kinderen ",
    )
)
_TURNING_WORDS = Words((" turns ", " turned ", " turning ", " wird ", " wordt ", "compie ", "cumple "))
_OF_A_CACHE = re.compile(r"\b(?:ttl|cache|cached|hit|miss|stale|etag|max-age|expires)\b", re.IGNORECASE)
_COMPARED = re.compile(r"\s[<>]=?\s{1,3}(?:(?:DATE|date|timestamp|to_date)[ (]{0,2})?[\"']?$")
"""``CHECK (date_of_birth > DATE '1900-01-01')``: a bound, and nobody's day."""


def births_and_ages(text: str, lowered: Lowered) -> Iterator[Finding]:
    """In any order, and with overlaps."""
    for finding in announced(text, lowered, ANNOUNCED):
        if finding.stem == "DOB" and _COMPARED.search(text, max(0, finding.start - 24), finding.start) is not None:
            continue
        if finding.stem != "AGE" or _is_age(text, finding):
            yield finding
        if finding.stem == "AGE" and _OF_SEVERAL.search(text, max(0, finding.start - 12), finding.start) is not None:
            yield from _others(text, finding.end)
    if _AGE_WORDS.any_within(lowered):
        for match in _AGE_AFTER.finditer(text):
            end = match.end("value")
            if not _THINGS.match(text[end : end + 24]) and not _DURATION.search(
                text, max(0, match.start() - 20), match.start()
            ):
                yield Finding(*match.span("value"), "AGE", "AGE", 0.7)
    sex = _SEX_WORDS.any_within(lowered)
    if sex or lowered.has_shape(_BEFORE_SEX_SHAPES):
        for match in _BEFORE_SEX.finditer(text):
            yield Finding(*match.span(), "AGE", "AGE", 0.6)
    if sex or lowered.has_shape(_AFTER_SEX_SHAPES):
        for match in _AFTER_SEX.finditer(text):
            yield Finding(*match.span("value"), "AGE", "AGE", 0.6)
    if _CHILD_WORDS.any_within(lowered):
        for match in _CHILD.finditer(text):
            yield Finding(*match.span("value"), "AGE", "AGE", 0.6)
    if _CHILDREN_WORDS.any_within(lowered):
        for match in _CHILDREN.finditer(text):
            yield Finding(*match.span("value"), "AGE", "AGE", 0.6)
            yield from _others(text, match.end("value"))
    if " lat " in lowered or "(lat " in lowered:
        for match in _IN_POLISH.finditer(text):
            yield Finding(*match.span("value"), "AGE", "AGE", 0.6)
    if _DEATH_WORDS.any_within(lowered):
        for match in _AT_DEATH.finditer(text):
            yield Finding(*match.span(str(match.lastgroup)), "AGE", "AGE", 0.6)
    if _TURNING_WORDS.any_within(lowered):
        for match in _TURNING.finditer(text):
            yield Finding(*match.span("value"), "AGE", "AGE", 0.6)
    for shapes, pattern in (
        (("a, 00)", "a, 0)"), _IN_BRACKETS),
        ((" 00A", " 0A"), _SEX_LETTER),
        (("00/A", "00/a", "A/00", "a/00"), _SEX_SLASHED),
        ((" 0 A", " 00 A", "00 a", " 0 a"), _IN_YEARS),
    ):
        if (pattern is not _IN_YEARS or _YEAR_WORDS.any_within(lowered)) and lowered.has_shape(shapes):
            for match in pattern.finditer(text):
                yield Finding(*match.span(str(match.lastgroup)), "AGE", "AGE", 0.6)
    for match in _TWO_DIGITS.finditer(text):
        at = match.start()
        # No pattern ends with anything but a blank; and before the line's end it would also look behind that.
        if text[at - 1 : at] not in (" ", "\n"):
            continue
        before, after = text[max(0, at - 48) : at], text[match.end() : match.end() + 24]
        if (
            lowered[max(0, at - 16) : at].rstrip("\n").endswith(_ABOUT_ENDS)
            and _ABOUT_SOMEBODY.search(before)
            and (
                (_ON_SOMEBODY.match(after) and not _UNIT.match(after))
                or (_ON_A_DAY.match(after) and _GROWS_OLDER.search(before))
            )
        ) or (before.rstrip("\n").endswith(", ") and _NAME_COMMA.search(before) and _ON_NAME.match(after)):
            yield Finding(*match.span(), "AGE", "AGE", 0.5)


def titles(text: str) -> Iterator[Finding]:
    """In order."""
    for begin in _TITLE_BEGINS.finditer(text):
        match = _TITLE.match(text, begin.start())
        if match is None:
            continue
        initial = text[match.end("next") : match.end("next") + 1] == "." and len(match["next"]) == 1
        if (initial or match["next"].rstrip(".") not in _NOT_NAMES) and not (
            match["value"] == "M."
            and (
                text[match.start() - 2 : match.start()] == ". "
                or _NAME_BEFORE.search(text, max(0, match.start() - 24), match.start()) is not None
            )
        ):
            yield Finding(*match.span("value"), "TITLE", "TITLE", 0.6)
    if "/" in text and _TICKET_SLASH.search(text) is not None:
        for match in _OF_TICKET.finditer(text):
            yield Finding(*match.span("name"), "PERSON", "PERSON", 0.6)
            yield Finding(*match.span("value"), "TITLE", "TITLE", 0.6)
    for words, pattern in _MORE_TITLES:
        for match in pattern.finditer(text) if holds_any(text, words) else ():
            yield Finding(*match.span("value"), "TITLE", "TITLE", 0.5)


_UNIT = re.compile(
    r"[ ]?(?:%|s\b|ms\b|sec|min|h\b|hours?|days?|weeks?|months?|tage?|[.,]\d|:\d|/|°|px|kb|mb|gb|k\b|x\b|[€$£]|percent|am\b|"
    r"pm\b|minutes?|degrees?\b|of\b|different|new\b|more\b|times|items|files)",
    re.IGNORECASE,
)


def _others(text: str, position: int) -> Iterator[Finding]:
    """The ages that follow one in an enumeration."""
    while (match := _MORE_AGES.match(text, position)) is not None:
        yield Finding(*match.span("value"), "AGE", "AGE", 0.6)
        position = match.end()


def _is_age(text: str, finding: Finding) -> bool:
    line = text[max(0, finding.start - 48) : finding.end + 24]
    if text[finding.start - 1 : finding.start] in ("=", ":", " ") and _OF_A_CACHE.search(line) is not None:
        return False
    return _UNIT.match(text, finding.end) is None and text[finding.end : finding.end + 1] not in ("-", "_", "(")


__all__ = ["ANNOUNCED", "births_and_ages", "titles"]
