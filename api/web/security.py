"""What a page of ours may do in a browser: one nonce a response, and a policy that lets nothing else run.

Scripts and styles come from our own origin, HTML is made by htmx's and our own trusted type only, no page is framed,
no address leaves with a link (CSP Level 3, Trusted Types, Fetch Metadata).
"""

from __future__ import annotations

import secrets

_POLICY = (
    "default-src 'none'",
    "script-src 'self' 'nonce-{nonce}'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types htmx app",
)


def new_nonce() -> str:
    """Return 128 random bits as text. Each response has its own (CSP Level 3, §7.1)."""
    return secrets.token_urlsafe(16)


def page_headers(nonce: str) -> dict[str, str]:
    """Return the headers of an HTML response."""
    return {
        "Content-Security-Policy": "; ".join(_POLICY).format(nonce=nonce),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Vary": "Cookie, HX-Request",
    }
