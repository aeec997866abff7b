"""Values of rows are found in whatever form they cross, and a round of updates has none."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save

from fedqml.core.transform import Strategy
from fedqml.core.updates import Context
from fedqml.data.facts import read_facts
from fedqml.data.losses import cross_entropy
from fedqml.data.partitions import by_owner
from fedqml.data.sources import owner_tables
from fedqml.data.table import read_table
from fedqml.data.task import Task
from fedqml.engines import sequential
from fedqml.experiments.assembly import federation
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam
from tests.data.owner_folders import SIZES, part_of, pooled_folder
from tests.federation.crossing import values_in
from tests.federations import hybrid, one_round

RNG_SEED = 8
TABLE = np.random.Generator(np.random.Philox(RNG_SEED)).normal(40, 12, size=(20, 4))
VALUE = float(TABLE[3, 1])


@pytest.mark.parametrize(
    "message",
    [
        struct.pack("<d", VALUE),
        struct.pack(">d", VALUE),
        b"xyz" + struct.pack("<d", VALUE),
        TABLE[3].astype("<f4").tobytes(),
        b"x" + TABLE[3].astype(">f4").tobytes(),
        np.asfortranarray(TABLE[:5]).astype("<f4").tobytes(order="F"),
        json.dumps({"error": f"Row 3 holds {VALUE}."}).encode(),
        repr(-VALUE).encode(),
        f"nan in [{np.float32(VALUE)}, 1]".encode(),
        str(np.float32(VALUE)).encode(),
        save({"x": torch.from_numpy(TABLE[:2].copy())}),
    ],
)
def test_a_value_is_found(message):
    padding = bytes(range(256))
    found = values_in([padding, padding + message + padding], TABLE)
    assert found
    assert all(place.startswith("message 1, byte ") for place in found)


def test_other_numbers_are_not():
    rng = np.random.Generator(np.random.Philox(RNG_SEED + 1))
    messages = [rng.normal(40, 12, size=1000).astype("<f4").tobytes() for _ in range(200)]
    messages += [rng.normal(40, 12, size=1000).tobytes() for _ in range(200)]
    assert values_in([*messages, json.dumps([0.0, 1.0, 12, 40.5]).encode()], TABLE) == []
    assert values_in([np.ones(9).tobytes()], np.ones((3, 3))) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_updates_and_facts_hold_no_row(tmp_path, dtype):
    pooled = pooled_folder(tmp_path / "pooled")
    mean_, sd = read_facts(pooled / "facts.json").moments()
    crossed, known = [(pooled / "facts.json").read_bytes()], []
    for client, owner in enumerate(SIZES):
        data = owner_tables(part_of(pooled, tmp_path / owner, owner)).split(by_owner())
        task = Task(hybrid, cross_entropy, data, dtype=dtype)
        node = federation(task, adam(batch_size=5), Strategy(mean()), sequential(), 2, 3, 0, "")
        context = Context(1, torch.tensor([client]), node.objective.first[None], 0)
        updates, _ = one_round(node.train, context, {})
        crossed.append(save({"delta": updates.delta, "weight": updates.weight}))
        crossed.append(json.dumps({n: v.tolist() for n, v in updates.metrics.items()}).encode())
        raw = read_table(pooled / f"{owner}.csv", "sick").values
        known += [raw, (raw - mean_) / sd]
    assert values_in(crossed, *known) == []
