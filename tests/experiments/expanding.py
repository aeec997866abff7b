"""An experiment file in short, and its runs."""

import tomllib
from pathlib import Path

from fedqml.experiments.config import experiments

TABLE = """
title = "T"
data = { use = "breast_cancer" }
partition = { use = "iid", clients = 4 }
model = { use = "dense_vqc", qubits = 2, ansatz = { depth = 1 } }
local = { use = "sgd", lr = 1 }
run = { rounds = 2, clients_per_round = 2, seeds = [0, 5] }
"""


def expand(extra="", overrides=(), table=TABLE):
    return experiments(tomllib.loads(table + extra), "demo", Path(), overrides)
