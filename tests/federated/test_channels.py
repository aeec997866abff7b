"""What happens to updates on their way, and how few bytes they can take."""

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.updates import Context, Updates
from fedqml.federated.channels import bit_errors, lossy_link, noisy_uplink
from fedqml.federated.compression import quantise, top_k


def send(rule, rows, number=1, state=None):
    clients = torch.arange(len(rows))
    context = Context(number, clients, torch.zeros(1, rows.shape[1]).to(rows), seed=0)
    updates = Updates(clients, rows, torch.ones(len(rows)).to(rows), {"train_loss": rows[:, 0]})
    return rule.apply(updates, state or {}, context)


def rows(k, d):
    return torch.randn(k, d, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("snr", [0.0, 10.0, 30.0])
def test_noise_has_the_given_power(snr):
    x = rows(3, 10_000) * torch.tensor([[1e-3], [1.0], [1e3]])
    noise = send(noisy_uplink(snr), x)[0].delta - x
    measured = 20 * torch.log10(x.norm(dim=1) / noise.norm(dim=1))
    torch.testing.assert_close(measured, torch.full((3,), snr), rtol=0, atol=0.2)


def test_a_link_loses_its_share_and_nobody_is_refused():
    arrived = sum(len(send(lossy_link(0.3), rows(50, 1), n)[0].clients) for n in range(1, 21))
    assert 650 < arrived < 750
    updates, _ = send(lossy_link(0.3), rows(50, 2))
    assert len(updates.delta) == len(updates.metrics["train_loss"]) < 50
    assert not len(updates.refused)


def test_bits_flip_at_their_rate():
    x = rows(2, 10_000)
    sent = send(bit_errors(1e-3, checksum=False), x)[0].delta
    flipped = (sent.numpy().view("uint32") ^ x.numpy().view("uint32")).tobytes()
    assert 500 < int.from_bytes(flipped, "little").bit_count() < 800


def test_behind_a_checksum_only_right_rows_arrive():
    x = rows(100, 10)
    updates, _ = send(bit_errors(1 / 320), x)
    # each row has 320 bits: e^-1 of them pass
    assert 20 < len(updates.clients) < 55
    assert torch.equal(updates.delta, x[updates.clients])


@pytest.mark.parametrize("rule", [lossy_link(0.999), bit_errors(0.5)])
def test_a_round_without_any_update_says_so(rule):
    with pytest.raises(InputError, match="In round 1 no update arrived"):
        send(rule, rows(2, 100))


def test_quantised_rows_are_right_in_the_mean_and_on_the_grid():
    x = rows(1, 50)
    scale = float(x.abs().max()) / 127
    sent = torch.cat([send(quantise(8), x, n)[0].delta for n in range(1, 401)])
    torch.testing.assert_close(sent / scale, (sent / scale).round(), rtol=0, atol=1e-3)
    assert (sent - x).abs().max() < scale * 1.001
    assert (sent.mean(0) - x[0]).abs().max() < 5 * scale / 400**0.5
    assert not send(quantise(8), torch.zeros(1, 3))[0].delta.any()


def test_what_is_left_out_is_sent_later():
    x, rule, state = rows(2, 10), top_k(0.2), {"error": torch.zeros(2, 10)}
    total = torch.zeros(2, 10)
    for number in range(1, 6):
        updates, state = send(rule, x, number, state)
        assert ((updates.delta != 0).sum(1) == 2).all()
        total += updates.delta
        torch.testing.assert_close(total + state["error"], number * x)


def test_bytes_are_those_of_the_shorter_code():
    x = rows(1, 1000)
    assert float(send(quantise(8), x)[0].metrics["bytes_up"]) == 1000 + 4
    sparse = send(top_k(0.01), x, state={"error": torch.zeros(1, 1000)})[0]
    assert float(sparse.metrics["bytes_up"]) == 10 * (4 + 4)
    assert float(send(quantise(8), sparse.delta)[0].metrics["bytes_up"]) == 10 * (4 + 1) + 4
    dense = send(top_k(1.0), x, state={"error": torch.zeros(1, 1000)})[0]
    assert float(dense.metrics["bytes_up"]) == 4000


@pytest.mark.parametrize(
    "make",
    [
        lambda: quantise(1),
        lambda: quantise(17),
        lambda: top_k(0.0),
        lambda: lossy_link(1.0),
        lambda: bit_errors(-0.1),
    ],
)
def test_values_out_of_range_are_refused(make):
    with pytest.raises(InputError, match="must be"):
        make()
