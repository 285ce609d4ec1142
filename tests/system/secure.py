"""TLS for tests: certificates made for the run, a daemon that has them, and
clients over STLS and over TLS from the first octet.
"""
import atexit
import datetime
import functools
import ipaddress
import pathlib
import shutil
import socket
import ssl
import tempfile

import harness
from client import PATIENCE, Client

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.x509.oid import NameOID
except ImportError:
    x509 = None

# what an authority's key is for: strict clients want to read it
SIGNS = x509 and x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
    encipher_only=False, decipher_only=False)
DAY = datetime.timedelta(days=1)
NAME = "localhost"


@functools.cache
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="poplar-pki-"))
    path.chmod(0o755)
    atexit.register(shutil.rmtree, path, True)
    return path


@functools.cache
def authority(name):
    """A certificate authority: its certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {name}")])
    made = builder(subject, subject, key, key, 3650).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = made.add_extension(SIGNS, critical=True).sign(key, hashes.SHA256())
    (folder() / f"{name}.pem").write_bytes(pem(certificate))
    return certificate, key


def builder(subject, issuer, key, issuer_key, days, begin=-1):
    """With the key identifiers of RFC 5280, without which strict clients refuse."""
    now = datetime.datetime.now(datetime.timezone.utc)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuers = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + begin * DAY).not_valid_after(now + days * DAY)
            .add_extension(own, critical=False).add_extension(issuers, critical=False))


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_of(kind):
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def pair(label, names=(NAME, "127.0.0.1"), emails=(), common=None, days=365, begin=-1, kind="ec",
         digest="SHA256", ca="ca", password=None):
    """Paths of a certificate and its key, made once for a label."""
    issuer, issuer_key = authority(ca)
    key = key_of(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)
                         for name in ([common] if isinstance(common, str) else common or [label])])
    made = builder(subject, issuer.subject, key, issuer_key, days, begin)
    alternatives = [general_name(name) for name in names] + [x509.RFC822Name(e) for e in emails]
    if alternatives:
        made = made.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    made = made.sign(issuer_key, getattr(hashes, digest)())
    certificate, secret = folder() / f"{label}.crt", folder() / f"{label}.key"
    certificate.write_bytes(pem(made))
    encryption = (serialization.BestAvailableEncryption(password) if password
                  else serialization.NoEncryption())
    secret.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    secret.chmod(0o600)
    return certificate, secret


def general_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_pair():
    return pair("server")


def trusting(client=None, **settings):
    """A client's context that trusts our authority; client: its own pair."""
    authority("ca")
    context = ssl.create_default_context(cafile=str(folder() / "ca.pem"))
    if client:
        context.load_cert_chain(*client)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def trusting_ca_file():
    authority("ca")
    return folder() / "ca.pem"


class TlsDaemon(harness.Daemon):
    """A daemon with a certificate; tls_port takes TLS from the first octet.

    pairs: of certificate and key, the first for clients without SNI.
    always: client() gives clients over TLS.
    """

    def __init__(self, pairs=None, always=False, arguments=(), **kwargs):
        self.pairs = pairs or [server_pair()]
        self.always = always
        self.tls_port = harness.free_port()
        if always and kwargs.get("mode") == "inetd":
            arguments = ["-S", *arguments]
        super().__init__(arguments=arguments, **kwargs)

    def write_conf(self, text=None):
        self.options.update(self.tls_options())
        super().write_conf(text)

    def tls_options(self):
        copies = [(self.keep(certificate), self.keep(key, 0o600))
                  for certificate, key in self.pairs]
        return {"tls.certificate": " ".join(str(c) for c, _ in copies),
                "tls.private_key": " ".join(str(k) for _, k in copies),
                "listen.pop3s": f"127.0.0.1:{self.tls_port}"} | {
                    name: value for name, value in self.options.items()
                    if name.startswith(("tls.", "listen.pop3s"))}

    def keep(self, path, mode=0o644):
        """A copy of the daemon's own."""
        copy = self.dir / path.name
        shutil.copy(path, copy)
        copy.chmod(mode)
        self.own(copy)
        return copy

    def start(self, **kwargs):
        super().start(**kwargs)
        if self.mode == "inetd":
            self.tls_port = self.port

    def _greets(self):
        try:
            with harness.Daemon.client(self) as client:
                return client.greeting.startswith("+OK POP3 server ready")
        except ConnectionRefusedError:
            if self.process.poll() is not None:
                raise AssertionError(f"poplard ended at start with {self.process.returncode}"
                                     f"\n{self.log()}") from None
            return False

    def client(self, **kwargs):
        return self.tls_client(**kwargs) if self.always else super().client(**kwargs)

    def tls_client(self, context=None, name=NAME, timeout=PATIENCE, greet=True):
        """TLS from the first octet."""
        sock = socket.create_connection(("127.0.0.1", self.tls_port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(self.head)
        return Client.over((context or trusting()).wrap_socket(sock, server_hostname=name),
                           timeout, greet)

    def stls_client(self, context=None, name=NAME, **kwargs):
        """STLS; the greeting is that before it."""
        client = super().client(**kwargs)
        client.ok("STLS")
        start_tls(client, context, name)
        return client


def start_tls(client, context=None, name=NAME):
    """The handshake, after STLS was answered."""
    assert client.buffer == b"", client.buffer
    client.sock = (context or trusting()).wrap_socket(client.sock, server_hostname=name)


def hello(context=None):
    """What a client would say first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = (context or trusting()).wrap_bio(incoming, outgoing, server_hostname=NAME)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return tls, incoming, outgoing, outgoing.read()


class TlsCase(harness.TestCase):
    daemon_class = TlsDaemon

    def setUp(self):
        if x509 is None:
            self.skipTest("needs the package python3-cryptography")
        super().setUp()
