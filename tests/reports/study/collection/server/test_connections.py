"""Connections end where a request never ends or a response is never read, and none takes every place."""

import asyncio
from contextlib import asynccontextmanager

import uvicorn
from starlette.responses import Response

from fesbench.reports.study.collection.server import connections
from fesbench.reports.study.collection.server.connections import LimitedConnection

REQUEST = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"


@asynccontextmanager
async def serving(app):
    """Yield a function that opens a connection to a server with limited connections."""
    config = uvicorn.Config(app, http=LimitedConnection, limit_concurrency=connections.MOST, log_config=None)
    config.load()
    state = uvicorn.Server(config).server_state
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: LimitedConnection(config, state, {}), "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    links = []

    async def open_link():
        links.append(await asyncio.open_connection(*address, limit=2**26))
        return links[-1]

    try:
        yield open_link
    finally:
        for _, writer in links:
            writer.transport.abort()
        server.close()


async def status(link):
    reader, writer = link
    writer.write(REQUEST)
    return int((await reader.readline()).split()[1])


def test_a_request_whose_head_never_ends_loses_its_connection(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)

    async def ask():
        async with serving(Response("page")) as open_link:
            silent, slow, second = [await open_link() for _ in range(3)]
            assert await status(second) == 200
            await second[0].readuntil(b"page")
            for _, writer in (slow, second):
                writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
            return [await reader.read() for reader, _ in (silent, slow, second)]

    assert asyncio.run(ask()) == [b"", b"", b""]


def test_a_whole_request_may_take_its_time_to_be_answered(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.01)

    async def late(scope, receive, send):
        await asyncio.sleep(0.1)
        await Response("page")(scope, receive, send)

    async def ask():
        async with serving(late) as open_link:
            return await status(await open_link())

    assert asyncio.run(ask()) == 200


def test_one_address_does_not_take_every_place(monkeypatch):
    monkeypatch.setattr(connections, "OF_ONE_ADDRESS", 3)

    async def ask():
        async with serving(Response("page")) as open_link:
            links = [await open_link() for _ in range(4)]
            statuses = [await status(link) for link in reversed(links)]
            links[0][1].transport.abort()
            await asyncio.sleep(0.05)
            return statuses, await status(await open_link())

    assert asyncio.run(ask()) == ([503, 200, 200, 200], 200)


def test_a_response_that_is_never_read_loses_its_connection(monkeypatch):
    monkeypatch.setattr(connections, "READ_SECONDS", 0.05)
    size = 2**25

    async def ask():
        async with serving(Response(bytes(size))) as open_link:
            reader, writer = await open_link()
            writer.transport.pause_reading()
            writer.write(REQUEST)
            await asyncio.sleep(0.5)
            writer.transport.resume_reading()
            return await reader.read()

    assert len(asyncio.run(ask())) < size
