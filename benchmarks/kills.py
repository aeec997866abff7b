"""Kill a run with SIGKILL at random moments, resume it, and compare its bits.

    python benchmarks/kills.py [KILLS] [OUTPUT]

Every trial starts the shipped experiment (seed 0, four arms, 60 rounds) in a folder of its own,
kills the process at a moment drawn uniformly from the time that an undisturbed run takes, runs the
same command again, and holds the hashes against those of the undisturbed run. Writes
docs/results/kills.md by default.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fedqml.core.files import write_atomic
from fedqml.core.random import stream
from fedqml.experiments.environment import environment

COMMAND = [sys.executable, "-m", "fedqml.cli.main", "run", "breast_cancer", "--quiet"]
COMMAND += ["--set", "run.seeds=[0]", "--set", "run.checkpoint_every=5", "--rounds", "60"]


def hashes(results: Path) -> dict[str, str]:
    """Return the hash of every finished run."""
    found = sorted(results.glob("*/summary.json"))
    return {path.parent.name: json.loads(path.read_text())["hash"] for path in found}


def killed(results: Path, after: float) -> None:
    """Start the command and kill it after some seconds."""
    with subprocess.Popen([*COMMAND, "--results", str(results)]) as process:
        time.sleep(after)
        process.send_signal(signal.SIGKILL)


def main() -> None:
    """Write the table; exit code 1 if a hash differs."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    output = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/results/kills.md")
    rows, equal = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        subprocess.run([*COMMAND, "--results", f"{scratch}/whole"], check=True)
        duration = time.perf_counter() - started
        whole = hashes(Path(scratch) / "whole")
        moments = stream(0, "kills").random(kills) * duration
        for trial, moment in enumerate(moments, start=1):
            results = Path(scratch) / str(trial)
            killed(results, moment)
            done = len(hashes(results))
            rounds = sum(len(h.read_text().splitlines()) for h in results.glob("*/history.jsonl"))
            subprocess.run([*COMMAND, "--results", str(results)], check=True)
            same = hashes(results) == whole
            equal += same
            rows.append(
                f"| {trial} | {moment:.2f} | {done} | {rounds} | {'yes' if same else 'NO'} |"
            )
            print(rows[-1], flush=True)
    found = environment()
    table = "\n".join(rows)
    text = f"""# Killed at {kills} random moments

Command: `python benchmarks/kills.py`. {found["processor"]}, PyTorch {found["torch"]}, Python
{found["python"]}. The undisturbed run of four arms, 60
rounds each, took {duration:.1f} s, the start of Python
included. After each kill (SIGKILL) the same command was run again; the hash covers the final
weights and the whole history without its timings.

**{equal} of {kills} ended with the hashes of the undisturbed run.**

| kill | after s | arms finished by then | rows of history by then | hashes equal |
| --: | --: | --: | --: | :-: |
{table}
"""
    write_atomic(output, text.encode())
    sys.exit(equal != kills)


if __name__ == "__main__":
    main()
