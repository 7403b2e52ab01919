"""Patterns of credentials, for which presidio has no recognizers. Each is linear: no nested or adjacent open repetitions.

Where a pattern has the group ``value``, only that is redacted and the words around it stay.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SecretPattern:
    """``triggers`` are texts in lower case without one of which the pattern cannot match: a cheap first look.

    Another is whether the text has anything so long without a blank: ``least`` characters. Without triggers it is the only one.
    """

    entity: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    least: int = 0


def _of(entity: str, trigger: str, pattern: str, flags: int = re.ASCII, *, least: int = 0) -> SecretPattern:
    return SecretPattern(entity, tuple(trigger.split("|")) if trigger else (), re.compile(pattern, flags), least)


def _token(entity: str, prefix: str, body: str) -> SecretPattern:
    """A token that its prefix tells, standing alone."""
    return _of(entity, prefix.lower(), rf"(?<![A-Za-z0-9]){re.escape(prefix)}{body}(?![A-Za-z0-9])")


_NAMED = (
    r"(?:api[_-]?key|apikey|access[_-]?key(?:[_-]?id)?|secret[_-]?access[_-]?key|secret[_-]?key|client[_-]?secret|secret|"
    r"auth[_-]?token|access[_-]?token|refresh[_-]?token|token|password|passwd|pwd|passphrase|private[_-]?key)"
)
# A value with a letter, and a digit or a sign: names of variables and types have their own shapes, and calls are told by ``_is_value``.
# Bounded look-aheads keep it linear.
_BARE = r"(?=[^\s\"',;]{0,64}?[\d!@#$%^&*])(?=[^\s\"',;]{0,64}?[A-Za-z])[^\s\"'`,;<>{}\[\]]{6,4096}(?<![.,:?!])(?![\w\[])"
_QUOTED = r"(?=[^\s\"']{0,64}?[\d!@#$%^&*+=?])[^\s\"'<>{}]{6,4096}(?=[\"'])"

_ANY = re.compile("")
_WORD_BEGINS = re.compile(r"(?:^|[^A-Za-z])$|[a-z]$")
_TOKEN_BEGINS = re.compile(r"(?:^|[^A-Za-z](?<!ublic_key_)|[a-z](?<!ublicKey)(?<!ublickey))$")
_ALONE = re.compile(r"(?:^|[^A-Za-z])$")
_OF_A_KEY = re.compile(
    r"(?:api|access|secret|account|private|signing|encryption|master|auth|service|license|app|client|ssh|shared)[_ -]?$",
    re.IGNORECASE,
)

_OF_A_DIRECTORY = re.compile(r"(?:^|[^A-Za-z])(?:bind|root|admin|db|smtp|ldap|ftp|mail|user)_?$")
_OF_A_PROGRAM = re.compile(r"[A-Z]_$")
"""In capitals, as in an environment."""

KEYED_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    *((word, _ANY) for word in ("password", "passwd", "passwort", "passphrase", "passkey", "kennwort", "contraseña", "wachtwoord",
    "mot de passe", "hasło", "heslo", "lösenord", "passord", "adgangskode", "salasana", "secret")),
    ("token", _TOKEN_BEGINS),
    ("pwd", _WORD_BEGINS),
    ("pass", _ALONE),
    ("pw", _OF_A_DIRECTORY),
    ("salt", _OF_A_PROGRAM),
    ("credential", _ALONE),
    ("key", _OF_A_KEY),
)  # fmt: skip
"""Words in lower case that may announce a secret, and how the 24 characters before each must end."""

KEYED = re.compile(
    r"s?(?:[_-]?(?:access[_-]?key|key|id|base(?:64)?|b64|hex|pem|raw|token|value|hash|prod|dev|staging|test|live|default|root|admin|"
    r"old|new|current|previous|primary|secondary|v?\d)){0,3}[\"'`]?"
    r"(?:\s{0,4}(?:[:=]|=>|:=)\s{0,4}| (?:->|→) | (?:is|was|ist|lautet|est|es|è|(?:was |is |has been )?(?:re)?set to|"
    r"(?:was |has been )?changed to|now is|is now) )"
    rf"(?:[\"'`](?P<quoted>{_QUOTED})|(?P<value>{_BARE}))",
    re.IGNORECASE,
)
"""What follows the word: ``api_key=…``, ``"password": "…"``, ``AWS_SECRET_ACCESS_KEY: …``, ``smtpPassword: …``."""

KEYED_HINT = re.compile(rf"(?:^|[^A-Za-z0-9])(?:[A-Za-z0-9]{{1,32}}[_-]){{0,4}}{_NAMED}$", re.IGNORECASE | re.ASCII)
"""Whether the key of a JSON object announces a secret."""

PRIVATE_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d")
PRIVATE_KEY_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: [0-9a-f]{40,64}")

SECRETS: tuple[SecretPattern, ...] = (
    # Clouds
    _of(
        "AWS_KEY",
        "akia|asia|aroa|aida|abia|acca",
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    ),
    _of("GOOGLE_KEY", "aiza", r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{30,40}(?![A-Za-z0-9_-])"),
    _of("GOOGLE_TOKEN", "ya29.", r"(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{20,512}"),
    _of("GOOGLE_SECRET", "gocspx-", r"(?<![A-Za-z0-9])GOCSPX-[A-Za-z0-9_-]{20,64}"),
    _of("AZURE_KEY", "accountkey=", r"AccountKey=(?P<value>[A-Za-z0-9+/]{40,100}={0,2})"),
    _of("AZURE_SAS", "sig=", r"[?&]sig=(?P<value>[A-Za-z0-9%+/]{20,128}(?:%3D|=){0,2})"),
    _of("AZURE_SECRET", "8q~", r"(?<![A-Za-z0-9])[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    _token("DIGITALOCEAN_TOKEN", "dop_v1_", r"[a-f0-9]{64}"),
    _of("SONAR_TOKEN", "squ_|sqp_|sqa_", r"(?<![A-Za-z0-9])sq[upa]_[a-f0-9]{40}(?![A-Za-z0-9])"),
    _of("DIGITALOCEAN_TOKEN", "doo_v1_|dor_v1_", r"(?<![A-Za-z0-9])do[or]_v1_[a-f0-9]{64}(?![A-Za-z0-9])"),
    _token("ALIBABA_KEY", "LTAI", r"[A-Za-z0-9]{12,28}"),
    _token("HEROKU_KEY", "HRKU-", r"[A-Za-z0-9_-]{30,80}"),
    _token("FLY_TOKEN", "FlyV1 fm2_", r"[A-Za-z0-9+/=_,-]{40,2048}"),
    # Where code lives, and where packages do
    _of("GITHUB_TOKEN", "ghp_|gho_|ghu_|ghs_|ghr_", r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{20,255}"),
    _of("GITHUB_TOKEN", "github_pat_", r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{22,255}"),
    _of(
        "GITLAB_TOKEN",
        "glpat-|glptt-|glrt-|gldt-|glft-|glsoat-|glagent-|glcbt-|glimt-",
        r"(?<![A-Za-z0-9])gl(?:pat|ptt|rt|dt|ft|soat|agent|cbt|imt)-[A-Za-z0-9_.-]{16,128}",
    ),
    _of("ATLASSIAN_TOKEN", "atatt3|atctt3", r"(?<![A-Za-z0-9])AT[AC]TT3[A-Za-z0-9_=-]{40,400}"),
    _of("BITBUCKET_TOKEN", "atbb", r"(?<![A-Za-z0-9])ATBB[A-Za-z0-9]{28,64}"),
    _of("NPM_TOKEN", "npm_", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{30,64}(?![A-Za-z0-9_])"),
    _of("NPM_TOKEN", "_authtoken=", r"_authToken=(?P<value>[A-Za-z0-9+/=_-]{20,255})"),
    _of("PYPI_TOKEN", "pypi-", r"(?<![A-Za-z0-9])pypi-[A-Za-z0-9_-]{16,512}(?<=[A-Za-z0-9]{16})"),
    _token("RUBYGEMS_KEY", "rubygems_", r"[a-f0-9]{48}"),
    _of("DOCKER_TOKEN", "dckr_", r"(?<![A-Za-z0-9])dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,64}"),
    _of("CRATES_TOKEN", "cio", r"(?<![A-Za-z0-9])cio[A-Za-z0-9]{32}(?![A-Za-z0-9])", least=35),
    # Chats and mail
    _of("SLACK_TOKEN", "xox", r"(?<![A-Za-z0-9])xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,255}"),
    _of("SLACK_TOKEN", "xapp-", r"(?<![A-Za-z0-9])xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-f0-9]{40,80}"),
    _of("SLACK_TOKEN", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/(?P<value>[A-Za-z0-9/_-]{20,255})"),
    _of(
        "DISCORD_TOKEN",
        "",
        r"(?<![A-Za-z0-9_.-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}(?![A-Za-z0-9_.-])",
        least=59,
    ),
    _of("DISCORD_WEBHOOK", "discord", r"discord(?:app)?\.com/api/webhooks/(?P<value>\d{17,20}/[A-Za-z0-9_-]{40,100})"),
    _of("TEAMS_WEBHOOK", "webhook.office.com", r"webhook\.office\.com/webhookb2/(?P<value>[A-Za-z0-9@/_-]{40,255})"),
    _of("TELEGRAM_TOKEN", ":aa", r"(?:(?<![A-Za-z0-9])|(?<=/bot))\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),
    _of("TWILIO_KEY", "sk", r"(?<![A-Za-z0-9])SK[a-f0-9]{32}(?![A-Za-z0-9])", least=34),
    _of("TWILIO_SID", "ac", r"(?<![A-Za-z0-9])AC[a-f0-9]{32}(?![A-Za-z0-9])", least=34),
    _of("SENDGRID_KEY", "sg.", r"(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    _of("MAILGUN_KEY", "key-", r"(?<![A-Za-z0-9])key-[a-f0-9]{32}(?![A-Za-z0-9])", least=36),
    _of("MAILCHIMP_KEY", "-us", r"(?<![A-Za-z0-9])[a-f0-9]{32}-us\d{1,2}(?![A-Za-z0-9])", least=36),
    _of(
        "POSTMARK_TOKEN",
        "postmark",
        r"postmark[\w-]{0,24}[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?P<value>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})",
        re.IGNORECASE,
    ),
    # Payment
    _of("STRIPE_KEY", "k_live_|k_test_", r"(?<![A-Za-z0-9])[srp]k_(?:live|test)_[A-Za-z0-9]{10,255}"),
    _of("WEBHOOK_SECRET", "whsec_", r"(?<![A-Za-z0-9])whsec_[A-Za-z0-9+/=]{16,255}"),
    _of("SQUARE_TOKEN", "sq0", r"(?<![A-Za-z0-9])sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43}"),
    _of("SQUARE_TOKEN", "eaaa", r"(?<![A-Za-z0-9])EAAA[A-Za-z0-9_-]{60}(?![A-Za-z0-9_-])"),
    _of("BRAINTREE_TOKEN", "access_token$", r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}"),
    _of("SHOPIFY_TOKEN", "shp", r"(?<![A-Za-z0-9])shp(?:at|ca|pa|ss|ua)_[A-Fa-f0-9]{32}"),
    _of("RAZORPAY_KEY", "rzp_", r"(?<![A-Za-z0-9])rzp_(?:live|test)_[A-Za-z0-9]{14,24}"),
    # Models
    _of(
        "PROVIDER_KEY",
        "sk-",
        r"(?<![A-Za-z0-9])sk-(?:(?=[A-Za-z0-9_-]{0,64}?\d)[A-Za-z0-9_-]{20,255}|[A-Za-z0-9]{24,255}(?![A-Za-z0-9_-]))",
    ),
    _of(
        "HUGGINGFACE_TOKEN", "hf_", r"(?<![A-Za-z0-9])(?:api_org|hf)_(?=[a-z0-9]{0,32}[A-Z])[A-Za-z0-9]{30,64}(?![A-Za-z0-9_])"
    ),
    _of("PROVIDER_KEY", "gsk_", r"(?<![A-Za-z0-9])gsk_[A-Za-z0-9]{40,64}"),
    _of("PROVIDER_KEY", "xai-", r"(?<![A-Za-z0-9])xai-[A-Za-z0-9]{60,100}"),
    _of("PROVIDER_KEY", "r8_", r"(?<![A-Za-z0-9])r8_[A-Za-z0-9]{37}(?![A-Za-z0-9])"),
    _of("PROVIDER_KEY", "pplx-", r"(?<![A-Za-z0-9])pplx-[A-Za-z0-9]{40,64}"),
    # Operations
    _of("DATABRICKS_TOKEN", "dapi", r"(?<![A-Za-z0-9])dapi[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])"),
    _of("VAULT_TOKEN", "hv", r"(?<![A-Za-z0-9])hv[sbr]\.[A-Za-z0-9_-]{20,300}", least=24),
    _of(
        "VAULT_TOKEN",
        "vault_token",
        r"vault_token[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?P<value>s\.[A-Za-z0-9]{24})",
        re.ASCII | re.IGNORECASE,
    ),
    _of("TERRAFORM_TOKEN", ".atlasv1.", r"(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,72}"),
    _of("GRAFANA_TOKEN", "glsa_|glc_", r"(?<![A-Za-z0-9])gl(?:sa|c)_[A-Za-z0-9+/_=]{32,200}"),
    _of("NEWRELIC_KEY", "nrak-", r"(?<![A-Za-z0-9])NRAK-[A-Z0-9]{27}(?![A-Za-z0-9])"),
    _of("SENTRY_TOKEN", "sntry", r"(?<![A-Za-z0-9])sntry[su]_[A-Za-z0-9+/=_]{40,300}"),
    _of("SENTRY_DSN", "sentry", r"https://(?P<value>[a-f0-9]{32}(?::[a-f0-9]{32})?)@[\w.-]{0,60}sentry"),
    _of("LINEAR_KEY", "lin_api_", r"(?<![A-Za-z0-9])lin_api_[A-Za-z0-9]{32,64}"),
    _of("NOTION_TOKEN", "ntn_", r"(?<![A-Za-z0-9])ntn_[A-Za-z0-9]{40,64}"),
    _of("POSTMAN_KEY", "pmak-", r"(?<![A-Za-z0-9])PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _of("DOPPLER_TOKEN", "dp.", r"(?<![A-Za-z0-9])dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,80}", least=46),
    _of("PULUMI_TOKEN", "pul-", r"(?<![A-Za-z0-9])pul-[a-f0-9]{40}(?![A-Za-z0-9])"),
    _of("FIGMA_TOKEN", "figd_", r"(?<![A-Za-z0-9])figd_[A-Za-z0-9_-]{36,64}"),
    _of("AIRTABLE_TOKEN", "pat", r"(?<![A-Za-z0-9])pat[A-Za-z0-9]{14}\.[a-f0-9]{64}(?![A-Za-z0-9])", least=82),
    _of("CLOUDFLARE_KEY", "v1.0-", r"(?<![A-Za-z0-9])v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    _of("AGE_KEY", "age-secret-key-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _of("FACEBOOK_TOKEN", "eaa", r"(?<![A-Za-z0-9])EAA[MC][A-Za-z0-9]{60,255}", least=64),
    _of("BREVO_KEY", "xkeysib-|xsmtpsib-", r"(?<![A-Za-z0-9])x(?:key|smtp)sib-[a-f0-9]{64}-[A-Za-z0-9]{16}(?![A-Za-z0-9])"),
    _of("GOOGLE_KEY", "aq.ab", r"(?<![A-Za-z0-9])AQ\.Ab[A-Za-z0-9_-]{40,80}(?![A-Za-z0-9_-])"),
    _of("PROVIDER_KEY", "fw_", r"(?<![A-Za-z0-9])fw_(?=[a-z0-9]{0,20}[A-Z])[A-Za-z0-9]{22,24}(?![A-Za-z0-9_])"),
    _of("BUDIBASE_KEY", "", r"(?<![A-Za-z0-9-])[a-f0-9]{32}-[a-f0-9]{78,80}(?![A-Za-z0-9-])", least=111),
    _token("LANGSMITH_KEY", "lsv2_", r"(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    _of("SUPABASE_TOKEN", "sbp_", r"(?<![A-Za-z0-9])sbp_(?:v\d_)?[a-f0-9]{40}(?![A-Za-z0-9])"),
    _token("SHIPPO_TOKEN", "shippo_", r"(?:live|test)_[a-f0-9]{40}"),
    _token("DUFFEL_TOKEN", "duffel_", r"(?:live|test)_[A-Za-z0-9_=-]{43}"),
    _of("ROOTLY_KEY", "rootly_", r"(?<![A-Za-z0-9])rootly_(?:[a-z]{2}_)?[a-f0-9]{64}(?![A-Za-z0-9])"),
    _of(
        "SOURCEGRAPH_TOKEN",
        "sgp_|slk_",
        r"(?<![A-Za-z0-9])(?:slk_[a-f0-9]{64}|sgp_(?:(?:[a-f0-9]{16}|local)_)?[a-f0-9]{40})(?![A-Za-z0-9])",
    ),
    _of("SETTLEMINT_TOKEN", "sm_", r"(?<![A-Za-z0-9])sm_[aps]at_[A-Za-z0-9]{16}(?![A-Za-z0-9])"),
    _token("INTRA_SECRET", "s-s4t2", r"(?:af|ud)-[a-f0-9]{64}"),
    _token("ENDOR_KEY", "endr+", r"[A-Za-z0-9-]{16}"),
    _of("SPECTRAL_KEY", "spu-|spk-", r"(?<![A-Za-z0-9])sp[ku]-[a-z0-9]{32}(?![A-Za-z0-9])"),
    _token("OPENSHIFT_TOKEN", "sha256~", r"[A-Za-z0-9_-]{43}"),
    _of("BEDROCK_KEY", "absk", r"(?<![A-Za-z0-9])ABSK[A-Za-z0-9+/]{100,300}={0,2}", least=104),
    _of("SERVICE_ACCOUNT_TOKEN", "ops_eyj", r"(?<![A-Za-z0-9])ops_eyJ[A-Za-z0-9+/_-]{160,2048}={0,3}", least=167),
    _of("GRAFANA_TOKEN", "eyjrijoi", r"(?<![A-Za-z0-9])eyJrIjoi[A-Za-z0-9+/]{60,400}={0,3}", least=68),
    _of("DROPBOX_TOKEN", "sl.", r"(?<![A-Za-z0-9.])sl\.(?:u\.)?[A-Za-z0-9_-]{120,1500}", least=123),
    _of(
        "HARNESS_TOKEN",
        "pat.",
        r"(?<![A-Za-z0-9.])pat\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}(?![A-Za-z0-9])",
        least=71,
    ),
    _of("SNYK_TOKEN", "snyk_", r"(?<![A-Za-z0-9])snyk_[us]at\.[0-9a-f]{8}\.[A-Za-z0-9_-]{30,80}"),
    _of("FIRECRAWL_KEY", "fc-", r"(?<![A-Za-z0-9-])fc-[0-9a-f]{32}(?![A-Za-z0-9])", least=35),
    _of("E2B_KEY", "e2b_", r"(?<![A-Za-z0-9])e2b_[0-9a-f]{40}(?![A-Za-z0-9])"),
    _of(
        "LAUNCHDARKLY_KEY",
        "sdk-|api-|mob-",
        r"(?<![A-Za-z0-9-])(?:sdk|api|mob)-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![A-Za-z0-9-])",
        least=40,
    ),
    _of("ASANA_TOKEN", "", r"(?<![A-Za-z0-9/.])[0-2]/\d{15,17}(?:/\d{15,17})?:[0-9a-f]{32}(?![A-Za-z0-9])", least=50),
    _of(
        "MICROSOFT_TOKEN",
        ".ag",
        r"(?<![A-Za-z0-9])[01]\.A[A-Za-z0-9_-]{40,200}\.(?:[A-Za-z0-9_-]{2,4}\.)?Ag[A-Za-z0-9_-]{200,2000}",
        least=240,
    ),
    # Forms that many use
    _of("JWT", "eyj", r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{4,8192}(?:\.[A-Za-z0-9_-]{0,4096}){0,3}"),
    _of(
        "BEARER_TOKEN",
        "bearer",
        r"(?<![A-Za-z0-9])bearer(?:[ \t]{1,4}|[\"']?[:=][ \t]{0,4}[\"']?)"
        r"(?P<value>(?=[A-Za-z0-9._~+/-]{0,64}?\d)[A-Za-z0-9._~+/-]{8,4096}={0,2})",
        re.ASCII | re.IGNORECASE,
    ),
    _of(
        "BASIC_CREDENTIALS",
        "basic",
        r"(?<![A-Za-z0-9])authorization[\"']?[:=] {0,2}[\"']?basic[ \t]{1,4}(?P<value>[A-Za-z0-9+/]{8,4096}={0,2})",
        re.ASCII | re.IGNORECASE,
    ),
    _of(
        "AUTHORIZATION",
        "authorization",
        r"(?<![A-Za-z0-9])authorization[\"']?[:=] {0,2}[\"']?(?:token|apikey|digest|key)"
        r"[ =\t]{1,4}(?P<value>(?=[A-Za-z0-9._~+/-]{0,64}?\d)[A-Za-z0-9._~+/-]{12,4096}={0,2})",
        re.ASCII | re.IGNORECASE,
    ),
    _of(
        "API_KEY",
        "x-",
        r"(?<![A-Za-z0-9])x-[a-z-]{0,24}(?:key|token|secret|auth)"
        r"[\"']?[:=] {0,2}[\"']?(?P<value>(?=[A-Za-z0-9._~+/-]{0,64}?\d)[A-Za-z0-9._~+/-]{12,4096}={0,2})",
        re.ASCII | re.IGNORECASE,
    ),
    # Who may connect: ``scheme://user:password@host``. A password of placeholders (``${…}``, ``<…>``, ``***``) is none.
    _of(
        "CONNECTION_STRING",
        "://",
        r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,24}://(?P<value>[^\s:/@\"'<>{}$?#]{0,64}:(?![*x]{2,}@|password@|pass@)"
        r"(?:[^\s/@\"'<>{}$?#]{1,256}@)?[^\s/@\"'<>{}$?#]{2,256})@(?=[\w\[.-])",
    ),
    _of(
        "CONNECTION_STRING",
        "://",
        r"(?<![A-Za-z0-9])(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|sqlserver|clickhouse|nats|"
        r"ftp|sftp|smtps?|ldaps?)(?:\+\w{1,16})?://(?P<value>[^\s:/@\"'<>{}$]{0,64}:(?:[^\s@\"'<>{}$]|(?<!:)\$(?![({A-Z])){2,256})@(?=[\w\[.-])",
    ),
    _of(
        "CONNECTION_STRING",
        "password=|pwd=",
        r"(?<=;)\s?(?:password|pwd)\s?=\s?(?P<value>(?![<{$*%/])[^\s;\"'<>{}$()&]{4,128})(?=[;\"'\s]|$)",
        re.ASCII | re.IGNORECASE,
    ),
    _of(
        "CREDENTIAL",
        "-u",
        r"\bcurl\b[^\n]{0,200}?\s(?:-u|--user)[ =]{0,2}[\"']?(?P<value>[^\s:\"'$<{]{1,64}:[^\s\"'$<{]{3,128})",
    ),
    _of(
        "CREDENTIAL",
        "pw",
        r"(?<![A-Za-z])(?:pw|pwd)(?:\s{0,2}[:=]|\s(?:is|was|ist|war))\s{0,2}[`\"']?(?P<value>(?=[^\s`\"']{0,64}\d)"
        r"(?=[^\s`\"']{0,64}[A-Za-z])[^\s`\"'()<>,;]{6,64})",
        re.IGNORECASE,
    ),
)

__all__ = ["KEYED", "KEYED_HINT", "KEYED_WORDS", "PRIVATE_KEY_BEGIN", "PRIVATE_KEY_END", "SECRETS", "SecretPattern"]
