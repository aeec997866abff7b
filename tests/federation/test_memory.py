"""What a node remembers, and what it forgets."""

import json
import os
import time
from dataclasses import replace

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.engines.remote.engine import _saved
from fedqml.engines.remote.job import read_job
from fedqml.experiments.build import builder
from fedqml.federation.memory import Memory
from tests.federation.in_process import InProcess
from tests.federation.remote import ONE, TWO, changed, remote


def test_states_that_no_round_needs_any_more_are_dropped(tmp_path):
    remote(InProcess(tmp_path, ONE), tmp_path, "run.rounds=12", "run.clients_per_round=7")
    kept = sorted(int(p.stem) for p in (tmp_path / "bern/states").glob("*/4/*.safetensors"))
    assert kept == [10, 11, 12]


def test_states_of_runs_of_long_ago_are_dropped_when_another_begins(tmp_path):
    transport = InProcess(tmp_path, ONE)
    remote(transport, tmp_path, "run.seeds=[1]")
    (old,) = tmp_path.glob("bern/states/*")
    (recent,) = {*_states_after(transport, tmp_path, 2)} - {old}
    for client in old.iterdir():
        os.utime(client, (0, time.time() - 91 * 86400))
    assert {*_states_after(transport, tmp_path, 3)} > {recent}
    assert not old.exists()


def _states_after(transport, folder, seed):
    remote(transport, folder, f"run.seeds=[{seed}]")
    return folder.glob("bern/states/*")


def test_a_node_that_lost_a_state_says_so(tmp_path):
    def forgetful(node, job, work):
        if b'"round":3' in job.head:
            for state in tmp_path.glob(f"{node}/states/*/*/*.safetensors"):
                state.unlink()
        return work(job)

    with pytest.raises(InputError, match=r"has not the state of client \d after round [12]"):
        remote(InProcess(tmp_path, TWO, forgetful), tmp_path)


def test_a_job_that_was_done_is_not_done_again(tmp_path, whole):
    lost = iter([True])

    def losing(node, job, work):
        reply = work(job)
        train = b'"kind":"train"' in job.head
        return "the answer was lost" if train and next(lost, False) else reply

    transport = InProcess(tmp_path, ONE, losing)
    assert remote(transport, tmp_path).summary["hash"] == whole
    decisions = [entry.decision for entry in transport.log]
    assert decisions == ["answered", "trained", "answered again", *["trained"] * 3]


def test_each_experiment_is_built_apart_so_that_no_data_pile_up(tmp_path, asked, monkeypatch):
    made = []
    monkeypatch.setattr("fedqml.federation.worker.builder", lambda: made.append(1) or builder())
    transport = InProcess(tmp_path, ONE)
    for seed in (1, 2):
        transport.work["bern"](changed(asked, lambda what, seed=seed: what.update(seed=seed)))
    assert len(made) == 2


@pytest.mark.parametrize("every", [1, 3])
def test_a_state_that_came_too_late_takes_no_other_s_place(tmp_path, every):
    memory = Memory(tmp_path)

    def train(round, after):
        memory.state("e", 0, after)
        memory.keep("e", 0, round, {"m": torch.ones(1)})
        memory.forget("e", 0, round, after, saved=_saved(round, every))

    for round in range(1, 13):
        train(round, after=round - 1)
    for round in range(13, 17):  # 13 to 15 are late, so the server still counts on 12
        train(round, after=12)
    for round in range(17, 30):
        train(round, after=round - 1)
    kept = sorted(int(path.stem) for path in tmp_path.glob("states/e/0/*.safetensors"))
    assert kept == list(range(_saved(29, every), 30))


def test_rounds_of_a_day_count_only_what_is_trained(tmp_path, asked):
    transport = InProcess(tmp_path, ONE, most_rounds_a_day=1)
    first = transport.work["bern"](asked)
    assert transport.work["bern"](asked) == first  # the same job: nothing is trained again
    other = replace(read_job(asked), nonce="1" * 32).parcel(asked.body)
    assert "at most 1 a day" in json.loads(transport.work["bern"](other).head)["refusal"]


def test_a_node_s_last_answer_outlasts_its_process(tmp_path, asked):
    first = InProcess(tmp_path, ONE).work["bern"](asked)
    again = InProcess(tmp_path, ONE)
    assert again.work["bern"](asked) == first
    assert again.log[0].decision == "answered again"
    assert Memory(tmp_path / "bern").answer(replace(asked, body=b"")) is None
