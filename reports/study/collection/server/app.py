"""The HTTP side of the lab's server.

``GET`` answers only what is in ``_pages``: the page, its scripts and the stimuli of the forms. ``POST
api/start`` gives a participant a form, ``POST api/answer`` takes one answer. Requests are small JSON objects
with nothing unknown in them; everything else is refused before the answers are touched.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...packet.web.page import NO_CODES, Codes, asset_files, config_script
from ...schema import Form, Study, TrialId
from ...storage import stimulus_path
from .collection import Collection, Refused
from .commits import Commits
from .limits import Limit

LARGEST = 1024
"""Bytes of a request's body; ours have fewer than 200."""
BODY_SECONDS = 10
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}

Token = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class _Body(BaseModel):
    """Every request shows the token, which the participant's browser has made."""

    model_config = ConfigDict(extra="forbid", strict=True)
    token: Token


class Start(_Body):
    """Asks for a form. ``participant`` is a platform's id, or made by chance."""

    participant: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    screen: Annotated[str, StringConstraints(pattern=r"^\d{1,5}x\d{1,5}$")] = "0x0"


class Answer(_Body):
    """One answer."""

    trial_id: TrialId
    answer: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    rt_ms: float = Field(ge=0, le=86_400_000, allow_inf_nan=False)


Body = TypeVar("Body", bound=_Body)
Endpoint = Callable[[Request], Awaitable[Response]]


class _Secured:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class _Service:
    """The two things that participants' browsers ask for."""

    def __init__(self, commits: Commits, forms: Sequence[Form], clock: Callable[[], float]) -> None:
        self.commits, self.clock = commits, clock
        self.forms = {form.id: form.model_dump(mode="json") for form in forms}
        self.by_address, self.by_token = Limit(rate=60, burst=400), Limit(rate=4, burst=30)

    async def start(self, request: Request) -> Response:
        asked = await self._body(request, Start)
        collection = self.commits.collection
        form = await self.commits.do(lambda: collection.start(asked.participant, asked.token, asked.screen))
        return JSONResponse({"form": self.forms[form]})

    async def answer(self, request: Request) -> Response:
        given = await self._body(request, Answer)
        collection = self.commits.collection
        new = await self.commits.do(
            lambda: collection.answer(given.token, given.trial_id, given.answer, given.rt_ms)
        )
        return JSONResponse({"kept": True, "new": new})

    async def _body(self, request: Request, kind: type[Body]) -> Body:
        """A checked request, unless there are too many of them."""
        self._limit(self.by_address, request.client.host if request.client else "")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "Send application/json.")
        try:
            body = kind.model_validate_json(await _read(request))
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"])) or "the body"
            raise Refused(400, f"Malformed request: {place}.") from error
        self._limit(self.by_token, body.token)
        return body

    def _limit(self, limit: Limit, key: str) -> None:
        seconds = limit.wait(key, self.clock())
        if seconds:
            raise Refused(429, f"Too many requests; wait {math.ceil(seconds)} s.")


async def _read(request: Request) -> bytes:
    """The body; a larger one than ``LARGEST`` is not read to its end."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST:
        raise Refused(413, f"Requests have at most {LARGEST} bytes.")
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST:
                    raise Refused(413, f"Requests have at most {LARGEST} bytes.")
    except (TimeoutError, ClientDisconnect) as error:
        raise Refused(408, "The request never ended.") from error
    return body


def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {"Retry-After": "1"} if error.status == 429 else None
    return JSONResponse({"error": error.message}, error.status, headers)


def _pages(
    packet: Path, study: Study, forms: Sequence[Form], texts: Mapping[str, str], codes: Codes
) -> dict[str, str | Path]:
    """Path to text or file of all that may be fetched; there is no way to anything else."""
    pages: dict[str, str | Path] = dict(asset_files())
    pages["config.js"] = config_script(study, texts, codes, {"server": True})
    names = {name for form in forms for name in form.stimuli}
    return pages | {f"stimuli/{name}.png": stimulus_path(packet, name) for name in names}


def _fetch(pages: Mapping[str, str | Path]) -> Endpoint:
    async def fetch(request: Request) -> Response:
        name = request.path_params["name"] or "index.html"
        content = pages.get(name)
        if content is None:
            return PlainTextResponse("There is no such page.", 404)
        if isinstance(content, Path):
            return FileResponse(content)
        return Response(content, media_type=_TYPES[Path(name).suffix])

    return fetch


def make_app(
    packet: Path,
    study: Study,
    forms: Sequence[Form],
    texts: Mapping[str, str],
    collection: Collection,
    codes: Codes = NO_CODES,
    clock: Callable[[], float] = monotonic,
) -> ASGIApp:
    """The ASGI application; it closes the collection when it ends.

    Args:
        packet: Where the stimuli are.
        study: The study.
        forms: All its forms.
        texts: ``consent``, ``instructions`` and ``debrief`` in Markdown.
        collection: Where answers go.
        codes: Where participants are sent at the end.
        clock: Seconds, by which whoever asks too often is told.
    """
    commits = Commits(collection)
    service = _Service(commits, forms, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await commits.close()

    routes = [
        Route("/api/start", service.start, methods=["POST"]),
        Route("/api/answer", service.answer, methods=["POST"]),
        Route("/{name:path}", _fetch(_pages(packet, study, forms, texts, codes)), methods=["GET"]),
    ]
    return _Secured(Starlette(routes=routes, lifespan=lifespan, exception_handlers={Refused: _refusal}))
