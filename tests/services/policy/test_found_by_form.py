"""Where a form, a log, a program or a question says what a value is, in a hundred small ways; and what looks like one of them."""

import pytest

from services.policy.detection import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    return [(each.stem, text[each.start : each.end]) for each in detector.find(text)]


@pytest.mark.parametrize(
    ("text", "stem", "value"),
    [
        # Streets.
        ("The router at Larsenengen 05 is offline", "ADDRESS", "Larsenengen 05"),
        ("I live at Ekerbakken 2A, Moss.", "ADDRESS", "Ekerbakken 2A"),
        ("Holm & Søn ApS | Kragerup Allé 9 | Sorø", "ADDRESS", "Kragerup Allé 9"),
        ("envoyer au 78493 allé Gagnon, merci", "ADDRESS", "78493 allé Gagnon"),
        ("a sua morada: Travessa da Senhora da Luz, 987, Peniche", "ADDRESS", "Travessa da Senhora da Luz, 987"),
        ("Address: R. Afonso Prates, 23\nCity: Évora", "ADDRESS", "R. Afonso Prates, 23"),
        ('{"address_line1": "An Tigh Bán", "city": "Galway"}', "ADDRESS", "An Tigh Bán"),
        ("Visiting Anna Berg\nCroyde Road, Braunton, Devon EX33 1QA.", "ADDRESS", "Croyde Road"),
        # Places.
        ("Our office in Bandung opens on Monday.", "LOCATION", "Bandung"),
        ('{"name": "Anna Berg", "city": "Austin", "state": "TX", "zip": "78751"}', "LOCATION", "TX"),
        ('site = {\n  city      = "Porto"\n}', "LOCATION", "Porto"),
        # Accounts of people.
        ("my login is qberan and my password is UsGly5Qy+6", "USERNAME", "qberan"),
        ("Nimm solange meins: Benutzer pwiecz, Kennwort Tulpe#58.", "USERNAME", "pwiecz"),
        ('auth = HTTPBasicAuth("lpalmg", "b4ckfromOslo#")', "USERNAME", "lpalmg"),
        ("session opened for pchaud by (uid=0), source tty4", "USERNAME", "pchaud"),
        ("Failed RADIUS auth for b.nkem, station f4:6d", "USERNAME", "b.nkem"),
        ('    rotated-by: "mhaug"', "USERNAME", "mhaug"),
        ("# TODO(mhaug) move to the secret above", "USERNAME", "mhaug"),
        ("imap-login: Login: user=<ewa.lis>, method=PLAIN", "USERNAME", "ewa.lis"),
        ('lvl=warn msg="manual override" by=pvilla wid=w_7K20 reason=none', "USERNAME", "pvilla"),
        ("mysql -h old-orders -uiwona.s -pBigos1999 orders < fix.sql", "USERNAME", "iwona.s"),
        # Numbers.
        ("Agent: And the card number?\nCustomer: 676183491049", "CARD", "676183491049"),
        ("do you both have a SIN?\nSAT 5:41 PM\nok. mine is 731 900 551. thanks", "ID", "731 900 551"),
        ("HR should have 216-23-4971 on file, not the payroll of another.", "SSN", "216-23-4971"),
        ('"license": { "number": "K01-48-2207", "class": "C" },', "ID", "K01-48-2207"),
        ("a licence in Ohio I never had. The phone number on the line is 506-387-0192.", "PHONE", "506-387-0192"),
        ("RTN 123773782, DDA 00184420937. Resubmit?", "ACCOUNT", "00184420937"),
        ("Federal Bank 13920100047718, name is Annamma.", "ACCOUNT", "13920100047718"),
        # Births and ages.
        ('"child_1": "Fiadh", "child_1_dob": "2017-08-03"', "DOB", "2017-08-03"),
        ("y nací el 14/07/1992 en Tánger.", "DOB", "14/07/1992"),
        ("I also need a date of birth.\n\nUser: Oct 7 1991. 862-555-0119", "DOB", "Oct 7 1991"),
        ("De verzekerde, 58 jaar, uit Zutphen", "AGE", "58"),
        ("Vulnerability: Ken is 82, on oxygen. Dr. Anna Berg", "AGE", "82"),
        ("Meneer Jansen zei: mijn zusje van 15 neemt ook wel op.", "AGE", "15"),
        # Wallets.
        ("went to 0x17b96b556D2291A587E97e3D2e909c776f291971, twice", "CRYPTO", "0x17b96b556D2291A587E97e3D2e909c776f291971"),
        ("stake at cosmos1ha9ztq6umrfcznkaa78v200kk9774swp0x83es, 40%", "CRYPTO", "cosmos1ha9ztq6umrfcznkaa78v200kk9774swp0x83es"),
        ("Solana addr for it: JDtHXcXZGqzSPMTByJHXdJnwkVW3XrySKhg3h6bsSkw4", "CRYPTO", "JDtHXcXZGqzSPMTByJHXdJnwkVW3XrySKhg3h6bsSkw4"),
        # Secrets.
        (
            "aws configure set aws_secret_access_key " + "Nveb3DvcGWwbrWFCgCfV" + "9bUIvIOCRXXAnDPAXQxe --profile dump",
            "SECRET",
            "Nveb3DvcGWwbrWFCgCfV" + "9bUIvIOCRXXAnDPAXQxe",
        ),
        ('const client = require("twilio")("AC-from-env", "a07c5b0bbbf9361f7257f40ee822165c");', "SECRET", "a07c5b0bbbf9361f7257f40ee822165c"),
        ("<rib>20041 01005 14081389632 60</rib>", "ACCOUNT", "20041 01005 14081389632 60"),
        ("fill the portal, user kbiah first time password Vel@Join0825", "USERNAME", "kbiah"),
        ("Vater mit 58 Jahren am Herzinfarkt verstorben. Anna Berg", "AGE", "58"),
        ("Her grandmother had melanoma at 52. Otherwise well, Anna Berg", "AGE", "52"),
        ("collect them from your flat (B-704, Sahyadri Heights) tomorrow", "ADDRESS", "B-704, Sahyadri Heights"),
        (" - Elkano kalea 12, 1.º dcha, 20120", "ADDRESS", "Elkano kalea 12"),
        # What operations leave in logs and in code.
        ("==> shop.access.log <==\n185.213.44.17 - - [11/Mar/2025:06:14:02 +0000] x", "IP", "185.213.44.17"),
        ("GET /reset?mail=a%40b.se&t=YbANIykNod1eZbZOhRgtOd HTTP/2.0", "SECRET", "YbANIykNod1eZbZOhRgtOd"),
        ('Acct:  BankUK{Sort: "60-83-71", No: "31926819"},', "ACCOUNT", "31926819"),
        ("asset=TRX from=TBEyJoYvv7sL8cQfKat7A1z41jcW6bzxGC block", "CRYPTO", "TBEyJoYvv7sL8cQfKat7A1z41jcW6bzxGC"),
        ("Subject  Anselm Okoro (CORP\\aokoro), finance", "USERNAME", "aokoro"),
        ("@vderosi wants to merge 6 commits into `main`", "USERNAME", "vderosi"),
        ("(4418) Login OK: [pia.schaer/<via Auth-Type = eap>]", "USERNAME", "pia.schaer"),
        ("WARN Sesion - usuario jmontor desde 88.23.190.41, 3 intentos", "USERNAME", "jmontor"),
        ('reset by operator {"by": "anabel", "n": 1}', "USERNAME", "anabel"),
        ("voucher redeemed by Wanjiru Mwangi <wanjiru.mwangi@lake.example> sponsor", "PERSON", "Wanjiru Mwangi"),
        ("doc=passport/PA04 city=David country=Panama", "LOCATION", "David"),
        # Lines that look like a program's, and are what people and logs say.
        ("#K-204417  Devika Raghunathan  state=needs_review  opened by nobody.", "PERSON", "Devika Raghunathan"),
        ("--- Agent reply, Chantal Boisvert (Feb 26, 14:55) ---\nHello, thanks", "PERSON", "Chantal Boisvert"),
        ("Interne Notiz (Svenja, 14.01.2025):\nAdresse im System geändert.", "PERSON", "Svenja"),
        ("04:38:55  MFA push x7 denied   2a0d:5600:24:a31::9   Chișinău, Moldova   AS9009", "LOCATION", "Moldova"),
        # Firms by their trade.
        ("titulaire : Menuiserie Castaing, référence facture 2024-0317", "ORG", "Menuiserie Castaing"),
    ],
)  # fmt: skip
def test_it_is_found_as_what_it_is(text: str, stem: str, value: str, detector: Detector) -> None:
    assert (stem, value) in found(detector, text)


def test_whose_name_has_capitals_within_is_told_by_the_family_name_alone(detector: Detector) -> None:
    assert ("PERSON", "DeShields") in found(
        detector, "Grievant: Rosalyn DeShields, driver\n\nand not the number of another DeShields here"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Is Anna Berg still the account owner? Last login came from the office.", "came"),
        ("send(command, by=caller.principal, at=now)", "caller.principal"),
        ("query: order_by: created, group_by=name", "created"),
        ("iPad of Rosalind: wifi 74:39:70:84:DE:E1, serial in the sheet", "SECRET"),
        ("D. BOND REFUND ACCOUNT\nWestpac, in Anna Berg's name", "D. BOND"),
        ("Ort, Datum: Minden, 28.02.2025      Unterschrift: B. Kowalewska, geb. Thole", "28.02.2025"),
        ("le mando i dati per il rimborso dei 640 euro, Anna Berg", "dei 640"),
        ("The Total is 82, says Anna Berg", "82"),
        ("[04/08/25, 10:31:52 AM] Anna Berg: Good morning, send me your phone number", "04/08/25"),
        ("12 Jan. Loss adjuster Nikhil Sabharwal of Leeds visited.", "Jan"),
        ("Anna Berg\nEDUCATION\nA.S. Business, Reedley College, 2014", "A.S. Business"),
        ("Anna Berg ruft an, meine Frau eher abends", "Frau"),
        ("APP_VERSION=3.8.0.2", "3.8.0.2"),
        ("# This file is automatically @generated by Cargo.", "generated"),
        ("=SUPERVISOR REPORT==== 12-Nov-2024::19:22:08.117204 ===", "IP"),
        ("  9 Power_On_Hours   0x0012   094   094   000    Old_age   Always   -   7", "PHONE"),
        ("LOG\n---\nLog sequence number          1188420337719\nLog flushed up to", "PHONE"),
        ("golang.org/otel v1.33.0/go.mod h1:fFiGbYtEHbCWO7AEu+m5GCV/jeKBDTAJ+wc2QVe44pq=", "SECRET"),
        ("[27:0x6d3c8a0]  1884203 ms: Mark-Compact 2038.7 (2083.2) -> 2031.1", "Mark"),
        ("Support Team <support.team@x.example>", "Support Team"),
        ("assets/marker@2x.png", "marker@2x.png"),
        ('<g transform="matrix(1 0 0 1 184.5 72.25)">', "PHONE"),
        ("ld: undefined symbol: _ZN5tiles6detail9crc32_hwEPKvmj", "SECRET"),
        ("[ 8793.090940]  kthread+0xe8/0x120", "SECRET"),
        ("please go back to the truncated hash in `5cd6cc682193`", "SECRET"),
        ('Token = "tenant:3b12c829-379f-4fba-bf4f-40026aec4410";', "SECRET"),
        ("00000060: 4944 4154 48c7 b595 3d4e c340 1085 bfdd  IDATH...=N.@....", "PERSON"),
        ('-- | @lookupPath "server.tls.port"@\nlookupPath :: Text', "lookupPath"),
        ("for (const Grace of rows) { total += Grace.length; }", "Grace"),
        ("#include <Marion.h>\n#define Marion(x) ((x) + 1)", "Marion"),
        ("std::unique_ptr<Jordan> j = Jordan::make(1);", "Jordan"),
        ('<bindingRedirect oldVersion="0.0.0.0-13.0.0.0" newVersion="13.0.0.0" />', "IP"),
        ('        .section .text,"ax",@progbits\n        .type   crc32c_sse42, @function\n        endbr64', "USERNAME"),
        ("<tel1>02.40.99.17.63</tel1><mail>a@x.example</mail>", "tel1"),
    ],
)
def test_it_is_left_or_is_of_another_kind(text: str, value: str, detector: Detector) -> None:
    assert all(value not in each for each in found(detector, text))
