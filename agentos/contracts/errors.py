"""Errors whose type answers "what happens to the message?".

A handler that raises one of these tells the bus what to do with the delivery; anything else counts as a defect and is
retried until the consumer's limit, then dead-lettered.
"""

from datetime import timedelta
from typing import Any


class AgentOSError(Exception):
    """Root of all errors that AgentOS raises on purpose.

    ``code`` is stable and machine-readable; ``detail`` says what is wrong and how to mend it, and never holds a secret
    or personal data; ``fields`` carries what a caller may want to branch on.
    """

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields
        if code is not None:
            self.code = code


class RetryLater(AgentOSError):
    """A passing fault. The bus negatively acknowledges with ``delay`` and the message comes again."""

    code = "retry_later"

    def __init__(self, detail: str, *, delay: timedelta = timedelta(seconds=1), code: str | None = None, **fields: Any) -> None:
        super().__init__(detail, code=code, **fields)
        self.delay = delay


class NeverRetry(AgentOSError):
    """The message itself is at fault. The bus writes it to the dead letters with the reason and terminates it."""

    code = "never_retry"


class Conflict(AgentOSError):
    """Another writer was first: the subject or the aggregate holds something else. Load again and decide again."""

    code = "conflict"


class Forbidden(AgentOSError):
    """The broker or the policy refused. Retrying without a change of rights cannot help."""

    code = "forbidden"


class Refused(AgentOSError):
    """A command that is understood and declined; the caller gets ``code`` and ``detail`` as a problem document."""

    code = "refused"


class NotFound(Refused):
    """What the command or query names does not exist (or not for this tenant)."""

    code = "not_found"


class Unavailable(AgentOSError):
    """A component that must answer did not. Callers fail closed: no call is made."""

    code = "unavailable"
