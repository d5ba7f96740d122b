"""The lab's server, as its own process: takes each answer once, loses none, and refuses everything else."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from fesbench.core.errors import BenchError
from fesbench.reports.study.collection.importers import server as importer
from fesbench.reports.study.collection.responses import import_files
from fesbench.reports.study.collection.server.app import make_app
from fesbench.reports.study.collection.server.collection import Collection, Refused, read_records
from fesbench.reports.study.collection.server.limits import Limit
from fesbench.reports.study.design.balance import balance
from fesbench.reports.study.design.build import build
from fesbench.reports.study.packet.documents import Details
from fesbench.reports.study.packet.packet import write_packet
from fesbench.reports.study.packet.prose import read_texts


class Server:
    """``bench study serve`` on a free port."""

    def __init__(self, packet, answers):
        command = [sys.executable, "-m", "fesbench", "study", "serve", str(packet), "--port", "0"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*command, "--answers", str(answers)], stdout=subprocess.PIPE, text=True, env=environment
        )
        self.port = int(self.process.stdout.readline().rstrip("/\n").rpartition(":")[2])

    def ask(self, method, path, body=None, headers=None, address="127.0.0.1"):
        """Status, JSON or text, headers."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1200, source_address=(address, 0))
        try:
            data = json.dumps(body) if isinstance(body, dict) else body
            link.request(method, path, data, {"Content-Type": "application/json"} | (headers or {}))
            reply = link.getresponse()
            text = reply.read().decode(errors="replace")
            is_json = reply.headers.get_content_type() == "application/json"
            return reply.status, json.loads(text) if is_json else text, reply.headers
        finally:
            link.close()

    def start(self, who, address="127.0.0.1"):
        return self.ask("POST", "/api/start", {"participant": who, "token": token(who)}, address=address)

    def answer(self, who, trial, answer, address="127.0.0.1"):
        body = {"token": token(who), "trial_id": trial["id"], "answer": answer, "rt_ms": 1500}
        return self.ask("POST", "/api/answer", body, address=address)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.wait(1200)
        self.process.stdout.close()


def token(who):
    return who.encode().hex().ljust(32, "0")[:32]


@pytest.fixture(scope="module")
def made(material, request_of):
    return build(material, request_of(outputs=("lab",), participants=24))


@pytest.fixture(scope="module")
def packet(tmp_path_factory, made, material):
    folder = tmp_path_factory.mktemp("served")
    counted = balance(made.study, made.forms, made.key, made.rows)
    write_packet(
        folder / "a" / "p", folder / "key", made, counted, material, Details(), "https://h/s", {}, {}
    )
    return folder / "a" / "p"


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return tmp_path_factory.mktemp("answers") / "answers.sqlite"


@pytest.fixture(scope="module")
def server(packet, answers):
    """One server for the tests that leave it running; each takes part under names of its own."""
    running = Server(packet, answers)
    yield running
    running.stop()


@pytest.fixture
def store(tmp_path):
    return tmp_path / "collected" / "answers.sqlite"


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


@pytest.fixture
def collection(store, made):
    opened = Collection(store, made.study.id, made.forms)
    yield opened
    opened.close()


def test_each_participant_gets_the_next_form_and_keeps_it(server):
    forms = [server.start(who)[1]["form"]["id"] for who in ("ann", "bob", "ann")]
    assert forms == ["F0001", "F0002", "F0001"]


def test_an_answer_counts_once(server, answers):
    trial = server.start("cat")[1]["form"]["trials"][0]
    assert server.answer("cat", trial, "A")[:2] == (200, {"kept": True, "new": True})
    assert server.answer("cat", trial, "A")[:2] == (200, {"kept": True, "new": False})
    status, content, _ = server.answer("cat", trial, "B")
    assert status == 409
    assert "first answer" in content["error"]
    assert [row["answer"] for row in read_records(answers) if row["trial_id"] == trial["id"]] == ["A"]


def test_the_file_is_imported_whatever_it_is_called(made, tmp_path):
    lab, trial = Collection(tmp_path / "lab.db", made.study.id, made.forms), made.forms[0].trials[0]
    with lab.transaction():
        lab.start("fay", token("fay"))
        lab.answer(token("fay"), trial.id, "A", 900)
    (answer,) = importer.read(tmp_path / "lab.db").answers
    lab.close()
    assert (answer.participant, answer.trial, answer.answer) == ("fay", trial.id, "A")


def test_what_does_not_fit_is_refused(server, answers):
    mine = server.start("dan")[1]["form"]["trials"][0]
    other = server.start("eli")[1]["form"]["trials"][0]
    good = {"token": token("dan"), "trial_id": mine["id"], "answer": "A", "rt_ms": 5}
    send = lambda body, **headers: server.ask("POST", "/api/answer", body, headers)[0]  # noqa: E731
    assert server.answer("dan", other, "A")[0] == 403
    assert server.answer("dan", mine, "Z")[0] == 422
    assert server.answer("eve", mine, "A")[0] == 401
    stolen = {"participant": "dan", "token": token("eve")}
    assert server.ask("POST", "/api/start", stolen)[0] == 409
    for wrong in (
        {"rt_ms": -1}, {"rt_ms": "5"}, {"rt_ms": None}, {"rt_ms": 1e9}, {"answer": ["A"]}, {"answer": ""},
        {"trial_id": "t1"}, {"token": "../../etc"}, {"extra": 1},
    ):  # fmt: skip
        assert send(good | wrong) == 400, wrong
    for text in ("", "{", "[]", "null", '{"rt_ms": NaN}', "[" * 500, b"\xff\xfe"):
        assert send(text) == 400, text
    assert send(json.dumps(good) + " " * 2000) == 413
    assert send(json.dumps(good), **{"Content-Type": "text/plain"}) == 415
    assert "dan" not in {row["participant"] for row in read_records(answers)}
    assert send(good) == 200


def test_a_body_without_a_stated_length_is_cut_off(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=1200) as link:
        head = b"POST /api/answer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        link.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"a" * 0x800 + b"\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 413")


def test_nothing_but_the_page_can_be_fetched(server, answers, made):
    picture = f"/stimuli/{made.forms[0].stimuli[0]}.png"
    assert server.ask("GET", picture)[0] == 200
    assert server.ask("GET", "/")[0] == 200
    names = ["/stimuli/", "/forms/F0001.json", "/study.json", "/admin/README.md", "/key.json", f"/{answers}",
             "/../study.json", "/..%2f..%2fmanifest.json", "/stimuli/..%2f..%2fmanifest.json", "//etc/passwd",
             "/api/start", "/api/answers", "/stimuli/%00.png"]  # fmt: skip
    for name in names:
        status, content, _ = server.ask("GET", name)
        assert status in (404, 405), name
        assert made.study.id not in str(content)
    assert server.ask("DELETE", "/")[0] == 405


def test_every_reply_is_guarded(server):
    for path in ("/", "/config.js", "/nothing"):
        headers = server.ask("GET", path)[2]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] is None


def test_who_asks_too_often_waits(packet, store, made):
    """Inside one process, with a clock that stands still: thirty requests of one person, and no more."""
    collection = Collection(store, made.study.id, made.forms)
    app = make_app(packet, made.study, made.forms, read_texts(packet), collection, clock=lambda: 0.0)
    start = {"participant": "fay", "token": token("fay")}
    with TestClient(app) as client:
        replies = [client.post("/api/start", json=start) for _ in range(31)]
        assert [reply.status_code for reply in replies] == [200] * 30 + [429]
        assert replies[-1].headers["Retry-After"] == "1"
        assert (
            client.post("/api/start", json={"participant": "gil", "token": token("gil")}).status_code == 200
        )


def test_a_killed_server_has_every_acknowledged_answer(serve, packet, store, made):
    """Twenty people answer at once; the server is killed in the middle, starts again, and they send again."""
    server, lock, acknowledged = serve(), threading.Lock(), set()
    current, killed = [server], threading.Event()

    def take_part(number):
        who, address = f"p{number}", f"127.0.1.{number + 1}"
        form = None
        for trial_number in range(10):
            for _ in range(400):
                try:
                    if form is None:
                        form = current[0].start(who, address)[1]["form"]
                    trial = form["trials"][trial_number]
                    if current[0].answer(who, trial, trial["choices"][-1], address)[0] == 200:
                        break
                except (OSError, http.client.HTTPException, KeyError):
                    killed.wait(0.05)
            with lock:
                acknowledged.add((who, trial["id"]))
                if len(acknowledged) == 80 and not killed.is_set():
                    current[0].kill()
                    kept = {(row["participant"], row["trial_id"]) for row in read_records(store)}
                    assert acknowledged - {(who, trial["id"])} <= kept
                    current[0] = serve()
                    killed.set()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(take_part, range(20)))
    rows = [(row["participant"], row["trial_id"]) for row in read_records(store)]
    assert killed.is_set()
    assert len(rows) == len(set(rows)) == 200
    assert set(rows) == acknowledged
    imported = import_files("server", [store], made.study, made.forms, made.key.secret)
    assert len(imported.responses) == 200
    assert not imported.problems
    assert len({one.participant for one in imported.responses}) == 20
    assert not {one.participant for one in imported.responses} & {row[0] for row in rows}


def test_the_answers_may_not_lie_in_the_packet(packet):
    command = [sys.executable, "-m", "fesbench", "study", "serve", packet, "--answers", packet / "x.sqlite"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 2
    assert "lies in the packet" in done.stderr


def test_a_form_left_alone_is_free_again(collection, made):
    assert collection.start("ann", "a" * 32) == "F0001"
    collection.connection.execute("UPDATE sessions SET seen = '2020-01-01T00:00:00+00:00'")
    assert collection.start("bob", "b" * 32) == "F0001"
    assert collection.start("ann", "a" * 32) == "F0001"
    assert collection.start("cat", "c" * 32) == "F0002"


def test_a_finished_form_stays_taken(collection, made):
    collection.start("ann", "a" * 32)
    for trial in made.forms[0].trials:
        collection.answer("a" * 32, trial.id, trial.choices[0], 900)
    collection.connection.execute("UPDATE sessions SET seen = '2020-01-01T00:00:00+00:00'")
    assert collection.start("bob", "b" * 32) == "F0002"


def test_the_study_is_full_after_its_last_form(collection, made):
    for number in range(len(made.forms)):
        collection.start(f"p{number}", f"{number:032x}")
    with pytest.raises(Refused, match="taken"):
        collection.start("late", "f" * 32)


def test_a_transaction_that_fails_leaves_nothing(collection):
    def start_and_fail():
        with collection.transaction():
            collection.start("ann", "a" * 32)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start_and_fail()
    assert collection.start("bob", "b" * 32) == "F0001"


def test_answers_of_another_study_are_refused(collection, store, made):
    with pytest.raises(BenchError, match="another with --answers"):
        Collection(store, "s000000000000", made.forms)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_no_server_wrote_is_refused(tmp_path, content):
    path = tmp_path / "x.sqlite"
    path.write_bytes(content)
    with pytest.raises(BenchError, match="bench study serve"):
        importer.read(path)
    with pytest.raises(BenchError, match="missing"):
        importer.read(Path(tmp_path, "none.sqlite"))


def test_a_limit_refills():
    limit = Limit(rate=2, burst=3)
    assert [limit.wait("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("b", 0.0) == 0
    assert limit.wait("a", 0.5) == 0
    assert limit.wait("a", 0.5) == 0.5
    assert [limit.wait("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5]
