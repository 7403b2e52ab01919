"""The names by which people go in chats, on sites and in logs."""

import re
from collections import Counter
from collections.abc import Iterator

from services.policy.findings import Finding
from services.policy.recognizers.announced import Announcements, announced, announcement
from services.policy.recognizers.lowered import Lowered, holds_any

_HANDLE = re.compile(
    r"@(?<![\w@/.:`\\]@)(?P<value>(?=[\w.-]{3})[A-Za-z][\w-]{0,30}(?:\.[A-Za-z][\w-]{0,30}){0,4})(?![\w(@/=\[{<-])"
)
_MENTIONED = re.compile(
    r"(?:\b(?:cc|ping|thanks|thank you|thx|hey|hi|hello|by|from|with|and|or|ask|asked|to|for|via|follow|add|insta|instagram|"
    r"twitter|telegram|tiktok|x|dm|"
    r"contact|see|assign(?:ed)?|owner|reviewer|author|at|@\w+,?|user|handle|name|me|on|danke|merci|hola|ciao|hoi|hallo|salut|"
    r"frag|an|avec|con|met|"
    r"is|are|was|fyi|attn|agree|agreed|hat|let|tell|told)|[,:(|>&+\"'\u2014-])\*{0,2}[ \t]{0,2}$",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(
    r"[ \t]{0,2}(?:[,:?!]|(?:can|could|please|pls|will|would|thanks|you|your|is|are|has|have|said|wrote|asked|any|what|when|do|does|"
    r"did|should|where|how|why|we|i|it|wants)\b|[·—–•] ?\d|\*\*)"
)
_ARRAY = re.compile(r"\b(?:push|unshift|my|foreach|keys|scalar|splice) {0,2}\(?(?:@\w+, ?){0,6}$")
"""Of Perl and its kin: ``push @names``, ``my (@one, @two)``."""
_OF_RUBY = re.compile(r"(?:^|\n)[ \t]*@{1,2}[a-z]\w{0,40} (?:=|\|\|=|<<|\+=) |(?:^|\n)[ \t]*attr_(?:reader|accessor|writer) :")
"""Where a program's attributes are written so, somebody is named in its remarks alone."""
_RUBY_END = re.compile(r"\n[ \t]*end[ \t]*(?:\n|\Z)")
_DECLARED = re.compile(
    r" (?:final )?[A-Z][\w<>\[\]]{0,40} [a-z]\w{0,40}[,)]| (?:decorator|annotation|attribute|macro|directive)s?\b| instead\b"
)
"""``@Advice.Origin Method method``, ``the @cached decorator``."""
_SCOPE = re.compile(r"\bscope[\"']?\s?[:=]\s?[\"']?\Z")
_DESCRIBED = re.compile(r"(?:^|\n)[ \t]*(?:\*|///?|#|-- \|)[ \t]+$")
"""``* @name: what it is``, in a comment before a function."""
_ANNOTATIONS = frozenset(
    "param params return returns type typedef throws throw example see since author deprecated override overload property "  # noqa: SIM905  # words, not a list of strings
    "staticmethod classmethod "
    "dataclass abstractmethod cached_property contextmanager media import font-face keyframes supports charset layer "
    "container page namespace test "
    "before after beforeeach aftereach beforeall afterall autowired bean component service controller restcontroller "
    "repository entity table id column "
    "nullable notnull nonnull suppresswarnings functionalinterface inject singleton module input output injectable viewchild "
    "hostlistener pytest app "
    "router click task shared_task celery lru_cache cache wraps fixture total_ordering runtime_checkable asynccontextmanager singledispatch "
    "given when then interface implements extends private public protected readonly "
    "internal todo var const echo off if include extends section yield foreach endif end synthesize selector interface "
    "protocol optional objc main "
    "available escaping autoclosure published state binding environment mainactor discardableresult here channel everyone all "
    "latest next beta alpha "
    "types babel angular vue react nestjs storybook testing-library jest eslint typescript-eslint rollup docker actions v1 v2 "
    "v3 v4 v5 v6 master "
    "localhost github gitlab gmail generated progbits nobits function object notype gnu_indirect_function "
    "default fields timestamp metadata version level csv tsv json base64 base64d uri html sh text "
    "claude copilot codex dependabot renovate cursor".split()
)

_GENERIC = frozenset(
    "root admin administrator user username name none null true false test guest nobody postgres mysql redis nginx www-data "  # noqa: SIM905  # words, not a list of strings
    "ubuntu ec2-user anonymous "
    "system default string str int the and not for is required must example self args input password login email field value "
    "data client session "
    "optional form page error invalid unknown missing already exists taken and or not with request provided failed found does "
    "cannot should be undefined "
    "oder und ist nicht fehlt et ou pas no y o en de la le les a an to in of on by from this that your my their user1 me you "
    "set unset empty passwd acct account classes username password host port token key id unique case-sensitive read write "
    "details attempt attempts screen button credentials link info information via here sessions history shell prompt flow "
    "success successful succeeded limit limits issue issues problem problems someone anyone another different superuser yourself usual "
    "normal please thanks same both "
    "denied expired disconnected locked allowlist denylist whitelist blacklist code times uuid userid username_field assistant content role "
    "incorrect mschap still came comes coming happened occurred agent agents prompts metrics who whom "
    "whose input output message messages objects object interface".split()
)
_OF_A_USER = re.compile(r"user_?(?:id|name|s|_\w+)\Z|(?:_id|_name|_key|_type|_uuid)\Z")
"""What a program calls somebody's name: it is none."""
_GOES_ON = frozenset(":=,)")
_CALL = re.compile(r"[(\[{]| or | and |\.\w")
_AND_PASSWORD = re.compile(
    r" (?:and|und|et|y|e|en) (?:(?:my|the|das|mein|le|mon|la|mi|het|mijn) )?(?:pass|pw|kennwort|mot de|contrase|wachtwoord)"
)
_ATTRIBUTE = re.compile(
    r"(?:self|settings|config|request|req|ctx|this|data|args|session|user|current_user|options|params|props|env|os|process|"
    r"cfg|conf|row|obj|"
    r"item|event|body|res|response|msg|message|account|client|auth|payload|state|u)\."
)
_NAME = r"(?=[\w.-]{0,30}[A-Za-z])[A-Za-z0-9][\w.-]{1,31}(?<![.-])"
_PLAIN_NAME = r"(?=[a-z])(?:[a-z]+[._-][a-z0-9._-]{1,24}|[a-z]{2,20}\d{1,6}|[a-z]{4,20})(?<![._-])"

ANNOUNCED = Announcements(
    announcement(
        "USERNAME", "USERNAME", "user|login|handle|benutzer|identifiant|utilisateur|usuario|utente|gebruiker|screen name|"
        "nickname|account name",
        r"(?:user[ _-]?names?|user ?id|login(?: name| is)?|handle|benutzer(?:name|kennung)?|(?:nom d['’])?utilisateur|"
        r"identifiant|(?:nombre de )?usuario|nome utente|gebruikersnaam"
        r"|screen[ _]?name|nick(?:name)?|account name)",
        _NAME, gap=r"[\"'\])>]{0,3}[ \t]{0,4}(?:[:=]|(?:is|was|ist|lautet|c['’]est|est|es|è)\b|(?<=name))[ \t]{0,4}[\"'`(<>@|"
        r"]{0,3}", score=0.6,
    ),
    announcement(
        "USERNAME", "USERNAME", "user=|user:|user for|for user|invalid user|accepted|failed |account=|su: |uid=|user \"|user '",
        r"(?:\buser=<?|\buid=(?:\d{1,6}\()?|for user |(?:accepted|failed) (?:password|publickey|"
        r"none) for (?!invalid )|invalid user )[\"']?",
        _PLAIN_NAME, gap="", score=0.5,
    ),
    # In a log; in a dialogue with a program somebody speaks after it: ``User: hello i need help``.
    announcement(
        "USERNAME", "USERNAME", "user: ", r"\buser: ",
        rf"{_PLAIN_NAME}(?=[^\w ]|$| ?[(\[<|=-]| (?:from|logged|has|had|was|is|failed|ip|for|on|in|at|with|tried|not)\b| \w+[=:])",
        gap=r"[\"']?", score=0.5,
    ),
    announcement(
        "USERNAME", "USERNAME", "gebruikersnaam|nome utente|utilisateur|identifiant|benutzer|usuario",
        r"(?:gebruikersnaam|nome utente|nom d['’]utilisateur|identifiant|benutzer(?:name|kennung)|nombre de usuario)",
        rf"{_PLAIN_NAME}(?=[.,;)\n]|$)", gap=" ", score=0.6,
    ),
    # Where a password follows: ``Benutzer anna, Kennwort …``.
    announcement(
        "USERNAME", "USERNAME", "user |nutzer |usuario |utente |utilisateur |gebruiker |login ",
        r"\b(?:user|(?:be)?nutzer|usuario|utente|utilisateur|gebruiker|login) ",
        rf"{_PLAIN_NAME}(?=,? (?:and |und |et |y |e |en |/ |first time |initial )?(?i:pass|pw|kennwort|contrase|mot de passe|mdp|wachtwoord))",
        gap=r"[\"']?", score=0.6,
    ),
    # Whom an address follows in brackets: ``User ann (ann@x.org)``.
    announcement(
        "USERNAME", "USERNAME", "user ", r"\buser ", rf"{_PLAIN_NAME}(?= [(<][\w.+-]{{1,64}}@)", gap=r"[\"']?", score=0.6,
    ),
    announcement(
        "USERNAME", "USERNAME", "reset |unlock |disable |delete ", r"(?:reset|unlock|change|disable|delete) ",
        rf"{_PLAIN_NAME}(?=['’]s (?:password|account|login|profile|access))", gap="", score=0.6,
    ),
    announcement("USERNAME", "USERNAME", 'user"', r'user"', rf'{_PLAIN_NAME}(?=")', gap=r': ?"', score=0.5),
    announcement("USERNAME", "USERNAME", "mysql|psql|mongo|mariadb", r"(?:mysql|mysqldump|mariadb|psql|mongo\w{0,4}) [^\n|;&]{0,80}?-[uU]",
    _PLAIN_NAME, gap=" ?", score=0.5),
    # A marker with its owner, as guides of style ask for it: what is announced here are people in other people's code.
    announcement("USERNAME", "USERNAME", "todo(|fixme(|hack(", r"(?:TODO|FIXME|HACK)\(", rf"{_PLAIN_NAME}(?=\))", gap="@?", score=0.6),
    announcement(
        "USERNAME", "USERNAME", " me on ", r"(?:find|add|follow|reach|message|ping|dm) me on (?:discord|steam|skype|telegram|insta(?:gram)?|"
        r"snap(?:chat)?|twitter|tiktok|github|signal|reddit)", _PLAIN_NAME, gap=r"(?:[,:]| -| as| @) ?@?", score=0.6,
    ),
    announcement("USERNAME", "USERNAME", "session opened for|session closed for", r"session (?:opened|closed) for", _PLAIN_NAME,
    gap=" (?:user )?", score=0.6),
    announcement("USERNAME", "USERNAME", 'by"', r'by"', rf"{_PLAIN_NAME}(?=[\"'])", gap=r"\s?:\s?[\"']", score=0.6),
    announcement("USERNAME", "USERNAME", "usuario |utilisateur |benutzer |utente |gebruiker ",
    r"\b(?:usuario|utilisateur|benutzer|utente|gebruiker) ", rf"{_PLAIN_NAME}(?= (?:desde|depuis|von|da|vanaf|from) \d)",
    gap=r"[\"']?", score=0.6),
    announcement("USERNAME", "USERNAME", "login ok", r"login (?:ok|incorrect)[^\n\[]{0,80}: \[", rf"{_PLAIN_NAME}(?=[/\]])", gap="", score=0.6),
    announcement("USERNAME", "USERNAME", "basicauth(|basic_auth(", r"(?:http)?basic_?auth\(", rf"{_PLAIN_NAME}(?=[\"'])",
        gap=r"[\"']", score=0.6),
    # In a log, where other fields follow.
    announcement("USERNAME", "USERNAME", "by=", r"by=", rf"{_PLAIN_NAME}(?=[\"']? \w{{1,24}}=)", gap=r"[\"']?", score=0.6),
    announcement("USERNAME", "USERNAME", "radius auth for|auth failed for|authentication failed for|login failed for|failed login for",
    r"(?:radius auth|auth(?:entication)? failed|login failed|failed login) for", _PLAIN_NAME, gap=r" (?:user )?[\"']?", score=0.6),
    # What logs of systems say: ``session of user ann.``, ``(login annb)``, ``Account Name: CORP\ann``.
    announcement(
        "USERNAME", "USERNAME", "of user |login |account name|as user |by user |in as ",
        r"(?:(?:of|by|as) user |login (?:for |by |of )?|(?:log(?:ged)?|sign(?:ed)?)[ -]?in as |account name:\s{1,4}(?:[A-Z0-9-]{1,16}\\)?)"
        r"[\"']?",
        _PLAIN_NAME, gap="", score=0.5,
    ),
    # Who did something, as records of changes tell it.
    announcement(
        "USERNAME", "USERNAME", "ed_by|ed-by|en_by|en-by|assigned_to|assignee|reviewer|approver|requester|_user:|_user=",
        r"(?:[a-z]{2,12}(?:ed|en)[_-]by|assigned_to|assignee|"
        r"reviewer|approver|requester|"
        r"[a-z]{2,16}_user)",
        _PLAIN_NAME, gap=r"[\"']?(?:=|: ?)[\"']?", score=0.5,
    ),
    # ``define('DB_USER', 'annb')``, ``'username' => 'annb'``.
    announcement(
        "USERNAME", "USERNAME", "user'|user\"|username'|username\"", r"(?:[a-z]{2,10}_)?user(?:_?name)?", r"[A-Za-z][\w.-]{2,31}(?=[\"'])",
        gap=r"[\"']\s?(?:=>|,)\s?[\"']", score=0.5,
    ),
    announcement(
        "USERNAME", "USERNAME", "user s|user w|login s|username s|account s",
        r"(?:user(?:name)?|login|account) (?:soll|should|will|wird|shall)(?: (?:be|then be|dann))?",
        r"[a-z]{1,20}[._-][a-z0-9._-]{1,24}(?<![._-])", gap=r" [\"'`]?", score=0.6,
    ),
    announcement("USERNAME", "USERNAME", "user '|user \"|user `", r"user ", rf"{_PLAIN_NAME}(?=[\"'`])", gap=r"[\"'`]", score=0.5),
    announcement(
        "USERNAME", "USERNAME", "ssh |scp |sftp |rsync ", r"\b(?:ssh|scp|sftp|rsync)(?: [^\n|;&@]{0,60})?",
        rf"(?!(?:deploy|git|ubuntu|root|admin|ec2-user|centos|debian|core|opc|pi|vagrant|backup|app|www|web|"
        rf"user)@){_PLAIN_NAME}(?=@[\w.-]{{2,64}})", gap=" ", score=0.5,
    ),
    announcement(
        "USERNAME", "USERNAME", " is ", r"my (?:twitch|insta(?:gram)?|snap(?:chat)?|discord|steam|psn|xbox|gamertag|twitter|"
        r"tiktok|telegram|github|reddit|handle|ign|"
        r"nick(?:name)?|user ?name|screen ?name)(?: name| handle| id)?", _NAME, gap=r" is @?", score=0.6,
    ),
    announcement("USERNAME", "USERNAME", "steam name|gamertag|xbox|psn|ign:|ign ", r"(?:steam name|gamertag|psn(?: id)?|ign)",
    _NAME, gap=r":? @?", score=0.5),
    announcement("USERNAME", "USERNAME", "venmo|cashapp|cash app|paypal.me", r"(?:venmo|cash ?app|paypal\.me)",
    r"[A-Za-z][\w-]{2,30}", gap=r"(?:(?: is|:)? ?[@$]|/)", score=0.7),
    announcement(
        "USERNAME", "USERNAME", "github.com/|gitlab.com/|twitch.tv/|bsky.app/profile",
        r"(?:(?:github|gitlab)\.com|twitch\.tv|bsky\.app/profile)",
        r"[A-Za-z][\w.-]{2,38}(?![\w/-])", gap="/@?", score=0.6,
    ),
    announcement("USERNAME", "USERNAME", "u/", r"(?<![\w/.])/?u/", r"[A-Za-z][\w-]{2,20}", gap="", score=0.6),
    announcement("USERNAME", "USERNAME", "discord|add me|dm me|hmu", r"(?:discord|add me|dm me|hmu)[^\n#]{0,24}?",
    r"[\w.]{2,32}#\d{4}", gap=r"[: ]{1,2}@?", score=0.7),
    announcement(
        "USERNAME", "USERNAME", "linkedin.com|twitter.com|//x.com|instagram.com|facebook.com|t.me|reddit.com|tiktok.com|"
        "medium.com|youtube.com|threads.net|snapchat.com",
        r"(?:linkedin\.com/in|(?:twitter|//x|instagram|facebook|threads|tiktok|youtube|medium|snapchat)\.(?:com|net)(?:/add)?|"
        r"(?<!\w)t\.me|reddit\.com/u(?:ser)?)",
        _NAME, gap=r"/@?", score=0.8,
    ),
    announcement(
        "USERNAME", "USERNAME", "discord|steam|skype|telegram|insta|snapchat|signal|twitter|tiktok|github|gamertag|psn|venmo|"
        "cashapp",
        r"(?:discord|steam|skype|telegram|insta(?:gram)?|snap(?:chat)?|twitter|tiktok|github(?: user)?|gamertag|psn|venmo|"
        r"cash ?app)(?: (?:id|name|handle|user(?:name)?))?",
        r"(?=[\w.]{0,30}[\d_.])[A-Za-z_][\w.]{2,31}(?<![.])", gap=r"(?: is|:| =|, )[ \t]{0,2}@?", score=0.6,
    ),
)  # fmt: skip


_HOME = re.compile(
    r"(?:(?<![\w.])/(?:home|Users)/|[A-Za-z]:\\{1,2}Users\\{1,2}|~(?=[a-z][\w.-]{2,30}/))"
    r"(?P<value>(?=[\w.-]{3})[A-Za-z][\w-]{0,30}(?:\.[\w-]{1,30}){0,2})(?![\w$%{<])"
)
_ACCESS_LOG = re.compile(r"^[0-9a-fA-F.:]{3,45} - (?P<value>[A-Za-z][\w.@-]{1,40}) \[\d", re.MULTILINE)
_OF_SUDO = re.compile(r"\bsudo(?:\[\d{1,7}\])?: {1,4}(?P<value>[a-z_][\w.-]{0,31}) : ")
_OF_DATABASE = re.compile(
    r"\[\d{1,7}\] (?P<value>[a-z_][\w.-]{1,31})@[a-z_]\w{1,31} (?:LOG|ERROR|FATAL|DETAIL|STATEMENT|WARNING|HINT):"
)
_PROMPT = re.compile(
    r"^(?:\([\w.-]{1,40}\) )?\[?(?P<value>[a-z][\w.-]{2,30})@[A-Za-z][\w.-]{0,60}(?::[~/][^\s$#]{0,80}\]?| [~/][^\s$#]{0,80}\]) ?[$%#](?= |$)",
    re.MULTILINE,
)
"""Of a shell: ``jwhit@bastion-2:~$ psql``."""
_BY_WHOM = re.compile(
    r"(?<![^\W_])(?:edited|deployed|deploy|pushed|merged|approved|updated|modified|reviewed|uploaded|exported|started|triggered|"
    r"requested|submitted|closed|opened|commit(?:ted)?|published|rotated|disabled|locked|unlocked|reset)[^\n.;]{0,40}? by @?"
    r"(?P<value>(?=[a-z_.-]{0,30}(?:[\d_]|\.\w))[a-z][\w.-]{3,30}[a-z\d])(?![\w/@(-]|\.\w|:\d)"
)
"""One word of small letters and a digit or a sign, and not what a program calls."""
_RECORDED_BY = re.compile(
    r"(?<![^\W_])(?:uploaded|exported|created|submitted|requested|triggered|started|changed|updated|approved|deleted|downloaded|opened|closed|"
    r"assigned|reported) by @?(?P<value>(?!(?:hand|default|design|mistake|accident|email|"
    r"mail|phone|post|cron|system|script|request|order|batch) )[a-z][a-z0-9._-]{3,30}) (?:from (?:\d{1,3}\.){3}|(?:on|at) \d{1,4}[-/.:]\d)"
)
"""``exported by kmccrae on 21/08/2025``: as records say it."""
_ON_FORGE = re.compile(
    r"(?:^|(?<=\n))(?:> )?(?:\*\*@?(?P<value>[a-z][a-z0-9-]{2,38})\*\*(?= (?:reviewed|commented|approved|requested|pushed|merged|closed|opened|"
    r"reopened|left|replied|wrote)\b)|(?P<wants>[a-z][a-z0-9-]{2,38})(?= wants to merge \d))"
)
"""``**dhruv-iyer** reviewed``"""
_SSH_KEY = re.compile(r"\bssh-(?:ed25519|rsa|dss) AAAA[A-Za-z0-9+/=]{8,1000} (?P<value>[a-z][a-z0-9._-]{1,31})@[\w.-]{2,64}")
_OF_SSH_KEY = re.compile(r"(?<![\w.@-])(?P<value>[a-z][a-z0-9._-]{2,31}):ssh-(?:ed25519|rsa|dss) AAAA")
"""Whose key it is."""
_OF_MACHINES = frozenset(
    "app apps runner build builder builds vsts jenkins gitlab-runner ci deploy node circleci work workspace shared public all "  # noqa: SIM905  # words, not a list of strings
    "linuxbrew user users vagrant pi centos debian fedora ec2-user airflow jovyan dev developer service svc git www web docker".split()
)
"""Whose home says nothing about anybody."""
_CHATTED = re.compile(
    r"^(?:\[?\d[\d:. -]{3,19}\]? )?<[@+%&~]?(?P<value>(?=[A-Za-z-]{0,24}[\d_])[A-Za-z][\w-]{2,24})> (?=\S)", re.MULTILINE
)
"""``<ann> hello``: counts from the second line on, where no element of a page is closed."""
_ELEMENTS = frozenset(
    "div span body head html title main table thead tbody form input label select option button code pre script "  # noqa: SIM905  # words, not a list of strings
    "style section article aside nav header footer link meta img svg path strong small center details summary file name value string "
    "command number int type key url dir host port options args id tag branch version".split()
)
_WRITES = re.compile(
    r"^(?:[*>#-]{1,3} )?(?P<value>(?=[A-Za-z.-]{0,24}[\d_])[A-Za-z][\w.-]{2,24}) (?:wrote:|said:|writes:|schrieb:|a écrit :|ha "
    r"scritto:|escribió:|schreef:|"
    r"[—–] (?:Today|Yesterday|\d{1,2}[/:.]\d)|has (?:joined|left|quit)|joined the|left the|is typing)",
    re.MULTILINE,
)
_SPEAKER = re.compile(
    r"^(?:\[?\d{1,2}[:.]\d{2}(?:[:.]\d\d)?\]? ?)?(?P<value>[A-Za-z][\w.]{2,24}): (?=[^\s=:{]+ \S)", re.MULTILINE
)
_NOT_A_WORD = re.compile(r"[\d_]|\w\.\w")
_PROSE = re.compile(r"[{}()=<>;\\]|://")
"""Of a line with one of these a sign is code rather than a mention."""
_SIGNS = re.compile(
    r"(?:^|\n)[ \t]{0,4}(?:[—–~-]{1,2} ?|by )(?P<value>(?=[A-Za-z]{1,24}[\d_])[A-Za-z]\w{4,30})(?=[ \t]*(?:\n|$|, | \())"
)
"""``— hungry_in_LA_77`` under a review."""
_OF_DOMAIN = re.compile(r"(?<![\w\\:/.-])[A-Z][A-Z0-9]{2,14}\\(?P<value>[a-z][a-z0-9._-]{3,31})(?![\w\\:/(-]|\.\w)")
"""``CORP\\aokoro``"""
_OF_MYSQL = re.compile(r"\b(?:mysql\w{0,6}|mariadb\w{0,6}) [^\n|;&]{0,80}?(?<= )-u(?P<value>[a-z][\w.-]{1,31})(?=\s)")
_LOGGED = (
    (("mysql", "mariadb"), _OF_MYSQL),
    (("\\",), _OF_DOMAIN),
    (
        (
            "wrote:",
            "said:",
            "writes:",
            "schrieb:",
            "écrit",
            "scritto:",
            "escribió:",
            "schreef:",
            "—",
            "–",
            " has ",
            " joined",
            " left",
            " is typing",
        ),
        _WRITES,
    ),
    (("—", "–", "~", "-", "by "), _SIGNS),
    (("/home/", "/Users/", "Users\\", "~"), _HOME),
    ((" [",), _ACCESS_LOG),
    (("sudo",), _OF_SUDO),
    (("@",), _OF_DATABASE),
    ((":~", ":/", " ~", " /"), _PROMPT),
    ((" by ",), _BY_WHOM),
    ((" by ",), _RECORDED_BY),
    (("**", " wants to merge "), _ON_FORGE),
    (("ssh-",), _SSH_KEY),
    (("ssh-",), _OF_SSH_KEY),
)


_ITEM_ABOVE = re.compile(r"(?:^|\n)[ \t]*(?:- [^\n]*|[^\n]*:)[ \t]*\Z")
_ITEM_BELOW = re.compile(r"[^\n]*\n[ \t]*- ")


def _is_listed(text: str, signed: re.Match[str]) -> bool:
    """Whether what looks signed is one of the items of a list, as YAML and Markdown have it."""
    return _ITEM_ABOVE.search(text, max(0, signed.start() - _LINE), signed.start()) is not None or (
        _ITEM_BELOW.match(text, signed.end()) is not None
    )


def _in_prose(text: str, handle: re.Match[str]) -> bool:
    """Whether a line speaks of somebody: words before the handle, and nothing of a program around it."""
    name = handle["value"]
    before = text[max(0, handle.start() - _LINE) : handle.start()].rpartition("\n")[2]
    after = text[handle.end() : handle.end() + _LINE].partition("\n")[0]
    return (
        (name.islower() or _NOT_A_WORD.search(name) is not None)
        and before[-1:] == " "
        and len(before.split()) > 1
        and _PROSE.search(before) is None
        and _PROSE.search(after) is None
    )


def _speakers(text: str) -> Iterator[Finding]:
    """Who writes in a chat, where most lines begin with who does."""
    spoken = list(_SPEAKER.finditer(text))
    lines = sum(1 for line in text.split("\n") if line.strip())
    names = Counter(match["value"] for match in spoken)
    if len(spoken) < _LEAST_SPOKEN or len(spoken) * 2 < lines or len(names) < 2 or max(names.values()) < 2:
        return
    for match in spoken:
        if _NOT_A_WORD.search(match["value"]) is not None and match["value"].lower() not in _GENERIC:
            yield Finding(*match.span("value"), "USERNAME", "USERNAME", 0.5)


_LINE = 160
"""Characters of a line that are looked at, to either side."""
_LEAST_SPOKEN = 3


def usernames(text: str, lowered: Lowered) -> Iterator[Finding]:
    """Handles in running text, names on sites, and what is announced as a name of a user. Not decorators, annotations and packages."""
    for finding in announced(text, lowered, ANNOUNCED):
        name = lowered[finding.start : finding.end]
        code = _CALL.match(text, finding.end)
        if (
            name not in _GENERIC
            and (
                code is None
                or (code[0] in (" or ", " and ") and not name.isalpha())
                or _AND_PASSWORD.match(lowered, finding.end) is not None
            )
            and not _ATTRIBUTE.match(name)
            and _OF_A_USER.search(name) is None
            and not (name.endswith("_user") and text[finding.end : finding.end + 1] in _GOES_ON)
        ):
            yield finding
    for triggers, pattern in _LOGGED:
        if holds_any(text, triggers):
            for match in pattern.finditer(text):
                group = str(match.lastgroup)
                name = match[group].lower()
                if name not in _GENERIC and name not in _OF_MACHINES and not (pattern is _SIGNS and _is_listed(text, match)):
                    yield Finding(*match.span(group), "USERNAME", "USERNAME", 0.6)
    if text.count(": ") >= _LEAST_SPOKEN and "\n" in text:
        yield from _speakers(text)
    if "> " in text and "</" not in text:
        chatted = [match for match in _CHATTED.finditer(text) if match["value"] not in _GENERIC | _ELEMENTS]
        for match in chatted if len(chatted) > 1 else ():
            yield Finding(*match.span("value"), "USERNAME", "USERNAME", 0.5)
    if "@" not in text:
        return
    ruby = _OF_RUBY.search(text) is not None or ("def " in text and _RUBY_END.search(text) is not None)
    for match in _HANDLE.finditer(text):
        if (
            (ruby and not _in_prose(text, match))
            or _DECLARED.match(text, match.end()) is not None
            or _SCOPE.search(text, max(0, match.start() - 16), match.start()) is not None
        ):
            continue
        if match["value"].lower() in _ANNOTATIONS or match["value"].lower().split(".")[0] in _ANNOTATIONS:
            continue
        before = text[max(0, match.start() - 16) : match.start()]
        if _ARRAY.search(text, max(0, match.start() - 80), match.start()) is not None or _DESCRIBED.search(before) is not None:
            continue
        line = before.rpartition("\n")[2]
        follows = _ADDRESSED.match(text, match.end()) is not None
        # At the head of a line a decorator stands alone; whom one speaks to is followed by what one says.
        if _in_prose(text, match):
            yield Finding(*match.span("value"), "USERNAME", "USERNAME", 0.55)
        elif follows if not line.strip() else (_MENTIONED.search(line) is not None or follows):
            yield Finding(*match.span("value"), "USERNAME", "USERNAME", 0.6)


__all__ = ["ANNOUNCED", "usernames"]
