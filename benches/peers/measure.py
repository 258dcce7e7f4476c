"""What one run of a command costs, and what a capture says of it."""

import fcntl
import json
import math
import os
import pty
import re
import signal
import statistics
import struct
import subprocess
import tempfile
import termios
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Run:
    """One run. Times are seconds."""

    wall: float
    cpu: float
    user: float
    status: int
    output: str
    switches: int


def run(command):
    """Runs a command to its end."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: status {process.returncode}: {text[-400:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, usage.ru_utime, process.returncode, text, usage.ru_nvcsw)


def run_on_terminal(command, columns=120, rows=40):
    """Runs a command to its end on a terminal of this size, all of which is read; gives the run, and its peak memory in KiB. Its CPU
    has that of time(1) in it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # What a view writes is not what it costs.
    environment = os.environ | {"TERM": "xterm", "LANG": "C.UTF-8"}
    with tempfile.NamedTemporaryFile("r") as figure:
        command = ["/usr/bin/time", "-q", "-f", "%M", "-o", figure.name, *command]
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        started = time.perf_counter()
        process = subprocess.Popen(command, start_new_session=True, env=environment, **streams)
        os.close(theirs)
        written = b""
        # A terminal without a program on its other side ends with an error.
        with suppress(OSError):
            while octets := os.read(ours, 65536):
                written = (written + octets)[-65536:]
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        os.close(ours)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(command)}: status {process.returncode}: {written[-400:]}")
        cpu = usage.ru_utime + usage.ru_stime
        one = Run(wall, cpu, usage.ru_utime, process.returncode, written.decode(errors="replace"), usage.ru_nvcsw)
        return one, int(figure.read().split()[-1])


def alternate(rounds, commands):
    """Runs each of the named commands in turn, so many times after a first that is not counted. Gives lists by name."""
    runs = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            result = command() if callable(command) else run(command)
            if turn > 0:
                runs[name].append(result)
    return runs


def median(runs, value):
    return statistics.median(value(one) for one in runs)


def peak_memory(command):
    """Peak resident memory in KiB, by time(1): a child's starts with that of its parent, and Python is large."""
    with tempfile.NamedTemporaryFile("r") as figure:
        run(["/usr/bin/time", "-q", "-f", "%M", "-o", figure.name, *command])
        return int(figure.read().split()[-1])


def syscalls(command):
    """System calls of all threads."""
    with tempfile.NamedTemporaryFile("r") as table:
        run(["strace", "-f", "-c", "-o", table.name, *command])
        total = re.search(r"^100\.00 +\S+ +(?:\d+ +)?(\d+) +(?:\d+ +)?total$", table.read(), re.MULTILINE)
        return int(total.group(1))


@dataclass
class Capture:
    """When each echo request left and each reply came, by sequence number, in nanoseconds."""

    requests: dict
    replies: dict

    def rtt(self, sequence):
        """In nanoseconds, None if either packet is missing."""
        if sequence in self.requests and sequence in self.replies:
            return self.replies[sequence] - self.requests[sequence]
        return None

    def intervals(self):
        """Between requests, in seconds."""
        times = sorted(self.requests.values())
        return [(later - earlier) / 1e9 for earlier, later in zip(times, times[1:])]


@contextmanager
def capturing(interface):
    """Captures echo packets; the block is given a list in which the Capture stands afterwards."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "packets")
        command = ["tcpdump", "-n", "-Z", "root", "-i", interface, "--time-stamp-precision=nano"]
        command += ["--immediate-mode", "-B", "16384", "-w", str(file), "icmp"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                while "listening on" not in process.stderr.readline():
                    if process.poll() is not None:
                        raise RuntimeError("tcpdump did not start")
                yield found
                # What the kernel has not handed over yet comes within its block time-out.
                time.sleep(0.1)
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate()
        found.append(read_capture(file.read_bytes()))


def read_capture(octets):
    """Reads a pcap file with nanoseconds: pcap-savefile(5)."""
    magic, link = struct.unpack("=I16xI", octets[:24])
    if magic != 0xA1B23C4D or link != 1:
        raise RuntimeError("not an Ethernet capture with nanoseconds")
    requests, replies, at = {}, {}, 24
    while at + 16 <= len(octets):
        seconds, nanoseconds, length, _ = struct.unpack_from("=IIII", octets, at)
        packet = octets[at + 16 : at + 16 + length]
        at += 16 + length
        icmp = 14 + (packet[14] & 15) * 4
        if packet[12:14] != b"\x08\x00" or len(packet) < icmp + 8:
            continue
        sequence = struct.unpack_from("!H", packet, icmp + 6)[0]
        times = {8: requests, 0: replies}.get(packet[icmp])
        if times is not None:
            times.setdefault(sequence, seconds * 10**9 + nanoseconds)
    return Capture(requests, replies)


def printed_rtts(text):
    """The RTTs that ping, rping or fping printed, by sequence number, in nanoseconds."""
    lines = re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms|\[(\d+)\], .* ([\d.]+) ms", text)
    return {int(a or c): float(b or d) * 1e6 for a, b, c, d in lines}


def replies_of(text):
    """The objects of type `reply` in JSON lines."""
    return [line for line in map(json.loads, text.splitlines()) if line["type"] == "reply"]


def quantile(values, part):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
