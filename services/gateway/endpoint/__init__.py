"""The governed endpoint: unmodified OpenAI and Anthropic clients, whose every call is an event like a pack's."""
