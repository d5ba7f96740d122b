"""Checks of the headers of image files before they are scored: size, colour and format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fesbench.core.errors import DatasetError
from fesbench.core.plurals import counted

from .images import Header, read_header

Roles = Mapping[str, Sequence[Path]]
"""What files are for (images, sources, references) to their paths."""


@dataclass(frozen=True)
class Survey:
    """What the files of some folders have in common. ``formats``: role to format to number of files."""

    size: int
    formats: Mapping[str, Mapping[str, int]]

    @property
    def warnings(self) -> Iterator[str]:
        """Yield reasons why scores may not be comparable."""
        if len({name for counts in self.formats.values() for name in counts}) > 1:
            used = (f"{role}: {_formats(counts)}" for role, counts in self.formats.items() if counts)
            yield (
                f"file formats are mixed ({'; '.join(used)}); compression alone changes scores of quality "
                "and of sets, so save all images alike"
            )


def survey(roles: Roles, resolution: int | None) -> Survey:
    """Read all headers.

    Args:
        roles: The files.
        resolution: What all images will be brought to; None where they are to be used as they are.

    Raises:
        ImageError: a file is no image of an allowed format.
        DatasetError: images are grey; or, without ``resolution``, of different sizes or not square.
    """
    headers = {path: read_header(path) for paths in roles.values() for path in paths}
    _refuse_grey(headers)
    formats = {role: dict(Counter(headers[path].format for path in paths)) for role, paths in roles.items()}
    return Survey(resolution or _common_size(headers), formats)


def _formats(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _refuse_grey(headers: Mapping[Path, Header]) -> None:
    grey = [path for path, header in headers.items() if header.grey]
    if grey:
        raise DatasetError(
            f"{len(grey)} of {counted(len(headers), 'image')} {'is' if len(grey) == 1 else 'are'} grey, such "
            f"as {grey[0]}: the networks were trained on colour and would judge the lack of it; save as RGB "
            "what is to be scored so"
        )


def _common_size(headers: Mapping[Path, Header]) -> int:
    sizes = Counter(header.size for header in headers.values())
    (width, height), _ = sizes.most_common(1)[0]
    if len(sizes) > 1:
        odd = next(path for path, header in headers.items() if header.size != (width, height))
        raise DatasetError(
            f"images have {len(sizes)} sizes: most are {width}x{height}, {odd} is "
            f"{'x'.join(map(str, headers[odd].size))}; size changes every score: make them alike, or let "
            "--resolution bring all to one"
        )
    if width != height:
        raise DatasetError(
            f"images are {width}x{height}, not square; --resolution cuts out the centre square"
        )
    return width
