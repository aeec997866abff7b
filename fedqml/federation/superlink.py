"""What runs on the server's machine: Flower's SuperLink on loopback, and nginx before it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor

from fedqml.core.errors import InputError, require
from fedqml.core.files import write_atomic
from fedqml.federation.authority import tls
from fedqml.federation.flower_wire import direct
from fedqml.federation.folders import Server
from fedqml.federation.proxy import nginx_conf

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
# Nothing is sent to Flower's makers, nothing is installed, no code of an app is fetched.
_QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}
# Debian keeps it where only root looks
_SBIN = ("/usr/sbin", "/usr/local/sbin")


def control(server: Server) -> ControlHttpClient:
    """Return a client of the SuperLink's Control API, which only this folder's holder can reach.

    Raises:
        InputError: if the folder's certificate is missing, unusable or expired.
    """
    version = RuntimeVersionHttpInterceptor("fedqml")
    url = f"https://{server.loopback}"
    return direct(ControlHttpClient(url, interceptors=[version], verify=server.tls()))


def register(client: ControlHttpClient, nodes: Mapping[str, bytes]) -> list[str]:
    """Tell the SuperLink the keys that it does not know yet; return their sites.

    Args:
        client: of the Control API.
        nodes: for each site its public key, PEM.
    """
    known = {node.public_key for node in client.ListNodes(ListNodesRequest()).nodes_info}
    new = [name for name, key in nodes.items() if key not in known]
    for name in new:
        client.RegisterNode(RegisterNodeRequest(public_key=nodes[name], name=name))
    return new


def check(server: Server) -> str:
    """Refuse to start what cannot work, before anything runs; return nginx's path.

    Raises:
        InputError: if a certificate or key cannot be used, nginx is missing, or a port is in use.
    """
    tls(*(server.folder / name for name in ("ca.crt", "server.crt", "server.key")))
    server.tls()
    secret = server.folder / "superexec.secret"
    require(secret.is_file(), "folder", str(server.folder), "hold the file superexec.secret")
    nginx = shutil.which("nginx", path=os.pathsep.join((os.environ.get("PATH", ""), *_SBIN)))
    if nginx is None:
        raise InputError("The program nginx is not installed: apt-get install nginx-light")
    for host, port in ((server.listen, server.port), ("127.0.0.1", server.loopback_port)):
        _check_port(host, port)
    return nginx


@contextmanager
def running(server: Server) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start SuperLink and nginx, give the processes by name, and stop both on leaving.

    Args:
        server: its folder; ``state/`` in it is made if it is missing and used again if not.

    Raises:
        InputError: as ``check``; if one of them stops at once, or does not answer in time.
    """
    nginx = check(server)
    (server.state / "nginx").mkdir(parents=True, exist_ok=True)
    server.state.chmod(0o700)
    configuration = server.state / "nginx.conf"
    write_atomic(configuration, nginx_conf(server).encode())
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        processes["SuperLink"] = _start(server, "SuperLink", _superlink(server))
        with control(server) as client:
            _wait(server, processes, "SuperLink", lambda: client.ListNodes(ListNodesRequest()))
            register(client, server.nodes)
        # without `user`, nginx started by root would give its temporary files to nobody
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = [nginx, "-e", str(_log(server, "nginx")), "-c", str(configuration), *user]
        processes["nginx"] = _start(server, "nginx", command)
        _wait(server, processes, "nginx", lambda: _connect(server))
        yield processes
    finally:
        for process in reversed(processes.values()):
            _stop(process)


def watch(server: Server, processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Return never: raise as soon as one of the processes has stopped.

    Raises:
        InputError: naming the process, its exit code and its log.
    """
    while True:
        _check_alive(server, processes)
        time.sleep(0.5)


def _superlink(server: Server) -> list[str]:
    folder = server.folder
    loopback = str(folder / "loopback.crt")
    return [
        *(sys.executable, "-P", "-m", "fedqml.federation.link", loopback),
        *("--host", "127.0.0.1", "--port", str(server.loopback_port)),
        *("--ssl-ca-certfile", loopback, "--ssl-certfile", loopback),
        *("--ssl-keyfile", str(folder / "loopback.key")),
        *("--isolation", "process"),
        *("--superexec-auth-secret-file", str(folder / "superexec.secret")),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
        *("--database", str(server.state / "flower.db")),
    ]


def _log(server: Server, name: str) -> Path:
    return server.state / f"{name.lower()}.log"


def _start(server: Server, name: str, command: list[str]) -> subprocess.Popen[bytes]:
    home = str(server.state / "flower")
    # where it exists (Linux), neither outlives us when we are killed
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
    with _log(server, name).open("ab") as stream:
        return subprocess.Popen(
            [*guard, *command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **_QUIET, "FLWR_HOME": home},
            # Ctrl-C is ours to pass on, in order
            start_new_session=True,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    # of a killed nginx the workers are left, and have the port
    _tell_all(process, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        _tell_all(process, signal.SIGKILL)
        process.wait()


def _tell_all(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and its children, which have a session of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _check_alive(server: Server, processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if (code := process.poll()) is not None:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise InputError(f"{name} has stopped ({how}); its log is {_log(server, name)}.")


def _wait(
    server: Server,
    processes: Mapping[str, subprocess.Popen[bytes]],
    name: str,
    ask: Callable[[], object],
) -> None:
    """Return as soon as a process answers."""
    end = time.monotonic() + _START_SECONDS
    while True:
        _check_alive(server, processes)
        try:
            ask()
            return
        except (httpx.TransportError, OSError) as error:
            if time.monotonic() > end:
                raise InputError(
                    f"{name} does not answer within {_START_SECONDS:g} s; its log is "
                    f"{_log(server, name)}."
                ) from error
        time.sleep(0.1)


def _connect(server: Server) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.listen, server.listen)
    socket.create_connection((host, server.port), timeout=5).close()


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise InputError(
                f"The port {port} of {host} cannot be opened ({error.strerror}). If another "
                "`fedqml server` has it, or what one left that was killed, stop that "
                "(`ss -ltnp` names it); else give another port in server.toml."
            ) from error
