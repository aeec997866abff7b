from pathlib import Path

from fedqml.report.split import clients_table, describe, splits
from fedqml.report.split_figure import draw_splits
from tests.report.builders import CENTRAL, experiment
from tests.report.fake_results import settings, split, write_run


def test_the_first_seed_of_the_federated_arms(tmp_path: Path) -> None:
    write_run(tmp_path, seed=3, clients=split(4))
    write_run(tmp_path, seed=1, clients=split(5))
    write_run(tmp_path, seed=0, clients=split(1), **CENTRAL)
    (found,) = splits(experiment(tmp_path))
    assert (found.seed, len(found.data.clients)) == (1, 5)


def test_each_different_split_once(tmp_path: Path) -> None:
    for epochs, clients in ((1, 4), (2, 4), (3, 6)):
        config = settings(local__epochs=epochs)
        write_run(tmp_path, label=f"e{epochs}", config=config, clients=split(clients))
    found = splits(experiment(tmp_path))
    assert [item.arms for item in found] == [("e1", "e2"), ("e3",)]


def test_unfinished_arms_stand_in(tmp_path: Path) -> None:
    write_run(tmp_path, finished=False)
    assert len(splits(experiment(tmp_path))) == 1


def test_a_run_that_has_not_written_its_data_yet(tmp_path: Path) -> None:
    (write_run(tmp_path, finished=False) / "data.json").unlink()
    assert splits(experiment(tmp_path)) == ()


def shares(*counts: tuple[int, int]) -> list[dict[str, object]]:
    return [
        {"client": i, "owner": None, "examples": sum(row), "classes": list(row)}
        for i, row in enumerate(counts)
    ]


def test_the_distance_by_hand(tmp_path: Path) -> None:
    # all: shares 1/2, 1/2. A client with one class only is 1/2 away, an even one 0.
    write_run(tmp_path, clients=shares((10, 0), (0, 10), (10, 10)))
    (found,) = splits(experiment(tmp_path))
    assert "lie 0.25 from those of all clients" in describe(found)
    assert "over 3 clients with 10 to 20 training examples each (median 10)." in describe(found)


def test_equal_shares_have_no_distance(tmp_path: Path) -> None:
    write_run(tmp_path, clients=shares((3, 6), (1, 2)))
    assert "lie 0.00 from" in describe(splits(experiment(tmp_path))[0])


def test_data_without_classes(tmp_path: Path) -> None:
    folder = write_run(tmp_path, clients=split(3, 0), classes=["only"])
    data = (folder / "data.json").read_text()
    data = data.replace('["only"]', "[]").replace('"test_classes": [42]', '"test_classes": []')
    (folder / "data.json").write_text(data)
    (found,) = splits(experiment(tmp_path))
    assert found.counts.tolist() == [[11.0]] * 3
    assert "distance" not in describe(found)
    assert clients_table(found).head == ("Client", "Examples")


def test_owners_are_named_where_there_are_any(tmp_path: Path) -> None:
    write_run(tmp_path, clients=split(2, 2, "hospital"))
    table = clients_table(splits(experiment(tmp_path))[0])
    assert table.head == ("Client", "Owner", "Examples", "malignant", "benign")
    assert table.rows[1] == ("1", "hospital 1", "9", "4", "5")


def test_noise_in_the_clients_features_is_told(tmp_path: Path) -> None:
    quiet, noisy = ([{**c, "noise": noise} for c in split(3)] for noise in (0.0, 0.25))
    write_run(
        tmp_path, label="a", config=settings(local__epochs=1), clients=[*quiet[:1], *noisy[1:]]
    )
    write_run(tmp_path, label="b", config=settings(local__epochs=2), clients=quiet)
    first, second = splits(experiment(tmp_path))
    assert "noise of standard deviation 0.0000 to 0.2500" in describe(first)
    assert "noise" not in describe(second)


def test_noise_is_drawn_on_an_axis_of_its_own(tmp_path: Path) -> None:
    write_run(tmp_path, clients=[{**c, "noise": 0.1 * i} for i, c in enumerate(split(3))])
    figure = draw_splits(splits(experiment(tmp_path)))
    assert figure is not None
    assert b"noise (standard deviation)" in figure.svg
