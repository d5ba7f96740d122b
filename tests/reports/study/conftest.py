"""A small run in memory, and studies made from it."""

from typing import NamedTuple

import numpy as np
import pytest

from fesbench.reports.study.design.build import build
from fesbench.reports.study.design.request import StudyRequest
from fesbench.reports.study.material import Candidate, Material
from fesbench.reports.study.packet.details import Details
from fesbench.reports.study.packet.licences import licence_of
from fesbench.reports.study.packet.web.page import Hosting
from fesbench.reports.study.packet.write import Contents, write_packet
from fesbench.reports.study.schema import (
    Exclusion,
    Form,
    ItemKey,
    Key,
    Options,
    Response,
    StimulusKey,
    Study,
    Trial,
    TrialKey,
)

DOMAINS = ("studio", "statue")
TARGETS = ("happy", "sad", "angry")


class Synthetic(Material):
    """Noise for pictures, smoother for some models than for others, as real outputs are."""

    def __init__(
        self, models=3, subjects=4, truths=True, anchors=("copy", "truth"), size=16, shots=1, shown="neutral"
    ):
        self.run, self.size = "secretrun", size
        self.models = tuple(f"modelname{place}" for place in range(models))
        self.anchors = anchors
        self.titles = {name: f"Title of {name}" for name in self.models + anchors}
        self.left_out, self.layouts = {}, {"setname": ""}
        self.candidates = [
            Candidate(
                dataset="setname",
                domain=domain,
                subject=f"subject{person}",
                expression=target,
                edit=f"{domain}-{person}-{shot}--{target}",
                source=f"{domain}-{person}-{shot}",
                source_expression=shown,
                has_truth=truths,
            )
            for domain in DOMAINS
            for person in range(subjects)
            for shot in range(shots)
            for target in TARGETS
        ]

    def output(self, candidate, model):
        return self._noise(f"{candidate.edit}{model}", (*self.models, *self.anchors).index(model) * 30)

    def source(self, candidate):
        return self._noise(candidate.source, 0)

    def truth(self, candidate):
        assert candidate.has_truth
        return self._noise(f"truth{candidate.edit}", 0)

    def _noise(self, name, flat):
        rng = np.random.default_rng(list(name.encode()))
        return rng.integers(flat, 255, (self.size, self.size, 3)).astype(np.uint8)


def make_request(**changes):
    fields = {
        "design": "best-of-n",
        "questions": ("expression", "identity", "realism"),
        "items": 6,
        "participants": 6,
        "seed": 3,
        "secret": b"0123456789abcdef",
        "focus": "modelname0",
        "outputs": ("print", "mturk", "qualtrics", "gforms", "potato"),
    }
    return StudyRequest(**fields | changes)


@pytest.fixture(scope="session")
def synthetic():
    return Synthetic


@pytest.fixture(scope="session")
def request_of():
    return make_request


@pytest.fixture(scope="session")
def material():
    return Synthetic()


SUITE = {"fesbench": "1.2.3", "commit": "abc", "dirty": False}


def write(packet, private, built, material, details=None):
    """Write a packet whose images are hosted at https://host/stimuli."""
    terms, hosting = {"setname": licence_of("setname")}, Hosting(image_url="https://host/stimuli")
    write_packet(packet, private, Contents(built, material, details or Details(), terms, SUITE, hosting))
    return packet


@pytest.fixture(scope="session")
def write_study():
    return write


@pytest.fixture(scope="session")
def suite():
    return SUITE


@pytest.fixture(scope="session")
def made(material):
    return build(material, make_request())


STUDY = "s" + "0" * 12
MODELS = ("reggan", "stargan", "usgan")
TITLES = {"reggan": "RegGAN", "stargan": "StarGAN", "usgan": "US-GAN"}
LETTERS = ("A", "B", "C")
SECRET = "5e" * 32


class Packet(NamedTuple):
    study: Study
    forms: list[Form]
    key: Key


class Planned(NamedTuple):
    """A trial before it has a name: what is shown, by slot, and what it is for."""

    item: int
    shown: tuple[str, ...]
    kind: str = "main"
    gold: tuple[str, ...] = ()
    repeats: int | None = None


def trial_id(form, place):
    return f"t{form:06x}{place:06x}"


def stimulus(item, name):
    return f"{item:016x}{abs(hash_of(name)):016x}"


def hash_of(name):
    return sum(256**place * ord(letter) for place, letter in enumerate(name[:7]))


def packet_of(
    design, question, forms, choices, labels=None, rules=None, domains=("studio",), expressions=("happy",)
):
    """A packet with ``forms`` of planned trials; item i has domain and expression i modulo their number."""
    stimuli, trials, pages, items = {}, [], [], set()
    for number, planned in enumerate(forms):
        page = []
        for place, plan in enumerate(planned):
            items.add(plan.item)
            names = []
            for name in plan.shown:
                role, model = ("output", name) if name in (*MODELS, "copy") else (name, None)
                shown = stimulus(plan.item, name)
                names.append(shown)
                stimuli[shown] = StimulusKey(
                    name=shown,
                    role=role,
                    model=model,
                    item=f"i{plan.item}",
                    dataset="rendered",
                    domain=domains[plan.item % len(domains)],
                    subject=f"p{plan.item}",
                    expression=expressions[plan.item % len(expressions)],
                    edit=f"e{plan.item}",
                    sha256="0" * 64,
                )
            page.append(
                Trial(
                    id=trial_id(number, place),
                    practice=plan.kind == "practice",
                    question=question,
                    prompt="Which?",
                    target=expressions[plan.item % len(expressions)],
                    stimuli=tuple(names),
                    choices=choices,
                    labels=labels or choices,
                )
            )
            repeats = None if plan.repeats is None else trial_id(number, plan.repeats)
            trials.append(
                TrialKey(
                    id=trial_id(number, place),
                    form=f"F{number:04d}",
                    kind=plan.kind,
                    question=question,
                    item=f"i{plan.item}",
                    gold=plan.gold,
                    repeats=repeats,
                )
            )
        pages.append(Form(study=STUDY, id=f"F{number:04d}", blocks=(question,), trials=tuple(page)))
    study = Study(
        id=STUDY,
        title="Faces",
        seed=0,
        design=design,
        questions=(question,),
        minutes=1,
        draft=False,
        outputs=(),
        forms=tuple(page.id for page in pages),
        options=Options(
            items=len(items),
            participants=len(pages),
            models=3,
            pixels=64,
            exclusion=rules or Exclusion(),
        ),
    )
    key = Key(
        study=STUDY,
        run="demo",
        datasets=("rendered",),
        models=MODELS,
        titles=TITLES,
        focus="reggan",
        secret=SECRET,
        stimuli=tuple(stimuli.values()),
        trials=tuple(trials),
        items=tuple(
            ItemKey(
                id=f"i{item}",
                dataset="rendered",
                domain=domains[item % len(domains)],
                subject=f"p{item}",
                expression=expressions[item % len(expressions)],
                edit=f"e{item}",
            )
            for item in sorted(items)
        ),
    )
    return Packet(study, pages, key)


def answers_of(packet, given, rt_ms=1500.0):
    """Responses: one participant for each form, ``given[form][place]`` is the answer; None leaves it out."""
    return [
        Response(
            study_id=STUDY,
            participant=f"{number:016x}",
            form_id=f"F{number:04d}",
            trial_id=trial_id(number, place),
            answer=answer,
            rt_ms=rt_ms,
            platform="web",
        )
        for number, answers in enumerate(given)
        for place, answer in enumerate(answers)
        if answer is not None
    ]


@pytest.fixture
def make_packet():
    return packet_of


@pytest.fixture
def make_answers():
    return answers_of


@pytest.fixture
def plan():
    return Planned


@pytest.fixture
def trial_name():
    return trial_id


@pytest.fixture
def best_of_three():
    """Four participants, four items in two domains; slots turn with the form."""
    forms = [
        [Planned(item, tuple(MODELS[(slot + number) % 3] for slot in range(3))) for item in range(4)]
        for number in range(4)
    ]
    return packet_of("best-of-n", "expression", forms, LETTERS, domains=("studio", "statue"))
