import pytest

from fedqml.core.errors import InputError
from tests.experiments.expanding import expand


def test_a_fleet_says_which_clients_have_which_device():
    entries = '[{ clients = "0-2, 5", device = { use = "reference" } }, { clients = [4], device = '
    fleet = expand(f'fleet = {entries} {{ use = "statevector" }} }}]\n')[0].config["fleet"]
    assert [entry["clients"] for entry in fleet] == [[0, 1, 2, 5], [4]]
    assert fleet[0]["device"] == {"use": "reference"}


def test_a_fleet_says_what_its_clients_can_do_in_a_round():
    entries = '[{ clients = "0-1", epochs = 1 }, { clients = "2", batches = 3, device = '
    fleet = expand(f'fleet = {entries} {{ use = "reference" }} }}]\n')[0].config["fleet"]
    assert fleet[0] == {"clients": [0, 1], "epochs": 1}
    assert (fleet[1]["clients"], fleet[1]["batches"]) == ([2], 3)


@pytest.mark.parametrize(
    ("fleet", "message"),
    [
        ('"all"', "fleet must be a list of tables like"),
        ('[{ clients = "0" }]', "but it has the entry {'clients': '0'}"),
        ('[{ clients = "3-1", device = { use = "reference" } }]', "but it has '3-1'"),
        ('[{ clients = "0-99999999999", device = { use = "reference" } }]', "but it has '0-999"),
        ('[{ clients = "all", device = { use = "reference" } }]', "but it has 'all'"),
        ("[{ clients = 3, device = { use = 'reference' } }]", 'must be such as "0-9, 15"'),
        ('[{ clients = "0, 0-1", device = { use = "reference" } }]', "clients twice: [0]"),
        ('[{ clients = "0", device = { use = "nowhere" } }]', "fleet.device.use: there is no"),
        ('[{ clients = "0", device = {} }]', "fleet.device.use is missing"),
        (
            '[{ clients = "0-999999", epochs = 1 }, { clients = ["0-9999999"], epochs = 1 }]',
            "fleet.clients may name 1000000 clients in all, but has more",
        ),
        ('[{ clients = "0", epochs = 0 }]', "fleet: Argument `epochs` must be at least 1"),
        ('[{ clients = "0", batches = "few" }]', "fleet.batches must be a whole number"),
        ('[{ clients = "0", shots = 3 }]', "but it has the entry {'clients': '0', 'shots': 3}"),
    ],
)
def test_fleets_that_make_no_sense_are_refused(fleet, message):
    with pytest.raises(InputError) as error:
        expand(f"fleet = {fleet}\n")
    assert message in str(error.value)
