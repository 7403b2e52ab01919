"""Webhook verification as pure functions: bytes in, verdict out. Nothing here knows of HTTP frameworks or the bus."""
