"""Who sends a request: people with passwords or an identity provider, their sessions, their tokens; and API keys."""
