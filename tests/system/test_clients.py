"""Real clients fetch real mail: every message octet by octet as the mbox has
it, left on the server or deleted, all of it or only what is new.

A client is made to keep octets (a Maildir, a pipe, plain files). What it
changes all the same is said beside it, in its expect() and undo().
"""
import email
import email.generator
import io
import poplib
import shutil
import subprocess

import harness
import oracle
from clients import (DELIVERED, MAIL, ClientHome, Inbox, LmtpServer, by_message_id, message_id, own,
                     run_in_terminal, stored, without_field)


class ClientTests(ClientHome):
    """What each client must show. It says how to `take` mail: fetch what it
    has not fetched yet, delete it or keep it, return what it stored.
    """

    program = None
    chooses = False  # can delete any message, not only the first few

    def setUp(self):
        if self.program and not shutil.which(self.program):
            self.skipTest(f"needs the program {self.program}")
        self.make_home()
        self.server = self.daemon(users={name: "{PLAIN}secret" for name in MAIL})
        for name, data in MAIL.items():
            self.server.put(data, name)

    def expect(self, message):
        """What the client stores of a message."""
        return message

    def undo(self, data):
        """What it stored, without what it always adds."""
        return data

    def assert_taken(self, got, messages):
        """Exactly these messages were stored."""
        expected = by_message_id(map(self.expect, map(stored, messages)))
        got = by_message_id(map(self.undo, got))
        self.assertEqual([message_id(data) for data in got],
                         [message_id(data) for data in expected])
        for data, wanted in zip(got, expected):
            self.assert_octets(data, wanted, message_id(wanted).decode())

    def assert_ended_well(self, count=1):
        """Each session ended by QUIT."""
        self.server.wait_log("end=quit", count=count)
        self.assertNotRegex(self.server.log(), "end=(drop|error|timeout)|session died")

    def test_fetches_all_and_keeps_it(self):
        for user, data in MAIL.items():
            before = self.server.digest(user)
            self.assert_taken(self.take(user), oracle.parse(data))
            self.assertEqual(self.server.digest(user), before)
        self.assert_ended_well()

    def test_leaves_on_server_and_fetches_the_new(self):
        user, data = min(MAIL.items(), key=lambda item: len(item[1]))
        self.assert_taken(self.take(user), oracle.parse(data))
        self.assertEqual(self.take(user), [])
        self.server.append(DELIVERED, user)
        self.assert_taken(self.take(user), oracle.parse(DELIVERED))
        self.assertEqual(self.take(user), [])
        self.assert_octets(self.server.read(user), data + DELIVERED)

    def test_deletes_exactly_what_it_fetched(self):
        for user, data in MAIL.items():
            messages = oracle.parse(data)
            last = len(messages)
            numbers = {1, 4, 5, last - 3, last} if self.chooses else set(range(1, 8))
            self.assert_taken(self.take(user, keep=False, numbers=numbers),
                              [messages[n - 1] for n in sorted(numbers)])
            self.assert_octets(self.server.read(user), oracle.without(data, numbers), "file")
            self.server.append(DELIVERED, user)
            rest = oracle.parse(oracle.without(data, numbers) + DELIVERED)
            self.assert_taken(self.take(user, keep=False), rest)
            self.assertEqual(self.server.read(user), b"")
        self.assert_ended_well()


class Fetchmail(ClientTests, harness.TestCase):
    program = "fetchmail"

    def setUp(self):
        super().setUp()
        self.inbox = Inbox(self.new_folder())
        self.agent = self.write("agent", f'#!/bin/sh\ncat >"$(mktemp {self.inbox.path}/XXXXXXXX)"\n')

    def take(self, user, keep=True, numbers=None):
        rc = self.write("fetchmailrc", (
            "set invisible\nset no bouncemail\nset no spambounce\n"
            f"poll 127.0.0.1 protocol pop3 port {self.server.port} uidl\n"
            f'  user "{user}" password "secret" mda "{self.agent}" no rewrite no mimedecode'
            f" pass8bits no forcecr no dropstatus sslproto ''"
            f" {'keep' if keep else 'no keep'}"
            f" {'fetchlimit ' + str(len(numbers)) if numbers else ''}\n"))
        self.run_client(
            "fetchmail", "--nodetach", "--fetchmailrc", rc, "--idfile", self.home / "ids",
            "--pidfile", self.home / "pid", expect=(0, 1, 13))
        return self.inbox.new_messages()


class Getmail(ClientTests, harness.TestCase):
    """It parses a message and writes it anew, by Python's email package: so
    does the test. It delivers by LMTP, since to a Maildir it forks a child for
    each message and now and then misses its end, and hangs.
    """

    program = "getmail"

    def setUp(self):
        super().setUp()
        self.lmtp = LmtpServer()
        self.addCleanup(self.lmtp.server_close)
        self.addCleanup(self.lmtp.shutdown)

    def expect(self, message):
        out = io.BytesIO()
        email.generator.BytesGenerator(out).flatten(email.message_from_bytes(message))
        return out.getvalue()

    def take(self, user, keep=True, numbers=None):
        rc = self.write("getmailrc", (
            f"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\n"
            f"port = {self.server.port}\nusername = {user}\npassword = secret\n"
            f"[destination]\ntype = MDA_lmtp\nhost = 127.0.0.1\n"
            f"port = {self.lmtp.server_address[1]}\noverride = test@example.org\n"
            f"[options]\nread_all = false\ndelete = {'false' if keep else 'true'}\n"
            f"delivered_to = false\nreceived = false\n"
            f"max_messages_per_session = {len(numbers) if numbers else 0}\n"))
        self.run_client("getmail", "--getmaildir", self.home, "--rcfile", rc)
        got, self.lmtp.messages = self.lmtp.messages, []
        return got


class Mpop(ClientTests, harness.TestCase):
    """Chooses by a filter, called for each message with the headers of TOP."""

    program = "mpop"
    chooses = True

    def setUp(self):
        super().setUp()
        self.inbox = self.new_maildir()

    def filter(self, numbers):
        """Answers 0 (retrieve) to the calls of these numbers, else 2 (skip)."""
        return self.write("filter", (
            "#!/bin/sh\ncat >/dev/null\necho >>calls\n"
            f'case " {" ".join(map(str, numbers))} " in *" $(wc -l <calls) "*) exit 0 ;; esac\n'
            "exit 2\n"))

    def take(self, user, keep=True, numbers=None):
        (self.home / "calls").unlink(missing_ok=True)
        chosen = f"filter {self.filter(numbers)}\n" if numbers else ""
        rc = self.write("mpoprc", (
            f"account default\nhost 127.0.0.1\nport {self.server.port}\nuser {user}\n"
            f"password secret\nauth user\ntls off\ndelivery maildir {self.inbox.path}\n"
            f"uidls_file {self.home}/uidls\nonly_new on\nkeep {'on' if keep else 'off'}\n"
            f"received_header off\n{chosen}"))
        rc.chmod(0o600)
        self.run_client("mpop", "-C", rc)
        return self.inbox.new_messages()


class Numbered(ClientTests):
    """A client that is a toolbox: the test chooses by UIDL, as a program
    around it would, and the messages come in one file for each number.
    """

    chooses = True

    def setUp(self):
        super().setUp()
        self.fetched = set()

    def take(self, user, keep=True, numbers=None):
        ids = self.uidl(user)
        chosen = [n for n in sorted(numbers or ids) if ids[n] not in self.fetched]
        self.fetched.update(ids[n] for n in chosen if keep)
        return self.retrieve(user, chosen, keep) if chosen else []


def listing(text):
    """Rows of a UIDL listing as a dict."""
    rows = [row.split() for row in text.decode().splitlines()]
    return {int(number): uid for number, uid in rows}


class Curl(Numbered, harness.TestCase):
    program = "curl"

    def curl(self, user, *arguments):
        return self.run_client("curl", "-sS", "--fail", "-u", f"{user}:secret", *arguments)

    def url(self, numbers=()):
        path = "{" + ",".join(map(str, numbers)) + "}" if numbers else ""
        return f"pop3://127.0.0.1:{self.server.port}/{path}"

    def uidl(self, user):
        return listing(self.curl(user, "-X", "UIDL", self.url()))

    def retrieve(self, user, numbers, keep):
        inbox = self.new_folder()
        deletion = ("--next", "-sS", "-u", f"{user}:secret", "-I", "-X", "DELE", self.url(numbers))
        self.curl(user, "-o", f"{inbox}/#1", self.url(numbers), *(() if keep else deletion))
        # curl writes line ends as they came
        return [(inbox / str(n)).read_bytes().replace(b"\r\n", b"\n") for n in numbers]


class Script(Numbered):
    """A module of Perl, used by a script that takes: port, user, the folder
    to store in, keep or delete, the message-numbers; without numbers it
    prints the listing of UIDL.
    """

    module = None
    script = None

    def setUp(self):
        super().setUp()
        if subprocess.run(["perl", f"-M{self.module}", "-e1"], check=False,
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest(f"needs Perl's {self.module}")

    def perl(self, user, inbox, keep, numbers=()):
        return self.run_client("perl", f"-M{self.module}", "-we", self.script, self.server.port,
                               user, inbox, "keep" if keep else "delete", *numbers)

    def uidl(self, user):
        return listing(self.perl(user, self.home, True))

    def retrieve(self, user, numbers, keep):
        inbox = self.new_folder()
        self.perl(user, inbox, keep, numbers)
        return [(inbox / str(n)).read_bytes().replace(b"\r\n", b"\n") for n in numbers]


class NetPOP3(Script, harness.TestCase):
    program = "perl"
    module = "Net::POP3"
    script = r"""
        my ($port, $user, $inbox, $keep, @numbers) = @ARGV;
        my $pop = Net::POP3->new('127.0.0.1', Port => $port, Timeout => 30) or die "connect: $@";
        my $count = $pop->login($user, 'secret');
        defined $count or die 'login: ' . $pop->message;
        my ($stat) = $pop->popstat;
        $count == $stat or die "login says $count messages, STAT $stat";
        my $ids = $pop->uidl;
        if (!@numbers) { print "$_ $ids->{$_}\n" for sort { $a <=> $b } keys %$ids }
        for my $n (@numbers) {
            $pop->uidl($n) eq $ids->{$n} or die 'UIDL n';
            my $lines = $pop->get($n) or die 'get: ' . $pop->message;
            open my $file, '>:raw', "$inbox/$n" or die $!;
            print $file @$lines;
            close $file or die $!;
            if ($keep eq 'delete') { $pop->delete($n) or die 'delete: ' . $pop->message }
        }
        $pop->quit or die 'quit: ' . $pop->message;
        """


class MailPOP3Client(Script, harness.TestCase):
    program = "perl"
    module = "Mail::POP3Client"
    script = r"""
        my ($port, $user, $inbox, $keep, @numbers) = @ARGV;
        my $pop = Mail::POP3Client->new(USER => $user, PASSWORD => 'secret', HOST => '127.0.0.1',
            PORT => $port, AUTH_MODE => 'PASS', TIMEOUT => 30);
        $pop->Count >= 0 or die 'login: ' . $pop->Message;
        my @ids = $pop->Uidl;
        if (!@numbers) { print "$_ $ids[$_]\n" for 1 .. $pop->Count }
        for my $n (@numbers) {
            open my $file, '>:raw', "$inbox/$n" or die $!;
            $pop->RetrieveToFile($file, $n) or die 'retrieve: ' . $pop->Message;
            close $file or die $!;
            if ($keep eq 'delete') { $pop->Delete($n) or die 'delete: ' . $pop->Message }
        }
        $pop->Close or die 'quit: ' . $pop->Message;
        """


class Poplib(Numbered, harness.TestCase):
    """Python's own; it gives up at a line of over 2048 octets."""

    def session(self, user):
        pop = poplib.POP3("127.0.0.1", self.server.port, timeout=30)
        pop.user(user)
        pop.pass_("secret")
        return pop

    def uidl(self, user):
        pop = self.session(user)
        ids = listing(b"\n".join(pop.uidl()[1]))
        self.assertEqual(len(ids), pop.stat()[0])
        pop.quit()
        return ids

    def retrieve(self, user, numbers, keep):
        pop = self.session(user)
        sizes = dict(map(int, row.split()) for row in pop.list()[1])
        got = []
        for n in numbers:
            _, lines, octets = pop.retr(n)
            self.assertEqual(pop.top(n, 0)[1], lines[:lines.index(b"") + 1])
            self.assertEqual(octets, sizes[n])
            got.append(b"".join(line + b"\n" for line in lines))
            if not keep:
                pop.dele(n)
        pop.quit()
        return got


class Mutt(ClientTests, harness.TestCase):
    """fetch-mail takes all into a Maildir; what is new it knows by LAST.
    Single messages are saved out of the mailbox opened over POP3, and then
    mutt counts their octets and lines in fields of its own.
    """

    program = "mutt"
    chooses = True

    def setUp(self):
        super().setUp()
        self.inbox = self.new_maildir()

    def expect(self, message):
        return without_field(message, b"Lines") if self.counted else message

    undo = expect

    def mutt(self, user, settings, keys, *arguments):
        url = f"pop://{user}@127.0.0.1:{self.server.port}/"
        rc = self.write("muttrc", (
            "set mbox_type=Maildir ssl_starttls=no ssl_force_tls=no pop_authenticators=user pop_pass=secret\n"
            f"set pop_host='{url}' pop_checkinterval=600 spoolfile='{self.inbox.path}'\n"
            f"set folder='{self.home}' confirmappend=no confirmcreate=no wait_key=no mark_old=no\n"
            "set sort=mailbox-order delete=yes quit=yes pop_reconnect=no sleep_time=0 record=''\n"
            f"set header_cache='{self.home}/cache' message_cachedir='{self.home}/cache'\n"
            f"{settings}\npush '{keys}'\n"))
        (self.home / "cache").mkdir(exist_ok=True)
        own(self.home / "cache")
        status, output = run_in_terminal(
            [self.program, "-n", "-F", str(rc), *(argument.format(url=url) for argument in arguments)],
            self.environment(), self.home)
        self.assertEqual(status, 0, output[-3000:])

    def take(self, user, keep=True, numbers=None):
        self.counted = numbers is not None
        if numbers is None:
            self.mutt(user, f"set pop_delete={'no pop_last=yes' if keep else 'yes pop_last=no'}",
                      "<fetch-mail><exit>")
            return self.inbox.new_messages()
        tags = "".join(f"<jump>{n}<enter><tag-entry>" for n in numbers)
        self.mutt(user, "", f"{tags}<tag-prefix><save-message>{self.inbox.path}<enter><quit>",
                  "-f", "{url}")
        saved = self.inbox.new_messages()
        self.assertTrue(all(b"\nLines: " in data for data in saved))
        return [without_field(data, b"Content-Length") for data in saved]


class Snail(ClientTests, harness.TestCase):
    """s-nail in batch, from POP3 into a Maildir. For the sake of mboxes it
    sees to it that a message ends in an empty line, and drops a count of lines.
    """

    program = "s-nail"
    chooses = True
    # it does not remember what it fetched
    test_leaves_on_server_and_fetches_the_new = None

    def setUp(self):
        super().setUp()
        self.inbox = self.new_folder() / "inbox"

    def expect(self, message):
        return without_field(message, b"Lines") + (b"" if message.endswith(b"\n\n") else b"\n")

    def take(self, user, keep=True, numbers=None):
        chosen = " ".join(map(str, sorted(numbers))) if numbers else "*"
        commands = f"{'copy' if keep else 'move'} {chosen} maildir://{self.inbox}\nquit\n"
        fresh = Inbox(self.inbox)
        self.run_client(
            "s-nail", "-:/", "-#", "-S", "v15-compat=yes", "-S", "pop3-bulk-load",
            "-S", "pop3-auth=plain", "-S", "pop3-no-apop", "-S", "hold", "-S", "newfolders=maildir",
            "-f", f"pop3://{user}:secret@127.0.0.1:{self.server.port}", text=commands.encode())
        return fresh.new_messages()


if __name__ == "__main__":
    harness.main()
