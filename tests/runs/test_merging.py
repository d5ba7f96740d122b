"""Parts of a run, each executed alone, and the run that they are merged into."""

import json
import shutil

import pytest

import fesbench
from fesbench.core.errors import BenchError, SpecError
from fesbench.runs.merging import read_parts
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.progress import Listener
from fesbench.runs.spec import Part, RunSpec, read_config
from fesbench.runs.store.store import RunStore

PARTS = ("1/3", "2/3", "3/3")
"""Of two shards: the third part has nothing to do."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory, random_faces):
    """What the runs of this module are asked for: forty people in two shards, and a model that is fitted."""
    names = [f"{person:02d}" for person in range(40)]
    faces = random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=names, happy=names)
    return {
        "generators": ("copy", "truth", "masked-regression"),
        "datasets": faces,
        "metrics": ("ecs", "fid"),
        "backend": "embedded",
        "resolution": 32,
    }


@pytest.fixture(scope="module")
def one(asked, tmp_path_factory):
    """The run in one piece."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    fesbench.evaluate(**asked, out=folder)
    return folder


class Stopped(Listener):
    """Stops a run where its first shard is done."""

    def done(self, done):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def divided(asked, tmp_path_factory):
    """The run in three parts, not merged; the first one was stopped and continued. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "many"
    with pytest.raises(KeyboardInterrupt):
        fesbench.evaluate(**asked, out=folder, part=PARTS[0], progress=Stopped())
    for part in PARTS:
        cells = fesbench.evaluate(**asked, out=folder, part=part)
        assert not len(cells)
        assert cells.attrs["run"] == str(folder / "parts" / part.replace("/", "-of-"))
    return folder


@pytest.fixture
def many(divided, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(divided, tmp_path / "many")


def results(folder):
    """Return the content of all that a run found, by path."""
    single = [folder / name for name in ("scores.parquet", "summary.json", "summary.csv", "failures.jsonl")]
    found = [*single, *folder.glob("outputs/**/*.png"), *folder.glob("scores/**/*.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


class StoppedBetweenParts(Listener):
    def __init__(self):
        self.steps = []

    def step(self, text):
        self.steps.append(text)
        if text.startswith("part 2"):
            raise KeyboardInterrupt


def test_merged_parts_are_the_run_in_one_piece(one, many, asked, call_bench):
    with pytest.raises(KeyboardInterrupt):
        fesbench.merge_runs(many, progress=StoppedBetweenParts())
    shown = call_bench("merge", many, "--workers", 0).stdout
    assert "ECS" in shown
    assert results(many) == results(one)
    records = [RunStore(folder).record for folder in (many, one)]
    for field in ("status", "spec", "models", "metrics", "calibrations", "outputs", "counts", "fits"):
        assert getattr(records[0], field) == getattr(records[1], field), field
    fitted = records[0].fits["masked-regression"]["faces"]
    assert all(len(digest) == 64 for digest in fitted)
    shutil.rmtree(many / "parts")
    before = (many / "run.json").read_bytes()
    fesbench.evaluate(**asked, out=many)  # finished for every command
    assert (many / "run.json").read_bytes() == before


def test_a_part_says_which_it_is_and_claims_no_results(many, asked, call_bench):
    folder = many / "parts" / "1-of-3"
    assert json.loads((folder / "run.json").read_text())["spec"]["part"] == "1/3"
    assert not (folder / "summary.json").exists()
    assert not (folder / "report").exists()
    refused = call_bench("runs", "show", folder, code=2).stderr
    assert "part 1 of 3 of a run" in refused
    assert "bench merge" in refused
    listed = call_bench("runs", "list", many / "parts", "--json").stdout
    assert {entry["status"] for entry in json.loads(listed)} == {
        f"part {number} of 3, complete" for number in (1, 2, 3)
    }


def test_the_command_says_what_to_do_next(many, asked, call_bench):
    common = ["--metric", "ecs,fid", "--backend", "embedded", "--resolution", 32, "--data", asked["datasets"]]
    models = [word for name in asked["generators"] for word in ("--model", name)]
    done = call_bench("run", *models, *common, "--out", many, "--part", "3/3", "--json", "--workers", 0)
    assert f"part 3 of 3 finished: 0 edits; when all are: bench merge {many}" in done.stderr
    assert json.loads(done.stdout)["part"] == "3/3"
    refused = call_bench("run", *models, *common, "--part", "3/3", "--report", code=2).stderr
    assert "a part of a run has no report" in refused


def test_shards_are_dealt_out_the_same_way_when_data_are_added(asked, tmp_path):
    names = (str(asked["datasets"]), str(shutil.copytree(asked["datasets"], tmp_path / "others")))
    spec = RunSpec(models=("copy",), metrics=("ecs",), data=names, resolution=32)
    first, second = (make_plan(resolve(spec.model_copy(update={"part": Part(k, 2)}))) for k in (1, 2))
    assert [item.own_shards for item in first.datasets] == [[0], [0]]
    assert [item.own_shards for item in second.datasets] == [[1], [1]]
    assert (first.edit_count, second.edit_count) == (64, 16)
    alone = make_plan(resolve(spec.model_copy(update={"part": Part(2, 2), "data": names[:1]}))).datasets
    assert alone[0].own_shards == [1]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "1/3/3", "1/" + "9" * 50])
def test_what_is_no_part_is_refused(text, tmp_path):
    with pytest.raises(SpecError, match=r"part.*is no part of a run; write 3/16"):
        fesbench.evaluate("copy", part=text, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_may_state_a_part(tmp_path):
    (tmp_path / "run.yaml").write_text("part: 2/3\n")
    assert read_config(tmp_path / "run.yaml").part == Part(2, 3)
    assert RunSpec(part=(2, 3)).run_name == RunSpec().run_name


def rewritten(folder, change):
    """Change the record of a part, as if it had been made so."""
    store = RunStore(folder)
    content = json.loads((folder / "run.json").read_text())
    change(content)
    (folder / "sha256sums.txt").unlink()
    (folder / "run.json").write_text(json.dumps(content))
    store.write_digests()


def other_seed(content):
    content["spec"]["seed"] = 7


def other_data(content):
    content["datasets"]["faces"]["digest"] = "0" * 64


def other_torch(content):
    content["versions"]["torch"] = "1.0"


def other_commit(content):
    content["code"]["commit"] = "0" * 40


def other_fit(content):
    content["fits"]["masked-regression"]["faces"][0] = "0" * 64


def other_card(content):
    content["models"]["masked-regression"]["faces"]["card"]["title"] = "Another"


def lacking_metric(content):
    content["unavailable"]["fid@embedded"] = "no weights"


def unfinished(content):
    content["status"] = "started"


def whole(content):
    del content["spec"]["part"]


def of_another_division(content):
    content["spec"]["part"] = "2/4"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_seed, "the field seed is 7, and there 0"),
        (other_data, "the digest of the data set faces is 000"),
        (other_torch, r"the version of torch is 1\.0"),
        (other_commit, "the commit is 000"),
        (other_fit, "the fit of masked-regression on faces is 000.*FESBENCH_HOME"),
        (other_card, "the card of masked-regression on faces is .*Another"),
        (lacking_metric, "why fid@embedded cannot be used is no weights, and there absent"),
        (unfinished, "part 2 of 3 in .* is not finished"),
        (whole, "holds a whole run"),
        (of_another_division, "not of one division"),
    ],
)
def test_parts_that_do_not_belong_together_are_named(many, change, message):
    rewritten(many / "parts" / "2-of-3", change)
    with pytest.raises(BenchError, match=message) as caught:
        fesbench.merge_runs(many)
    assert "2-of-3" in str(caught.value)
    assert not (many / "run.json").exists()


def test_missing_and_doubled_parts_are_named(many, tmp_path):
    parts = many / "parts"
    with pytest.raises(BenchError, match="part 1 is there 2 times"):
        read_parts([RunStore(parts / name) for name in ("1-of-3", "1-of-3", "2-of-3")])
    shutil.rmtree(parts / "1-of-3")
    shutil.rmtree(parts / "3-of-3")
    with pytest.raises(BenchError, match="missing: --part 1/3, 3/3"):
        fesbench.merge_runs(many)
    with pytest.raises(BenchError, match="no part of a run"):
        fesbench.merge_runs(tmp_path / "nothing")


def damaged(folder, pattern):
    path = next((folder / "parts" / "2-of-3").glob(pattern))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return path


@pytest.mark.parametrize(
    "pattern", ["outputs/copy/*/*.png", "scores/*/copy/*.npz", "scores/*/copy/*.parquet"]
)
def test_a_damaged_file_of_a_part_is_named(many, pattern):
    path = damaged(many, pattern)
    with pytest.raises(BenchError, match=r"is damaged.*run the command of part 2 of 3 again") as caught:
        fesbench.merge_runs(many)
    assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(BenchError, match=r"is damaged \(it is missing\)"):
        fesbench.merge_runs(many)


def test_the_command_of_a_damaged_part_makes_it_anew(one, many, asked):
    for pattern in ("outputs/copy/*/*.png", "scores/*/truth/*.npz"):
        damaged(many, pattern)
    fesbench.evaluate(**asked, out=many, part="2/3")
    fesbench.merge_runs(many)
    assert results(many) == results(one)


def test_a_folder_that_holds_another_run_is_left_alone(one, divided, tmp_path):
    other = shutil.copytree(one, tmp_path / "other")
    rewritten(other, other_seed)
    before = results(other)
    with pytest.raises(SpecError, match="seed: 7 in the run, 0 asked for"):
        fesbench.merge_runs(other, sorted((divided / "parts").iterdir()))
    assert results(other) == before


def test_a_part_keeps_to_one_fit(many, asked, monkeypatch, tmp_path):
    folder = many / "parts" / "1-of-3"
    rewritten(folder, lambda content: (other_fit(content), unfinished(content)))
    with pytest.raises(BenchError, match="the fit of masked-regression on faces is another one"):
        fesbench.evaluate(**asked, out=many, part="1/3")
