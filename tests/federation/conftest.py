import pytest

from fedqml.experiments.build import builder
from fedqml.experiments.run import run_experiment
from tests.experiments.watching import silent
from tests.federation.in_process import InProcess
from tests.federation.remote import ONE, experiment, remote


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The hash of the experiment's run in one process."""
    results = tmp_path_factory.mktemp("whole")
    return run_experiment(experiment(), builder(), results, silent).summary["hash"]


@pytest.fixture(scope="session")
def asked(tmp_path_factory):
    """A job to train, as it came to a node."""
    folder = tmp_path_factory.mktemp("asked")
    transport = InProcess(folder, ONE)
    remote(transport, folder, "run.rounds=1")
    return next(parcel for _, parcel in transport.sent if b'"kind":"train"' in parcel.head)
