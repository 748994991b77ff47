"""Under which address people reach the pages, and for how long a session lasts.

The cookie is `__Host-sluice` with `Secure` where the address is https, and plain `sluice` on loopback. There is no
third way: a session cookie over plain http on a network could be read and used by anybody on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from contracts.errors import ConfigurationInvalid

_SETTING = "SLUICE_WEB__PUBLIC_URL"


@dataclass(frozen=True)
class WebAccess:
    """How browsers get in. `origin` is None where no address was given and only loopback is served."""

    origin: str | None = None
    """`scheme://host[:port]` as browsers spell it, without a default port."""
    is_on: bool = field(default=True, kw_only=True)
    """False where neither an address is known nor the listener is on loopback: nobody can sign in."""
    session_lifetime: timedelta = timedelta(hours=12)
    idle_timeout: timedelta = timedelta(hours=2)

    @property
    def is_secure(self) -> bool:
        """Whether the cookie is bound to https."""
        return self.origin is not None and self.origin.startswith("https://")

    @property
    def cookie_name(self) -> str:
        """Name of the session cookie (RFC 6265bis, section 4.1.3, for the prefix)."""
        return self.cookie("sluice")

    def cookie(self, name: str) -> str:
        """Return the name of a cookie of ours under this address."""
        return f"__Host-{name}" if self.is_secure else name

    def origin_for(self, host: str | None) -> str | None:
        """Return our own origin as a request with this `Host` header sees it; None when it is not ours.

        Without a public URL only loopback names count, so that a foreign name that resolves here (DNS rebinding)
        opens nothing.
        """
        if not self.is_on:
            return None
        if self.origin is not None:
            return self.origin
        parsed = _split(f"http://{host}") if host else None
        return _origin(parsed) if parsed is not None and is_loopback(parsed.hostname) else None


def web_access(
    public_url: str | None, listens_on: str, *, session_lifetime: timedelta, idle_timeout: timedelta
) -> WebAccess:
    """Return how browsers get in, from the settings.

    Raises:
        ConfigurationInvalid: the public URL is neither https nor http on loopback, or more than an origin.
    """
    if public_url is None:
        return WebAccess(None, session_lifetime, idle_timeout, is_on=is_loopback(listens_on))
    parsed = _split(public_url)
    if parsed is None or not parsed.hostname or parsed.path not in ("", "/") or _has_more(parsed):
        raise ConfigurationInvalid(
            f"{_SETTING} must be https://host[:port] and no more, and is {public_url!r}"
        )
    if parsed.scheme != "https" and not (parsed.scheme == "http" and is_loopback(parsed.hostname)):
        raise ConfigurationInvalid(
            f"{_SETTING} is {public_url!r}: people sign in over https, or over http on 127.0.0.1 and localhost only"
        )
    return WebAccess(_origin(parsed), session_lifetime, idle_timeout)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address means this machine."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult | None:
    try:
        parsed = urlsplit(url)
        _ = parsed.port
    except ValueError:
        return None
    return parsed


def _has_more(parsed: SplitResult) -> bool:
    return bool(parsed.query or parsed.fragment or parsed.username is not None or parsed.password is not None)


def _origin(parsed: SplitResult) -> str:
    host = parsed.hostname or ""
    host = f"[{host}]" if ":" in host else host
    is_default = parsed.port in (None, {"https": 443, "http": 80}.get(parsed.scheme))
    return f"{parsed.scheme}://{host}" + ("" if is_default else f":{parsed.port}")
