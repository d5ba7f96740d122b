"""The HTTP interface: takes each answer once and refuses everything that does not fit."""

import asyncio
import json
import socket

import pytest
from starlette.testclient import TestClient

from fesbench.reports.study.collection.server.app import LARGEST, make_app
from fesbench.reports.study.collection.server.collection import Collection, read_records
from fesbench.reports.study.collection.server.hosts import names_of
from fesbench.reports.study.packet.prose import read_texts
from fesbench.reports.study.packet.web.page import Codes, served_files

ANSWER = "/api/answer"


@pytest.fixture
def client(packet, store, made):
    """The application in this process, with a clock that stands still."""
    files = served_files(packet, made.study, made.forms, read_texts(packet), Codes("DONE"))
    collection = Collection(store, made.study.id, made.forms)
    app = make_app(files, made.forms, collection, {"lab"}, clock=lambda: 0.0)
    with TestClient(app, base_url="http://lab") as client:
        yield client


@pytest.fixture
def start(client, token):
    def start(who):
        return client.post("/api/start", json={"participant": who, "token": token(who)})

    return start


@pytest.fixture
def answer(client, token):
    def answer(who, trial, choice):
        body = {"token": token(who), "trial_id": trial["id"], "answer": choice, "rt_ms": 1500}
        return client.post(ANSWER, json=body)

    return answer


def test_each_participant_gets_the_next_form_and_keeps_it(start):
    forms = [start(who).json()["form"]["id"] for who in ("ann", "bob", "ann")]
    assert forms == ["F0001", "F0002", "F0001"]


def test_an_answer_counts_once(start, answer, store):
    trial = start("cat").json()["form"]["trials"][0]
    assert answer("cat", trial, "A").json() == {"kept": True, "new": True}
    assert answer("cat", trial, "A").json() == {"kept": True, "new": False}
    refused = answer("cat", trial, "B")
    assert refused.status_code == 409
    assert "first answer" in refused.json()["error"]
    assert [row["answer"] for row in read_records(store)] == ["A"]


def test_answers_that_do_not_fit_the_form_are_refused(client, start, answer, token):
    mine, other = (start(who).json()["form"]["trials"][0] for who in ("dan", "eli"))
    assert answer("dan", other, "A").status_code == 403
    assert answer("dan", mine, "Z").status_code == 422
    assert answer("eve", mine, "A").status_code == 401
    stolen = {"participant": "dan", "token": token("eve")}
    assert client.post("/api/start", json=stolen).status_code == 409
    borrowed = {"participant": "eve", "token": token("dan")}
    assert client.post("/api/start", json=borrowed).status_code == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"rt_ms": -1}, {"rt_ms": "5"}, {"rt_ms": None}, {"rt_ms": 1e9}, {"answer": ["A"]}, {"answer": ""},
        {"trial_id": "t1"}, {"token": "../../etc"}, {"extra": 1},
    ],
)  # fmt: skip
def test_a_malformed_field_is_refused_and_its_neighbours_are_not(client, start, token, wrong):
    trial = start("dan").json()["form"]["trials"][0]
    good = {"token": token("dan"), "trial_id": trial["id"], "answer": "A", "rt_ms": 5}
    assert client.post(ANSWER, json=good | wrong).status_code == 400
    assert client.post(ANSWER, json=good).status_code == 200


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"rt_ms": NaN}', "[" * 500, b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(client, text):
    reply = client.post(ANSWER, content=text, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400


def test_a_body_of_another_size_or_type_is_refused(client, start, token, store):
    trial = start("dan").json()["form"]["trials"][0]
    body = json.dumps({"token": token("dan"), "trial_id": trial["id"], "answer": "A", "rt_ms": 5})
    is_json = {"Content-Type": "application/json"}
    assert client.post(ANSWER, content=body + " " * LARGEST, headers=is_json).status_code == 413
    parts = iter([body.encode(), b" " * LARGEST])
    assert client.post(ANSWER, content=parts, headers=is_json).status_code == 413
    assert client.post(ANSWER, content=body, headers={"Content-Type": "text/plain"}).status_code == 415
    assert read_records(store) == []


def test_a_body_that_never_ends_is_refused(monkeypatch, collection, made):
    monkeypatch.setattr("fesbench.reports.study.collection.server.app.BODY_SECONDS", 0)
    scope = {"type": "http", "method": "POST", "path": ANSWER, "query_string": b"", "client": ("10.0.0.1", 1),
             "headers": [(b"host", b"lab"), (b"content-type", b"application/json")]}  # fmt: skip
    sent = []

    async def ask():
        async def send(message):
            sent.append(message)

        await make_app({}, made.forms, collection, {"lab"})(scope, asyncio.Event().wait, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 408


def test_nothing_but_the_page_can_be_fetched(client, store, made):
    picture = f"http://lab/stimuli/{made.forms[0].stimuli[0]}.png"
    assert client.get(picture).content == made.files[made.forms[0].stimuli[0]]
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert '"completed": "DONE"' in client.get("/config.js").text
    names = ["/stimuli/", "/forms/F0001.json", "/study.json", "/admin/README.md", "/key.json", f"/{store}",
             "/..%2f..%2fmanifest.json", "/stimuli/..%2f..%2fmanifest.json", "//etc/passwd", "/api/start",
             "/api/answers", "/stimuli/%00.png"]  # fmt: skip
    for name in names:
        reply = client.get(f"http://lab{name}")
        assert reply.status_code in (404, 405), name
        assert made.study.id not in reply.text
    assert client.delete("/").status_code == 405


@pytest.mark.parametrize("host", ["lab", "LAB.:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_the_names_and_addresses_of_the_server_are_answered(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "lab.evil.example:80", "127.0.0.1.evil.example", "", "[::1"]
)
def test_a_request_for_another_host_is_refused(client, token, host):
    assert client.get("/", headers={"Host": host}).status_code == 421
    body = {"participant": "ann", "token": token("ann")}
    refused = client.post("/api/start", json=body, headers={"Host": host})
    assert refused.status_code == 421
    assert "--allow-host" in refused.text


def test_the_names_of_a_server_are_its_own_and_those_that_are_allowed():
    assert names_of("192.0.2.10", ["Study.Example.org."]) == {"192.0.2.10", "localhost", "study.example.org"}
    assert socket.gethostname().lower() in names_of("0.0.0.0")
    assert socket.gethostname().lower() not in names_of("127.0.0.1")


@pytest.mark.parametrize("path", ["/", "/config.js", "/nothing"])
def test_every_reply_has_the_security_headers(client, path):
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_thirty_requests_of_one_participant_at_once_are_the_limit(start):
    replies = [start("fay") for _ in range(31)]
    assert [reply.status_code for reply in replies] == [200] * 30 + [429]
    assert replies[-1].headers["Retry-After"] == "1"
    assert start("gil").status_code == 200
