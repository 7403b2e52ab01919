"""Write what is committed but comes from the channel table alone; ``--check`` says what has drifted and how to mend it.

It stands beside the topology, not beside the table, because contracts import nothing else of ours.
The output is deterministic: the same table gives the same bytes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from agentos.bus import topology
from agentos.contracts.buckets import BUCKETS, Bucket
from agentos.contracts.channel import Channel
from agentos.contracts.channels import CHANNELS
from agentos.contracts.services import SERVICES

COMMAND = "python -m agentos.bus.generate"
SCHEMAS = Path("agentos/contracts/schemas")

_PARAMETERS = {
    "event": ("tenant", "id", "ordinal"),
    "command": ("id",),
    "query": ("what", "request"),
    "answer": ("request",),
    "work": ("pack", "id"),
    "timer": ("id",),
    "dead_letter": ("consumer", "message"),
}
"""What the wildcards of a kind's pattern stand for, in order."""

_MEANING = {
    "tenant": "Whose it is.",
    "id": "The aggregate's, command's or timer's id.",
    "ordinal": "Which of several facts of this name: the attempt, the step, the number of the refusal.",
    "what": "The name of the query.",
    "request": "The id that ties an answer to what was asked.",
    "pack": "The pack that is to run it.",
    "consumer": "The durable consumer that could not take the message.",
    "message": "Stream and sequence of that message.",
}


def schema_file(channel: Channel) -> Path:
    """Where the schema of this row's current version is committed."""
    return SCHEMAS / f"{channel.name}.v{channel.version}.json"


def files() -> dict[Path, str]:
    """Every generated file, relative to the root of the repository, with its content."""
    found = {
        Path("deploy/nats/authorization.conf"): topology.authorization_conf(),
        Path("docs/reference/subjects.md"): _subjects_page(),
        Path("docs/reference/asyncapi.json"): _json(_asyncapi()),
    }
    return found | {schema_file(channel): _json(_schema(channel)) for channel in CHANNELS}


def drift(root: Path) -> list[str]:
    """One line for each file that is not what the table says: the file, what is wrong and what mends it."""
    found: list[str] = []
    for path, content in files().items():
        standing = root / path
        if not standing.exists():
            found.append(f"{path} is missing: run `{COMMAND}`")
        elif standing.read_text(encoding="utf-8") != content:
            if path.parent == SCHEMAS and _shape(standing.read_text(encoding="utf-8")) != _shape(content):
                found.append(f"{path}: {_NEW_VERSION}")
            else:
                found.append(f"{path} differs: run `{COMMAND}`")
    names = {channel.name: channel.version for channel in CHANNELS}
    for standing in sorted((root / SCHEMAS).glob("*.json")):
        name, _, version = standing.stem.rpartition(".v")
        if not version.isdigit() or int(version) > names.get(name, 0):
            found.append(f"{SCHEMAS / standing.name} belongs to no row of the table: run `git rm {SCHEMAS / standing.name}`")
    return found


_NEW_VERSION = (
    "the schema of an existing version changed. Messages of that version are in the log for ever: give the row the next "
    f"version in agentos/contracts/channels.py and run `{COMMAND}` "
    f"(or `{COMMAND} --unreleased` while no release has written this version)"
)


def write(root: Path, *, unreleased: bool) -> list[str]:
    """Write every file. A schema whose shape changed without a new version is left alone and returned as a fault."""
    refused: list[str] = []
    for path, content in files().items():
        target = root / path
        guarded = path.parent == SCHEMAS and not unreleased and target.exists()
        if guarded and _shape(target.read_text(encoding="utf-8")) != _shape(content):
            refused.append(f"{path}: {_NEW_VERSION}")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    return refused


def _shape(text: str) -> Any:
    """A schema without its prose: what has to stay the same within a version."""

    def strip(node: Any, *, named: bool = False) -> Any:
        if isinstance(node, dict):
            # The children of `properties` and `$defs` are names, and a field may well be called "title".
            return {
                key: strip(value, named=key in ("properties", "$defs") and not named)
                for key, value in cast("dict[str, Any]", node).items()
                if named or key not in ("title", "description")
            }
        return [strip(item) for item in cast("list[Any]", node)] if isinstance(node, list) else node

    return strip(json.loads(text))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _schema(channel: Channel) -> dict[str, Any]:
    schema = channel.payload.model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:agentos:schema:{channel.name}:{channel.version}",
        **schema,
    }


# --- AsyncAPI ---------------------------------------------------------------------------------------------------------


def _address(channel: Channel) -> tuple[str, list[str]]:
    """The pattern with its wildcards named, and the names."""
    names = iter(_PARAMETERS[channel.kind])
    used: list[str] = []
    tokens: list[str] = []
    for token in channel.pattern.split("."):
        if token == "*":
            used.append(next(names))
            tokens.append("{" + used[-1] + "}")
        else:
            tokens.append(token)
    return ".".join(tokens), used


def _asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: a channel a row, an operation for each service that publishes or reads it."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for row in CHANNELS:
        address, parameters = _address(row)
        message = f"{row.name}.v{row.version}"
        channels[row.name] = {
            "address": address,
            "description": row.doc,
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
            "parameters": {name: {"description": _MEANING[name]} for name in parameters},
            "tags": [{"name": row.kind}, {"name": f"stream:{row.stream}"}],
        }
        messages[message] = {
            "name": row.payload.__name__,
            "title": row.schema,
            "summary": (row.payload.__doc__ or row.doc).strip().splitlines()[0],
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/Envelope"},
            "payload": {"$ref": f"../../{schema_file(row).as_posix()}"},
        }
        parties = [(row.publisher, "send")] if row.publisher in SERVICES else []
        parties += [(service, "receive") for service in topology.readers_of(row)]
        for service, action in parties:
            operations[f"{service}.{action}.{row.name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{row.name}"},
                "messages": [{"$ref": f"#/channels/{row.name}/messages/{message}"}],
                "tags": [{"name": service}],
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "AgentOS",
            "version": "1",
            "description": f"Generated from agentos/contracts/channels.py by `{COMMAND}`; do not edit.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "jetstream": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "NATS JetStream. Every service has its own user, with the rights of its rows alone.",
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": {"Envelope": _ENVELOPE}},
    }


_ENVELOPE: dict[str, Any] = {
    "type": "object",
    "description": "Metadata travels in headers. The prefix Nats- is the broker's own.",
    "required": [
        "Agentos-Event-Id",
        "Agentos-Schema",
        "Agentos-Tenant",
        "Agentos-Correlation-Id",
        "Agentos-Causation-Id",
        "Agentos-Time",
    ],
    "properties": {
        "Agentos-Event-Id": {"type": "string", "description": "The same for every try of the same fact."},
        "Agentos-Schema": {"type": "string", "description": "Name and version of the payload: `<name>/<version>`."},
        "Agentos-Tenant": {"type": "string", "description": "Whose it is."},
        "Agentos-Correlation-Id": {"type": "string", "description": "The task's id wherever there is a task."},
        "Agentos-Causation-Id": {"type": "string", "description": "The event id of what was handled when this was written."},
        "Agentos-Time": {"type": "string", "format": "date-time", "description": "When the publisher wrote it, in UTC."},
        "Agentos-Claim": {"type": "string", "description": "`<sha-256>.<chunks>` in bucket payloads: the body is there."},
        "traceparent": {"type": "string", "description": "W3C Trace Context."},
    },
}


# --- the subject page -------------------------------------------------------------------------------------------------


def _subjects_page() -> str:
    lines = [
        "# Subjects, streams and buckets",
        "",
        f"Generated from `agentos/contracts/channels.py` and `buckets.py` by `{COMMAND}`; do not edit.",
        "",
        "The broker lets only the publisher publish a subject. *Readers* share one durable consumer per service; those marked",
        "*live* follow on their own, each instance for itself. The ledger and the gateway can follow every event.",
        "",
        "## Subjects",
        "",
        "| subject | kind | publisher | readers | schema | meaning |",
        "|---|---|---|---|---|---|",
        *(_subject_row(channel) for channel in CHANNELS),
        "",
        "## Streams",
        "",
        "| stream | subjects | kept | storage |",
        "|---|---|---|---|",
        *(_stream_row(stream) for stream in topology.streams(1) if not str(stream["name"]).startswith("KV_")),
        "",
        "## Buckets",
        "",
        "| bucket | writers | readers | entries live | meaning |",
        "|---|---|---|---|---|",
        *(_bucket_row(bucket) for bucket in BUCKETS),
        "",
    ]
    return "\n".join(lines)


def _subject_row(channel: Channel) -> str:
    readers = [*channel.readers, *(f"{service} (live)" for service in channel.tails if service not in channel.readers)]
    address, _ = _address(channel)
    subject = address.replace("{", "<").replace("}", ">")
    link = f"[{channel.schema}](../../{schema_file(channel).as_posix()})"
    return _row(f"`{subject}`", channel.kind, channel.publisher, ", ".join(readers) or "–", link, channel.doc)


def _stream_row(stream: dict[str, Any]) -> str:
    age = int(stream.get("max_age", 0)) // 1_000_000_000
    until = "until handled" if stream["retention"] == "workqueue" else "for ever"
    kept = f"{until}, at most {age} s".removeprefix("for ever, ") if age else until
    subjects = ", ".join(f"`{subject}`" for subject in stream["subjects"])
    return _row(f"`{stream['name']}`", subjects, kept, str(stream["storage"]))


def _bucket_row(bucket: Bucket) -> str:
    lifetime = f"{bucket.max_age_s} s" if bucket.max_age_s else "until deleted"
    readers = "every service" if bucket.readers == SERVICES else ", ".join(bucket.readers)
    writers = "every service" if bucket.writers == SERVICES else ", ".join(bucket.writers)
    return _row(f"`{bucket.name}`", writers, readers, lifetime, bucket.doc)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and list what has drifted")
    parser.add_argument(
        "--unreleased",
        action="store_true",
        help="let a schema change within its version: only while no release has written that version",
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the root of the repository")
    given = parser.parse_args(arguments)
    faults = drift(given.root) if given.check else write(given.root, unreleased=given.unreleased)
    for fault in faults:
        sys.stderr.write(fault + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
