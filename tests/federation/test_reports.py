"""What clients report crosses the wire as it is, and nothing else does."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save

from fedqml.core.errors import InputError
from fedqml.engines.remote.job import Parcel
from fedqml.experiments.build import builder
from fedqml.experiments.run import run_experiment
from tests.experiments.watching import silent
from tests.federation.in_process import InProcess
from tests.federation.remote import TWO, experiment, remote, rows

ADAM = "{use='adam', lr=0.02, batch_size=64}"
VARIANCE = (
    f"local={{use='gradient_variance', optimiser={ADAM}}}",
    "strategy.server=[{use='inverse_variance_mean'}]",
)
FISHER = (
    f"local={{use='fisher', optimiser={ADAM}}}",
    "strategy.server=[{use='fisher_mean'}]",
)
CALIBRATED = (
    "fleet=[{clients='0-2', device={use='sampled', shots=20}}]",
    "strategy.server=[{use='calibrated_mean'}]",
)


PULLED = (f"local={{use='fedprox', optimiser={ADAM}}}",)  # keeps nothing either


@pytest.mark.parametrize("engine", ["sequential", "vectorised", "in_place"])
@pytest.mark.parametrize("settings", [VARIANCE, FISHER, PULLED])
def test_nodes_give_the_bits_of_one_process(tmp_path, settings, engine):
    use = f"engine={{use='{engine}'}}", "run.rounds=2", "strategy.client=[]", *settings
    here = run_experiment(experiment(*use), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, TWO), tmp_path, *use)
    assert there.summary["hash"] == here.summary["hash"]


def test_a_calibration_is_the_server_s(tmp_path):
    use = "run.rounds=1", *CALIBRATED
    here = run_experiment(experiment(*use), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, TWO), tmp_path, *use)
    assert there.summary["hash"] == here.summary["hash"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sent: sent.pop("reports/fisher"), "The body must hold"),
        (lambda sent: sent.update({"reports/more": torch.zeros(3)}), "The body must hold"),
        (
            lambda sent: sent.update({"reports/fisher": sent["reports/fisher"][:, :9].clone()}),
            "`reports/fisher` must be of shape",
        ),
        (
            lambda sent: sent.update({"reports/fisher": sent["reports/fisher"].double()}),
            "must be of shape and type",
        ),
    ],
)
def test_other_reports_than_the_rule_s_are_refused(tmp_path, change, said):
    def spoil(node, job, work):
        reply = work(job)
        if not reply.body:
            return reply
        sent = load(reply.body)
        change(sent)
        return replace(reply, body=save(sent))

    use = "run.rounds=1", "strategy.client=[]", *FISHER
    with pytest.raises(InputError, match=said):
        remote(InProcess(tmp_path, TWO, spoil), tmp_path, *use)


def test_a_report_s_bytes_are_counted(tmp_path):
    plain, told = tmp_path / "plain", tmp_path / "told"
    settings = "run.rounds=1", "strategy.client=[]"
    remote(InProcess(tmp_path, TWO), plain, *settings)
    remote(InProcess(tmp_path, TWO), told, *settings, *FISHER)
    (_, before), (_, after) = rows(plain), rows(told)
    assert after["bytes_up"] == 2 * before["bytes_up"]
    assert after["wire_up"] > 1.5 * before["wire_up"]


def test_a_node_that_insists_on_a_bound_does_not_report(tmp_path):
    insist = [{"use": "clip", "norm": 0.1}]
    transport = InProcess(tmp_path, TWO, insist=insist)
    with pytest.raises(InputError, match=r"reports more than its update, and the rules that"):
        remote(transport, tmp_path, "run.rounds=1", *FISHER)


def test_a_fisher_report_that_is_not_finite_is_refused_by_the_aggregator(tmp_path):
    def spoil(node, job, work):
        reply = work(job)
        if not reply.body or node != "bern":
            return reply
        sent = load(reply.body)
        sent["reports/fisher"][0, 0] = torch.nan
        return Parcel(reply.head, save(sent))

    use = "run.rounds=1", "strategy.client=[]", *FISHER
    remote(InProcess(tmp_path, TWO, spoil), tmp_path, *use)
    assert len(rows(tmp_path)[1]["refused"]) == 1
