"""Forms, tables, JSON and log lines, put together from fields: every way of writing a record meets every kind of field."""

import random

from services.policy.names.training.values import Part, Scene

_FIELDS: dict[str, str] = {
    "person": "name,full name,customer,customer name,client,patient,patient name,contact,contact name,contact person,employee,employee name,applicant,guest,"
    "passenger,tenant,landlord,owner,holder,account holder,cardholder,cardholder name,name on card,policyholder,insured,beneficiary,recipient,sender,payee,"
    "borrower,signatory,witness,manager,supervisor,reviewer,assignee,reporter,requester,requested by,approved by,created by,prepared by,sold to,"
    "billing name,shipping name,next of kin,emergency contact,mother,father,spouse,guardian,physician,doctor,teacher,student,student name,candidate,"
    "interviewer,driver,agent,buyer,seller,attorney,member,subscriber,caller,user,display name,author,attendee,host,visitor,case worker,to,from,attn,"
    "consignee,nominee,lessee,lessor,director,secretary,legal name,real name,data subject,person,who,pi,technician,sales rep,account manager,lead",
    "first": "first name,first_name,given name,given,forename,fname,firstname,first,given names,forenames,vorname,prénom,nombre,nome,voornaam,christian name,preferred name,nickname",
    "last": "last name,last_name,surname,family name,family,lname,lastname,last,nachname,nom,apellidos,apellido,cognome,achternaam,maiden name",
    "org": "company,organization,organisation,org,employer,vendor,supplier,client,bank,insurer,school,university,hospital,clinic,firma,société,azienda,empresa,"
    "bedrijf,account,business,business name,manufacturer,carrier,agency,institution,payer,merchant,company name,employer name,workplace,facility,landlord,partner",
    "city": "city,town,location,place,birthplace,place of birth,office,site,branch,destination,origin,hometown,ort,stadt,ville,città,ciudad,localidad,plaats,"
    "woonplaats,departure,arrival,municipality,locality,venue,shipping city,billing city,from,to",
    "country": "country,nationality,country of birth,land,pays,paese,país,citizenship,residence,country of residence",
    "region": "state,region,province,county,bundesland,province/state",
    "street": "address,street,street address,address line 1,addr,address1,line1,home address,mailing address,shipping address,billing address,residence,straße,rue,"
    "adresse,indirizzo,via,dirección,domicilio,calle,adres,straat,premises,property,delivery address,street_1,lives at,residing at",
    "postcode": "zip,zip code,postcode,postal code,post code,plz,code postal,cap,código postal,c.p.,zipcode,postal_code,postalcode,eircode,pin code",
    "dob": "dob,date of birth,birth date,birthdate,born,d.o.b.,geburtsdatum,date de naissance,data di nascita,fecha de nacimiento,geboortedatum,birthday,"
    "geb.,né(e) le,birth_date,date_of_birth,bday,dateofbirth",
    "age": "age,alter,âge,età,edad,leeftijd,age (years),patient age",
    "user": "username,user,login,user name,user id,userid,handle,account,screen name,nick,benutzername,identifiant,usuario,gebruikersnaam,utente,owner,"
    "created_by,updated_by,actor,uid,login name,author,github,twitter,skype,assignee,sam account,user_name,principal",
    "title": "title,salutation,prefix,anrede,civilité,titolo,tratamiento,aanhef,honorific",
}  # fmt: skip
_NEUTRAL: dict[str, str] = {
    "email": "email,e-mail,email address,mail,contact email", "phone": "phone,tel,mobile,telephone,cell,fax,phone number,handy,móvil,tél",
    "id": "id,order,order id,ticket,reference,ref,invoice,invoice no,account no,mrn,policy no,case,case no,employee id,member id,customer id,po number,passport,"
    "ssn,nhs number,tax id,vat,license,serial,sku,iban,bic,claim,booking,tracking number,document number,registration",
    "date": "date,created,updated,due date,order date,start date,end date,hire date,admitted,discharged,expires,issued,valid until,joined,last login,delivery date,check-in",
    "money": "amount,total,price,salary,balance,due,deposit,rent,income,fee,budget", "num": "quantity,qty,count,retries,score,priority,floor,nights,version,level,points",
    "job": "role,position,job title,occupation,profession,beruf,función,designation", "product": "product,system,service,software,tool,platform,browser,os,environment,device",
    "noun": "type,category,status,module,component,state,department,source,channel,queue", "words": "notes,comment,description,reason,subject,summary,remarks,message,diagnosis,details",
    "uuid": "request_id,trace_id,uuid,session,correlation id,transaction", "stamp": "timestamp,ts,created_at,updated_at,time", "ip": "ip,host,client ip,source",
    "url": "url,website,link,homepage", "version": "version,release,build,firmware", "time": "time,arrival time,slot",
}  # fmt: skip
_NAMED = {slot: keys.split(",") for slot, keys in _FIELDS.items()}
_OTHER = {slot: keys.split(",") for slot, keys in _NEUTRAL.items()}
_LIKELY = ("person",) * 6 + ("first", "last", "first", "last", "org", "org", "org", "city", "city", "city", "country", "region", "street", "street", "postcode",
           "postcode", "dob", "dob", "age", "age", "user", "user", "title")  # fmt: skip

_UNANNOUNCED = {"dob": "olddate", "age": "num", "postcode": "city", "user": "noun"}
"""Nobody can tell these without a word that says so."""


def _fields(rng: random.Random, count: int) -> list[tuple[str, str]]:
    """Key and slot of each field."""
    chosen: list[tuple[str, str]] = []
    for _ in range(count):
        named = rng.random() < 0.6
        slot = rng.choice(_LIKELY) if named else rng.choice(list(_OTHER))
        chosen.append((rng.choice((_NAMED if named else _OTHER)[slot]), slot))
        if slot == "first" and rng.random() < 0.7:
            chosen.append((rng.choice(_NAMED["last"]), "last"))
    return chosen


def _styled(rng: random.Random, keys: list[str], code: bool) -> list[str]:
    style = rng.choice(["snake", "camel", "snake", "kebab", "pascal"] if code else ["title", "title", "sentence", "upper", "lower", "as is"])
    styled: list[str] = []
    for key in keys:
        words = key.replace("_", " ").replace("-", " ").replace(".", "").replace("/", " ").split() if code else [key]
        match style:
            case "snake":
                styled.append("_".join(words))
            case "kebab":
                styled.append("-".join(words))
            case "camel":
                styled.append(words[0] + "".join(word.title() for word in words[1:]))
            case "pascal":
                styled.append("".join(word.title() for word in words))
            case "title":
                styled.append(key.title())
            case "sentence":
                styled.append(key[:1].upper() + key[1:])
            case "upper":
                styled.append(key.upper())
            case _:
                styled.append(key)
    return styled


def record(rng: random.Random, scene: Scene) -> list[Part]:
    form = rng.choice(["lines", "lines", "lines", "json", "json", "table", "table", "log", "log", "call", "slashes", "xml", "stacked"])
    fields = _fields(rng, rng.randint(1, 7) if form != "table" else rng.randint(2, 5))
    slots = [slot for _, slot in fields]
    if form == "slashes":
        slots = [_UNANNOUNCED.get(slot, slot) for slot in slots]
    keys = _styled(rng, [key for key, _ in fields], code=form in ("json", "log", "call", "xml") or (form == "table" and rng.random() < 0.5))
    if form == "table":
        return _table(rng, scene, keys, slots)
    parts: list[Part] = []
    cells = [(key, _value(scene, slot)) for key, slot in zip(keys, slots, strict=True)]
    match form:
        case "lines":
            head = rng.choice(["", "", "", "\n", "- ", "* ", "  ", "• "])
            sign = rng.choice([": ", ": ", ": ", ":\t", " : ", ":  ", " = ", " - ", " ..... ", ":\n", "\t", " → ", " | "])
            for key, value in cells:
                parts += [(head + key + sign, None), *value, ("\n", None)]
        case "stacked":
            for key, value in cells:
                parts += [(key + "\n", None), *value, (rng.choice(["\n", "\n\n"]), None)]
        case "json":
            quote, end = rng.choice(['""', '""', '""', "''"]), rng.choice([", ", ",", ",\n  ", ",\n    "])
            colon = rng.choice([": ", ": ", ":"])
            parts.append(("{" + (end[1:] if "\n" in end else ""), None))
            for at, ((key, value), slot) in enumerate(zip(cells, slots, strict=True)):
                q = "" if slot in ("age", "num") and rng.random() < 0.7 else quote[0]
                parts += [(end if at else "", None), (f"{quote[0]}{key}{quote[0]}{colon}{q}", None), *value, (q, None)]
            parts.append(("\n}" if "\n" in end else "}", None))
        case "log":
            intro = rng.choice(["", "{stamp} INFO ", "{stamp} [info] ", "level=info ts={stamp} ", "[{stamp}] audit: ", "{stamp} WARN  {class} - ", "DEBUG: "])
            for piece in intro.replace("}", "{").split("{"):
                parts += scene.make(piece) if piece in ("stamp", "class") else [(piece, None)]
            equals = rng.choice(["=", "=", ": ", ":"])
            for at, (key, value) in enumerate(cells):
                quote = rng.choice(['"', '"', "'", "", "[]", "<>"])
                parts += [(" " if at else "", None), (key + equals + quote[:1], None), *value, (quote[-1:], None)]
        case "call":
            quote = rng.choice(['"', "'"])
            maker = rng.choice(["Person(", "User(", "Customer(", "create_user(", "new Contact({ ", "dict(", "Employee.create(", "assert_equal(", "VALUES ("])
            sign = ": " if "{" in maker else "="
            parts.append((maker, None))
            for at, (key, value) in enumerate(cells):
                named = maker not in ("assert_equal(", "VALUES (")
                parts += [(", " if at else "", None), (key + sign + quote if named else quote, None), *value, (quote, None)]
            parts.append((" })" if "{" in maker else ");", None))
        case "xml":
            for key, value in cells:
                parts += [(f"<{key}>", None), *value, (f"</{key}>" + rng.choice(["", "\n"]), None)]
        case _:
            sign = rng.choice([" / ", " | ", ", ", " - ", "; ", " · ", "\t", ","])
            for at, (_, value) in enumerate(cells):
                parts += [(sign if at else "", None), *value]
    return parts


def _value(scene: Scene, slot: str) -> list[Part]:
    if slot == "person" and scene.rng.random() < 0.6:
        return scene.make_name("")
    if slot == "city" and scene.rng.random() < 0.15:
        return scene.make_loc("")
    return scene.make(slot)


def _table(rng: random.Random, scene: Scene, keys: list[str], slots: list[str]) -> list[Part]:
    separator = rng.choice([",", ",", ",", ";", "\t", " | ", " | ", "   ", "  "])
    edge = "| " if separator == " | " and rng.random() < 0.6 else ""
    quote = '"' if separator in ",;" and rng.random() < 0.3 else ""
    parts: list[Part] = []
    if rng.random() < 0.15:
        slots = [_UNANNOUNCED.get(slot, slot) for slot in slots]
    else:
        parts.append((edge + separator.join(f"{quote}{key}{quote}" for key in keys) + edge[::-1] + "\n", None))
        if edge and rng.random() < 0.8:
            parts.append(("|" + "---|" * len(keys) + "\n", None))
    for _ in range(rng.randint(1, 6)):
        parts.append((edge, None))
        for at, slot in enumerate(slots):
            value = _value(scene, slot)
            inner = '"' if not quote and separator == "," and any("," in text for text, _ in value) else quote
            parts += [(separator if at else "", None), (inner, None), *value, (inner, None)]
        parts.append((edge[::-1] + "\n", None))
    return parts


__all__ = ["record"]
