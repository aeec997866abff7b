"""What a node does with a job: check it, ask its owner's policy, train, and remember."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePath
from typing import Any

import torch

from fedqml.core.denormals import denormals_as_zero
from fedqml.core.errors import InputError
from fedqml.core.threads import threads
from fedqml.core.transform import prefixed, select
from fedqml.core.updates import Context, State, Updates, concatenate
from fedqml.engines.remote.job import Host, Job, Parcel, Reply, read_job, read_weights
from fedqml.engines.remote.roster import other_software
from fedqml.experiments.build import builder
from fedqml.experiments.config import Experiment, experiments
from fedqml.experiments.environment import software
from fedqml.experiments.rounds import Federation
from fedqml.federation.memory import Memory

Work = Callable[[Parcel], Parcel]
"""From a job to the reply; whatever the job holds, there is a reply."""
_UNKNOWN = "0" * 32  # the nonce of a job that cannot be read

Permit = Callable[[Job], str | None]
"""Why the node's owner does not want a job done; None if it may be."""


def worker(
    hosts: Collection[Host],
    data: Path,
    memory: Memory,
    permit: Permit,
    own_code: Collection[str] = (),
) -> Work:
    """Return what answers jobs.

    Args:
        hosts: the clients that the node trains, by number or by owner's name.
        data: the folder that paths in an experiment start from; none leads out of it.
        memory: where the clients' states are kept.
        permit: the owner's policy.
        own_code: functions outside fedqml, ``"package.module:function"``, that an experiment may
            name. An experiment comes from elsewhere, so none is called that is not here.
    """
    build = builder()
    built: dict[str, Federation] = {}  # of the latest experiment

    def work(parcel: Parcel) -> Parcel:
        nonce = _UNKNOWN
        try:
            job = read_job(parcel)
            nonce = job.nonce
            if job.software != software():
                raise InputError(other_software(job.software, software()))
            if job.kind == "hello":
                return Reply(nonce, software(), hosts=tuple(hosts)).parcel()
            return memory.answer(parcel) or train(job, parcel)
        except InputError as error:
            return refusal(str(error), nonce)

    def train(job: Job, parcel: Parcel) -> Parcel:
        forbidden = permit(job)
        if forbidden:
            raise InputError(forbidden)
        experiment = _experiment(job, data, own_code)
        with threads(experiment.run.threads), denormals_as_zero():
            if job.signature not in built:
                built.clear()
                built[job.signature] = build(experiment)
            federation = built[job.signature]
            _check(job, federation, hosts)
            updates = _updates(job, federation, parcel.body, memory)
        reply = Reply(job.nonce, software(), updates=updates).parcel()
        memory.answered(parcel, reply)
        return reply

    return work


def refusal(why: str, nonce: str = _UNKNOWN) -> Parcel:
    """Return the reply to a job that is not done."""
    return Reply(nonce, software(), refusal=why).parcel()


def _experiment(job: Job, data: Path, own_code: Collection[str]) -> Experiment:
    """Return a job's experiment, checked as one from a file is."""
    config, seed = job.experiment.get("config"), job.experiment.get("seed")
    if not isinstance(config, dict) or not isinstance(config.get("run"), dict):
        raise InputError("The job's `experiment` has no settings.")
    for text in _texts(config):
        if ":" in text and text not in own_code:
            raise InputError(f"This node calls no function `{text}` for an experiment.")
        if PurePath(text).is_absolute() or ".." in PurePath(text).parts:
            raise InputError(f"The path {text} leads out of this node's data.")
    if config.get("engine", {}).get("use") == "flower":
        raise InputError("A node trains by itself, but the job's engine is `flower`.")
    table = {**config, "run": {**config["run"], "seeds": [seed]}}
    (experiment,) = experiments(table, "job", data)
    if experiment.config != config:
        raise InputError("The job's settings are not whole, or mean something else on this node.")
    return experiment


def _texts(value: Any) -> Iterator[str]:
    """Return every text in settings, however deep."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _check(job: Job, federation: Federation, hosts: Collection[Host]) -> None:
    """Refuse clients that are not here, and code that is not the server's."""
    if job.experiment.get("code") != federation.code:
        raise InputError("The experiment's own functions are not those that the server has.")
    names = federation.objective.data.names
    here = {c for c, name in enumerate(names) if c in hosts or name in hosts}
    elsewhere = sorted(job.clients.keys() - here)
    if elsewhere or not job.clients:
        raise InputError(f"This node trains the clients {sorted(here)}, but not {elsewhere}.")


def _updates(job: Job, federation: Federation, body: bytes, memory: Memory) -> Updates:
    weights = read_weights(body, federation.objective.first)
    state: State = {}
    for client, after in job.clients.items():
        state |= prefixed(memory.state(job.signature, client, after), f"{client}/")
    cohort = torch.tensor(list(job.clients))
    context = Context(job.round, cohort, weights[None], federation.seed)
    parts: list[Updates] = []
    state = federation.train(context, state, lambda part: parts.append(part.owned()))
    for client in job.clients:
        own = select(state, f"{client}/")
        if own:
            memory.keep(job.signature, client, job.round, own)
            memory.forget(job.signature, client, job.saved)
    return concatenate(parts)
