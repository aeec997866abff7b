import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fedqml.core.errors import InputError
from fedqml.federation import authority
from fedqml.federation.authority import (
    check_certificate,
    client_certificate,
    expiry,
    node_key,
    renewed,
    server_certificate,
    tls,
)


@pytest.fixture(scope="module")
def issuer():
    return authority.authority()


def write(folder, name, pair):
    (folder / f"{name}.crt").write_bytes(pair.certificate)
    (folder / f"{name}.key").write_bytes(pair.key)
    return folder / f"{name}.crt"


def server_side(folder, name, trusted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    context.load_verify_locations(trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def shake_hands(client, server, host):
    """Let two contexts talk in memory until each has accepted the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[1].getpeercert()["subject"]


@pytest.fixture
def folder(tmp_path, issuer):
    write(tmp_path, "ca", issuer)
    write(tmp_path, "server", server_certificate(issuer, ["fed.example.org", "10.0.0.1"], 30))
    write(tmp_path, "bern", client_certificate(issuer, "bern", 30))
    write(tmp_path, "loopback", authority.loopback_certificate())
    return tmp_path


def client_side(folder, name, trusted="ca"):
    return tls(folder / f"{trusted}.crt", folder / f"{name}.crt", folder / f"{name}.key")


@pytest.mark.parametrize("host", ["fed.example.org", "10.0.0.1"])
def test_server_and_site_accept_each_other(folder, host):
    server = server_side(folder, "server", folder / "ca.crt")
    assert shake_hands(client_side(folder, "bern"), server, host) == ((("commonName", "bern"),),)


@pytest.mark.parametrize(
    ("client", "server", "host", "reason"),
    [
        ("bern", "server", "elsewhere.org", "Hostname mismatch"),
        ("bern", "bern", "bern", "unsuitable certificate purpose|Unsupported"),
        ("server", "server", "10.0.0.1", "unsuitable certificate purpose|Unsupported"),
        ("loopback", "server", "10.0.0.1", "self-signed certificate"),
    ],
)
def test_a_certificate_serves_one_purpose(folder, client, server, host, reason):
    trusting = server_side(folder, server, folder / "ca.crt")
    with pytest.raises(ssl.SSLError, match=f"(?i){reason}"):
        shake_hands(client_side(folder, client), trusting, host)


def test_loopback_trusts_itself_alone(folder):
    server = server_side(folder, "loopback", folder / "loopback.crt")
    shake_hands(client_side(folder, "loopback", "loopback"), server, "127.0.0.1")
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.verify.failed"):
        shake_hands(client_side(folder, "bern", "loopback"), server, "127.0.0.1")


def test_a_certificate_is_refused_with_file_times_and_remedy(folder):
    path, now = folder / "bern.crt", datetime.now(UTC)
    check_certificate(path)
    check_certificate(path, now - timedelta(minutes=59))  # a clock that is a little behind
    late = r"bern\.crt expired on 20\d\d-.* UTC; this machine's clock says 20\d\d-.*renew FOLDER"
    with pytest.raises(InputError, match=late):
        check_certificate(path, now + timedelta(days=31))
    with pytest.raises(InputError, match=r"bern\.crt is valid only from 20.*Set this machine's"):
        check_certificate(path, now - timedelta(hours=2))
    with pytest.raises(InputError, match=r"There is no certificate .*ulm\.crt"):
        check_certificate(folder / "ulm.crt")
    with pytest.raises(InputError, match=r"bern\.key cannot be read"):
        check_certificate(folder / "bern.key")
    with pytest.raises(InputError, match="days` must be at least 1"):
        client_certificate(authority.authority(), "bern", 0)


def test_a_key_of_another_certificate(folder):
    with pytest.raises(InputError, match=r"server\.key does not fit the certificate .*bern\.crt"):
        tls(folder / "ca.crt", folder / "bern.crt", folder / "server.key")
    with pytest.raises(InputError, match=r"The key .*none\.key cannot be read: No such file"):
        tls(folder / "ca.crt", folder / "bern.crt", folder / "none.key")


@pytest.mark.parametrize("name", ["server", "bern"])
def test_a_renewed_certificate_differs_in_time_only(folder, issuer, name):
    path = folder / f"{name}.crt"
    old = x509.load_pem_x509_certificate(path.read_bytes())
    path.write_bytes(renewed(issuer, path, days=300))
    new = x509.load_pem_x509_certificate(path.read_bytes())
    assert new.public_key() == old.public_key()
    assert new.subject == old.subject
    assert list(new.extensions) == list(old.extensions)
    assert expiry(path) > datetime.now(UTC) + timedelta(days=299)


def test_a_node_key_is_one_that_flower_takes():
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes, uses_nist_ec_curve

    private, public = node_key()
    key = load_pem_private_key(private, password=None).public_key()
    assert uses_nist_ec_curve(key)
    assert public_key_to_bytes(key) == public
