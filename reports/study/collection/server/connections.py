"""Limits of connections in number and time, so that slow, silent or many clients keep no others out."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 1000
"""Connections open at once; further ones get status 503, and the page tries again."""
OF_ONE_ADDRESS = MOST // 2
"""Connections that one address may have open; a class behind one proxy shares them."""
HEAD_SECONDS = 10.0
"""How long the first line and the headers of a request may take to arrive."""
READ_SECONDS = 60.0
"""How long a client may take to read what was written to it."""

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
)


class LimitedConnection(H11Protocol):
    """A connection of uvicorn's that ends where a request or the reading of a response takes too long."""

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; close the connection where its address has too many."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # pause_writing is called as soon as a client does not read
        if sum(_address(other) == _address(self) for other in self.connections) > OF_ONE_ADDRESS:
            transport.write(_BUSY)
            transport.close()
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        self._await_head()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            _stop(self._head)
            self._head = None

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read everything."""
        super().resume_writing()
        _stop(self._unread)
        self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        _stop(self._head)
        _stop(self._unread)
        self._head = self._unread = None
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head = self._head or self.loop.call_later(HEAD_SECONDS, self.transport.abort)


def _address(connection: object) -> str:
    client = getattr(connection, "client", None)
    return client[0] if client else ""


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()
