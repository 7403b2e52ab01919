"""The documentation is true: links lead somewhere, commands exist, settings are read, Python examples run."""

import ast
import base64
import importlib.util
import inspect
import json
import pkgutil
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter
from pydantic_settings import BaseSettings

import services
from agentos.contracts.budgets import Budget
from agentos.sdk import Context, Manifest, Pack
from agentos.sdk.testing import Harness, says
from services.gates.notifications.targets import Targets
from services.gateway.webhooks.sources import SourceConfig
from services.policy.bundles import sign
from services.policy.embedded import EmbeddedEvaluator
from services.policy.evaluator import BUNDLE
from services.policy.trial import examine

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fences(page: Path, language: str) -> list[str]:
    return [body for kind, body in _FENCE.findall(page.read_text()) if kind == language]


def commands() -> Iterator[tuple[str, str]]:
    """Every line of every `sh` block."""
    for page in PAGES:
        for block in fences(page, "sh"):
            for line in block.splitlines():
                if line and not line.startswith("#"):
                    yield str(page.relative_to(ROOT)), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} leads nowhere"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{target}: no such heading"


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_exists(page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    match words:
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"{page}: no target {target}"
        case ["agentos", *rest]:
            monkeypatch.chdir(tmp_path)
            for word in rest:
                if re.fullmatch(r"@?[a-z]+\.jsonl?", word):
                    Path(word.removeprefix("@")).touch()
            assert_parses(rest)
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module) is not None, f"{page}: no module {module}"
        case ["docker", "compose", "-f", file, *_]:
            assert (ROOT / file).is_file(), f"{page}: no file {file}"
        case ["curl", *rest]:
            (path,) = (urlsplit(word).path for word in rest if word.startswith("http://"))
            paths = json.loads((ROOT / "ops-console" / "openapi.json").read_text())["paths"]
            assert any(re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", each), path) for each in paths), f"{page}: no route {path}"
        case [first, *_]:
            assert (ROOT / first).is_file(), f"{page}: {first} is neither known here nor a file of this repository"
        case _:
            raise AssertionError(f"{page}: {line!r}")


def assert_parses(words: list[str]) -> None:
    """Have the command line's own parser read ``words``, with every argument and option; nothing is run."""
    import typer.main

    from agentos.cli.__main__ import app

    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        assert name in command.commands, f"no command {name}: there are {sorted(command.commands)}"
        command = command.commands[name]
    command.make_context(command.name, words).close()


def inline_commands() -> Iterator[tuple[str, str]]:
    """Every `agentos …` in running text."""
    for page in PAGES:
        for line in re.findall(r"`agentos ([a-z][^`\n]*)`", _FENCE.sub("", page.read_text())):
            yield str(page.relative_to(ROOT)), line


@pytest.mark.parametrize(("page", "line"), sorted(set(inline_commands())))
def test_every_command_in_running_text_exists(page: str, line: str) -> None:
    """Whatever stands behind the command's name is the reader's to fill in."""
    import typer.main

    from agentos.cli.__main__ import app

    command: Any = typer.main.get_command(app)
    words = shlex.split(line)
    while hasattr(command, "commands") and words:
        name, *words = words
        assert name in command.commands, f"{page}: `agentos {line}`: no command {name}"
        command = command.commands[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_is_one_of_the_repository_and_says_what_it_shows(page: Path) -> None:
    """A picture that is fetched from elsewhere tells others who reads; one without a text tells some readers nothing."""
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", _FENCE.sub("", page.read_text())):
        assert words.strip(), f"{target}: no text"
        picture = (page.parent / target).resolve()
        assert picture.is_file(), f"{target}: no such picture; `make screenshots` makes those of the console and of agentos top"
        if picture.suffix == ".svg":
            assert not re.search(r"https?://(?!www\.w3\.org/)", re.sub(r"<!--.*?-->", "", picture.read_text(), flags=re.DOTALL))


def test_the_terminals_page_names_the_keys_that_it_has() -> None:
    from textual.binding import Binding

    from agentos.cli.top.app import Top
    from agentos.cli.top.approvals import Approvals
    from agentos.cli.top.kill import Kill
    from agentos.cli.top.spend import Spend
    from agentos.cli.top.tasks import Tasks, TaskScreen

    named = {"exclamation_mark": "!", "slash": "/", "escape": "Esc"}
    bound = {
        named.get(each.key, each.key)
        for kind in (Top, Tasks, TaskScreen, Approvals, Spend, Kill)
        for each in kind.BINDINGS
        if isinstance(each, Binding)
    }
    table = "".join(
        line for line in (ROOT / "docs" / "operators" / "top.md").read_text().splitlines(True) if line.startswith("|")
    )
    cells = " ".join(line.split("|")[1] for line in table.splitlines())
    assert set(re.findall(r"`([^`]+)`", cells)) | {"Esc"} == bound


def settings_of_services() -> set[str]:
    """Every environment variable that a settings model reads."""
    found: set[str] = set()
    modules = [importlib.import_module(f"services.{each.name}.settings") for each in pkgutil.iter_modules(services.__path__)]
    modules += [importlib.import_module("agentos.bus.settings"), importlib.import_module("agentos.service")]
    for module in modules:
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, BaseSettings) and kind is not BaseSettings:
                prefix = kind.model_config.get("env_prefix", "")
                for name, field in kind.model_fields.items():
                    found.add(str(field.validation_alias or f"{prefix}{name}".upper()))
    return found


def settings_read() -> set[str]:
    """Every environment variable that a settings model reads, or that code or compose names."""
    found = settings_of_services()
    sources = [path for folder in ("agentos", "services", "adapters", "packs") for path in (ROOT / folder).rglob("*.py")]
    for path in [*sources, *(ROOT / "packs").rglob("pack.yaml"), ROOT / "deploy" / "compose.yaml"]:
        found |= set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", path.read_text()))
    # The adapters' registry makes these from the provider's name.
    for provider in ("OPENAI", "ANTHROPIC", "GEMINI", "DEEPSEEK"):
        found |= {f"{provider}_API_KEY", f"{provider}_BASE_URL"}
    return found


def test_every_setting_of_the_example_is_read_somewhere_and_every_setting_is_there() -> None:
    named = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named <= settings_read()
    assert settings_of_services() <= named


def test_what_the_example_offers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line with a value, uncommented: each service starts with it."""
    offered = re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    for name, value in offered:
        monkeypatch.setenv(name, value)
    for each in pkgutil.iter_modules(services.__path__):
        importlib.import_module(f"services.{each.name}.settings").Settings()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_is_read_somewhere(page: Path) -> None:
    named = set(re.findall(r"\b(?:AGENTOS|OTEL)_[A-Z0-9_]+\b", page.read_text()))
    assert named <= settings_read()


def test_the_compose_file_hands_on_everything_that_the_example_offers_for_it() -> None:
    """What an operator writes into deploy/.env has an effect there."""
    compose = (ROOT / "deploy" / "compose.yaml").read_text()
    for provider in ("OPENAI", "ANTHROPIC", "GEMINI", "DEEPSEEK"):
        assert f"{provider}_API_KEY:" in compose
    for name in (
        "GITHUB_TOKEN:",
        "GITHUB_WEBHOOK_SECRET:",
        "${AGENTOS_PUBLISH",
        "${AGENTOS_LOG_LEVEL",
        "${OTEL_EXPORTER_OTLP_ENDPOINT",
    ):
        assert name in compose


def test_every_error_code_of_the_webhook_edge_is_documented() -> None:
    """The codes are collected from the code that raises them."""
    page = (ROOT / "docs" / "webhooks.md").read_text()
    edge = ROOT / "services" / "gateway"
    raised: set[str] = set()
    for path in [*(edge / "webhooks").glob("*.py"), edge / "http" / "webhooks.py", edge / "strict_json.py", edge / "edge.py"]:
        for call in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in ("Problem", "Rejected", "BadJson")
            ):
                texts = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
                raised |= {text for text in texts[:1] if re.fullmatch(r"[a-z0-9_]+", text)}
    assert "signature_mismatch" in raised
    # 403 of the API: a webhook has a signature and no roles.
    assert {code for code in raised - {"forbidden"} if f"`{code}`" not in page} == set()


def test_the_sources_file_in_the_docs_is_one_that_the_gateway_takes() -> None:
    (example,) = fences(ROOT / "docs" / "webhooks.md", "json")
    configs = {name: SourceConfig.model_validate(config) for name, config in json.loads(example).items()}
    taken = {kind for agent in Pack.load(ROOT / "packs" / "engineering").manifest.agents for kind in agent.task_types}
    assert set(configs["github"].events.values()) <= taken


def test_the_configuration_in_the_operators_pages_is_published_as_it_stands(tmp_path: Path) -> None:
    """Each JSON example of what the rules read, in place of what ships, passes the trial that every publication passes."""
    folder = tmp_path / "rules"
    shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("*.cases.json", "*_test.rego"))
    data: Any = json.loads((folder / "data.json").read_text())
    operators = ROOT / "docs" / "operators"
    (budgets,) = fences(operators / "budgets.md", "json")
    data["config"]["budgets"] = json.loads(budgets)
    for page in ("kill-switch", "history", "redaction"):
        (example,) = fences(operators / f"{page}.md", "json")
        data["config"] |= json.loads(example)
    (folder / "data.json").write_text(json.dumps(data))
    signed = sign(folder, 2, datetime.now(UTC), Ed25519PrivateKey.generate())
    examine(signed)
    question = {
        "tenant": "acme", "pack": "sales", "agent": "a", "task": "t", "task_type": "x", "model": "default", "providers": ["openai"],
        "requester": {"kind": "api_key", "id": "k", "roles": []}, "user": "k",
    }  # fmt: skip
    resolved = EmbeddedEvaluator(signed.bundle).answer("agentos/budget", question).obligations["budgets"]
    assert [each.id for each in TypeAdapter(list[Budget]).validate_python(resolved)] == ["tenant-month", "task", "sales-rate"]


def test_the_notifications_file_in_the_docs_is_one_that_gates_takes() -> None:
    (example,) = fences(ROOT / "docs" / "operators" / "approvals.md", "json")
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    targets = Targets.model_validate_json(example.replace("whsec_...", secret))
    assert [target.name for target in targets.all] == ["chat", "smtp"]


async def test_the_pack_in_the_docs_runs_in_the_harness() -> None:
    """Manifest, agent, tool and test of docs/packs.md, as they stand there."""
    import yaml

    page = ROOT / "docs" / "packs.md"
    (manifest,) = fences(page, "yaml")
    assert Manifest.model_validate(yaml.safe_load(manifest)).name == "support"
    agent, tool, test = fences(page, "python")
    names: dict[str, Any] = {"Context": Context, "Harness": Harness, "says": says}
    exec(compile(agent, "docs/packs.md: agent", "exec"), names)
    exec(compile(tool, "docs/packs.md: tool", "exec"), names)
    running = eval(compile(test, "docs/packs.md: test", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    await running
    assert names["run"].result == {"kind": "refund", "sent": True, "receipt": {"id": 7}}


def test_shell_scripts_parse() -> None:
    scripts = [ROOT / ".ci" / "run", ROOT / "deploy" / "prepare"]
    scripts += [path for path in (ROOT / "scripts").iterdir() if path.read_text().startswith("#!/usr/bin/env bash")]
    for script in scripts:
        assert script.stat().st_mode & 0o111, f"{script.name} is not executable"
        subprocess.run(["bash", "-n", script], check=True)
