"""What a node does with a job: check it, ask its owner's policy, train, and remember."""

from collections.abc import Callable, Collection, Iterator
from pathlib import PurePath
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
from fedqml.experiments.config import Experiment, experiments, signature
from fedqml.experiments.environment import software
from fedqml.experiments.rounds import Federation
from fedqml.federation.allowance import spend, today
from fedqml.federation.audit import Entry, Record
from fedqml.federation.memory import Memory
from fedqml.federation.policy import Policy

Work = Callable[[Parcel], Parcel]
"""From a job to the reply; whatever the job holds, there is a reply."""

_UNKNOWN = "0" * 32  # the nonce of a job that cannot be read


def worker(hosts: Collection[Host], memory: Memory, policy: Policy, record: Record) -> Work:
    """Return what answers jobs.

    Args:
        hosts: the clients that the node trains, by number or by owner's name.
        memory: where the clients' states are kept.
        policy: what the node's owner accepts.
        record: writes to the node's log.
    """
    build = builder()
    built: dict[str, Federation] = {}  # of the latest experiment

    def work(parcel: Parcel) -> Parcel:
        job: Job | None = None
        try:
            job = read_job(parcel)
            if job.software != software():
                raise InputError(other_software(job.software, software()))
            if job.kind == "hello":
                reply = Reply(job.nonce, software(), hosts=tuple(hosts)).parcel()
                return _recorded(record, job, parcel, reply, "answered")
            if (before := memory.answer(parcel)) is not None:
                return _recorded(record, job, parcel, before, "answered again")
            reply = train(job, parcel)
        except Exception as error:
            # Not only InputError: what a job makes a library do must not stop the node.
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            why = f"{kind}{error}"
            reply = refusal(why, job.nonce if job else _UNKNOWN)
            return _recorded(record, job, parcel, reply, "refused", why)
        memory.answered(parcel, reply)
        return _recorded(record, job, parcel, reply, "trained")

    def train(job: Job, parcel: Parcel) -> Parcel:
        config = _settings(job)
        # Before anything is built from what came: the model's size is known only then.
        _require_none(policy.refusal(config, job.cohort, weights=0))
        experiment = _experiment(job, config, policy)
        with threads(experiment.run.threads), denormals_as_zero():
            if job.signature not in built:
                built.clear()
                memory.forget_old_runs()
                built[job.signature] = build(experiment)
            federation = built[job.signature]
            size = federation.objective.packing.size
            _require_none(policy.refusal(config, job.cohort, size))
            _check(job, federation, hosts)
            weights = read_weights(parcel.body, federation.objective.first)
            count = memory.folder / "allowance.json"
            _require_none(spend(count, policy, federation.epochs, today()))
            updates = _updates(job, federation, weights, memory)
            del weights  # another copy is made below
        return Reply(job.nonce, software(), updates=updates).parcel()

    return work


def refusal(why: str, nonce: str = _UNKNOWN) -> Parcel:
    """Return the reply to a job that is not done."""
    return Reply(nonce, software(), refusal=why).parcel()


def _recorded(
    record: Record, job: Job | None, parcel: Parcel, reply: Parcel, decision: str, why: str = ""
) -> Parcel:
    """Write to the log what was done with a job, and only then give the reply away."""
    config = job.experiment.get("config") if job else None
    entry = Entry(
        kind=job.kind if job else "unknown",
        decision=decision,
        reason=why,
        experiment=signature(config) if isinstance(config, dict) else "",
        round=job.round if job and job.kind == "train" else None,
        clients=tuple(job.clients) if job else (),
        bytes_in=len(parcel),
        bytes_out=len(reply),
    )
    record(entry)
    return reply


def _require_none(why: str | None) -> None:
    if why is not None:
        raise InputError(why)


def _settings(job: Job) -> dict[str, Any]:
    config = job.experiment.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("run"), dict):
        raise InputError("The job's `experiment` has no settings.")
    for text in _texts({key: value for key, value in config.items() if key != "data"}):
        if PurePath(text).is_absolute() or ".." in PurePath(text).parts:
            raise InputError(f"The path {text} leads out of this node's folder.")
    if config.get("engine", {}).get("use") == "flower":
        raise InputError("A node trains by itself, but the job's engine is `flower`.")
    return config


def _experiment(job: Job, config: dict[str, Any], policy: Policy) -> Experiment:
    """Return a job's experiment on the node's own data, checked as one from a file is."""
    opened = policy.opened(config)
    table = {**opened, "run": {**config["run"], "seeds": [job.experiment.get("seed")]}}
    (experiment,) = experiments(table, "job", policy.file.parent)
    if experiment.config != opened:
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
    """Refuse clients that are not here, and code or data that are not the server's."""
    if job.experiment.get("code") != federation.code:
        raise InputError("The experiment's own functions are not those that the server has.")
    if job.experiment.get("data") != federation.objective.data.common_digest():
        raise InputError(
            "What this node knows of the data is not what the server knows: both need the same "
            "facts.json, or the same file where the data are not spread over owners."
        )
    names = federation.objective.data.names
    here = {c for c, name in enumerate(names) if c in hosts or name in hosts}
    elsewhere = sorted(job.clients.keys() - here)
    if elsewhere or not job.clients:
        raise InputError(f"This node trains the clients {sorted(here)}, but not {elsewhere}.")


def _updates(job: Job, federation: Federation, weights: torch.Tensor, memory: Memory) -> Updates:
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
