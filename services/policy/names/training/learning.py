"""The network's training, by hand in numpy: forward, backward, Adam. Deterministic for a seed."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.policy.names.network import ENTITIES, LABELS, WIDTH, WINDOW, Floats, Ints, Network, mix
from services.policy.names.training.grammar import Document
from services.policy.names.words import BUCKETS, FEATURES, IDENTITY, LISTED, LONGEST_PARTS, TOKEN, features, key, unlisted_rows

GAP = 6
"""Padding between documents in a batch: more than the network sees to one side."""
HIDE_IDENTITY, HIDE_LISTS, HIDE_BOTH = 0.1, 0.12, 0.28
"""Of the words of a batch: a name that is on no list and was never seen must be told by its shape and its neighbours."""
DROPOUT = 0.2
SWAPPED = 0.15
"""Of the ordinary words, so many are others in each pass: the words around a name are not always the templates'."""
DECAY1, DECAY2, EPSILON = 0.9, 0.98, 1e-8


@dataclass
class Examples:
    """All documents as word numbers and labels; word 0 is padding."""

    rows: Ints
    """(words, FEATURES)"""
    words: list[Ints]
    labels: list[Ints]
    ordinary: npt.NDArray[np.bool_]
    """Of each word: in lower case, and never part of a name."""


def examples(documents: Iterable[Document], listed: Callable[[str], int]) -> Examples:
    numbers: dict[str, int] = {"": 0}
    rows: list[list[int]] = [[0] * FEATURES]
    words: list[Ints] = []
    labels: list[Ints] = []
    kinds = {entity: index + 1 for index, entity in enumerate(ENTITIES)}
    for document in documents:
        ids: list[int] = []
        told: list[int] = []
        spans = iter(document.spans)
        span = next(spans, None)
        for match in TOKEN.finditer(document.text):
            start, end = match.span()
            token = key(match[0])
            number = numbers.get(token)
            if number is None:
                number = numbers[token] = len(rows)
                rows.append(features(token, listed))
            while span is not None and span[1] <= start:
                span = next(spans, None)
            # The blank before a word is part of its token.
            inside = span is not None and start + (match[0][0] == " ") < span[1] and end > span[0]
            ids.append(number)
            told.append(kinds[span[2]] if inside and span is not None else 0)
        if ids:
            words.append(np.array(ids, np.int32))
            labels.append(np.array(told, np.int32))
    ordinary = np.array([word.strip().isalpha() and word.islower() for word in numbers], np.bool_)
    for ids_of_one, told_of_one in zip(words, labels, strict=True):
        # A word of a password is an ordinary one.
        ordinary[ids_of_one[(told_of_one > 0) & (told_of_one != kinds["CREDENTIAL"])]] = False
    return Examples(np.array(rows, np.int32), words, labels, ordinary)


class Learner:
    """Parameters, their moments, and a step."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

        def matrix(rows: int, columns: int, fan: int) -> Floats:
            return (self.rng.standard_normal((rows, columns)) * np.sqrt(2.0 / fan)).astype(np.float32)

        w = WIDTH
        self.p: dict[str, Floats] = {
            "table": (self.rng.standard_normal((BUCKETS, w)) * 0.1).astype(np.float32),
            "word_bias": np.zeros(w, np.float32),
            "first": matrix(w, 5 * w, 5 * w),
            "first_bias": np.zeros(w, np.float32),
            "second": matrix(w, 5 * w, 10 * w),
            "second_line": matrix(w, w, 4 * w),
            "second_bias": np.zeros(w, np.float32),
            "third": matrix(w, 3 * w, 6 * w),
            "third_bias": np.zeros(w, np.float32),
            "out": matrix(w, LABELS, 2 * w),
            "out_bias": np.zeros(LABELS, np.float32),
        }
        self.p["table"][0] = 0
        self.m = {name: np.zeros_like(value) for name, value in self.p.items()}
        self.v = {name: np.zeros_like(value) for name, value in self.p.items()}
        self.steps = 0

    def step(self, rows: Ints, ids: Ints, labels: Ints, lines: Ints, rate: float) -> float:
        """One batch: the summed loss of its tokens. ``ids`` are numbers of ``rows``, 0 for padding; ``lines`` their first tokens."""
        p: Any = self.p  # numpy's stubs call the product of two float32 arrays anything but that
        rng: Any = self.rng
        unique, inverse = np.unique(ids, return_inverse=True)
        seen = rows[unique]
        fate = rng.random(len(unique))
        unknown = fate < HIDE_BOTH
        nameless = unknown | (fate > 1 - HIDE_IDENTITY)
        seen[np.ix_(nameless, list(IDENTITY))] = 0
        seen[np.ix_(unknown & (fate < HIDE_BOTH / 2), list(LONGEST_PARTS))] = 0
        unlisted = (unknown | ((fate > HIDE_BOTH) & (fate < HIDE_BOTH + HIDE_LISTS))) & (seen[:, LISTED.start] != 0)
        seen[unlisted, LISTED] = unlisted_rows()
        mask: Floats = (ids != 0).astype(np.float32)[:, None]

        x = p["table"][seen].sum(axis=1) + p["word_bias"]
        keep_x = (rng.random(x.shape, np.float32) > DROPOUT) / np.float32(1 - DROPOUT)
        on_x = (x > 0) * keep_x
        v = x * on_x
        u = v @ p["first"]
        a1 = mix([u[inverse] * mask], len(ids), WINDOW) + p["first_bias"]
        keep_1 = (rng.random(a1.shape, np.float32) > DROPOUT) / np.float32(1 - DROPOUT) * mask
        on_1 = (a1 > 0) * keep_1
        h1 = a1 * on_1
        lengths = np.diff(lines, append=len(ids))
        share = (1 / lengths[:, None]).astype(np.float32)
        mean = np.add.reduceat(h1, lines, axis=0) * share
        a2 = mix([h1 @ p["second"]], len(ids), WINDOW) + np.repeat(mean @ p["second_line"], lengths, axis=0) + p["second_bias"]
        on_2 = (a2 > 0) * mask
        h2 = h1 + a2 * on_2
        a3 = mix([h2 @ p["third"]], len(ids), 3) + p["third_bias"]
        on_3 = (a3 > 0) * mask
        h3 = h2 + a3 * on_3
        z = h3 @ p["out"] + p["out_bias"]
        z -= z.max(axis=1, keepdims=True)
        probability = np.exp(z)
        probability /= probability.sum(axis=1, keepdims=True)
        at = np.arange(len(ids))
        loss = float(-(np.log(probability[at, labels] + 1e-9) * mask[:, 0]).sum())

        dz = probability
        dz[at, labels] -= 1
        dz *= mask / np.float32(max(1.0, float(mask.sum())))
        g: dict[str, Any] = {"out": h3.T @ dz, "out_bias": dz.sum(axis=0)}
        dh3 = dz @ p["out"].T
        d3 = dh3 * on_3
        spread = _unmix(d3, 3)
        g |= {"third": h2.T @ spread, "third_bias": d3.sum(axis=0)}
        dh2 = dh3 + spread @ p["third"].T
        d2 = dh2 * on_2
        spread = _unmix(d2, WINDOW)
        lined = np.add.reduceat(d2, lines, axis=0)
        g |= {"second": h1.T @ spread, "second_bias": d2.sum(axis=0), "second_line": mean.T @ lined}
        dh1 = dh2 + spread @ p["second"].T + np.repeat((lined @ p["second_line"].T) * share, lengths, axis=0)
        d1 = dh1 * on_1
        spread = _unmix(d1, WINDOW) * mask
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(len(unique)))
        du = np.add.reduceat(spread[order], starts, axis=0)
        g |= {"first": v.T @ du, "first_bias": d1.sum(axis=0)}
        dx = (du @ p["first"].T) * on_x
        g["word_bias"] = dx.sum(axis=0)
        self._adam(g, rate)
        self._adam_of_rows(seen, dx, rate)
        return loss

    def _adam(self, gradients: dict[str, Any], rate: float) -> None:
        self.steps += 1
        corrected = rate * np.sqrt(1 - DECAY2**self.steps) / (1 - DECAY1**self.steps)
        for name, g in gradients.items():
            m, v = self.m[name], self.v[name]
            m *= DECAY1
            m += (1 - DECAY1) * g
            v *= DECAY2
            v += (1 - DECAY2) * g * g
            self.p[name] -= (corrected * m / (np.sqrt(v) + EPSILON)).astype(np.float32)

    def _adam_of_rows(self, seen: Ints, dx: Floats, rate: float) -> None:
        """The table's rows that the batch touched; the others' moments stand still."""
        flat = seen.ravel()
        order = np.argsort(flat, kind="stable")
        touched, starts = np.unique(flat[order], return_index=True)
        g = np.add.reduceat(dx[order // FEATURES], starts, axis=0)
        if touched[0] == 0:
            touched, g = touched[1:], g[1:]
        m = self.m["table"][touched] * DECAY1 + (1 - DECAY1) * g
        v = self.v["table"][touched] * DECAY2 + (1 - DECAY2) * g * g
        self.m["table"][touched], self.v["table"][touched] = m, v
        corrected = rate * np.sqrt(1 - DECAY2**self.steps) / (1 - DECAY1**self.steps)
        self.p["table"][touched] -= (corrected * m / (np.sqrt(v) + EPSILON)).astype(np.float32)

    def network(self, listed: dict[int, int]) -> Network:
        """As it is shipped; ``listed`` is hash of a word -> lists."""
        table = self.p["table"]
        scale: Floats = np.maximum(np.abs(table).max(axis=1), 1e-6).astype(np.float32) / np.float32(127)
        scale = scale.astype(np.float16).astype(np.float32)
        scale[scale == 0] = np.float32(1e-6)
        hashes = np.array(sorted(listed), np.uint32)
        rest: dict[str, Any] = {name: value for name, value in self.p.items() if name != "table"}
        return Network(
            table=np.clip(np.rint(table / scale[:, None]), -127, 127).astype(np.int8),
            scale=scale,
            listed_hashes=hashes,
            listed_bits=np.array([listed[h] for h in hashes.tolist()], np.uint8),
            **rest,
        )


def _unmix(gradient: Floats, window: int) -> Floats:
    """The transpose of ``mix``: (tokens, WIDTH) -> (tokens, window·WIDTH)."""
    spread: npt.NDArray[np.float32] = np.zeros((len(gradient), window, WIDTH), np.float32)
    for k in range(window):
        shift = k - window // 2
        if shift > 0:
            spread[:-shift, k] = gradient[shift:]
        elif shift < 0:
            spread[-shift:, k] = gradient[:shift]
        else:
            spread[:, k] = gradient
    return spread.reshape(len(gradient), window * WIDTH)


def learn(data: Examples, seed: int, epochs: int, batch_tokens: int, rate: float, report: Callable[[str], None]) -> Learner:
    """Passes over the documents in a new order each time, the rate falling to nothing."""
    learner = Learner(seed)
    shuffle = random.Random(seed)  # noqa: S311  # training must be the same each time
    # Every token that ends a line: its row's word is a line end.
    ends = _line_ends(data)
    ordinary = np.flatnonzero(data.ordinary).astype(np.int32)
    order = list(range(len(data.words)))
    total = sum(len(words) + GAP for words in data.words) * epochs
    done = 0
    for epoch in range(epochs):
        shuffle.shuffle(order)
        loss, tokens = 0.0, 0
        batch: list[int] = []
        size = 0
        for position, index in enumerate(order):
            batch.append(index)
            size += len(data.words[index]) + GAP
            if size >= batch_tokens or position == len(order) - 1:
                ids, labels, lines = _batch(data, batch, ends)
                if len(ordinary):
                    # Other words around the names than the templates have.
                    swapped = data.ordinary[ids] & (labels == 0) & (learner.rng.random(len(ids)) < SWAPPED)
                    ids[swapped] = learner.rng.choice(ordinary, int(swapped.sum()))
                # A short warm-up, then down to nothing.
                now = rate * min(1.0, (done + size) / (0.03 * total)) * max(0.02, 1 - done / total)
                loss += learner.step(data.rows, ids, labels, lines, now)
                tokens += int((ids != 0).sum())
                done += size
                batch, size = [], 0
        report(f"epoch {epoch + 1} of {epochs}: loss {loss / max(1, tokens):.4f} a token")
    return learner


def _line_ends(data: Examples) -> frozenset[int]:
    known = {tuple(features(end, lambda _: 0)) for end in ("\n", "\n\n", "\n\t")}
    return frozenset(number for number, row in enumerate(data.rows.tolist()) if tuple(row) in known)


def _batch(data: Examples, batch: list[int], ends: frozenset[int]) -> tuple[Ints, Ints, Ints]:
    gap = np.zeros(GAP, np.int32)
    ids = np.concatenate([part for index in batch for part in (data.words[index], gap)])
    labels = np.concatenate([part for index in batch for part in (data.labels[index], gap)])
    lines = [0]
    at = 0
    for index in batch:
        words: list[int] = data.words[index].tolist()
        lines += [at + position + 1 for position, word in enumerate(words) if word in ends and position + 1 < len(words)]
        at += len(words)
        lines.append(at)
        at += GAP
        lines.append(at)
    lines.pop()
    return ids, labels, np.array(lines, np.int32)


__all__ = ["Examples", "Learner", "examples", "learn"]
