"""pydantic-ai and LangChain agents with tools run unmodified against the endpoint, by base URL alone."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agentos.contracts.model import ModelResponse, TextDelta, ToolCallDelta, ToolCallPart, ToolCallStarted, ToolResultPart
from tests.services.gateway.endpoint.world import Turn, World, answer, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools" / "clients" / "bin" / "python"


@pytest.fixture(scope="module", autouse=True)
def environment() -> None:
    subprocess.run([ROOT / "scripts" / "client-env"], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(tmp_path_factory.mktemp("clients")) as made:
        yield made


async def model(turn: Turn) -> ModelResponse:
    """Asks for the tool once, then says what it heard."""
    results = [part for message in turn.request.messages for part in message.parts if isinstance(part, ToolResultPart)]
    if not results:
        assert [tool.name for tool in turn.request.tools] == ["weather"]
        await turn.say(ToolCallStarted(index=0, id="call_1", name="weather"))
        await turn.say(ToolCallDelta(index=0, json_text='{"town": '), ToolCallDelta(index=0, json_text='"Rome"}'))
        return answer(ToolCallPart(id="call_1", name="weather", arguments={"town": "Rome"}), finish_reason="tool_calls")
    await turn.say(TextDelta(text="I hear: "))
    return answer(f"I hear: {results[0].content}")


@pytest.mark.parametrize(
    "which",
    [
        "pydantic_ai_chat",
        "pydantic_ai_responses",
        "pydantic_ai_anthropic",
        "langchain_openai",
        "langchain_openai_stream",
        "langchain_anthropic",
    ],
)
async def test_an_agent_calls_its_tool_and_answers(world: World, which: str) -> None:
    world.router.play = model
    world.router.turns.clear()
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), str(Path(__file__).with_name("agents.py")), which, world.url, await world.key(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert out.decode().strip() == "called ['Rome']; said I hear: sunny in Rome", err.decode()[-3_000:]
    assert len(world.router.turns) == 2
