"""What a maildrop means, said a second time: an mbox reader made from the
rules of poplar(7) alone, with no line in common with the server, and makers
of mailboxes to try it on.
"""
import random
import re

MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_zone = r"(?:[+-]\d{4}|[A-Za-z]+)"
_time = r"\d{1,2}:\d\d(?::\d\d)?"
FROM_LINE = re.compile(
    (r"From (?:.*\s)?(?:%s),?\s+(?:"
     r"(?:%s)\s+\d{1,2}\s+%s(?:\s+%s){0,2}\s+\d{4}(?:\s+%s){0,2}"
     r"|\d{1,2}\s+(?:%s)\s+(?:\d{4}\s+%s|%s\s+\d{4})(?:\s+%s){0,2})"
     r"(?:\s+remote from \S+)?\s*"
     % (DAYS, MONTHS, _time, _zone, _zone, MONTHS, _time, _time, _zone)).encode(),
    re.DOTALL)

DATE = b"Thu Nov 24 18:22:48 1994"
FROM = b"From dewey@dbc.mtview.ca.us " + DATE + b"\n"


class Message:
    """One message: its place in the file, its octets, what is to be sent."""

    def __init__(self, start, end, lines):
        self.start = start      # offset of the From_ line
        self.end = end          # of the next From_ line, or of the file's end
        self.lines = lines      # without From_ line and separator, with line ends
        self.header, self.body = split_message(lines)
        self.wire = join(self.header) + b"\r\n" + join(self.body)
        self.size = len(self.wire)

    def top(self, count):
        return join(self.header) + b"\r\n" + join(self.body[:count])


def bare(line):
    """A stored line without its line end."""
    if line.endswith(b"\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(b"\n") else line


def join(lines):
    """Stored lines as they go over the wire, without byte-stuffing."""
    return b"".join(bare(line) + b"\r\n" for line in lines)


def split_message(lines):
    """Headers and body; the empty line between belongs to neither."""
    for i, line in enumerate(lines):
        if bare(line) == b"":
            return lines[:i], lines[i + 1:]
    return lines, []


def split_lines(data):
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def is_internal(lines, from_line):
    """c-client's own first message, which is none."""
    header, _ = split_message(lines)
    text = b"".join(header)
    return (b"MAILER-DAEMON" in from_line + text
            and re.search(rb"(?m)^X-IMAP:", text) is not None
            and b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA" in text
            and re.search(rb"(?mi)^Received:", text) is None)


def parse(data):
    """The messages of an mbox; None if it is not one."""
    if data == b"":
        return []
    if not data.startswith(b"From "):
        return None
    starts, offset, previous = [], 0, b""
    lines = split_lines(data)
    for i, line in enumerate(lines):
        if i == 0 or (bare(previous) == b"" and FROM_LINE.fullmatch(bare(line))):
            starts.append((i, offset))
        previous = line
        offset += len(line)
    starts.append((len(lines), len(data)))
    messages = []
    for (i, start), (j, end) in zip(starts, starts[1:]):
        content = lines[i + 1:j]
        # the separator; one at the end of the file too, so that a message
        # stays the same when the next is delivered behind it
        if content and bare(content[-1]) == b"":
            content = content[:-1]
        if not messages and start == 0 and is_internal(content, lines[i]):
            continue
        messages.append(Message(start, end, content))
    return messages


def without(data, numbers):
    """What an mbox holds once messages were deleted, by message-number."""
    messages = parse(data)
    return b"".join(
        piece for n, piece in _pieces(data, messages) if n not in numbers)


def _pieces(data, messages):
    first = messages[0].start if messages else len(data)
    yield 0, data[:first]
    for n, message in enumerate(messages, 1):
        yield n, data[message.start:message.end]


# makers

def message_of(size, tag=b"1"):
    """A stored message (LF) whose wire form has exactly so many octets."""
    head = b"Subject: message " + tag + b"\n\n"
    left = size - len(join(split_lines(head)))
    if left != 0 and left < 2:
        raise ValueError(f"no message of {size} octets")
    body = []
    while left > 0:
        take = min(left, 72)
        if 0 < left - take < 2:
            take -= 2
        body.append(b"x" * (take - 2) + b"\n")
        left -= take
    return head + b"".join(body)


def mbox_of(*messages, from_line=FROM):
    """An mbox as a delivery agent writes it: an empty line after each."""
    return b"".join(from_line + (m if m.endswith(b"\n") else m + b"\n") + b"\n"
                    for m in messages)


def random_mbox(seed, count, line_end=b"\n"):
    """An mbox of every nasty form that must survive octet by octet."""
    rng = random.Random(seed)
    return b"".join(_random_message(rng, n, line_end) for n in range(count))


BODY_LINES = (
    b"", b".", b"..", b".x", b"...", b"plain text", b"From the start", b">From quoted",
    b">>From twice", b"From nobody Thu", b"lone \r return", b"\r", b"\x00nul\x00", b"\xff\xfe8-bit",
    b" leading blank", b"trailing blank ", b"\t", b"x" * 998, b"y" * 5000,
    b"From dewey@example.org " + DATE)


def _random_message(rng, number, line_end):
    lines = [b"From sender%d@example.org " % number + DATE,
             b"Message-ID: <%d.%d@example.org>" % (number, rng.randrange(1 << 60)),
             b"Subject: message %d" % number, b"X-Folded: one", b"\ttwo", b""]
    previous = b""
    for _ in range(rng.randrange(40)):
        line = rng.choice(BODY_LINES)
        # a From_ line after an empty one would start a message
        if previous == b"" and FROM_LINE.fullmatch(line):
            line = b">" + line
        if line.endswith(b"\r"):
            line += b"."
        lines.append(line)
        previous = line
    lines.append(b"")
    return line_end.join(lines) + line_end
