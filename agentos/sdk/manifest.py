"""pack.yaml: what a pack is, which agents and tools it brings, and how their code is found."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from agentos.contracts.base import Contract, Json, Token
from agentos.sdk.errors import ManifestError

MANIFEST = "pack.yaml"
_ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_TOOL = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


def _entry(value: str) -> str:
    if _ENTRY.fullmatch(value) is None:
        raise ValueError("must be 'module:function', the module relative to the pack's folder, such as agents.triage:triage")
    return value


def _tool_name(value: str) -> str:
    if _TOOL.fullmatch(value) is None:
        raise ValueError("must be lower case words joined by dots, such as github.comment")
    return value


EntryPoint = Annotated[str, AfterValidator(_entry)]
ToolName = Annotated[str, AfterValidator(_tool_name)]


class AgentEntry(Contract):
    """An agent: a coroutine function ``(ctx, input)``. ``timeout_s`` bounds running time; waiting for effects is free."""

    name: Token
    entry: EntryPoint
    task_types: tuple[Token, ...] = Field(min_length=1)
    timeout_s: float = Field(default=60.0, gt=0, le=86_400)
    tools: tuple[ToolName, ...] | None = None
    """The tools that its tasks need; None means all of the pack's. A task that has read what came from outside changes nothing with others."""


class ToolEntry(Contract):
    """A tool: a coroutine function ``(call)`` that the worker executes. Only the secrets named here reach it."""

    name: ToolName
    entry: EntryPoint
    effect: Literal["read", "write", "egress"]
    description: str
    parameters: dict[str, Json]
    """JSON Schema of type object."""
    secrets: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    """Environment variables that are no secrets and may be set for it, such as another base URL."""
    timeout_s: float = Field(default=30.0, gt=0, le=3_600)
    destinations: tuple[str, ...] = ()
    """Parameters that say where something goes (``to``, ``repository``): policy asks whether whoever asked for the task named them."""


class Manifest(Contract):
    """The content of pack.yaml."""

    name: Token
    version: str = Field(min_length=1, max_length=64)
    description: str
    agents: tuple[AgentEntry, ...] = Field(min_length=1)
    tools: tuple[ToolEntry, ...] = ()
    capabilities: tuple[str, ...] = ()

    def agent(self, name: str) -> AgentEntry | None:
        """The agent of that name."""
        return next((agent for agent in self.agents if agent.name == name), None)

    def tool(self, name: str) -> ToolEntry | None:
        """The tool of that name."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def tools_of(self, agent: str) -> tuple[str, ...]:
        """The tools that an agent's tasks need: those it names, or all of the pack's."""
        entry = self.agent(agent)
        every = tuple(tool.name for tool in self.tools)
        return every if entry is None or entry.tools is None else entry.tools

    @model_validator(mode="after")
    def _names_exist(self) -> "Manifest":
        names = {tool.name for tool in self.tools}
        for agent in self.agents:
            if strangers := sorted(set(agent.tools or ()) - names):
                raise ValueError(f"agent {agent.name} names tools that the pack does not have: {', '.join(strangers)}")
        for tool in self.tools:
            known: dict[str, Json] = tool.parameters.get("properties") or {}
            if strangers := sorted(set(tool.destinations) - set(known)):
                raise ValueError(f"tool {tool.name} calls destinations what are no parameters of it: {', '.join(strangers)}")
        return self


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack on disk."""

    manifest: Manifest
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> "Pack":
        """Read ``folder``/pack.yaml; imports no code. Raises ManifestError that names the field."""
        path = folder / MANIFEST
        try:
            content: Any = yaml.safe_load(path.read_text("utf-8"))
            return cls(Manifest.model_validate(content), folder.resolve())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as unreadable:
            raise ManifestError(f"{path}: {unreadable}") from unreadable
        except ValidationError as bad:
            where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in bad.errors(include_input=False))
            raise ManifestError(f"{path}: {where}") from None

    def function(self, entry: str) -> Callable[..., Any]:
        """Import the function behind an entry point; the pack's code runs from here on.

        The folder becomes the package ``pack_<name>``, whatever it is called on disk, so that its modules import each other
        relatively and nothing else of the disk becomes importable. Raises ManifestError when there is no such function.
        """
        module_name, _, function_name = entry.partition(":")
        try:
            module = importlib.import_module(f"{self._package()}.{module_name}")
        except ModuleNotFoundError as missing:
            raise ManifestError(f"{self.folder / MANIFEST}: entry {entry!r}: {missing}") from missing
        function = getattr(module, function_name, None)
        if not callable(function):
            raise ManifestError(f"{self.folder / MANIFEST}: entry {entry!r}: {module_name} has no function {function_name}")
        return function

    def _package(self) -> str:
        name = "pack_" + self.manifest.name.replace("-", "_")
        if name not in sys.modules:
            init = self.folder / "__init__.py"
            if init.exists():
                spec = importlib.util.spec_from_file_location(name, init, submodule_search_locations=[str(self.folder)])
            else:
                spec = importlib.util.spec_from_loader(name, loader=None, is_package=True)
                if spec is not None:
                    spec.submodule_search_locations = [str(self.folder)]
            if spec is None:
                raise ManifestError(f"{self.folder} cannot be imported")
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            if spec.loader is not None:
                spec.loader.exec_module(module)
        return name


def discover(roots: tuple[Path, ...]) -> dict[str, Pack]:
    """Every pack in the given folders (each holds one folder a pack), by name. Raises ManifestError for a name used twice."""
    found: dict[str, Pack] = {}
    for root in roots:
        for path in sorted(root.glob(f"*/{MANIFEST}")):
            pack = Pack.load(path.parent)
            if pack.manifest.name in found:
                raise ManifestError(
                    f"pack {pack.manifest.name!r} is in {found[pack.manifest.name].folder} and in {path.parent}"
                )
            found[pack.manifest.name] = pack
    return found
