"""A mailbox of 1 GB and 100,000 messages opens, lists and fetches, and the
session's memory grows with the number of messages only, by a table's row.
"""
import shutil
import tempfile
import time

import harness
import oracle

# real disk, also where /tmp is memory
tempfile.tempdir = "/var/tmp"

COUNT = 100_000
FREE = 3 << 30
# the table and its hashes; what the scanner and the index need beside it
ROW = 96
SLACK = 2 << 20
BATCH = 100

LINE = b"A line of a long message, of seventy octets with its end, %07d.......\n"


class Generated:
    """A mailbox whose messages are known by number and kept nowhere."""

    def __init__(self, count):
        self.count = count
        # some 10.5 kB each, and no two neighbours of one length
        self.bodies = [b"".join(LINE % i for i in range(147 + n)) for n in range(7)]

    def header(self, number):
        return (b"From: sender@example.org\nMessage-ID: <%d@example.org>\nSubject: number %d\n\n"
                % (number, number))

    def stored(self, number):
        return self.header(number) + self.bodies[number % 7]

    def wire(self, number):
        return self.stored(number).replace(b"\n", b"\r\n")

    def size(self, number):
        """The same from lengths alone."""
        body = self.bodies[number % 7]
        return len(self.header(number)) + 4 + len(body) + 147 + number % 7

    def length(self, number):
        """In the file, From_ line and separator included."""
        return len(oracle.FROM) + len(self.header(number)) + len(self.bodies[number % 7]) + 1

    def write(self, path):
        with open(path, "wb", 1 << 22) as file:
            for number in range(1, self.count + 1):
                file.write(oracle.FROM)
                file.write(self.header(number))
                file.write(self.bodies[number % 7])
                file.write(b"\n")


class Watch:
    """Tells how long steps took, as comments of the test's output."""

    def __init__(self):
        self.times, self.begin = [], time.monotonic()

    def step(self, name):
        now = time.monotonic()
        self.times.append(f"{name} {now - self.begin:.2f} s")
        self.begin = time.monotonic()

    def tell(self, what):
        print(f"# {what}: " + ", ".join(self.times), flush=True)


@harness.measures
class Big(harness.TestCase):
    def setUp(self):
        if shutil.disk_usage(tempfile.tempdir).free < FREE:
            self.skipTest(f"needs {FREE >> 30} GB free in {tempfile.tempdir}")
        self.server = self.daemon(users={name: "{PLAIN}secret" for name in ("big", "small")})

    def fill(self, user, count):
        mail = Generated(count)
        path = self.server.put(b"", user)
        mail.write(path)
        return mail

    def log_in(self, user):
        client = self.server.client(timeout=100)
        client.login(user)
        session = self.server.session()
        return client, session

    def check_listings(self, client, mail):
        sizes = {n: mail.size(n) for n in range(1, mail.count + 1)}
        self.assertEqual(client.stat(), (mail.count, sum(sizes.values())))
        self.assertTrue(client.list() == sizes, "LIST is wrong")
        ids = client.uidl()
        self.assertEqual(len(set(ids.values())), mail.count)
        return ids

    def fetch(self, client, mail, numbers):
        """In batches of pipelined commands."""
        for at in range(0, len(numbers), BATCH):
            batch = numbers[at:at + BATCH]
            client.send(b"".join(b"RETR %d\r\n" % n for n in batch))
            for n in batch:
                self.assertRegex(client.status(), r"^\+OK")
                self.assert_octets(client.multiline(), mail.wire(n), f"RETR {n}")

    def visit(self, user, mail, step):
        """A first session; returns its peak memory and its unique-ids."""
        client, session = self.log_in(user)
        step("first login")
        ids = self.check_listings(client, mail)
        step("STAT LIST UIDL")
        self.fetch(client, mail, range(1, mail.count + 1, mail.count // 1000))
        client.multi("TOP 1 10")
        step("RETR of 1000")
        peak = harness.peak_memory(session)
        client.quit()
        return peak, ids

    def test_memory_grows_by_the_table_only(self):
        small = self.fill("small", COUNT // 100)
        big = self.fill("big", COUNT)
        self.assertGreater(self.server.path("big").stat().st_size, 10**9)
        watch = Watch()
        least, _ = self.visit("small", small, lambda name: None)
        watch.step("small mailbox")
        most, ids = self.visit("big", big, watch.step)
        self.assert_memory(most - least, (big.count - small.count) * ROW + SLACK)
        self.check_second(big, ids, watch, least)
        self.check_all(big, watch, least)
        self.check_deletion(big, ids, watch)
        watch.tell("1 GB, 100,000 messages")
        print(f"# peak memory: {least >> 10} kB with 1,000 messages, {most >> 10} kB with 100,000: "
              f"{(most - least) / (big.count - small.count):.1f} octets a message", flush=True)

    test_memory_grows_by_the_table_only.seconds = 400

    def check_second(self, mail, ids, watch, least):
        """With the index: nothing is scanned, the ids are the same."""
        client, session = self.log_in("big")
        watch.step("second login")
        self.server.wait_log("user=big .*login=ok .*new=0 scan=none")
        self.assertTrue(client.uidl() == ids, "unique-ids changed")
        self.assert_memory(harness.peak_memory(session) - least, mail.count * ROW + SLACK)
        client.quit()
        watch.step("UIDL QUIT")

    def check_all(self, mail, watch, least):
        client, session = self.log_in("big")
        self.fetch(client, mail, range(1, mail.count + 1))
        self.assert_memory(harness.peak_memory(session) - least, mail.count * ROW + SLACK)
        client.quit()
        watch.step("RETR of all")

    def check_deletion(self, mail, ids, watch):
        """Near the end, so that what is moved is little."""
        path = self.server.path("big")
        before = path.stat().st_size
        client, _ = self.log_in("big")
        gone = [mail.count - 9, mail.count - 8, mail.count]
        for n in gone:
            client.ok(f"DELE {n}")
        client.quit()
        watch.step("login DELE QUIT")
        self.assertEqual(path.stat().st_size, before - sum(map(mail.length, gone)))
        left = [n for n in range(1, mail.count + 1) if n not in gone]
        client, _ = self.log_in("big")
        self.assertTrue(client.uidl() == dict(enumerate((ids[n] for n in left), 1)))
        for number, n in list(enumerate(left, 1))[-10:]:
            self.assert_octets(client.retr(number), mail.wire(n), f"RETR {number}")
        client.quit()


if __name__ == "__main__":
    harness.main()
