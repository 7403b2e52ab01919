"""Agents that are put away and taken up again."""

from typing import Any

from agentos.sdk import Context


async def patient(ctx: Context, input: dict[str, Any]) -> dict[str, Any]:
    """A model call before and one after a person's word."""
    first = await ctx.model("What would you do?")
    approval = await ctx.approval("May it be done?")
    second = await ctx.model("Then do it.")
    return {"answers": [first.text, second.text], "comment": approval.comment}


async def pair(ctx: Context, input: dict[str, Any]) -> list[str]:
    """Two model calls, the second by the model that the input names."""
    first = await ctx.model("Say one thing.")
    second = await ctx.model("Say another thing.", model=str(input["second"]))
    return [first.text, second.text]
