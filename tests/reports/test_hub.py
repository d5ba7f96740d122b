"""What is sent to the Hugging Face hub: by its own client, over HTTP, to a stand-in on this machine."""

import base64
import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.hub import model_files, run_files
from fesbench.review.submission import Submission
from fesbench.runs.results import RunResults

pytest.importorskip("huggingface_hub")
TOKEN = "hf_standin"
# The client gives bytes to its HTTP library by an argument that the library no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


class Hub(ThreadingHTTPServer):
    """The calls of the hub's API that a commit needs; keeps what it was sent."""

    daemon_threads = True
    request_queue_size = 64  # the client opens several connections at once

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.repositories, self.files, self.objects, self.calls = {}, {}, {}, []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.objects[hashlib.sha256(content).hexdigest()] = content
        self.answer({})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.server.calls.append(path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" and "validate" not in path:
            self.answer({"error": "Invalid token"}, 401)
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            large = (".safetensors", ".png")
            modes = [
                {"path": file["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if file["path"].endswith(large) else "regular"}
                for file in files
            ]  # fmt: skip
            self.answer({"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            self.answer(
                {"transfer": "basic", "objects": [self.action(it) for it in json.loads(body)["objects"]]}
            )
        elif "/commit/" in path:
            self.commit(path, [json.loads(line) for line in body.splitlines()])
        else:
            self.answer({"error": f"no {path}"}, 404)

    def create(self, asked):
        name = f"{asked['organization']}/{asked['name']}"
        private = asked.get("private", asked.get("visibility") == "private")
        known = name in self.server.repositories
        self.server.repositories.setdefault(name, (asked.get("type", "model"), private))
        self.answer({"url": f"{self.server.address}/{name}", "name": name}, 409 if known else 200)

    def action(self, item):
        href = f"{self.server.address}/objects/{item['oid']}"
        return {**item, "actions": {"upload": {"href": href}}}

    def commit(self, path, lines):
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.objects[value["oid"]]
        repository = path.partition("/commit/")[0].removeprefix("/api/").replace("models/", "")
        url = f"{self.server.address}/{repository}/commit/abc"
        self.answer({"success": True, "commitUrl": url, "commitOid": "abc", "hookOutput": ""})


@pytest.fixture
def hub(monkeypatch):
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_DISABLE_XET", True
    )  # its store is no HTTP of the hub
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_results_of_a_run_are_sent_without_images(call_bench, hub, current_run):
    said = call_bench(
        "runs", "push", current_run, "--to", "me/results", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN
    )
    assert said.stdout.strip() == f"{hub.address}/datasets/me/results/commit/abc"
    assert hub.repositories == {"me/results": ("dataset", True)}
    assert hub.files.keys() == {"README.md", "submission.json", "tables/main.csv", "tables/main.tex"}
    assert len(Submission.parse(hub.files["submission.json"], "sent").results) == 1
    assert "Local ridge regression" in hub.files["README.md"].decode()
    assert str(current_run.parent).encode() not in b"".join(hub.files.values())


def test_outputs_are_sent_on_request_but_never_the_photos(call_bench, hub, current_run):
    options = ("--to", "me/results", "--outputs", "--public")
    call_bench("runs", "push", current_run, *options, HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN)
    images = [name for name in hub.files if name.endswith(".png")]
    assert len(images) == 60
    assert {name.split("/")[1] for name in images} == {"reggan-regression"}
    assert hub.files[images[0]] == (current_run / images[0]).read_bytes()
    assert hub.repositories == {"me/results": ("dataset", False)}


def test_outputs_of_other_data_are_refused_before_anything_is_sent(current_run, tmp_path):
    folder = shutil.copytree(current_run, tmp_path / "run")
    record = json.loads((folder / "run.json").read_text())
    for data in ("photos/cfee", "london"):
        record["spec"]["data"] = [data]
        (folder / "sha256sums.txt").unlink(missing_ok=True)
        (folder / "run.json").write_text(json.dumps(record))
        with pytest.raises(BenchError, match="leave --outputs out"):
            run_files(RunResults.open(folder), outputs=True)


def test_a_model_is_sent_with_weights_record_and_card(call_bench, hub, tmp_path):
    said = call_bench(
        "models", "push", "stargan", "--to", "me/stargan", HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN
    )
    assert said.stdout.strip() == f"{hub.address}/me/stargan/commit/abc"
    files = model_files("stargan")
    assert hub.files["stargan.safetensors"] == files["stargan.safetensors"].read_bytes()
    assert json.loads(hub.files["stargan.json"])["card"]["name"] == "stargan"
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlicense: ")
    assert "## Out-of-scope use" in card
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    assert (
        "StarGAN"
        in call_bench("models", "show", "stargan", "--checkpoint", tmp_path / "stargan.safetensors").stdout
    )


def test_what_cannot_be_sent_is_said_in_one_line(call_bench, hub, current_run):
    assert "--checkpoint" in call_bench("models", "push", "copy", "--to", "me/x", code=2).stderr
    push = ("runs", "push", current_run, "--to")
    wrong = call_bench(*push, "me/x", code=2, HF_ENDPOINT=hub.address, HF_TOKEN="hf_other").stderr
    assert "could not be sent to me/x" in wrong
    assert len(wrong.splitlines()) == 1
    odd = call_bench(*push, "a/b/c", code=2, HF_ENDPOINT=hub.address, HF_TOKEN=TOKEN).stderr
    assert "USER/NAME" in odd
    assert hub.files == {}
