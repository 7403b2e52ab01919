"""Headers are read as nats-py reads them."""

from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client

from agentos.bus.headers import LONGEST, headers_of

_PIECES = st.sampled_from(
    [
        b"Agentos-Tenant",
        b"Nats-Stream",
        b"a" * (LONGEST + 1),
        b":",
        b": ",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"\x1c",
        b"\x85",
        b"\xff",
    ]
)
_BLOCKS = st.lists(_PIECES | st.binary(max_size=6), max_size=40).map(b"".join)


@given(_BLOCKS)
@example(b"Agentos-Tenant: default\r\nAgentos-Tenant: other\r\ntraceparent:00-a\r\n\r\n")
def test_any_block_is_read_as_nats_py_reads_it(block: bytes) -> None:
    """Names that are none are left out, of repeated ones the last counts, and what is no UTF-8 is replaced."""
    own = Client._parse_header_lines  # pyright: ignore[reportPrivateUsage] - what is replaced
    assert headers_of(block) == own(block)
    assert list(headers_of(block)) == list(own(block))
