"""What may be asked of the policy: one frozen model a question, and the answer.

A question is the whole input of its Rego package: nothing else reaches the rules but ``data.json``. It holds no payload and no personal
data, only what a rule may branch on, so that a question may be logged and replayed. Strings are bounded and plain: a NUL would end a
string early in one evaluator and not in the other, the two escape quotes and backslashes in their own ways, and a lone surrogate cannot
be encoded. Such a name is refused here, before anyone is asked.
"""

import re
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field

from agentos.contracts.base import Contract, Json, Principal, Priority, Verdict

_NOT_PLAIN = re.compile(r'[\x00-\x1f\x7f-\x9f"\\\u2028\u2029\ud800-\udfff]')


def _plain(value: str) -> str:
    if _NOT_PLAIN.search(value):
        raise ValueError("must not hold control characters, quotes, backslashes or lone surrogates")
    return value


Text = Annotated[str, Field(max_length=512), AfterValidator(_plain)]
Name = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_plain)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Names = Annotated[tuple[Name, ...], Field(max_length=1024)]

Action = Literal[
    "tasks.read",
    "tasks.submit",
    "tasks.cancel",
    "tasks.retry",
    "tasks.update",
    "approvals.read",
    "approvals.resolve",
    "kill.read",
    "kill.engage",
    "kill.release",
    "audit.read",
    "audit.export",
    "cost.read",
    "packs.read",
    "events.read",
    "keys.manage",
    "metrics.read",
    "policy.read",
    "policy.publish",
    "privacy.erase",
    "privacy.export",
    "payloads.reveal",
    "approvals.delegate",
    "kill.drill",
    "budgets.read",
    "users.read",
    "users.manage",
    "deadletters.manage",
    "deadletters.adopt",
    "agents.manage",
    "agents.control",
    "agents.heartbeat",
]
"""Everything the API can be asked to do; ``data.json`` says which role may."""

Effect = Literal["read", "write", "egress"]
"""What a tool does to the world: look, change something that is ours, send something out."""


class Asker(Contract):
    """A principal as the rules see it."""

    kind: Literal["user", "api_key", "webhook", "pack", "service"]
    id: Name
    roles: Names = ()

    @classmethod
    def of(cls, principal: Principal) -> "Asker":
        """The same principal, with the bounds that a question needs. Raises pydantic's ``ValidationError`` beyond them."""
        return cls(kind=principal.kind, id=principal.id, roles=principal.roles)


class Effects(Contract):
    """How many tool calls of each effect."""

    read: Count = 0
    write: Count = 0
    egress: Count = 0


class Window(Contract):
    """What the task did within the last minute or hour. Money is in millionths of a dollar, because the rules count in whole numbers."""

    models: Count = 0
    tools: Count = 0
    effects: Effects = Effects()
    denied: Count = 0
    spent_microusd: Count = 0


class History(Contract):
    """What the task has done and touched so far, as labels and counts.

    ``labels`` mark content from outside (``untrusted``, ``injection.suspected``) and follow what is derived from it; ``sources`` say
    where it came from (``webhook``, ``tool:github.get_issue``); ``declared`` are the tools that the task's own type or the manifest
    names; ``calls`` counts tool calls by tool.
    """

    labels: Names = ()
    sources: Names = ()
    declared: Names = ()
    calls: Annotated[dict[Name, Count], Field(max_length=1024)] = Field(default_factory=dict)
    effects: Effects = Effects()
    models: Count = 0
    denied: Count = 0
    spent_microusd: Count = 0
    windows: dict[Literal["minute", "hour"], Window] = Field(default_factory=dict[Literal["minute", "hour"], Window])
    """Only those in which something happened."""


class AdmissionQuestion(Contract):
    """May this task start?

    ``pack`` is the one asked for by name, or None when the router may choose. ``known_task_types`` and ``known_packs`` come from pack
    manifests and presence. ``kill`` names the active switches that cover the task: a second defence behind the gate itself.
    """

    package: ClassVar[str] = "agentos/admission"

    tenant: Name
    task_type: Name
    pack: Name | None = None
    requester: Asker
    attempt: Count = 1
    priority: Priority = "normal"
    labels: dict[Name, Text] = Field(default_factory=dict, max_length=1024)
    known_task_types: Names
    known_packs: Names = ()
    kill: Names = ()


class RoutingQuestion(Contract):
    """Which of the candidates may do this: packs for a task (``kind`` task), or providers for a model call (``kind`` model)?

    ``pack`` is the one that calls the model; for a task it is the one asked for by name, or ``*``. Obligation of an allow:
    ``candidates``, those that may, sorted. Nobody left is a denial with each exclusion's reason.
    """

    package: ClassVar[str] = "agentos/routing"

    kind: Literal["task", "model"]
    tenant: Name
    task_type: Name
    pack: Name = "*"
    candidates: Names
    untrusted: bool = True
    data_classes: Names = ()


class ModelCallQuestion(Contract):
    """May this model call leave the house?

    ``data_classes`` are the entity types that the redactor found; ``redacted`` says that it ran and succeeded;
    ``calls_so_far`` counts the task's model calls before this one. Obligations of an allow: ``redact`` (true),
    ``max_output_tokens`` (upper bound that the router enforces), ``providers`` (permitted names; empty means any).
    """

    package: ClassVar[str] = "agentos/model_call"

    tenant: Name
    task: Name
    pack: Name
    agent: Name
    model: Name
    estimated_input_tokens: Count
    max_output_tokens: Count
    data_classes: Names = ()
    redacted: bool
    calls_so_far: Count = 0
    history: History = History()


class ToolCallQuestion(Contract):
    """May this tool run now, never, or only after a person agreed?

    ``declared_tools`` is the pack manifest's list; ``untrusted`` is true when the task's content came from outside.
    Obligations of a hold are the approval's terms: ``approver_roles``, ``quorum``, ``expires_after_s``, ``escalation``
    (``[{"after_s", "roles"}]``), ``editable`` and ``four_eyes``.
    """

    package: ClassVar[str] = "agentos/tool_call"

    tenant: Name
    task: Name
    pack: Name
    agent: Name
    tool: Name
    declared_tools: Names
    effect: Effect
    untrusted: bool = True
    data_classes: Names = ()
    """Kinds of personal data in the arguments, and ``SECRET`` when there is a secret among them."""
    destinations: Count = 0
    """How many places the arguments name that something could go to."""
    foreign: Names = ()
    """Kinds of those places that whoever asked for the task has not named."""
    history: History = History()


class InspectionQuestion(Contract):
    """Something came back: which labels does it leave on the task, and may the agent see it?

    ``labels`` are what detectors saw in it, ``data_classes`` new kinds of personal data in it, and ``SECRET``. Obligation of an allow:
    ``labels``, what the task's history is marked with from now on.
    """

    package: ClassVar[str] = "agentos/inspection"

    tenant: Name
    task: Name
    pack: Name
    agent: Name
    kind: Literal["model", "tool"]
    tool: Text = ""
    labels: Names = ()
    data_classes: Names = ()
    leaked_instructions: bool = False


class CheckpointQuestion(Contract):
    """May this pack ask a person, and who answers? Obligations of an allow are the approval's terms, as for a tool call.

    ``asked_so_far`` counts the checkpoints that the task had before this one.
    """

    package: ClassVar[str] = "agentos/checkpoint"

    tenant: Name
    task: Name
    task_type: Name
    pack: Name
    agent: Name
    untrusted: bool = True
    asked_so_far: Count = 0


class RedactionQuestion(Contract):
    """Where will this text go, and what must become of each entity in it before?

    ``model`` is what was asked for: ``<provider>/<model>`` or an alias, which counts as the strictest destination. ``kind`` tool is
    for arguments that approvers see and the log keeps. Obligations: ``destination`` (``cloud``, ``local``, ``log``), ``providers``
    (permitted names, so that a fallback stays within the destination; empty means any) and ``operators`` (entity → ``replace``,
    ``mask``, ``hash``, ``drop``, ``block`` or ``allow``; ``SECRET`` stands for every kind of secret, ``*`` for what is not named).
    """

    package: ClassVar[str] = "agentos/redaction"

    tenant: Name
    pack: Name
    agent: Name
    task_type: Name
    kind: Literal["model", "tool"]
    model: Name = "*"
    labels: Names = ()


class PendingApproval(Contract):
    """What the approval rules look at: the id of who asked, the roles that may answer by now, and whether two people are needed."""

    requested_by: Name
    approver_roles: Names
    four_eyes: bool = True


class ApprovalQuestion(Contract):
    """May this principal give this answer?

    ``voted_already`` and ``edited_by`` are ids of principals; who voted for another is listed with both ids. ``delegated_from`` is
    whose right the principal uses, or None; ``delegation_in_force`` says that the delegation exists and has not ended.
    ``digest_matches``: what the person saw is what will be done.
    """

    package: ClassVar[str] = "agentos/approval"

    principal: Asker
    approval: PendingApproval
    outcome: Literal["approved", "rejected"]
    voted_already: Names = ()
    delegated_from: Asker | None = None
    delegation_in_force: bool = True
    edited_by: Names = ()
    digest_matches: bool = True


class BudgetQuestion(Contract):
    """Which budgets apply to this model call?

    ``user`` is who it is for in the end: a digest that a client of the governed endpoint's key stands for, else the requester's id.
    ``providers`` are all that may serve it. ``task`` is None until the rules say that they need it. Obligations of an allow: ``budgets``,
    each as ``agentos.contracts.budgets.Budget`` reads it, or ``needs`` (``["task"]``): ask again and tell it.
    """

    package: ClassVar[str] = "agentos/budget"

    tenant: Name
    pack: Name
    agent: Name
    task: Name | None = None
    task_type: Name
    requester: Asker
    user: Name
    model: Name
    providers: Names = ()


class ApiQuestion(Contract):
    """May this principal do this through the API? Any string may be asked; the rules refuse an action they do not know."""

    package: ClassVar[str] = "agentos/api"

    principal: Asker
    action: Name


class WindowTotals(Contract):
    """Sums over one window. ``failed`` is of ``calls``, ``denied`` of ``decided``."""

    calls: Count = 0
    failed: Count = 0
    decided: Count = 0
    denied: Count = 0
    spent_microusd: Count = 0


class TriggerQuestion(Contract):
    """Is what happened lately too much? A deny trips a kill switch.

    ``windows`` holds the sums of the last minute (``1m``) and the last five (``5m``). Obligations of an allow: ``triggers``, how many are
    configured at all. Of a deny: ``trigger``, ``scope``, ``target``, ``mode``, ``reason`` and ``cool_down_s``.
    """

    package: ClassVar[str] = "agentos/trigger"

    tenant: Name
    scope: Literal["tenant", "pack", "agent", "provider", "model", "tool"]
    target: Name
    windows: dict[Literal["1m", "5m"], WindowTotals]


Question = (
    AdmissionQuestion
    | RoutingQuestion
    | RedactionQuestion
    | ModelCallQuestion
    | ToolCallQuestion
    | BudgetQuestion
    | InspectionQuestion
    | CheckpointQuestion
    | ApprovalQuestion
    | ApiQuestion
    | TriggerQuestion
)

QUESTIONS: tuple[type[Question], ...] = get_args(Question)
"""Every question; the rules must answer each (see ``bundles``)."""

BY_PACKAGE: dict[str, type[Question]] = {question.package: question for question in QUESTIONS}


class Decision(Contract):
    """The policy's answer. ``reasons`` are stable machine codes, ``rules`` the ids of the rules that spoke, both sorted.

    ``monitored`` are the rules that would have denied or held if they were enforced. ``revision`` identifies the rules and data that
    decided (see ``PolicyEvaluator.revision``).
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    monitored: tuple[str, ...] = ()
    obligations: dict[str, Json]
    revision: str
