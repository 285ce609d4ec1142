"""Real clients over STLS and over TLS from the first octet, each with every
way to log in that it has. They must verify the certificate; what they fetch
is compared octet by octet in test_clients.py, here message by message.
"""
import poplib
import shutil
import subprocess

import harness
import oracle
import scram
import secure
from clients import (ClientHome, Inbox, LmtpServer, made_mailbox, message_id, own, run_in_terminal,
                     scram_of_mpop, stored)
from sasl import SecureCase, b64

MAIL = made_mailbox(3, 5)
MESSAGES = sorted(stored(message) for message in oracle.parse(MAIL))
SECRET = "the secret"


class ClientTests(ClientHome):
    program = None

    def setUp(self):
        super().setUp()
        if self.program and not shutil.which(self.program):
            self.skipTest(f"needs the program {self.program}")
        self.make_home()
        self.ca = secure.trusting_ca_file()
        # no password in clear, so that a client that forgets TLS fails
        self.server = self.daemon(users={"mrose": scram.credential(SECRET)}, options={
            "auth.cleartext": "never", "tls.client_ca": self.ca, "auth.max_attempts": 20})
        self.server.put(MAIL)

    def port(self, stls):
        return self.server.port if stls else self.server.tls_port

    def fetch(self, stls, mechanism):
        """Fetches all, and returns the messages with LF."""
        raise NotImplementedError

    mechanisms = ("PASS",)
    ways = (True, False)  # STLS, TLS at once

    def test_fetches(self):
        for stls in self.ways:
            for mechanism in self.mechanisms:
                with self.subTest(stls=stls, mechanism=mechanism):
                    got = sorted(map(self.undo, self.fetch(stls, mechanism)))
                    self.assertEqual(got, sorted(map(self.undo, MESSAGES)))
                    proto = "pop3" if stls else "pop3s"
                    self.server.wait_log(
                        f"proto={proto} tls=TLSv1.3 auth={mechanism} login=ok")
        count = len(self.ways) * len(self.mechanisms)
        self.server.wait_log("end=quit", count=count)
        self.assertNotRegex(self.server.log(), "login=fail|end=(drop|error)|handshake failed")

    def undo(self, message):
        return message

    def test_refuses_a_stranger(self):
        """The test itself: the client does verify whom it talks to."""
        self.ca = secure.folder() / "stranger.pem"
        secure.authority("stranger")
        for stls in self.ways:
            with self.subTest(stls=stls):
                try:
                    got = self.fetch(stls, self.mechanisms[0])
                except Exception:  # each says so in its own way
                    got = []
                self.assertEqual(got, [])
        self.assertNotIn("login=ok", self.server.log())


class Curl(ClientTests, secure.TlsCase):
    program = "curl"
    mechanisms = ("PLAIN", "LOGIN", "EXTERNAL")

    def fetch(self, stls, mechanism):
        inbox = self.new_folder()
        url = (f"pop3://localhost:{self.port(stls)}/" if stls else
               f"pop3s://localhost:{self.port(stls)}/") + "{1,2,3,4,5}"
        arguments = ["-u", f"mrose:{SECRET}"]
        if mechanism == "EXTERNAL":
            certificate, key = secure.pair("mrose", names=())
            arguments = ["-u", "mrose:", "--cert", own(shutil.copy(certificate, self.home)),
                         "--key", own(shutil.copy(key, self.home))]
        self.run_client("curl", "-sS", "--fail", "--ssl-reqd", "--cacert", self.ca, "--resolve",
                        f"localhost:{self.port(stls)}:127.0.0.1", *arguments,
                        "--login-options", f"AUTH={mechanism}", "-o", f"{inbox}/#1", url)
        return [path.read_bytes().replace(b"\r\n", b"\n") for path in inbox.iterdir()]


class Mpop(ClientTests, secure.TlsCase):
    program = "mpop"

    @property
    def mechanisms(self):
        return (scram_of_mpop(), "PLAIN", "LOGIN", "PASS", "EXTERNAL")

    def fetch(self, stls, mechanism):
        inbox = self.new_maildir()
        auth = "user" if mechanism == "PASS" else mechanism.lower()
        extra = ""
        if mechanism == "EXTERNAL":
            files = [own(shutil.copy(path, self.home)) for path in secure.pair("mrose", names=())]
            extra = "tls_cert_file {}\ntls_key_file {}\n".format(*files)
        rc = self.write("mpoprc", (
            f"account default\nhost localhost\nport {self.port(stls)}\nuser mrose\n"
            f'password "{SECRET}"\nauth {auth}\ntls on\ntls_starttls {"on" if stls else "off"}\n'
            f"tls_trust_file {self.ca}\n{extra}delivery maildir {inbox.path}\n"
            "only_new off\nkeep on\nreceived_header off\n"))
        rc.chmod(0o600)
        self.run_client("mpop", "-C", rc)
        return inbox.new_messages()


class Fetchmail(ClientTests, secure.TlsCase):
    program = "fetchmail"

    def fetch(self, stls, mechanism):
        inbox = Inbox(self.new_folder())
        agent = self.write("agent", f'#!/bin/sh\ncat >"$(mktemp {inbox.path}/XXXXXXXX)"\n')
        rc = self.write("fetchmailrc", (
            "set invisible\nset no bouncemail\nset no spambounce\n"
            f"poll localhost protocol pop3 port {self.port(stls)}\n"
            f'  user "mrose" password "{SECRET}" mda "{agent}" no rewrite no mimedecode'
            f" pass8bits no forcecr no dropstatus keep fetchall"
            f" {'' if stls else 'ssl'} sslproto tls1.2+ sslcertck sslcertfile {self.ca}\n"))
        self.run_client("fetchmail", "--nodetach", "--fetchmailrc", rc, "--idfile",
                        self.home / "ids", "--pidfile", self.home / "pid", expect=(0, 1))
        return inbox.new_messages()


class Getmail(ClientTests, secure.TlsCase):
    """It has no STLS for POP3. It writes a message anew, see test_clients.py."""

    program = "getmail"
    ways = (False,)

    def setUp(self):
        super().setUp()
        self.lmtp = LmtpServer()
        self.addCleanup(self.lmtp.server_close)
        self.addCleanup(self.lmtp.shutdown)

    def undo(self, message):
        return message_id(message)

    def fetch(self, stls, mechanism):
        rc = self.write("getmailrc", (
            f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\n"
            f"port = {self.port(stls)}\nusername = mrose\npassword = {SECRET}\n"
            f"ca_certs = {self.ca}\n[destination]\ntype = MDA_lmtp\nhost = 127.0.0.1\n"
            f"port = {self.lmtp.server_address[1]}\noverride = test@example.org\n"
            "[options]\nread_all = true\ndelete = false\ndelivered_to = false\nreceived = false\n"))
        self.run_client("getmail", "--getmaildir", self.home, "--rcfile", rc)
        return self.lmtp.messages


class Poplib(ClientTests, secure.TlsCase):
    def fetch(self, stls, mechanism):
        context = secure.ssl.create_default_context(cafile=str(self.ca))
        if stls:
            pop = poplib.POP3("localhost", self.port(stls), timeout=30)
            pop.stls(context)
        else:
            pop = poplib.POP3_SSL("localhost", self.port(stls), timeout=30, context=context)
        pop.user("mrose")
        pop.pass_(SECRET)
        got = [b"".join(line + b"\n" for line in pop.retr(n)[1])
               for n in range(1, pop.stat()[0] + 1)]
        pop.quit()
        return got


class NetPOP3(ClientTests, secure.TlsCase):
    """PLAIN where Perl has Authen::SASL, else it has USER and PASS only."""

    program = "perl"
    script = r"""
        my ($port, $inbox, $stls, $ca, $secret) = @ARGV;
        my @tls = (SSL_ca_file => $ca, SSL_verifycn_name => 'localhost');
        my $pop = Net::POP3->new('localhost', Port => $port, Timeout => 30, $stls ? () : (SSL => 1, @tls))
            or die "connect: $@";
        if ($stls) { $pop->starttls(@tls) or die 'starttls: ' . $pop->message }
        $pop->login('mrose', $secret) or die 'login: ' . $pop->message;
        for my $n (sort keys %{$pop->list}) {
            open my $file, '>:raw', "$inbox/$n" or die $!;
            print $file @{$pop->get($n)};
            close $file or die $!;
        }
        $pop->quit or die 'quit: ' . $pop->message;
        """

    def setUp(self):
        super().setUp()
        if subprocess.run(["perl", "-MIO::Socket::SSL", "-e1"], check=False,
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("needs Perl's IO::Socket::SSL")

    def fetch(self, stls, mechanism):
        inbox = self.new_folder()
        self.run_client("perl", "-MNet::POP3", "-we", self.script, self.port(stls), inbox,
                        int(stls), self.ca, SECRET)
        return [path.read_bytes().replace(b"\r\n", b"\n") for path in inbox.iterdir()]


class Mutt(ClientTests, secure.TlsCase):
    program = "mutt"
    mechanisms = ("SCRAM-SHA-256", "PLAIN", "PASS")
    patience = 20

    def test_refuses_a_stranger(self):
        self.patience = 2  # it asks, and nobody answers
        super().test_refuses_a_stranger()

    def fetch(self, stls, mechanism):
        inbox = self.new_maildir()
        url = f"{'pop' if stls else 'pops'}://mrose@localhost:{self.port(stls)}/"
        authenticators = "user" if mechanism == "PASS" else mechanism.lower()
        rc = self.write("muttrc", (
            "set mbox_type=Maildir ssl_starttls=yes ssl_force_tls=yes ssl_use_sslv3=no\n"
            f"set ssl_ca_certificates_file='{self.ca}'\n"
            f"set pop_authenticators={authenticators} pop_pass='{SECRET}' pop_host='{url}'\n"
            f"set folder='{self.home}' pop_checkinterval=600 spoolfile='{inbox.path}' pop_delete=no pop_last=no\n"
            "set confirmappend=no confirmcreate=no wait_key=no quit=yes sleep_time=0 record=''\n"
            "push '<fetch-mail><exit>'\n"))
        status, output = run_in_terminal(
            ["mutt", "-n", "-F", str(rc)], self.environment(), self.home, self.patience)
        if status != 0:
            raise AssertionError(f"mutt: status {status}: {output[-2000:]}")
        return inbox.new_messages()


class Snail(ClientTests, secure.TlsCase):
    program = "s-nail"

    def undo(self, message):
        return message_id(message)

    def fetch(self, stls, mechanism):
        inbox = self.new_folder() / "inbox"
        fresh = Inbox(inbox)
        self.run_client(
            "s-nail", "-:/", "-#", "-S", "v15-compat=yes", "-S", "pop3-bulk-load", "-S",
            "pop3-auth=plain", "-S", "pop3-no-apop", "-S", "hold", "-S", "newfolders=maildir", "-S", "tls-verify=strict",
            "-S", f"tls-ca-file={self.ca}", "-S", "tls-ca-no-defaults",
            *(["-S", "pop3-use-starttls"] if stls else []), "-f",
            f"{'pop3' if stls else 'pop3s'}://mrose:{SECRET.replace(' ', '%20')}"
            f"@localhost:{self.port(stls)}", text=f"copy * maildir://{inbox}\nquit\n".encode())
        return fresh.new_messages()


class Gsasl(ClientTests, secure.TlsCase):
    """It has no POP3 of its own: it answers challenges, we carry them."""

    program = "gsasl"
    mechanisms = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN")
    connect = SecureCase.connect
    test_refuses_a_stranger = None  # TLS is not its own

    def fetch(self, stls, mechanism):
        client = self.connect(self.server, stls=stls)
        process = subprocess.Popen(
            ["gsasl", "--client", "--quiet", "--mechanism", mechanism, "--authentication-id=mrose",
             "--authorization-id=mrose", f"--password={SECRET}", "--service=pop",
             *([] if mechanism.endswith("PLUS") else ["--no-cb"])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        if mechanism.endswith("PLUS"):  # it asks for this, in the line of its answer
            process.stdin.write(b64(client.bindings["tls-exporter"]) + "\n")
        self.assertEqual(process.stdout.readline().strip(), mechanism)
        client.send_line(f"AUTH {mechanism}")
        while (line := client.line().decode()).startswith("+ "):
            if line != "+ ":  # what it says first it says unasked
                process.stdin.write(line[2:] + "\n")
            process.stdin.flush()
            client.send_line(process.stdout.readline().strip().rpartition(" ")[2])
        self.assertRegex(line, r"^\+OK 5 messages")
        got = [client.retr(n).replace(b"\r\n", b"\n") for n in range(1, 6)]
        client.quit()
        return got


if __name__ == "__main__":
    harness.main()
