"""`fedqml federation` and `fedqml server` as a user has them."""

import pytest

from fedqml.cli.main import main
from fedqml.core import optional


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


INIT = ("federation", "init", "fed", "--server", "fed.example.org", "--site", "bern")


def test_a_federation_is_made_and_says_where_each_folder_goes(here, capsys):
    code, out, err = run(capsys, *INIT, "--site", "ulm", "--server", "10.0.0.1")
    assert (code, err) == (0, "")
    assert "fed/server to the server; there: fedqml server server" in out
    assert "fed/sites/ulm to ulm; there: fedqml node ulm" in out
    assert "fed/authority/ca.key makes new sites: it stays here" in out
    code, out, err = run(capsys, "federation", "add", "fed", "--site", "wien")
    assert (code, err) == (0, "")
    assert "fed/sites/wien, to be brought to the site" in out
    assert (here / "fed" / "server" / "nodes" / "wien.pub").exists()
    code, out, err = run(capsys, "federation", "renew", "fed", "--days", "7")
    assert (code, err) == (0, "")
    assert "fed/sites/wien/client.crt" in out


def test_a_second_one_in_its_place_is_a_mistake(here, capsys):
    run(capsys, *INIT)
    code, _, err = run(capsys, *INIT)
    assert code == 2
    assert err == (
        "Error: Argument `folder` must be new: nothing is overwritten, but folder='fed'.\n"
    )


@pytest.mark.parametrize("folder", ["fed", "fed/server"])
def test_the_status_of_a_server_that_does_not_run(here, capsys, folder):
    run(capsys, *INIT)
    code, out, err = run(capsys, "federation", "status", folder)
    assert (code, err) == (0, "")
    assert "Running    no: nothing answers at 127.0.0.1:9442" in out
    assert "server.crt           until 20" in out


@pytest.mark.parametrize("command", [("server", "none"), ("federation", "status", "none")])
def test_a_folder_that_is_none_of_ours(here, capsys, command):
    code, _, err = run(capsys, *command)
    assert code == 2
    assert "server.toml cannot be read: No such file or directory" in err


@pytest.mark.parametrize(
    "command",
    [
        INIT,
        ("federation", "add", "fed", "--site", "bern"),
        ("federation", "renew", "fed"),
        ("federation", "status", "fed"),
        ("server", "fed"),
    ],
)
def test_without_the_extra_the_remedy_is_named(here, capsys, monkeypatch, command):
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    code, _, err = run(capsys, *command)
    assert (code, err) == (
        2,
        'Error: The library flwr is not installed: pip install "fedqml[flower]"\n',
    )
    assert list(here.iterdir()) == []
