"""What a node does with a job: check it, ask its owner's policy, train, and remember."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from jaxtyping import Int
from torch import Tensor

from fedqml.core.denormals import denormals_as_zero
from fedqml.core.errors import InputError
from fedqml.core.resolve import catalogue
from fedqml.core.threads import cores, threads
from fedqml.core.transform import prefixed, select
from fedqml.core.updates import Context, State, Updates, concatenate
from fedqml.engines.remote.job import Host, Job, Parcel, Reply, read_body, read_job
from fedqml.engines.remote.roster import other_software
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.environment import software
from fedqml.experiments.experiment import Experiment, signature, uses
from fedqml.experiments.rounds import Federation
from fedqml.experiments.sections import PLUGINS, SECTIONS
from fedqml.federated.sampling import sample
from fedqml.federation.allowance import spend, today
from fedqml.federation.audit import Entry, Record
from fedqml.federation.memory import Memory
from fedqml.federation.policy import Policy, most_epochs

Work = Callable[[Parcel | str], Parcel]
"""From a job, or why it could not be received, to the reply; whatever it is, there is a reply."""

_UNKNOWN = "0" * 32  # the nonce of a job that cannot be read
_LISTED = 100  # clients of a refused job that the log names


class _Inside(Exception):
    """What went wrong while data were read and trained: its text may repeat them."""


def worker(hosts: Collection[Host], memory: Memory, policy: Policy, record: Record) -> Work:
    """Return what answers jobs.

    Args:
        hosts: the clients that the node trains, by number or by owner's name.
        memory: where the clients' states are kept.
        policy: what the node's owner accepts.
        record: writes to the node's log.
    """
    built: dict[str, Federation] = {}  # of the latest experiment

    def work(parcel: Parcel | str) -> Parcel:
        job: Job | None = None
        try:
            if isinstance(parcel, str):
                raise InputError(parcel)
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
            why = told = str(error)
            if not isinstance(error, InputError):
                cause = error.__cause__ if isinstance(error, _Inside) else error
                why = f"{type(cause).__name__}: {cause}"
                told = "The job failed at this node; the node's log says why."
            reply = Reply(job.nonce if job else _UNKNOWN, software(), refusal=told).parcel()
            return _recorded(record, job, parcel, reply, "refused", why)
        memory.answered(parcel, reply)
        return _recorded(record, job, parcel, reply, "trained")

    def train(job: Job, parcel: Parcel) -> Parcel:
        config = _settings(job)
        # Before anything is built from what came: the model's size is known only then.
        _require_none(policy.refusal(config, job.cohort, weights=0))
        experiment = _experiment(job, config, policy)
        _check_round(job, experiment)
        # Before any work, so that what is refused after it cannot be asked for without end.
        count = memory.folder / "allowance.json"
        with _inside():
            none_left = spend(count, policy, most_epochs(config), today())
        _require_none(none_left)
        with threads(experiment.run.threads), denormals_as_zero():
            if job.signature not in built:
                built.clear()
                memory.forget_old_runs()
                with _inside():
                    built[job.signature] = builder()(experiment)
            federation = built[job.signature]
            size = federation.objective.packing.size
            _require_none(policy.refusal(config, job.cohort, size))
            _check(job, federation, hosts, policy.least_rows)
            if federation.local.report and policy.insist:
                raise InputError(
                    "The experiment's local rule reports more than its update, and the rules that "
                    f"`insist` in {policy.file.name} on the node asks for bound updates alone."
                )
            first = federation.objective.first
            sent = federation.server.sent(federation.server.init(first))
            weights, sent = read_body(parcel.body, first, sent)
            updates = _updates(job, federation, weights, sent, memory)
            del weights  # another copy is made below
        return Reply(job.nonce, software(), updates=updates).parcel()

    return work


@contextmanager
def _inside() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Inside from error


def _recorded(
    record: Record,
    job: Job | None,
    parcel: Parcel | str,
    reply: Parcel,
    decision: str,
    why: str = "",
) -> Parcel:
    """Write to the log what was done with a job, and only then give the reply away."""
    config = job.experiment.get("config") if job else None
    clients = tuple(job.clients) if job and job.kind == "train" else ()
    entry = Entry(
        kind=job.kind if job else "unknown",
        decision=decision,
        reason=why,
        experiment=signature(config) if isinstance(config, dict) else "",
        round=job.round if job and job.kind == "train" else None,
        clients=clients[:_LISTED] if decision == "refused" else clients,
        bytes_in=len(parcel) if isinstance(parcel, Parcel) else 0,
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
    beyond = sorted(config.keys() - SECTIONS)
    if beyond:
        raise InputError(f"The job's settings have {beyond[:9]}, which those of no run have.")
    if "clock" in config:
        raise InputError("A node trains in real time, but the job has a `clock`.")
    # An experiment's signature has no engine in it, so nobody's consent covers own code here.
    for use in uses({"engine": config.get("engine")}):
        if use == "flower" or use not in catalogue(PLUGINS["engine"]):
            raise InputError(
                f"A node trains by itself, with fedqml's own engines, but the job's is `{use}`."
            )
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


def _check_round(job: Job, experiment: Experiment) -> None:
    """Refuse a round that the experiment does not have."""
    run = experiment.run
    if not 1 <= job.round <= run.rounds:
        raise InputError(f"The experiment has the rounds 1 to {run.rounds}, but not {job.round}.")
    if job.cohort != run.clients_per_round:
        raise InputError(
            f"The experiment trains {run.clients_per_round} clients a round, but not {job.cohort}."
        )
    if run.threads > cores():
        raise InputError(
            f"The experiment computes with {run.threads} threads, but this node accepts at most "
            f"{cores()}, one a core. Change `run.threads` in the experiment."
        )


def _check(job: Job, federation: Federation, hosts: Collection[Host], least_rows: int) -> None:
    """Refuse clients that are not here or not drawn, and code or data that are not the server's."""
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
    others = sorted(job.clients.keys() - set(_drawn(job, federation).tolist()))
    if others:
        raise InputError(f"The clients {others} are not drawn for round {job.round}.")
    rows = {client: len(federation.objective.data.clients[client]) for client in job.clients}
    few = [client for client in rows if rows[client] < least_rows]
    if few:
        raise InputError(
            f"The clients {few} have fewer rows than the {least_rows} that this node asks for. See "
            "`least_rows` in its policy."
        )


def _drawn(job: Job, federation: Federation) -> Int[Tensor, " cohort"]:
    """Return the round's whole cohort, of which the job names a part."""
    return sample(federation.clients, federation.clients_per_round, federation.seed, job.round)


def _updates(
    job: Job, federation: Federation, weights: Tensor, sent: State, memory: Memory
) -> Updates:
    state: State = {}
    for client, after in job.clients.items():
        state |= prefixed(memory.state(job.signature, client, after), f"{client}/")
    context = Context(
        job.round,
        _drawn(job, federation),
        weights[None],
        federation.seed,
        sent=sent,
        population=federation.clients,
    )
    parts: list[Updates] = []
    with _inside():
        state = federation.train(
            context, list(job.clients), state, lambda part: parts.append(part.owned())
        )
    for client, after in job.clients.items():
        own = select(state, f"{client}/")
        if own:
            memory.keep(job.signature, client, job.round, own)
            memory.forget(job.signature, client, job.round, after, job.saved)
    return concatenate(parts)
