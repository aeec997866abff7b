"""Rules for unlike clients: closed forms on quadratics, and the same from every engine."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy, chain
from fedqml.core.updates import Context, Updates
from fedqml.data.dataset import Data
from fedqml.data.shares import Shares
from fedqml.data.task import Task
from fedqml.engines import in_place, sequential, vectorised
from fedqml.experiments.assembly import federation
from fedqml.experiments.rounds import advance, begin
from fedqml.experiments.store import Store
from fedqml.federated import aggregators
from fedqml.federated.aggregators import fednova, mean
from fedqml.federated.local import adam, fedprox, scaffold, sgd
from fedqml.federated.transforms import clip
from tests.federations import one_round, task, with_dropout

ENGINES = [sequential(), vectorised(), vectorised(1), in_place()]


class Point(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0]))

    def forward(self, x):
        curvature, centre = x.unbind(-1)
        return (curvature.sqrt() * (self.w - centre))[:, None]


def quadratic(*clients):
    """Return ``F_i(w) = a_i/2 (w - b_i)^2`` for clients ``(a_i, b_i, rows)`` of equal rows."""
    x = torch.tensor([[a, b] for a, b, rows in clients for _ in range(rows)]).double()
    ends = torch.tensor([rows for *_, rows in clients]).cumsum(0)[:-1]
    y = torch.arange(len(x)) % 2
    split = Data(x, y, test=(x, y)).split(
        lambda labels, owners, rng: Shares(torch.arange(len(x)).tensor_split(ends))
    )
    half_square = lambda outputs, y: (outputs**2).sum(-1) / 2  # noqa: E731
    return Task(Point, half_square, split, metrics={}, dtype=torch.float64)


def trained(problem, local, strategy, rounds, engine=None, cohort=None):
    clients = len(problem.data.clients)
    run = federation(
        problem, local, strategy, engine or sequential(), rounds, cohort or clients, 0, ""
    )
    progress = begin(run)
    for _ in range(rounds):
        progress = advance(run, progress)
    return progress


def weight(progress):
    return float(progress.params[0, 0])


AVERAGE = Strategy(server=mean(weighted=False))
UNLIKE = (1.0, 0.0, 1), (4.0, 1.0, 1)
OPTIMUM = 4.0 / 5.0  # sum a b / sum a
K, LR = 6, 0.05


@pytest.mark.parametrize("engine", ENGINES)
def test_fedprox_takes_the_steps_of_its_closed_form(engine):
    a, b, mu, w = 4.0, 1.0, 0.5, 3.0
    problem = quadratic((a, b, 2), (a, b, 2))
    rule = fedprox(sgd(lr=LR, epochs=K, batch_size=2), mu=mu)
    pulled = (a * b + mu * w) / (a + mu)
    expected = pulled + (1 - LR * (a + mu)) ** K * (w - pulled)
    assert weight(trained(problem, rule, AVERAGE, 1, engine)) == pytest.approx(expected, rel=1e-13)
    # in the second round the anchor is what was received then
    w = expected
    pulled = (a * b + mu * w) / (a + mu)
    expected = pulled + (1 - LR * (a + mu)) ** K * (w - pulled)
    assert weight(trained(problem, rule, AVERAGE, 2, engine)) == pytest.approx(expected, rel=1e-13)


def test_fedprox_without_a_pull_is_its_optimiser():
    problem = task(with_dropout)
    plain = trained(problem, adam(lr=0.01), AVERAGE, 2)
    pulled = trained(problem, fedprox(adam(lr=0.01), mu=0.0), AVERAGE, 2)
    assert torch.equal(plain.params, pulled.params)


def test_averaging_drifts_to_a_wrong_point_and_scaffold_to_the_optimum():
    problem = quadratic(*UNLIKE)
    local = sgd(lr=LR, epochs=K)
    pull = [1 - (1 - LR * a) ** K for a, _, _ in UNLIKE]
    drifted = pull[1] / sum(pull)  # where sum_i pull_i (b_i - w) = 0
    assert weight(trained(problem, local, AVERAGE, 60)) == pytest.approx(drifted, rel=1e-12)
    assert abs(drifted - OPTIMUM) > 0.05
    found = trained(problem, scaffold(local), Strategy(server=aggregators.scaffold()), 90)
    assert weight(found) == pytest.approx(OPTIMUM, rel=1e-12)
    # at the optimum a client's control variate is its own gradient times the learning rate
    for client, (a, b, _) in enumerate(UNLIKE):
        control = float(found.clients[f"{client}/local/control"])
        assert control == pytest.approx(LR * a * (OPTIMUM - b), rel=1e-10)


def test_scaffold_as_in_the_paper_s_algorithm():
    # One client of three a round; c and c_i in gradients, as the paper has them.
    clients = (1.0, 0.0, 1), (4.0, 1.0, 1), (2.0, -1.0, 1)
    rounds = 7
    strategy = Strategy(server=aggregators.scaffold())
    local = scaffold(sgd(lr=LR, epochs=K))
    progress = trained(quadratic(*clients), local, strategy, rounds, cohort=2)
    x, c, own = 3.0, 0.0, [0.0, 0.0, 0.0]
    for row in progress.rows[1:]:
        moved, changed = [], []
        for i in row["clients"]:
            a, b, _ = clients[i]
            y = x
            for _ in range(K):
                y -= LR * (a * (y - b) - own[i] + c)
            new = own[i] - c + (x - y) / (K * LR)
            moved.append(y - x)
            changed.append(new - own[i])
            own[i] = new
        x += sum(moved) / len(moved)
        c += sum(changed) / len(clients)
    assert weight(progress) == pytest.approx(x, rel=1e-12)
    assert float(progress.server["control"]) == pytest.approx(LR * c, rel=1e-11)


def test_the_server_s_control_variate_is_the_mean_of_the_clients():
    problem = task(with_dropout)
    local = scaffold(adam(lr=0.01, batch_size=5, epochs=2))
    progress = trained(problem, local, Strategy(server=aggregators.scaffold()), 5, cohort=3)
    own = [v for name, v in progress.clients.items() if name.endswith("/local/control")]
    total = torch.stack(own).sum(0) / 6  # who was never drawn has zero
    torch.testing.assert_close(progress.server["control"], total, rtol=1e-10, atol=1e-13)


def test_scaffold_needs_its_server_before_training():
    with pytest.raises(InputError, match="needs the server's side of the strategy to be"):
        trained(quadratic(*UNLIKE), scaffold(sgd()), AVERAGE, 1)


def test_scaffold_sends_twice_as_much_down_and_no_more_up():
    progress = trained(
        quadratic(*UNLIKE), scaffold(sgd()), Strategy(server=chain(aggregators.scaffold())), 1
    )
    assert (progress.rows[1]["bytes_down"], progress.rows[1]["bytes_up"]) == (32, 16)


def test_fednova_removes_the_weight_of_more_steps():
    # Rows, hence steps, are 1 and 3; the objective is sum n_i F_i with equal curvature.
    problem = quadratic((1.0, 0.0, 1), (1.0, 1.0, 3))
    lr = 0.05
    local = sgd(lr=lr, epochs=2, batch_size=1)
    steps, rows = (2, 6), (1, 3)
    pull = [1 - (1 - lr) ** k for k in steps]
    skewed = 3 * pull[1] / (pull[0] + 3 * pull[1])
    assert weight(trained(problem, local, Strategy(mean()), 100)) == pytest.approx(skewed, 1e-9)
    even = [n * c / k for n, c, k in zip(rows, pull, steps, strict=True)]
    found = weight(trained(problem, local, Strategy(fednova()), 100))
    assert found == pytest.approx(even[1] / sum(even), 1e-9)
    optimum = 0.75
    assert abs(found - optimum) < lr
    assert abs(skewed - optimum) > 0.1


def test_fednova_knows_what_steps_with_momentum_weigh():
    # Constant gradients: displacements are exactly lr * a_i, which normalises to lr.
    lr, m = 0.1, 0.9
    for steps in (1, 2, 7):
        position, velocity = 0.0, 0.0
        for _ in range(steps):
            velocity = m * velocity + 1.0
            position -= lr * velocity
        delta = torch.tensor([[position]], dtype=torch.float64)
        metrics = {"train_loss": torch.zeros(1), "steps": torch.tensor([steps]).double()}
        both = Updates(
            torch.arange(2),
            torch.cat([delta, torch.tensor([[-lr]], dtype=torch.float64)]),
            torch.ones(2).double(),
            {n: torch.cat([v.double(), torch.ones(1).double()]) for n, v in metrics.items()},
        )
        context = Context(1, torch.arange(2), torch.zeros(1, 1), seed=0)
        after = fednova(momentum=m).apply(both, {}, context)[0].delta
        effective = (-position / lr + 1) / 2
        assert float(after) == pytest.approx(-lr * effective, rel=1e-12)


def test_equal_steps_make_fednova_plain_averaging():
    problem = task(with_dropout, clients=5)
    local = sgd(lr=0.1, batch_size=4)
    plain, nova = (trained(problem, local, Strategy(r()), 2) for r in (mean, fednova))
    torch.testing.assert_close(plain.params, nova.params, rtol=1e-12, atol=1e-13)


def uneven(labels, owners, rng):
    return Shares(torch.arange(len(labels)).tensor_split(torch.tensor([1, 3, 9, 20])))


RULES = {
    "fedprox": (fedprox(sgd(lr=0.1, epochs=2, batch_size=4, momentum=0.5), mu=0.3), mean()),
    "fedprox adam": (fedprox(adam(lr=0.02, batch_size=4, keep_state=True), mu=0.3), mean()),
    "scaffold": (scaffold(sgd(lr=0.1, epochs=2, batch_size=4)), aggregators.scaffold()),
    "scaffold adam": (
        scaffold(adam(lr=0.02, batch_size=4, keep_state=True)),
        aggregators.scaffold(),
    ),
    "both": (
        scaffold(fedprox(sgd(lr=0.1, epochs=2, batch_size=4), mu=0.3)),
        aggregators.scaffold(),
    ),
    "fednova": (sgd(lr=0.1, epochs=2, batch_size=4), fednova()),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("engine", [vectorised(), vectorised(2), in_place()])
def test_engines_agree(name, engine):
    local, server = RULES[name]
    problem = task(with_dropout, partition=uneven)
    strategy = Strategy(server, clip(0.5))
    slow = trained(problem, local, strategy, 3, cohort=4)
    fast = trained(problem, local, strategy, 3, engine, cohort=4)
    torch.testing.assert_close(slow.params, fast.params, rtol=1e-9, atol=1e-9)
    assert slow.clients.keys() == fast.clients.keys()
    for part, value in slow.clients.items():
        torch.testing.assert_close(value, fast.clients[part], rtol=1e-9, atol=1e-9)
    for part, value in slow.server.items():
        torch.testing.assert_close(value, fast.server[part], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("engine", [sequential(), vectorised()])
def test_going_on_from_a_saved_state_gives_the_same_bits(name, engine, tmp_path):
    local, server = RULES[name]
    problem = task(with_dropout, partition=uneven)
    run = federation(problem, local, Strategy(server), engine, 4, 3, 0, "")
    progress, store = begin(run), Store(tmp_path)
    store.prepare()
    for number in range(1, 5):
        progress = advance(run, progress)
        if number == 2:
            store.save(progress, "s")
    again = federation(problem, local, Strategy(server), engine, 4, 3, 0, "")
    resumed, _ = store.latest("s")
    for _ in range(2):
        resumed = advance(again, resumed)
    assert resumed.digest() == progress.digest()
    assert all(torch.equal(v, progress.clients[n]) for n, v in resumed.clients.items())
    assert all(torch.equal(v, progress.server[n]) for n, v in resumed.server.items())


def test_steps_are_told():
    problem = task(with_dropout, partition=uneven)
    for engine in ENGINES:
        train = engine(problem.objective(0), sgd(batch_size=4, epochs=2), chain())
        context = Context(1, torch.arange(5), problem.objective(0).first[None], seed=0)
        told = one_round(train, context, {})[0].metrics["steps"]
        assert told.tolist() == [2, 2, 4, 6, 10]


@pytest.mark.parametrize("mu", [-0.1, float("inf"), float("nan")])
def test_a_pull_must_be_finite_and_not_negative(mu):
    with pytest.raises(InputError, match="`mu` must be finite"):
        fedprox(sgd(), mu=mu)


def test_momentum_is_in_range():
    with pytest.raises(InputError, match="`momentum` must be in"):
        fednova(momentum=1.0)


def test_scaffold_must_know_how_many_clients_there_are():
    rule = aggregators.scaffold()
    context = Context(1, torch.arange(2), torch.zeros(1, 1), seed=0)
    with pytest.raises(InputError, match="how many clients"):
        rule.begin(rule.init(torch.zeros(1)), replace(context))
