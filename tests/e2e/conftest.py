"""The command line for users of their own: in this process, and as a process where that is the point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def environment(new_home: Callable[[], Path]) -> dict[str, str]:
    """Environment variables of the module's own user."""
    return {"FESBENCH_HOME": str(new_home()), "COLUMNS": "160", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def bench(call_bench: Callable[..., Result], environment: dict[str, str]) -> Callable[..., Result]:
    """Call ``bench ARGUMENTS`` in this process, as ``call_bench`` does."""
    return partial(call_bench, **environment)


@pytest.fixture(scope="module")
def bench_process(environment: dict[str, str]) -> Callable[..., Done]:
    """Call ``bench ARGUMENTS`` as a process, in the same way; it takes seconds more."""

    def call(*arguments: object, code: int = 0, **more: str) -> Done:
        command = [sys.executable, "-m", "fesbench", *map(str, arguments)]
        whole = os.environ | environment | more
        done = subprocess.run(command, capture_output=True, text=True, env=whole, timeout=1200)
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
        assert "Traceback" not in done.stderr
        return done

    return call
