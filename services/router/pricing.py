"""How many tokens a request takes, by a stated estimate: for choosing, and for attempts of which the provider does not say it."""

from agentos.contracts.model import ModelRequest, Usage, images, texts

__all__ = ["IMAGE_TOKENS", "estimate", "estimated_input"]

BYTES_PER_TOKEN = 4
"""Of text. English takes a little less than one token for four bytes, most other languages less, code about as much."""
IMAGE_TOKENS = 1_000
"""A rough figure: providers count 85 to 1,600, by size."""
MESSAGE_TOKENS = 4
"""What stands around each turn."""


def estimated_input(request: ModelRequest) -> int:
    """Tokens of the request: its texts and tools, four bytes each, and round figures for turns and images."""
    found = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts(request)) // BYTES_PER_TOKEN
    found += sum(len(tool.description) + len(str(tool.parameters)) for tool in request.tools) // BYTES_PER_TOKEN
    return found + MESSAGE_TOKENS * len(request.messages) + IMAGE_TOKENS * sum(1 for _ in images(request))


def estimate(request: ModelRequest) -> Usage:
    """The input that ``request`` is, none of it from a cache."""
    return Usage(input_tokens=estimated_input(request))
