"""A SuperLink with TLS and node authentication on this machine, and nodes in their own processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ENVIRONMENT = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}


def write_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP384R1())
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return key


def write_certificates(folder: Path) -> None:
    """Write an authority's certificate and one of 127.0.0.1 that it signed."""
    authority, server = (write_key(folder / f"{name}.key") for name in ("ca", "server"))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    here = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    for subject, key, ca, file in (
        (name, authority, True, "ca.crt"),
        (here, server, False, "server.crt"),
    ):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
                critical=False,
            )
        )
        if ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(authority, hashes.SHA384())
        (folder / file).write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Loopback:
    """A folder with keys and certificates, a SuperLink, and nodes."""

    def __init__(self, folder: Path, hosts: dict[str, list[int]]) -> None:
        self.folder, self.hosts = folder, hosts
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        write_certificates(folder)
        (folder / "superexec.secret").write_bytes(os.urandom(32))
        self.keys = {}
        for name in hosts:
            (folder / name).mkdir()
            self.keys[name] = write_key(folder / name / "node.key").public_key()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start_superlink(self) -> None:
        f = self.folder
        command = [str(Path(sys.executable).with_name("flower-superlink"))]
        command += ["--isolation", "process", "--enable-supernode-auth"]
        command += ["--superexec-auth-secret-file", str(f / "superexec.secret")]
        command += ["--ssl-ca-certfile", str(f / "ca.crt")]
        command += ["--ssl-certfile", str(f / "server.crt"), "--ssl-keyfile", str(f / "server.key")]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--database", str(f / "state.db")]
        self._start("superlink", command)

    def register(self, seconds: float = 60) -> None:
        """Wait for the SuperLink, then make the nodes' keys known to it."""
        import httpx
        from flwr.proto.control_pb2 import RegisterNodeRequest
        from flwr.supercore.control import ControlHttpClient

        from fedqml.federation.flower_server import _trusted, _version

        trusted = _trusted(self.folder / "ca.crt")
        end = time.monotonic() + seconds
        url = f"https://{self.address}"
        with ControlHttpClient(url, interceptors=[_version()], verify=trusted) as control:
            for name, key in self.keys.items():
                form = serialization.PublicFormat.SubjectPublicKeyInfo
                public = key.public_bytes(serialization.Encoding.PEM, form)
                while True:
                    try:
                        control.RegisterNode(RegisterNodeRequest(public_key=public, name=name))
                        break
                    except httpx.TransportError:
                        assert self.processes["superlink"].poll() is None
                        assert time.monotonic() < end
                        time.sleep(0.2)

    def start_node(self, name: str) -> None:
        given = [str(self.folder), self.address, name, json.dumps(self.hosts[name])]
        self._start(name, [sys.executable, "-m", "tests.federation.node", *given])

    def link(self):
        from fedqml.federation.flower_server import Link

        f = self.folder
        return Link(self.address, f / "ca.crt", f / "superexec.secret", f / "clients.json")

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def _start(self, name: str, command: list[str]) -> None:
        here = Path(__file__).parents[2]
        environment = {**os.environ, **ENVIRONMENT, "FLWR_HOME": str(self.folder / "flwr")}
        environment["PYTHONPATH"] = str(here)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=here, env=environment
            )
