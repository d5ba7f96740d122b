"""Downloads by URL, from a server in this process that breaks off, changes its mind, or offers too much."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fesbench import weights
from fesbench.cli.weights import weights as command
from fesbench.core.errors import WeightsMissing
from fesbench.weights import WeightFile, resolve
from fesbench.weights.download import download

CONTENT = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Serves ``content`` at every path but /nothing, and closes the connection after ``most`` bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.most, self.tag, self.ranges = CONTENT, len(CONTENT), '"one"', True
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/net.pth"


class Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.asked.append(asked)
        if self.path == "/nothing":
            self.send_error(404)
            return
        content, start = self.server.content, 0
        if self.server.ranges and asked and self.headers.get("If-Range") == self.server.tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.most])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server: Server, path: Path, limit: int = 1 << 20) -> list[tuple[int, int | None]]:
    heard: list[tuple[int, int | None]] = []
    download(server.url, path, limit, lambda *progress: heard.append(progress))
    return heard


def test_what_breaks_off_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.most = 3000
    heard = get(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert server.asked == ["", "bytes=3000-", "bytes=6000-", "bytes=9000-"]
    assert heard[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server: Server, tmp_path: Path) -> None:
    server.most, server.ranges = 4000, False
    with pytest.raises(WeightsMissing, match=r"broke off after 4000 of 10240 bytes.*kept for the next try"):
        get(server, tmp_path / "net.pth")
    server.most, server.ranges = len(CONTENT), True
    get(server, tmp_path / "net.pth")
    assert server.asked[-1] == "bytes=4000-"
    assert (tmp_path / "net.pth").read_bytes() == CONTENT


def test_the_beginning_of_another_version_is_not_built_upon(server: Server, tmp_path: Path) -> None:
    server.most, server.ranges = 4000, False
    with pytest.raises(WeightsMissing):
        get(server, tmp_path / "net.pth")
    server.content, server.tag, server.most, server.ranges = CONTENT[::-1], '"two"', len(CONTENT), True
    get(server, tmp_path / "net.pth")
    assert (tmp_path / "net.pth").read_bytes() == CONTENT[::-1]


def test_without_a_mark_of_the_version_it_begins_anew(server: Server, tmp_path: Path) -> None:
    server.tag, server.most = "", 4000
    with pytest.raises(WeightsMissing, match="broke off"):
        get(server, tmp_path / "net.pth")
    server.most = len(CONTENT)
    get(server, tmp_path / "net.pth")
    assert server.asked == ["", ""]
    assert (tmp_path / "net.pth").read_bytes() == CONTENT


def test_what_two_programs_wrote_together_is_refused(server: Server, tmp_path: Path) -> None:
    def other_program(*_: object) -> None:
        with (tmp_path / "net.part").open("ab") as file:
            file.write(b"something else")

    with pytest.raises(WeightsMissing, match="by another program too"):
        download(server.url, tmp_path / "net", 1 << 20, other_program)
    assert not list(tmp_path.iterdir())


def test_more_than_the_limit_is_refused_and_nothing_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="not the file it should be"):
        get(server, tmp_path / "net.pth", limit=len(CONTENT) - 1)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_or_has_no_such_file_is_named(server: Server, tmp_path: Path) -> None:
    nothing = server.url.replace("net.pth", "nothing")
    with pytest.raises(WeightsMissing, match=r"/nothing cannot be had: 404"):
        download(nothing, tmp_path / "net.pth", 100, lambda *_: None)
    server.shutdown()
    server.server_close()
    with pytest.raises(WeightsMissing, match=r"net\.pth was not downloaded: .*refused"):
        get(server, tmp_path / "net.pth")


@pytest.fixture
def toy(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightFile:
    """The only file there is: published by the server, not for commercial use."""
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    file = WeightFile("toy", "net.pth", "a test", "CC BY-NC", "here", noncommercial=True, url=server.url)
    monkeypatch.setattr(resolve, "FILES", (file,))
    return file


def test_the_command_shows_the_licence_fetches_and_pins(server: Server, toy: WeightFile) -> None:
    server.most = 6000
    done = CliRunner().invoke(command, ["fetch", "toy"])
    assert done.exit_code == 0
    assert "net.pth: a test; licence: CC BY-NC, non-commercial" in done.stderr
    assert done.stdout.strip() == str(toy.path)
    assert toy.recorded() == hashlib.sha256(CONTENT).hexdigest()
    assert weights.verify("toy") == {toy: "recorded"}
    asked = len(server.asked)
    assert CliRunner().invoke(command, ["fetch", "toy"]).exit_code == 0
    assert len(server.asked) == asked


def test_a_page_that_a_server_sends_is_not_kept(server: Server, toy: WeightFile) -> None:
    server.content, server.tag = b"<!DOCTYPE html><title>Sign in to the network</title>", '"page"'
    with pytest.raises(WeightsMissing, match=r"gives no weights: .*is a web page"):
        weights.fetch("toy")
    assert list(toy.path.parent.iterdir()) == []
    assert weights.verify("toy") == {toy: "missing"}


def test_content_that_is_not_the_recorded_one_is_refused(server: Server, toy: WeightFile) -> None:
    weights.fetch("toy")
    toy.path.unlink()
    server.content, server.tag = CONTENT[::-1], '"two"'
    with pytest.raises(
        WeightsMissing, match=r"not the published net\.pth.*By hand: net\.pth from here, http"
    ):
        weights.fetch("toy")
    assert [path.name for path in toy.path.parent.iterdir()] == ["net.pth.sha256"]
