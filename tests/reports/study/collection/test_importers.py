"""Files as the platforms write them, and files that mean harm."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.collection.importers import READERS
from fesbench.reports.study.collection.importers.mturk import submitted
from fesbench.reports.study.collection.responses import (
    import_files,
    merged,
    read_responses,
    replacing,
    resolve,
    responses_csv,
)
from fesbench.reports.study.storage import pseudonym

T0, T1 = "t000000000000", "t000000000001"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="answers.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def short(answer):
    return answer.participant, answer.form, answer.trial, answer.answer, answer.slot


def test_web_csv_as_jspsych_writes_it(write):
    path = write(
        '"rt","response","trial_type","time_elapsed","participant","form_id","trial_id","answer"\r\n'
        '"812","0","html-button-response","900","","","",""\r\n'
        f'"1503.4","2","html-button-response","2500","pp1","F0000","{T0}","C"\r\n'
        f'"null","1","html-button-response","9000","pp1","F0000","{T1}",""\r\n'
    )
    found = READERS["web"](path).answers
    assert [short(one) for one in found] == [("pp1", "F0000", T0, "C", None), ("pp1", "F0000", T1, "", 1)]
    assert [one.rt_ms for one in found] == [1503.4, None]


def test_web_json_with_prolific_id(write):
    rows = [{"trial_type": "preload"}, {"PROLIFIC_PID": "5f", "trial_id": T0, "response": 0, "rt": 950}]
    (found,) = READERS["web"](write(json.dumps(rows), "a.json")).answers
    assert short(found) == ("5f", "", T0, "", 0)
    assert found.rt_ms == 950


def test_server_lines(write):
    line = {"participant": "x", "form_id": "F0000", "trial_id": T0, "answer": "B", "rt_ms": 700,
            "timestamp": "2026-01-02T03:04:05+00:00", "screen": "1024x768"}  # fmt: skip
    lines = [line, line | {"screen": "=1+1"}]
    found, odd = READERS["server"](write("\n\n".join(map(json.dumps, lines)), "a.jsonl")).answers
    assert (found.screen, odd.screen) == ("1024x768", None)
    assert (found.answer, found.rt_ms, found.timestamp) == (
        "B",
        700,
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_paper_takes_the_form_for_the_person(write):
    found = READERS["paper"](write(f"form_id,trial_id,answer\nF0000,{T0},b\nF0000,{T1},\n")).answers
    assert [short(one) for one in found] == [("F0000", "F0000", T0, "b", None)]


MTURK = (
    "HITId,AssignmentId,WorkerId,AssignmentStatus,SubmitTime,WorkTimeInSeconds,Input.form_id,Input.t01_trial_id,"
    f"Answer.t01.B.on,Answer.{T0},Answer.t01.A.on,Approve,Reject\n"
    f"H,A1,W1,Submitted,Thu Oct 09 07:30:20 UTC 2025,61,F0000,{T1},true,C,false,,\n"
    f"H,A2,W2,Rejected,Thu Oct 09 07:31:20 PDT 2025,6,F0000,{T1},false,A,true,,\n"
)


def test_mturk_by_name_whatever_the_order(write):
    found = READERS["mturk"](write(MTURK))
    assert [short(one) for one in found.answers] == [
        ("W1", "F0000", T1, "B", None),
        ("W1", "F0000", T0, "C", None),
    ]
    assert found.answers[0].timestamp == datetime(2025, 10, 9, 7, 30, 20, tzinfo=UTC)
    assert [reason for _, reason in found.skipped] == ["assignment rejected"]
    assert found.dropped == ["HITId", "AssignmentId", "WorkTimeInSeconds", "Approve", "Reject"]


def test_mturk_times_in_pacific_summer():
    assert submitted("Thu Oct 09 07:30:20 PDT 2025").utcoffset() == timedelta(hours=-7)
    assert submitted("Thu Oct 09 07:30:20 XYZ 2025") is None
    assert submitted("") is None


QUALTRICS = (
    f"StartDate,Status,IPAddress,ResponseId,RecipientEmail,LocationLatitude,form_id,{T0},{T1}\n"
    '"Start","Response Type","IP","Response","Email","Lat","form_id","Which,\nof these?","Which?"\n'
    '"{""ImportId"":""startDate""}","{""ImportId"":""status""}","{}","{}","{}","{}","{}","{}","{}"\n'
    "2025-10-09 07:30:20,IP Address,10.0.0.1,R_1,a@b.c,1.5,F0000,2,\n"
    "2025-10-09 07:30:20,Survey Preview,10.0.0.1,R_2,a@b.c,1.5,F0000,1,1\n"
)


def test_qualtrics_skips_three_headers_and_previews(write):
    found = READERS["qualtrics"](write("\ufeff" + QUALTRICS))
    assert [short(one) for one in found.answers] == [("R_1", "F0000", T0, "2", None)]
    assert [place for place, _ in found.skipped] == ["answers.csv, row 5"]
    assert {"IPAddress", "RecipientEmail", "LocationLatitude"} <= set(found.dropped)


def test_qualtrics_with_one_row_is_read(write):
    (found,) = READERS["qualtrics"](write(f"ResponseId,form_id,{T0}\nR_1,F0000,2\n")).answers
    assert short(found) == ("R_1", "F0000", T0, "2", None)


def test_google_forms_by_the_id_in_the_title(write):
    found = READERS["gforms"](
        write(
            f"Timestamp,Email,[{T0}] Which?,[{T1}] Which?\n"
            "2025/10/09 7:30:20,a@b.c,A,\n2025/10/09 7:30:20,,B,C\n"
        )
    )
    assert [one.answer for one in found.answers] == ["A", "B", "C"]
    assert len({one.participant for one in found.answers}) == 2
    assert found.dropped == ["Timestamp", "Email"]


def test_google_forms_people_are_the_same_in_each_download_and_distinct(write):
    head = f"Timestamp,participant,[{T0}] Which?\n"
    rows = ["2025/10/09 7:30:20,cat,A\n", "2025/10/09 7:45:00,cat,B\n", "2025/10/09 7:30:20,,C\n"]

    def people(name, title, *given):
        text = head.replace(T0, title) + "".join(given)
        return {one.answer: one.participant for one in READERS["gforms"](write(text, name)).answers}

    first = people("answers.csv", T0, *rows)
    assert len(set(first.values())) == 3
    assert people("answers (1).csv", T0, *rows[::-1]) == first
    assert not set(people("other form.csv", T1, *rows).values()) & set(first.values())


@pytest.mark.parametrize(
    ("status", "read"),
    [("IP Address", 1), ("0", 1), ("IP-Adresse", 1), ("Offline", 1), ("16", 1), ("", 1)]
    + [(name, 0) for name in ("Survey Preview", "Survey Test", "Imported", "Spam", "Possible Spam")]
    + [(name, 0) for name in ("1", "2", "4", "8", "9", "12", "17", "Offline Survey Preview", "Unknown")],
)
def test_qualtrics_reads_only_what_participants_answered(write, status, read):
    found = READERS["qualtrics"](write(f"Status,ResponseId,{T0}\n{status},R_1,1\n"))
    assert (len(found.answers), len(found.skipped)) == (read, 1 - read)


EXTRA = (
    "time_{0}_First Click",
    "time_{0}_Click Count",
    "{0}_DO_1",
    "{0}_DO",
    "{0}_TEXT",
    "{0}.1",
    "1_{0}",
    "Q_{0}",
)


def test_qualtrics_answers_are_in_columns_that_are_trial_ids(write):
    names = [T0, *[name.format(one) for one in (T0, T1) for name in EXTRA], f" {T1.upper()} "]
    row = ["2", *["1"] * 2 * len(EXTRA), ""]
    found = READERS["qualtrics"](write(f"ResponseId,{','.join(names)}\nR_1,{','.join(row)}\n"))
    assert [short(one) for one in found.answers] == [("R_1", "", T0, "2", None)]
    assert set(names[1:-1]) <= set(found.dropped)


def test_mturk_answers_are_to_trials(write):
    head = f"WorkerId,Answer.{T0},Answer.time_{T0},Answer.{T0}_rt,Answer.comment,Input.t01_trial_id"
    found = READERS["mturk"](write(f"{head}\nW1,B,A,A,nice,{T1}\n"))
    assert [short(one) for one in found.answers] == [("W1", "", T0, "B", None)]


def test_google_scores_and_feedback_are_no_answers_and_edited_questions_are(write):
    head = (
        f"Timestamp,[{T0}] Which?,[{T0}] Which? [Score],[{T0}] Which? [Feedback],[{T1}] Which?,[{T1}] Which?"
    )
    found = READERS["gforms"](write(f"{head}\nnow,A,1 / 1,B,,C\n"))
    assert [(one.trial, one.answer) for one in found.answers] == [(T0, "A"), (T1, "C")]


@pytest.mark.parametrize(
    "moment",
    ["10/9/2025 9:30:20", "2025/10/09 9:30:20 AM GMT+2", "09.10.2025 07:30:20", "09/10/2025 09.30.20"],
)
def test_google_people_are_the_same_whatever_the_format_of_time(write, moment):
    def people(name, *moments):
        rows = "".join(f'"{moment}",blue,A,B\n' for moment in moments)
        text = f"Timestamp,participant,[{T0}] Which?,[{T1}] Which?\n{rows}"
        return {one.participant for one in READERS["gforms"](write(text, name)).answers}

    first = people("sheet.csv", "2025-10-09 09:30:20")
    assert people("forms.csv", moment) == first
    assert len(people("two.csv", moment, "11/9/2025 8:00:00")) == 2


@pytest.mark.parametrize(
    "word", ["2", "no", "No.", "FALSE", "", "I do not agree to take part", "I don't agree"]
)
def test_without_consent_there_is_no_answer(write, word):
    texts = {
        "qualtrics": f"ResponseId,consent,{T0}\nR_1,{word},1\nR_2,I agree to take part,2\n",
        "gforms": f"Timestamp,Consent,[{T0}] Which?\nnow,{word},A\nnow,I agree to take part.,B\n",
        "mturk": f"WorkerId,Answer.consent.on,Answer.{T0}\nW1,{word},A\nW2,true,B\n",
    }
    for platform, text in texts.items():
        found = READERS[platform](write(text))
        assert [one.answer for one in found.answers] == ["2" if platform == "qualtrics" else "B"]
        assert [reason for _, reason in found.skipped] == ["no consent"]


def test_a_refusal_in_any_row_is_one_for_the_participant(write):
    head = "participant,form_id,trial_id,answer,consent,rt"
    rows = [f"p,F0000,{T0},A,,9", "p,F0000,,,no,9", f"q,F0000,{T0},B,,9", "q,F0000,,,yes,9"]
    found = READERS["web"](write("\n".join([head, *rows])))
    assert [one.answer for one in found.answers] == ["B"]
    assert [reason for _, reason in found.skipped] == ["no consent"] * 2


def test_an_empty_consent_is_none_where_others_were_asked(write):
    head = "participant,form_id,trial_id,answer,consent,rt"
    found = READERS["web"](write(f"{head}\np1,F1,{T0},A,yes,900\np1,F1,{T1},B,,900\np2,F1,{T0},A,,900\n"))
    assert [(answer.participant, answer.trial) for answer in found.answers] == [("p1", T0), ("p1", T1)]
    assert [reason for _, reason in found.skipped] == ["no consent"]
    nobody_was_asked = READERS["web"](write(f"participant,form_id,trial_id,answer,rt\np2,F1,{T0},A,900\n"))
    assert len(nobody_was_asked.answers) == 1


def test_a_consent_that_is_neither_yes_nor_no_is_named(write):
    with pytest.raises(BenchError, match=r"answers\.csv, row 2: the consent is 'perhaps'"):
        READERS["qualtrics"](write(f"ResponseId,consent,{T0}\nR_1,perhaps,1\n"))


@pytest.mark.parametrize("placeholder", ["{{%PROLIFIC_PID%}}", "${e://Field/PROLIFIC_PID}"])
def test_an_id_that_was_never_filled_in_is_nobody(write, placeholder):
    text = f"ResponseId,PROLIFIC_PID,{T0}\nR_1,{placeholder},1\nR_2,{placeholder},2\n"
    found = READERS["qualtrics"](write(text))
    assert [one.participant for one in found.answers] == ["R_1", "R_2"]


def test_times_may_have_a_decimal_comma(write):
    (found,) = READERS["web"](write(f"participant;trial_id;answer;rt\np;{T0};A;812,5\n")).answers
    assert found.rt_ms == 812.5


@pytest.mark.parametrize(("word", "count"), [("I agree to take part", 1), ("I do not agree to take part", 0)])
def test_potato_without_consent_has_no_answers(write, word, count):
    state = {
        "user_id": "ann",
        "instance_id_to_label_to_value": {T0: [[{"schema": "answer", "name": "B"}, "B"]]},
        "phase_to_page_to_label_to_value": {
            "consent": {"consent": [[{"schema": "consent", "name": word}, word]]},
        },
    }
    found = READERS["potato"](write(json.dumps(state), "a/user_state.json"))
    assert (len(found.answers), len(found.skipped)) == (count, 1 - count)


def test_potato_radio_and_pairwise(write):
    lines = [
        {"id": T0, "label_annotations": {"choice": {"B": "true"}}},
        {"instance_id": T1, "label_annotations": {"choice": {"selection": "A"}}},
        {"id": T1, "label_annotations": {}},
    ]
    path = write("\n".join(map(json.dumps, lines)), "ann/annotated_instances.jsonl")
    found = READERS["potato"](path)
    assert [short(one) for one in found.answers] == [("ann", "", T0, "B", None), ("ann", "", T1, "A", None)]
    assert len(found.skipped) == 1


def test_potato_of_version_2(write):
    """As its 2.12.1 wrote it after a form was answered in a browser."""
    chosen = {T0: [[{"schema": "answer", "name": "B"}, "B"]], T1: [], "x": "y"}
    path = write(json.dumps({"user_id": "ann", "instance_id_to_label_to_value": chosen}), "a/user_state.json")
    found = READERS["potato"](path)
    assert [short(one) for one in found.answers] == [("ann", "", T0, "B", None)]
    assert len(found.skipped) == 2


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("trial_id,answer,Trial_ID,participant\n1,2,3,4\n", "a.csv", "two columns"),
        ("trial_id\n" + "x" * 200_000 + "\n", "a.csv", "field larger"),
        ("a\0b\n", "a.csv", "NUL"),
        ("[" * 100_000, "a.json", "JSON"),
        ("[1, 2]", "a.json", "objects"),
        ("{", "a.jsonl", "JSON"),
    ],
)
def test_harmful_files_are_refused_with_their_name(write, text, name, message):
    path = write(text, name)
    with pytest.raises(BenchError, match=message) as error:
        READERS["web"](path)
    assert name in str(error.value)


def test_other_encodings_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(BenchError, match="No such file"):
        READERS["web"](path)
    path.write_bytes("trial_id\né\n".encode("latin-1"))
    with pytest.raises(BenchError, match="UTF-8"):
        READERS["web"](path)


def test_too_large_a_file_is_refused_unread(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(BenchError, match="larger than"):
        READERS["web"](path)


def web_file(write, *rows, name="a.csv"):
    return write("participant,form_id,trial_id,answer,rt\n" + "".join(f"{row}\n" for row in rows), name)


def test_answers_are_matched_once_each_and_the_rest_is_reported(write, best_of_three):
    study, forms, key = best_of_three
    path = web_file(
        write,
        f"p1,F0000,{T0},B,900",
        f"p1,F0000,{T0},b,900",
        f"p1,F0000,{T0},C,900",
        f"p1,F0001,{T1},A,900",
        f"p1,F0000,{T1},D,900",
        "p1,F0000,tffffffffffff,A,900",
        f",F0000,{T1},A,900",
    )
    found = import_files("web", [path], study, forms, key.secret)
    assert [(one.trial_id, one.answer) for one in found.responses] == [(T0, "B")]
    assert found.report()["problems"] == {"duplicate": 1, "conflict": 1, "unmatched": 4}
    assert found.read == 7


def test_pseudonyms_hide_ids_and_are_the_same_every_time(write, best_of_three):
    study, forms, key = best_of_three
    path = web_file(write, f"5f1234SECRET,F0000,{T0},B,900")
    found = import_files("web", [path, path], study, forms, key.secret)
    (one,) = found.responses
    assert one.participant == pseudonym(key.secret, "5f1234SECRET")
    text = responses_csv(found.responses, forms, key)
    assert "SECRET" not in text
    assert "SECRET" not in json.dumps(found.report())
    assert pseudonym("aa" * 32, "5f1234SECRET") != one.participant


def test_the_tidy_table_names_slot_and_picture_but_no_model(write, best_of_three, tmp_path):
    study, forms, key = best_of_three
    found = import_files("web", [web_file(write, f"p1,F0000,{T0},B,912.5")], study, forms, key.secret)
    text = responses_csv(found.responses, forms, key)
    header, row = text.splitlines()
    assert header == (
        "study_id,form_id,participant,platform,trial_id,question,kind,answer,slot,stimulus,rt_ms,timestamp,screen,gold_pass"
    )
    assert row.split(",")[3:9] == ["web", T0, "expression", "main", "B", "1"]
    assert not any(name in text for name in key.models)
    path = tmp_path / "responses.csv"
    path.write_text(text)
    assert read_responses(path, study, forms) == list(found.responses)


def test_a_changed_table_is_refused(best_of_three, make_answers, tmp_path):
    study, forms, key = best_of_three
    text = responses_csv(make_answers(best_of_three, [["A"]]), forms, key)
    path = tmp_path / "responses.csv"
    path.write_text(text.replace(",A,", ",Z,"))
    with pytest.raises(BenchError, match=r"row 2.*does not fit"):
        read_responses(path, study, forms)
    path.write_text(text.replace("1500.0", "-3"))
    with pytest.raises(BenchError, match="rt_ms"):
        read_responses(path, study, forms)


def test_a_second_import_adds_and_never_doubles(write, best_of_three):
    study, forms, key = best_of_three
    first = import_files("web", [web_file(write, f"p1,F0000,{T0},B,900")], study, forms, key.secret)
    path = web_file(write, f"p1,F0000,{T0},B,900", f"p1,F0000,{T1},A,900", name="b.csv")
    both = merged(first.responses, import_files("web", [path], study, forms, key.secret))
    assert [one.answer for one in both.responses] == ["B", "A"]
    assert both.report()["problems"] == {"duplicate": 1}


def test_files_without_an_answer_are_refused_with_the_reasons(write, best_of_three):
    study, forms, key = best_of_three
    for rows, message in (
        ((), r"skipped: 1; the first, a\.csv: no row has an answer"),
        ((f"p1,F0000,{T0},Z,900", f"p1,F0000,{T1},Z,900"), r"unmatched: 2; the first, a\.csv, row 2: 'Z' is"),
    ):
        with pytest.raises(BenchError, match=message):
            import_files("web", [web_file(write, *rows)], study, forms, key.secret)


def test_corrected_answers_replace_those_of_their_participants_alone(write, best_of_three):
    study, forms, key = best_of_three

    def import_rows(*rows):
        return import_files("web", [web_file(write, *rows)], study, forms, key.secret)

    first = import_rows(f"p1,F0000,{T0},B,9", f"p1,F0000,{T1},B,9", f"p2,F0000,{T0},C,9").responses
    elsewhere = first[0].model_copy(update={"platform": "paper", "participant": first[0].participant})
    found = replacing(first, import_rows(f"p1,F0000,{T0},A,9"), "web")
    assert [one.answer for one in found.responses] == ["C", "A"]
    assert (found.replaced, found.problems) == (2, [])
    assert replacing([elsewhere], import_rows(f"p2,F0000,{T0},A,9"), "web").replaced == 0


def test_a_corrected_google_sheet_replaces_its_form(write, best_of_three):
    study, forms, key = best_of_three

    def import_sheet(answer, trial=T0):
        path = write(f"Timestamp,participant,[{trial}] Which?\nnow,blue,{answer}\n")
        return import_files("gforms", [path], study, forms, key.secret)

    other = import_sheet("C", "t000001000000").responses
    found = replacing([*import_sheet("B").responses, *other], import_sheet("A"), "gforms")
    assert sorted(one.answer for one in found.responses) == ["A", "C"]


def test_answers_by_label_letter_and_place(make_packet, plan):
    packet = make_packet(
        "rating", "realism", [[plan(0, ("reggan",))]], ("1", "2", "3"), ("1: not at all", "2", "3: wholly")
    )
    (trial,) = packet.forms[0].trials

    def meant(answer="", slot=None):
        from fesbench.reports.study.collection.importers import RawAnswer

        return resolve(RawAnswer("p", "", trial.id, answer, "here", slot), trial)

    assert [meant("2"), meant("3: WHOLLY"), meant(slot=0), meant(slot=9), meant("0"), meant("²")] == [
        "2", "3", "1", None, None, None,
    ]  # fmt: skip
