"""What may be asked of the policy: one frozen model a question, and the answer.

A question is the whole input of its Rego package: nothing else reaches the rules but ``data.json``. It holds no payload and no personal
data, only what a rule may branch on, so that a question may be logged and replayed. Strings are bounded and plain: a NUL would end a
string early in one evaluator and not in the other, the two escape quotes and backslashes in their own ways, and a lone surrogate cannot
be encoded. Such a name is refused here, before anyone is asked.
"""

import re
from typing import Annotated, ClassVar, Literal

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
]
"""Everything the API can be asked to do; ``data.json`` says which role may."""

Effect = Literal["read", "write", "egress"]
"""What a tool does to the world: look, change something that is ours, send something out."""


class Asker(Contract):
    """A principal as the rules see it."""

    kind: Literal["api_key", "webhook", "pack", "service"]
    id: Name
    roles: Names = ()

    @classmethod
    def of(cls, principal: Principal) -> "Asker":
        """The same principal, with the bounds that a question needs. Raises pydantic's ``ValidationError`` beyond them."""
        return cls(kind=principal.kind, id=principal.id, roles=principal.roles)


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


class ToolCallQuestion(Contract):
    """May this tool run now, never, or only after a person agreed?

    ``declared_tools`` is the pack manifest's list; ``untrusted`` is true when the task's content came from outside.
    Obligations of a hold: ``approver_roles`` and ``expires_after_s``.
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


class PendingApproval(Contract):
    """What the approval rules look at: the id of who asked, and the roles that the hold named."""

    requested_by: Name
    approver_roles: Names


class ApprovalQuestion(Contract):
    """May this principal resolve this approval with this outcome?"""

    package: ClassVar[str] = "agentos/approval"

    principal: Asker
    approval: PendingApproval
    outcome: Literal["approved", "rejected"]


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
    spend_usd: float = Field(default=0, ge=0, allow_inf_nan=False)


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


Question = AdmissionQuestion | ModelCallQuestion | ToolCallQuestion | ApprovalQuestion | ApiQuestion | TriggerQuestion

QUESTIONS: tuple[type[Question], ...] = (
    AdmissionQuestion,
    ModelCallQuestion,
    ToolCallQuestion,
    ApprovalQuestion,
    ApiQuestion,
    TriggerQuestion,
)


class Decision(Contract):
    """The policy's answer. ``reasons`` are stable machine codes, ``rules`` the ids of the rules that spoke, both sorted.

    ``revision`` identifies the rules and data that decided (see ``PolicyEvaluator.revision``).
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    obligations: dict[str, Json]
    revision: str
