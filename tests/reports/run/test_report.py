"""What a report may hold: figures where they are asked for, faces only where that is allowed."""

import pytest

import fesbench
from fesbench.reports.run.pages import command_of
from fesbench.reports.run.report import ReportRequest, read_runs, write_reports
from fesbench.runs.spec import RunSpec

SUBJECTS = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory, random_faces):
    """A run of two controls on pictures that are registered under the name of a licensed data set."""
    folder = tmp_path_factory.mktemp("report")
    names = [f"p{subject}" for subject in range(SUBJECTS)]
    random_faces(folder / "london", neutral=names, happy=names)
    metrics = ["fidelity", "quality"]
    fesbench.evaluate(["truth", "copy"], [str(folder / "london")], metrics, out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module", params=[(), ("london",)], ids=["shared", "with faces"])
def written(request, run, tmp_path_factory):
    """The report with its figures, and the data sets whose images it may hold."""
    out = tmp_path_factory.mktemp("written")
    write_reports(ReportRequest(read_runs([run]), out, request.param), ["html", "figures"])
    return out, request.param


def test_faces_are_in_a_report_only_if_they_are_included(written):
    out, included = written
    faces = [path for path in out.rglob("*.png") if path.stem.startswith(("grid", "strip", "p"))]
    assert bool(faces) == bool(included)
    markup = (out / "html/index.html").read_text(encoding="utf-8")
    assert ("Figures of images" in markup) == bool(included)


def test_those_who_made_the_photos_are_named(written):
    out, included = written
    captions = (out / "figures/captions.md").read_text(encoding="utf-8")
    assert "DeBruine" in (out / "html/index.html").read_text(encoding="utf-8")
    assert ("DeBruine" in captions) == bool(included)


def test_every_figure_is_in_the_page_with_its_caption(written):
    out, _ = written
    drawn = {path.name for path in (out / "figures").glob("*.png")}
    assert {path.name for path in (out / "html/figures/0").iterdir()} == drawn
    captions = (out / "figures/captions.md").read_text(encoding="utf-8").splitlines()
    assert len(captions) == len(drawn) == len(list((out / "figures").glob("*.pdf")))
    markup = (out / "html/index.html").read_text(encoding="utf-8")
    assert all(f'src="figures/0/{name}"' in markup for name in drawn)


def test_models_stand_in_the_order_in_which_they_were_asked_for(run):
    (report,) = read_runs([run])
    assert [row.name for row in report.mains["london"].rows] == ["truth", "copy"]


def test_the_command_on_the_page_says_every_field_of_the_specification():
    spec = RunSpec(
        models=("a b",), data=("d",), metrics=("fss",), checkpoints={"m": "f"}, backend="portable",
        labels={"m": ("happy", "sad")}, native_sizes={"m": 64}, action_units={"m": "u.csv"},
        resolution=64, limit=3, folds=7, seed=11, inference="bfloat16", upscale="output", registered=True,
    )  # fmt: skip
    command = command_of(spec)
    assert command == (
        "bench run --model 'a b' --data d --metric fss --checkpoint m=f --labels m=happy,sad "
        "--native-size m=64 --action-units m=u.csv --backend portable --resolution 64 --limit 3 --folds 7 "
        "--seed 11 --inference bfloat16 --upscale output --registered"
    )
    assert command.count(" --") == len(RunSpec.model_fields.keys() - {"part"})  # merged runs have none
