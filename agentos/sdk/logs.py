"""What an agent says by the standard ``logging`` goes where ``ctx.log`` goes: libraries log that way."""

import logging

from agentos.sdk.driver import current_run


class RunHandler(logging.StreamHandler):  # pyright: ignore[reportMissingTypeArgument] - its stream is standard error
    """Hands a record to the run that it comes from. What no run has said goes to standard error, if it is a warning or worse."""

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a record that cannot be told is told by ``logging`` itself, on standard error."""
        run = current_run()
        if run is None:
            if record.levelno >= logging.WARNING:
                super().emit(record)
            return
        try:
            fields = {"logger": record.name}
            if record.exc_info and record.exc_info[1] is not None:
                fields["raised"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            run.log(_level(record.levelno), record.getMessage(), fields)
        except Exception:  # noqa: BLE001 - a record's arguments are the pack's own and may raise anything
            self.handleError(record)


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


def take_over() -> None:
    """From now on this process logs by its runs, from INFO on."""
    root = logging.getLogger()
    root.addHandler(RunHandler())
    root.setLevel(logging.INFO)
