"""Writes the gateway's OpenAPI document, from which the ops console's types are generated; ``--check`` only compares."""

import argparse
import json
from pathlib import Path

from services.gateway.app import create_api


def document() -> str:
    """The document as it is committed: the same text for the same API."""
    return json.dumps(create_api().openapi(), indent=1, sort_keys=True) + "\n"


def main() -> int:
    """The process's exit code: 1 where the file differs."""
    parser = argparse.ArgumentParser(prog="services.gateway.openapi", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    file: Path = chosen.file
    written = document()
    if not chosen.check:
        file.write_text(written)
        return 0
    if file.is_file() and file.read_text() == written:
        return 0
    print(f"{file} is not what the gateway describes")  # noqa: T201 - a command's output
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
