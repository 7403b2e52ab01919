"""What a pack can see go wrong. Each carries the step, so that a retry can make exactly that step anew."""


class PackError(Exception):
    """Root of all errors that the platform raises into a pack.

    ``code`` is stable; ``retryable`` says whether another attempt may go better; ``step`` is the ordinal of the effect that
    failed (None where no effect did).
    """

    code = "pack_error"

    def __init__(self, detail: str, *, code: str | None = None, retryable: bool = False, step: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retryable = retryable
        self.step = step
        if code is not None:
            self.code = code


class ModelError(PackError):
    """The model call failed after all its attempts, or its answer does not fit the schema that the pack gave."""

    code = "model_error"


class ToolError(PackError):
    """The tool was executed and failed."""

    code = "tool_error"


class SubtaskError(PackError):
    """The subtask settled, but not as completed."""

    code = "subtask_error"


class CallRefused(PackError):
    """Policy, a person or the kill switch said no: nothing was called. ``reasons`` are the policy's, for people."""

    code = "call_refused"

    def __init__(self, reasons: tuple[str, ...], *, code: str | None = None, step: int | None = None) -> None:
        super().__init__("; ".join(reasons) or "the call was refused", code=code, step=step)
        self.reasons = reasons


class ApprovalRejected(PackError):
    """A person said no to ``ctx.approval`` (``outcome`` is rejected, expired or cancelled)."""

    code = "approval_rejected"

    def __init__(self, outcome: str, comment: str | None = None, *, step: int | None = None) -> None:
        super().__init__(f"the approval was {outcome}" + (f": {comment}" if comment else ""), step=step)
        self.outcome = outcome
        self.comment = comment


class NonDeterminismError(PackError):
    """Run again, the agent asked for something else than what is recorded at this step. The task is parked."""

    code = "non_determinism"

    def __init__(self, step: int, recorded: str, asked: str) -> None:
        super().__init__(
            f"step {step} is recorded as {recorded}, but the agent now asks for {asked}: an agent may read clock, randomness and "
            "the outside world only through ctx, and a changed agent needs a retry from the changed step",
            step=step,
        )
        self.recorded = recorded
        self.asked = asked


class ManifestError(PackError):
    """pack.yaml or an entry point that it names is wrong; the detail names the file and the field."""

    code = "bad_manifest"
