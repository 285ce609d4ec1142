"""Group B, row 40: what the time of a refusal tells about a name."""
# runs alone: it measures times
import statistics
import threading
import time

import harness
from test_auth import hashed


@harness.measures
class Timing(harness.TestCase):
    TRIES, AT_ONCE = 200, 16

    def test_B40_known_and_unknown_look_alike(self):
        """Kolmogorov and Smirnov's distance of the two samples; 0.195 is
        what chance alone passes once in a thousand. A machine that cannot do
        the work of all within the delay gets a longer one, up to the default's."""
        rounds = []
        for delay in 200, 800, 2000:
            server = self.daemon(users={"mrose": hashed("secret"), "locked": "!"}, options={
                "auth.failure_delay": f"{delay}ms", "auth.max_attempts": 100})
            known, unknown = self.sample(server)
            self.assertGreaterEqual(min(known + unknown), delay / 1000)
            medians = abs(statistics.median(known) - statistics.median(unknown))
            rounds.append((distance(known, unknown), medians))
            if rounds[-1][0] < 0.195 and medians < 0.005:
                return
        self.fail(f"distance, and difference of medians: {rounds}")

    test_B40_known_and_unknown_look_alike.seconds = 300

    def sample(self, server):
        times = {"mrose": [], "nobody-here": []}
        workers = [threading.Thread(target=self.work, args=(server, times, n))
                   for n in range(self.AT_ONCE)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return times["mrose"], times["nobody-here"]

    def work(self, server, times, offset):
        names = list(times)
        with server.client() as client:
            for n in range(2 * self.TRIES // self.AT_ONCE):
                name = names[(n + offset) % 2]
                client.ok(f"USER {name}")
                begin = time.monotonic()
                client.err("PASS wrong")
                times[name].append(time.monotonic() - begin)


def distance(a, b):
    """The largest gap between two samples' distribution functions."""
    points = sorted(a + b)
    return max(abs(sum(x <= p for x in a) / len(a) - sum(x <= p for x in b) / len(b))
               for p in points)


if __name__ == "__main__":
    harness.main()
