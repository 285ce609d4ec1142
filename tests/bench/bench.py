"""make bench: Poplar, the peers that can be started, and the reference loops,
in one run on one machine; a table with ratios, JSON and plots.

bench.py [--quick] [--only NAME,...] [--alone] [--dir DIR]
  --quick  smaller mailboxes, less of the peers, no plots: under two minutes
  --only   only measures with one of these words in their names, no plots
  --alone  without the peers
  --dir    maildrops of all servers and of the loops there: measures that file system
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import peers  # noqa: E402
import series  # noqa: E402
import tools  # noqa: E402
from measures import MEASURES, QUICK_FOR_PEERS, Run  # noqa: E402
from servers import Loop, Poplar  # noqa: E402
from table import lines  # noqa: E402
from tools import BIN, MEGABYTE, WORK, MeasureError, mailbox  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--only", default="", type=lambda text: text.split(","))
    parser.add_argument("--dir", type=pathlib.Path)
    return parser.parse_args()


def certificate():
    """Key and certificate in one file, ECDSA P-256."""
    path = WORK / "certificate.pem"
    if not path.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                        "-days", "3650", "-keyout", path, "-out", f"{path}.crt"],
                       check=True, stderr=subprocess.DEVNULL)
        with open(path, "ab") as file:
            file.write((WORK / "certificate.pem.crt").read_bytes())
    return path


def say(text):
    print(text, file=sys.stderr, flush=True)


def start_all(options, unable):
    """Servers that started; the loop first."""
    servers = [Loop(BIN / "loop", mailbox(2000, 100 * MEGABYTE), certificate()),
               Poplar(certificate())]
    reasons = {}
    if not options.alone:
        for peer in peers.PEERS:
            if unable:
                reasons[peer.name] = unable
                continue
            try:
                servers.append(peer(certificate()))
            except (MeasureError, OSError, subprocess.SubprocessError) as error:
                reasons[peer.name] = str(error)
    return servers, reasons


def measure(run, work, server, figures, reasons):
    begin = time.monotonic()
    try:
        figures.setdefault(server.name, {}).update(work(run, server))
    except (MeasureError, subprocess.TimeoutExpired) as error:
        reasons[f"{server.name}: {work.__name__}"] = str(error)[:200]
    say(f"{time.monotonic() - begin:7.1f} s  {server.name}: {work.__name__}")


def measure_all(run, servers, only, reasons):
    figures = {server.name: {} for server in servers}
    loop, *others = servers
    for loop_work, work in MEASURES:
        if not any(word in work.__name__ for word in only):
            continue
        if loop_work:
            measure(run, loop_work, loop, figures, reasons)
        for server in others:
            if run.quick and isinstance(server, peers.Peer) and work not in QUICK_FOR_PEERS:
                continue
            if server.asked(work.__name__):
                measure(run, work, server, figures, reasons)
    return figures


def machine():
    model = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo")
             if line.startswith("model name")]
    return {"cpu": model[0] if model else "?", "cores": os.cpu_count(),
            "kernel": platform.release(), "load": os.getloadavg()[0],
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEGABYTE}


def report(run, figures, reasons):
    print("\n".join(lines(figures, run.huge)))
    for name, reason in reasons.items():
        print(f"not measured: {name}: {reason}")
    for name, (count, total) in run.wrong.items():
        print(f"not octet-exact: {name}: {count} of {total}")
    if not any(name.startswith("Poplar") for name in run.wrong):
        print("Poplar sent every message octet-exact")
    for key, what in (("loop_processes", "nothing"), ("loop_tls", "nothing but TLS")):
        for count in (2, 3):
            rate = figures["loop"].get(f"{key}_{count}")
            if rate is not None:
                print(f"{count} processes a session that do {what}, with Poplar's libraries: "
                      f"{rate / figures['loop']['loop_sessions']:.2f} of the loop's sessions")
    shares = ", ".join(f"{name} {share:.2f}" for name, share in run.cpu.items()
                       if name.startswith(("Poplar", "loop")))
    print(f"the client's share of one CPU: {shares}")


def write_json(run, figures, reasons, before):
    path = WORK / ("quick.json" if run.quick else "bench.json")
    path.write_text(json.dumps(
        {"machine": before, "figures": figures, "not_measured": reasons,
         "wrong": run.wrong, "client_cpu": run.cpu}, indent=1))
    print(f"wrote {path}")


def main():
    options = arguments()
    run = Run(options.quick, say)
    unable = "not asked for" if options.alone else peers.isolate()
    if options.dir:
        tools.place = options.dir.resolve()
        tempfile.tempdir = str(tools.place)
    WORK.mkdir(parents=True, exist_ok=True)
    before = machine()
    servers, reasons = start_all(options, unable)
    try:
        figures = measure_all(run, servers, options.only, reasons)
        report(run, figures, reasons)
        write_json(run, figures, reasons, before)
        if not options.quick and not options.only[0]:
            series.draw(series.measure_series(run, servers[1:]))
    finally:
        for server in servers:
            server.stop()
        if options.dir:
            shutil.rmtree(tools.place / "peers", ignore_errors=True)


if __name__ == "__main__":
    main()
