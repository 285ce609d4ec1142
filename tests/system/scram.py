"""The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), message by message
so that a test may spoil any of them, and the keys of a users file.
"""
import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data).decode()


def keyed(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def credential(password, salt=None, iterations=4096):
    """RFC 5803, in the order iterations,salt,StoredKey,ServerKey."""
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(keyed(salted, b"Client Key")).digest()
    return "{SCRAM-SHA-256}" + ",".join(
        [str(iterations), *map(b64, (salt, stored, keyed(salted, b"Server Key")))])


def signatures(password, salt, iterations, message):
    """Of an AuthMessage: the client's proof, and the server's signature."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    key = keyed(salted, b"Client Key")
    signature = keyed(hashlib.sha256(key).digest(), message)
    return (bytes(a ^ b for a, b in zip(key, signature)),
            keyed(keyed(salted, b"Server Key"), message))


class Exchange:
    """One exchange. binding: type and data of channel binding, for -PLUS."""

    def __init__(self, name="mrose", password="secret", flag="n", binding=None, authzid="",
                 nonce=None, extensions=""):
        self.password = password
        self.flag = f"p={binding[0]}" if binding else flag
        self.header = f"{self.flag},{'a=' + self.quoted(authzid) if authzid else ''},".encode()
        self.data = binding[1] if binding else b""
        self.nonce = nonce or b64(os.urandom(15))
        self.bare = f"n={self.quoted(name)},r={self.nonce}{extensions}".encode()

    @staticmethod
    def quoted(name):
        return name.replace("=", "=3D").replace(",", "=2C")

    def first(self):
        return self.header + self.bare

    def take(self, challenge):
        """Reads the server-first-message."""
        self.server_first = challenge
        fields = dict(field.split("=", 1) for field in challenge.decode().split(","))
        assert list(fields) == ["r", "s", "i"], challenge
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) >= len(self.nonce) + 18
        self.both = fields["r"]
        self.salt, self.iterations = base64.b64decode(fields["s"], validate=True), int(fields["i"])

    def final(self, both=None, binding=None, spoil=0, extensions=""):
        """client-final-message, and what the server must answer: self.verifier."""
        binding = self.header + self.data if binding is None else binding
        without = f"c={b64(binding)},r={self.both if both is None else both}{extensions}".encode()
        message = b",".join((self.bare, self.server_first, without))
        proof, verifier = signatures(self.password, self.salt, self.iterations, message)
        self.verifier = b"v=" + b64(verifier).encode()
        return without + b",p=" + b64(bytes([proof[0] ^ spoil]) + proof[1:]).encode()
