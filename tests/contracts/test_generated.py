"""What is generated from the channel table is committed, deterministic and well formed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agentos.bus.generate import SCHEMAS, drift, files, main, schema_file
from agentos.contracts.base import Principal, Sealed
from agentos.contracts.channels import BY_NAME, CHANNELS
from agentos.contracts.commands import CancelTask
from agentos.contracts.envelope import encode_body
from agentos.contracts.events.task import TaskSubmitted
from agentos.contracts.services import SERVICES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generated() -> Mapping[Path, str]:
    """What the table says, by file."""
    return files()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree of its own, freshly generated."""
    assert main(["--root", str(tmp_path)]) == 0
    return tmp_path


def edit(path: Path, change: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change, indent=2) + "\n")


def test_what_is_committed_is_what_the_table_says() -> None:
    assert drift(ROOT) == []


def test_the_same_table_gives_the_same_bytes() -> None:
    assert files() == files()


def test_check_of_a_fresh_tree_finds_nothing_and_writes_nothing(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    assert main(["--check", "--root", str(copy)]) == 0
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


def test_check_names_each_drifting_file_and_the_command_that_mends_it(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "deploy/nats/authorization.conf").write_text("authorization {}")
    (copy / "docs/reference/subjects.md").unlink()
    assert main(["--check", "--root", str(copy)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "deploy/nats/authorization.conf" in said[0]
    assert "docs/reference/subjects.md is missing" in said[1]
    assert all("python -m agentos.bus.generate" in line for line in said)


def test_a_changed_schema_of_a_standing_version_asks_for_a_new_version_and_is_not_overwritten(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / SCHEMAS / "task.queued.v1.json"
    edit(path, {"required": []})
    changed = path.read_text()
    assert main(["--check", "--root", str(copy)]) == 1
    assert "next version" in capsys.readouterr().err
    assert main(["--root", str(copy)]) == 1
    assert "task.queued.v1.json" in capsys.readouterr().err
    assert path.read_text() == changed
    assert main(["--unreleased", "--root", str(copy)]) == 0
    assert drift(copy) == []


def test_a_changed_sentence_of_a_schema_needs_no_new_version(copy: Path) -> None:
    edit(copy / SCHEMAS / "task.queued.v1.json", {"description": "Other words."})
    assert [line for line in drift(copy) if "next version" in line] == []
    assert main(["--root", str(copy)]) == 0
    assert drift(copy) == []


def test_a_schema_of_no_row_is_stray_and_one_of_a_past_version_is_kept(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / SCHEMAS / "task.dreamt.v1.json").write_text("{}")
    assert main(["--check", "--root", str(copy)]) == 1
    assert "git rm" in capsys.readouterr().err
    (copy / SCHEMAS / "task.dreamt.v1.json").rename(copy / SCHEMAS / "task.queued.v0.json")
    assert drift(copy) == []


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda c: c.name)
def test_each_schema_is_valid_json_schema_and_closed(channel: Any, generated: Mapping[Path, str]) -> None:
    schema = json.loads(generated[schema_file(channel)])
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_a_written_body_fits_its_schema_and_one_with_an_unknown_field_does_not(generated: Mapping[Path, str]) -> None:
    sealed = Sealed(key="k", purpose="task.input", nonce=b"\x00" * 12, ciphertext=b"\xff\xfe" * 16)
    by = Principal(kind="api_key", id="ops")
    for name, payload in (
        ("task.submitted", TaskSubmitted(type="t", input=sealed, input_digest="d", requester=by)),
        ("orchestrator.cancel", CancelTask(tenant="t", task="x", reason="no longer needed", by=by)),
    ):
        validator = Draft202012Validator(json.loads(generated[schema_file(BY_NAME[name])]))
        body = json.loads(encode_body(payload))
        validator.validate(body)
        assert not validator.is_valid(body | {"surprise": 1})


def test_the_asyncapi_document_has_the_shape_of_version_3_and_every_reference_resolves(generated: Mapping[Path, str]) -> None:
    document = json.loads(generated[Path("docs/reference/asyncapi.json")])
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    assert set(document) <= {
        "asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components",
    }  # fmt: skip
    assert len(document["channels"]) == len(CHANNELS)
    for channel in document["channels"].values():
        named = {part[1:-1] for part in channel["address"].split(".") if part.startswith("{")}
        assert named == set(channel["parameters"])
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        of_channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(of_channel + "/messages/") for message in operation["messages"])
    for reference in references(document):
        if reference.startswith("#/"):
            node = document
            for part in reference[2:].split("/"):
                node = node[part]
        else:
            assert Path("agentos/contracts/schemas") / Path(reference).name in generated
            assert (ROOT / "docs/reference" / reference).resolve().exists()


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        found = [node["$ref"]] if "$ref" in node else []
        return found + [reference for value in node.values() for reference in references(value)]
    return [reference for value in node for reference in references(value)] if isinstance(node, list) else []


def test_each_service_sends_what_it_publishes_and_nothing_else(generated: Mapping[Path, str]) -> None:
    operations = json.loads(generated[Path("docs/reference/asyncapi.json")])["operations"]
    for service in SERVICES:
        sent = {name.split(".send.")[1] for name in operations if name.startswith(f"{service}.send.")}
        assert sent == {channel.name for channel in CHANNELS if channel.publisher == service}


def test_the_subject_page_has_one_row_for_each_channel_stream_and_bucket(generated: Mapping[Path, str]) -> None:
    page = generated[Path("docs/reference/subjects.md")]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len([row for row in rows if "/schemas/" in row]) == len(CHANNELS)
    assert all(row.count(" | ") in (3, 4, 5) for row in rows)
    assert "`EVENTS`" in page
    assert "`payloads`" in page


def test_the_broker_users_hold_no_password(generated: Mapping[Path, str]) -> None:
    conf = generated[Path("deploy/nats/authorization.conf")]
    passwords = [line.split("password:")[1].strip() for line in conf.splitlines() if "password:" in line]
    assert len(passwords) == len(SERVICES) + 1
    assert all(password.startswith("$NATS_") for password in passwords)
