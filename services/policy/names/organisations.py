"""Organisations by what their names say they are: ``Southern Cross Ferries``, ``Chez Beauregard``, ``Klinik am Südring``.

The model knows the names of people and places of which such names are made, and takes them for these.
"""

import re
from collections.abc import Callable

from services.policy.findings import Finding
from services.policy.names.words import GIVEN, SURNAME, folded

_LAST = frozenset(
    "ltd limited inc llc plc llp corp corporation co company group holdings holding industries enterprises partners associates solutions "  # noqa: SIM905  # words, not a list of strings
    "technologies technology systems consulting logistics bank ventures labs media studios software networks energy foods "
    "motors airlines airways "
    "pharma pharmaceuticals insurance assurance mutual financial trust foundation institute university college school academy hospital clinic "
    "surgery practice pharmacy dental veterinary vets church council agency society association union club federation league charity hotel inn "
    "hostel resort restaurant cafe bistro bakery brewery pizzeria grill traders trading ferries lettings realty properties housing builders "
    "construction roofing plumbing heating electrical joinery timber textiles farms dairy produce groceries stores supermarket books press "
    "publishing publishers records gallery theatre museum gym fitness yoga salon barbers garage autos rentals couriers parcels freight haulage "
    "shipping movers relocation removals tours holidays telecom wireless broadband utilities electric solar staffing recruitment solicitors "
    "attorneys chambers advisors advisory adjusting accountants accounting analytics robotics biotech therapeutics diagnostics "
    "healthcare hospice "
    "nursery daycare imports exports precision joiners cleaners catering florist opticians surveyors architects "
    "gmbh ag kg ug stiftung verein klinik klinikum krankenhaus apotheke versicherung versicherungen sparkasse volksbank backerei metzgerei "
    "tischlerei schreinerei gartnerei autohaus kanzlei verlag buchhandlung spedition hausverwaltung immobilien gymnasium grundschule kita "
    "kindergarten kunsthandel mobelhaus reiseburo gasthof gasthaus "
    "works renewables parking ceramics pottery bikes cycles optics orthodontics orthopaedics physio physiotherapy aquatics kennels stables "
    "vineyards vineyard winery distillery roasters brewing butchers tailors upholstery framing glass glazing stonemasons masonry scaffolding "
    "plastering flooring carpets furnishings interiors landscapes landscaping nurseries seeds feeds mills milling foundry castings forge "
    "engineering fabrications instruments aerospace avionics marine boatyard shipyard maritime mining minerals drilling cement concrete "
    "fisheries seafoods bakers confectionery dairies creamery orchards agro biosciences genomics laboratories imaging radiology oncology "
    "cardiology dermatology pediatrics paediatrics dentistry eyecare audiology chiropractic wellness fertility senior hospices "
    "outfitters apparel footwear jewellers jewelers boutique cosmetics toys games gaming animation pictures films broadcasting radio "
    "chronicle gazette tribune herald cloud cyber security networks hosting analytics robotics payroll benefits lending mortgage mortgages "
    "leasing escrow title underwriters brokers brokerage reinsurance remittance payments wallet microfinance cooperative coop "
    "bau bauunternehmen elektrotechnik haustechnik sanitar gebaudereinigung maschinenbau feinmechanik prazisionstechnik lackiererei "
    "druckerei dachdecker zimmerei malerbetrieb fliesen kuchenstudio reisen touristik pflegedienst zahntechnik optik "
    "beton batiment menuiserie plomberie chauffage electricite maconnerie charpente couverture peinture paysages demenagements "
    "nautique voyages traiteur ebenisterie imprimerie editions conseil ingenierie "
    "ceramiche grafiche costruzioni impianti arredamenti serramenti edilizia trasporti viaggi onoranze mobili tessuti calzature "
    "construcciones instalaciones reformas pinturas muebles confecciones calzados viajes mudanzas ediciones ceramicas "
    "bouwbedrijf schilderwerken loodgieters makelaars reizen drukkerij tuinen hoveniers fiskeexport rederi bygg elektro "
    "sarl sas snc transports assurances srl spa snc assicurazioni trasporti sl sa slu seguros transportes "
    "bv nv vof groep verzekeringen makelaardij bakkerij slagerij advocaten advies techniek bouw installatietechniek zonen".split()
)
_FIRST = frozenset(
    "menuiserie plomberie maconnerie charpente imprimerie garage verrerie fonderie scierie domaine chateau editions cabinet ets "  # noqa: SIM905  # words, not a list of strings
    "gioielleria oreficeria cartiera fonderia lavanderia parrocchia "
    "fundiciones papelera comisaria cooperativa joyeria "
    "ceramiche grafiche costruzioni arredamenti autofficina tipografia falegnameria cantine terme molino caseificio studio "
    "construcciones instalaciones reformas muebles viajes bodega almazara asador meson bar cafeteria autoescuela notaria editorial "
    "elektro sanitar malerbetrieb zimmerei dachdeckerei reiseburo pflegedienst mieterverein stadtwerke amtsgericht finanzamt landratsamt "
    "bouwbedrijf drukkerij schildersbedrijf garagebedrijf autobedrijf "
    "hopital clinique pharmacie boulangerie ecole college lycee universite banque cabinet garage hotel restaurant brasserie chez societe "
    "groupe transports agence association fondation institut laboratoire librairie mutuelle "
    "ospedale clinica farmacia panificio scuola liceo istituto universita banca officina officine carrozzeria albergo agriturismo trattoria "
    "ristorante pizzeria pasticceria cantina azienda societa gruppo trasporti impresa agenzia associazione fondazione condominio "
    "hospital panaderia colegio instituto universidad ayuntamiento banco asesoria gestoria taller talleres restaurante bodegas academia "
    "inmobiliaria grupo transportes agencia asociacion fundacion "
    "klinik klinikum praxis apotheke backerei metzgerei autohaus kanzlei gasthof gasthaus gymnasium hausverwaltung spedition druckerei "
    "stichting ziekenhuis apotheek basisschool woonstichting huisartsenpraktijk tandartspraktijk bakkerij slagerij notariskantoor rijschool "
    "university bank cafe studio".split()
)
_AFTER = re.compile(
    r"(?: (?:&|and|und|et|e|y|en) [A-ZÀ-Þ][\w'’-]+)?(?: [A-ZÀ-Þ][\w'’-]+)? (?P<word>[A-ZÀ-Þ][\w'’-]+)(?:\.(?=[ ,\n]))?(?![\w'’-])"
)
_BEFORE = re.compile(
    r"(?<![\w'’-])(?P<word>[A-ZÀ-Þ][\w'’-]+) (?:(?:am|an der|im|zum|zur|de la|de l['’]|du|des|de|della|dello|del|di|dei|van|"
    r"der|den|Il|La|El|Le|Los|Las) ?){0,2}$"
)
_NAMES = ("PERSON", "LOCATION", "ORGANIZATION")
_AROUND = 48


def as_organisation(text: str, finding: Finding, lists: Callable[[str], int]) -> Finding:
    """The finding, or the organisation of whose name it is a part."""
    if finding.entity not in _NAMES:
        return finding
    start, end = finding.start, finding.end
    words = text[start:end].split(" ")
    if not words[0][:1].isupper():
        return finding
    first, last = folded(words[0].strip(".,")), folded(words[-1].strip(".,"))
    if len(words) > 1 and ((last in _LAST and not _is_somebody(words, lists)) or first in _FIRST):
        return _organisation(finding, start, end)
    after = _AFTER.match(text, end, end + _AROUND)
    if (
        after is not None
        and folded(after["word"]) in _LAST
        and "\n" not in after[0]
        and not lists(folded(after["word"])) & SURNAME
    ):
        return _organisation(finding, start, after.end("word"))
    before = _BEFORE.search(text, max(0, start - _AROUND), start)
    if before is not None and folded(before["word"]) in _FIRST and not lists(folded(before["word"])) & (GIVEN | SURNAME):
        return _organisation(finding, before.start("word"), end)
    return finding


def _is_somebody(words: list[str], lists: Callable[[str], int]) -> bool:
    """``Charlotte Church``: a given name, and a family name."""
    return len(words) == 2 and bool(lists(folded(words[0])) & GIVEN) and bool(lists(folded(words[1])) & SURNAME)


def _organisation(finding: Finding, start: int, end: int) -> Finding:
    return Finding(start, end, "ORGANIZATION", "ORG", finding.score)


__all__ = ["as_organisation"]
