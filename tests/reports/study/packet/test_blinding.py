"""Tries to find out from a packet alone which model made which picture."""

import json
import re
import struct
import zlib
from collections import Counter, defaultdict

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.design.build import build
from fesbench.reports.study.storage import check_apart, read_forms, read_key, read_study


@pytest.fixture(scope="module")
def packet(tmp_path_factory, write_study, made, material):
    """The packet and the private folder."""
    folder = tmp_path_factory.mktemp("packet")
    write_study(folder / "out/packet", folder / "elsewhere/key", made, material)
    return folder / "out/packet", folder / "elsewhere/key"


def inflated(data):
    """A PDF with its compressed streams as text."""
    parts = [data]
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            parts.append(zlib.decompressobj().decompress(match[1]))  # a line break may follow
        except zlib.error:
            parts.append(match[1])
    return b"\n".join(parts)


def test_nothing_public_names_a_model_a_person_or_an_edit(packet, material, made):
    words = {*material.models, *material.titles.values(), material.run, "setname", "truth", made.key.secret}
    words |= {item.subject for item in made.key.items} | {item.edit for item in made.key.items}
    files = [path for path in (packet[0] / "public").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {
        ".pdf",
        ".html",
        ".json",
        ".png",
        ".csv",
        ".txt",
        ".gs",
        ".jsonl",
    }
    for path in files:
        content = inflated(path.read_bytes()) if path.suffix == ".pdf" else path.read_bytes()
        found = [word for word in words if word.encode() in content or word in path.name]
        assert found == [], path


def test_the_pdf_search_would_find_a_word(packet):
    for sheet in (packet[0] / "public" / "print").glob("*-A4.pdf"):
        text = inflated(sheet.read_bytes())
        assert b"Consent" in text
        assert b"same person" in text


def test_pictures_differ_in_nothing_but_pixels(packet):
    files = sorted((packet[0] / "public" / "stimuli").iterdir())
    heads = set()
    for path in files:
        assert re.fullmatch(r"[0-9a-f]{32}\.png", path.name)
        data, at, chunks = path.read_bytes(), 8, []
        while at < len(data):
            (length,) = struct.unpack(">I", data[at : at + 4])
            chunks.append(data[at + 4 : at + 8])
            at += 12 + length
        assert chunks == [b"IHDR", b"IDAT", b"IEND"]
        heads.add((len(data), data[:33], path.stat().st_mtime))
    assert len(heads) == 1


def test_no_order_of_names_sizes_or_times_tells_models(packet, made):
    models = {key.name: key.model for key in made.key.stimuli if key.model}
    orders = {
        "name": lambda path: path.name,
        "size": lambda path: (path.stat().st_size, path.name),
        "time": lambda path: (path.stat().st_mtime_ns, path.name),
    }
    paths = [path for path in (packet[0] / "public" / "stimuli").iterdir() if path.stem in models]
    chance, count = 1 / len(set(models.values())), len(paths)
    for order in orders.values():
        ranked = [models[path.stem] for path in sorted(paths, key=order)]
        cycle, block = len(set(ranked)), count // len(set(ranked))
        for guess in (lambda i, c=cycle: i % c, lambda i, b=block: i // b):
            hits = Counter((guess(place), model) for place, model in enumerate(ranked))
            best = sum(max(n for (g, _), n in hits.items() if g == value) for value in {g for g, _ in hits})
            assert best / count < chance + 4 * (chance * (1 - chance) / count) ** 0.5


def test_neither_slot_nor_place_in_a_form_tells_a_model(made):
    models = {key.name: key.model for key in made.key.stimuli}
    main = {trial.id for trial in made.key.trials if trial.kind == "main"}
    by_slot = defaultdict(Counter)
    for form in made.forms:
        for trial in form.trials:
            if trial.id in main:
                for slot, name in enumerate(trial.stimuli):
                    by_slot[slot][models[name]] += 1
    assert all(len(set(counts.values())) == 1 for counts in by_slot.values())


def test_a_trial_does_not_tell_its_kind_or_a_naming_trial_its_answer(packet, made, synthetic, request_of):
    fields = {
        frozenset(trial)
        for form in (packet[0] / "public" / "forms").iterdir()
        for trial in json.loads(form.read_text())["trials"]
    }
    assert len(fields) == 1
    assert not {"kind", "item", "gold", "repeats", "row", "item_id"} & set(next(iter(fields)))
    naming = build(synthetic(), request_of(design="naming", questions=("expression",)))
    assert {trial.target for form in naming.forms for trial in form.trials} == {""}


def test_another_secret_gives_other_names_and_orders(material, request_of, made):
    other = build(material, request_of(secret=b"another secret!!"))
    assert not set(other.files) & set(made.files)
    assert not {t.id for t in other.key.trials} & {t.id for t in made.key.trials}
    assert other.study.id != made.study.id


@pytest.mark.parametrize("private", ["out/packet", "out/packet/private", "out/key", "out", "."])
def test_the_key_is_refused_in_around_and_beside_the_packet(tmp_path, write_study, made, material, private):
    with pytest.raises(BenchError, match="must not lie"):
        write_study(tmp_path / "out/packet", tmp_path / private, made, material)
    assert not (tmp_path / "out").exists()


def test_a_link_does_not_hide_that_they_are_together(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out", target_is_directory=True)
    with pytest.raises(BenchError, match="must not lie"):
        check_apart(tmp_path / "out" / "packet", tmp_path / "link" / "key")


def test_the_private_folder_holds_what_the_packet_does_not(packet, made):
    public, private = packet
    study = read_study(public)
    assert study == made.study
    assert tuple(read_forms(public, study)) == made.forms
    assert read_key(study, private) == made.key
    assert {path.name for path in private.iterdir()} == {
        "key.json",
        "design.md",
        "draw.csv",
        "left_out.csv",
        "exposures.csv",
        "linkage_template.csv",
    }
    assert (private / "key.json").stat().st_mode & 0o077 == 0
    everything = {path.name for path in public.rglob("*")}
    assert not everything & {"key.json", "draw.csv", "exposures.csv", "design.md"}


def test_a_packet_is_never_overwritten(packet, write_study, made, material):
    with pytest.raises(BenchError, match="not empty"):
        write_study(*packet, made, material)
