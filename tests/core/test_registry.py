"""Names of installed packages: looked up once, and again when a package is installed."""

from fesbench.core.registry import Registry


def install(folder, name):
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[fesbench.things]\n{name} = {name}:Thing\nown = {name}:Thing\n")


def test_a_package_that_is_installed_in_the_meantime_is_found(tmp_path, monkeypatch):
    things = Registry("thing", {"own": "suite:Own"}, "fesbench.things")
    assert things.names() == ["own"]
    install(tmp_path, "first")
    monkeypatch.syspath_prepend(tmp_path)
    assert things.targets() == {"own": "suite:Own", "first": "first:Thing"}
    install(tmp_path, "second")
    assert set(things.names()) == {"own", "first", "second"}
