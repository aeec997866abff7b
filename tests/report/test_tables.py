from pathlib import Path

from fedqml.report.tables import Table, costs_table, results_table
from tests.report.builders import CENTRAL, compare, experiment
from tests.report.fake_results import settings, write_run


def cells(table: Table) -> list[dict[str, str]]:
    plain = [[text.replace("\xa0", " ").replace("−", "-") for text in row] for row in table.rows]
    return [dict(zip(table.head, row, strict=True)) for row in plain]


def test_results(tmp_path: Path) -> None:
    found = compare(
        tmp_path,
        {0: [0.5, 0.91], 1: [0.5, 0.93], 2: [0.5, 0.92]},
        {0: [0.5, 0.93], 1: [0.5, 0.94], 2: [0.5, 0.95]},
    )
    federated, central = cells(results_table(found))
    assert federated == {
        "Arm": "federated",
        "Seeds": "3",
        "Training loss": "0.2800 ± 0.0100",
        "Test loss": "0.2800 ± 0.0100",
        "Test accuracy": "92.00 ± 1.00 %",
        # -2, -1, -3 points: -2 +- 4.30265 / sqrt(3) = 2.4841
        "Difference from central (points)": "-2.00 (-4.48 to +0.48)",
    }
    assert central["Difference from central (points)"] == "reference"


def test_one_seed_has_no_spread_and_says_so(tmp_path: Path) -> None:
    table = results_table(compare(tmp_path, {0: [0.5, 0.91]}, {0: [0.5, 0.93]}))
    federated, _ = cells(table)
    assert federated["Test accuracy"] == "91.00 %"
    assert federated["Difference from central (points)"] == "-2.00 (no interval)"
    assert "An interval needs at least two seeds in both arms." in table.notes
    assert "An arm with one seed has no standard deviation." in table.notes


def test_seeds_without_a_spread(tmp_path: Path) -> None:
    table = results_table(
        compare(tmp_path, {0: [0.5, 0.91], 1: [0.5, 0.91]}, {0: [0.5, 0.93], 1: [0.5, 0.93]})
    )
    assert cells(table)[0]["Difference from central (points)"] == "-2.00 (no spread)"


def test_the_kind_of_interval_is_named(tmp_path: Path) -> None:
    values = {0: [0.5, 0.91], 1: [0.5, 0.93]}
    paired = results_table(compare(tmp_path / "a", values, values)).notes[0]
    assert "paired over the seeds that both arms have)." in paired
    others = {5: [0.5, 0.91], 6: [0.5, 0.93]}
    assert "Welch" in results_table(compare(tmp_path / "b", values, others)).notes[0]


def test_without_a_central_arm(tmp_path: Path) -> None:
    write_run(tmp_path)
    (row,) = cells(results_table(experiment(tmp_path)))
    assert row["Difference from central (points)"] == "no central arm"


def test_the_reference_is_named_where_there_are_several(tmp_path: Path) -> None:
    write_run(tmp_path)
    for depth in (2, 3):
        config = settings(partition__use="central", model__depth=depth)
        write_run(tmp_path, label=f"central {depth}", central=True, config=config)
    first, *_ = cells(results_table(experiment(tmp_path)))
    assert first["Difference from central (points)"].endswith("against central 2")


def test_missing_values(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, accuracy=[0.5, None])
    write_run(tmp_path, seed=1, accuracy=[0.5, 0.9])
    write_run(tmp_path, seed=0, accuracy=[0.5, 0.9], **CENTRAL)
    table = results_table(experiment(tmp_path))
    assert cells(table)[0]["Test accuracy"] == "n/a"
    assert cells(table)[0]["Difference from central (points)"] == "n/a (no interval)"
    assert any(note.startswith("n/a: ") for note in table.notes)


def test_other_metrics_have_columns(tmp_path: Path) -> None:
    write_run(tmp_path, extra={"test_f1_score": [0.1, 0.2, 0.345678]})
    (row,) = cells(results_table(experiment(tmp_path)))
    assert row["Test f1 score"] == "0.3457"
    write_run(tmp_path / "poisoned", extra={"test_backdoor_success": [0.1, 0.2, 0.345678]})
    (row,) = cells(results_table(experiment(tmp_path / "poisoned")))
    assert row["Test backdoor success"] == "34.57 %"


def test_how_fine_the_test_set_is(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[0.5, 0.9])
    note = results_table(experiment(tmp_path)).notes[-1].replace("\xa0", " ")
    assert "The test set has 114 examples: one of them is 0.88 points" in note
    # 1.96 / 1.0337 * sqrt(.09 / 114 + 3.8415 / (4 * 114^2)) = .0557
    assert "near 90.00 % measured on so many has a sampling margin of ±5.6 points" in note
    assert "largest class would score 63.16 %." in note


def test_costs(tmp_path: Path) -> None:
    for seed, samples in enumerate((100, 115)):
        write_run(tmp_path, seed=seed, accuracy=[0.5] * 11, samples=samples, refused=seed)
    write_run(tmp_path, accuracy=[0.5] * 11, **CENTRAL)
    federated, central = cells(costs_table(experiment(tmp_path)))
    assert federated == {
        "Arm": "federated",
        "Rounds": "10",
        "Clients a round": "5",
        "Parameters (quantum)": "148 (24)",
        "Samples trained on": "1,075",
        "Server to clients": "29.6 kB",
        "Clients to server": "29.6 kB",
        "Circuit evaluations": "2,290",
        "On hardware": "78,000",
        "Time": "2.8 s",
        "Updates refused": "0.5",
    }
    assert (central["Clients a round"], central["Server to clients"]) == ("–", "–")


def test_shots_are_a_column_only_if_there_were_some(tmp_path: Path) -> None:
    for name, shots in (("exact", 0), ("sampled", 700)):
        write_run(tmp_path / name, accuracy=[0.5] * 11, shots=shots)
    assert "Shots" not in costs_table(experiment(tmp_path / "exact")).head
    assert cells(costs_table(experiment(tmp_path / "sampled")))[0]["Shots"] == "7,000"


def test_no_column_for_refusals_that_there_were_not(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert "Updates refused" not in costs_table(experiment(tmp_path)).head
