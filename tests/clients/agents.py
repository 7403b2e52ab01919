"""Agents as people write them with pydantic-ai and LangChain, run in an environment of their own: see ``scripts/client-env``.

    python agents.py <which> <base url> <virtual key>

Each asks for the weather in two towns with a tool, by base URL alone, and prints what it answered.
"""

# What is imported here lives in the clients' own environment, where no type checker of ours looks.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
import asyncio
import sys
from collections.abc import Awaitable, Callable

CALLED: list[str] = []


def weather(town: str) -> str:
    """The weather in a town."""
    CALLED.append(town)
    return f"sunny in {town}"


async def pydantic_ai_chat(url: str, key: str) -> str:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("default", provider=OpenAIProvider(base_url=f"{url}/v1", api_key=key))
    return (await Agent(model, tools=[weather], instructions="Be brief.").run("How is it in Rome? Ask weather.")).output


async def pydantic_ai_responses(url: str, key: str) -> str:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIResponsesModel("default", provider=OpenAIProvider(base_url=f"{url}/v1", api_key=key))
    async with Agent(model, tools=[weather]).run_stream("How is it in Rome? Ask weather.") as run:
        return await run.get_output()


async def pydantic_ai_anthropic(url: str, key: str) -> str:
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    model = AnthropicModel("default", provider=AnthropicProvider(base_url=url, api_key=key))
    async with Agent(model, tools=[weather]).run_stream("How is it in Rome? Ask weather.") as run:
        return await run.get_output()


async def langchain_openai(url: str, key: str) -> str:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    agent = create_agent(ChatOpenAI(model="default", base_url=f"{url}/v1", api_key=key), [weather], system_prompt="Be brief.")
    said = await agent.ainvoke({"messages": [{"role": "user", "content": "How is it in Rome? Ask weather."}]})
    return str(said["messages"][-1].text)


async def langchain_openai_stream(url: str, key: str) -> str:
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI

    agent = create_agent(ChatOpenAI(model="default", base_url=f"{url}/v1", api_key=key, streaming=True), [weather])
    text = ""
    async for piece, _ in agent.astream(
        {"messages": [{"role": "user", "content": "How is it in Rome? Ask weather."}]}, stream_mode="messages"
    ):
        if piece.type == "AIMessageChunk":
            text += str(piece.text)
    return text


async def langchain_anthropic(url: str, key: str) -> str:
    from langchain.agents import create_agent
    from langchain_anthropic import ChatAnthropic

    agent = create_agent(ChatAnthropic(model_name="default", base_url=url, api_key=key), [weather])
    said = await agent.ainvoke({"messages": [{"role": "user", "content": "How is it in Rome? Ask weather."}]})
    return str(said["messages"][-1].text)


AGENTS: dict[str, Callable[[str, str], Awaitable[str]]] = {
    agent.__name__: agent
    for agent in (
        pydantic_ai_chat,
        pydantic_ai_responses,
        pydantic_ai_anthropic,
        langchain_openai,
        langchain_openai_stream,
        langchain_anthropic,
    )
}

if __name__ == "__main__":
    which, url, key = sys.argv[1:]
    said = asyncio.run(AGENTS[which](url, key))  # type: ignore[arg-type]
    print(f"called {CALLED}; said {said}")
