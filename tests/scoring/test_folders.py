"""``bench score`` on two folders: the numbers are those of the networks, every misuse has a clear error."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fesbench.core.errors import BenchError, DatasetError, ImageError, UnknownName, WeightsMissing
from fesbench.metrics.frechet import frechet_distance
from fesbench.metrics.networks import embedded
from fesbench.scoring.folders import Request, score_folders

SIDE = 64


def picture(seed, side=SIDE):
    """A smooth coloured image, each seed another."""
    y, x = np.mgrid[:side, :side] / side
    phases = np.random.default_rng(seed).uniform(0, 6, (3, 2))
    waves = [np.sin(5 * x + a) * np.cos(4 * y + b) for a, b in phases]
    return ((np.stack(waves, axis=2) + 1) * 127).astype(np.uint8)


def save(folder, names, first, side=SIDE):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(picture(first + number, side)).save(folder / name)
    return folder


@pytest.fixture
def folders(tmp_path):
    """Eighteen outputs of six people, and twenty other images."""
    sources = [f"s{i}" for i in range(6)]
    targets = ["happy", "sad", "angry"]
    save(tmp_path / "sources", [f"{s}.png" for s in sources], 0)
    save(tmp_path / "images", [f"{s}--{t}.png" for s in sources for t in targets], 100)
    save(tmp_path / "real", [f"{i}.png" for i in range(20)], 200)
    return Request(tmp_path / "images", tmp_path / "sources", tmp_path / "real")


def value(scores, metric):
    return scores.cells.set_index("metric").loc[metric, "value"]


def pixels(folder):
    import torch

    stack = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])
    return torch.from_numpy(stack).permute(0, 3, 1, 2)


def test_scores_are_those_of_the_networks_on_the_pairs(folders):
    scores = score_folders(folders)
    made, real = pixels(folders.images), pixels(folders.reference)
    judge, identity, quality = (embedded.load(name) for name in ("judge2", "identity", "quality"))
    targets = [path.stem.partition("--")[2] for path in sorted(folders.images.iterdir())]
    labels = [judge.card.labels.index(target) for target in targets]
    probabilities = judge.features(made).numpy()
    assert value(scores, "ecs@embedded") == pytest.approx(np.mean(probabilities.argmax(1) == labels))
    chosen = probabilities[np.arange(len(labels)), labels]
    assert value(scores, "ecs.probability@embedded") == pytest.approx(chosen.mean(), abs=1e-6)
    sources = identity.features(pixels(folders.sources)).numpy().repeat(3, axis=0)
    cosines = (identity.features(made).numpy() * sources).sum(1)
    assert value(scores, "fss@embedded") == pytest.approx(cosines.mean(), abs=1e-6)
    distance = frechet_distance(quality.features(made).numpy(), quality.features(real).numpy())
    assert value(scores, "fid@embedded") == pytest.approx(distance, rel=1e-6)


def test_pairs_do_not_depend_on_the_order_of_names(folders, tmp_path):
    """The same images under names that sort the other way round, told by a table."""
    before = score_folders(folders._replace(metrics=("fss",)))
    (tmp_path / "shuffled").mkdir()
    lines = ["image,source,target"]
    for number, path in enumerate(sorted(folders.images.iterdir(), reverse=True)):
        path.rename(tmp_path / "shuffled" / f"{number:02}.png")
        source, _, target = path.stem.partition("--")
        lines.append(f"{number:02}.png,{source}.png,{target}")
    table = tmp_path / "made.csv"
    table.write_text("\n".join(lines))
    request = folders._replace(images=tmp_path / "shuffled", targets=str(table), metrics=("fss",))
    after = score_folders(request)
    assert value(after, "fss@embedded") == value(before, "fss@embedded")
    assert after.record["digest"] == before.record["digest"]


def test_the_record_says_what_the_numbers_are(folders):
    found = json.loads(json.dumps(score_folders(folders).to_dict(), allow_nan=False))
    assert (found["backend"], found["images"], found["sources"]) == ("embedded", 18, 6)
    assert found["resolution"] == {"pixels": SIDE, "resized": False}
    assert found["networks"]["embedded-identity"]["digest"] == embedded.load("identity").card.digest
    assert "area" in found["networks"]["embedded-judge2"]["preprocessing"]
    assert found["formats"] == {"images": {"PNG": 18}, "sources": {"PNG": 6}, "references": {"PNG": 20}}
    assert {entry["expression"] for entry in found["by_expression"]} == {"happy", "sad", "angry"}
    measured = {entry["metric"] for entry in found["by_expression"]}
    assert measured == {"ecs@embedded", "ecs.probability@embedded", "ecs.auc@embedded"}
    areas = [e["value"] for e in found["by_expression"] if e["metric"] == "ecs.auc@embedded"]
    cells = {cell["metric"]: cell for cell in found["scores"]}
    assert cells["ecs.auc@embedded"]["value"] == pytest.approx(np.mean(areas))
    assert cells["ecs.macro@embedded"]["value"] == pytest.approx(cells["ecs@embedded"]["value"])
    assert cells["ecs.macro@embedded"]["low"] is not None
    happy = [entry for entry in found["confusion"]["ecs@embedded"] if entry["target"] == "happy"]
    assert (len(happy), sum(entry["count"] for entry in happy)) == (7, 6)


def test_identity_needs_no_expression(folders, tmp_path):
    made = save(tmp_path / "plain", [f"s{i}.png" for i in range(6)], 0)
    request = folders._replace(images=made, reference=None, metrics=("fss",))
    assert value(score_folders(request), "fss@embedded") == pytest.approx(1, abs=1e-6)
    with pytest.raises(DatasetError, match="ecs needs the expression"):
        score_folders(request._replace(metrics=("ecs", "fss")))


def test_names_may_follow_another_pattern(folders):
    for path in folders.images.iterdir():
        source, _, target = path.stem.partition("--")
        path.rename(path.with_name(f"out_{target}_of_{source}.png"))
    request = folders._replace(targets="out_{target}_of_{source}", metrics=("ecs",))
    assert score_folders(request).record["images"] == 18
    with pytest.raises(DatasetError, match=r"18 images .* cannot be paired"):
        score_folders(folders)


def test_a_source_without_image_is_told(folders):
    for name in ("happy", "sad", "angry"):
        (folders.images / f"s0--{name}.png").unlink()
    request = folders._replace(metrics=("fss",), reference=None)
    assert any("1 source has no image: s0" in warning for warning in score_folders(request).warnings)


def test_mixed_formats_are_told(folders):
    Image.fromarray(picture(5)).save(folders.images / "s0--happy.jpg")
    (folders.images / "s0--happy.png").unlink()
    warnings = score_folders(folders._replace(metrics=("fss",))).warnings
    assert any("file formats are mixed" in warning and "1 JPEG" in warning for warning in warnings)


def test_a_damaged_image_counts_as_wrong_and_is_told(folders):
    path = folders.images / "s3--sad.png"
    path.write_bytes(path.read_bytes()[:200])
    scores = score_folders(folders)
    assert any("s3--sad.png" in warning for warning in scores.warnings)
    rows = scores.rows[
        (scores.rows["metric"] == "fss.verified@embedded") & (scores.rows["edit"] == "s3--sad")
    ]
    assert rows["value"].tolist() == [0.0]
    assert scores.cells.set_index("metric").loc["fid@embedded", "n_scored"] == 17


def _emptied(request):
    for path in request.images.iterdir():
        path.unlink()


def _grey(request):
    Image.fromarray(picture(1)).convert("L").save(request.images / "s0--happy.png")


def _larger(request):
    Image.fromarray(picture(1, 80)).save(request.sources / "s2.png")


def _oblong(request):
    for folder in request[:3]:
        for path in folder.iterdir():
            Image.fromarray(picture(1)[:48]).save(path)


def _misnamed(request):
    (request.images / "s1--sad.png").rename(request.images / "t1--sad.png")


def _unknown(request):
    (request.images / "s1--sad.png").rename(request.images / "s1--merry-ish.png")


def _few(request):
    for path in list(request.reference.iterdir())[5:]:
        path.unlink()


def _twins(request):
    Image.fromarray(picture(1)).save(request.sources / "s1.jpg")


def _text(request):
    (request.images / "s1--sad.png").write_text("not an image")


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (_emptied, DatasetError, "images holds no image"),
        (_grey, DatasetError, r"1 of 44 images is grey, such as .*s0--happy\.png"),
        (_larger, DatasetError, r"2 sizes: most are 64x64, .*s2\.png is 80x80.*--resolution"),
        (_oblong, DatasetError, "64x48, not square; --resolution"),
        (_misnamed, DatasetError, r"1 image .* cannot be paired .*: t1--sad\.png; name them"),
        (_unknown, DatasetError, "unknown expression 'merry-ish'"),
        (_few, DatasetError, "need 16 images and references or more, not 18 and 5"),
        (_twins, DatasetError, "which one is the source"),
        (_text, ImageError, r"s1--sad\.png: not an image"),
    ],
)
def test_misuse_has_a_clear_error(folders, harm, error, message):
    harm(folders)
    with pytest.raises(error, match=message):
        score_folders(folders)


def test_sizes_may_differ_where_one_is_asked_for(folders):
    _larger(folders)
    scores = score_folders(folders._replace(resolution=64, metrics=("fss",)))
    assert scores.record["resolution"] == {"pixels": 64, "resized": True}


def test_metrics_that_cannot_be_had_are_named(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path / "none"))
    with pytest.raises(WeightsMissing, match=r"facenet512_weights\.pth"):
        score_folders(folders._replace(metrics=("fss",), backend="paper"))
    partly = score_folders(folders._replace(metrics=("fss@facenet512", "fss@embedded")))
    assert list(partly.unavailable) == ["fss@facenet512"]
    with pytest.raises(DatasetError, match="--reference"):
        score_folders(folders._replace(metrics=("fid",), reference=None))
    with pytest.raises(UnknownName, match="fss"):
        score_folders(folders._replace(metrics=("fsss",)))


def test_the_command_prints_json_and_exits_by_outcome(call_bench, folders):
    where = ("--images", folders.images, "--sources", folders.sources, "--metric", "fss,ecs")
    done = call_bench("score", *where, "--json")
    found = {cell["metric"]: cell["value"] for cell in json.loads(done.stdout)["scores"]}
    assert {"ecs@embedded", "fss@embedded", "fss.verified@embedded"} <= found.keys()
    failed = call_bench("score", *where, "--backend", "paper", "--weights-dir", folders.images, code=2)
    assert failed.stderr.startswith("error: ")


def test_statistics_of_the_reference_stand_in_for_its_images(folders, tmp_path):
    path = tmp_path / "real.npz"
    request = folders._replace(metrics=("fid",))
    first = score_folders(request._replace(save_statistics=path))
    again = score_folders(request._replace(reference=path))
    row = first.cells.set_index("metric").loc["fid@embedded"]
    same = again.cells.set_index("metric").loc["fid@embedded"]
    assert same["n_references"] == row["n_references"] == 20
    for name in ("value", "low", "high"):
        assert same[name] == pytest.approx(row[name], rel=1e-6)
    assert again.record["reference_digest"] != first.record["reference_digest"] != ""
    with pytest.raises(BenchError, match=r"images of 64 pixels, not .* images of 32 pixels"):
        score_folders(request._replace(reference=path, resolution=32))
    with pytest.raises(DatasetError, match="kid needs the images"):
        score_folders(request._replace(reference=path, metrics=("fid", "kid")))
    with pytest.raises(DatasetError, match="statistics need a folder"):
        score_folders(request._replace(reference=path, save_statistics=path))


def test_statistics_that_pytorch_fid_wrote_must_fit_the_network(folders, tmp_path):
    path = tmp_path / "theirs.npz"
    np.savez(path, mu=np.zeros(65), sigma=np.eye(65))
    request = folders._replace(reference=path, metrics=("fid",))
    found = score_folders(request)
    row = found.cells.set_index("metric").loc["fid@embedded"]
    assert row["value"] > 0
    assert pd.isna(row["n_references"])
    assert any("does not name the network" in warning for warning in found.warnings)
    np.savez(path, mu=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(DatasetError, match=r"theirs\.npz is of 3 dimensions; embedded-quality gives 65"):
        score_folders(request)
    with pytest.raises(DatasetError, match="not a file of statistics"):
        score_folders(request._replace(reference=tmp_path / "none.npz"))


def test_references_that_are_sources_are_told(folders):
    for path in folders.sources.iterdir():
        shutil.copy(path, folders.reference / f"copy-of-{path.name}")
    warnings = score_folders(folders._replace(metrics=("kid",))).warnings
    assert any("6 of 26 references are sources" in warning for warning in warnings)


def test_references_that_are_the_outputs_are_told(folders):
    found = score_folders(folders._replace(metrics=("fid",), reference=folders.images))
    count = len(list(folders.images.iterdir()))
    assert any(f"{count} of {count} references are the scored images" in text for text in found.warnings)
    assert found.to_dict()["warnings"] == list(found.warnings)


def test_portable_networks_on_real_photos(photos_folder, weights_folder, tmp_path, monkeypatch):
    """Smiles of six people as outputs of their neutral photos: verified, and nearer than other people."""
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder))
    for role, expression, ending in (("sources", "neutral", ""), ("images", "happy", "--happy")):
        (tmp_path / role).mkdir()
        for path in sorted((photos_folder / expression).glob("*.jpg"))[:6]:
            photo = Image.open(path).convert("RGB").resize((128, 128))
            photo.save(tmp_path / role / f"{path.stem}{ending}.png")
    request = Request(tmp_path / "images", tmp_path / "sources", metrics=("ecs", "fss"), backend="portable")
    scores = score_folders(request)
    assert value(scores, "fss.verified@dlib") == 1
    levels = scores.record["face_levels"]["fss@dlib"]
    assert (levels["subjects"], levels["genuine"]) == (6, None)
    assert value(scores, "fss@dlib") > levels["impostor"] + 0.05
    assert value(scores, "ecs.probability@fer") > 0.3
    assert "ecs.auc@fer" not in set(scores.cells["metric"])
    assert scores.unavailable == {}


def test_byte_copies_of_sources_score_one_whatever_their_names(tmp_path):
    for name, seed in (("p/1", 0), ("p-1", 1)):
        for file in (tmp_path / "src" / f"{name}.png", tmp_path / "img" / f"{name}--happy.png"):
            save(file.parent, [file.name], seed)
    scores = score_folders(Request(tmp_path / "img", tmp_path / "src", metrics=("fss",)))
    assert value(scores, "fss@embedded") == pytest.approx(1, abs=1e-6)
    assert scores.record["sources"] == 2


def test_rows_that_share_an_image_are_scores_of_their_own(tmp_path):
    save(tmp_path / "src", ["1.png", "2.png"], 0)
    save(tmp_path / "img", ["a.png"], 0)
    table = tmp_path / "m.csv"
    table.write_text("image,source,target\na.png,1,happy\na.png,1,sad\na.png,1,angry\na.png,2,happy\n")
    scores = score_folders(Request(tmp_path / "img", tmp_path / "src", targets=str(table), metrics=("fss",)))
    each = scores.rows[scores.rows["metric"] == "fss@embedded"].set_index("edit")["value"]
    assert each.drop("2--happy").tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert each["2--happy"] < 0.99
    assert (scores.record["images"], len(each)) == (1, 4)


def test_an_image_of_several_rows_counts_once_in_a_set(folders):
    before = score_folders(folders._replace(metrics=("fid",)))
    lines = [
        f"{path.name},{path.stem.partition('--')[0]},happy" for path in sorted(folders.images.iterdir())[::3]
    ]
    table = folders.images.parent / "m.csv"
    rows = [f"{p.name},{p.stem.replace('--', '.png,')}" for p in sorted(folders.images.iterdir())]
    rows += [line.replace(",happy", ",neutral") for line in lines]
    table.write_text("\n".join(["image,source,target", *rows]))
    after = score_folders(folders._replace(metrics=("fid",), targets=str(table)))
    assert value(after, "fid@embedded") == pytest.approx(value(before, "fid@embedded"))


def _save(pixels, path, **options):
    Image.fromarray(pixels).save(path, **options)


@pytest.mark.parametrize("role", ["sources", "reference"])
@pytest.mark.parametrize("harm", ["cut", "0..1"])
def test_unusable_sources_and_references_are_named_before_anything_is_computed(folders, role, harm):
    path = sorted(getattr(folders, role).iterdir())[2]
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        _save(np.ones((SIDE, SIDE, 3), np.uint8), path)
    reason = "damaged" if harm == "cut" else "black, as 0..1"
    with pytest.raises(
        ImageError, match=rf"1 of \d+ {role.rstrip('s')}s cannot be used: .*{path.name}: .*{reason}"
    ):
        score_folders(folders)


def test_unusual_images_are_noted_for_each_role(folders):
    clear = np.dstack([picture(1), np.full((SIDE, SIDE), 99, np.uint8)])
    _save(clear, folders.images / "s1--sad.png")
    _save(picture(2)[:, :40], folders.sources / "s2.png")
    _save(np.full((SIDE, SIDE, 3), 77, np.uint8), folders.reference / "3.png")
    (folders.images / "s2--sad.png").write_bytes((folders.images / "s2--sad.png").read_bytes()[:-30])
    notes = score_folders(folders._replace(metrics=("fss",), resolution=32)).warnings
    for expected in (
        "1 of 17 images, such as s1--sad.png: partly transparent; blended over white",
        "1 of 6 sources, such as s2.png: not square; only the centre square is used",
        "1 of 20 references, such as 3.png: one colour throughout",
        "s2--sad.png: the image is damaged",
    ):
        assert any(expected in note for note in notes), notes


def test_images_that_a_table_of_targets_leaves_out_are_named(folders, tmp_path):
    table = tmp_path / "made.csv"
    table.write_text("image,source,target\ns0--happy.png,s0.png,happy\ns1--sad.png,s1.png,sad\n")
    found = score_folders(folders._replace(reference=None, targets=str(table), metrics=("ecs",)))
    (said,) = [line for line in found.warnings if "not named in the table" in line]
    assert said.startswith("16 images")
    assert "s0--angry.png" in said
