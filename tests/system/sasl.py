"""What tests of AUTH share: a daemon with mail for its users, responses in
base64, and connections of which the channel binding is known.
"""
import base64
import hashlib
import hmac
import ssl
import struct
import tempfile

import harness
import oracle
import secure

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"))
HASHED = "{CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8"


def b64(data):
    return base64.b64encode(harness.as_bytes(data)).decode()


def plain(name, password, authzid=""):
    return b64(b"\0".join(map(harness.as_bytes, (authzid, name, password))))


class SaslCase(harness.TestCase):
    def serve(self, users=None, **settings):
        """A daemon with mail for its users; section__key are options."""
        users = users or {"mrose": "{PLAIN}secret"}
        settings.setdefault("auth__max_attempts", 100)
        options = {key.replace("__", "."): value for key, value in settings.items() if "__" in key}
        server = self.daemon(users=users, options=options, **{
            key: value for key, value in settings.items() if "__" not in key})
        for name in users:
            server.put(MAIL, name)
        return server

    def offered(self, client):
        """What CAPA says, having checked that a bare AUTH says the same."""
        lines = client.multi("CAPA").decode().split("\r\n")
        found = [line.split()[1:] for line in lines if line.startswith("SASL")]
        bare = client.multi("AUTH").decode().split("\r\n")[:-1]
        self.assertEqual(found, [bare] if bare else [])
        return bare

    def prompted(self, client, text):
        """Sends a line; returns what the challenge holds."""
        client.send_line(text)
        line = client.line().decode()
        self.assertTrue(line.startswith("+ "), line)
        return base64.b64decode(line[2:], validate=True)


def expand(secret, label, context, length, digest="sha384"):
    """HKDF-Expand-Label of RFC 8446 section 7.1, of one block."""
    label = b"tls13 " + label
    info = (struct.pack("!HB", length, len(label)) + label
            + struct.pack("!B", len(context)) + context + b"\1")
    return hmac.new(secret, info, digest).digest()[:length]


def exporter(keylog):
    """tls-exporter (RFC 9266) of a TLS 1.3 connection, from its key log."""
    secrets = dict(line.split(" ", 2)[::2] for line in keylog.splitlines() if line[0] != "#")
    nothing = hashlib.sha384(b"").digest()
    secret = expand(bytes.fromhex(secrets["EXPORTER_SECRET"]), b"EXPORTER-Channel-Binding", nothing, 48)
    return expand(secret, b"exporter", nothing, 32)


V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class SecureCase(secure.TlsCase, SaslCase):
    def connect(self, server, version=V13, stls=False, client=None):
        """A client with the channel binding data of each type it can have."""
        with tempfile.NamedTemporaryFile() as log:
            context = secure.trusting(client=client, keylog_filename=log.name,
                                      minimum_version=version, maximum_version=version)
            client = server.stls_client(context) if stls else server.tls_client(context)
            self.addCleanup(client.close)
            client.bindings = {
                "tls-server-end-point": hashlib.sha256(client.sock.getpeercert(True)).digest()}
            if version == V13:
                client.bindings["tls-exporter"] = exporter(open(log.name).read())
            else:
                client.bindings["tls-unique"] = client.sock.get_channel_binding("tls-unique")
        return client
