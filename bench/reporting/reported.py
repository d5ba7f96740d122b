"""What papers report of the models of a run, beside what the run measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from fesbench.contracts import GeneratorCard
from fesbench.reports.appendix import MEASURED, REPORTED, place_table
from fesbench.reports.tables import Table

from .claims import Claim, Finding, judge_claims, read_claims
from .publish import Published


def reported_table(published: Published, dataset: str, cards: Mapping[str, GeneratorCard]) -> Table | None:
    """The places of models in rankings, as published and as measured; see ``claims.yaml``.

    None where no model here has a published place by a metric of the run.
    """
    claims = [claim for claim in read_claims() if claim.model in cards]
    findings = judge_claims([claim for claim in claims if claim.rank is not None], published)
    rows = [row for found in findings if found.dataset == dataset for row in _rows(found)]
    if not rows:
        return None
    sources = dict.fromkeys(claim.source for claim in claims)
    sizes = dict.fromkeys(f"{row['models']} models are ranked here." for row in rows if row["models"])
    notes = [
        f"Source: {'; '.join(sources)}.",
        *sizes,
        *(_untold(claim) for claim in claims if claim.people),
    ]
    return place_table(pd.DataFrame(rows), cards, dataset, notes)


def _untold(claim: Claim) -> str:
    return f"Reported too: {claim.text}. No run can tell; see `bench study`."


def _rows(finding: Finding) -> Iterator[dict[str, object]]:
    """Two cells, reported and measured; the measured place has the places that the tests leave open."""
    numbers = finding.numbers or {}
    place = {
        "model": finding.claim.model,
        "scope": finding.domain,
        "metric": finding.metric,
        "models": numbers.get("of"),
    }
    yield place | {"domain": REPORTED, "value": finding.claim.rank, "low": None, "high": None, "reason": ""}
    ends = {"value": "rank", "low": "rank_low", "high": "rank_high"}
    found = {name: numbers.get(key) for name, key in ends.items()}
    yield place | {"domain": MEASURED} | found | {"reason": "" if found["value"] else finding.reason}
