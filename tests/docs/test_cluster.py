"""The SLURM scripts of the documentation, through stand-ins of SLURM's commands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fesbench

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "cluster.md"
SCRIPT = re.compile(r"`(?P<name>\w+\.sh)`.*?```bash\n(?P<code>.*?)```", re.DOTALL)

RECORD = r"""#!/bin/sh
{ printf '%s' "$(basename "$0")"; for word in "$@"; do printf '\t%s' "$word"; done; echo; } >> "$CALLS"
"""

SCONTROL = r"""#!/bin/sh
printf 'node%s\n' 1 2 3 4
"""

SBATCH = r"""
import os, re, subprocess, sys
words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    print("sbatch", *words, sep="\t", file=calls)
if "--wrap" in words:
    subprocess.run(["sh", "-c", words[words.index("--wrap") + 1]], check=True)
else:
    first, last = map(int, re.search(r"--array=(\d+)-(\d+)", open(words[-1]).read()).groups())
    for task in range(first, last + 1):
        own = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(last - first + 1)}
        whole = os.environ | own | {"SLURM_CPUS_PER_TASK": "0"}
        subprocess.run(["bash", words[-1]], check=True, env=whole)
print("4711")
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Run a script of the page, which lies in the working folder; return the calls that it makes."""
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    sbatch = f"#!{sys.executable} -I{SBATCH}"
    for name, text in {"bench": RECORD, "srun": RECORD, "sbatch": sbatch, "scontrol": SCONTROL}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for match in SCRIPT.finditer(PAGE.read_text(encoding="utf-8")):
        (tmp_path / match["name"]).write_text(match["code"])
    path = f"{programs}:{os.environ['PATH']}"
    environment = os.environ | {"CALLS": str(calls), "PATH": path, "PAUSE": "0.5"}
    monkeypatch.chdir(tmp_path)

    def run(script):
        subprocess.run(["bash", "-c", f". ./{script}; wait"], check=True, timeout=600, env=environment)
        return [line.split("\t") for line in calls.read_text().splitlines()]

    return run


def test_the_job_array_runs_every_part_and_then_merges(slurm, random_faces, call_bench, tmp_path):
    parts = Path("parts.sh")
    parts.write_text(parts.read_text().replace("--array=1-16", "--array=1-2").replace("--device cuda", ""))
    calls = slurm("submit.sh")
    assert [call[0] for call in calls] == ["sbatch", "bench", "bench", "sbatch", "bench"]
    assert "--dependency=afterany:4711" in calls[3]
    faces = random_faces(tmp_path / "faces", neutral="ab", happy="ab")
    Path("run.yaml").write_text(
        f"model: copy\ndata: {faces}\nmetric: ecs\nbackend: embedded\nresolution: 32\n"
    )
    for call in calls:
        if call[0] == "bench":
            call_bench(*call[1:])
    assert len(fesbench.load_run("runs/big").outputs()) == 2


def test_the_job_with_ray_starts_one_head_and_the_other_nodes(slurm):
    calls = slurm("ray.sh")
    started = sorted(shlex.join(call) for call in calls if call[0] == "srun")
    assert started == [
        "srun --nodes=1 --ntasks=1 -w node1 ray start --head --port=6379 --block",
        "srun --nodes=3 --ntasks=3 --exclude=node1 ray start --address=node1:6379 --block",
    ]
    (bench,) = (call for call in calls if call[0] == "bench")
    assert bench[bench.index("--address") + 1] == "node1:6379"
