"""The folders of a federation: what each machine gets, and what stands in the files.

::

    FOLDER/                        stays with the coordinator, who makes it
      federation.toml              addresses and port; no secret
      authority/ca.crt, ca.key     signs certificates; ca.key is needed for new sites and renewals
      server/                      goes to the machine that runs `fedqml server`
        server.toml
        ca.crt                     whose client certificates are let in
        server.crt, server.key     what sites see (TLS)
        nodes/NAME.pub             the key of each site's Flower node, PEM; no file, no entry
        nodes/NAME.toml            whom the site trains for: what it says beyond that is refused
        loopback.crt, loopback.key both ends of the SuperLink's own port (mutual TLS)
        superexec.secret           Flower's secret for who may take a run's task
        state/                     made by `fedqml server`: database, logs
      sites/NAME/                  goes to the site NAME, to be run by `fedqml node`
        node.toml
        ca.crt                     who must have signed the server's certificate
        client.crt, client.key     what the server sees (TLS); the subject is CN=NAME
        node.key                   EC P-384, PEM (PKCS 8): signs the node's requests
        policy.toml                which data it opens, and what it accepts

Private files (``*.key``, ``*.secret``) have mode 0600, and no other folder holds a copy of one;
folders have mode 0700, for what server and nodes write into them.

``server.toml``::

    address = "fed.example.org"    # where sites reach it; in server.crt
    listen = "0.0.0.0"             # the network interface that is open to the sites
    port = 9443                    # on it: nginx, and no other thing is open
    loopback_port = 9442           # on 127.0.0.1: the SuperLink
    largest_request = 16           # MiB, of one request of a site; longer replies come in pieces

``node.toml``::

    name = "bern"                  # as in its certificate
    server = "fed.example.org:9443"
    hosts = ["bern"]               # what it trains for: names of owners, or numbers of clients
    policy = "policy.toml"         # which data it opens, and what it accepts

``nodes/NAME.toml``::

    hosts = ["bern"]               # as in the site's node.toml
"""

import ipaddress
import json
import os
import re
import secrets
import ssl
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedqml.core.errors import InputError, require, whole
from fedqml.core.files import write_atomic
from fedqml.core.resolve import call, settings
from fedqml.federation.authority import (
    Credential,
    authority,
    client_certificate,
    loopback_certificate,
    node_key,
    renewed,
    server_certificate,
    tls,
)

PORT = 9443
_SERVER = ("address", "listen", "port", "loopback_port", "largest_request")
_PRIVATE = (".key", ".secret")
_SITE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_CLIENTS = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")
_ADDRESS = re.compile(r"(?:\[([0-9a-f:]+)\]|([^:]+))(?::([0-9]+))?")


@dataclass(frozen=True)
class Server:
    """A server's folder and what its ``server.toml`` says (see the module)."""

    folder: Path
    address: str
    listen: str = "0.0.0.0"
    port: int = PORT
    loopback_port: int = PORT - 1
    largest_request: int = 16

    def __post_init__(self) -> None:
        """Refuse what no server can have."""
        for name in ("port", "loopback_port"):
            _port(name, getattr(self, name))
        require(self.port != self.loopback_port, "port", self.port, "differ from loopback_port")
        whole("largest_request", self.largest_request, 1)
        _host("address", self.address)
        try:
            ipaddress.ip_address(self.listen)
        except ValueError as error:
            raise InputError(
                f"Argument `listen` must be an IP address, but listen={self.listen!r}."
            ) from error

    @property
    def loopback(self) -> str:
        """Where the SuperLink listens, as Flower writes it."""
        return f"127.0.0.1:{self.loopback_port}"

    @property
    def state(self) -> Path:
        """The folder of the database and the logs."""
        return self.folder / "state"

    @property
    def nodes(self) -> dict[str, bytes]:
        """The public key (PEM) of each site that is let in, in order of name."""
        return {path.stem: path.read_bytes() for path in sorted(self.folder.glob("nodes/*.pub"))}

    @property
    def hosts(self) -> dict[str, list[str | int]]:
        """Whom each site that is let in trains for.

        Raises:
            InputError: if the file of a site is missing or says something else.
        """
        return {name: _hosts(self.folder / "nodes" / f"{name}.toml") for name in self.nodes}

    def tls(self) -> ssl.SSLContext:
        """Return what a client of the SuperLink on loopback needs.

        Raises:
            InputError: if a file is missing, unusable or expired.
        """
        certificate = self.folder / "loopback.crt"
        return tls(certificate, certificate, self.folder / "loopback.key")


@dataclass(frozen=True)
class Site:
    """A site's folder and what its ``node.toml`` says (see the module)."""

    folder: Path
    name: str
    server: str
    hosts: list[str | int]
    policy: Path = Path("policy.toml")

    def __post_init__(self) -> None:
        """Refuse what no site can have."""
        _site(self.name)
        require(len(self.hosts) > 0, "hosts", self.hosts, "name at least one owner or client")

    @property
    def key(self) -> bytes:
        """The private key of the Flower node, PEM.

        Raises:
            InputError: if it is missing.
        """
        return _read(self.folder / "node.key")

    def tls(self) -> ssl.SSLContext:
        """Return what the node needs to reach the server.

        Raises:
            InputError: if a file is missing, unusable, expired or not yet valid.
        """
        return tls(*(self.folder / name for name in ("ca.crt", "client.crt", "client.key")))


def read_server(folder: Path) -> Server:
    """Return what a server's folder says.

    Raises:
        InputError: if it has no ``server.toml``, or one that cannot be used.
    """
    return _settings(Server, folder, "server.toml")


def read_site(folder: Path) -> Site:
    """Return what a site's folder says.

    Raises:
        InputError: if it has no ``node.toml``, or one that cannot be used.
    """
    return _settings(Site, folder, "node.toml")


def init(folder: Path, addresses: Sequence[str], sites: Sequence[str], days: int) -> None:
    """Make the folders of a new federation.

    Args:
        folder: where; it must not exist.
        addresses: of the server, ``HOST`` or ``HOST:PORT``; the sites are given the first one, its
            certificate is for all of them.
        sites: of each ``NAME``, or ``NAME=HOSTS`` if it trains for others than the owner of its
            name: owners or numbers of clients, as in ``bern=0-3,7``.
        days: how long the certificates of server and sites are valid.

    Raises:
        InputError: if something is there already, or an address or a name cannot be used.
    """
    require(not folder.exists(), "folder", str(folder), "be new: nothing is overwritten")
    hosted = [_hosted(site) for site in sites]
    once = len(dict(hosted)) == len(sites)
    require(once, "site", list(sites), "be given once each")
    given = [host for _, hosts in hosted for host in hosts]
    require(len(set(given)) == len(given), "site", list(sites), "host nobody whom another hosts")
    parsed = [_address(address) for address in addresses]
    hosts, (address, port) = [host for host, _ in parsed], parsed[0]
    server, issuer = Server(folder / "server", address, port=port), authority()
    door = server_certificate(issuer, hosts, days)
    loopback = loopback_certificate()
    files = {
        "federation.toml": _toml({"addresses": hosts, "port": port}),
        "authority/ca.crt": issuer.certificate,
        "authority/ca.key": issuer.key,
        "server/server.toml": _toml({key: getattr(server, key) for key in _SERVER}),
        "server/ca.crt": issuer.certificate,
        "server/server.crt": door.certificate,
        "server/server.key": door.key,
        "server/loopback.crt": loopback.certificate,
        "server/loopback.key": loopback.key,
        "server/superexec.secret": secrets.token_hex(32).encode(),
    }
    for name, trained in hosted:
        files |= _site_files(issuer, name, trained, _joined(address, port), days)
    _write(folder, files)


def add(folder: Path, site: str, days: int) -> None:
    """Make the folder of one more site, and let it in.

    Args:
        folder: of the federation.
        site: ``NAME`` or ``NAME=HOSTS``, see ``init``.
        days: how long its certificate is valid.

    Raises:
        InputError: if there is no federation, or it has such a site.
    """
    name, hosts = _hosted(site)
    table = _table(folder / "federation.toml")
    known = (folder / "sites" / name, folder / "server" / "nodes" / f"{name}.pub")
    require(not any(p.exists() for p in known), "site", name, "be new: nothing is overwritten")
    server = _joined(table["addresses"][0], table["port"])
    _write(folder, _site_files(_issuer(folder), name, hosts, server, days))


def renew(folder: Path, days: int) -> list[Path]:
    """Replace the certificates of the server and of all sites by new ones for the same keys.

    Args:
        folder: of the federation.
        days: how long the new ones are valid.

    Returns:
        The files written, which have to be copied to their machines.

    Raises:
        InputError: if there is no federation, or a certificate is missing.
    """
    issuer = _issuer(folder)
    paths = [folder / "server" / "server.crt", *sorted(folder.glob("sites/*/client.crt"))]
    for path, content in [(path, renewed(issuer, path, days)) for path in paths]:
        write_atomic(path, content)
    return paths


def _site_files(
    issuer: Credential, name: str, hosts: list[str | int], server: str, days: int
) -> dict[str, bytes]:
    # imported here, because it brings PyTorch, which a server does without
    from fedqml.federation.policy import TEMPLATE

    private, public = node_key()
    client = client_certificate(issuer, name, days)
    here = f"sites/{name}"
    return {
        f"{here}/node.toml": _toml(
            {
                "name": name,
                "server": server,
                "hosts": hosts,
                "policy": "policy.toml",
            }
        ),
        f"{here}/policy.toml": TEMPLATE.encode(),
        f"{here}/ca.crt": issuer.certificate,
        f"{here}/client.crt": client.certificate,
        f"{here}/client.key": client.key,
        f"{here}/node.key": private,
        f"server/nodes/{name}.pub": public,
        f"server/nodes/{name}.toml": _toml({"hosts": hosts}),
    }


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write new files; those that must stay private are never readable for others."""
    try:
        for name, content in files.items():
            path = folder / name
            for parent in reversed(Path(name).parents):
                (folder / parent).mkdir(0o700, exist_ok=True)
            mode = 0o600 if path.suffix in _PRIVATE else 0o644
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
                file.write(content)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be written: {error}") from error


def _issuer(folder: Path) -> Credential:
    return Credential(*(_read(folder / "authority" / name) for name in ("ca.crt", "ca.key")))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from error


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The file {path} is no TOML: {error}") from error


def _settings(factory: Any, folder: Path, name: str) -> Any:
    folder = folder.resolve()
    path = folder / name
    values = settings(factory, _table(path), str(path), supplied=("folder",))
    return call(factory, {"folder": folder, **values}, str(path), base=folder)


def _toml(table: Mapping[str, Any]) -> bytes:
    """Write texts, whole numbers and lists of these, which JSON writes as TOML does."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items()).encode()


def _site(name: str) -> None:
    allowed = "be 1 to 63 of a-z, 0-9 and, inside, -"
    require(_SITE.fullmatch(name) is not None, "site", name, allowed)


def _hosted(site: str) -> tuple[str, list[str | int]]:
    """Split ``NAME[=HOSTS]``."""
    name, given, text = site.partition("=")
    _site(name)
    hosts: list[str | int] = []
    for part in text.split(",") if given else [name]:
        require(bool(part), "site", site, "be NAME or NAME=HOSTS, such as bern=0-3,7")
        found = _CLIENTS.fullmatch(part)
        hosts += range(int(found[1]), int(found[2] or found[1]) + 1) if found else [part]
    return name, hosts


def _hosts(path: Path) -> list[str | int]:
    found = _table(path).get("hosts")
    if not isinstance(found, list) or not all(type(host) in (int, str) for host in found):
        raise InputError(
            f"{path}: `hosts` must be a list of names of owners or numbers of clients."
        )
    return found


def _host(argument: str, host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        allowed = "be a host name or an IP address"
        require(_HOST.fullmatch(host) is not None, argument, host, allowed)


def _port(argument: str, port: int) -> None:
    require(whole(argument, port, 1) < 65536, argument, port, "be below 65536")


def _address(text: str) -> tuple[str, int]:
    """Split ``HOST[:PORT]``; an IPv6 address with a port stands in brackets."""
    try:
        return str(ipaddress.ip_address(text)), PORT
    except ValueError:
        found = _ADDRESS.fullmatch(text)
    require(found is not None, "server", text, "be HOST or HOST:PORT")
    assert found is not None
    host, port = found[1] or found[2], int(found[3] or PORT)
    _host("server", host)
    _port("server", port)
    return host, port


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
