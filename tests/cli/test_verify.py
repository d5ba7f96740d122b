"""``bench verify``."""

import json


def test_a_run_that_does_not_match_ends_with_exit_code_1(call_bench, copied_run):
    (copied_run / "summary.csv").write_text("generator\n")
    (copied_run / "run.log").write_text("logs are not digested\n")
    path = copied_run / "run.json"
    record = json.loads(path.read_text())
    record["spec"]["data"] = [str(copied_run / "gone")]
    path.write_text(json.dumps(record))
    found = json.loads(call_bench("verify", copied_run, "--json", code=1).stdout)
    outcomes = {check["what"]: check["outcome"] for check in found}
    assert outcomes["file summary.csv"] == outcomes["file run.json"] == "mismatch"
    assert outcomes["data sets"] == "not checked"
    text = call_bench("verify", copied_run, code=1).stdout
    assert "mismatch    file summary.csv: altered since the run was finished" in text
    assert "ok          metrics: " in text
