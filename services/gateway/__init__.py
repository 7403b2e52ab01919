"""The edge: webhooks, the REST API, live events, authentication. The only service that speaks HTTP with the outside."""
