"""Analysing texts in processes of their own: off the event loop, several at once, and whatever a text does to its recognizers.

The parent never loads presidio: it splits texts, remembers analyses, and replaces what was found. A worker that dies or does not answer is
replaced and its texts are tried once more; texts that do it again, and whatever is not done by the deadline, are ``Unavailable``, and
the caller makes no call.
"""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from agentos.contracts.errors import Unavailable
from agentos.ending import end
from services.policy.analysis_frames import HEAD, answered, framed, length_of, question
from services.policy.redacting.finding import NOTHING, Analysis, AnalysisCache, as_read, needs_analysis
from services.policy.redacting.segments import Segment
from services.policy.redacting.windows import OVERLAP, WINDOW, together, windows

log = structlog.get_logger(__name__)

WORKER = (sys.executable, "-m", "services.policy.analysis_worker")
BATCH_CHARS = WINDOW + 2 * OVERLAP
"""Most characters that go to a worker at once, small texts together."""
BATCH_TEXTS = 256
TRIES = 2
_AT_ONCE = 4
"""Windows of one text that are put together within a millisecond or two."""
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV", "TMPDIR")
"""A worker reads hostile text, so it gets none of the keys that may stand in our environment."""
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""A worker's matrices are small: more threads would only spin. There may be more workers."""


@dataclass(slots=True)
class _Batch:
    """Texts that go to a worker together; what comes back, or why nothing does, is set on ``done``."""

    segments: list[Segment]
    done: "asyncio.Future[list[Analysis]]"
    chars: int = 0
    tries: int = 0


@dataclass(slots=True)
class _Call:
    """The batches of one caller. Callers take turns, batch by batch: ten megabytes of one delay another by one batch."""

    batches: deque[_Batch] = field(default_factory=deque[_Batch])


class AnalysisPool:
    """Workers that analyse. Each starts when it is first needed (two seconds of processor time) and stays. Belongs to one event loop.

    ``patience`` is how long one batch (at most 36,000 characters) may take, the start of a worker included; ``within`` how long one
    call may, beyond 10 ms for each of its kilobytes.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        patience: timedelta = timedelta(seconds=30),
        within: timedelta = timedelta(seconds=60),
        command: Sequence[str] = WORKER,
    ) -> None:
        self.cache = AnalysisCache()
        self._count = max(1, workers)
        self._patience = patience.total_seconds()
        self._within = within.total_seconds()
        self._command = tuple(command)
        self._calls: deque[_Call] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._slots: list[asyncio.Task[None]] = []
        self._closed = False

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        """What is in each segment, in their order. Raises ``Unavailable``."""
        parts = [windows(segment) if needs_analysis(segment) else [] for segment in segments]
        known: dict[bytes, Analysis | None] = {}
        keys: list[list[bytes]] = []
        asked: list[tuple[bytes, Segment]] = []
        total = 0
        for each in parts:
            keys.append([self.cache.key(window.segment) for window in each])
            for window, key in zip(each, keys[-1], strict=True):
                if key not in known:
                    known[key] = self.cache.get(key)
                    if known[key] is None:
                        asked.append((key, window.segment))
                        total += len(window.segment.text)
            # A large request must not hold up the loop while it is cut and digested.
            if total > BATCH_CHARS:
                total = 0
                await asyncio.sleep(0)
        if asked:
            known.update(await self._worked_out(asked))

        def put_together() -> list[Analysis]:
            return [
                as_read(segment, together(segment, each, [known[key] or NOTHING for key in of])) if each else NOTHING
                for segment, each, of in zip(segments, parts, keys, strict=True)
            ]

        long = any(len(each) > _AT_ONCE for each in parts)
        return await asyncio.to_thread(put_together) if long else put_together()

    async def warm_up(self) -> None:
        """Have the workers start before anybody waits for them."""
        texts = [
            Segment(f"Warm up {number}: a text of some length, so that a worker is asked") for number in range(self._count)
        ]
        with suppress(Unavailable):  # whoever asks in earnest is told
            await asyncio.gather(*(self.analyses([text]) for text in texts))

    async def close(self) -> None:
        """Stop the workers. Calls that wait get ``Unavailable``."""
        self._closed = True
        await end(*self._slots)
        for call in self._calls:
            for batch in call.batches:
                _fail(batch, "closed")
        self._calls.clear()

    async def _worked_out(self, asked: Sequence[tuple[bytes, Segment]]) -> dict[bytes, Analysis]:
        if self._closed:
            raise _closed()
        batches = _batches([segment for _, segment in asked])
        self._enqueue(_Call(deque(batches)))
        within = self._within + sum(batch.chars for batch in batches) / 100_000
        found: dict[bytes, Analysis] = {}
        position = 0
        try:
            async with asyncio.timeout(within):
                for batch in batches:
                    for (key, _), analysis in zip(asked[position:], await batch.done, strict=False):
                        found[key] = analysis
                        # At once: when the rest fails, another try need not do this again.
                        self.cache.put(key, analysis)
                    position += len(batch.segments)
        except TimeoutError:
            raise Unavailable(f"The texts were not analysed within {within:.0f} s.", code="redactor_late") from None
        finally:
            for batch in batches:
                if batch.done.done() and not batch.done.cancelled():
                    batch.done.exception()
                batch.done.cancel()
        return found

    def _enqueue(self, call: _Call) -> None:
        self._calls.append(call)
        while len(self._slots) < self._count:
            self._slots.append(asyncio.create_task(self._serve()))
        for _ in call.batches:
            if not self._idle:
                break
            # The last one to become idle: with little to do, one worker does it all and the others are never started.
            waiting = self._idle.pop()
            if not waiting.done():
                waiting.set_result(None)

    async def _next(self) -> _Batch:
        while True:
            while self._calls:
                call = self._calls.popleft()
                batch = call.batches.popleft()
                if call.batches:
                    self._calls.append(call)
                if not batch.done.done():
                    return batch
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(waiting)
            await waiting

    async def _serve(self) -> None:
        worker: _Worker | None = None
        batch: _Batch | None = None
        try:
            while True:
                batch = await self._next()
                while not batch.done.done():
                    batch.tries += 1
                    try:
                        async with asyncio.timeout(self._patience):
                            if worker is None:
                                worker = await _Worker.start(self._command)
                                self.cache.found_by(worker.revision)
                            analyses = await worker.analyses(batch.segments)
                    except _Failed as failed:
                        # It lives, and would say the same again.
                        _fail(batch, str(failed))
                    except Exception as error:  # noqa: BLE001  # dead, late or talking nonsense: whatever it is, begin anew
                        log.warning("analysis_worker_lost", error=type(error).__name__, tries=batch.tries)
                        if worker is not None:
                            await worker.stop()
                            worker = None
                        if batch.tries >= TRIES:
                            _fail(batch, "worker lost")
                    else:
                        if not batch.done.done():
                            batch.done.set_result(analyses)
        finally:
            if batch is not None:
                _fail(batch, "closed")
            if worker is not None:
                await worker.stop()


class _Failed(Exception):
    """A worker could not analyse a text. Says the kind of error only."""


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a worker has pipes")
        self._process = process
        self._questions = process.stdin
        self._answers = process.stdout
        self.revision = ""

    @classmethod
    async def start(cls, command: Sequence[str]) -> "_Worker":
        """Raises ``OSError``, ``EOFError`` and ``ValueError`` when it does not come up."""
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ} | _ONE_THREAD
        environment["PYTHONPATH"] = os.pathsep.join(path or "." for path in sys.path)
        # What it says of its errors may quote the text. A session of its own: an interrupt is for us, and we stop it.
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        worker = cls(process)
        try:
            worker.revision = str(json.loads(await worker._read())["revision"])
        except BaseException as error:
            await worker.stop()
            if isinstance(error, (KeyError, TypeError)):
                raise ValueError("no greeting of a worker") from error  # noqa: TRY004  # it is about a value that we were sent
            raise
        return worker

    async def analyses(self, segments: Sequence[Segment]) -> list[Analysis]:
        """Raises ``_Failed``, and as ``start`` does."""
        self._questions.write(framed(question([(segment.hint, segment.text) for segment in segments])))
        await self._questions.drain()
        payload = await self._read()
        if payload.startswith(b'{"error"'):
            raise _Failed(str(json.loads(payload)["error"]))
        return answered(payload, len(segments))

    async def stop(self) -> None:
        """Kill it: it has nothing to lose."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._questions.close()
        with suppress(OSError):
            await self._questions.wait_closed()
        # Reads to the end, so that the pipe is closed too.
        await self._answers.read()
        await self._process.wait()

    async def _read(self) -> bytes:
        return await self._answers.readexactly(length_of(await self._answers.readexactly(HEAD.size)))


def _batches(segments: Sequence[Segment]) -> list[_Batch]:
    loop = asyncio.get_running_loop()
    batches: list[_Batch] = []
    for segment in segments:
        last = batches[-1] if batches else None
        if last is None or last.chars + len(segment.text) > BATCH_CHARS or len(last.segments) >= BATCH_TEXTS:
            last = _Batch([], loop.create_future())
            batches.append(last)
        last.segments.append(segment)
        last.chars += len(segment.text)
    return batches


def _fail(batch: _Batch, why: str) -> None:
    if not batch.done.done():
        batch.done.set_exception(Unavailable(f"The redactor failed ({why}).", code="redactor_failed"))


def _closed() -> Unavailable:
    return Unavailable("The redactor is closed.", code="redactor_failed")


__all__ = ["AnalysisPool"]
