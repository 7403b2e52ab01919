"""What every answer tells browsers: answers of the API are nothing to render, and the console's pages load only what comes from here."""

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""For whatever is no page."""

CONSOLE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Positions that scripts compute stand in style attributes, which can neither run nor load anything under this policy.
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""For the console. No script and no style sheet in a page itself, nothing from elsewhere, in nobody's frame."""

_OF_PROGRAMS = ("/api/", "/v1/", "/metrics", "/healthz", "/readyz", "/openapi.json")
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def security_headers(path: str, *, secure: bool) -> list[tuple[bytes, bytes]]:
    """The headers of an answer for ``path``; ``secure`` says that its reader came by TLS."""
    policy = API_POLICY if path.startswith(_OF_PROGRAMS) else CONSOLE_POLICY
    found = [*_ALWAYS, (b"content-security-policy", policy.encode())]
    return [*found, _HTTPS_ONLY] if secure else found


__all__ = ["API_POLICY", "CONSOLE_POLICY", "security_headers"]
