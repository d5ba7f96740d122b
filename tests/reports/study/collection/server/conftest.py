"""A packet to serve, and the file that its answers are stored in."""

import pytest

from fesbench.reports.study.collection.server.collection import Collection
from fesbench.reports.study.design.build import build


@pytest.fixture(scope="package")
def made(material, request_of):
    return build(material, request_of(outputs=("lab",), participants=24))


@pytest.fixture(scope="package")
def packet(tmp_path_factory, write_study, made, material):
    folder = tmp_path_factory.mktemp("served")
    return write_study(folder / "a" / "p", folder / "key", made, material)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "collected" / "answers.sqlite"


@pytest.fixture
def collection(store, made):
    opened = Collection(store, made.study.id, made.forms)
    yield opened
    opened.close()


def token_of(who):
    return who.encode().hex().ljust(32, "0")[:32]


@pytest.fixture(scope="session")
def token():
    """Name of a participant to the token of that participant's browser."""
    return token_of
