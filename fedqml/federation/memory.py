"""What a node remembers on its disk: the states of its clients, and its last answer."""

import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from fedqml.core.errors import InputError
from fedqml.core.files import replacing, write_atomic
from fedqml.core.updates import State
from fedqml.engines.remote.job import Parcel, to_bytes

_KEY = 32  # bytes of a SHA-256
_LENGTH = 8  # bytes of a length
_KEPT = 90 * 86400.0  # seconds: who stopped a run that long ago begins it anew


@dataclass(frozen=True)
class Memory:
    """A folder with what must outlast a node's process.

    A client's state is kept by the round that left it. A round that is asked anew begins with the
    state from before it, whatever was trained since, and so gives the same bits.

    Attributes:
        folder: of the node.
    """

    folder: Path

    def state(self, experiment: str, client: int, round: int) -> State:
        """Return a client's state after a round; before the first it has none.

        Args:
            experiment: the signature of the experiment.
            client: the client's number.
            round: the round that left the state.

        Raises:
            InputError: if it is not there, or damaged.
        """
        if round == 0:
            return {}
        path = self._state(experiment, client, round)
        try:
            return load(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"This node has not the state of client {client} after round {round} ({error}); "
                "the run cannot go on as it was. Begin it anew in another results folder."
            ) from error

    def keep(self, experiment: str, client: int, round: int, state: State) -> None:
        """Save a client's state after a round."""
        path = self._state(experiment, client, round)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, to_bytes(state))

    def forget(self, experiment: str, client: int, round: int, after: int, saved: int) -> None:
        """Remove states that no round can begin with any more: up to ``saved``, all but the last.

        A state that came too late for its round is none to begin with either: the server names the
        one before it.

        Args:
            experiment: the signature of the experiment.
            client: the client's number.
            round: the round that was trained.
            after: the round of the state that it began with.
            saved: the round of the oldest checkpoint that the server has.
        """
        folder = self._state(experiment, client, 0).parent
        paths = {int(path.stem): path for path in sorted(folder.glob("*.safetensors"))}
        late = [past for past in paths if after < past < round]
        old = [past for past in paths if past <= min(saved, after)]
        for past in late + old[:-1]:
            paths[past].unlink()

    def forget_old_runs(self) -> None:
        """Remove the states of experiments that were not trained for 90 days."""
        for folder in self.folder.glob("states/*"):
            trained = max((client.stat().st_mtime for client in folder.iterdir()), default=0.0)
            if trained < time.time() - _KEPT:
                shutil.rmtree(folder)

    def answer(self, job: Parcel) -> Parcel | None:
        """Return the answer to a job, if it is the last that was answered."""
        try:
            with self._answer.open("rb") as file:
                if file.read(_KEY) != _digest(job):
                    return None
                head = file.read(int.from_bytes(file.read(_LENGTH), "big"))
                return Parcel(head, file.read())
        except FileNotFoundError:
            return None

    def answered(self, job: Parcel, reply: Parcel) -> None:
        """Save the answer to a job."""
        self.folder.mkdir(parents=True, exist_ok=True)
        length = len(reply.head).to_bytes(_LENGTH, "big")
        with replacing(self._answer) as temporary, temporary.open("wb") as file:
            file.writelines([_digest(job), length, reply.head, reply.body])

    def _state(self, experiment: str, client: int, round: int) -> Path:
        return self.folder / "states" / experiment / str(client) / f"{round:06d}.safetensors"

    @property
    def _answer(self) -> Path:
        return self.folder / "answer"


def _digest(parcel: Parcel) -> bytes:
    sha = hashlib.sha256(parcel.head)
    sha.update(parcel.body)
    return sha.digest()
