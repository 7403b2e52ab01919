"""What a provider wants back unchanged and a client's dialect has no field for: it travels inside an opaque one that it has.

A thinking part's provider, signature, id and encrypted text travel as its signature (Anthropic's dialect) or encrypted content
(Responses); the mark of the thinking that led to a tool call travels behind the call's id. Clients send all of these back as they got
them. Nothing here is trusted: who alters it has a provider that refuses it.
"""

import base64
import binascii
import json
from typing import Any, cast

from agentos.contracts.model import ThinkingPart, ToolCallPart
from services.gateway.endpoint.errors import refused_field

_MARK = "aos1."
_AFTER_ID = "~aos1."


def signature_of(part: ThinkingPart) -> str | None:
    """What stands for ``part`` beside its text in Anthropic's dialect; None where there is nothing to carry."""
    if part.provider == "anthropic" and part.encrypted is None:
        return part.signature
    return packed(part)


def packed(part: ThinkingPart) -> str | None:
    """All of ``part`` but its text; None where there is nothing to carry."""
    fields = {"p": part.provider, "s": part.signature, "e": part.encrypted, "i": part.id}
    kept = {name: value for name, value in fields.items() if value is not None}
    return _MARK + _packed(kept) if len(kept) > 1 else None


def thinking_of(text: str, signature: str | None, param: str) -> ThinkingPart:
    """The part that ``signature_of`` or ``packed`` was made of; one that is not ours is Anthropic's own."""
    if signature is None or not signature.startswith(_MARK):
        return ThinkingPart(provider="anthropic" if signature else "unknown", text=text, signature=signature or None)
    fields = _unpacked(signature.removeprefix(_MARK), param)
    return ThinkingPart(
        provider=fields.get("p", "unknown"), text=text, signature=fields.get("s"), encrypted=fields.get("e"), id=fields.get("i")
    )


def hidden_thinking(data: str) -> ThinkingPart:
    """A block of Anthropic's own that shows nobody what was thought."""
    return ThinkingPart(provider="anthropic", encrypted=data)


def reasoning_item(text: str, encrypted: str, id_: str | None) -> ThinkingPart:
    """A reasoning item of OpenAI's own."""
    return ThinkingPart(provider="openai", text=text, encrypted=encrypted, id=id_)


def hidden_of(part: ThinkingPart) -> str | None:
    """What stands for a part of which nothing is shown; None where something is."""
    if part.text or part.encrypted is None:
        return None
    return part.encrypted if part.provider == "anthropic" else packed(part)


def tool_id(id_: str, signature: str | None) -> str:
    """The id of a tool call as the client gets it."""
    return id_ if signature is None else id_ + _AFTER_ID + _packed({"s": signature})


def plain_id(id_: str) -> str:
    """The provider's own id within what ``tool_id`` made."""
    return id_.partition(_AFTER_ID)[0]


def tool_call(id_: str, name: str, arguments: dict[str, Any], param: str, **more: Any) -> ToolCallPart:
    """The call that a client sends back."""
    plain, marked, packed = id_.partition(_AFTER_ID)
    signature = _unpacked(packed, param).get("s") if marked else None
    return ToolCallPart(id=plain, name=name, arguments=arguments, signature=signature, **more)


def _packed(fields: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def _unpacked(text: str, param: str) -> dict[str, str]:
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in cast("dict[str, Any]", value).values()):
        raise refused_field(param, "was altered: send it back as you got it")
    return cast("dict[str, str]", value)
