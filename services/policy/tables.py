"""Tables of cases beside the rules: ``<package>.cases.json``, a base question and what of it each case changes.

``cases_test.rego`` reads the same tables in OPA, so that both evaluators answer each case.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentos.contracts.base import Json
from agentos.contracts.errors import Unavailable
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import BUNDLE, Bundle
from services.policy.questions import BY_PACKAGE, Decision, Question


class _Row(BaseModel):
    """One case as the file has it; see ``cases_test.rego`` for what ``change``, ``replace``, ``remove``, ``config`` and ``drop`` do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    note: str
    change: dict[str, Json] = Field(default_factory=dict)
    replace: dict[str, Json] = Field(default_factory=dict)
    remove: list[str] = Field(default_factory=list)
    config: dict[str, Json] = Field(default_factory=dict)
    drop: list[str] = Field(default_factory=list)
    want: dict[str, Json]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    base: dict[str, Json]
    cases: list[_Row]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: dict[str, _Table]


@dataclass(frozen=True)
class Case:
    """One question to the rules, and what the decision must be in the fields that ``want`` names."""

    package: str
    note: str
    asked: Mapping[str, Json]
    want: Mapping[str, Json]
    config: Mapping[str, Json]
    """Merged over the bundle's own configuration."""
    drop: tuple[str, ...]

    @property
    def question(self) -> Question | None:
        """The case as a question; None where it asks what no question could, which only the rules themselves can be asked."""
        try:
            question = BY_PACKAGE[self.package].model_validate_json(json.dumps(self.asked))
        except (ValidationError, KeyError):
            return None
        # A field that is left out has its default in a question.
        return question if question.model_dump(mode="json") == self.asked else None

    @property
    def own_config(self) -> bool:
        """Whether the case needs another configuration than the bundle's."""
        return bool(self.config or self.drop)

    def configured(self, config: Mapping[str, Json]) -> dict[str, Json]:
        """The configuration that the case is asked under."""
        return merged({name: value for name, value in config.items() if name not in self.drop}, self.config)

    def faults(self, decision: Decision) -> list[str]:
        """What of the decision is not as wanted; empty when all is."""
        got = decision.model_dump(mode="json")
        return [
            f"{field}: {json.dumps(got.get(field))} instead of {json.dumps(wanted)}"
            for field, wanted in self.want.items()
            if got.get(field) != wanted
        ]


def read_tables(folder: Path = BUNDLE) -> dict[str, str]:
    """The text of every table in ``folder``, by file name."""
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.cases.json"))}


def cases_of(tables: Mapping[str, str]) -> list[Case]:
    """Every case of the tables. Raises ``Unavailable`` for a file that is no table, or two cases of one name."""
    found: dict[tuple[str, str], Case] = {}
    for name, text in tables.items():
        try:
            file = _File.model_validate_json(text)
        except ValidationError as bad:
            where = ", ".join(sorted({".".join(map(str, fault["loc"])) for fault in bad.errors(include_input=False)}))
            raise Unavailable(f"{name} is no table of cases (at: {where})", code="policy.bad_cases") from None
        for case in _cases(file):
            if (case.package, case.note) in found:
                raise Unavailable(f"{name} has two cases {case.note!r}", code="policy.bad_cases")
            found[case.package, case.note] = case
    return list(found.values())


def _cases(file: _File) -> Iterable[Case]:
    for package, table in file.cases.items():
        for row in table.cases:
            left = {name: value for name, value in table.base.items() if name not in (*row.remove, *row.replace)}
            asked = merged(left, row.change) | row.replace
            yield Case(f"agentos/{package}", row.note, asked, row.want, row.config, tuple(row.drop))


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As Rego's ``object.union``: objects merge, anything else of ``over`` takes the place of what was there."""
    result = dict(base)
    for name, value in over.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType] - JSON
    return result


def judged(bundle: Bundle, cases: Iterable[Case]) -> Iterator[tuple[Case, list[str]]]:
    """Every case with what of its decision is not as wanted, by package and configuration: cases that share these share an evaluator."""
    alike: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        alike.setdefault((case.package, json.dumps(case.configured(bundle.config), sort_keys=True)), []).append(case)
    for (package, config), group in alike.items():
        try:
            evaluator = EmbeddedEvaluator(Bundle(bundle.modules, json.loads(config)), package=package)
        except Unavailable as bad:
            yield from ((case, [bad.detail]) for case in group)
            continue
        for case in group:
            try:
                faults = case.faults(evaluator.answer(package, case.asked))
            except Unavailable as silent:
                faults = [silent.detail]
            yield case, faults


__all__ = ["Case", "cases_of", "judged", "merged", "read_tables"]
