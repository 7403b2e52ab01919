"""The pipe's frames: whatever way the bytes are cut, the same frames come out; what is no frame is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.packhost.frames import MAX_FRAME_BYTES, BadFrame, Decoder, encode

FRAME = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.booleans()), max_size=5)


@given(st.lists(FRAME, max_size=5), st.lists(st.integers(0, 200), max_size=10))
def test_frames_survive_any_chopping(frames: list[dict[str, object]], cuts: list[int]) -> None:
    data = b"".join(encode(frame) for frame in frames)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder = Decoder()
    found = [frame for a, b in itertools.pairwise(places) for frame in decoder.feed(data[a:b])]
    assert found == frames


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\3{a}", b"\0\0\0\1\xff"])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Decoder().feed(data))


def test_a_frame_that_is_too_large_is_not_sent() -> None:
    with pytest.raises(BadFrame, match="are allowed"):
        encode({"x": "y" * MAX_FRAME_BYTES})
