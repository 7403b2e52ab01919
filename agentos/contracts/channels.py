"""The channel table: every subject, who alone may publish it, what it carries, who reads it, and what it means.

Streams, consumers, broker users with their permissions, the AsyncAPI document, the subject table in the docs and the JSON
Schemas are all derived from this table (``agentos.bus.generate``, ``agentos.bus.topology``) and never written by hand.
"""

from agentos.contracts import commands as c
from agentos.contracts.channel import Channel, command, event, timer
from agentos.contracts.events import agent, approval, call, governance, identity, kill, notification, policy, privacy, task
from agentos.contracts.services import SERVICES

CHANNELS: tuple[Channel, ...] = (
    # --- task: the life of a task -------------------------------------------------------------------------------------
    event("task.submitted", "orchestrator", task.TaskSubmitted, "A task exists; nothing runs yet."),
    event("task.updated", "orchestrator", task.TaskUpdated, "A person changed the terms of an open task, for the n-th time.", ordinal=True),
    event("task.queued", "orchestrator", task.TaskQueued, "Attempt n asks to be admitted.", readers=("policy",), ordinal=True),
    event(
        "task.decided",
        "policy",
        task.TaskDecided,
        "The admission verdict for attempt n.",
        readers=("router", "orchestrator"),
        ordinal=True,
    ),
    event(
        "task.routed",
        "router",
        task.TaskRouted,
        "The pack that takes attempt n, and those that were rejected.",
        readers=("orchestrator",),
        ordinal=True,
    ),
    event("task.started", "runner", task.TaskStarted, "A runner took attempt n.", ordinal=True),
    event(
        "task.suspended",
        "runner",
        task.TaskSuspended,
        "The agent waits for something long and holds nothing meanwhile.",
        readers=("orchestrator",),
        ordinal=True,
    ),
    event(
        "task.resumed",
        "orchestrator",
        task.TaskResumed,
        "What suspension n waited for has happened.",
        readers=("router",),
        ordinal=True,
    ),
    event(
        "task.ended", "runner", task.TaskEnded, "What came out of attempt n.", readers=("orchestrator",), ordinal=True
    ),
    event("task.retrying", "orchestrator", task.TaskRetryScheduled, "Attempt n failed; another follows later.", ordinal=True),
    event(
        "task.cancelling",
        "orchestrator",
        task.TaskCancelling,
        "Attempt n must stop now.",
        readers=("gates",),
        tails=("runner", "router", "worker"),
        ordinal=True,
    ),
    event("task.parked", "orchestrator", task.TaskParked, "Attempt n cannot be mended by retrying; an operator decides.", ordinal=True),
    event(
        "task.settled",
        "orchestrator",
        task.TaskSettled,
        "The end of the task, once per operator's (re)start.",
        readers=("orchestrator", "gates"),
        ordinal=True,
    ),
    event("step.recorded", "runner", task.StepRecorded, "A recorded effect of an agent: clock, randomness, sleep, subtask.", ordinal=True),
    event("log.written", "runner", task.LogWritten, "Lines that an agent logged in an attempt, sealed.", ordinal=True),
    # --- call: a governed model call ----------------------------------------------------------------------------------
    event("call.requested", "runner", call.ModelCallRequested, "A pack asks for a model.", readers=("policy",)),
    event("call.received", "gateway", call.ModelCallRequested, "A client of the governed endpoint asks for a model.", readers=("policy",)),
    event("call.abandoned", "gateway", call.CallAbandoned, "Its client is gone: stop the call.", tails=("router",)),
    event(
        "call.decided",
        "policy",
        call.CallDecided,
        "The verdict on a model call, with the redacted request.",
        readers=("router",),
        tails=("runner", "policy", "gateway"),
        auditors=("gates",),
    ),
    event("call.attempted", "router", call.CallAttempted, "An attempt that did not settle the call.", ordinal=True),
    event(
        "call.settled",
        "router",
        call.ModelCallSettled,
        "The end of a model call.",
        readers=("policy",),
        tails=("runner", "policy", "gateway"),
    ),
    event("call.inspected", "policy", call.Inspected, "What policy saw in a model's answer.", tails=("runner", "gateway")),
    Channel(
        "call.streamed", "tok.*.*.*", "token", "router", call.AnswerStreamed,
        "A piece of an answer as it comes in: `tok.<tenant>.<instance that waits>.<call>`.", tails=("gateway", "router"),
    ),
    # --- tool: a governed tool call -----------------------------------------------------------------------------------
    event("tool.requested", "runner", call.ToolCallRequested, "A pack asks for a tool.", readers=("policy",)),
    event(
        "tool.decided",
        "policy",
        call.CallDecided,
        "The verdict on a tool call, with the redacted arguments.",
        readers=("worker",),
        tails=("runner", "policy"),
        auditors=("gates",),
    ),
    event("tool.attempted", "worker", call.CallAttempted, "An attempt that did not settle the tool call.", ordinal=True),
    event(
        "tool.settled",
        "worker",
        call.ToolCallSettled,
        "The end of a tool call.",
        readers=("policy",),
        tails=("runner", "policy"),
    ),
    event("tool.inspected", "policy", call.Inspected, "What policy saw in a tool's result.", tails=("runner",)),
    # --- governance ---------------------------------------------------------------------------------------------------
    event("checkpoint.requested", "runner", governance.CheckpointRequested, "A pack wants to ask a person.", readers=("policy",)),
    event(
        "checkpoint.decided",
        "policy",
        governance.CheckpointDecided,
        "The verdict on asking a person, with the redacted question.",
        readers=("gates",),
        tails=("runner",),
    ),
    # --- approval -----------------------------------------------------------------------------------------------------
    event(
        "approval.requested",
        "gates",
        approval.ApprovalRequested,
        "Something waits for a person.",
        readers=("gates",),
        tails=("runner", "gateway"),
    ),
    event(
        "approval.answered",
        "gates",
        approval.ApprovalAnswered,
        "A person's n-th answer, to be ruled on.",
        readers=("policy",),
        ordinal=True,
    ),
    event(
        "approval.ruled",
        "policy",
        approval.ApprovalRuled,
        "Whether that person may give that answer.",
        readers=("gates",),
        ordinal=True,
    ),
    event("approval.commented", "gates", approval.ApprovalCommented, "A person's n-th remark, sealed.", ordinal=True),
    event(
        "approval.edited",
        "gates",
        approval.ApprovalEdited,
        "A person's n-th edit of what is to be done, to be ruled on.",
        readers=("policy",),
        ordinal=True,
    ),
    event(
        "approval.revised",
        "policy",
        approval.ApprovalRevised,
        "The verdict on that edit, with the redacted difference.",
        readers=("gates",),
        ordinal=True,
    ),
    event(
        "approval.escalated",
        "gates",
        approval.ApprovalEscalated,
        "Nobody answered in time: more roles may.",
        readers=("gates",),
        ordinal=True,
    ),
    event("approval.frozen", "gates", approval.ApprovalFrozen, "A kill switch stops the clock.", ordinal=True),
    event("approval.thawed", "gates", approval.ApprovalThawed, "The clock goes on; deadlines have moved.", ordinal=True),
    event(
        "approval.resolved",
        "gates",
        approval.ApprovalResolved,
        "The one answer to an approval.",
        readers=("router", "worker", "orchestrator", "gates"),
        tails=("runner", "gateway"),
        auditors=("gates",),
    ),
    event("delegation.granted", "gates", approval.DelegationGranted, "A person lends another their powers to approve."),
    event("delegation.revoked", "gates", approval.DelegationRevoked, "The delegation of this id no longer holds."),
    # --- notification -------------------------------------------------------------------------------------------------
    event("notification.queued", "gates", notification.NotificationQueued, "A target is to be told of an event."),
    event("notification.failed", "gates", notification.NotificationFailed, "Attempt n failed.", ordinal=True),
    event("notification.sent", "gates", notification.NotificationSent, "The target has taken it."),
    event("target.disabled", "gates", notification.TargetDisabled, "A target is gone and is told nothing any more."),
    # --- more of governance -------------------------------------------------------------------------------------------
    event(
        "violation.noted", "runner", governance.ViolationNoted, "A pack tried what its sandbox does not let it do.", ordinal=True
    ),
    event(
        "violation.reported", "worker", governance.ViolationNoted, "A tool tried what its sandbox does not let it do.", ordinal=True
    ),
    event("budget.warned", "policy", governance.BudgetWarned, "A share of a budget is spent: once a window and threshold.", ordinal=True),
    event("budget.exceeded", "policy", governance.BudgetExceeded, "A budget has no room left: once a window.", ordinal=True),
    event("policy.published", "policy", policy.BundlePublished, "A bundle of rules was accepted; its version is the id."),
    event("policy.refused", "policy", policy.BundleRefused, "A bundle of rules was refused; the last good one goes on deciding."),
    # --- kill: a switch and what it stopped ---------------------------------------------------------------------------
    event(
        "kill.engaged",
        "gates",
        kill.KillEngaged,
        "Nothing in scope starts any more; what is in flight is cancelled, or finishes.",
        readers=("gates",),
        tails=("policy",),
    ),
    event(
        "kill.release-requested",
        "gates",
        kill.KillReleaseRequested,
        "The n-th request to open a switch that takes two persons.",
        ordinal=True,
    ),
    event(
        "kill.eased",
        "gates",
        kill.KillEased,
        "For the n-th time a share of the tasks may start.",
        readers=("gates",),
        tails=("policy",),
        ordinal=True,
    ),
    event(
        "kill.tightened", "gates", kill.KillTightened, "A trigger ended the n-th probation.", readers=("gates",), ordinal=True
    ),
    event(
        "kill.released",
        "gates",
        kill.KillReleased,
        "The switch of this id no longer holds.",
        readers=("gates",),
        tails=("policy",),
    ),
    event("kill.call-cancelled", "router", kill.KillCancelled, "A switch cancelled the model call of this id.", ordinal=True),
    event("kill.tool-cancelled", "worker", kill.KillCancelled, "A switch cancelled the tool call of this id.", ordinal=True),
    event(
        "kill.attempt-cancelled",
        "runner",
        kill.KillCancelled,
        "A switch cancelled this attempt, `<task>-<attempt>`.",
        ordinal=True,
    ),
    event(
        "kill.unconfirmed", "gates", kill.KillUnconfirmed, "Nobody has said that the thing of this id has stopped.", ordinal=True
    ),
    event("kill.confirmed", "gates", kill.KillConfirmed, "What the switch had stopped by the n-th look.", ordinal=True),
    event("kill.drilled", "gates", kill.KillDrilled, "How soon every instance saw a switch."),
    # --- agents -------------------------------------------------------------------------------------------------------
    event(
        "agent.changed", "router", agent.AgentChanged, "The n-th time that people register, change, pause, resume or take off an agent.",
        ordinal=True,
    ),
    event("presence.changed", "router", agent.PresenceChanged, "For the n-th time an agent has come, or gone.", ordinal=True),
    # --- the edge and the audit ---------------------------------------------------------------------------------------
    event("delivery.received", "gateway", governance.DeliveryReceived, "A verified webhook delivery became a task."),
    event("apikey.changed", "gateway", governance.ApiKeyChanged, "An API key was created (1) or revoked (2).", ordinal=True),
    event("user.changed", "gateway", identity.UserChanged, "A person's account was made or changed.", ordinal=True),
    event("session.opened", "gateway", identity.SessionOpened, "Somebody signed in."),
    event("session.closed", "gateway", identity.SessionClosed, "The session of this id opens nothing any more."),
    event("signin.refused", "gateway", identity.SignInRefused, "Somebody was not let in."),
    event(
        "deadletter.settled", "gateway", governance.DeadLetterSettled, "A person had a dead letter tried again, or discarded it.",
        readers=("orchestrator", "router", "policy", "gates", "runner", "worker"),
    ),
    event("audit.checkpointed", "ledger", governance.AuditCheckpointed, "The audit chain so far, signed."),
    # --- privacy ------------------------------------------------------------------------------------------------------
    event("payload.revealed", "gateway", privacy.PayloadRevealed, "Somebody was shown what is sealed; written before it is shown."),
    event(
        "erasure.requested", "gateway", privacy.ErasureRequested, "The n-th erasure of a task family or person begins.", ordinal=True
    ),
    event("erasure.certified", "gateway", privacy.ErasureCertified, "What erasure n deleted, and that it is gone.", ordinal=True),
    # --- commands -----------------------------------------------------------------------------------------------------
    command("orchestrator", "submit", "gateway", c.SubmitTask, "Make a task, once per id."),
    command("orchestrator", "spawn", "runner", c.SubmitTask, "Make a subtask, once per id."),
    command("orchestrator", "cancel", "gateway", c.CancelTask, "Stop a task."),
    command("orchestrator", "retry", "gateway", c.RetryTask, "Make another attempt of a task that ended or is parked."),
    command("orchestrator", "update", "gateway", c.UpdateTask, "Change priority, deadline, labels or attempts of an open task."),
    command("gates", "hold", "policy", c.HoldCall, "Ask a person about a call that policy holds."),
    command("gates", "resolve", "gateway", c.ResolveApproval, "Answer an approval."),
    command("gates", "comment", "gateway", c.CommentApproval, "Remark on an approval."),
    command("gates", "edit", "gateway", c.EditApproval, "Change what an approval is for."),
    command("gates", "delegate", "gateway", c.DelegateApprovals, "Lend another person one's powers to approve."),
    command("gates", "undelegate", "gateway", c.RevokeDelegation, "Take a delegation back."),
    command("gates", "engage", "gateway", c.EngageKill, "Engage a kill switch."),
    command("gates", "release", "gateway", c.ReleaseKill, "Release a kill switch, in part or wholly, or ask for it."),
    command("gates", "confirm", "gateway", c.ConfirmRelease, "Confirm a release that takes two persons."),
    command("gates", "drill", "gateway", c.DrillKill, "Measure how soon a kill switch is seen."),
    command("gates", "trip", "policy", c.TripKill, "Engage a kill switch because a trigger tripped."),
    command("router", "register", "gateway", c.RegisterAgent, "Register an agent, or take one back that was taken off."),
    command("router", "update", "gateway", c.UpdateAgent, "Change what is said of an agent, if nobody else has meanwhile."),
    command("router", "control", "gateway", c.ControlAgent, "Pause an agent, or let it go on."),
    command("router", "control-pack", "gateway", c.ControlPack, "Pause all agents of a pack, or let all go on."),
    command("router", "unregister", "gateway", c.UnregisterAgent, "Take an agent off."),
    command("policy", "publish", "gateway", c.PublishBundle, "Check a signed bundle of rules and let it decide."),
    # --- queries and answers ------------------------------------------------------------------------------------------
    Channel("ledger.query", "qry.ledger.*.*", "query", "gateway", c.Query, "Read a projection of the ledger.", ("ledger",)),
    Channel("policy.query", "qry.policy.*.*", "query", "gateway", c.Query, "Ask for the rules, or what others would decide.", ("policy",)),
    Channel("router.query", "qry.router.*.*", "query", "gateway", c.Query, "Ask where calls would go otherwise.", ("router",)),
    Channel("gates.query", "qry.gates.*.*", "query", "gateway", c.Query, "Ask who is notified, and try it.", ("gates",)),
    *(
        Channel(
            f"{service}.answer", f"ans.{service}.*", "answer", service, c.Answer, f"What {service} says to a command or query.",
            tails=("gateway",),
        )
        for service in ("orchestrator", "gates", "policy", "router", "ledger")
    ),
    # --- work and timers ----------------------------------------------------------------------------------------------
    *(
        Channel(
            f"work.{priority}", f"work.*.{priority}.*", "work", "router", c.WorkItem, f"Run an attempt of a task, priority {priority}.",
            ("runner",), auditors=("gates",),
        )
        for priority in ("high", "normal", "low")
    ),
    *timer("orchestrator", "retry", "a task's next attempt."),
    *timer("orchestrator", "deadline", "a task's deadline."),
    *timer("orchestrator", "wake", "the end of an agent's sleep."),
    *timer("gates", "expire", "an approval's expiry."),
    *timer("gates", "confirm", "the next look at what a kill switch was to stop."),
    *timer("policy", "budget", "the next try of a call that waits for room in a budget."),
    *timer("gates", "escalate", "an approval's next escalation step."),
    *timer("gates", "notify", "an attempt at a notification."),
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
