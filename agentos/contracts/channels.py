"""The channel table: every subject, who alone may publish it, what it carries, who reads it, and what it means.

Streams, consumers, broker users with their permissions, the AsyncAPI document, the subject table in the docs and the JSON
Schemas are all derived from this table (``agentos.bus.generate``, ``agentos.bus.topology``) and never written by hand.
"""

from dataclasses import dataclass
from typing import Literal

from agentos.contracts import commands as c
from agentos.contracts.base import Contract
from agentos.contracts.events import approval, call, governance, kill, notification, policy, privacy, task

Kind = Literal["event", "command", "query", "answer", "token", "work", "timer", "dead_letter"]

SERVICES = ("gateway", "orchestrator", "router", "policy", "gates", "runner", "worker", "ledger")
"""Every service is also a broker user of the same name."""


KILLABLE = ("policy", "router", "gates", "runner", "worker")
"""The services that ask the kill switch before they start anything."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One row. ``readers`` share a durable consumer per service; ``tails`` follow live, each instance on its own.

    ``auditors`` may look at what the readers were handed and have not answered: what is in their hands.
    """

    name: str
    pattern: str
    kind: Kind
    publisher: str
    payload: type[Contract]
    doc: str
    readers: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()
    auditors: tuple[str, ...] = ()
    version: int = 1

    @property
    def schema(self) -> str:
        """Name and version as they travel in the ``Agentos-Schema`` header."""
        return f"{self.name}/{self.version}"

    @property
    def stream(self) -> str:
        """The stream that keeps this channel's messages."""
        return STREAM_OF[self.kind]

    def consumer(self, service: str) -> str:
        """The durable consumer that ``service`` reads this channel with."""
        return f"{service}-{self.name.replace('.', '-')}"


STREAM_OF: dict[Kind, str] = {
    "event": "EVENTS",
    "command": "COMMANDS",
    "query": "QUERIES",
    "answer": "ANSWERS",
    "token": "TOKENS",
    "work": "WORK",
    "timer": "TIMERS",
    "dead_letter": "DLQ",
}


def _event(
    name: str,
    publisher: str,
    payload: type[Contract],
    doc: str,
    *,
    readers: tuple[str, ...] = (),
    tails: tuple[str, ...] = (),
    auditors: tuple[str, ...] = (),
    ordinal: bool = False,
) -> Channel:
    aggregate, fact = name.split(".")
    pattern = f"evt.*.{aggregate}.*.{fact}" + (".*" if ordinal else "")
    return Channel(name, pattern, "event", publisher, payload, doc, readers, tails, auditors)


def _command(service: str, verb: str, publisher: str, payload: type[Contract], doc: str) -> Channel:
    return Channel(f"{service}.{verb}", f"cmd.{service}.{verb}.*", "command", publisher, payload, doc, (service,))


def _timer(service: str, what: str, doc: str) -> tuple[Channel, Channel]:
    return (
        Channel(f"timer.{service}-{what}-set", f"timer.{service}.set.{what}.*", "timer", service, c.TimerDue, f"Set: {doc}"),
        Channel(
            f"timer.{service}-{what}-due",
            f"timer.{service}.due.{what}.*",
            "timer",
            "broker",
            c.TimerDue,
            f"Due: {doc}",
            (service,),
        ),
    )


CHANNELS: tuple[Channel, ...] = (
    # --- task: the life of a task -------------------------------------------------------------------------------------
    _event("task.submitted", "orchestrator", task.TaskSubmitted, "A task exists; nothing runs yet."),
    _event("task.queued", "orchestrator", task.TaskQueued, "Attempt n asks to be admitted.", readers=("policy",), ordinal=True),
    _event(
        "task.decided",
        "policy",
        task.TaskDecided,
        "The admission verdict for attempt n.",
        readers=("router", "orchestrator"),
        ordinal=True,
    ),
    _event(
        "task.routed",
        "router",
        task.TaskRouted,
        "The pack that takes attempt n, and those that were rejected.",
        readers=("orchestrator",),
        ordinal=True,
    ),
    _event("task.started", "runner", task.TaskStarted, "A runner took attempt n.", ordinal=True),
    _event(
        "task.suspended",
        "runner",
        task.TaskSuspended,
        "The agent waits for something long and holds nothing meanwhile.",
        readers=("orchestrator",),
        ordinal=True,
    ),
    _event(
        "task.resumed",
        "orchestrator",
        task.TaskResumed,
        "What suspension n waited for has happened.",
        readers=("router",),
        ordinal=True,
    ),
    _event(
        "task.ended", "runner", task.TaskEnded, "What came out of attempt n.", readers=("orchestrator",), ordinal=True
    ),
    _event("task.retrying", "orchestrator", task.TaskRetryScheduled, "Attempt n failed; another follows later.", ordinal=True),
    _event(
        "task.cancelling",
        "orchestrator",
        task.TaskCancelling,
        "Attempt n must stop now.",
        readers=("gates",),
        tails=("runner", "router", "worker"),
        ordinal=True,
    ),
    _event("task.parked", "orchestrator", task.TaskParked, "Attempt n cannot be mended by retrying; an operator decides.", ordinal=True),
    _event(
        "task.settled",
        "orchestrator",
        task.TaskSettled,
        "The end of the task, once per operator's (re)start.",
        readers=("orchestrator", "gates"),
        ordinal=True,
    ),
    _event("step.recorded", "runner", task.StepRecorded, "A recorded effect of an agent: clock, randomness, sleep, subtask.", ordinal=True),
    # --- call: a governed model call ----------------------------------------------------------------------------------
    _event("call.requested", "runner", call.ModelCallRequested, "A pack asks for a model.", readers=("policy",)),
    _event("call.received", "gateway", call.ModelCallRequested, "A client of the governed endpoint asks for a model.", readers=("policy",)),
    _event("call.abandoned", "gateway", call.CallAbandoned, "Its client is gone: stop the call.", tails=("router",)),
    _event(
        "call.decided",
        "policy",
        call.CallDecided,
        "The verdict on a model call, with the redacted request.",
        readers=("router", "gates"),
        tails=("runner", "policy", "gateway"),
        auditors=("gates",),
    ),
    _event("call.attempted", "router", call.CallAttempted, "An attempt that did not settle the call.", ordinal=True),
    _event(
        "call.settled",
        "router",
        call.ModelCallSettled,
        "The end of a model call.",
        readers=("policy",),
        tails=("runner", "policy", "gateway"),
    ),
    _event("call.inspected", "policy", call.Inspected, "What policy saw in a model's answer.", tails=("runner", "gateway")),
    Channel(
        "call.streamed", "tok.*.*.*", "token", "router", call.AnswerStreamed,
        "A piece of an answer as it comes in: `tok.<tenant>.<instance that waits>.<call>`.", tails=("gateway",),
    ),
    # --- tool: a governed tool call -----------------------------------------------------------------------------------
    _event("tool.requested", "runner", call.ToolCallRequested, "A pack asks for a tool.", readers=("policy",)),
    _event(
        "tool.decided",
        "policy",
        call.CallDecided,
        "The verdict on a tool call, with the redacted arguments.",
        readers=("worker", "gates"),
        tails=("runner", "policy"),
        auditors=("gates",),
    ),
    _event("tool.attempted", "worker", call.CallAttempted, "An attempt that did not settle the tool call.", ordinal=True),
    _event(
        "tool.settled",
        "worker",
        call.ToolCallSettled,
        "The end of a tool call.",
        readers=("policy",),
        tails=("runner", "policy"),
    ),
    _event("tool.inspected", "policy", call.Inspected, "What policy saw in a tool's result.", tails=("runner",)),
    # --- governance ---------------------------------------------------------------------------------------------------
    _event("checkpoint.requested", "runner", governance.CheckpointRequested, "A pack wants to ask a person.", readers=("policy",)),
    _event(
        "checkpoint.decided",
        "policy",
        governance.CheckpointDecided,
        "The verdict on asking a person, with the redacted question.",
        readers=("gates",),
        tails=("runner",),
    ),
    # --- approval -----------------------------------------------------------------------------------------------------
    _event(
        "approval.requested",
        "gates",
        approval.ApprovalRequested,
        "Something waits for a person.",
        readers=("gates",),
        tails=("runner", "gateway"),
    ),
    _event(
        "approval.answered",
        "gates",
        approval.ApprovalAnswered,
        "A person's n-th answer, to be ruled on.",
        readers=("policy",),
        ordinal=True,
    ),
    _event(
        "approval.ruled",
        "policy",
        approval.ApprovalRuled,
        "Whether that person may give that answer.",
        readers=("gates",),
        ordinal=True,
    ),
    _event("approval.commented", "gates", approval.ApprovalCommented, "A person's n-th remark, sealed.", ordinal=True),
    _event(
        "approval.edited",
        "gates",
        approval.ApprovalEdited,
        "A person's n-th edit of what is to be done, to be ruled on.",
        readers=("policy",),
        ordinal=True,
    ),
    _event(
        "approval.revised",
        "policy",
        approval.ApprovalRevised,
        "The verdict on that edit, with the redacted difference.",
        readers=("gates",),
        ordinal=True,
    ),
    _event(
        "approval.escalated",
        "gates",
        approval.ApprovalEscalated,
        "Nobody answered in time: more roles may.",
        readers=("gates",),
        ordinal=True,
    ),
    _event("approval.frozen", "gates", approval.ApprovalFrozen, "A kill switch stops the clock.", ordinal=True),
    _event("approval.thawed", "gates", approval.ApprovalThawed, "The clock goes on; deadlines have moved.", ordinal=True),
    _event(
        "approval.resolved",
        "gates",
        approval.ApprovalResolved,
        "The one answer to an approval.",
        readers=("router", "worker", "orchestrator", "gates"),
        tails=("runner", "gateway"),
        auditors=("gates",),
    ),
    _event("delegation.granted", "gates", approval.DelegationGranted, "A person lends another their powers to approve."),
    _event("delegation.revoked", "gates", approval.DelegationRevoked, "The delegation of this id no longer holds."),
    # --- notification -------------------------------------------------------------------------------------------------
    _event("notification.queued", "gates", notification.NotificationQueued, "A target is to be told of an event."),
    _event("notification.failed", "gates", notification.NotificationFailed, "Attempt n failed.", ordinal=True),
    _event("notification.sent", "gates", notification.NotificationSent, "The target has taken it."),
    _event("target.disabled", "gates", notification.TargetDisabled, "A target is gone and is told nothing any more."),
    # --- more of governance -------------------------------------------------------------------------------------------
    _event(
        "violation.noted", "runner", governance.ViolationNoted, "A pack tried what its sandbox does not let it do.", ordinal=True
    ),
    _event(
        "violation.reported", "worker", governance.ViolationNoted, "A tool tried what its sandbox does not let it do.", ordinal=True
    ),
    _event("budget.warned", "policy", governance.BudgetWarned, "A share of a budget is spent: once a window and threshold.", ordinal=True),
    _event("budget.exceeded", "policy", governance.BudgetExceeded, "A budget has no room left: once a window.", ordinal=True),
    _event("policy.published", "policy", policy.BundlePublished, "A bundle of rules was accepted; its version is the id."),
    _event("policy.refused", "policy", policy.BundleRefused, "A bundle of rules was refused; the last good one goes on deciding."),
    # --- kill: a switch and what it stopped ---------------------------------------------------------------------------
    _event(
        "kill.engaged",
        "gates",
        kill.KillEngaged,
        "Nothing in scope starts any more; what is in flight is cancelled, or finishes.",
        readers=("gates",),
        tails=("policy",),
    ),
    _event(
        "kill.release-requested",
        "gates",
        kill.KillReleaseRequested,
        "The n-th request to open a switch that takes two persons.",
        ordinal=True,
    ),
    _event(
        "kill.eased",
        "gates",
        kill.KillEased,
        "For the n-th time a share of the tasks may start.",
        readers=("gates",),
        tails=("policy",),
        ordinal=True,
    ),
    _event(
        "kill.tightened", "gates", kill.KillTightened, "A trigger ended the n-th probation.", readers=("gates",), ordinal=True
    ),
    _event(
        "kill.released",
        "gates",
        kill.KillReleased,
        "The switch of this id no longer holds.",
        readers=("gates",),
        tails=("policy",),
    ),
    _event("kill.call-cancelled", "router", kill.KillCancelled, "A switch cancelled the model call of this id.", ordinal=True),
    _event("kill.tool-cancelled", "worker", kill.KillCancelled, "A switch cancelled the tool call of this id.", ordinal=True),
    _event(
        "kill.attempt-cancelled",
        "runner",
        kill.KillCancelled,
        "A switch cancelled this attempt, `<task>-<attempt>`.",
        ordinal=True,
    ),
    _event(
        "kill.unconfirmed", "gates", kill.KillUnconfirmed, "Nobody has said that the thing of this id has stopped.", ordinal=True
    ),
    _event("kill.confirmed", "gates", kill.KillConfirmed, "What the switch had stopped by the n-th look.", ordinal=True),
    _event("kill.drilled", "gates", kill.KillDrilled, "How soon every instance saw a switch."),
    # --- the edge and the audit ---------------------------------------------------------------------------------------
    _event("delivery.received", "gateway", governance.DeliveryReceived, "A verified webhook delivery became a task."),
    _event("apikey.changed", "gateway", governance.ApiKeyChanged, "An API key was created (1) or revoked (2).", ordinal=True),
    _event("audit.checkpointed", "ledger", governance.AuditCheckpointed, "The audit chain so far, signed."),
    # --- privacy ------------------------------------------------------------------------------------------------------
    _event("payload.revealed", "gateway", privacy.PayloadRevealed, "Somebody was shown what is sealed; written before it is shown."),
    _event(
        "erasure.requested", "gateway", privacy.ErasureRequested, "The n-th erasure of a task family or person begins.", ordinal=True
    ),
    _event("erasure.certified", "gateway", privacy.ErasureCertified, "What erasure n deleted, and that it is gone.", ordinal=True),
    # --- commands -----------------------------------------------------------------------------------------------------
    _command("orchestrator", "submit", "gateway", c.SubmitTask, "Make a task, once per id."),
    _command("orchestrator", "spawn", "runner", c.SubmitTask, "Make a subtask, once per id."),
    _command("orchestrator", "cancel", "gateway", c.CancelTask, "Stop a task."),
    _command("orchestrator", "retry", "gateway", c.RetryTask, "Make another attempt of a task that ended or is parked."),
    _command("gates", "resolve", "gateway", c.ResolveApproval, "Answer an approval."),
    _command("gates", "comment", "gateway", c.CommentApproval, "Remark on an approval."),
    _command("gates", "edit", "gateway", c.EditApproval, "Change what an approval is for."),
    _command("gates", "delegate", "gateway", c.DelegateApprovals, "Lend another person one's powers to approve."),
    _command("gates", "undelegate", "gateway", c.RevokeDelegation, "Take a delegation back."),
    _command("gates", "engage", "gateway", c.EngageKill, "Engage a kill switch."),
    _command("gates", "release", "gateway", c.ReleaseKill, "Release a kill switch, in part or wholly, or ask for it."),
    _command("gates", "confirm", "gateway", c.ConfirmRelease, "Confirm a release that takes two persons."),
    _command("gates", "drill", "gateway", c.DrillKill, "Measure how soon a kill switch is seen."),
    _command("gates", "trip", "policy", c.TripKill, "Engage a kill switch because a trigger tripped."),
    _command("policy", "publish", "gateway", c.PublishBundle, "Check a signed bundle of rules and let it decide."),
    # --- queries and answers ------------------------------------------------------------------------------------------
    Channel("ledger.query", "qry.ledger.*.*", "query", "gateway", c.Query, "Read a projection of the ledger.", ("ledger",)),
    *(
        Channel(
            f"{service}.answer", f"ans.{service}.*", "answer", service, c.Answer, f"What {service} says to a command or query.",
            tails=("gateway",),
        )
        for service in ("orchestrator", "gates", "policy", "ledger")
    ),
    # --- work and timers ----------------------------------------------------------------------------------------------
    *(
        Channel(
            f"work.{priority}", f"work.*.{priority}.*", "work", "router", c.WorkItem, f"Run an attempt of a task, priority {priority}.",
            ("runner",), auditors=("gates",),
        )
        for priority in ("high", "normal", "low")
    ),
    *_timer("orchestrator", "retry", "a task's next attempt."),
    *_timer("orchestrator", "deadline", "a task's deadline."),
    *_timer("orchestrator", "wake", "the end of an agent's sleep."),
    *_timer("gates", "expire", "an approval's expiry."),
    *_timer("gates", "confirm", "the next look at what a kill switch was to stop."),
    *_timer("policy", "budget", "the next try of a call that waits for room in a budget."),
    *_timer("gates", "escalate", "an approval's next escalation step."),
    *_timer("gates", "notify", "an attempt at a notification."),
    # --- dead letters -------------------------------------------------------------------------------------------------
    *(
        Channel(
            f"dlq.{service}", f"dlq.{service}.*.*", "dead_letter", service, governance.DeadLetter,
            f"A message that {service} could not take.",
        )
        for service in SERVICES
    ),
)  # fmt: skip

BY_NAME: dict[str, Channel] = {channel.name: channel for channel in CHANNELS}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A key-value bucket. ``writers`` alone may write; ``readers`` may get and watch; ``erasers`` may overwrite what was stored."""

    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    doc: str
    max_age_s: int = 0
    erasers: tuple[str, ...] = ()


BUCKETS: tuple[Bucket, ...] = (
    Bucket("kill", ("gates",), SERVICES, "Engaged kill switches, by id; watched by whoever starts work."),
    Bucket("instances", KILLABLE, ("gates",), "Who has to see the kill switch: `<service>.<instance>`.", max_age_s=15),
    Bucket("killacks", KILLABLE, ("gates",), "Drills: `<switch>.<service>.<instance>` has seen it.", max_age_s=600),
    Bucket("presence", ("runner",), ("router", "policy", "gateway"), "Live packs: `<pack>.<instance>`.", max_age_s=15),
    Bucket("packs", ("runner",), ("router", "policy", "gateway"), "Registered packs, alive or not: `<pack>` → its manifest."),
    Bucket(
        "keys",
        ("gateway",),
        ("policy", "router", "runner", "worker", "gates", "gateway"),
        "Wrapped data keys, one per task family; an empty one was erased and never comes back.",
        erasers=("gateway",),
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
        "`<tenant>.<keyed hash of an identifier>.<task family>`: whose data a family holds, without saying who.",
        erasers=("gateway",),
    ),
    Bucket("budgets", ("policy",), ("policy", "gateway"), "`<tenant>.<account>`: what of a budget is spent and held back."),
    Bucket(
        "models", ("router",), ("policy", "gateway"), "`catalogue`: aliases, providers and the highest price of each model."
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


def channel_for(subject: str) -> Channel:
    """The row that covers ``subject``. Raises LookupError when no row does: such a message is none of ours."""
    have = subject.split(".")
    for places, rows in _BY_SHAPE.get(len(have), {}).items():
        row = rows.get(tuple(have[place] for place in places))
        if row is not None:
            return row
    raise LookupError(f"no channel covers {subject!r}; the table is agentos/contracts/channels.py")


def _by_shape() -> dict[int, dict[tuple[int, ...], dict[tuple[str, ...], Channel]]]:
    """Number of tokens → places of those that are no wildcard → what stands there → row. Every message is looked up."""
    shapes: dict[int, dict[tuple[int, ...], dict[tuple[str, ...], Channel]]] = {}
    for row in CHANNELS:
        tokens = row.pattern.split(".")
        places = tuple(place for place, token in enumerate(tokens) if token != "*")
        shapes.setdefault(len(tokens), {}).setdefault(places, {})[tuple(tokens[place] for place in places)] = row
    return shapes


_BY_SHAPE = _by_shape()
