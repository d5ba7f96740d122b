"""A run in an object store: a local server that speaks S3 stands in for one."""

import json
import logging

import boto3
import pytest
from moto.server import ThreadedMotoServer

import fesbench
from fesbench.core.errors import BenchError
from fesbench.runs.store.storage import Storage
from fesbench.runs.store.store import RunStore

BUCKET = "s3://bucket"


@pytest.fixture(scope="module")
def bucket():
    """An empty bucket on a server of this machine, which the environment gives the address of."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        yield client
        client.close()
    server.stop()


@pytest.fixture(scope="module")
def words(tmp_path_factory, random_faces):
    """The flags of a tiny run."""
    faces = random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=["a"], happy=["a"])
    models = ["--model", "copy", "--model", "truth"]
    return ["run", *models, "--data", faces, "--metric", "ecs", "--backend", "embedded", "--workers", 0]


@pytest.fixture(scope="module")
def local(words, call_bench, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "one"
    call_bench(*words, "--resolution", 32, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def run(bucket, words, call_bench, local):
    """The same run in the bucket."""
    call_bench(*words, "--resolution", 32, "--out", f"{BUCKET}/runs/one")
    return f"{BUCKET}/runs/one"


def test_a_run_in_a_bucket_holds_what_a_run_in_a_folder_holds(run, local, bucket):
    listed = {
        item["Key"].removeprefix("runs/one/") for item in bucket.list_objects(Bucket="bucket")["Contents"]
    }
    files = {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file()}
    assert listed == files - {".lock"}
    stored = bucket.get_object(Bucket="bucket", Key="runs/one/scores.parquet")["Body"].read()
    assert stored == (local / "scores.parquet").read_bytes()
    assert RunStore(run).altered_files() == []


def test_every_reader_takes_its_url(run, local, call_bench):
    loaded, folder = fesbench.load_run(run), fesbench.load_run(local)
    assert loaded.scores.equals(folder.scores)
    (edit,) = loaded.outputs().query("generator == 'copy'")["edit"]
    assert (loaded.image("copy", edit) == folder.image("copy", edit)).all()
    assert call_bench("runs", "show", run).stdout == call_bench("runs", "show", local).stdout
    checks = json.loads(call_bench("verify", run, "--json").stdout)
    assert {check["outcome"] for check in checks} == {"ok"}


def test_reviewers_take_its_url_too(run, local, call_bench, tmp_path):
    for command in (("compare", local), ("claims",), ("query", "SELECT count(*) AS n FROM scores")):
        here, there = (call_bench(*command, place).stdout for place in (local, run))
        assert here.replace(str(local), run) == there, command
    rows = json.loads(call_bench("query", "SELECT DISTINCT run FROM scores", run, local, "--json").stdout)
    assert {row["run"] for row in rows} == {run, str(local)}
    for place, name in ((run, "there.tar.gz"), (local, "here.tar.gz")):
        call_bench("runs", "pack", place, "--out", tmp_path / name)
    call_bench("runs", "unpack", tmp_path / "there.tar.gz", "--out", tmp_path / "one")
    call_bench("verify", tmp_path / "one")


def test_nothing_left_is_seen_in_a_bucket(run, words, call_bench):
    command = (*words, "--resolution", 32, "--out", run)
    assert "nothing left to do" in call_bench(*command).stderr


def test_a_report_lies_in_the_bucket_too(run, local, bucket, call_bench, tmp_path):
    shown = call_bench("report", run, "--format", "md").stdout.split()
    assert shown == [f"{run}/report/tables"]
    call_bench("report", local, "--format", "md")
    table = bucket.get_object(Bucket="bucket", Key="runs/one/report/tables/main.md")["Body"].read()
    assert table == (local / "report" / "tables" / "main.md").read_bytes()
    refused = call_bench("report", run, "--format", "html", "--out", tmp_path / "page", code=2).stderr
    assert "--include-images faces" in refused
    assert not (tmp_path / "page").exists()
    missing = call_bench("report", f"{BUCKET}/nothing", code=2).stderr
    assert f"{BUCKET}/nothing holds no run" in missing


def test_a_bucket_that_is_not_there_is_not_made(bucket):
    with pytest.raises(BenchError, match=r"cannot write s3://buckets/run/run\.json.*bucket does not exist"):
        RunStore("s3://buckets/run").update_record(status="started")
    assert [entry["Name"] for entry in bucket.list_buckets()["Buckets"]] == ["bucket"]


def test_a_password_in_a_url_is_refused():
    with pytest.raises(BenchError, match="state it in the environment") as caught:
        Storage("s3://me:secret@bucket/run")
    assert "secret" not in str(caught.value)


def test_the_extra_is_named_where_the_package_is_missing(monkeypatch):
    def missing(location, **options):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fesbench.runs.store.storage.url_to_fs", missing)
    with pytest.raises(BenchError, match=r"Install s3fs.*pip install 'fesbench\[s3\]'"):
        Storage("s3://bucket/run")


def test_an_unknown_kind_of_url_is_refused():
    with pytest.raises(BenchError, match="nowhere://x cannot be used as a run folder"):
        Storage("nowhere://x")
