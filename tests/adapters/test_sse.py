"""Server-sent events, cut from bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sse import EventStream, TooLong


def _events(*pieces: bytes) -> list[tuple[bytes, bytes]]:
    stream = EventStream()
    found = [event for piece in pieces for event in stream.feed(piece)]
    return [*found, *stream.end()]


_LINES = st.lists(
    st.sampled_from(
        [b"data: a", b"data:b", "data: é🎉".encode(), b"data", b"data:  two blanks", b"event: x", b"event:y", b": ping", b"id: 1", b"", b""]
    ),
    max_size=12,
)  # fmt: skip


@given(
    lines=_LINES,
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    bom=st.booleans(),
)
def test_the_events_are_the_same_wherever_the_bytes_are_cut_and_however_lines_end(
    lines: list[bytes], end: bytes, cuts: list[int], bom: bool
) -> None:
    expected = _events(b"".join(line + b"\n" for line in lines))
    body = b"\xef\xbb\xbf" * bom + b"".join(line + end for line in lines)
    at = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert _events(*(body[start:stop] for start, stop in pairwise(at))) == expected
    assert _events(*(body[index : index + 1] for index in range(len(body)))) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"event: x\ndata: a\ndata: b\n\n", [(b"x", b"a\nb")]),
        (b"event: x\n\ndata: a\n\n", [(b"", b"a")]),
        (b"data: a", [(b"", b"a")]),
        (b"data: a\r", [(b"", b"a")]),
        (b"\n\n\n", []),
        (b": only\n: pings\n\n", []),
        (b"DATA: a\ndatax: b\n\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(body: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert _events(body) == expected


def test_an_event_is_given_as_soon_as_its_blank_line_is_there_also_where_lines_end_in_cr() -> None:
    stream = EventStream()
    assert list(stream.feed(b"data: a\r\r")) == [(b"", b"a")]
    assert list(stream.feed(b"\ndata: b\r\n\r\n")) == [(b"", b"b")]


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 1_000_000, b"data: " + b"x" * 1_000_000 + b"\n"])
def test_an_event_without_an_end_is_not_kept_in_memory(piece: bytes) -> None:
    with pytest.raises(TooLong):
        _events(*[piece] * 100)
