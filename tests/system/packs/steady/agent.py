"""A well-behaved agent with every kind of step that needs no person."""

from typing import Any

from agentos.sdk import Context, ToolCall, ToolResult


async def steady(ctx: Context, input: dict[str, Any]) -> dict[str, Any]:
    """Model, tool, clock, dice, model. ``model`` in the input names the model."""
    model = str(input.get("model", "default"))
    began = await ctx.now()
    first = await ctx.model("What is the first word?", model=model)
    found = await ctx.tool("local.lookup", word="governance")
    dice = await ctx.random()
    second = await ctx.model(f"A word of {found['length']} letters: which?", model=model)
    return {"began": began.isoformat(), "dice": dice, "length": found["length"], "answers": [first.text, second.text]}


async def lookup(call: ToolCall) -> ToolResult:
    """The length of ``word``."""
    return ToolResult({"length": len(call.arguments["word"])})
