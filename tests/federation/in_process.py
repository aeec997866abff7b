"""Nodes in the test's own process: every parcel crosses as bytes."""

from fedqml.engines.remote.job import Parcel
from fedqml.engines.remote.transport import Answer
from fedqml.federation.memory import Memory
from fedqml.federation.policy import Policy
from fedqml.federation.worker import worker

DATA = {"use": "breast_cancer"}


class InProcess:
    """A transport to workers; a test may change what they answer."""

    def __init__(self, folder, hosts, change=lambda node, job, work: work(job), **policy):
        self.log = []
        self.assigned = dict(hosts)
        self.work = {
            node: worker(
                clients,
                Memory(folder / node),
                Policy(folder / "policy.toml", DATA, **policy),
                self.log.append,
            )
            for node, clients in hosts.items()
        }
        for node in hosts:
            (folder / node).mkdir(exist_ok=True)
        self.change = change
        self.sent = []
        self.away = set()

    def nodes(self):
        return self.work.keys() - self.away

    def hosts(self):
        return self.assigned

    def exchange(self, parcels, limits, seconds):
        # the last first: the order of arrival must not matter
        for node, parcel in reversed(parcels.items()):
            job = Parcel(bytes(parcel.head), bytes(parcel.body))
            self.sent.append((node, job))
            reply = self.change(node, job, self.work[node])
            if isinstance(reply, str):
                yield Answer(node, None, reply)
            elif reply is not None:
                yield Answer(node, reply)
