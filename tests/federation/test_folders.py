import stat
from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.federation.folders import add, init, read_server, read_site, renew
from fedqml.federation.policy import read_policy

SECRETS = {
    "authority/ca.key",
    "server/server.key",
    "server/loopback.key",
    "server/superexec.secret",
    *(f"sites/{site}/{key}" for site in ("bern", "ulm") for key in ("client.key", "node.key")),
}


@pytest.fixture
def federation(tmp_path):
    folder = tmp_path / "hospitals"
    init(folder, ["fed.example.org:7000", "10.0.0.1"], ["bern", "ulm"], days=30)
    return folder


def files(folder: Path) -> dict[str, Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def test_nothing_secret_lies_in_the_wrong_folder(federation):
    found = files(federation)
    private = {name for name, path in found.items() if b"PRIVATE KEY" in path.read_bytes()}
    assert private | {"server/superexec.secret"} == SECRETS
    for name, path in found.items():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == 0o600 if name in SECRETS else not mode & 0o022, name
    for name in SECRETS:  # no copy, under whatever name
        others = [path.read_bytes() for other, path in found.items() if other != name]
        assert not any(found[name].read_bytes().strip() in content for content in others)


def test_no_folder_is_open_to_other_users(federation):
    for path in [federation, *federation.rglob("*")]:
        assert not path.is_dir() or stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_server_and_sites_read_what_was_written(federation):
    server = read_server(federation / "server")
    assert (server.address, server.port, server.loopback) == (
        "fed.example.org",
        7000,
        "127.0.0.1:9442",
    )
    assert list(server.nodes) == ["bern", "ulm"]
    server.tls()
    site = read_site(federation / "sites" / "ulm")
    assert (site.name, site.server, site.hosts) == ("ulm", "fed.example.org:7000", ["ulm"])
    assert site.policy == site.folder / "policy.toml"
    read_policy(site.policy)
    assert site.key.startswith(b"-----BEGIN PRIVATE KEY-----")
    site.tls()


def test_a_site_hosts_owners_or_clients(federation):
    path = federation / "sites" / "ulm" / "node.toml"
    text = path.read_text()
    path.write_text(text.replace('["ulm"]', '[0, 2, "ulm"]'))
    assert read_site(path.parent).hosts == [0, 2, "ulm"]
    path.write_text(text.replace('["ulm"]', "[]"))
    with pytest.raises(InputError, match=r"ulm/node\.toml: Argument `hosts` must name at least"):
        read_site(path.parent)
    path.write_text(text.replace("hosts", "host"))
    with pytest.raises(InputError, match=r"node\.toml\.host: unknown key\. Did you mean `hosts`"):
        read_site(path.parent)


def test_server_and_site_agree_on_who_hosts_whom(tmp_path):
    folder = tmp_path / "labs"
    init(folder, ["localhost"], ["bern=0-2,7,insel", "ulm"], days=30)
    server = read_server(folder / "server")
    assert server.hosts == {"bern": [0, 1, 2, 7, "insel"], "ulm": ["ulm"]}
    assert read_site(folder / "sites" / "bern").hosts == server.hosts["bern"]
    (folder / "server" / "nodes" / "ulm.toml").write_text("hosts = 3")
    with pytest.raises(InputError, match=r"ulm\.toml: `hosts` must be a list"):
        _ = server.hosts


@pytest.mark.parametrize("site", ["ulm=", "ulm=3,", "ulm=bern", "ulm=ulm,ulm"])
def test_hosts_that_cannot_be(tmp_path, site):
    with pytest.raises(InputError, match="`site` must"):
        init(tmp_path / "new", ["localhost"], ["bern", site], days=30)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("7000", "70000", "`port` must be below 65536"),
        ("9442", "7000", "`port` must differ from loopback_port"),
        ("16", "0", "`largest_request` must be at least 1"),
        ("0.0.0.0", "everywhere", "`listen` must be an IP address"),
        ('"fed.example.org"', '"a b"', "`address` must be a host name"),
        ('"fed.example.org"', "1", r"address must be (a )?text"),
        ("=", ":", "is no TOML"),
    ],
)
def test_a_mistake_in_the_servers_file_is_named(federation, before, after, message):
    path = federation / "server" / "server.toml"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(InputError, match=message):
        read_server(path.parent)


def test_a_site_is_added_and_the_others_stay_as_they_are(federation):
    before = {name: path.read_bytes() for name, path in files(federation).items()}
    add(federation, "wien", days=30)
    after = {name: path.read_bytes() for name, path in files(federation).items()}
    assert after.items() >= before.items()
    assert read_site(federation / "sites" / "wien").server == "fed.example.org:7000"
    assert list(read_server(federation / "server").nodes) == ["bern", "ulm", "wien"]


def test_nothing_is_overwritten(federation):
    before = {name: path.read_bytes() for name, path in files(federation).items()}
    with pytest.raises(InputError, match="`folder` must be new"):
        init(federation, ["localhost"], ["bern"], days=30)
    with pytest.raises(InputError, match="`site` must be new"):
        add(federation, "bern", days=30)
    assert before == {name: path.read_bytes() for name, path in files(federation).items()}


def test_renewed_certificates_are_for_the_same_keys(federation):
    before = {name: path.read_bytes() for name, path in files(federation).items()}
    written = {path.relative_to(federation).as_posix() for path in renew(federation, days=60)}
    assert written == {"server/server.crt", "sites/bern/client.crt", "sites/ulm/client.crt"}
    after = {name: path.read_bytes() for name, path in files(federation).items()}
    assert {name for name in before if before[name] != after[name]} == written
    read_site(federation / "sites" / "bern").tls()


@pytest.mark.parametrize("name", ["", "Bern", "../ulm", "a.b", "-a", "a" * 64, 'a"b'])
def test_a_name_that_no_file_or_certificate_can_have_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="`site` must be 1 to 63 of"):
        init(tmp_path / "new", ["localhost"], ["bern", name], days=30)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("fed", "fed:9443"),
        ("::1", "[::1]:9443"),
        ("[::1]:80", "[::1]:80"),
        ("1.2.3.4:5", "1.2.3.4:5"),
    ],
)
def test_addresses(tmp_path, address, server):
    init(tmp_path / "new", [address], ["bern"], days=30)
    assert read_site(tmp_path / "new" / "sites" / "bern").server == server


@pytest.mark.parametrize("address", ["", "a b", "a:b", "a:70000", "a:9442", "a/b", "me@a"])
def test_an_address_that_cannot_be_one(tmp_path, address):
    with pytest.raises(InputError, match=r"`(server|port)` must"):
        init(tmp_path / "new", [address], ["bern"], days=30)


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(InputError, match=r"node\.toml cannot be read: No such file"):
        read_site(tmp_path)
    with pytest.raises(InputError, match=r"federation\.toml cannot be read: No such file"):
        add(tmp_path, "bern", days=30)
