from tests.experiments.expanding import expand


def test_the_id_depends_on_what_the_numbers_depend_on_and_on_nothing_else():
    first, second = expand()
    assert first.id != second.id
    assert len(first.id) == 16
    same = expand(overrides=["title=other", "name=other", "run.checkpoint_every=3", "local.lr=1.0"])
    assert [run.id for run in same] == [first.id, second.id]
    for change in ("local.lr=2.0", "run.rounds=3", "engine.use=sequential", "run.threads=2"):
        assert expand(overrides=[change])[0].id != first.id


def test_the_id_of_a_known_experiment_does_not_change_between_versions():
    # Whoever has results must find them again: a change here needs a line in the CHANGELOG.
    assert expand()[0].id == "169c2b6a96f972c8"


def test_1_and_1_0_mean_the_same_however_deep():
    def noisy(number):
        return expand(f'device = {{ use = "density", noise = {{ readout = {number} }} }}\n')[0].id

    assert noisy("0") == noisy("0.0") != noisy("0.5")
