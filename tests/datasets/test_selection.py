from __future__ import annotations

import pytest

from fesbench.datasets.folders.folder import FolderDataset, FolderSpec
from fesbench.datasets.portraits.dataset import PortraitsDataset
from fesbench.datasets.selection import limit_subjects, select_subjects, select_targets


@pytest.fixture
def dataset(make_image, tmp_path):
    lines = ["path,subject,expression,domain"]
    for domain in ("studio", "statue"):
        for i in range(8):
            for expression in ("neutral", "sad"):
                make_image(f"{domain}/{expression}{i}.png")
                lines.append(f"{domain}/{expression}{i}.png,s{i},{expression},{domain}")
    make_image("lonely.png")
    lines.append("lonely.png,lonely,sad,studio")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    return FolderDataset(FolderSpec("set", tmp_path), "all")


def test_selected_subjects_keep_samples_edits_and_pairs(dataset):
    part = select_subjects(dataset, {"s1", "s2"})
    assert {sample.subject for sample in part.samples()} == {"s1", "s2"}
    assert (len(part.samples()), len(part.edits()), len(part.pairs())) == (8, 4, 4)
    assert [edit.id for edit in part.edits()] == [
        e.id for e in dataset.edits() if e.source.subject in ("s1", "s2")
    ]
    assert part.digest != dataset.digest
    assert part.digest == select_subjects(dataset, ["s2", "s1"]).digest
    assert part.expressions == dataset.expressions


def test_limit_is_per_domain_nested_and_deterministic(dataset):
    small, large = limit_subjects(dataset, 2, 0), limit_subjects(dataset, 5, 0)
    people = {(sample.domain, sample.subject) for sample in small.samples()}
    assert sorted(domain for domain, _ in people) == ["statue", "statue", "studio", "studio"]
    assert people < {(sample.domain, sample.subject) for sample in large.samples()}
    assert len({subject for _, subject in people}) == 2
    assert small.digest == limit_subjects(dataset, 2, 0).digest != limit_subjects(dataset, 2, 1).digest


def test_limit_counts_only_subjects_with_edits(dataset):
    assert len(limit_subjects(dataset, 100, 0).edits()) == len(dataset.edits())
    assert "lonely" not in {sample.subject for sample in limit_subjects(dataset, 100, 0).samples()}


def test_only_shared_targets_are_asked_for():
    base = PortraitsDataset()
    smiles = select_targets(base, ("neutral", "happy"))
    assert {edit.target for edit in smiles.edits()} == {"happy"}
    assert smiles.samples() == base.samples()
    assert smiles.digest != base.digest
    assert select_targets(base, base.expressions) is base
    assert select_targets(base, ("neutral", "happily surprised")) is base
