"""Train the paper's head, 119.6 million weights, over Flower on loopback: time and memory.

    python benchmarks/large_model.py [OUTPUT]

Two nodes with a client each, both rounds; what each process took at most is what Linux says of it
(VmHWM), with the some 300 MiB of PyTorch and Flower. Writes docs/results/large_model.md by default.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from federation import folders, nodes
from fedqml.core.files import write_atomic
from fedqml.engines.remote.job import Host
from fedqml.experiments.environment import environment
from fedqml.federation import superlink

SITES: dict[str, list[Host]] = {"bern": [0], "ulm": [1]}
FEATURES = 25088
WEIGHTS = 119_586_843
MODEL = 4 * WEIGHTS / 2**20  # MiB
DATA = '{ use = "npz", path = "features.npz" }'
EXPERIMENT = f"""
data = {DATA}
partition = {{ use = "iid", clients = 2 }}
model = {{ use = "vgg_vqc" }}
local = {{ use = "sgd", lr = 0.01, batch_size = 8 }}
engine = {{ use = "in_place" }}
run = {{ rounds = 2, clients_per_round = 2, checkpoint_every = 2 }}
"""


def peaks(processes: Mapping[str, int], before: Mapping[str, float]) -> dict[str, float]:
    """Return how much memory processes have taken at most, in MiB; of one that is gone, as before.

    Linux alone knows (/proc).
    """
    found = dict(before)
    for name, number in processes.items():
        try:
            lines = Path(f"/proc/{number}/status").read_text().splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            if line.startswith("VmHWM:"):
                found[name] = int(line.split()[1]) / 1024
    return found


def train(folder: Path) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Return the history's rows of the rounds, and each process's peak in MiB."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, FEATURES)).astype(np.float32), np.arange(24) % 2
    file = folder / "features.npz"
    np.savez(file, x=x, y=y, x_test=x[:4], y_test=y[:4])
    experiment = folder / "head.toml"
    experiment.write_text(EXPERIMENT)
    server = folders(folder / "federation", SITES, DATA, file)
    command = [sys.executable, "-m", "fedqml.cli.main", "run", str(experiment), "--quiet"]
    command += ["--federation", str(server.folder), "--results", str(folder / "results")]
    peak: dict[str, float] = {}
    with superlink.running(server) as links, nodes(folder / "federation", SITES) as started:
        run = subprocess.Popen(command)
        processes = {name: p.pid for name, p in {**links, **started, "run": run}.items()}
        while run.poll() is None:
            peak = peaks(processes, peak)
            time.sleep(0.1)
        assert run.returncode == 0
    (history,) = (folder / "results").glob("*/history.jsonl")
    return [json.loads(text) for text in history.read_text().splitlines()][1:], peak


def main(output: Path) -> None:
    about = environment()
    with tempfile.TemporaryDirectory() as name:
        rounds, peak = train(Path(name))
    names = {
        "run": "`fedqml run`",
        "SuperLink": "Flower's SuperLink",
        "nginx": "nginx",
        **{site: f"node {site}" for site in SITES},
    }
    lines = [f"| {names[k]} | {v:.0f} | {v / MODEL:.1f} |" for k, v in peak.items()]
    seconds = " and ".join(f"{row['seconds']:.0f}" for row in rounds)
    down, up = (rounds[0][key] / 2**20 for key in ("wire_down", "wire_up"))
    text = f"""# A large model on a real federation

Command: `python benchmarks/large_model.py`. The paper's head for photographs, {WEIGHTS:,} weights
in single precision, {MODEL:.0f} MiB. Two nodes with a client each, all on one machine
({about["processor"]}, {about["cores"]} cores), over Flower, nginx and TLS; two rounds, of
{seconds} s, under a load of {os.getloadavg()[1]:.1f}. In each, {down:.0f} MiB go down and
{up:.0f} MiB come up.

| process | at most, MiB | models |
| --- | --: | --: |
{chr(10).join(lines)}

Of each process some 300 MiB are the libraries. The SuperLink keeps messages on its disk until they
are fetched.
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "docs" / "results" / "large_model.md"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
