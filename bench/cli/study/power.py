"""``bench study power``: compute the participants and answers that a study needs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.table import Table

from ..console import make_console

if TYPE_CHECKING:
    from fesbench.reports.study.design.power import Scenario

EXAMPLES = """
\b
Examples:
  bench study power --items 40 --tests 18
  bench study power --design best-of-n --models 7 --preference 0.25 --out power
"""

PREFERENCES = {"2afc": (0.55, 0.6, 0.65, 0.7, 0.75), "best-of-n": (0.2, 0.25, 0.3, 0.4)}
CURVE = (4, 8, 16, 32, 64, 128)
"""Numbers of participants at which the plot shows the power."""


@dataclass(frozen=True)
class Options:
    """The options of the command; ``--help`` describes them."""

    design: str
    models: int
    preferences: tuple[float, ...]
    items: int
    icc_people: float
    icc_items: float
    tests: int
    alpha: float
    power: float
    excluded: float
    repetitions: int
    seed: int

    @property
    def scenarios(self) -> list[Scenario]:
        """A scenario of one participant for each preference."""
        from fesbench.reports.study.design.power import Scenario

        chance = 0.5 if self.design == "2afc" else 1 / self.models
        return [
            Scenario(
                preference, 1, self.items, chance, self.icc_people, self.icc_items, self.alpha, self.tests
            )
            for preference in self.preferences or PREFERENCES[self.design]
        ]


class Needed(NamedTuple):
    """The size of study that one true preference needs; None where the largest number tried is too small.

    ``false_positives`` are the rejection rates of the binomial and the clustered test at that number of
    participants without any preference.
    """

    preference: float
    independent_answers: int | None
    participants: int | None
    recruits: int | None
    answers: int | None
    false_positives: tuple[float, float] | None


@click.command(epilog=EXAMPLES)
@click.option("--design", type=click.Choice(["2afc", "best-of-n"]), default="2afc", show_default=True)
@click.option(
    "--models", type=click.IntRange(2), default=7, show_default=True, help="Number of models, for best-of-n."
)
@click.option(
    "--preference",
    "preferences",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    multiple=True,
    help="True share of answers for the model.  [default: a range]",
)
@click.option(
    "--items", type=click.IntRange(1), default=40, show_default=True, help="Answers of each person."
)
@click.option("--icc-people", type=click.FloatRange(0, 0.9), default=0.05, show_default=True)
@click.option("--icc-items", type=click.FloatRange(0, 0.9), default=0.05, show_default=True)
@click.option(
    "--tests",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Tests to correct for, as in the first step of Holm's method.",
)
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05)
@click.option("--power", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.8)
@click.option(
    "--excluded",
    type=click.FloatRange(0, 0.9),
    default=0.1,
    show_default=True,
    help="Share of participants excluded.",
)
@click.option("--repetitions", type=click.IntRange(100, 100_000), default=1000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for power.pdf, .png.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def power(out: Path | None, as_json: bool, **options: Any) -> None:
    """Simulate studies in which people and items differ, and print how many participants are needed.

    With 2afc a preference is the share that chooses the model over one other, with best-of-n over all.
    """
    chosen = Options(**options)
    if chosen.icc_people + chosen.icc_items >= 1:
        raise click.UsageError("--icc-people and --icc-items are shares of a whole: their sum must be < 1")
    scenarios = chosen.scenarios
    found = [_needed(scenario, chosen) for scenario in scenarios]
    if as_json:
        click.echo(json.dumps([row._asdict() for row in found], indent=2))
    else:
        _show(found, scenarios[0], chosen.power)
    if out:
        _plot(scenarios, chosen, out)


def _needed(scenario: Scenario, options: Options) -> Needed:
    from fesbench.reports.study.design.power import answers_needed, participants_needed, simulate

    alone = answers_needed(scenario.preference, scenario.chance, scenario.level, options.power)
    people = participants_needed(scenario, options.power, options.repetitions, options.seed)
    if people is None:
        return Needed(scenario.preference, alone, None, None, None, None)
    null = replace(scenario, preference=scenario.chance, participants=people)
    level = simulate(null, options.repetitions, options.seed)
    recruits, answers = ceil(people / (1 - options.excluded)), people * scenario.items
    return Needed(scenario.preference, alone, people, recruits, answers, (level.binomial, level.clustered))


def _show(found: list[Needed], scenario: Scenario, power: float) -> None:
    from fesbench.reports.study.design.power import MOST
    from fesbench.statistics.two_way import FEWEST_ITEMS

    table = Table(
        "true preference",
        "independent answers",
        "participants",
        "to recruit",
        "answers",
        "false positives: binomial, clustered",
        title=f"power {power:g} at level {scenario.alpha:g}/{scenario.tests}, chance {scenario.chance:.3g}, "
        f"{scenario.items} answers each, ICC people {scenario.icc_people:g}, items {scenario.icc_items:g}",
        title_justify="left",
    )
    for row in found:
        level = "–" if row.false_positives is None else "{:.3f}, {:.3f}".format(*row.false_positives)
        people = f"more than {MOST}" if row.participants is None else str(row.participants)
        numbers = [str(value or "–") for value in (row.recruits, row.answers)]
        table.add_row(f"{row.preference:g}", str(row.independent_answers or "–"), people, *numbers, level)
    console = make_console()
    console.print(table)
    console.print(
        "Independent answers: what the exact binomial test needs where each answer is of another person "
        "and item. Participants: for the clustered test, which holds its level when people and items differ; "
        "the binomial test then finds differences that are not there. Where more people do not help, take "
        "more items."
    )
    if scenario.items < FEWEST_ITEMS:
        console.print(
            f"With fewer than {FEWEST_ITEMS} items the clustered test is about these items, not about "
            "others: it takes what differs between items for a preference."
        )


def _plot(scenarios: list[Scenario], options: Options, out: Path) -> None:
    from fesbench.reports.study.design.power_figure import power_figure

    curves = {
        scenario.preference: [(people, _power_of(scenario, people, options)) for people in CURVE]
        for scenario in scenarios
    }
    for name in power_figure(curves, options.power, out, "power"):
        click.echo(out / name, err=True)


def _power_of(scenario: Scenario, people: int, options: Options) -> float:
    from fesbench.reports.study.design.power import simulate

    return simulate(replace(scenario, participants=people), options.repetitions, options.seed).clustered
