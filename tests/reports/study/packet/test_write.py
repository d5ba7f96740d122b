"""The files of a packet fit their formats, their data, and the law of their pictures."""

import csv
import hashlib
import json
import re
import shutil
import subprocess

import pytest
import yaml

from fesbench.core.errors import BenchError, SpecError
from fesbench.reports.formats.delimited import csv_rows
from fesbench.reports.study.collection.importers import gforms, mturk, paper, potato, qualtrics
from fesbench.reports.study.collection.responses import COLUMNS
from fesbench.reports.study.design.build import build
from fesbench.reports.study.packet.data_dictionary import data_dictionary
from fesbench.reports.study.packet.details import Details, read_details
from fesbench.reports.study.packet.documents import ADMIN_TEXTS, PARTICIPANT_TEXTS, fill, is_draft
from fesbench.reports.study.packet.licences import PUBLIC_OUTPUTS, allowed_outputs, licence_of
from fesbench.reports.study.packet.paper import picture_side, write_print
from fesbench.reports.study.packet.prose import read_texts
from fesbench.reports.study.packet.sheets import shape
from fesbench.reports.study.packet.write import OUTPUTS
from fesbench.reports.study.schema import Rater
from fesbench.reports.study.storage import form_path, read_forms, read_study

FILLED = Details(**{name: f"my {name}" for name in Details.model_fields})


@pytest.fixture(scope="module")
def packet(tmp_path_factory, write_study, made, material):
    folder = tmp_path_factory.mktemp("packet")
    return write_study(folder / "out/packet", folder / "key/x", made, material, FILLED)


@pytest.fixture
def trials(made):
    return {trial.id: (form, trial) for form in made.forms for trial in form.trials}


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_manifest_proves_every_file(packet, suite):
    manifest = json.loads((packet / "manifest.json").read_text())
    assert manifest.items() >= suite.items()
    digests = manifest["sha256"]
    files = {p.relative_to(packet).as_posix(): p for p in packet.rglob("*") if p.is_file()}
    assert set(digests) == set(files) - {"manifest.json"}
    for name, digest in digests.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


def test_a_packet_that_was_changed_is_not_read(packet, tmp_path):
    copy = shutil.copytree(packet, tmp_path / "packet", ignore=shutil.ignore_patterns("print", "platforms"))
    study = read_study(copy)
    assert len(read_forms(copy, study)) == len(study.forms)
    form = form_path(copy, "F0002")
    form.write_text(form.read_text().replace('"A"', '"B"', 1))
    with pytest.raises(BenchError, match=r"F0002\.json was changed"):
        read_forms(copy, study)
    (copy / "manifest.json").write_text("[]")
    with pytest.raises(BenchError, match="cannot be read"):
        read_study(copy)


def test_every_form_is_printed_on_both_papers_with_pictures_at_300_dpi(packet, made):
    sizes = {"A4": b"595.2756 841.8898", "Letter": b"612 792"}
    for form in made.forms:
        for paper_size, box in sizes.items():
            data = (packet / "public" / "print" / f"{form.id}-{paper_size}.pdf").read_bytes()
            assert b"/MediaBox [ 0 0 " + box in data
            assert data.count(b"/Subtype /Image") == len({made.files[name] for name in form.stimuli})
            assert b"/Width 484" in data  # 41 mm at 300 dpi


def test_a_form_is_printed_in_the_same_bytes_elsewhere(packet, made, tmp_path):
    shutil.copytree(packet / "public" / "stimuli", tmp_path / "public" / "stimuli")
    write_print(tmp_path, made.study, made.forms[:1], read_texts(packet))
    for name in ("F0001-A4.pdf", "F0001-Letter.pdf"):
        before, after = (folder / "public" / "print" / name for folder in (packet, tmp_path))
        assert before.read_bytes() == after.read_bytes()


@pytest.mark.parametrize("design", ["best-of-n", "2afc", "rating"])
@pytest.mark.parametrize("models", [2, 7, 9, 12])
def test_pictures_fit_the_page_in_pairs(made, design, models):
    """Whatever their number, with the original beside them, and two questions on a page of Letter."""
    trial = made.forms[0].trials[0]
    count = {"best-of-n": models, "2afc": 2, "rating": 1}[design]
    names = (trial.stimuli[0],) * count
    letters = tuple("ABCDEFGHIJKL"[: max(count, 2)])
    shown = trial.model_copy(update={"stimuli": names, "choices": letters, "labels": letters})
    side, (columns, rows) = picture_side(shown), shape(count)
    assert side >= 20
    assert (columns + 1) * side + (columns + 2) * 3 <= 180
    assert 2 * rows * (side + 6) <= 200


def test_the_data_entry_table_comes_back_through_the_paper_import(packet, made, trials, tmp_path):
    rows = rows_of(packet / "public" / "print" / "data_entry.csv")
    assert len(rows) == len(trials)
    filled = [
        (row["form_id"], row["number"], row["trial_id"], row["choices"].split()[-1], "") for row in rows
    ]
    (tmp_path / "typed.csv").write_text(
        csv_rows([["form_id", "number", "trial_id", "answer", "choices"], *filled])
    )
    answers = paper.read(tmp_path / "typed.csv").answers
    assert {answer.trial for answer in answers} == set(trials)
    assert all(answer.form == trials[answer.trial][0].id for answer in answers)
    assert all(answer.answer == trials[answer.trial][1].choices[-1] for answer in answers)


def test_mturk_layout_and_manifest_fit_each_other_and_the_import(packet, trials, tmp_path):
    folder = packet / "public" / "platforms" / "mturk"
    layout, rows = (folder / "layout.html").read_text(), rows_of(folder / "manifest.csv")
    assert set(re.findall(r"\$\{(\w+)\}", layout)) == set(rows[0]) - {"form_id"}
    assert 'answer-format="flatten-objects"' in layout
    shown = [row[name] for row in rows for name in row if name.endswith("_trial_id") and row[name]]
    assert sorted(shown) == sorted(trials)
    by_form = [rows_of(path) for path in sorted(folder.glob("F*.csv"))]
    assert [row for form in by_form for row in form] == rows
    assert [{row["form_id"] for row in form} for form in by_form] == [{f"F{n:04d}"} for n in range(1, 7)]
    first = rows[0]
    _, trial = trials[first["t00_trial_id"]]
    assert first["t00_image_1"] == f"https://host/stimuli/{trial.stimuli[1]}.png"
    assert '<crowd-radio-button name="t00.B">' in layout
    batch = {f"Input.{name}": value for name, value in first.items()}
    batch |= {"WorkerId": "W1", "AssignmentStatus": "Approved", "SubmitTime": "", "Answer.t00.B.on": "true"}
    batch |= {"Answer.consent.on": "true"}
    (tmp_path / "batch.csv").write_text(csv_rows([batch, batch.values()]))
    (answer,) = mturk.read(tmp_path / "batch.csv").answers
    assert (answer.trial, answer.answer, answer.form) == (trial.id, "B", first["form_id"])


def test_qualtrics_questions_are_single_lines_with_ids_and_values(packet, made):
    lines = (packet / "public" / "platforms" / "qualtrics" / "F0002.txt").read_text().splitlines()
    assert lines[0] == "[[AdvancedFormat]]"
    form = made.forms[1]
    names = [line[5:-2] for line in lines if line.startswith("[[ID:")]
    assert names == ["consent", *(trial.id for trial in form.trials)]
    consent = lines.index("[[Question:Text]]") + 1
    assert "my ethics_board" in lines[consent]
    assert lines[lines.index("[[ID:consent]]") + 4] == "I agree to take part"
    at = lines.index(f"[[ID:{form.trials[5].id}]]")
    trial = form.trials[5]
    assert lines[at - 1] == "[[Question:MC:SingleAnswer:Horizontal]]"
    assert all(f"https://host/stimuli/{name}.png" in lines[at + 1] for name in trial.stimuli)
    assert lines[at + 2 : at + 5] == ["[[AdvancedChoices]]", "[[Choice:1]]", "A"]


def test_qualtrics_answers_come_back(made, tmp_path):
    trial = made.forms[0].trials[4]
    columns = ["Status", "ResponseId", trial.id]
    rows = [["x", "x", "question"], ['{"ImportId":"a"}'] * 3, ["IP Address", "R_1", "B"]]
    (tmp_path / "q.csv").write_text(csv_rows([columns, *rows]))
    (answer,) = qualtrics.read(tmp_path / "q.csv").answers
    assert (answer.trial, answer.answer) == (trial.id, "B")


def test_google_forms_scripts_hold_their_trials_and_sheets(packet, made):
    folder = packet / "public" / "platforms" / "gforms"
    script = (folder / "F0001.gs").read_text()
    listed = json.loads(re.search(r"const TRIALS = (\[.*?\n\]);", script, re.DOTALL)[1])
    assert [trial["id"] for trial in listed] == [trial.id for trial in made.forms[0].trials]
    assert 'const SHEETS = "https://host/platforms/gforms/sheets";' in script
    assert (folder / "sheets" / f"{listed[0]['id']}.jpg").read_bytes()[:2] == b"\xff\xd8"


FORM_APP = """
const calls = [];
const item = (kind) => new Proxy({}, {get: (_, name) => (...given) => {
  calls.push([kind, name, ...given.filter((one) => typeof one !== "object" || Array.isArray(one))]);
  return name === "createChoice" ? given[0] : item(name.startsWith("add") ? name : kind);
}});
const FormApp = {create: () => item("form"), PageNavigationType: {SUBMIT: "submit"}};
const UrlFetchApp = {fetch: (url) => ({getBlob: () => url})}, Logger = {log: () => {}};
"""


@pytest.mark.skipif(not shutil.which("node"), reason="node, which comes with npm, is not installed")
def test_google_forms_scripts_run(packet, made):
    """Against a stand-in for ``FormApp`` that writes down what is called."""
    script = (packet / "public" / "platforms" / "gforms" / "F0001.gs").read_text()
    program = f"{FORM_APP}\n{script}\nmakeForm();\nconsole.log(JSON.stringify(calls));"
    done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, check=True)
    calls = json.loads(done.stdout)
    titles = [given for kind, name, *given in calls if (kind, name) == ("addMultipleChoiceItem", "setTitle")]
    trials = made.forms[0].trials
    asked = [[f"[{trial.id}] {trial.prompt}"] for trial in trials]
    assert titles == [["consent"], ["form_id"], *asked]
    choices = [given for _, name, *given in calls if name == "setChoiceValues"]
    assert choices == [[["F0001"]], *([list(trial.labels)] for trial in trials)]
    sheets = [given for _, name, *given in calls if name == "setImage"]
    assert sheets == [[f"https://host/platforms/gforms/sheets/{trial.id}.jpg"] for trial in trials]
    described = [
        given[0] for _, name, *given in calls if name in ("setDescription", "setConfirmationMessage")
    ]
    assert ["my payment" in text for text in described] == [True, False]


def test_google_forms_answers_come_back(made, tmp_path):
    trial = made.forms[0].trials[4]
    columns = ["Timestamp", "participant", "form_id", f"[{trial.id}] {trial.prompt}"]
    (tmp_path / "g.csv").write_text(csv_rows([columns, ["2026/01/01", "P", "F0001", "A"]]))
    (answer,) = gforms.read(tmp_path / "g.csv").answers
    assert (answer.trial, answer.answer, answer.form) == (trial.id, "A", "F0001")


def test_potato_items_and_configuration(packet, made, tmp_path):
    folder = packet / "public" / "platforms" / "potato"
    config = yaml.safe_load((folder / "F0003.yaml").read_text())
    items = [json.loads(line) for line in (folder / config["data_files"][0]).read_text().splitlines()]
    assert [item["id"] for item in items] == [trial.id for trial in made.forms[2].trials]
    shown, consent = json.loads((folder / config["phases"]["consent"]["file"]).read_text())
    assert shown["allow_html"]
    assert "my ethics_board" in shown["labels"][0]
    (leave,) = config["phases"]["consent"]["exit_when"]["show_when"]
    assert (leave["schema"], leave["value"]) == (consent["name"], consent["labels"][1])
    (scheme,) = config["annotation_schemes"]
    assert scheme["labels"] == list(made.forms[2].trials[0].choices)
    line = {"id": items[0]["id"], "label_annotations": {scheme["name"]: {"C": "3"}}}
    (tmp_path / "annotated.jsonl").write_text(json.dumps(line))
    (answer,) = potato.read(tmp_path / "annotated.jsonl").answers
    assert (answer.trial, answer.answer) == (items[0]["id"], "C")


def test_texts_without_gaps_are_no_drafts_and_others_are(packet, write_study, made, material, tmp_path):
    texts = {path.stem: path.read_text() for path in (packet / "admin").glob("*.md")}
    assert set(texts) == {*ADMIN_TEXTS, *PARTICIPANT_TEXTS}
    assert not [name for name, text in texts.items() if is_draft(text)]
    assert not [name for name, text in texts.items() if re.search(r"\{\{[a-z_]+\}\}", text)]
    gaps = write_study(tmp_path / "out/packet", tmp_path / "key/x", made, material)
    drafts = {path.stem for path in (gaps / "admin").glob("*.md") if is_draft(path.read_text())}
    assert drafts == {"consent", "debrief", "protocol", "recruitment", "privacy", "risk"}
    assert "institution" in (gaps / "public" / "texts" / "consent.md").read_text().splitlines()[0]


def test_what_an_organiser_writes_is_never_a_template(tmp_path):
    assert fill("{{a}} {{b}}", {"a": "{{b}}", "b": "x"}) == "{{b}} x"


def test_details_are_read_back_and_mistakes_named(tmp_path, packet):
    assert read_details(packet / "admin" / "details.yaml") == FILLED
    (tmp_path / "bad.yaml").write_text("institutoin: x\n")
    with pytest.raises(SpecError, match="institutoin"):
        read_details(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(SpecError, match="mapping"):
        read_details(tmp_path / "list.yaml")


def test_the_data_dictionary_knows_every_column():
    rows = list(csv.DictReader(data_dictionary("5 years").splitlines()))
    named = [(row["file"], row["column"]) for row in rows]
    raters = list(Rater.model_fields)
    expected = {"responses.csv": COLUMNS, "participants.csv": raters}
    assert named == [(file, name) for file, names in expected.items() for name in names]


@pytest.mark.parametrize(("name", "layout"), [("mine", "cfee"), ("london", "kdef"), ("rendered-2", "rafd")])
def test_faces_that_may_not_be_shown_in_public_are_kept_off_it(name, layout):
    terms = {"rendered": licence_of("rendered"), name: licence_of(name, layout)}
    assert allowed_outputs(terms, (), OUTPUTS, None) == ("print", "lab")
    assert allowed_outputs(terms, ("print",), OUTPUTS, None) == ("print",)
    for output in PUBLIC_OUTPUTS:
        with pytest.raises(BenchError, match="--include-images-permission"):
            allowed_outputs(terms, ("print", output), OUTPUTS, None)
        assert allowed_outputs(terms, (output,), OUTPUTS, "the owners, 1 May") == (output,)
    assert allowed_outputs(terms, (), OUTPUTS, "the owners, 1 May") == OUTPUTS


@pytest.mark.parametrize("name", ["cfee", "CFEE-128", "rafd", "kdef"])
def test_a_folder_inherits_no_licence_by_its_name(name):
    for layout in ("", "pattern", "expression-folders", "manifest"):
        assert licence_of(name, layout).public == "unknown"
    stated = licence_of(name, "cfee", "agreed with all who are shown")
    assert (stated.licence, stated.public) == ("agreed with all who are shown", "unknown")


def test_a_stated_permission_is_recorded(material, request_of, write_study, tmp_path):
    made = build(
        material, request_of(permission="Owners, letter of 1 May", outputs=("print",), participants=1)
    )
    packet = write_study(tmp_path / "out/packet", tmp_path / "key/x", made, material)
    assert made.key.permission == "Owners, letter of 1 May"
    (row,) = rows_of(packet / "admin" / "stimuli_licences.csv")
    assert row["permission_stated"] == "Owners, letter of 1 May"
    assert "Owners, letter of 1 May" in (packet / "admin" / "risk.md").read_text()
    assert not (packet / "public" / "platforms").exists()
