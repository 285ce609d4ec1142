"""The table: a row for each figure, its bound, and whether it was reached.

Bounds are those that the project has set itself, relative to the reference
loops of the same run wherever one says what the machine can do.
"""

# How a bound is meant: by kind, what is compared, and how it is written.
# `value` is Poplar's figure, `other` the one that the row names beside it.
KINDS = {
    "at least": lambda value, other, bound: value >= bound,
    "at most": lambda value, other, bound: value <= bound,
    "of loop": lambda value, other, bound: value >= bound * other,
    "times loop": lambda value, other, bound: value <= bound * other,
}


class Row:
    def __init__(self, key, title, unit, kind, bound, other=None):
        self.key, self.title, self.unit = key, title, unit
        self.kind, self.bound, self.other = kind, bound, other

    def reached(self, value, other):
        if value is None or (self.other and other is None):
            return None
        return KINDS[self.kind](value, other, self.bound)

    def target(self):
        if self.kind in ("of loop", "times loop"):
            return f"{self.bound:g} {self.kind}"
        return f"{self.kind} {self.bound:g}"

    def more_is_better(self):
        return self.kind in ("at least", "of loop")


ROWS = (
    Row("sessions", "sessions, 8 at once", "/s", "of loop", 0.54, "loop_sessions"),
    Row("tls_sessions", "TLS sessions, 8 at once", "/s", "of loop", 0.16, "loop_sessions"),
    Row("login", "PASS to STAT, {huge}, unchanged", "ms", "at most", 5),
    Row("login", "the same against 10 MB", "ms", "times loop", 2, "login_10m"),
    Row("list", "LIST of {count}", "ms", "at most", 6),
    Row("uidl", "UIDL of {count}", "ms", "at most", 10),
    Row("first", "PASS to STAT, {huge}, never seen", "ms", "times loop", 2.2, "loop_read"),
    Row("new100", "PASS to STAT, 100 new messages", "ms", "at most", 5),
    Row("retr16", "RETR 50 kB, 16 in flight", "MB/s", "of loop", 0.8, "loop_retr"),
    Row("retr1", "RETR 50 kB, one at a time", "MB/s", "of loop", 0.5, "loop_retr"),
    Row("retr_small", "RETR 10 kB, 16 in flight", "MB/s", "at least", 500),
    Row("retr_large", "RETR 50 MB", "MB/s", "of loop", 0.8, "loop_retr"),
    Row("tls_retr", "TLS RETR 50 kB, 16 in flight", "MB/s", "of loop", 0.4, "loop_retr"),
    Row("top1", "TOP n 0, one at a time", "/s", "at least", 25_000),
    Row("top16", "TOP n 0, 16 in flight", "/s", "at least", 100_000),
    Row("quit_10m", "QUIT after DELE 1, 10 MB", "ms", "times loop", 2.2, "loop_rewrite_10m"),
    Row("quit_100m", "QUIT after DELE 1, 100 MB", "ms", "times loop", 2.2, "loop_rewrite_100m"),
    Row("quit_1000m", "QUIT after DELE 1, 1 GB", "ms", "times loop", 2.2, "loop_rewrite_1000m"),
    Row("delete_all", "QUIT after deleting all, 100 MB", "ms", "at most", 5,
        "loop_truncate"),
    Row("memory_in", "memory a session, logged in", "kB", "at most", 200),
    Row("memory_out", "memory a session, not logged in", "kB", "at most", 160),
    Row("memory_tls", "memory a session, TLS", "kB", "at most", 550),
)


def number(value):
    """Three digits that mean something."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(row, figures, peers):
    """Of the bound, and of the peers: who is ahead of Poplar."""
    value = figures["Poplar"].get(row.key)
    other = figures["loop"].get(row.other, figures["Poplar"].get(row.other))
    reached = row.reached(value, other)
    if reached is None:
        return "not measured"
    ahead = [name for name in peers if (theirs := figures[name].get(row.key)) is not None
             and (theirs > value if row.more_is_better() else theirs < value)]
    text = "reached" if reached else "NOT REACHED"
    return text + (f"; behind {', '.join(ahead)}" if ahead else "")


def ratio(row, figures):
    value = figures["Poplar"].get(row.key)
    other = figures["loop"].get(row.other, figures["Poplar"].get(row.other))
    return f"{value / other:.2f}" if value is not None and other else ""


def lines(figures, huge):
    """The table as lines of text; figures: server to key to value."""
    messages, octets = huge
    texts = {"huge": f"{octets / 1e9:g} GB", "count": f"{messages:,}"}
    peers = [name for name in figures if name not in ("Poplar", "loop")]
    head = ["work", "", *peers, "loop", "Poplar", "ratio", "bound", ""]
    body = [[row.title.format(**texts), row.unit,
             *(number(figures[p].get(row.key)) for p in peers),
             number(figures["loop"].get(row.other)), number(figures["Poplar"].get(row.key)),
             ratio(row, figures), row.target(), verdict(row, figures, peers)] for row in ROWS]
    widths = [max(len(r[i]) for r in [head, *body]) for i in range(len(head))]
    last = len(head) - 1
    for r in [head, *body]:
        yield "  ".join(cell.ljust(w) if i in (0, 1, last, last - 1) else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(r, widths))).rstrip()
