"""What is compared: groups of rows. Each ratio is ours divided by theirs, of medians over the rounds."""

import os
import re
import statistics
import tempfile
from dataclasses import asdict, dataclass

import lab
from measure import alternate, capturing, median, peak_memory, printed_rtts, quantile, replies_of, run
from measure import run_on_terminal, syscalls

GROUPS = {}


@dataclass
class Row:
    """One comparison. `required` is what the ratio must be, `holds` whether it is; None where nothing is required."""

    what: str
    against: str
    unit: str
    ours: float
    theirs: float | None
    ratio: float | None
    required: str
    holds: bool | None

    def line(self):
        theirs = "-" if self.theirs is None else f"{self.theirs:.4g}"
        ratio = "-" if self.ratio is None else f"{self.ratio:.3g}"
        verdict = {True: "holds", False: "FAILS", None: ""}[self.holds]
        figures = f"{self.ours:>9.4g} {theirs:>9} {self.unit:<9} {ratio:>7}"
        return f"{self.what:<58} {self.against:<11} {figures}  {self.required:<8} {verdict}".rstrip()

    def as_json(self):
        return asdict(self)


HEADER = f"{'what':<58} {'against':<11} {'ours':>9} {'theirs':>9} {'unit':<9} {'ratio':>7}  required"


@dataclass
class Bench:
    """The tools and how often each is run; `scale` shortens every run."""

    rping: str
    rtrace: str
    rpong: str
    bare: str
    rounds: int
    scale: float
    options: str

    def count(self, full):
        return max(20, int(full * self.scale))


def group(function):
    GROUPS[function.__name__] = function
    return function


def compare(what, against, unit, ours, theirs, most=None, least=None):
    ratio = ours / theirs if theirs else None
    required, holds = "", None
    if most is not None:
        required, holds = f"<= {most}", ratio is not None and ratio <= most
    if least is not None:
        required, holds = f">= {least}", ratio is not None and ratio >= least
    return Row(what, against, unit, ours, theirs, ratio, required, holds)


def limit(what, unit, ours, below):
    """A row with a limit of its own instead of a peer."""
    return Row(what, "-", unit, ours, None, None, f"< {below}", ours < below)


@group
def start(bench):
    """From start to exit of one probe to this host."""
    words = ["-c", "1", "-q", "127.0.0.1"]
    commands = {"rping": [bench.rping, *words], "ping": ["ping", *words]}
    runs = alternate(bench.rounds * 8, commands)
    walls = {name: median(of, lambda one: one.wall * 1e3) for name, of in runs.items()}
    cpus = {name: median(of, lambda one: one.cpu * 1e3) for name, of in runs.items()}
    memory = {name: peak_memory(command) / 1024 for name, command in commands.items()}
    what = "-c 1 -q 127.0.0.1"
    yield compare(f"{what}: start to exit", "ping", "ms", walls["rping"], walls["ping"], most=1.5)
    yield compare(f"{what}: CPU", "ping", "ms", cpus["rping"], cpus["ping"])
    yield compare(f"{what}: peak memory", "ping", "MiB", memory["rping"], memory["ping"])
    yield limit(f"{what}: peak memory", "MiB", memory["rping"], 8)


@group
def cpu(bench):
    """CPU, system calls and memory at a steady pace."""
    for interval, most in [(0.01, 1.25), (0.005, 0.1)]:
        count = bench.count(5 / interval)
        words = ["-q", "-i", str(interval), "-c", str(count), lab.TARGET]
        commands = {
            "rping": [bench.rping, *words],
            "ping": ["ping", *words],
            "fping": ["fping", "-q", "-p", str(round(interval * 1000)), "-c", str(count), lab.TARGET],
        }
        runs = alternate(bench.rounds, commands)
        calls = {name: syscalls(command) / count for name, command in commands.items()}
        memory = {name: peak_memory(command) / 1024 for name, command in commands.items()}
        per_probe = {name: median(of, lambda one: one.cpu / count * 1e6) for name, of in runs.items()}
        for peer in ["ping", "fping"]:
            required = most if peer == "ping" else None
            what = f"-i {interval}"
            yield compare(f"{what}: CPU per probe", peer, "us", per_probe["rping"], per_probe[peer], most=required)
            yield compare(f"{what}: system calls per probe", peer, "calls", calls["rping"], calls[peer])
            yield compare(f"{what}: peak memory", peer, "MiB", memory["rping"], memory[peer])


@group
def rtt(bench):
    """What is printed against what a capture on our link says."""
    count = bench.count(300)
    words = ["-i", "0.01", "-c", str(count), lab.TARGET]
    commands = {
        "rping": [bench.rping, *words],
        "ping": ["ping", *words],
        "fping": ["fping", "-p", "10", "-c", str(count), lab.TARGET],
    }

    def errors(command):
        def once():
            with capturing(lab.LINK) as found:
                printed = printed_rtts(run(command).output)
            wire = {sequence: found[0].rtt(sequence) for sequence in printed}
            known = [abs(printed[sequence] - rtt) / 1e3 for sequence, rtt in wire.items() if rtt is not None]
            if len(known) < count * 0.9:
                raise RuntimeError(f"{' '.join(command)}: {len(known)} of {count} RTTs to compare")
            wires = [rtt / 1e3 for rtt in wire.values() if rtt is not None]
            parts = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
            return {name: quantile(known, part) for name, part in parts.items()} | {"wire": quantile(wires, 0.5)}

        return once

    processes = 2 * os.cpu_count()
    for state, load in [("idle", 0), (f"{processes} busy processes", processes)]:
        with lab.busy(load):
            runs = alternate(bench.rounds, {name: errors(command) for name, command in commands.items()})
        wire = {name: median(of, lambda one: one["wire"]) for name, of in runs.items()}
        for which, name, most in [("p50", "median", 0.1), ("p95", "p95", None), ("p99", "p99", 0.1)]:
            of = {tool: median(each, lambda one: one[which]) for tool, each in runs.items()}
            for peer in ["ping", "fping"]:
                what = f"RTT error against the capture, {name}, {state}"
                yield compare(what, peer, "us", of["rping"], of[peer], most=most)
        yield compare(f"RTT on the wire, median, {state}", "ping", "us", wire["rping"], wire["ping"])
    yield from rest_of_error(bench, count)


def rest_of_error(bench, count):
    """Where the error is that is left: between the kernel's stamps of one request as it enters the queueing discipline and as it
    goes to the driver, because captures are made in between; the stamp of the reply is the capture's."""
    with capturing(lab.LINK) as found:
        replies = replies_of(run([bench.rping, "--json", "-i", "0.01", "-c", str(count), lab.TARGET]).output)
    errors = [(reply["rtt_ms"] * 1e6 - wire, reply["local_queue_ms"] * 1e6)
              for reply in replies if (wire := found[0].rtt(reply["sequence"])) is not None]
    if len(errors) < count * 0.9:
        raise RuntimeError(f"{len(errors)} of {count} RTTs to compare")
    # Either is rounded to a nanosecond.
    within = sum(-2 <= error <= queue + 2 for error, queue in errors) / len(errors)
    what = "RTT less the capture's: median, before rounding"
    yield compare(what, "-", "us", quantile([error / 1e3 for error, _ in errors], 0.5), None)
    yield limit("RTTs whose error is not within the kernel's two stamps", "%", (1 - within) * 100, 1)



@group
def pace(bench):
    """Intervals between requests as captured, against what was asked for."""
    for interval, full in [(0.001, 1000), (0.01, 300), (0.1, 30)]:
        count = bench.count(full)
        words = ["-q", "-i", str(interval), "-c", str(count), lab.TARGET]
        commands = {
            "rping": [bench.rping, *words],
            "ping": ["ping", *words],
            "fping": ["fping", "-q", "-p", str(round(interval * 1000)), "-c", str(count), lab.TARGET],
        }

        def errors(command):
            def once():
                with capturing(lab.LINK) as found:
                    run(command)
                intervals = found[0].intervals()
                each = [abs(one - interval) / interval * 100 for one in intervals]
                drift = abs(statistics.mean(intervals) - interval) / interval * 100
                return {"drift": drift, "each": statistics.mean(each), "p99": quantile(each, 0.99)}

            return once

        runs = alternate(bench.rounds, {name: errors(command) for name, command in commands.items()})
        name = f"-i {interval}"
        for key, what, below in [
            ("drift", "error of the mean interval", 1),
            ("each", "mean error of an interval", 1),
            ("p99", "error of an interval, p99", None),
        ]:
            of = {tool: median(each, lambda one: one[key]) for tool, each in runs.items()}
            if below is not None:
                yield limit(f"{name}: {what}", "%", of["rping"], below)
            for peer in ["ping", "fping"]:
                yield compare(f"{name}: {what}", peer, "%", of["rping"], of[peer])


@group
def sweep(bench):
    """One probe to each address of a /16."""
    if "--alive" not in bench.options:
        return
    addresses = 65_534
    words = ["--alive", "--retry", "0", "--rate", "max"]
    commands = {
        "rping": [bench.rping, *words, lab.PREFIX],
        "fping": ["fping", "-a", "-q", "-r", "0", "-i", "0", "-g", lab.PREFIX],
        "bare": [bench.bare, "sweep", lab.PREFIX],
    }
    if "--workers" in bench.options:
        commands["rping 2"] = [bench.rping, *words, "--workers", "2", lab.PREFIX]
        commands["bare 2"] = [bench.bare, "sweep", lab.PREFIX, "--threads", "2"]
    runs = alternate(bench.rounds, commands)
    found = {name: median(of, lambda one: len(one.output.split())) for name, of in runs.items() if "bare" not in name}
    rates = {name: median(of, lambda one: addresses / one.wall / 1e3) for name, of in runs.items()}
    cpus = {name: median(of, lambda one: one.cpu) for name, of in runs.items()}
    memory = {name: peak_memory(commands[name]) / 1024 for name in ["rping", "fping"]}
    yield compare("sweep of a /16: rate", "bare", "1000/s", rates["rping"], rates["bare"], least=0.9)
    yield compare("sweep of a /16: CPU", "bare", "s", cpus["rping"], cpus["bare"], most=1.111)
    yield compare("sweep of a /16: found", "all", "hosts", found["rping"], addresses, least=1)
    yield compare("sweep of a /16: rate", "fping", "1000/s", rates["rping"], rates["fping"], least=1.5)
    yield compare("sweep of a /16: CPU", "fping", "s", cpus["rping"], cpus["fping"], most=0.667)
    yield compare("sweep of a /16: peak memory", "fping", "MiB", memory["rping"], memory["fping"], most=0.5)
    if "rping 2" in rates:
        what = "sweep of a /16, --workers 2"
        yield compare(f"{what}: rate", "bare", "1000/s", rates["rping 2"], rates["bare"], least=1.35)
        yield compare(f"{what}: rate", "bare, 2", "1000/s", rates["rping 2"], rates["bare 2"])
        yield compare(f"{what}: found", "all", "hosts", found["rping 2"], addresses, least=1)


@group
def scan(bench):
    """Sweeps against what one thread can do at all: nothing answers, everything is paced, everything is JSON."""
    words = [bench.rping, "--rate", "max"]
    silent = {
        "rping": [*words, "--alive", "--retry", "0", lab.PREFIX],
        "bare": [bench.bare, "send", lab.PREFIX],
    }
    million = [*words, "--alive", "--retry", "0", lab.MILLION]
    with lab.silence():
        runs = alternate(bench.rounds, silent)
        cpus = {name: median(of, lambda one: one.cpu) for name, of in runs.items()}
        yield compare("silent /16: CPU", "bare send", "s", cpus["rping"], cpus["bare"], most=1.15)
        yield limit("a million silent targets: peak memory", "MiB", peak_memory(million) / 1024, 20)
    answering = {
        "alive": [*words, "--alive", lab.PREFIX],
        "paced": [bench.rping, "--alive", "--rate", "20000", lab.PREFIX],
        "json": [*words, "--json", lab.PREFIX],
        "brief": [*words, "--json=brief", lab.PREFIX],
    }
    runs = alternate(bench.rounds, answering)
    cpus = {name: median(of, lambda one: one.cpu) for name, of in runs.items()}
    switches = {name: median(of, lambda one: one.switches) for name, of in runs.items()}
    for name, what, most in [("paced", "--rate 20000", 1.5), ("json", "--json", 1.6), ("brief", "--json=brief", 1.25)]:
        yield compare(f"answering /16, {what}: CPU", "--rate max", "s", cpus[name], cpus["alive"], most=most)
    what = "answering /16, --rate 20000: context switches"
    yield compare(what, "--rate max", "times", switches["paced"], switches["alive"])


@group
def ports(bench):
    """One SYN to each address of a /16, at a port that is open and at one that is closed."""
    addresses = 65_534
    words = [bench.rping, "--rate", "max", "--retry", "0"]
    router = lab.link_address("target", "up0")
    zmap = ["zmap", "-q", "-i", lab.LINK, "-G", router, "-S", lab.US, "-b", "/dev/null", "-r", "150000", "-c", "2"]
    zmap += ["-O", "csv", "--output-filter=repeat = 0", "-f", "classification", "-o", "-"]
    for state, port, marks in [
        ("open", lab.TCP_PORT, {"rping": "^198", "zmap": "^synack"}),
        ("closed", lab.TCP_PORT + 1, {"rping": "refused$", "zmap": "^rst"}),
    ]:
        commands = {
            "rping": [*words, *(["--alive"] if state == "open" else []), f"--tcp={port}", lab.PREFIX],
            "zmap": [*zmap, "-p", str(port), lab.PREFIX],
        }
        with lab.listener(bench.rpong):
            runs = alternate(bench.rounds, commands)
            memory = {name: peak_memory(command) / 1024 for name, command in commands.items()}
        cpus = {name: median(of, lambda one: one.cpu / addresses * 1e6) for name, of in runs.items()}
        found = {name: median(of, lambda one: lines(one.output, marks[name])) for name, of in runs.items()}
        what = f"a port of a /16, {state}"
        yield compare(f"{what}: found", "all", "hosts", found["rping"], addresses, least=1)
        yield limit(f"{what}: CPU per probe", "us", cpus["rping"], 10)
        yield limit(f"{what}: peak memory", "MiB", memory["rping"], 20)
        yield compare(f"{what}: found", "zmap", "hosts", found["rping"], found["zmap"])
        yield compare(f"{what}: CPU per probe", "zmap", "us", cpus["rping"], cpus["zmap"])
        yield compare(f"{what}: peak memory", "zmap", "MiB", memory["rping"], memory["zmap"])
    yield from states(bench, addresses)


def states(bench, addresses):
    """The same where nothing answers, over UDP, and by connections of a user without privileges."""
    words = ["--rate", "max", "--retry", "0"]
    # A user may not flood.
    paced = ["--rate", "1000000", "--retry", "0"]
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    closed = str(lab.TCP_PORT + 1)
    with lab.listener(bench.rpong):
        yield from state(bench, "a UDP port of a /16, closed", [*words, "--udp=9"], "refused$", addresses)
        for what, port, mark in [("open", str(lab.TCP_PORT), " : open,"), ("closed", closed, "refused$")]:
            what = f"a port of a /16 by connections, {what}"
            yield from state(bench, what, [*paced, f"--tcp={port}"], mark, addresses, None, user)
    with lab.silence():
        yield from state(bench, "a port of a /16, silent", [*words, f"--tcp={closed}"], " : filtered,", addresses)
        what = "a UDP port of a /16, silent"
        yield from state(bench, what, [*words, "--udp=9"], "0/100%$", addresses)


def state(bench, what, words, mark, addresses, most=10, before=()):
    """What one sweep of the /16 finds and costs; connections are the kernel's work."""
    command = [*before, bench.rping, *words, lab.PREFIX]
    runs = alternate(bench.rounds, {"rping": command})["rping"]
    found = median(runs, lambda one: lines(one.output, mark))
    yield compare(f"{what}: found", "all", "hosts", found, addresses, least=1)
    cpu = median(runs, lambda one: one.cpu / addresses * 1e6)
    what_it_costs = f"{what}: CPU per probe"
    yield limit(what_it_costs, "us", cpu, most) if most else compare(what_it_costs, "-", "us", cpu, None)
    yield limit(f"{what}: peak memory", "MiB", peak_memory(command) / 1024, 20)


def lines(text, mark):
    return len(re.findall(mark, text, re.MULTILINE))


@group
def traces(bench):
    """Traces to many targets, and one over a long path with silent routers."""
    targets, all_targets = bench.count(16_384), bench.count(65_536)
    with tempfile.NamedTemporaryFile("w") as listed:
        listed.write("".join(f"198.18.{n >> 8}.{n & 255}\n" for n in range(all_targets)))
        listed.flush()
        command = [bench.rtrace, "-n", "-I", "-q", "1", "--rate", "max", "--targets", listed.name]
        probes = all_targets * lab.HOPS
        runs = alternate(bench.rounds, {"rtrace": command})["rtrace"]
        what = f"{all_targets} traces through {lab.HOPS} hops"
        reached = median(runs, lambda one: lines(one.output, rf"^{lab.HOPS:2}  198\.18\."))
        yield compare(f"{what}: destinations reached", "all", "hosts", reached, all_targets, least=1)
        yield limit(f"{what}: user time per probe", "us", median(runs, lambda one: one.user / probes * 1e6), 2)
        yield limit(f"{what}: peak memory", "MiB", peak_memory(command) / 1024, 20)
    with tempfile.NamedTemporaryFile("w") as listed:
        listed.write("".join(f"198.18.{n >> 8}.{n & 255}\n" for n in range(targets)))
        listed.flush()
        many = {
            "rtrace": [bench.rtrace, "-n", "-I", "-q", "1", "--rate", "max", "--targets", listed.name],
            "scamper": ["scamper", "-p", "10000", "-c", "trace -P icmp-paris -q 1", "-f", listed.name],
        }
        runs = alternate(bench.rounds, many)
        bare = alternate(bench.rounds, {"bare": [bench.bare, "send", "198.18.0.0/18", "--ttls", str(lab.HOPS)]})
        cpus = {name: median(of, lambda one: one.cpu / targets * 1e6) for name, of in runs.items()}
        limit_of_sending = median(bare["bare"], lambda one: one.cpu / 16_384 * 1e6)
        memory = {name: peak_memory(command) / 1024 for name, command in many.items()}
    what = f"{targets} traces through {lab.HOPS} hops"
    yield compare(f"{what}: CPU per trace", "scamper", "us", cpus["rtrace"], cpus["scamper"])
    yield compare(f"{what}: CPU per trace", "bare send", "us", cpus["rtrace"], limit_of_sending)
    # The routers of the lab work inside the system calls that send.
    without = {name: cpu - limit_of_sending for name, cpu in cpus.items()}
    what_else = f"{what}: CPU per trace without sending"
    yield compare(what_else, "scamper", "us", without["rtrace"], without["scamper"], most=0.5)
    yield compare(f"{what}: peak memory", "scamper", "MiB", memory["rtrace"], memory["scamper"])
    words = [lab.FAR_END]
    one = {"rtrace": [bench.rtrace, "-n", *words], "traceroute": ["traceroute", "-n", *words]}
    with lab.far():
        runs = alternate(bench.rounds, one)
    walls = {name: median(of, lambda one: one.wall * 1e3) for name, of in runs.items()}
    what = f"path of {lab.FAR_HOPS} hops, 90 ms, silent routers: wall time"
    yield compare(what, "traceroute", "ms", walls["rtrace"], walls["traceroute"])
    yield limit(what, "ms", walls["rtrace"], 150)


@group
def flood(bench):
    """Round trips to one address, as fast as it goes."""
    count = bench.count(100_000)
    # strace is slow.
    few = count // 10

    def words(count):
        return ["-f", "-q", "-c", str(count), lab.TARGET]

    commands = {
        "rping": [bench.rping, *words(count)],
        "ping": ["ping", *words(count)],
        "bare": [bench.bare, "flood", lab.TARGET, str(count)],
    }
    runs = alternate(bench.rounds, commands)
    rates = {name: median(of, lambda one: count / one.wall / 1e3) for name, of in runs.items()}
    cpus = {name: median(of, lambda one: one.cpu / count * 1e6) for name, of in runs.items()}
    calls = {name: syscalls([commands[name][0], *words(few)]) / few for name in ["rping", "ping"]}
    yield compare("-f: round trips", "ping", "1000/s", rates["rping"], rates["ping"], least=1.1)
    yield compare("-f: round trips", "bare", "1000/s", rates["rping"], rates["bare"], least=0.9)
    yield compare("-f: CPU per probe", "ping", "us", cpus["rping"], cpus["ping"])
    yield compare("-f: system calls per probe", "ping", "calls", calls["rping"], calls["ping"])


@group
def tcp(bench):
    """Connections to an open port."""
    count = bench.count(200)
    port, probes = str(lab.TCP_PORT), str(count)
    commands = {
        "rping": [bench.rping, f"--tcp={port}", "-q", "-i", "0.01", "-c", probes, lab.TARGET],
        "nping": ["nping", "--tcp-connect", "-p", port, "-q", "--delay", "10ms", "-c", probes, lab.TARGET],
    }
    with lab.listener(bench.rpong):
        runs = alternate(bench.rounds, commands)
        calls = {name: syscalls(command) / count for name, command in commands.items()}
        memory = {name: peak_memory(command) / 1024 for name, command in commands.items()}
    walls = {name: median(of, lambda one: one.wall) for name, of in runs.items()}
    cpus = {name: median(of, lambda one: one.cpu / count * 1e6) for name, of in runs.items()}
    yield compare("--tcp at 10 ms: wall time", "nping", "s", walls["rping"], walls["nping"])
    yield compare("--tcp at 10 ms: CPU per probe", "nping", "us", cpus["rping"], cpus["nping"])
    yield compare("--tcp at 10 ms: system calls per probe", "nping", "calls", calls["rping"], calls["nping"])
    yield compare("--tcp at 10 ms: peak memory", "nping", "MiB", memory["rping"], memory["nping"])


@group
def path(bench):
    """The path over a chain of routers, three probes a hop."""
    commands = {
        "rtrace": [bench.rtrace, "-n", lab.CHAIN_END],
        "traceroute": ["traceroute", "-n", "-I", lab.CHAIN_END],
        "mtr": ["mtr", "-n", "-r", "-c", "3", "-i", "0.1", lab.CHAIN_END],
    }
    runs = alternate(bench.rounds, commands)
    walls = {name: median(of, lambda one: one.wall * 1e3) for name, of in runs.items()}
    cpus = {name: median(of, lambda one: one.cpu * 1e3) for name, of in runs.items()}
    memory = {name: peak_memory(command) / 1024 for name, command in commands.items()}
    for name, of in runs.items():
        if lab.CHAIN_END not in of[-1].output.splitlines()[-1]:
            raise RuntimeError(f"{name} did not reach the end: {of[-1].output}")
    for peer in ["traceroute", "mtr"]:
        what = f"path of {lab.HOPS} hops"
        yield compare(f"{what}: wall time", peer, "ms", walls["rtrace"], walls[peer])
        yield compare(f"{what}: CPU", peer, "ms", cpus["rtrace"], cpus[peer])
        yield compare(f"{what}: peak memory", peer, "MiB", memory["rtrace"], memory[peer])


@group
def live(bench):
    """A long path watched on a terminal of 120 by 40, once a second. One run each, as it takes a minute."""
    cycles = str(bench.count(60))
    commands = {
        "rtrace": [bench.rtrace, "--live", "-n", "-c", cycles, lab.FAR_END],
        "mtr": ["mtr", "-n", "-c", cycles, lab.FAR_END],
    }
    with lab.far():
        runs = {name: run_on_terminal(command) for name, command in commands.items()}
    cpus = {name: one.cpu * 1e3 for name, (one, _) in runs.items()}
    memory = {name: peak / 1024 for name, (_, peak) in runs.items()}
    what = f"live view of {lab.FAR_HOPS} hops, {cycles} cycles"
    yield compare(f"{what}: CPU", "mtr", "ms", cpus["rtrace"], cpus["mtr"], most=1.5)
    yield compare(f"{what}: peak memory", "mtr", "MiB", memory["rtrace"], memory["mtr"])
    yield limit(f"{what}: peak memory", "MiB", memory["rtrace"], 15)
