"""The owner's file: strict when it is read, and every refusal says where it can be mended."""

import copy
import re

import pytest

from fedqml.core.errors import InputError
from fedqml.experiments.config import experiments
from fedqml.experiments.experiment import signature
from fedqml.federation.policy import TEMPLATE, read_policy
from tests.data.owner_folders import part_of, pooled_folder

EXPERIMENT = {
    "data": {"use": "owner_tables", "path": "hospitals"},
    "partition": {"use": "by_owner"},
    "model": {"use": "dense_vqc", "qubits": 2},
    "local": {"use": "adam", "epochs": 3},
    "strategy": {"client": [{"use": "clip", "norm": 1.0}]},
    "run": {"rounds": 2, "clients_per_round": 3},
}
DATA = 'data = { use = "owner_tables", path = "mine" }\n'
OWN = "tests.experiments.own:model"


def config(tmp_path, **changes):
    (run,) = experiments({**copy.deepcopy(EXPERIMENT), **changes}, "three", tmp_path)
    return run.config


@pytest.fixture
def policy(tmp_path):
    def read(text, data=DATA):
        (tmp_path / "policy.toml").write_text(data + text)
        return read_policy(tmp_path / "policy.toml")

    return read


def test_the_template_accepts_an_ordinary_experiment(policy, tmp_path):
    assert policy(TEMPLATE, data="").refusal(config(tmp_path), 3, 24) is None


def test_every_line_of_the_template_can_be_switched_on(policy):
    text = TEMPLATE.replace("# experiments", "experiments").replace("# models", "models")
    text = text.replace("# local", "local").replace("# insist", "insist")
    text = text.replace("# devices", "devices")
    read = policy(text, data="")
    assert (read.models, read.local) == (["dense_vqc"], ["adam", "sgd"])
    assert read.insist == [{"use": "clip", "norm": 1.0}]


def test_the_node_opens_its_own_data(policy, tmp_path):
    given = config(tmp_path)
    opened = policy("").opened(given)
    assert opened["data"] == {"use": "owner_tables", "path": "mine", "standardise": True}
    assert {**opened, "data": given["data"]} == given


@pytest.mark.parametrize(
    ("text", "cohort", "weights", "message"),
    [
        ("experiments = ['" + 64 * "0" + "']", 3, 24, "signature is .*, but this node accepts only "
         "those that its owner has listed. See `experiments` in policy.toml on the node"),
        ("models = ['vgg_vqc']", 3, 24, "model is `dense_vqc`, but this node accepts vgg_vqc. "
         "Change `model.use` in the experiment, or `models` in policy.toml on the node"),
        ("local = ['sgd']", 3, 24, "local is `adam`, but this node accepts sgd"),
        ("insist = [{ use = 'clip', norm = 0.5 }]", 3, 24, "strategy.client is .* accepts only one "
         "that ends with .*0.5.* Change `strategy.client`"),
        ("insist = [{use = 'clip', norm = 2.0}, {use = 'clip', norm = 1.0}]", 3, 24, "ends with"),
        ("most_epochs = 2", 3, 24, "trains 3 local epochs a round, but this node accepts at most 2"
         ". Change `local.epochs` in the experiment, or `most_epochs`"),
        ("least_cohort = 3", 2, 24, "2 clients train in this round, .* accepts at least 3"),
        ("most_weights = 23", 3, 24, "The model has 24 weights, but this node accepts at most 23"),
    ],
)  # fmt: skip
def test_refusals_say_what_was_asked_and_where_to_mend_it(
    policy, tmp_path, text, cohort, weights, message
):
    assert re.search(message, policy(text).refusal(config(tmp_path), cohort, weights))


def test_what_is_at_the_bound_is_accepted(policy, tmp_path):
    given = config(tmp_path)
    text = f"""
        experiments = ["{signature(given)}"]
        models = ["dense_vqc"]
        local = ["adam"]
        insist = [{{ use = "clip", norm = 1.5 }}]
        most_epochs = 3
        least_cohort = 3
        most_weights = 24
    """
    assert policy(text).refusal(given, 3, 24) is None


def test_a_rule_after_the_one_insisted_on_could_undo_it(policy, tmp_path):
    client = [{"use": "clip", "norm": 0.1}, {"use": "clip", "norm": 9.0}]
    given = config(tmp_path, strategy={"client": client})
    assert "ends with" in policy("insist = [{ use = 'clip', norm = 1.0 }]").refusal(given, 3, 24)


def test_the_signature_knows_neither_seed_nor_engine(tmp_path):
    runs = {"rounds": 2, "clients_per_round": 3, "seeds": [0, 1]}
    found = experiments({**EXPERIMENT, "run": runs}, "three", tmp_path)
    (other,) = experiments(EXPERIMENT, "three", tmp_path, ["engine.use=sequential"])
    assert len({signature(run.config) for run in (*found, other)}) == 1
    (longer,) = experiments(EXPERIMENT, "three", tmp_path, ["local.epochs=4"])
    assert signature(longer.config) != signature(other.config)


@pytest.mark.parametrize("section", ["model", "local", "data", "partition"])
def test_own_code_is_refused_wherever_it_is_named(policy, tmp_path, section):
    given = {**config(tmp_path), section: {"use": OWN}}
    refused = policy("").refusal(given, 3, 24)
    assert refused.startswith(f"The experiment uses `{OWN}`, but this node accepts none but fedqml")


DEVICES = [
    {"device": {"use": "pennylane"}},
    {"fleet": [{"clients": [0], "device": {"use": "pennylane"}}]},
    {"device": {"use": "spsa", "device": {"use": "pennylane"}}},
]


@pytest.mark.parametrize("named", DEVICES)
def test_a_device_that_may_leave_the_machine_must_be_listed(policy, tmp_path, named):
    given = config(tmp_path) | named
    refused = policy("").refusal(given, 3, 24)
    assert refused.startswith("The experiment uses the device `pennylane`, but this node accepts ")
    assert "`devices` in policy.toml" in refused
    assert policy("devices = ['spsa', 'pennylane']").refusal(given, 3, 24) is None


def test_simulators_need_not_be_listed_but_can_be(policy, tmp_path):
    given = config(tmp_path, device={"use": "density"})
    assert policy("").refusal(given, 3, 24) is None
    assert "device `density`" in policy("devices = ['sampled']").refusal(given, 3, 24)


def test_own_code_is_accepted_by_name(policy, tmp_path):
    given = {**config(tmp_path), "partition": {"use": OWN}}
    assert policy(f"own_code = ['{OWN}']").refusal(given, 3, 24) is None
    assert f"uses `{OWN}`" in policy("own_code = ['os:system']").refusal(given, 3, 24)


def test_only_the_path_of_the_data_is_the_nodes_alone(policy, tmp_path):
    other = config(tmp_path, data={"use": "owner_tables", "path": "x", "standardise": False})
    refused = policy("").refusal(other, 3, 24)
    assert refused.startswith("The experiment says data.standardise = False, but this node accepts")
    tumours = config(tmp_path, data={"use": "breast_cancer"})
    assert "data are `breast_cancer`" in policy("").refusal(tumours, 3, 24)


@pytest.mark.parametrize("spoilt", [{}, {"model": 3}, {"local": {"use": "adam", "epochs": "5"}}])
def test_settings_that_are_none_are_refused_not_raised(policy, tmp_path, spoilt):
    given = {**config(tmp_path), **spoilt} if spoilt else {}
    assert "cannot be read" in policy("most_epochs = 2").refusal(given, 3, 24)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modles = ['dense_vqc']", r"policy.toml: policy.modles: unknown key. Did you mean `mod"),
        (
            "models = ['dense_vcq']",
            r"models.use: there is no `dense_vcq`. Did you mean `dense_vqc`",
        ),
        ("local = ['adma']", r"there is no `adma`. Did you mean `adam`"),
        ("models = []", "`models` must name at least one that is accepted, or be left out"),
        ("experiments = ['abc']", "`experiments` must hold signatures, of 64 digits"),
        ("most_rounds_a_day = 0", "`most_rounds_a_day` must be at least 1"),
        ("most_epochs = -1", "`most_epochs` must be at least 1"),
        ("most_epochs = 'ten'", "most_epochs must be a whole number"),
        (f"models = ['{OWN}']", "which is not among own_code"),
        (f"models = ['{OWN}']\nown_code = ['os:system']", "which is not among own_code"),
        ("own_code = ['os']", "`own_code` must hold names such as"),
        ("insist = [{ use = 'clip' }]", "insist.norm is missing"),
        ("insist = [{ use = 'clip', norm = 0 }]", "`norm` must be positive"),
        ("insist = [{ norm = 1 }]", "insist.use is missing"),
        ("own_code = 1", "own_code must be a list"),
        ("models = ", "cannot be read as a policy"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_at_the_start(policy, text, message):
    with pytest.raises(InputError, match=message):
        policy(text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "policy.data is missing; it must be a table"),
        ("data = { use = 'owner_table', path = 'x' }", "Did you mean `owner_tables`"),
        (
            "data = { use = 'owner_tables', pth = 'x' }",
            "data.pth: unknown key. Did you mean `path`",
        ),
    ],
)
def test_the_data_must_be_named(policy, data, message):
    with pytest.raises(InputError, match=message):
        policy("", data=data)


def test_the_data_are_opened_when_the_node_starts(policy, tmp_path):
    with pytest.raises(
        InputError, match=r"policy.toml: data: .*`path` must be a folder, but there"
    ):
        policy("").require_data(["bern"])
    part_of(pooled_folder(tmp_path / "pooled"), tmp_path / "mine", "bern")
    policy("").require_data(["bern"])
    with pytest.raises(InputError, match=r"trains for ulm, .* rows of ulm, but .* only of bern\."):
        policy("").require_data(["bern", "ulm"])
    tumours = policy("data = { use = 'breast_cancer' }", data="")
    tumours.require_data([0, 7])
    with pytest.raises(InputError, match=r"rows of bern, but there are none of any owner"):
        tumours.require_data(["bern"])


def test_no_policy_is_no_permission(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read as a policy: .* No such file"):
        read_policy(tmp_path / "policy.toml")
