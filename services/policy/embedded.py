"""The embedded evaluator: the same Rego, compiled once in this process by regopy, for a machine without an OPA server."""

import json
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

from regopy import Input, Interpreter, RegoError

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.evaluator import Bundle, decision_from, read_bundle, revision_of, undefined
from services.policy.questions import BY_PACKAGE, Decision, Question
from services.policy.rego_reads import Reads, reads_of
from services.policy.rego_source import reached_from, words_of

REMEMBERED = 4_096
"""Decisions that are kept, of some kilobytes each."""


class EmbeddedEvaluator:
    """Answers from a bundle that is compiled at construction (about 0.1 s) and never read again; the shipped one unless given.

    With ``package`` it is compiled for that package's questions alone, from the modules that these can depend on, in half the time.

    A query takes about a millisecond and runs on the caller's thread. The interpreter keeps its input between two calls and ctypes lets
    other threads run meanwhile, so a lock keeps input and query together. A question that the rules cannot tell from an earlier one
    (``rego_reads``) gets its decision from memory, in some 20 µs.

    Raises ``Unavailable`` when the bundle cannot be read or compiled.
    """

    def __init__(self, bundle: Bundle | None = None, *, package: str | None = None) -> None:
        bundle = bundle if bundle is not None else read_bundle()
        self._rules = bundle
        self._revision = revision_of(bundle)
        self._lock = threading.Lock()
        packages = list(BY_PACKAGE) if package is None else [package]
        modules = bundle.modules if package is None else _needed(bundle.modules, package)
        # regopy has no type information.
        interpreter: Any = Interpreter()
        try:
            for name, source in modules.items():
                interpreter.add_module(f"{name}.rego", source)
            interpreter.add_data_json(json.dumps({"config": bundle.config}))
            self._bundle: Any = interpreter.build(None, [_entrypoint(each) for each in packages])
        except RegoError as error:
            raise Unavailable(f"The policy bundle does not compile: {str(error)[:500]}", code="policy.uncompilable") from error
        if not self._bundle.ok():
            raise Unavailable("The policy bundle does not compile.", code="policy.uncompilable")
        self._interpreter: Any = interpreter
        self._reads: dict[str, Reads | None] = {}
        self._known: OrderedDict[tuple[str, Hashable], Decision] = OrderedDict()

    @property
    def revision(self) -> str:
        """See ``PolicyEvaluator.revision``."""
        return self._revision

    async def decide(self, question: Question) -> Decision:
        """See ``PolicyEvaluator.decide``."""
        return self.decide_now(question)

    def decide_now(self, question: Question) -> Decision:
        """The same without a coroutine, from any thread."""
        asked = question.model_dump(mode="json")
        if question.package not in self._reads:
            self._reads[question.package] = reads_of(self._rules.modules, self._rules.config, question.package)
        reads = self._reads[question.package]
        if reads is None:
            return self.answer(question.package, asked)
        place = (question.package, reads.key(asked))
        with self._lock:
            known = self._known.get(place)
            if known is not None and self._interpreter is not None:
                self._known.move_to_end(place)
                return known
        decision = self.answer(question.package, asked)
        with self._lock:
            self._known[place] = decision
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return decision

    def answer(self, package: str, asked: Mapping[str, Json]) -> Decision:
        """The decision on any input of a question's package, also one that no question could be: what a stored decision or a case asks."""
        if self._interpreter is None:
            raise Unavailable("The policy evaluator is closed.", code="policy.closed")
        try:
            with self._lock:
                self._interpreter.set_input(Input(asked))
                output = self._interpreter.query_bundle_entrypoint(self._bundle, _entrypoint(package))
        except (RegoError, ValueError, TypeError) as error:
            # ValueError: the interpreter's output is not JSON; TypeError: an input that it cannot carry.
            raise Unavailable(f"The embedded policy evaluator failed: {type(error).__name__}", code="policy.error") from error
        if not output.ok():
            raise Unavailable(f"The rule {package}/decision failed.", code="policy.error")
        if len(output) != 1 or len(output[0].expressions) != 1:
            raise undefined(package)
        return decision_from(output[0].expressions[0], self._revision)

    async def close(self) -> None:
        """See ``PolicyEvaluator.close``."""
        self._interpreter = None


def _entrypoint(package: str) -> str:
    return f"{package}/decision"


def _needed(modules: Mapping[str, str], package: str) -> dict[str, str]:
    reached = reached_from({name: words_of(source) for name, source in modules.items()}, package.replace("/", "."))
    return {name: source for name, source in modules.items() if name in reached}


__all__ = ["EmbeddedEvaluator"]
