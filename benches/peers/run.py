#!/usr/bin/env python3
"""Compares rping and rtrace with their peers in a lab of network namespaces. See README.md beside this file."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import lab
import rows

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benches" / "results"
# Programs that are run, and the package each is in.
PEERS = {
    "ping": "iputils-ping",
    "fping": "fping",
    "traceroute": "traceroute",
    "mtr": "mtr-tiny",
    "nping": "nmap",
    "tcpdump": "tcpdump",
    "strace": "strace",
    "ip": "iproute2",
    "nft": "nftables",
    "scamper": "scamper",
    "zmap": "zmap",
    "unshare": "util-linux",
    "sysctl": "procps",
    "time": "time",
}
VERSIONS = [["ping", "-V"], ["fping", "-v"], ["traceroute", "-V"], ["mtr", "--version"], ["nping", "--version"]]
VERSIONS += [["scamper", "-v"], ["zmap", "--version"]]


def main():
    options = arguments()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        sys.exit("namespaces, captures and floods need root")
    if options.inside is None:
        install()
        os.environ["NETPROBE_BENCH_BARE"] = build()
        lab.enter(Path(__file__).resolve(), sys.argv[1:])
    lab.require_inside(options.inside)
    lab.build()
    results(options)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"only these of {', '.join(rows.GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="one short round of each: to see that it works")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison (default 5)")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.groups) - set(rows.GROUPS):
        parser.error(f"no such group: {', '.join(unknown)}")
    return options


def install():
    missing = sorted({package for program, package in PEERS.items() if shutil.which(program) is None})
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in [["update"], ["install", "-y", "--no-install-recommends", *missing]]:
            subprocess.run(["apt-get", "-q", *words], check=True, env=environment)


def build():
    """Builds the tools and the bare loop; gives the path of the latter."""
    subprocess.run(["cargo", "build", "--locked", "--release", "--bins"], check=True, cwd=REPOSITORY)
    command = ["cargo", "bench", "--locked", "--no-run", "--bench", "bare", "--message-format", "json"]
    messages = subprocess.run(command, check=True, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    return next(one["executable"] for one in artifacts if one.get("target", {}).get("name") == "bare")


def results(options):
    """Measures, prints each row as it is known, and keeps a full run."""
    release = REPOSITORY / "target" / "release"
    tools = {name: str(release / name) for name in ["rping", "rtrace", "rpong"]}
    bench = rows.Bench(
        **tools,
        bare=os.environ["NETPROBE_BENCH_BARE"],
        rounds=1 if options.quick else options.rounds,
        scale=0.1 if options.quick else 1,
        options=subprocess.run([tools["rping"], "--help"], check=True, capture_output=True, text=True).stdout,
    )
    about = machine()
    lines = [f"{key}: {value}" for key, value in about.items()] + ["", rows.HEADER]
    print("\n".join(lines), flush=True)
    kept = []
    for name in options.groups or rows.GROUPS:
        for row in rows.GROUPS[name](bench):
            kept.append(row)
            lines.append(row.line())
            print(lines[-1], flush=True)
    failed = sum(row.holds is False for row in kept)
    lines.append(f"\n{sum(row.holds is True for row in kept)} requirements hold, {failed} do not")
    print(lines[-1])
    if not options.groups and not options.quick:
        RESULTS.mkdir(exist_ok=True)
        stem = RESULTS / f"{about['date'][:10]}-{about['commit']}"
        stem.with_suffix(".txt").write_text("\n".join(lines) + "\n")
        rows_as_json = [row.as_json() for row in kept]
        stem.with_suffix(".json").write_text(json.dumps({"machine": about, "rows": rows_as_json}, indent=1) + "\n")
        print(f"kept as {stem.relative_to(REPOSITORY)}.txt and .json")


def machine():
    """What the figures depend on."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": git("describe", "--always", "--dirty", "--exclude=*"),
        "cpu": f"{os.cpu_count()} x {cpu}",
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "peers": "; ".join(version(command) for command in VERSIONS),
    }


def git(*words):
    command = ["git", "-c", f"safe.directory={REPOSITORY}", "-C", str(REPOSITORY), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def version(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0].strip() if lines else command[0]


if __name__ == "__main__":
    main()
