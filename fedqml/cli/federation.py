"""``fedqml federation``: make the folders of a federation, and see how it is."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from fedqml.cli import audit, signature
from fedqml.core.optional import require_library

_HOSTS = (
    "; it trains for the owner of this name, else say for whom: bern=0-3,7 (numbers of clients) or "
    "bern=inselspital"
)


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "federation",
        help="make a federation of machines, and see how it is",
        description="Make the folders that the machines of a federation need: one for the server, "
        "one for each site, and the authority that signs their certificates.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="make the folders of a new federation")
    _folder(init, "a new folder, to stay with the coordinator")
    init.add_argument(
        "--server",
        action="append",
        required=True,
        metavar="ADDRESS[:PORT]",
        help="where sites reach the server; more of them (--server again) are put into its "
        "certificate, and sites are given the first (port: 9443)",
    )
    _site(init, action="append", help=f"a site's name; once for each site{_HOSTS}")
    _days(init)
    init.set_defaults(execute=_init)
    more = actions.add_parser("add", help="make the folder of one more site")
    _folder(more, "the federation's folder")
    _site(more, help=f"its name{_HOSTS}")
    _days(more)
    more.set_defaults(execute=_add)
    renew = actions.add_parser("renew", help="make new certificates for server and sites")
    _folder(renew, "the federation's folder")
    _days(renew)
    renew.set_defaults(execute=_renew)
    status = actions.add_parser(
        "status", help="on the server's machine: nodes, runs, certificates, what is open to whom"
    )
    _folder(status, "the server's folder, or the federation's")
    status.set_defaults(execute=_status)
    for command in (signature, audit):
        command.add(actions)


def _folder(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, help=text)


def _site(parser: argparse.ArgumentParser, **options: Any) -> None:
    parser.add_argument("--site", required=True, metavar="NAME[=HOSTS]", **options)


def _days(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--days", type=int, default=365, metavar="N", help="validity of certificates (default: 365)"
    )


def _init(options: argparse.Namespace) -> int:
    require_library("flwr", "flower")
    from fedqml.federation.folders import init

    init(options.folder, options.server, options.site, options.days)
    folder = options.folder
    print(f"Made {folder}. Bring")
    print(f"    {folder / 'server'} to the server; there: fedqml server server")
    for site in options.site:
        name = site.partition("=")[0]
        print(f"    {folder / 'sites' / name} to {name}; there: fedqml node {name}")
    print(
        f"each by a safe way, for there are private keys in it. {folder / 'authority' / 'ca.key'} "
        "makes new sites: it stays here."
    )
    return 0


def _add(options: argparse.Namespace) -> int:
    require_library("flwr", "flower")
    from fedqml.federation.folders import add

    add(options.folder, options.site, options.days)
    name = options.site.partition("=")[0]
    nodes = options.folder / "server" / "nodes"
    print(
        f"Made {options.folder / 'sites' / name}, to be brought to the site. Copy "
        f"{nodes / name}.pub and {name}.toml to the server's nodes/ and start `fedqml server` "
        "again."
    )
    return 0


def _renew(options: argparse.Namespace) -> int:
    require_library("flwr", "flower")
    from fedqml.federation.folders import renew

    print("Renewed, to be copied to their machines (then start server and nodes again):")
    for path in renew(options.folder, options.days):
        print(f"    {path}")
    return 0


def _status(options: argparse.Namespace) -> int:
    require_library("flwr", "flower")
    from fedqml.federation.folders import read_server
    from fedqml.federation.status import status

    folder = options.folder
    server = read_server(folder if (folder / "server.toml").exists() else folder / "server")
    found = status(server)
    print(f"State      {server.state}")
    if found.nodes is None or found.runs is None:
        print(f"Running    no: nothing answers at {server.loopback}; fedqml server {server.folder}")
    else:
        print(
            f"Open       {server.listen}:{server.port}, to sites: nginx, which passes on Flower's "
            "fleet API alone\n"
            f"           {server.loopback}, to holders of loopback.key: Flower's SuperLink"
        )
        for node in found.nodes:
            print(f"Node       {node.site:20} {node.status} since {_time(node.since)}")
        for run in found.runs:
            print(f"Run        {run.id:<20} {run.status}, begun {_time(run.since)}")
    for path, end in found.certificates:
        print(f"Valid      {path.name:20} until {_time(end)}")
    return 0


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
