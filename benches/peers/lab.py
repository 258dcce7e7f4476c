"""The lab: a network of namespaces without a way out. All of it, and every process in it, ends with this program,
however it ends: the namespaces have no other owner than it, and it is the first process of a PID namespace."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

# The address that is probed, in the prefix (RFC 2544, for benchmarks) that the target answers as a whole.
PREFIX = "198.19.0.0/16"
TARGET = "198.19.3.4"
# Our side of the link, and its name: captures are taken here.
LINK = "lab0"
US = "192.0.2.1"
# Nine routers and the end of their chain, which is a host: a probe of each TTL has one to answer it.
HOPS = 10
CHAIN_END = f"10.9.{HOPS}.2"
TCP_PORT = 80
# A prefix of a million other addresses, which is routed to the same target.
MILLION = "10.16.0.0/12"
# What the end of the chain answers for, too.
BEHIND = "198.18.0.0/16"
# A long path (far.py): routers before its end and it, its end, the delay of each hop in milliseconds, those that say nothing.
FAR_HOPS = 15
FAR_END = "198.51.100.9"
FAR_DELAY = 6
FAR_SILENT = [5, 11]


def enter(script, arguments):
    """Starts the script again inside, and ends with its status."""
    outside = os.stat("/proc/self/ns/net").st_ino
    unshare = ["unshare", "--net", "--mount", "--propagation", "private"]
    unshare += ["--pid", "--fork", "--kill-child", "--mount-proc"]
    again = [*unshare, "--", sys.executable, str(script), *arguments, "--inside", str(outside)]
    os.execvp(again[0], again)


def require_inside(outside):
    """Ends the program unless it is in a fresh network namespace: nothing here may ever probe a real network."""
    links = [link["ifname"] for link in json.loads(ip("-j", "link"))]
    if os.stat("/proc/self/ns/net").st_ino == outside or links != ["lo"] or ip("route").strip():
        sys.exit("this is no namespace of its own; nothing was sent")


def build():
    """Us, one link away a target that answers as a whole prefix; and a chain of routers."""
    Path("/run/netns").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=True)
    ip("link", "set", "lo", "up")
    settle(None)
    host("target")
    join(None, LINK, f"{US}/24", "target", "up0", "192.0.2.2/24")
    ip("-n", "target", "route", "add", "local", PREFIX, "dev", "lo")
    for prefix in [PREFIX, MILLION]:
        ip("route", "add", prefix, "via", "192.0.2.2")
    chain("hop", "10.9", HOPS, CHAIN_END, BEHIND)


def chain(prefix, net, hops, end, behind):
    """Routers one after the other, the last of which has the address of the end."""
    before = None
    for hop in range(1, hops + 1):
        name = f"{prefix}{hop}"
        host(name)
        join(before, f"{prefix}d{hop}", f"{net}.{hop}.1/24", name, f"{prefix}u{hop}", f"{net}.{hop}.2/24")
        ip("-n", name, "route", "add", "default", "via", f"{net}.{hop}.1")
        if hop < hops:
            inner(before, "route", "add", end, "via", f"{net}.{hop}.2")
        inner(before, "route", "add", behind, "via", f"{net}.{hop}.2")
        before = name
    ip("-n", before, "route", "add", "local", behind, "dev", "lo")


@contextmanager
def far():
    """The long path."""
    silent = ",".join(map(str, FAR_SILENT))
    script = Path(__file__).with_name("far.py")
    command = [sys.executable, str(script), "far0", str(FAR_HOPS), str(FAR_DELAY), silent]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        ip("addr", "add", "10.8.255.1/24", "dev", "far0")
        ip("link", "set", "far0", "up")
        ip("route", "add", FAR_END, "dev", "far0")
        yield
    finally:
        end(process)


@contextmanager
def silence():
    """The target answers no probe."""
    rules = "add table ip f; add chain ip f pre { type filter hook prerouting priority -400; }; "
    nft("target", rules + "add rule ip f pre iif != lo meta l4proto { icmp, tcp, udp } drop")
    yield
    nft("target", "delete table ip f")


def link_address(name, interface):
    """What has its own network stack must be told where packets go."""
    return json.loads(ip(*(["-n", name] if name else []), "-j", "link", "show", interface))[0]["address"]


def nft(name, rules):
    subprocess.run([*inside(name), "nft", rules], check=True)


def inside(name):
    return ["ip", "netns", "exec", name] if name else []


@contextmanager
def listener(rpong):
    """An open TCP port at the target."""
    command = ["ip", "netns", "exec", "target", str(rpong), "-q", "--tcp", str(TCP_PORT)]
    with running(command, stderr=subprocess.DEVNULL) as process:
        for _ in range(100):
            listening = ip("netns", "exec", "target", "ss", "-Hltn")
            if f":{TCP_PORT} " in listening:
                break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"{command} does not listen, status {process.poll()}")
        yield


@contextmanager
def busy(processes):
    """So many processes that only burn time."""
    with_all = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in with_all:
            end(process)


@contextmanager
def running(command, **options):
    """A process that ends with the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        end(process)


def end(process):
    process.kill()
    process.wait()


def host(name):
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")
    settle(name)


def settle(name):
    """Forwards, answers every probe, and does not talk by itself."""
    values = ["net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0", "net.ipv6.conf.all.disable_ipv6=1"]
    # Of all errors together.
    values += ["net.ipv4.icmp_msgs_per_sec=100000000", "net.ipv4.icmp_msgs_burst=1000000"]
    subprocess.run([*inside(name), "sysctl", "-qew", *values], check=True)


def join(here, device, address, there, far_device, far_address):
    inner(here, "link", "add", device, "type", "veth", "peer", "name", far_device, "netns", there)
    inner(here, "addr", "add", address, "dev", device)
    ip("-n", there, "addr", "add", far_address, "dev", far_device)
    inner(here, "link", "set", device, "up")
    ip("-n", there, "link", "set", far_device, "up")


def inner(name, *arguments):
    """`ip` in a namespace, or in ours."""
    return ip(*(["-n", name] if name else []), *arguments)


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
