"""Streets with their numbers, boxes, units; and postcodes, which mostly are digits and need an address, a place or a word beside them."""

import re
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.announced import CLOSE, Announcements, announced, announcement
from services.policy.recognizers.blocks import blocks
from services.policy.recognizers.lowered import Lowered, Words

_CAP = r"[A-ZÀ-ÖØ-ÞĀ-Ž][\w.'’-]{0,24}"
_UNIT = (
    r"(?:,? {0,2}(?:(?:Apt|apt|Apartment|Suite|suite|Ste|Unit|unit|Flat|Floor|Fl|Room|Rm|app|appt|Bldg|Building|int|interno|"
    r"scala|bus|piso|Wohnung|Whg)\b\.? ?#?(?-i:[\w-]{1,6})"
    r"|# ?\w{1,6}|\d{1,2}(?:st|nd|rd|th) [Ff]loor|\d{1,2}\.?[ºª°](?: ?(?:[A-Za-z]\b|izda\.?|dcha\.?|izq\.?|der\.?))?)){0,2}"
)

_SUFFIX = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Place|Pl|Square|Sq|Terrace|Ter|Crescent|"
    r"Cres|Close|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Trail|Trl|"
    r"Mews|Gardens|Gdns|Grove|Hill|Row|Walk|Quay|Wharf|Green|Rise|View|Turnpike|Pike|Alley|Cottages|Park|Parade|Esplanade|"
    r"Loop|Path|Plaza|Broadway|Heights|Vale|Yard|Crossing|Bend|"
    r"Point|Ridge|Run|Approach|Arcade|Embankment|Bypass|Expressway|Freeway|Fwy|Causeway|Promenade|Marg|Nagar|Chowk|Bazaar|"
    r"Colony|Layout|Enclave)"
)
# Suffixes of USPS Publication 28, appendix C1, that are also words of their own: only where the line or a town goes on.
_RARE_SUFFIX = (
    r"(?:Circus|Copse|Corso|Crossway|Driveway|Nook|Parklands|Ramp|Ride|Rotary|Tarn|Towers?|Walkway|Annex|Bayou|Beach|Bluffs?|"
    r"Bottom|Branch|Bridge|Brooks?|Burgs?|Camp|Canyon|Cape|Centers?|Circles|Circlet|Cliffs?|Club|Common|Concourse|Corners?|"
    r"Course|Courts|Coves?|Creek|Crest|Crossroad|Curve|Dale|Dam|"
    r"Divide|Drives|Elbow|End|Estates?|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?|Fort|Garden|"
    r"Gateway|Glens?|Greens|Groves|Harbors?|Haven|Hills|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|"
    r"Knolls?|Lakes?|Land|Landing|Lights?|Little|Loaf|Locks?|Lodge|Mall|Manors?|Meadows?|Mills?|Mission|Motorway|Mount|"
    r"Mountains?|Neck|Orchard|Oval|Overpass|Parks|Parkways|Pass|Passage|Pines?|Plains?|Plazas|Points|Ports?|"
    r"Prairie|Quadrant|Radial|Ranch|Rapids?|Rest|Ridges|Rivers?|Roads|Route|Rue|Shoals?|Shores?|Skyway|Springs?|Spurs?|"
    r"Squares|Stations?|Stravenue|Streams?|Streets|Studios?|Summit|Throughway|Trace|Track|Trafficway|"
    r"Trailer|Tunnel|Turn|Underpass|Unions?|Valleys?|Via|Viaduct|Views|Villages?|Ville|Vista|Walks|Wall|Ways|Wells?|Woods?)"
)
_BEFORE_NUMBER = r"(?<![\w.,:/#$€£@+=-][\dN])(?<!\d [\dN])"
"""What is not before a number, of which the first sign has been read: ``re`` skips to a sign much faster than to what is before it."""
_NO_RARE_STREET = (
    r"(?!(?:Data|Story|Bonus|Open|Active|Total|Primary|Foreign|Unique|Error|Default|Missing|Unread|Live|Internal|External|Public|Private|Free|"
    r"Used|Max|Min|Invalid|Empty|Custom|Input|Output|Stack|Form|Text|Git|Release|Feature|Loyalty|Reward|Access|Network|Serial|"
    r"USB|Video|Audio|Event|Query|Test|Unit|Source|Target|Key|Hot|Cold|Dead|Spin|Page|Daily|Weekly|Monthly|"
    r"Base|Power|Work|Weather|Radio|Space|Gas|Train|Bus|Police|Fire|Polling|Charging|Of|The|And|New|More|Other|Different) )"
)
"""What is counted: ``1200 Story Points``, ``300 Gas Stations``."""
_ENGLISH = re.compile(
    rf"[\dN]{_BEFORE_NUMBER}(?:(?:(?<=N)o\.? ?\d{{1,5}}|(?<=\d)\d{{0,4}})(?:[-–/]\d{{1,4}})?[A-Za-z]?,? "
    rf"(?:{_CAP} |\d{{1,3}}(?:st|nd|rd|th) |of |the |de |la |del ){{1,5}}?"
    rf"{_SUFFIX}\b\.?(?: (?:NW|NE|SW|SE|N|S|E|W|North|South|East|West)\b)?{_UNIT}"
    rf"|(?<=\d)\d{{0,4}}[A-Za-z]? {_NO_RARE_STREET}(?:{_CAP} ){{1,2}}{_RARE_SUFFIX}(?=,? (?:Apt|Suite|Unit|Flat)\b|, [A-Z]|\n[A-Z]|"
    rf" in [A-Z]|\.?$){_UNIT}"
    rf"|(?<=\d)(?!(?<=[12])\d{{3}} [A-Z])\d{{2,4}} {_NO_RARE_STREET}[A-Z][a-zà-ž'’-]{{2,24}} {_RARE_SUFFIX}\b(?![\w'’-]|\.\w){_UNIT}"
    rf"|(?<=\d)\d{{0,4}}[A-Za-z]? (?:Broadway|(?:[NSEW]\.? |North |South |East |West )?\d{{1,3}}(?:st|nd|rd|"
    rf"th) (?:St|Ave|Street|Avenue)\b\.?|The [A-Z][a-z]{{3,14}}(?=,|\n)|"
    rf"(?<=\d\d )[NSEW]\.? [A-Z][a-z]{{3,20}}(?=[,.;)\n]|$)|(?:Highway|Route|State Route|County Road|Avenue|"
    rf"Avenida|Rue|Calle|Via|Rua) [A-Z0-9]\w{{0,14}}(?: {_CAP}){{0,3}}){_UNIT})"
)
_MAYBE_ENGLISH = re.compile(r"\d[A-Za-z]?,? (?:[A-ZÀ-ÖØ-ÞĀ-Ž]|\d{1,3}(?:st|nd|rd|th) |of |the |de |la |del )")
"""A number and what may follow it: all that ``_ENGLISH`` finds has such a place."""
_LOWER = re.compile(
    rf"\d{_BEFORE_NUMBER}\d{{0,4}}[a-z]? (?P<words>(?:[NSEWnsew]\.? )?[A-Za-z]{{2,15}}(?: [A-Za-z]{{2,15}})?) (?:street|st|"
    rf"avenue|ave|road|rd|lane|ln|drive|blvd|boulevard|court|terrace|crescent|close|square)\b\.?(?: [nsew]\b)?{_UNIT}"
)
_NOT_STREETS = frozenset(
    "the a an of to in on at by for and or down up off along minutes minute hours hour days day miles km meters metres yards "  # noqa: SIM905  # words, not a list of strings
    "feet people cars houses times more other busy main-thread way "
    "different new old long from is are was were per cent percent lanes side we they he she it this that hrs mins blocks "
    "seconds sec days weeks years".split()
)
_HOUSE = re.compile(
    rf"(?<![\w-])(?:(?:Flat|Apartment|Apt\.?|Unit|Suite|Studio|Level|Shop|Room|Plot|House|Door|Block|Villa|H\.)(?: [Nn]o\.?|"
    rf" #)? ?[A-Z]?-?\d{{1,5}}[A-Za-z]?(?:/\d{{1,3}})?,? )(?:\d{{1,5}}[A-Za-z]?,? )?(?:{_CAP},? ){{0,7}}?(?:House|Court|Lodge|"
    rf"Mansions?|Tower|Towers|Building|Residency|Heights|Apartments?|Complex|Society|Business Park|Industrial Estate|Park|"
    rf"Arcade|Enclave|Colony|Nagar|{_SUFFIX}|{_RARE_SUFFIX})\b(?:, (?:{_CAP} ){{1,3}}{_SUFFIX}\b)?"
    rf"|(?<![\w-])[A-Z]-?\d{{2,4}}, (?:{_CAP} ){{1,3}}"
    rf"(?:Heights|Apartments?|Residency|Enclave|Towers?|Society|CHS|Nagar|Complex|Vihar|Mansions?)\b"
    rf"|(?<![\w-])(?<!Visual )(?<!Android )(?:Flat|Studio|Apartment|Apt\.?) \d{{1,4}}[A-Za-z]?(?=,|\n| in [A-Z]|$)"
    rf"|(?<![\w-])(?:H\. ?No\.?|House [Nn]o\.?|Plot [Nn]o\.?|Door [Nn]o\.?|D\. ?No\.?) ?\d{{1,5}}[A-Z]?(?:[-/]\d{{1,5}}){{0,3}}"
    rf"|(?<![\w-])\d{{1,3}} {_CAP} (?:Cottages|House|Mansions|Towers?|Villas), (?:{_CAP} ){{1,3}}{_SUFFIX}\b"
)
_BOX = re.compile(
    r"(?<!\w)(?:(?:P\.? ?O\.? ?|Post Office |GPO |Locked )(?:Box|Bag)|Postfach|Postbus|Casella [Pp]ostale|"
    r"Apartado(?: de [Cc]orreos)?|Boîte [Pp]ostale|B\.?P\.(?= \d)|RR \d{1,3},? Box|HC \d{1,3},? Box|PSC \d{1,5},? Box|"
    r"(?<!\w )Unit \d{3,5},? Box|PMB)"
    r"[ :]{1,2}#?\d[\d ]{0,8}\d?(?<! )",
    re.IGNORECASE,
)

_SHIP = re.compile(
    r"\b(?:USS|USNS|USNV|USCGC|HMS|HMCS|HMAS) [^\W\d_][^\W\d_'’.-]+(?: [^\W\d_][^\W\d_'’.-]+){0,2}(?= ?[\n,] ?(?:FPO|BFPO|APO))",
    re.IGNORECASE,
)
_GERMAN = re.compile(
    rf"(?<![\w-])(?:{_CAP}[ -]){{0,2}}(?:[A-ZÄÖÜ][\wäöüß-]{{1,30}}(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|[Ww]eg|[Pp]latz|[Aa]llee|"
    rf"[Gg]asse|[Rr]ing|[Uu]fer|damm|steig|stieg|chaussee|markt|graben|promenade|twiete|kamp)|(?:Stra(?:ß|ss)e|Str\.|Weg|"
    rf"Platz|Allee|Ring|Ufer|Damm|Chaussee|Promenade)(?: (?:des|der|vom|am|zum|zur|an der) {_CAP}(?: {_CAP})?)?)"
    r" {0,2}(?P<number>\d{1,4}(?: ?[a-zA-Z](?![\w.]))?(?:[-/+]\d{1,4}[a-z]?)?)(?![\w%]|[.,:]\d| (?:GB|MB|TB|KB|Uhr|Euro|EUR|%|"
    r"Prozent|Personen|von))"
)
_NO_GERMAN_STREET = re.compile(
    r"(?:Speicher|Arbeits|Park|Steck|Stell|Spiel|Sitz|Lager|Um|Aus|Hin|Rück|Super|Flug|Bau|Fest|Schreib|Nah)(?:platz|plätze|"
    r"weg|markt|ring)$|^(?:Token|Gold|Ohr)[ -]?[Rr]ing$"
)
_GERMAN_LOCATED = re.compile(
    rf"(?<![\w-])(?P<street>(?:Am|An der|An den|Im|In der|In den|Zum|Zur|Auf dem|Auf der|Unter den|Beim|Hinter der|Vor dem|"
    rf"Bei der) (?:{_CAP} ){{1,3}})\d{{1,3}}(?: ?[a-z])?(?=[,;)]|\n|$| {{0,2}}·|, \d{{5}}| \d{{5}} [A-ZÄÖÜ])"
)
_NO_GERMAN_LOCATION = re.compile(
    r"\b(?:Jahr|Jahre|Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Montag|Dienstag|"
    r"Mittwoch|Donnerstag|Freitag|Samstag|Sonntag|Kapitel|Abschnitt|Version|"
    r"Schritt|Fall|Punkt|Alter|Preis|Wert|Seite|Zeile|Spalte|Tag|Woche|Monat|Schnitt|Test|Release|Build|Ticket|Sprint|Port)\b"
)
_GERMAN_REST = re.compile(
    rf"(?<![\w-])(?:{_CAP}[ -]){{0,2}}[A-ZÄÖÜ][\wäöüß-]{{2,30}} \d{{1,4}}(?!\d) ?[a-z]?(?=,? {{0,2}}[·|"
    rf"]? ?\n?(?:D-)?\d{{5}} [A-ZÄÖÜ])"
)

_DUTCH = re.compile(
    rf"(?<![\w-])(?:{_CAP} |van |de |der |den |het |'t ){{0,4}}(?:[A-Z][\w'’-]{{1,30}}(?:straat|laan|weg|plein|gracht|kade|"
    rf"dijk|singel|pad|steeg|dreef|plantsoen|boulevard|burgwal|hof|markt|baan|wal|oord)|(?:Straat|Laan|Weg|Plein|Gracht|Kade|"
    rf"Dijk|Singel|Hof|Markt|Wal))"
    r" {1,2}\d{1,4}(?: ?[a-zA-Z](?!\w))?(?:[-/ ](?:\d{1,4}|bis|hs|[IVX]{1,3}))?(?![\w%]|[.,:]\d)"
)
_FRENCH_TYPE = (
    r"(?:rue|avenue|av\.|boulevard|bd\.?|blvd|place|pl\.|chemin|ch\.|allée|allee|allé|impasse|quai|cours|route|square|passage|"
    r"faubourg|fbg|esplanade|ruelle|venelle|sentier|villa|cité|résidence|rond-point|traverse|montée|promenade|voie|lotissement)"
)
_FRENCH = re.compile(
    rf"\d{_BEFORE_NUMBER}\d{{0,4}}(?: ?(?:bis|ter|quater)\b|[A-D]\b)?,? (?i:{_FRENCH_TYPE}) (?:(?:de la |de l['’]|du |des |de |"
    rf"d['’]|la |le |les |l['’]|à |aux |au |et |sous |sur |en |saint[e]?-)?(?:{_CAP}|\d{{1,2}}(?= [A-Za-zéû]{{3,9}}))"
    rf"[ -]?){{1,6}}(?<![ -]){_UNIT}"
)
_ITALIAN = re.compile(
    rf"(?<![\w.])(?:[Vv]ia|[Vv]iale|V\.le|[Pp]iazza|P\.?zza|[Cc]orso|C\.so|[Ll]argo|[Vv]icolo|[Pp]iazzale|P\.le|[Ss]trada|"
    rf"Lungo\w{{3,10}}|[Ss]alita|[Cc]ontrada|[Ff]razione|[Cc]alle|[Bb]orgo|[Rr]otonda|[Ii]ncrocio|[Ss]tretto|[Cc]anale|"
    rf"[Ff]ondamenta|[Ss]anta Croce)"
    rf" (?:(?:della|delle|dello|degli|dei|del|dell['’]|di|da|dal|de|d['’]|la|le|e|al|alla|lo|[IVX]{{1,4}}|"
    rf"\d{{1,2}}(?= [A-Za-z]{{4,9}}))? ?(?:{_CAP})[ ]?){{1,6}}(?<! ),? (?:n\.? ?°? ?|nr\.? ?)?\d{{1,4}}(?:/?[A-Za-z](?!\w)|"
    rf"/\d{{1,3}}|-\d{{1,3}}| ?bis)?(?![\w%]|[.:]\d){_UNIT}"
)
_SPANISH = re.compile(
    rf"(?<![\w.])(?i:calle|c/|avenida|avda\.?|av\.|plaza|pza\.?|plza\.?|paseo|pº|camino|carretera|ctra\.?|ronda|travesía|"
    rf"rambla|gran vía|glorieta|carrer|passeig|avinguda|plaça|cuesta|urbanización|urb\.|polígono|barrio|carrera|calzada|"
    rf"autopista|acceso|vial|cañada|callejón|pasadizo|pasaje|alameda|vía|via)"
    rf" ?(?:(?:de la |de las |de los |del |de |la |el |los |las |dels |d['’])?(?:{_CAP}|\d{{1,2}}(?= de))[ ]?(?:y |"
    rf"i )?){{0,6}}(?<! ),? (?:n\.?[º°o]? ?|núm\.? ?|#|s/n)?\d{{1,5}}(?:-\d{{1,3}}|[A-Za-z](?!\w))?(?![\w%]|[.:]\d){_UNIT}"
)
_GRAN_VIA = re.compile(r"(?<!\w)Gran Vía(?: de [A-ZÁ-Ú]\w+)?,? \d{1,3}(?!\w)")
_NORDIC = re.compile(
    rf"(?<![\w-])(?:{_CAP} )?[A-ZÅÄÖØÆ][\wåäöøæéü-]{{2,24}}(?:vägen|gatan|gata|gade|gaten|vej|veien|vei|gränd|allén|torget|"
    rf"tie|katu|straede|stræde|strasse|utca|bakken|backen|engen|åsen|stigen|stien|haugen|kroken|krogen|svingen|løkka|brinken|vangen|toften)"
    rf"(?:\s)\d{{1,4}}(?: ?[A-Za-z](?!\w)|(?!\w))(?:,? lgh \d{{4}}(?!\w))?(?![.,:]\d|%)"
    rf"|(?<!\w)(?:{_CAP} ){{1,3}}(?:(?:gate|gata|vei|veg|plass|gade|vej|allé) \d{{1,4}}[A-Za-z]?(?=,? \d{{4}} [A-ZÆØÅ])"
    rf"|Allé \d{{1,4}}[A-Za-z]?(?!\w|[.,:]\d|%))"
    rf"|(?<![\w.])(?:[Uu]l\.|[Aa]l\.|[Pp]l\.|[Oo]s\.|Rua|Avenida|Travessa|Largo|Rruga|Bulevardi|Strada|Str\.)"
    rf"(?: (?:(?:da|do|das|dos|de|e) )?{_CAP}){{1,5}},? \d{{1,4}}[A-Za-z]?(?:/\d{{1,4}})?(?![\w%]|[.:]\d)"
)
_EASTERN = re.compile(
    rf"(?<![\w-])(?:\d{{1,5}} )?(?:{_CAP}[ -]){{0,3}}[^\W\d_][\w'’-]{{2,24}} "
    rf"(?:(?:utca|kalea|útja|út|tér|tere|körút|krt\.|sétány|fasor|rakpart|"
    rf"köz|ulica|cesta|[Cc]addesi|[Ss]okak|[Ss]okağı|[Bb]ulvarı|tänav|mnt\.?|pst\.?|tee)"
    rf"(?:,? [Nn]o ?[:.]? ?| )\d{{1,4}}(?:[/-]?[A-Za-z](?!\w)|/\d{{1,3}})?"
    rf"|u\. \d{{1,4}}(?:/[A-Za-z0-9])?(?=\.(?!\d)|,|\n|$))(?![\w%]|[.,:]\d)"
    rf"|(?<![\w-])(?:\d{{1,5}} )?(?:[Uu]lica|[Tt]rg|[Cc]esta|[Nn]áměstí|[Nn]ám\.|[Tt]řída|[Tt]ř\.|[Уу]л\.|[Уу]лица|[Пп]р\.|[Пп]роспект|"
    rf"[Вв]ул\.|[Οο]δός|Λεωφ\.|Λεωφόρος|Λ\.|Πλατεία|Odos|Leof\.) (?:[^\W\d_][\w'’.-]{{0,24}} ?){{1,4}},? ?(?:д\. ?|буд\. ?|č\. ?|[Nn]o\.? ?)?"
    rf"(?<=[ .])\d{{1,4}}[A-Za-zА-яΑ-ω]?(?:/\d{{1,4}})?(?![\w%]|[.,:]\d)"
)
_NUMBERED = re.compile(
    r"\b(?:section|chapter|figure|fig\.|table|step|page|line|version|part|phase|level|test|case|issue|item|rule|top|stage|day|"
    r"sprint|appendix|exercise|question|lesson|unit|slide) $",
    re.IGNORECASE,
)
# By what a text must hold for a pattern to be tried.
_PATTERNS: tuple[tuple[Words | None, re.Pattern[str]], ...] = (
    (None, _ENGLISH),
    (Words(("flat ", "apartment", "apt", "unit ", "suite", "studio ", "level ", "shop ", "room ", "plot ", "house ", "door ", "block ",
    "villa", "h.no", "h. no", "cottages", "mansions", "tower")), _HOUSE),
    (Words(("box", "bag", "postfach", "postbus", "casella", "apartado", "boîte", "bp ", "b.p.", "pmb")), _BOX),
    (Words(("fpo",)), _SHIP),
    (Words(f" {kind} " for kind in (
        "rue", "avenue", "av.", "boulevard", "bd", "bd.", "blvd", "place", "pl.", "chemin", "ch.", "allée", "allee", "allé", "impasse",
        "quai", "cours", "route", "square", "passage", "faubourg", "fbg", "esplanade", "ruelle", "sentier", "villa", "cité",
        "résidence", "rond-point", "traverse", "montée", "promenade", "voie", "lotissement",
    )), _FRENCH),
    (Words(("via", "v.le", "piazza", "zza", "corso", "c.so", "largo", "vicolo", "p.le", "strada", "lungo", "salita", "contrada",
    "frazione", "calle", "borgo", "rotonda", "incrocio", "stretto", "canale", "fondamenta", "santa croce")), _ITALIAN),
    (Words(("calle", "c/", "avenida", "avda", "av.", "plaza", "pza", "plza", "paseo", "pº", "camino", "carretera", "ctra", "ronda",
    "traves", "rambla", "vía", "glorieta", "carrer", "passeig", "avinguda", "plaça", "cuesta", "urb", "polígono", "barrio",
    "carrera", "calzada", "autopista", "acceso", "vial", "cañada", "callej", "pasadizo", "pasaje", "alameda", "vía", "via ")), _SPANISH),
    (Words(("gran vía",)), _GRAN_VIA),
    (Words(("ul.", "al.", "pl.", "os.", "rua", "avenida", "travessa", "rruga", "bulevardi", "strada", "str.")), _NORDIC),
    (Words((" utca ", " kalea ",
    " útja ", " út ", " tér ", " tere ", " körút ", " krt. ", " sétány ", " fasor ", " rakpart ", " köz ", " u. ", "ulica ",
    "cesta ", " caddesi", " sokak", " sokağı", " bulvarı", " tänav ", " mnt ", " mnt. ", " pst ", " pst. ", " tee ", "trg ", "náměstí ",
    "nám. ", "třída ", "tř. ", "ул. ", "улица ", "пр. ", "проспект ", "вул. ", "οδός ", "λεωφ. ", "λεωφόρος ", "λ. ", "πλατεία ",
    "odos ", "leof. ")), _EASTERN),
)  # fmt: skip
# And by how a word ends that a number follows.
_ENDINGS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("straat", "laan", "weg", "plein", "gracht", "kade", "dijk", "singel", "pad", "steeg", "dreef", "plantsoen", "boulevard",
    "wal", "hof", "markt", "baan", "oord"), _DUTCH),
    (("vägen", "gatan", "gata", "gate", "gade", "gaten", "plass",
    "allé", "vej", "veg", "veien", "vei", "gränd", "allén", "torget", "tie", "katu", "straede", "stræde",
    "strasse", "utca", "bakken", "backen", "engen", "åsen", "stigen", "stien", "haugen", "kroken", "krogen", "svingen", "løkka",
    "brinken", "vangen", "toften"), _NORDIC),
)  # fmt: skip
_GERMAN_ENDINGS = ("straße", "strasse", "str.", "weg", "platz", "allee", "gasse", "ring", "ufer", "damm", "steig", "stieg",
"chaussee", "markt", "graben", "promenade", "twiete", "kamp")  # fmt: skip
_GERMAN_WORDS = Words(("straße d", "straße v", "straße z", "straße a", "platz d", "platz z", "allee d", "allee z"))
_ENDING_WORDS = Words(
    f"{ending} " for endings in (*(endings for endings, _ in _ENDINGS), _GERMAN_ENDINGS) for ending in endings
)
_GERMAN_TOWN = re.compile(r"\d\d{4} [A-ZÄÖÜ]")
_TOWN_SHAPE = "00000 A"
_LONGEST_REST = 120
"""Characters of a ``_GERMAN_REST`` and what is between it and the town."""
_BLANK_DIGIT = re.compile(r" \d")
_LOCATED_WORDS = Words(
    (
        "am ",
        "an de",
        "im ",
        "in de",
        "zum ",
        "zur ",
        "auf de",
        "unter den",
        "beim ",
        "hinter",
        "vor dem",
        "bei der",
    )
)
_LOWER_WORDS = Words((" street", " st", " ave", " road", " rd", " lane", " ln", " drive", " blvd", " boulevard", " court", " terrace",
" crescent", " close", " square"))  # fmt: skip

_LABELLED = Announcements(announcement(
    "STREET_ADDRESS", "ADDRESS", "address|street|addr|line1|line_1|anschrift|adresse|wohnhaft|indirizzo|residenza|direcci|"
    "domicilio|adres|straße|strasse|straat|rue|house",
    r"(?:(?:(?:home|mailing|postal|billing|shipping|delivery|residential|street|permanent|current|work|new|old)"
    r"[ _-]?)?address|street(?:[ _-]?(?:address|line|name))?[ _]?\d?|address(?:[ _-]?line)?[ _]?\d?|addr(?:ess)?|"
    r"line_?1|anschrift|adresse|wohnhaft|indirizzo|residenza|direcci[óo]n|domicilio|adres|straße|strasse|"
    r"straat(?: en huisnummer)?|rue|house)",
    r"(?=[^\n,;\"<|]{0,60}(?:, ?)?\d)(?=[^\n,;\"<|]{0,60}[A-Za-zÀ-ž]{3})[A-Za-z0-9À-Ž]"
    r"(?:[^\n,;\"<|@:=(){}\[\]\\+*$\d]{4,60}, ?\d{1,5}[A-Za-z]?(?=[,;\"<|\n]|$|  )|"
    r"(?=[^\n,;\"<|]{0,60}\d)[^\n,;\"<|@:=(){}\[\]\\+*$]{4,60}?(?=[,;\"<|]|\n|$|  ))",
    gap=r"[\"'>]{0,2}[ \t]{0,3}[:=][ \t]{0,12}[\"']?", score=0.7,
))  # fmt: skip
_MACHINE = re.compile(
    r"0x[0-9a-f]|^\d{1,3}(?:\.\d{1,3}){3}|^[0-9a-f]{8,}|https?|\.(?:com|org|net|io|py|js|go)\b|^(?:line|port|bus|slot)\b",
    re.IGNORECASE,
)


def addresses(text: str, lowered: Lowered) -> Iterator[Finding]:
    """Streets, houses and boxes, and then the postcodes, for which it helps to know where an address ended."""
    streets = list(_streets(text, lowered))
    yield from streets
    yield from blocks(text, lowered, streets)
    yield from _postcodes(text, lowered, streets)


def _street(start: int, end: int) -> Finding:
    return Finding(start, end, "STREET_ADDRESS", "ADDRESS", 0.7)


def _streets(text: str, lowered: Lowered) -> Iterator[Finding]:
    for words, pattern in _PATTERNS:
        if words.any_within(lowered) if words is not None else _MAYBE_ENGLISH.search(text) is not None:
            for match in pattern.finditer(text):
                if pattern is _ENGLISH and _NUMBERED.search(text, max(0, match.start() - 16), match.start()):
                    continue
                yield _street(match.start(), match.start() + len(match[0].rstrip(" ,")))
    before_numbers: list[str] = []
    if _ENDING_WORDS.any_within(lowered):
        before_numbers = [
            lowered[max(0, match.start() - 12) : match.start()].rstrip() for match in _BLANK_DIGIT.finditer(lowered)
        ]
    for endings, pattern in _ENDINGS:
        if any(before.endswith(endings) for before in before_numbers):
            for match in pattern.finditer(text):
                yield _street(*match.span())
    if any(before.endswith(_GERMAN_ENDINGS) for before in before_numbers) or _GERMAN_WORDS.any_within(lowered):
        for match in _GERMAN.finditer(text):
            if not _NO_GERMAN_STREET.search(text[match.start() : match.start("number")].strip()):
                yield _street(*match.span())
    if _LOCATED_WORDS.any_within(lowered):
        for match in _GERMAN_LOCATED.finditer(text):
            if not _NO_GERMAN_LOCATION.search(match["street"]):
                yield _street(*match.span())
    if _LOWER_WORDS.any_within(lowered):
        for match in _LOWER.finditer(text):
            if not _NOT_STREETS.intersection(match["words"].lower().split()):
                yield _street(*match.span())
    end = 0
    for town in _GERMAN_TOWN.finditer(text) if _TOWN_SHAPE in lowered.shape else ():
        for match in _GERMAN_REST.finditer(text, max(end, town.start() - _LONGEST_REST), town.end()):
            end = match.end()
            if not _NO_GERMAN_LOCATION.search(match[0]):
                yield _street(*match.span())
    for labelled in announced(text, lowered, _LABELLED):
        if not _MACHINE.search(text[labelled.start : labelled.end]):
            yield labelled


_UK = r"(?:[A-Z]{1,2}\d[A-Z\d]?|[A-Z]{1,2}\d) ?\d[ABD-HJLNP-UW-Z]{2}"
_UK_AREAS = frozenset(
    "AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX FK FY G GL GU "  # noqa: SIM905  # words, not a list of strings
    "GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY "
    "L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR "
    "SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR "
    "WS WV YO ZE".split()
)
_UK_SPACED = re.compile(r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]?(?P<district>\d[A-Z\d]?) \d[ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9])")
_CA = r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d"
_CA_SPACED = re.compile(r"[ABCEGHJ-NPRSTVXY](?<![A-Za-z0-9-][A-Z])\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d(?![A-Za-z0-9-])")
_NL = r"[1-9]\d{3} ?(?!SA|SD|SS)[A-Z]{2}"
_NL_PLACED = re.compile(
    r"[1-9](?<![\w.,:-]\d)\d{3} ?(?P<letters>(?!SA|SD|SS|AM|PM|AD|BC|CE|MB|KB|GB|TB|MS|US|UK|EU|HZ|KM|OK|IN|ON|OR|TO|OF|AT|BY|IS|"
    r"IT|NO|CET|UTC|PS|HP|CC|KG|IP|ID|PC|VM|DB|CPU|PR|QA|CI|CD)[A-Z]{2}),? {1,2}"
    r"(?:'s-|'s |Den |De |Het |Sint |St\. )?[A-Z][a-z]{2,}"
)
_STATES = (
    r"(?:AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|"
    r"PR|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|VI|GU|AS|MP|MH|FM|PW|AE|AP|AA)"
)
_STATE_NAMES = (
    r"(?:Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|"
    r"Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|"
    r"Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|"
    r"Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|"
    r"Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming)"
)
_OF_IDAHO = ("832", "833", "834", "835", "836", "837", "838")
_AFTER_US = re.compile(rf"(?:(?:^|[a-z.,\n\"]),?[ ]?(?P<state>{_STATES})|\b{_STATE_NAMES}),? {{1,3}}$")
_AFTER_AU = re.compile(
    r"\b(?:NSW|VIC|QLD|SA|WA|TAS|NT|ACT|New South Wales|Victoria|Queensland|South Australia|Western Australia|"
    r"Tasmania),? {1,2}$"
)
_FOUR_TO_SIX = re.compile(r"\d(?<![\w.,:/#$=+-]\d)(?:\d{4}(?:-\d{4})?|\d{3}|\d{5}|\d{2} \d{3})(?!\w|[.,:]\d|-\w)")
_PREFIXED = re.compile(
    r"-(?:(?<=(?<![\w-])[DFIEABL]-)|(?<=(?<![\w-])(?:DE|FR|IT|ES|AT|CH|NL|BE)-))(?P<value>\d{4,5})(?= [A-ZÀ-Ž][a-zà-ž])"
)
_PLACED = re.compile(
    r"\d(?:(?<=[,·|] \d)|(?<=^\d)|(?<=^[ \t>]\d)|(?<=^[ \t>]{2}\d)|(?<=^[ \t>]{3}\d)|(?<=^[ \t>]{4}\d))\d{4}"
    r"(?= [A-ZÀ-Ž][\wÀ-ž'’-]{2,}(?:[ -](?:[A-ZÀ-Ž][\wÀ-ž'’-]*|am|"
    r"an der|im|de|la|sur|en|le|les|di|del|in|a\.M\.|\([A-Z]{2}\)|[IVX]+))*[ ]?(?:[,.;)\n(]|$))",
    re.MULTILINE,
)
_HYPHENED = re.compile(
    r"-(?:(?<=(?<![\w.-])\d\d-)|"
    r"(?<=(?<![\w.-])\d{4}-))\d{3}(?= [A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]{2,}(?:[ -][A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]*){0,3}[ ]?(?:[,.;)\n]|$))"
)
_HYPHENED_BEFORE = re.compile(r"(?:^|[\n,;|][ \t]{0,4})(?P<head>\d{2}|\d{4})$")
"""``31-159 Kraków``, ``1250-023 Lisboa``: at the head of a line, or after a comma."""
_AFTER_INDIAN = re.compile(
    r"\b(?:Mumbai|Delhi|Bengaluru|Bangalore|Hyderabad|Ahmedabad|Chennai|Kolkata|Surat|Pune|Jaipur|Lucknow|Kanpur|Nagpur|"
    r"Indore|Thane|Bhopal|Visakhapatnam|Patna|Vadodara|Ghaziabad|Ludhiana|Agra|Nashik|"
    r"Faridabad|Meerut|Rajkot|Varanasi|Srinagar|Aurangabad|Amritsar|Navi Mumbai|Allahabad|Ranchi|Howrah|Coimbatore|Jabalpur|"
    r"Gwalior|Vijayawada|Jodhpur|Madurai|Raipur|Kota|Guwahati|Chandigarh|Mysore|Mysuru|"
    r"Gurgaon|Gurugram|Noida|Kochi|Thiruvananthapuram|Dehradun|Goa|Mangalore|Maharashtra|Karnataka|Tamil Nadu|Kerala|Gujarat|"
    r"Rajasthan|Punjab|Haryana|Bihar|Telangana|West Bengal|Uttar Pradesh|Madhya Pradesh|"
    r"Andhra Pradesh|Odisha|Assam|India|[A-Z][a-z]{2,12}(?:pur|abad|garh|nagar))\b,?[ ]{0,2}[-–—:]?[ ]{0,2}$"
)
_AFTER_STREET = re.compile(
    rf"^[ ,;·|\n\t]{{1,6}}(?:[^\d\n]{{2,48}}?[ ,(·|\n-]{{1,4}})?(?P<value>{_UK}|{_CA}|{_NL}(?!\w)|\d{{5}}(?:-\d{{4}})?|"
    rf"\d{{3}} \d{{2,3}}|\d{{6}}|\d{{2}}-\d{{3}}|\d{{4,5}}-\d{{3}}|\d{{4}}(?= [A-Z][a-zà-ž]{{2,}}|[ ]?(?:$|[\n.,;)])))(?![\w-]|[.:/]\d)",
    re.IGNORECASE,
)
_AROUND = 72

ANNOUNCED = Announcements(
    announcement(
        "POSTCODE", "POSTCODE", "postcode|post code|postal|zip|plz|postleitzahl|code_postal|cap|c.p.|cp:|cp |eircode|pstcd",
        r"(?:post[ _-]?code|postal[ _-]?code|zip(?:[ _-]?code)?|plz|postleitzahl|code[ _]postal|\bcap\b|c\.p\.|\bcp\b|"
        r"c[óo]digo[ _]postal|eircode|pstcd|postcode/woonplaats)",
        rf"(?i:{_UK}|{_CA}|[1-9]\d{{3}} ?[a-z]{{2}}(?![a-z])|[AC-FHKNPRTV-Y]\d[\dW] ?[0-9AC-FHKNPRTV-Y]{{4}})|"
        rf"\d{{5}}(?:-\d{{4}})?|\d{{3}} ?\d{{3}}|\d{{3}} \d{{2}}|\d{{2}}-\d{{3}}|\d{{4}}",
        gap=rf"(?:{CLOSE}(?:of[^\d\n]{{1,32}}?|changed to |now )?|[^\d\n]{{0,48}}?\n[^\d\n:]{{0,8}}:[^\n]{{0,16}}?)", score=0.8,
    ),
    # Iceland's have three digits, Portugal's seven: only where a whole word says so.
    announcement("POSTCODE", "POSTCODE", "zip code|zipcode|postcode|post code|postal code|postleitzahl|código postal|code postal",
    r"(?:zip ?code|post ?code|postal code|postleitzahl|code postal|c[óo]digo postal)", r"\d{4}-\d{3}|\d{3}",
    gap=r"(?: is| ist| est| es| é|:)(?: now)? ", score=0.7),
    # India; of four digits a pin opens a card or a door.
    announcement("POSTCODE", "POSTCODE", "pin code|pincode|pin:|pin -", r"(?:pin[ _]?code|\bpin(?=:| -))", r"\d{3} ?\d{3}",
    gap=rf"(?:{CLOSE}(?:of[^\d\n]{{1,32}}?|changed to |now )?|[^\d\n]{{0,48}}?\n[^\d\n:]{{0,8}}:[^\n]{{0,16}}?)", score=0.8),
    # Of six digits, in a town or a state: ``Pune   PIN 411038     State Maharashtra``.
    announcement("POSTCODE", "POSTCODE", "pin ", r"\bpin", r"[1-9]\d{2} ?\d{3}(?=[ ,|]{1,8}(?i:state|dist|city|town|country|india)\b)",
    gap=r" {1,4}", score=0.8),
    # Singapore's follow the flat.
    announcement("POSTCODE", "POSTCODE", "#0|#1|#2|#3|#4|#5", r"#\d{2}-\d{2,4}[A-Z]?", r"\d{6}",
    gap=r"[,\n]? ?(?:Singapore |S ?)?\(?", score=0.7),
    announcement("POSTCODE", "POSTCODE", "<cp>", r"<cp>", r"\d{5}(?=</cp>)", gap="", score=0.8),
    announcement("POSTCODE", "POSTCODE", "postcode|post code|postal code", r"(?:post ?code|postal code)", _UK, gap=
    r"[^\n]{0,60}?\n[^\n]{0,32}?", score=0.8),
)  # fmt: skip


_NL_AFTER_TOWN = re.compile(
    r"(?<=[a-zà-ÿ] )[1-9]\d{3} (?!SA|SD|SS|[KMGTP]B|[MN]S|K[MG]|[AP]M|HZ)[A-Z]{2}(?=[ \t]*(?:$|[\n,.;)]))"
)
"""Where the town stands first."""


def _postcodes(text: str, lowered: Lowered, streets: list[Finding]) -> Iterator[Finding]:
    def code(start: int, end: int, score: float = 0.7) -> Finding:
        return Finding(start, end, "POSTCODE", "POSTCODE", score)

    yield from announced(text, lowered, ANNOUNCED)
    shape = lowered.shape
    for match in _NL_AFTER_TOWN.finditer(text) if "a 0000 AA" in shape else ():
        yield code(*match.span())
    for match in _UK_SPACED.finditer(text) if " 0AA" in shape else ():
        if text[match.start() : match.start("district")] in _UK_AREAS:
            yield code(*match.span())
    for match in _CA_SPACED.finditer(text) if "A0A 0A0" in shape else ():
        yield code(*match.span())
    for match in _NL_PLACED.finditer(text) if "0000 AA" in shape or "0000AA" in shape else ():
        yield code(match.start(), match.end("letters"))
    for match in _PREFIXED.finditer(text) if "-0000" in shape else ():
        yield code(*match.span("value"))
    for match in _PLACED.finditer(text) if _TOWN_SHAPE in shape else ():
        yield code(*match.span())
    for match in _HYPHENED.finditer(text) if "00-000 A" in shape else ():
        head = _HYPHENED_BEFORE.search(text, max(0, match.start() - 10), match.start())
        if head is not None:
            yield code(head.start("head"), match.end())
    # What stands before them ends with a blank.
    for match in _FOUR_TO_SIX.finditer(text) if " 0000" in shape or " 000 000" in shape else ():
        before = text[max(0, match.start() - 24) : match.start()]
        # All of them end with a word, and blanks or a sign or two.
        if not before[-5:].rstrip(" ,:-–—")[-1:].isalpha():
            continue
        after = {4: _AFTER_AU, 6: _AFTER_INDIAN, 7: _AFTER_INDIAN}.get(len(match[0]), _AFTER_US)
        place = after.search(before)
        # ``user ID 54321`` is not in Idaho.
        if place is not None and not (after is _AFTER_US and place["state"] == "ID" and not match[0].startswith(_OF_IDAHO)):
            yield code(*match.span())
            if after is _AFTER_US and place["state"]:
                at = match.start() - len(before) + place.start("state")
                yield Finding(at, at + len(place["state"]), "LOCATION", "LOCATION", 0.7)
    for street in streets:
        match = _AFTER_STREET.match(text[street.end : street.end + _AROUND])
        if match:
            yield code(street.end + match.start("value"), street.end + match.end("value"), 0.6)


__all__ = ["ANNOUNCED", "addresses"]
