"""The server as a process: it loses no answer when it is killed, and speaks plain HTTP."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn

from fesbench.core.errors import BenchError
from fesbench.reports.study.collection.responses import import_files
from fesbench.reports.study.collection.server.collection import read_records
from fesbench.reports.study.collection.server.run import run_server

LIMIT = 600
"""Seconds until a test gives up, however slow the machine is."""


class Server:
    """``bench study serve`` on a free port."""

    def __init__(self, packet, answers):
        command = [sys.executable, "-m", "fesbench", "study", "serve", str(packet), "--port", "0"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*command, "--answers", str(answers)], stdout=subprocess.PIPE, text=True, env=environment
        )
        self.port = int(self.process.stdout.readline().rstrip("/\n").rpartition(":")[2])

    def ask(self, method, path, body=None, address="127.0.0.1"):
        """Status, JSON or text, headers."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT, source_address=(address, 0))
        try:
            data = None if body is None else json.dumps(body)
            link.request(method, path, data, {"Content-Type": "application/json"})
            reply = link.getresponse()
            text = reply.read().decode(errors="replace")
            is_json = reply.headers.get_content_type() == "application/json"
            return reply.status, json.loads(text) if is_json else text, reply.headers
        finally:
            link.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.wait(LIMIT)
        self.process.stdout.close()


@pytest.fixture
def serve(packet, store):
    servers = []

    def begin():
        servers.append(Server(packet, store))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="module")
def server(packet, tmp_path_factory):
    running = Server(packet, tmp_path_factory.mktemp("answers") / "answers.sqlite")
    yield running
    running.stop()


def test_a_body_without_a_stated_length_is_cut_off(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT) as link:
        head = b"POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        link.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"a" * 0x800 + b"\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 413")


def test_a_path_out_of_the_page_leads_nowhere(server, made):
    assert server.ask("GET", "/")[0] == 200
    for name in (
        "/../study.json",
        "/..%2f..%2fmanifest.json",
        "/stimuli/../../manifest.json",
        "//etc/passwd",
    ):
        status, content, _ = server.ask("GET", name)
        assert status == 404, name
        assert made.study.id not in str(content)


def test_the_server_does_not_name_its_software(server):
    assert server.ask("GET", "/")[2]["Server"] is None


class Participants:
    """Twenty participants who answer at once; the server is killed and started again in between."""

    def __init__(self, serve, store, token, kill_after):
        self.serve, self.store, self.token, self.kill_after = serve, store, token, kill_after
        self.server, self.acknowledged = serve(), set()
        self.lock, self.restarted = threading.Lock(), threading.Event()

    def take_part(self, number):
        who, address = f"p{number}", f"127.0.1.{number + 1}"
        start = {"participant": who, "token": self.token(who)}
        form = self._send("/api/start", start, address)["form"]
        for trial in form["trials"][:10]:
            answer = {"trial_id": trial["id"], "answer": trial["choices"][-1], "rt_ms": 1500}
            assert self._send("/api/answer", {"token": self.token(who), **answer}, address)["kept"]
            self._acknowledge(who, trial["id"])

    def _send(self, path, body, address):
        """Send a request; where the server is killed meanwhile, send it again to the next one."""
        for _ in range(3):
            try:
                status, content, _ = self.server.ask("POST", path, body, address)
            except (OSError, http.client.HTTPException):
                assert self.restarted.wait(LIMIT)
            else:
                assert status == 200, content
                return content
        raise AssertionError("the new server does not answer")

    def _acknowledge(self, who, trial):
        with self.lock:
            self.acknowledged.add((who, trial))
            if len(self.acknowledged) == self.kill_after:
                self.server.kill()
                assert self.acknowledged <= set(kept_in(self.store))
                self.server = self.serve()
                self.restarted.set()


def kept_in(store):
    return [(row["participant"], row["trial_id"]) for row in read_records(store)]


def test_a_killed_server_has_every_acknowledged_answer(serve, store, made, token):
    everyone = Participants(serve, store, token, kill_after=80)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(everyone.take_part, range(20)))
    rows = kept_in(store)
    assert everyone.restarted.is_set()
    assert len(rows) == len(set(rows)) == 200
    assert set(rows) == everyone.acknowledged
    imported = import_files("server", [store], made.study, made.forms, made.key.secret)
    assert len(imported.responses) == 200
    assert not imported.problems
    assert len({one.participant for one in imported.responses}) == 20
    assert not {one.participant for one in imported.responses} & {row[0] for row in rows}


async def nothing(scope, receive, send):
    """An application that is never called."""


def test_the_address_is_told_once_the_server_listens(monkeypatch):
    served, told = [], []

    def run(server, sockets):
        served.append(sockets[0].getsockname())
        assert told == [f"http://127.0.0.1:{served[0][1]}/"]

    monkeypatch.setattr(uvicorn.Server, "run", run)
    run_server(nothing, "127.0.0.1", 0, told.append)
    assert served


def test_a_port_in_use_is_refused_with_the_remedy():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(BenchError, match="another --port"):
            run_server(nothing, "127.0.0.1", other.getsockname()[1], print)
