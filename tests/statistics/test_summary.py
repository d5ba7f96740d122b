import csv
import io
import json

import numpy as np
import pytest

from fesbench.core.contracts import GeneratorCard
from fesbench.reports.formats.delimited import csv_text
from fesbench.reports.tables.build import TableContext, build_table
from fesbench.statistics import clustered_mean, summarise
from fesbench.statistics.measures import OUTPUT

ECS = "ecs@embedded"


def cell(summary, **where):
    found = summary.cells
    for name, value in where.items():
        found = found[found[name] == value]
    (record,) = found.to_dict("records")
    return record


def without(scores, generator, metric, count, reason):
    """``scores`` with so many missing values."""
    changed = scores.copy()
    hit = changed[(changed["generator"] == generator) & (changed["metric"] == metric)].index[:count]
    changed.loc[hit, "value"] = np.nan
    changed.loc[hit, "reason"] = reason
    return changed


def test_cells_are_the_clustered_means_of_their_scores(summary, scores):
    part = scores[
        (scores["generator"] == "stargan") & (scores["metric"] == ECS) & (scores["domain"] == "statue")
    ]
    expected = clustered_mean(part["value"], part["subject"], (0.0, 1.0))
    found = cell(summary, generator="stargan", metric=ECS, domain="statue")
    assert (found["value"], found["low"], found["high"]) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert (found["n_asked"], found["n_scored"], found["subjects"], found["complete"]) == (120, 120, 20, True)


def test_aggregates_are_means_of_domain_means(summary):
    values = summary.cells[
        (summary.cells["generator"] == "reggan") & (summary.cells["metric"] == "fss@embedded")
    ]
    by_domain = values.set_index("domain")["value"]
    inner = by_domain.drop(["studio", "ood", "all"])
    assert by_domain["ood"] == pytest.approx(inner.mean())
    assert by_domain["all"] == pytest.approx(by_domain.drop(["ood", "all"]).mean())


def test_known_truth_lies_inside_most_intervals(summary, quality):
    for generator, (share, _, _) in quality.items():
        found = cell(summary, generator=generator, metric=ECS, domain="all")
        assert found["low"] - 0.02 < share < found["high"] + 0.02


def test_labels_are_not_averaged_and_joint_success_is_added(summary):
    metrics = set(summary.cells["metric"])
    assert "ecs.predicted@embedded" not in metrics
    joint = cell(summary, generator="copy", metric="joint@embedded", domain="studio")
    right = cell(summary, generator="copy", metric=ECS, domain="studio")
    assert joint["value"] <= right["value"] < 0.2


def test_incomplete_cells_count_and_say_why(scores, set_scores, cards, blocks):
    changed = without(scores, "stargan", "mae.face", 7, "no true target")
    found = summarise(changed, set_scores, cards, blocks)
    record = cell(found, generator="stargan", metric="mae.face", domain="studio")
    assert (record["n_asked"], record["n_scored"], record["complete"]) == (120, 113, False)
    assert record["reason"] == "no true target"
    assert any("incomplete" in note for note in found.notes)
    rank = found.ranks[(found.ranks["metric"] == "mae.face") & (found.ranks["generator"] == "stargan")]
    assert rank.set_index("domain")["rank"].isna().to_dict()["studio"]


def test_rows_that_were_never_written_make_a_cell_incomplete_too(scores, set_scores, cards, blocks):
    gone = scores[
        (scores["generator"] == "stargan") & (scores["domain"] == "avatar") & (scores["subject"] == "s3")
    ]
    found = summarise(scores.drop(gone.index), set_scores, cards, blocks)
    record = cell(found, generator="stargan", metric=ECS, domain="avatar")
    assert (record["n_asked"], record["n_scored"], record["complete"]) == (120, 114, False)


def test_a_metric_without_any_value_is_null_with_its_reason(scores, set_scores, cards, blocks):
    changed = scores.copy()
    hit = changed["metric"] == "fss@embedded"
    changed.loc[hit, "value"] = np.nan
    changed.loc[hit, "reason"] = "weights missing"
    content = json.loads(summarise(changed, set_scores, cards, blocks).to_json())
    records = [record for record in content["cells"] if record["metric"] == "fss@embedded"]
    assert len(records) > 0
    assert all(
        r["value"] is None and r["n_scored"] == 0 and "weights missing" in r["reason"] for r in records
    )


def test_set_metrics_have_their_counts_and_a_warning(summary):
    record = cell(summary, generator="copy", metric="fid@embedded", domain="studio")
    assert (record["n_asked"], record["n_scored"], record["n_references"]) == (120, 120, 200)
    assert record["references"] == "train split"
    assert any("120 outputs" in note and "KID" in note for note in summary.notes)


def test_a_set_that_lacks_outputs_is_incomplete_and_says_so(scores, set_scores, cards, blocks):
    fewer = set_scores.assign(n_outputs=117)
    record = cell(
        summarise(scores, fewer, cards, blocks), generator="reggan", metric="kid@embedded", domain="avatar"
    )
    assert (record["n_asked"], record["n_scored"], record["complete"]) == (120, 117, False)
    assert record["reason"] == "outputs are missing"


def test_rows_of_outputs_count_what_was_asked_where_only_sets_are_scored(scores, set_scores, cards, blocks):
    rows = scores[scores["metric"] == ECS].assign(metric=OUTPUT, value=1.0)
    lost = rows[(rows["generator"] == "reggan") & (rows["domain"] == "studio")].index[:3]
    rows.loc[lost, ["value", "reason"]] = [0.0, "no output: out of luck"]
    sets = set_scores.copy()
    gap = (sets["generator"] == "reggan") & (sets["domain"] == "studio")
    sets.loc[gap, "n_outputs"] = 117
    found = summarise(rows, sets, cards, blocks)
    record = cell(found, generator="reggan", metric="fid@embedded", domain="studio")
    assert (record["n_asked"], record["n_scored"], record["complete"]) == (120, 117, False)
    assert record["reason"] == "no output: out of luck"
    assert set(found.cells["metric"]) == {"fid@embedded", "kid@embedded"}
    assert (found.cells["complete"].sum(), len(found.cells)) == (48, 50)


def test_ranks_follow_the_direction_of_the_metric(summary):
    ranks = summary.ranks[(summary.ranks["domain"] == "all") & (summary.ranks["generator"] == "reggan")]
    by_metric = ranks.set_index("metric")["rank"]
    assert by_metric[ECS] == 1
    assert by_metric["mae.face"] == 1
    assert by_metric["psnr.face"] == 1


def test_gain_over_copy_excludes_zero_for_models_that_work(summary):
    gains = summary.gains[(summary.gains["metric"] == ECS) & (summary.gains["domain"] == "studio")]
    assert (gains.set_index("generator").loc[["reggan", "stargan"], "low"] > 0.3).all()


def test_json_is_strict_and_csv_reads_back(summary):
    content = json.loads(summary.to_json(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert content["schema_version"] == 2
    assert {"cells", "differences", "ranks", "gains", "measures", "notes"} <= set(content)
    rows = list(csv.DictReader(io.StringIO(csv_text(summary.cells))))
    assert len(rows) == len(content["cells"])
    assert float(rows[0]["value"]) == content["cells"][0]["value"]


def test_order_of_score_rows_changes_no_number(summary, scores, set_scores, cards, blocks):
    shuffled = scores.sample(frac=1.0, random_state=1)
    other = summarise(shuffled, set_scores, cards, blocks)
    keys = ["generator", "dataset", "domain", "metric"]
    for name in ("cells", "ranks"):
        first, second = (getattr(s, name).sort_values(keys).reset_index(drop=True) for s in (summary, other))
        numbers = first.select_dtypes("number").columns
        np.testing.assert_array_equal(first[numbers], second[numbers])


def test_one_domain_gets_no_aggregates(scores, set_scores, cards, blocks):
    studio = scores[scores["domain"] == "studio"]
    found = summarise(studio, set_scores.iloc[:0], cards, blocks)
    assert set(found.cells["domain"]) == {"studio"}


def test_one_generator_alone_has_cells_but_no_comparison(scores, set_scores, cards, blocks):
    found = summarise(scores[scores["generator"] == "reggan"], set_scores.iloc[:0], cards, blocks)
    assert len(found.cells) > 0
    assert found.differences.empty
    assert found.gains.empty
    assert set(found.ranks["rank"]) == {1.0}


def test_same_scores_same_bytes(summary, scores, set_scores, cards, blocks):
    assert summarise(scores, set_scores, cards, blocks).to_json() == summary.to_json()


def test_summary_feeds_the_table(summary, blocks, quality):
    cards = {name: GeneratorCard(name, name.title()) for name in quality}
    table = build_table(summary.cells, TableContext("rendered", summary.measures, cards, blocks))
    ecs = [i for i, column in enumerate(table.columns) if (column.metric, column.domain) == (ECS, "studio")]
    marks = {row.name: cells[ecs[0]].mark for row, cells in zip(table.rows, table.cells, strict=True)}
    assert marks["reggan"] == "best"
    assert marks["truth"] == marks["copy"] == ""


def test_metrics_that_cannot_rank_give_no_rank_and_say_so(scores, set_scores, cards, blocks):
    unfit = [("rendered", "studio", "fid@embedded")]
    found = summarise(scores, set_scores, cards, blocks, unfit=unfit).ranks
    fid = found[found["metric"] == "fid@embedded"].set_index(["domain", "generator"])
    assert fid.loc["studio", "rank"].isna().all()
    assert fid.loc["studio", "reason"].str.contains("calibration").all()
    assert fid.loc["statue", "rank"].notna().all()
    assert found[found["metric"] == "kid@embedded"]["rank"].notna().all()
