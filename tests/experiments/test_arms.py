import pytest

from fedqml.core.errors import InputError
from tests.experiments.expanding import TABLE, expand


def test_a_sweep_makes_every_combination_and_arms_come_beside_it():
    runs = expand(
        """
[sweep]
"local.epochs" = [1, 2]
"model.ansatz.entangler" = ["ring", "chain"]
[arms.central]
partition = { use = "central" }
"run.clients_per_round" = 1
local.epochs = 3
"""
    )
    arms = [run.arm for run in runs[::2]]
    assert arms == [
        "local.epochs = 1, model.ansatz.entangler = ring",
        "local.epochs = 1, model.ansatz.entangler = chain",
        "local.epochs = 2, model.ansatz.entangler = ring",
        "local.epochs = 2, model.ansatz.entangler = chain",
        "central",
    ]
    assert runs[4].config["local"]["epochs"] == 2
    central = runs[-1].config
    assert central["partition"] == {"use": "central"}
    assert (central["local"]["epochs"], central["local"]["lr"]) == (3, 1.0)
    assert central["run"]["clients_per_round"] == 1


def test_whole_sections_can_be_swept():
    runs = expand(
        """
[sweep]
local = [{ use = "sgd", lr = 0.1 }, { use = "adam" }]
""",
        table=TABLE.replace("seeds = [0, 5]", "seeds = [0]"),
    )
    assert [run.arm for run in runs] == ["local = sgd (lr = 0.1)", "local = adam"]


def test_overrides_are_written_as_in_toml_and_fix_what_is_swept():
    runs = expand(
        '[sweep]\n"local.epochs" = [1, 2]\n',
        ["local.epochs=3", "model.ansatz.entangler=chain", "run.seeds=[7]", "strategy.client=[]"],
    )
    assert len(runs) == 1
    assert runs[0].config["local"]["epochs"] == 3
    assert runs[0].config["model"]["ansatz"]["entangler"] == "chain"
    assert runs[0].seed == 7


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('[sweep]\n"local.epochs" = 3\n', "sweep.local.epochs must be a list of values"),
        ('[sweep]\n"local.epochs" = []\n', "sweep.local.epochs must be a list of values"),
        ('[sweep]\n"local.epochs" = [1, 1]\n', "have the same settings"),
        ("[arms.x]\n", "have the same settings"),
        ("[arms]\nx = 3\n", "arms.x must be a table of settings"),
    ],
)
def test_arms_that_make_no_sense_are_refused(extra, message):
    with pytest.raises(InputError) as error:
        expand(extra)
    assert message in str(error.value)
