"""Certificates and keys: who is the server, who is a site, and who may speak on loopback.

One authority signs the server's certificate and one client certificate for each site, whose common
name is the site's name. Each site has a second key, with which Flower's nodes sign requests.
"""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from fedqml.core.errors import InputError, whole

_AUTHORITY_DAYS = 3650
# clocks of other machines may be behind ours
_BACKDATED = timedelta(hours=1)


@dataclass(frozen=True)
class Credential:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def authority() -> Credential:
    """Return a new certificate authority, valid for ten years.

    Example:
        >>> authority().certificate.splitlines()[0]
        b'-----BEGIN CERTIFICATE-----'
    """
    return _own_authority("fedqml authority")


def loopback_certificate() -> Credential:
    """Return a certificate that is its own authority, for both ends of loopback, ten years.

    Only who can read its key can be, or reach, what listens on this machine's loopback.

    Example:
        >>> loopback_certificate().certificate.splitlines()[0]
        b'-----BEGIN CERTIFICATE-----'
    """
    return _own_authority("fedqml loopback", ("localhost", "127.0.0.1"))


def server_certificate(issuer: Credential, addresses: Sequence[str], days: int) -> Credential:
    """Return a certificate for a server that is reached under ``addresses``.

    Args:
        issuer: the authority.
        addresses: host names and IP addresses, at least one.
        days: how long it is valid, from now.

    Raises:
        InputError: if ``days`` is below 1.

    Example:
        >>> pair = server_certificate(authority(), ["localhost", "127.0.0.1"], days=30)
        >>> b"PRIVATE KEY" in pair.key, b"PRIVATE KEY" in pair.certificate
        (True, False)
    """
    key = _new_key()
    return Credential(_leaf(issuer, "server", key.public_key(), days, addresses), _private(key))


def client_certificate(issuer: Credential, name: str, days: int) -> Credential:
    """Return a certificate that says that its holder is the site ``name``.

    Args:
        issuer: the authority.
        name: the site's, which becomes the whole subject: ``CN=name``.
        days: how long it is valid, from now.

    Raises:
        InputError: if ``days`` is below 1.

    Example:
        >>> b"PRIVATE KEY" in client_certificate(authority(), "bern", days=30).key
        True
    """
    key = _new_key()
    return Credential(_leaf(issuer, name, key.public_key(), days), _private(key))


def renewed(issuer: Credential, path: Path, days: int) -> bytes:
    """Return the certificate at ``path`` for the same holder, addresses and key, valid from now.

    Args:
        issuer: the authority.
        path: a server's or a site's certificate.
        days: how long the new one is valid.

    Raises:
        InputError: if there is no certificate at ``path``, or ``days`` is below 1.
    """
    old = _load(path)
    holder = old.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    try:
        names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    addresses = [str(name.value) for name in names]
    key = old.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return _leaf(issuer, str(holder), key, days, addresses)


def node_key() -> tuple[bytes, bytes]:
    """Return a private and a public key, PEM, as Flower's nodes have them (EC, P-384).

    Example:
        >>> private, public = node_key()
        >>> public.splitlines()[0]
        b'-----BEGIN PUBLIC KEY-----'
    """
    key = _new_key()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return _private(key), public


def expiry(path: Path) -> datetime:
    """Return until when a certificate is valid.

    Raises:
        InputError: if the file is missing or holds no certificate.
    """
    return _load(path).not_valid_after_utc


def check_certificate(path: Path, now: datetime | None = None) -> None:
    """Refuse a certificate that is missing, unreadable, expired or not yet valid.

    Args:
        path: of the certificate, PEM.
        now: the time; this machine's by default.

    Raises:
        InputError: naming the file, both times, and what mends it.
    """
    now = now or datetime.now(UTC)
    certificate = _load(path)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise InputError(
            f"The certificate {path} expired on {_time(end)}; this machine's clock says "
            f"{_time(now)}. If the clock is right, renew it where the federation was made "
            "(`fedqml federation renew FOLDER`) and replace this file by the new one."
        )
    if now < start:
        raise InputError(
            f"The certificate {path} is valid only from {_time(start)}; this machine's clock says "
            f"{_time(now)}. Set this machine's clock; if it is right, the clock was ahead where "
            "the federation was made: set that one, then `fedqml federation renew FOLDER`."
        )


def tls(trusted: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the settings of a client that shows a certificate and trusts one authority.

    Args:
        trusted: the certificate of the authority that must have signed the server's.
        certificate: what the client shows.
        key: its private key.

    Raises:
        InputError: if a file is missing, unusable, expired or not yet valid.
    """
    for path in (trusted, certificate):
        check_certificate(path)
    try:
        key.read_bytes()
    except OSError as error:
        raise InputError(f"The key {key} cannot be read: {error.strerror}.") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(trusted)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise InputError(f"The key {key} does not fit the certificate {certificate}.") from error
    return context


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"There is no certificate {path}.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"The certificate {path} cannot be read: {error}") from error


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(holder: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, holder)])


def _alternatives(addresses: Sequence[str]) -> x509.SubjectAlternativeName:
    def entry(address: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(address))
        except ValueError:
            return x509.DNSName(address)

    return x509.SubjectAlternativeName([entry(address) for address in addresses])


def _certificate(
    holder: str, key: ec.EllipticCurvePublicKey, days: int, addresses: Sequence[str]
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(holder))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=whole("days", days, 1)))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if addresses:
        builder = builder.add_extension(_alternatives(addresses), critical=False)
    return builder


def _own_authority(holder: str, addresses: Sequence[str] = ()) -> Credential:
    key = _new_key()
    builder = (
        _certificate(holder, key.public_key(), _AUTHORITY_DAYS, addresses)
        .issuer_name(_name(holder))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    return Credential(builder.sign(key, hashes.SHA384()).public_bytes(Encoding.PEM), _private(key))


def _leaf(
    issuer: Credential,
    holder: str,
    key: ec.EllipticCurvePublicKey,
    days: int,
    addresses: Sequence[str] = (),
) -> bytes:
    """Return a server's certificate if there are addresses, else a client's: never both."""
    purpose = x509.oid.ExtendedKeyUsageOID
    signer = load_pem_private_key(issuer.key, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    parent = x509.load_pem_x509_certificate(issuer.certificate)
    builder = (
        _certificate(holder, key, days, addresses)
        .issuer_name(parent.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([purpose.SERVER_AUTH if addresses else purpose.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
    )
    return builder.sign(signer, hashes.SHA384()).public_bytes(Encoding.PEM)


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
