"""Run the lab's server in this process."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from fesbench.core.errors import BenchError

from .connections import MOST, LimitedConnection

LONGEST_HEAD = 16 * 2**10
"""Largest size of the first line and headers of a request, in bytes."""


def run_server(app: ASGIApp, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        app: The ASGI application.
        host: The address to listen on.
        port: The port; 0 chooses a free one.
        ready: Called with the address as soon as the server listens.

    Raises:
        BenchError: the server cannot listen on the address.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        http=LimitedConnection,
        loop="asyncio",
        limit_concurrency=MOST,
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
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(MOST)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise BenchError(f"cannot listen on {host}, port {port}: {error}; choose another --port") from error
    return listener
