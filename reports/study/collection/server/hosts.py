"""Which names a server answers for.

A page on another site can let its own name lead to the address of this server, so that browsers take both for
one site (DNS rebinding). Such a request names a host that this server was not started for.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_WILDCARDS = ("0.0.0.0", "::")


def names_of(host: str, further: Iterable[str] = ()) -> frozenset[str]:
    """Return the names that a server on ``host`` answers for, besides all addresses.

    Args:
        host: The name or address that it listens on.
        further: Names that the user allows, as of a proxy.
    """
    own = {socket.gethostname(), socket.getfqdn()} if host in _WILDCARDS else set()
    return frozenset(name.lower().rstrip(".") for name in {host, "localhost", *own, *further})


class KnownHosts:
    """Refuses requests whose header ``Host`` is neither an address nor one of ``names``."""

    def __init__(self, app: ASGIApp, names: AbstractSet[str]) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request, or answer it with status 421."""
        app = self.app
        if scope["type"] == "http":
            given = next((value for name, value in scope["headers"] if name == b"host"), b"")
            host = _host(given.decode("latin-1"))
            if not host or not (_is_address(host) or host in self.names):
                app = PlainTextResponse(
                    "This server was not started for the host in the address. Whoever runs it can add the "
                    "name with --allow-host.",
                    421,
                )
        await app(scope, receive, send)


def _host(header: str) -> str:
    """Return the host in a header, in lower case without the port; empty where there is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
