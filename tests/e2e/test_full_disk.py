"""A disk that is full while each kind of file is written: one line that names it, and no half a file."""

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
import torch

from fesbench.baselines.stargan import StarGAN
from fesbench.core.contracts import Dataset, Sample
from fesbench.core.errors import BenchError
from fesbench.datasets.preparation.detection import Face
from fesbench.datasets.preparation.prepare import plan_outputs, prepare
from fesbench.generators.checkpoints import save_checkpoint, save_official
from fesbench.generators.hyperparameters import Settings
from fesbench.training.loop import Limit, TrainingRun
from fesbench.weights.download import download

GROWTH = 2.5
FULL = r"cannot write (.*): No space left on device\."


@pytest.fixture(scope="module")
def faces(tmp_path_factory, random_faces):
    return random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=range(4), happy=range(4))


def assert_clear(done, disk):
    """Check that a command ended in one line, and left nothing half-written."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "No space left on device" in lines[0]
    assert str(disk.folder) in lines[0]
    assert "Traceback" not in done.stderr
    assert not [name for name in disk.files() if ".tmp-" in name]


def until_it_fits(call, disk, kilobytes, *command):
    """Repeat a command with ever more room, until it succeeds; return the errors before that."""
    errors = []
    while True:
        disk.leave(int(kilobytes))
        done = call(*command)
        if done.exit_code == 0:
            return errors
        assert done.exit_code == 2, done.stderr
        assert_clear(done, disk)
        errors.append(done.stderr.splitlines()[-1])
        kilobytes *= GROWTH


@pytest.fixture
def call(call_bench):
    """Call a command, whatever its exit code is."""

    class Any:
        def __eq__(self, other):
            return True

        __hash__ = None

    return partial(call_bench, code=Any())


def test_a_run_goes_on_wherever_the_disk_was_full(call, call_bench, faces, small_disk, tmp_path):
    common = ("run", "--model", "copy", "--data", faces, "--resolution", 32, "--workers", 0, "--json")
    metrics = ("--metric", "fidelity", "--metric", "fid")
    whole = json.loads(call_bench(*common, *metrics, "--out", tmp_path / "whole").stdout)
    folder = small_disk.folder / "run"
    errors = until_it_fits(call, small_disk, 4, *common, *metrics, "--out", folder)
    assert len(errors) >= 2
    scores = [pd.read_parquet(path / "scores.parquet") for path in (folder, tmp_path / "whole")]
    pd.testing.assert_frame_equal(*scores)
    small_disk.clear()
    assert json.loads(call_bench(*common, *metrics, "--out", folder).stdout)["cells"] == whole["cells"]


def test_a_full_home_costs_a_run_nothing(call_bench, faces, small_disk, tmp_path):
    model = ("--model", "masked-regression", "--folds", 2)
    common = ("run", *model, "--data", faces, "--metric", "ecs", "--resolution", 32)
    small_disk.leave(0)
    home = {"FESBENCH_HOME": str(small_disk.folder / "home")}
    (small_disk.folder / "home").mkdir()
    runs = [tmp_path / "full", tmp_path / "whole"]
    for folder, environment in zip(runs, (home, {}), strict=True):
        call_bench(*common, "--workers", 0, "--out", folder, **environment)
    pd.testing.assert_frame_equal(*(pd.read_parquet(folder / "scores.parquet") for folder in runs))
    assert not [name for name in small_disk.files() if ".tmp-" in name]


@pytest.mark.parametrize(
    ("form", "kilobytes", "last"),
    [
        ("csv", 4, "*.csv"),
        pytest.param("html", 4, "html/index.html", id="first file of a page"),
        pytest.param("html", 160, "html/index.html", id="half a page"),
        ("figures", 24, "figures/captions.md"),
    ],
)
def test_a_report_is_written_once_there_is_room(form, kilobytes, last, call, finished_run, small_disk):
    command = ("report", finished_run, "--format", form, "--out", small_disk.folder / "report")
    small_disk.leave(kilobytes)
    assert_clear(call(*command), small_disk)
    assert not list((small_disk.folder / "report").rglob(last))
    small_disk.clear()
    done = call(*command)
    assert done.exit_code == 0, done.output
    assert list((small_disk.folder / "report").rglob(last))


def test_a_packet_is_written_once_there_is_room(call, finished_run, small_disk, tmp_path):
    small = ("--model", "copy", "--model", "truth", "--items", 2, "--participants", 1, "--design", "2afc")
    keys = ("--private", tmp_path / "key", "--output", "web")
    command = ("study", "make", finished_run, *small, *keys, "--out", small_disk.folder / "packet")
    small_disk.leave(16)
    assert_clear(call(*command), small_disk)
    small_disk.clear()
    done = call(*command)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("data", "export-edits", "FACES", "DISK/edits"), id="edits"),
        pytest.param(("runs", "pack", "RUN", "--out", "DISK/run.tar.gz"), id="archive"),
        pytest.param(("runs", "unpack", "ARCHIVE", "--out", "DISK/run"), id="unpacked archive"),
        pytest.param(("data", "show", "FACES", "--sheet", "DISK/sheet.png"), id="sheet"),
    ],
)
def test_files_of_a_command_appear_whole_or_not_at_all(
    command, call, call_bench, faces, finished_run, small_disk, tmp_path
):
    archive = tmp_path / "packed.tar.gz"
    if "ARCHIVE" in command:
        call_bench("runs", "pack", finished_run, "--out", archive)
    names = {"FACES": faces, "RUN": finished_run, "ARCHIVE": archive}
    words = [str(names.get(word, word)).replace("DISK", str(small_disk.folder)) for word in command]
    assert until_it_fits(call, small_disk, 4, *words)


class Flat(Dataset):
    """Six subjects whose expression is how bright they are."""

    name, split, expressions, digest = "flat", "train", ("neutral", "happy"), "0" * 64

    def samples(self):
        return [
            Sample(f"{i}-{name}", f"{i}", name, "studio", partial(np.full, (32, 32, 3), grey, np.uint8))
            for i in range(6)
            for name, grey in (("neutral", 60), ("happy", 200))
        ]


def training(folder):
    settings = Settings(resolution=32, width=4, discriminator_width=4, batch_size=2, seed=0)
    return TrainingRun(StarGAN, Flat(), torch.zeros(0, 3, 32, 32), settings, folder, save_every=1)


def results(disk):
    """The names of the files of a training, without TensorBoard's, of which each start has its own."""
    return {name for name in disk.files() if not name.startswith("curves/")}


def test_a_training_keeps_its_last_state_and_goes_on_from_it(small_disk):
    folder = small_disk.folder
    training(folder).train(Limit(steps=1), lambda step, fraction: None)
    state = (folder / "state.pt").read_bytes()
    before = results(small_disk)
    for kilobytes in (8, 80):  # the checkpoint fits into neither, and into the second a part of the state
        small_disk.leave(kilobytes)
        run = training(folder)
        run.resume()
        with pytest.raises(BenchError, match=FULL):
            run.train(Limit(steps=2), lambda step, fraction: None)
        assert (folder / "state.pt").read_bytes() == state
        assert results(small_disk) == before
    small_disk.clear()
    run = training(folder)
    run.resume()
    run.train(Limit(steps=2), lambda step, fraction: None)
    assert run.trainer.step == 2


@pytest.mark.parametrize(("save", "name"), [(save_checkpoint, "g.safetensors"), (save_official, "g.ckpt")])
def test_weights_are_written_whole_or_not_at_all(save, name, small_disk, tmp_path):
    run = training(tmp_path / "training")
    small_disk.leave(8)
    with pytest.raises(BenchError, match=FULL):
        save(run.generator(), small_disk.folder / name, {})
    assert not small_disk.files()
    small_disk.clear()
    save(run.generator(), small_disk.folder / name, {})
    assert StarGAN.from_checkpoint(small_disk.folder / name)


class Finder:
    """Finds the same eyes in every photo."""

    def find(self, photo):
        return Face(np.array([[10.0, 12.0], [22.0, 12.0]]), 1)


def test_prepared_photos_are_kept_and_the_rest_is_made_when_there_is_room(faces, small_disk):
    crops = small_disk.folder / "crops"
    outputs, _ = plan_outputs(faces, crops)
    small_disk.leave(64)
    with pytest.raises(BenchError, match=FULL):
        list(prepare(faces, crops, outputs, 96, Finder()))
    made = {name for name in small_disk.files() if name.endswith(".png")}
    assert 0 < len(made) < len(outputs)
    small_disk.clear()
    statuses = [outcome.status for outcome in prepare(faces, crops, outputs, 96, Finder())]
    assert set(statuses) == {"done", "skipped"}


class Handler(BaseHTTPRequestHandler):
    """Serves 100 kB."""

    def do_GET(self):
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        self.send_response(206 if asked else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Range", f"bytes {start}-99999/100000")
        self.send_header("Content-Length", str(100_000 - start))
        self.end_headers()
        self.wfile.write(bytes(100_000 - start))

    def log_message(self, *_):
        """Say nothing."""


def test_a_download_keeps_what_arrived(small_disk):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url, path = f"http://127.0.0.1:{server.server_port}/net.pth", small_disk.folder / "net.pth"
        small_disk.leave(40)
        with pytest.raises(BenchError, match=FULL):
            download(url, path, 100_000, lambda arrived, total: None)
        assert not path.exists()
        small_disk.clear()
        download(url, path, 100_000, lambda arrived, total: None)
        server.shutdown()
    assert path.read_bytes() == bytes(100_000)
