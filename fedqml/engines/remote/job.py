"""What a server asks of a node and what it answers, as bytes that neither side has to trust.

A parcel is a head in JSON and a body of tensors in the format of safetensors: reading either runs
no code. Whatever does not fit is refused with a reason before anything is done with it.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.transform import prefixed, select
from fedqml.core.updates import State, Updates
from fedqml.federated.coding import BYTES

Kind = Literal["hello", "train"]
Host = int | str
"""A client by its number, or by its owner's name."""

_LARGEST_HEAD = 1 << 20
_LARGEST_TEXT = 2000
_DEEPEST = 32  # levels of tables and lists; what is done with them is recursive
_SENT = "sent/"
_REPORTS = "reports/"
_NAMES = 1 << 16  # bytes of a body beside its numbers


@dataclass(frozen=True)
class Parcel:
    """A message.

    Attributes:
        head: JSON.
        body: tensors in the format of safetensors; empty without any.
    """

    head: bytes
    body: bytes = b""

    def __len__(self) -> int:
        return len(self.head) + len(self.body)


@dataclass(frozen=True)
class Job:
    """What a server asks of a node.

    Attributes:
        kind: ``hello`` asks who is there; ``train`` comes with the weights.
        software: the server's version of fedqml.
        nonce: 32 hexadecimal digits that occur once; the answer repeats them.
        experiment: the settings, the seed and a hash of the user's own code.
        round: the round's number, from 1.
        cohort: how many clients train in the round, at all nodes together.
        saved: the round up to which no state of a client is needed any more, but its last.
        clients: those to train, and after which round each has the state to begin with; 0 for none.
    """

    kind: Kind
    software: str
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))
    experiment: Mapping[str, Any] = field(default_factory=dict)
    round: int = 0
    cohort: int = 0
    saved: int = 0
    clients: Mapping[int, int] = field(default_factory=dict)

    @property
    def signature(self) -> str:
        """The SHA-256 of the experiment."""
        return signature(self.experiment)

    def parcel(self, body: bytes = b"") -> Parcel:
        """Return the job as bytes, with a body that the jobs of a round can share."""
        return Parcel(_dump({**asdict(self), "signature": self.signature}), body)


@dataclass(frozen=True, eq=False)
class Reply:
    """What a node answers.

    Attributes:
        nonce: that of the job.
        software: the node's version of fedqml.
        refusal: why the node does not do what it is asked to; empty if it does.
        hosts: to ``hello``, the clients that the node trains.
        updates: to ``train``, what the clients send.
    """

    nonce: str
    software: str
    refusal: str = ""
    hosts: tuple[Host, ...] = ()
    updates: Updates | None = None

    def parcel(self) -> Parcel:
        """Return the reply as bytes."""
        told = {name: getattr(self, name) for name in ("nonce", "software", "refusal", "hosts")}
        if self.updates is None:
            return Parcel(_dump(told))
        sent = {"delta": self.updates.delta, "weight": self.updates.weight}
        sent |= {f"metrics/{name}": values for name, values in self.updates.metrics.items()}
        sent |= prefixed(dict(self.updates.reports), _REPORTS)
        return Parcel(_dump({**told, "clients": self.updates.clients.tolist()}), to_bytes(sent))


def signature(experiment: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an experiment's canonical JSON.

    Example:
        >>> signature({"seed": 1, "config": {}}) == signature({"config": {}, "seed": 1})
        True
    """
    return hashlib.sha256(_dump(experiment)).hexdigest()


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors in the format of safetensors."""
    apart: dict[str, Tensor] = {}
    memories: set[int] = set()
    for name, tensor in tensors.items():
        whole = tensor.detach().contiguous()
        memory = whole.untyped_storage().data_ptr()
        # safetensors refuses tensors that share memory; a copy of a large one would cost.
        apart[name] = whole.clone() if memory in memories else whole
        memories.add(memory)
    return save(apart)


def read_job(parcel: Parcel) -> Job:
    """Return the job in a parcel; its body waits until the shapes are known.

    Raises:
        InputError: if it is no job of this version, or its signature is not that of its content.
    """
    head = _Head(parcel.head, "job")
    kinds: tuple[Kind, ...] = get_args(Kind)
    found = [kind for kind in kinds if kind == head.text("kind")]
    if not found:
        raise InputError(f"The job's `kind` must be one of {', '.join(kinds)}.")
    pairs = head.get("clients", dict).items()
    clients = {int(client): after for client, after in pairs if client.isdecimal()}
    whole = all(type(after) is int and after >= 0 for after in clients.values())
    if len(clients) != len(pairs) or not whole:
        raise InputError("The job's `clients` must be numbers with the round of each one's state.")
    job = Job(
        found[0],
        head.text("software"),
        head.nonce(),
        head.get("experiment", dict),
        head.number("round"),
        head.number("cohort"),
        head.number("saved"),
        dict(sorted(clients.items())),
    )
    if head.text("signature") != job.signature:
        raise InputError("The job's signature is not that of its experiment.")
    return job


def body_of(weights: Float[Tensor, " d"], sent: Mapping[str, Tensor]) -> bytes:
    """Return the body of a job: the weights and what the server's rules send beside them."""
    return to_bytes({"weights": weights, **prefixed(dict(sent), _SENT)})


def read_body(
    body: bytes, weights: Float[Tensor, " d"], sent: Mapping[str, Tensor]
) -> tuple[Float[Tensor, " d"], State]:
    """Return the weights in a job's body, and what the server's rules send beside them.

    Args:
        body: of the job.
        weights: of the shape and type that they must have.
        sent: likewise, by name.

    Raises:
        InputError: if they have not, or are not finite.
    """
    found = _tensors(body, {"weights": weights, **prefixed(dict(sent), _SENT)})
    for name, tensor in found.items():
        if not bool(tensor.isfinite().all()):
            raise InputError(f"The job's `{name}` hold NaN or infinite entries.")
    return found["weights"], select(found, _SENT)


def read_reply(
    parcel: Parcel,
    job: Job,
    like: Float[Tensor, " d"],
    reports: Mapping[str, Tensor] = MappingProxyType({}),
) -> Reply:
    """Return the reply in a parcel.

    Numbers that are not finite are left to the aggregator, which refuses such a client's row as it
    does in one process.

    Args:
        parcel: what a node sent.
        job: what it was asked.
        like: the weights that it was sent.
        reports: of the shapes and types of what each client reports.

    Raises:
        InputError: if the reply is to another job, of other clients, shapes or types, or too large.
    """
    head = _Head(parcel.head, "reply")
    reply = Reply(head.nonce(), head.text("software"), head.text("refusal"), head.hosts())
    if reply.refusal:  # perhaps of a job that the node could not read
        return reply
    if reply.nonce != job.nonce:
        raise InputError("The reply is to another job.")
    if job.kind == "hello":
        return reply
    asked = list(job.clients)
    if head.get("clients", list) != asked:
        raise InputError(f"The reply must be of the clients {asked}.")
    k = len(asked)
    each = like.new_empty(k, device="meta")
    wanted = {"delta": like.new_empty((k, len(like)), device="meta"), "weight": each}
    wanted |= {f"metrics/{name}": each for name in ("train_loss", "steps")}
    shapes = {name: one.new_empty((k, *one.shape), device="meta") for name, one in reports.items()}
    wanted |= prefixed(shapes, _REPORTS)
    coded = {f"metrics/{BYTES}": each.double()}  # of those that compress
    sent = _tensors(parcel.body, wanted, coded)
    metrics = select(sent, "metrics/")
    updates = Updates(
        *(torch.tensor(asked), sent["delta"], sent["weight"], metrics),
        reports=select(sent, _REPORTS),
    )
    return Reply(reply.nonce, reply.software, updates=updates)


def largest_reply(
    clients: int, like: Float[Tensor, " d"], reports: Mapping[str, Tensor] = MappingProxyType({})
) -> int:
    """Return how many bytes a reply of so many clients can have."""
    numbers = (len(like) + 3) * like.element_size() + 8
    numbers += sum(one.nbytes for one in reports.values())
    return _LARGEST_HEAD + _NAMES + clients * numbers


def shown(text: str) -> str:
    """Return a text that the other side had a hand in, for logs, terminals and histories.

    It is cut at 2000 letters, and what is no letter becomes a space: it could fool its readers.

    Example:
        >>> shown("No,\\x1b[31m never.")
        'No, [31m never.'
    """
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LARGEST_TEXT])


class _Head:
    """A head whose fields are checked as they are read."""

    def __init__(self, head: bytes, what: str) -> None:
        self._what = what
        if len(head) > _LARGEST_HEAD:
            raise InputError(f"The {what}'s head has {len(head)} bytes; {_LARGEST_HEAD} may be.")
        try:
            found = json.loads(head, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The {what}'s head is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise InputError(f"The {what}'s head must be an object.")
        if _is_deep(found):
            raise InputError(f"The {what}'s head is nested deeper than {_DEEPEST} levels.")
        self._fields = found

    def get(self, name: str, kind: type) -> Any:
        value = self._fields.get(name)
        if type(value) is not kind:
            raise InputError(f"The {self._what}'s `{name}` must be of type {kind.__name__}.")
        return value

    def number(self, name: str) -> int:
        value: int = self.get(name, int)
        if not 0 <= value < 1 << 31:
            raise InputError(f"The {self._what}'s `{name}` must be from 0 to 2^31, not {value}.")
        return value

    def text(self, name: str) -> str:
        return shown(self.get(name, str))

    def nonce(self) -> str:
        value = self.text("nonce")
        if len(value) != 32 or set(value) - set("0123456789abcdef"):
            raise InputError(f"The {self._what}'s `nonce` must be 32 hexadecimal digits.")
        return value

    def hosts(self) -> tuple[Host, ...]:
        found = self.get("hosts", list)
        if not all((type(host) is int and host >= 0) or type(host) is str for host in found):
            raise InputError(f"The {self._what}'s `hosts` must be numbers or names of clients.")
        return tuple(found)


def _tensors(
    body: bytes, like: Mapping[str, Tensor], optional: Mapping[str, Tensor] | None = None
) -> State:
    """Return the tensors in a body, of the names, shapes and types of the given ones."""
    known = {**like, **(optional or {})}
    size = sum(tensor.nbytes for tensor in known.values())
    if len(body) > size + _NAMES:
        raise InputError(f"The body has {len(body)} bytes, but {size} are its numbers.")
    try:
        found = load(body)
    except (SafetensorError, ValueError, KeyError, RuntimeError, RecursionError) as error:
        raise InputError(f"The body is not in the format of safetensors: {error}") from error
    if not like.keys() <= found.keys() <= known.keys():
        raise InputError(f"The body must hold {sorted(like)}, but it holds {sorted(found)}.")
    for name, tensor in found.items():
        given, wanted = (tuple(t.shape) for t in (tensor, known[name]))
        if (given, tensor.dtype) != (wanted, known[name].dtype):
            raise InputError(
                f"`{name}` must be of shape and type {(wanted, known[name].dtype)}, "
                f"not {(given, tensor.dtype)}."
            )
    return found


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner = [v.values() if isinstance(v, dict) else v for v in level if type(v) in (dict, list)]
        level = [entry for entries in inner for entry in entries]
    return any(type(entry) in (dict, list) for entry in level)


def _dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
