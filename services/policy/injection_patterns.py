"""The patterns of ``injection``: each behind words without which it cannot match.

They are written in small letters and read in any case, but for ``(?-i:...)``, which marks what must be written in capitals: "SYSTEM:"
forges a turn, "System: Windows" fills in a form.
"""

import re

from services.policy.literals import Literals
from services.policy.recognizers.lowered import Lowered

LITERALS = Literals()
"""The words of all signs."""


class Sign:
    """A pattern that is looked for in a text that has one of ``triggers``, and one of ``also`` where there are such."""

    def __init__(self, triggers: tuple[str, ...], source: str, also: tuple[str, ...] = ()) -> None:
        self.triggers = frozenset(map(LITERALS.number, triggers))
        self.also = frozenset(map(LITERALS.number, also))
        self._as_written = "(?-i:" in source
        # What ignores no case says the same of a text in small letters, in a third of the time.
        self._pattern = re.compile(source, re.DOTALL | re.IGNORECASE if self._as_written else re.DOTALL)

    def in_(self, lowered: Lowered) -> bool:
        """Whether the text shows this sign."""
        return self._pattern.search(lowered.written if self._as_written else lowered) is not None


class Signs:
    """Several."""

    def __init__(self, *signs: Sign) -> None:
        self._triggered: dict[int, list[Sign]] = {}
        for sign in signs:
            for number in sign.triggers:
                self._triggered.setdefault(number, []).append(sign)

    def any_in(self, lowered: Lowered, held: set[int]) -> bool:
        """Whether the text, which holds the literals of these numbers, shows one."""
        triggered = {sign for number in held for sign in self._triggered.get(number, ())}
        return any(not (sign.also and sign.also.isdisjoint(held)) and sign.in_(lowered) for sign in triggered)


_ABOUT = (
    r"(?:instructions?|instrucciones|instrucción|anweisungen?|anordnungen|vorgaben|consignes?|istruzion[ei]|instructies|prompts?|"
    r"directives?|guidelines|guardrails|rules|regeln|règles|reglas|regole|regels|orders|commands|system\s+message|policies|"
    r"training|programming|context|conversation)"
)
_OLD = (
    r"(?:previous|prior|above|earlier|preceding|former|foregoing|existing|initial|original|system|your|all|any|the|these|those|other|"
    r"vorherigen?|bisherigen?|obigen?|früheren?|alle[rn]?|deine?|précédente?s?|antérieures?|ci-dessus|toutes|vos|anteriores?|previas?|"
    r"todas|tus|precedenti|tutte|tue|le|las|les|die|eerdere|vorige|alle|bovenstaande|of|and|&)"
)
_FORGET = (
    r"(?:ignore|ignor[ae][rz]?|disregard|forget|override|overwrite|bypass|discard|neglect|skip|drop|delete|erase|abandon|do\s+not\s+follow|"
    r"don'?t\s+follow|stop\s+following|pay\s+no\s+attention\s+to|ignorier\w*|vergiss|vergesst|missachte\w*|oublie[rz]?|olvid[ae]\w*|"
    r"dimentica\w*|negeer|vergeet|ignora\w*|ignorez)"
)


INJECTIONS = Signs(
    Sign(
        (
            "ignor",
            "disregard",
            "forget",
            "overrid",
            "overwrit",
            "bypass",
            "discard",
            "neglect",
            "skip",
            "drop",
            "delete",
            "erase",
            "abandon",
            "follow",
            "attention to",
            "missacht",
            "vergiss",
            "vergess",
            "oubli",
            "olvid",
            "dimentic",
            "negeer",
            "vergeet",
        ),
        rf"\b{_FORGET}\b[\s,:]+(?:{_OLD}[\s,]+){{0,6}}(?:\w+\s+){{0,2}}{_ABOUT}\b",
    ),
    Sign(
        (
            "ignor",
            "disregard",
            "forget",
            "overrid",
            "overwrit",
            "bypass",
            "discard",
            "neglect",
            "skip",
            "drop",
            "delete",
            "erase",
            "abandon",
            "follow",
            "attention to",
            "missacht",
            "vergiss",
            "vergess",
            "oubli",
            "olvid",
            "dimentic",
            "negeer",
            "vergeet",
        ),
        rf"\b{_FORGET}\b[\s,:]+(?:everything|all|anything|alles|tout(?:\s+ce)?|todo|tutto)\b.{{0,40}}\b(?:above|before|previous|said|told|until\s+now|so\s+far|obige|bisher|précède|anterior|sopra|eerder|avant|antes|prima)",
    ),
    Sign(
        (
            "instruction",
            "anweisung",
            "consigne",
            "instrucci",
            "istruzion",
            "instructie",
            "prompt",
            "new task",
            "objective",
            "goal",
            "directive",
            "neue",
        ),
        r"\b(?:new|updated|revised|real|actual|true|following|neue|nouvelles?|nuevas?|nuove|nieuwe)\s+(?:and\s+\w+\s+)?(?:system\s+)?"
        r"(?:instructions?|anweisungen|consignes|instrucciones|istruzioni|instructies|prompt|task|objective|goal|directive)s?\s*(?:are|is|for\s+you|follow|:)",
        ("new", "updated", "revised", "real", "actual", "true", "following", "neue", "nouvelle", "nueva", "nuove", "nieuwe"),
    ),
    Sign(
        ("system", "assistant", "developer", "admin", "root"),
        r"(?:^|\n)\s*(?:#{1,6}\s*)?(?:[<\[(*_|]{1,3}\s*(?:system|assistant|developer|admin(?:istrator)?|root)(?:\s+(?:message|prompt|override|note|instruction|update|alert))?\s*[>\])*_|]{1,3}\s*:?\s*\S|(?-i:SYSTEM|ASSISTANT|DEVELOPER|ADMIN(?:ISTRATOR)?|ROOT)(?:\s+\w+)?\s*:\s*\S|(?:system|admin|developer)\s+(?:message|prompt|override|instruction|alert)s?\s*:\s*\S)",
    ),
    Sign(
        (
            "<|",
            "[/inst",
            "[inst",
            "<<",
            "[system",
            "[/system",
            "<system",
            "</system",
            "<assistant",
            "</assistant",
            "instructions>",
            "<instruction",
            "<admin",
            "</admin",
            "system_prompt>",
        ),
        r"<\|?/?(?:im_start|im_end|im_sep|system|endoftext|start_header_id|end_header_id|eot_id|begin_of_text)\|?>|\[/?inst\]|<</?sys>>|\[/?system\]|</?(?:system|assistant|instructions?|system_prompt|admin)>",
    ),
    Sign(
        ("begin ", "end ", "start "),
        r"\b(?:begin|end|start)\s+(?:of\s+)?(?:system|admin|new|hidden|secret|user|trusted|untrusted)\s+(?:prompt|instructions?|message|override|data|text|content)\b",
    ),
    Sign(
        (
            "attention",
            "important",
            "note",
            "notice",
            "message",
            "instruction",
            "hinweis",
            "achtung",
            "atención",
            "attenzione",
            "let op",
        ),
        r"\b(?:attention|important|note|notice|message|instructions?|hinweis|achtung|atención|attenzione|let\s+op)\b[\s:,!\-]*(?:to|for|an|für|para|per|pour|voor)\s+(?:the\s+|any\s+|all\s+|an?\s+|alle\s+|los\s+|les\s+)?(?:ai|llms?|language\s+models?|assistants?|chatbots?|agents?|bots?|gpt\w*|claude|gemini|copilot|ki|ia|automated\s+\w+)\b",
    ),
    Sign(
        ("you are",),
        r"\b(?:if|when|since|as)\s+you\s+are\s+(?:an?\s+)?(?:ai|llm|language\s+model|assistant|chatbot|agent|automated|bot)\b",
    ),
    Sign(
        ("dear", "hey", "hello", "hi ", "hallo"),
        r"\b(?:dear|hey|hello|hi|hallo)\s+(?:ai|llm|assistant|chatbot|agent|language\s+model|gpt|claude|gemini|copilot)\b",
    ),
    Sign(
        (" reading", " processing", " summari", " parsing", " analy"),
        r"\b(?:ai|llm|assistant|agent|model|bot)s?\s+(?:reading|processing|summari[sz]ing|parsing|analy[sz]ing)\s+th(?:is|e)\b",
    ),
    Sign(
        ("tool", "function", " api", "plugin", "endpoint"),
        r"\b(?:you\s+must|you\s+should|you\s+have\s+to|you\s+are\s+(?:now\s+)?(?:required|instructed|ordered|authori[sz]ed|to)|please|now|then|immediately|first|instead|also)\b[\s,]+(?:\w+\s+){0,4}?(?:call|invoke|execute|use|trigger)\s+(?:the\s+|your\s+)?[\w.]{0,40}\s*(?:tool|function|api|plugin|endpoint)\b",
        ("call", "invoke", "execute", "use", "trigger"),
    ),
    Sign(
        (" task", " job", " goal", "objective", "mission", "purpose", " role"),
        r"\b(?:your|the\s+(?:ai|assistant|agent|model)(?:'s)?)\s+(?:new\s+|real\s+|true\s+|only\s+|primary\s+)?(?:task|job|goal|objective|mission|purpose|role)\s+(?:is\s+(?:now\s+)?(?:to|no\s+longer)|has\s+(?:been\s+)?changed)\b",
    ),
    Sign(
        (
            "passw",
            "passwort",
            "credential",
            "secret",
            "api",
            "token",
            "private key",
            "zugangsdaten",
            "mots de passe",
            "mot de passe",
            "contraseñ",
            "wachtwoord",
            "system prompt",
            "environment variable",
            "cookie",
            "all ",
            "every ",
            "any ",
        ),
        r"\b(?:send|post|forward|upload|e-?mail|transmit|exfiltrate|leak|submit|copy|deliver|schick\w*|sende\w*|leite\w*|envoye\w*|envía\w*|enviar|invia\w*|stuur\w*)\b.{0,80}\b(?:(?:all|every|any)\s+(?:of\s+)?(?:the\s+|your\s+|their\s+|his\s+|her\s+)?(?:\w+\s+){0,2}(?:data|e-?mails?|files?|contacts?|messages?|documents?|records?|history|conversations?)|passwords?|credentials?|secrets?|api[\s_-]?keys?|tokens?|private\s+keys?|passwort\w*|zugangsdaten|mots?\s+de\s+passe|contraseñas?|wachtwoord\w*|system\s+prompt|environment\s+variables?|session\s+cookies?)\b.{0,120}\b(?:to|at|an|à|a|naar|via|into)\b",
        (
            "send",
            "post",
            "forward",
            "upload",
            "mail",
            "transmit",
            "exfiltrate",
            "leak",
            "submit",
            "copy",
            "deliver",
            "schick",
            "leite",
            "envoye",
            "envía",
            "envia",
            "invia",
            "stuur",
        ),
    ),
    Sign(
        ("prompt", "instruction", "everything above", "text above", "your rules", "your guidelines", "your configuration"),
        r"\b(?:reveal|print|show|output|repeat|display|disclose|tell\s+me|give\s+me|expose|return|dump)\b.{0,40}\b(?:system\s+prompt|initial\s+prompt|hidden\s+(?:prompt|instructions?)|your\s+(?:instructions?|prompt|rules|guidelines|configuration)|the\s+(?:prompt|instructions?)\s+(?:above|verbatim)|everything\s+above|text\s+above)\b",
        ("reveal", "print", "show", "output", "repeat", "display", "disclose", "tell", "give", "expose", "return", "dump"),
    ),
    Sign(
        (
            "user",
            "human",
            "anyone",
            "anybody",
            "operator",
            "owner",
            "customer",
            "person",
            "nutzer",
            "utilisateur",
            "usuario",
            "utente",
            "gebruiker",
        ),
        r"\b(?:do\s+not|don'?t|never|without|nicht|ne\s+\w+\s+pas|no|non|niet)\b.{0,30}\b(?:tell|telling|mention|mentioning|inform|informing|notify|notifying|alert|alerting|reveal|show|ask|asking|report|sagen|erwähn\w*|informier\w*|dites|mentionn\w*|digas|menciones|dire|menzionare|vertel)\b.{0,30}\b(?:the\s+|any\s+|to\s+the\s+|dem\s+|den\s+|à\s+l'|al\s+|de\s+|aan\s+)?(?:user|users|human|anyone|anybody|operator|owner|customer|person|benutzer|nutzer|utilisateur|usuario|utente|gebruiker)\b",
        (
            "tell",
            "mention",
            "inform",
            "notif",
            "alert",
            "reveal",
            "show",
            "ask",
            "report",
            "sagen",
            "erwähn",
            "dites",
            "digas",
            "menciones",
            "dire",
            "menzionare",
            "vertel",
        ),
    ),
    Sign(
        ("](",),
        r"!\[[^\]]{0,200}\]\(\s*https?://[^)\s]{1,400}[?&][\w-]{1,40}=\s*(?:\{|%7b|\[|<|\$|\.\.\.|data|secret|token|conversation|history|prompt|summary|base64|here|insert)",
    ),
    Sign(
        ("<!--",),
        r"<!--(?:(?!-->).){0,400}\b(?:assistant|ai\b|llm|agent|model|instruction|ignore|system|you\s+must|prompt)\b(?:(?!-->).){0,2000}-->",
    ),
    Sign(
        ("display", "visibility", "font-size", "opacity", "color"),
        r"(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0|color\s*:\s*(?:white|#fff(?:fff)?|transparent))[^>]{0,120}>[^<]{0,400}\b(?:ignore|assistant|ai\b|instruction|send|you\s+must|system|prompt)\b",
    ),
)

JAILBREAKS = Signs(
    Sign(
        ("you are",),
        r"\byou\s+are\s+(?:now\s+)?(?:going\s+to\s+(?:be|act\s+as)\s+)?(?:called\s+|named\s+|known\s+as\s+)?[\"'*]{0,2}(?:dan|aim|stan|dude|evilgpt|jailbroken|jailbreak|unfiltered|unrestricted|uncensored|do\s+anything\s+now|developer\s+mode|god\s*mode|chaosgpt|mongo\s+tom)\b",
    ),
    Sign(
        ("anything now", "developer mode", "jailbreak", "dan mode", "mode"),
        r"\b(?:do\s+anything\s+now|developer\s+mode\s+(?:enabled|output|on)|jailbreak\s*(?:mode|prompt|ed)|dan\s+mode|god\s*mode\s+(?:enabled|on)|sudo\s+mode|(?:enable|enter|activate|switch\s+(?:in)?to)\s+(?:developer|debug|maintenance|unrestricted|admin|god|root|dan)\s*mode)\b",
        ("anything", "developer", "jailbreak", "dan", "god", "sudo", "enable", "enter", "activate", "switch"),
    ),
    Sign(
        (
            "restriction",
            "limitation",
            "filter",
            "censor",
            "guardrail",
            "safety",
            "safeguard",
            "ethic",
            "moral",
            "content polic",
            "einschränkung",
            "beschränkung",
            "restriccion",
            "límites",
            "restrizion",
            "filtri",
            "beperking",
        ),
        r"\b(?:without|no|free\s+(?:of|from)|ignoring|bypass(?:ing)?|disable|remove|turn\s+off|lift(?:ing)?|ohne|sans|sin|senza|zonder)\b\s+(?:any\s+|all\s+|your\s+|the\s+|jegliche\s+|aucune\s+)?(?:\w+\s+){0,2}?(?:restrictions?|limitations?|filters?|censorship|guardrails|safety|safeguards|ethic(?:s|al)\s+\w*|moral\w*|content\s+polic\w+|safety\s+\w+|einschränkungen|beschränkungen|filtres?|restricciones|límites|restrizioni|filtri|beperkingen)\b",
    ),
    Sign(
        ("pretend", "act", "behave", "role", "imagine", "respond", "answer", "simulate", "tu so", "agis", "fingi", "doe alsof"),
        r"\b(?:pretend|act|behave|role-?play|imagine|respond|answer|simulate|tu\s+so|agis|actúa|fingi|doe\s+alsof)\b.{0,60}\b(?:no|without|not\s+bound\s+by|unbound|free\s+of|has\s+no|have\s+no|had\s+no|keine|aucune|sin|senza|geen)\b.{0,30}\b(?:rules|restrictions?|limits?|limitations|guidelines|filters?|ethics|morals|censorship|regeln|règles|reglas|regole|regels)\b",
        (
            "rules",
            "restriction",
            "limit",
            "guideline",
            "filter",
            "ethics",
            "morals",
            "censorship",
            "regeln",
            "règles",
            "reglas",
            "regole",
            "regels",
        ),
    ),
    Sign(
        ("in character",),
        r"\b(?:stay|remain|keep)\s+in\s+character\b.{0,80}\b(?:no\s+matter|always|never\s+refuse|never\s+break)\b",
    ),
    Sign(
        ("refuse", "decline", "reject", "say no", "say that", "apolog", "warn"),
        r"\b(?:never|do\s+not|don'?t|cannot|must\s+not|may\s+not)\s+(?:ever\s+)?(?:refuse|decline|reject|say\s+(?:no|that\s+you\s+can'?t)|apologi[sz]e|warn)\b.{0,60}\b(?:request|anything|answer|question|command|order|instruction|me|user)\b",
        ("never", "not", "don't", "dont"),
    ),
    Sign(
        ("grand",),
        r"\bmy\s+(?:late|dead|deceased)\s+grand(?:mother|ma|father|pa)\b.{0,120}\b(?:used\s+to|would)\b.{0,80}\b(?:tell|read|sing|recite)\b",
    ),
    Sign(
        ("opposite", "evil", "unfiltered", "uncensored", "amoral", "unethical"),
        r"\b(?:opposite|evil|unfiltered|uncensored|amoral|unethical)\s+(?:mode|twin|version|response|assistant|ai|chatbot|confidant|bot|persona)\b",
    ),
)

__all__ = ["INJECTIONS", "JAILBREAKS", "LITERALS"]
