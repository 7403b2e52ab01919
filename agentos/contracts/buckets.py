"""The key-value buckets: who writes each, who reads it, and what it is for. The broker's permissions are derived from this table."""

from dataclasses import dataclass

from agentos.contracts.services import KILLABLE, SERVICES


@dataclass(frozen=True, slots=True)
class Bucket:
    """A key-value bucket. ``writers`` alone may write; ``readers`` may get and watch; ``erasers`` may overwrite what was stored.

    ``history`` is how many revisions of a key the broker keeps. Above one it refuses a further one instead of dropping the oldest, whose
    bytes nobody could overwrite any more.
    """

    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    doc: str
    max_age_s: int = 0
    erasers: tuple[str, ...] = ()
    history: int = 1


BUCKETS: tuple[Bucket, ...] = (
    Bucket("kill", ("gates",), SERVICES, "Engaged kill switches, by id; watched by whoever starts work."),
    Bucket("instances", KILLABLE, ("gates",), "Who has to see the kill switch: `<service>.<instance>`.", max_age_s=15),
    Bucket("killacks", KILLABLE, ("gates",), "Drills: `<switch>.<service>.<instance>` has seen it.", max_age_s=600),
    Bucket("presence", ("runner",), ("router", "policy", "gateway"), "Live packs: `<pack>.<instance>`.", max_age_s=15),
    Bucket("packs", ("runner",), ("router", "policy", "gateway"), "Registered packs, alive or not: `<pack>` → its manifest."),
    Bucket(
        "agents",
        ("router",),
        ("router", "policy", "gateway"),
        "`<tenant>.<agent id>`: agents that people registered, changed or paused.",
    ),
    Bucket(
        "agentpresence",
        ("router",),
        ("router", "gateway"),
        "`<tenant>.<agent id>`: whether an agent has come or gone, as told last.",
    ),
    Bucket(
        "heartbeats",
        ("gateway",),
        ("router", "gateway"),
        "`<tenant>.<agent id>.<instance>`: an external agent said that it lives.",
        max_age_s=3_600,
    ),
    Bucket(
        "keys",
        ("gateway",),
        ("policy", "router", "runner", "worker", "gates", "gateway"),
        "Wrapped data keys. `<tenant>.<task family>`: one, empty once it is erased, which is for ever. `<tenant>.block.<id>`: those of "
        "calls without a family, zeros in place of an erased one.",
        erasers=("gateway",),
        history=2,
    ),
    Bucket("waiting", ("router",), ("router",), "`<tenant>.<task>.<attempt>`: admitted, but no live pack takes it yet."),
    Bucket(
        "placeholders",
        ("policy",),
        ("policy", "gateway"),
        "Per task family: the sealed placeholder map, so that names stay stable.",
        erasers=("gateway",),
    ),
    Bucket(
        "subjects",
        ("policy",),
        ("policy", "gateway"),
        "`<tenant>.<keyed hash of an identifier>[.<of another>…].<task family>`: whose data a family holds, without saying who.",
        erasers=("gateway",),
    ),
    Bucket("budgets", ("policy",), ("policy", "gateway"), "`<tenant>.<account>`: what of a budget is spent and held back."),
    Bucket(
        "models", ("router",), ("policy", "gateway"), "`catalogue`: aliases, providers and the highest price of each model."
    ),
    Bucket(
        "responses",
        ("router",),
        ("router",),
        "`<tenant>.<digest of a redacted request>`: its answer, sealed with the key of the task that paid for it.",
        max_age_s=30 * 86_400,
    ),
    Bucket(
        "health",
        ("router",),
        ("gateway",),
        "`<instance>`: breakers, limits and latencies as one router sees them.",
        max_age_s=15,
    ),
    Bucket("permissions", ("policy",), ("policy", "gateway"), "`roles`: what each role may do, as the active rules say."),
    Bucket("histories", ("policy",), ("policy",), "`<tenant>.<task family>`: labels, counts and sums that rules look at."),
    Bucket(
        "bundles",
        ("policy",),
        ("policy", "gateway"),
        "Signed bundles of rules in chunks, `<sha-256>.<n>`, and `catalogue.published`: which versions there are.",
    ),
    Bucket("dependents", ("orchestrator",), ("orchestrator",), "`<dependency>.<dependent>`: who waits for whom."),
    Bucket("approvals", ("gates",), ("gates",), "`<tenant>.<task>.<approval>`: open approvals, to be found by their task."),
    Bucket("delegations", ("gates",), ("gates", "policy", "gateway"), "`<tenant>.<id>`: who may answer approvals for whom."),
    Bucket("idempotency", ("gateway",), ("gateway",), "First answers by Idempotency-Key.", max_age_s=86_400),
    Bucket("apikeys", ("gateway",), ("gateway",), "API keys: SHA-256 digest, name, roles; never the key."),
    Bucket("users", ("gateway",), ("gateway",), "`user.<id>`: a person's account, sealed; `setup`: who made the first one."),
    Bucket(
        "sessions",
        ("gateway",),
        ("gateway",),
        "Who is signed in, sealed: how often each session's token was exchanged; never the token.",
        max_age_s=30 * 86_400,
    ),
    Bucket(
        "lockouts",
        ("gateway",),
        ("gateway",),
        "`<keyed digest of an account or address>`: sign-ins that failed in a row.",
        max_age_s=86_400,
    ),
    Bucket(
        "virtualkeys",
        ("gateway",),
        ("gateway", "policy"),
        "Virtual keys of the governed endpoint: SHA-256 digest and terms; never the key.",
    ),
    Bucket(
        "held",
        ("gateway",),
        ("gateway",),
        "`<tenant>.<keyed digest of a request>`: the held call that a retry of it joins.",
        max_age_s=172_800,
    ),
    Bucket("payloads", SERVICES, SERVICES, "Claim check: bodies over 256 KiB in chunks, `<sha-256>.<n>`."),
)
