"""``bench claims``."""

import json

import yaml


def test_the_claims_of_the_suite_begin_with_a_caution(call_bench, finished_run):
    text = call_bench("claims", finished_run).stdout
    assert text.startswith("These verdicts concern our analogue")
    assert text.count("not testable") >= 7


def test_claims_of_a_file_as_text_and_as_json(call_bench, finished_run, tmp_path):
    path = tmp_path / "mine.yaml"
    pair = {"model": "reggan-regression", "better_than": "copy", "data": "rendered"}
    claims = [
        {"text": "shows more", **pair, "metric": "ecs@embedded"},
        {"text": "keeps more", **pair, "metric": "fss@embedded"},
        {"text": "is first", "model": "reggan-regression", "metric": "ecs", "rank": 1},
        {"text": "people like it", "model": "reggan-regression", "people": True},
    ]
    path.write_text(yaml.safe_dump({"claims": claims}))
    found = json.loads(call_bench("claims", finished_run, "--claims", path, "--json").stdout)["findings"]
    verdicts = {item["claim"]["text"]: item["verdict"] for item in found}
    assert verdicts == {
        "shows more": "undecided",  # one subject of each domain
        "keeps more": "undecided",
        "is first": "not testable",
        "people like it": "not testable",
    }
    text = call_bench("claims", finished_run, "--claims", path).stdout
    assert "shows more (your own claim)" in text
    assert "rendered, all, ECS@embedded, undecided" in text
    assert "best other: copy" in text
    assert "paired difference" in text


def test_a_folder_without_a_run_is_refused(call_bench, tmp_path):
    assert "holds no run" in call_bench("claims", tmp_path, code=2).stderr
