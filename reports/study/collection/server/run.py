"""Starts the lab's server in this process."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from fesbench.core.errors import BenchError

MOST_CONNECTIONS = 1000
"""Open at once; one more is answered 503, and the page tries again."""
LONGEST_HEAD = 16 * 2**10
"""Bytes of a request's first line and headers."""


def serve(app: ASGIApp, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        app: What to serve.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        ready: Told the address when requests are taken.

    Raises:
        BenchError: the address cannot be listened on.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        http="h11",
        loop="asyncio",
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
    )
    listener = _listening(host, port)
    shown = f"[{host}]" if ":" in host else host
    ready(f"http://{shown}:{listener.getsockname()[1]}/")
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(MOST_CONNECTIONS)
    except OSError as error:
        raise BenchError(f"cannot listen on {host}, port {port}: {error}; choose another --port") from error
    return listener
