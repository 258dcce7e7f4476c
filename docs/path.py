"""A path of routers between two TUN devices, with delays, losses and faults: what a document shows happens here.

Packets from the near device go through every router to the far one, and back. A router answers a packet whose TTL ends at it, and
one that is too large for the next link; everything else is the far host's own kernel. IPv4 only."""

import heapq
import os
import random
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from fcntl import ioctl

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
ECHO_REPLY, ECHO_REQUEST = 0, 8
TIME_EXCEEDED, UNREACHABLE, FRAGMENTATION_NEEDED = 11, 3, 4


@dataclass
class Router:
    """One hop. Times are in milliseconds and count one way, from the router before."""

    addresses: list
    delay: float
    jitter: float = 0.1
    silent: bool = False
    # Answers this many of ten probes.
    answers: int = 10
    # Drops this many of a hundred packets that pass it on their way out, evenly for each TTL they left with.
    loss: float = 0
    # The link beyond it takes packets of this size, and whether it says so.
    mtu: int = 1500
    says_mtu: bool = True
    labels: list = field(default_factory=list)
    # Packets pass it this much later than usual.
    queue: float = 0
    # Balances over its addresses; otherwise the first is taken.
    balances: bool = False
    # It passes nothing on: unplugged.
    down: bool = False


class Path(threading.Thread):
    """The routers, and the loop that moves packets. `story` is a list of (seconds, function): what happens after how long."""

    def __init__(self, routers, seed=1):
        super().__init__(daemon=True)
        self.routers = routers
        self.random = random.Random(seed)
        self.near, self.far = open_tun("near"), open_tun("far")
        self.due, self.number, self.story, self.asked = [], 0, [], {}
        self.lock = threading.Lock()

    def run(self):
        while True:
            with self.lock:
                now = time.monotonic()
                while self.story and self.story[0][0] <= now:
                    self.story.pop(0)[1]()
                while self.due and self.due[0][0] <= now:
                    _, _, device, packet = heapq.heappop(self.due)
                    try:
                        os.write(device, packet)
                    except OSError:
                        pass
                at = min([due for due, *_ in self.due[:1]] + [due for due, _ in self.story[:1]] + [now + 1])
            ready, _, _ = select.select([self.near, self.far], [], [], max(0, at - time.monotonic()))
            with self.lock:
                for device in ready:
                    packet = bytearray(os.read(device, 65536))
                    if packet[0] >> 4 == 4:
                        (self.outward if device == self.near else self.homeward)(packet, time.monotonic())

    def set(self, changes):
        """Takes the changes, {number of router from 1: {attribute: value}}; returns what takes them back."""
        with self.lock:
            self.asked.clear()
            before = {at: {key: getattr(self.routers[at - 1], key) for key in keys} for at, keys in changes.items()}
            for at, keys in changes.items():
                for key, value in keys.items():
                    setattr(self.routers[at - 1], key, value)
        return before

    def tell(self, story):
        """Changes to come: (seconds from now, changes)."""
        now = time.monotonic()

        def change(changes):
            for at, keys in changes.items():
                for key, value in keys.items():
                    setattr(self.routers[at - 1], key, value)

        with self.lock:
            self.story = [(now + seconds, lambda changes=changes: change(changes)) for seconds, changes in story]

    def outward(self, packet, now):
        ttl, elapsed = packet[8], 0.0
        for at, router in enumerate(self.routers, 1):
            elapsed += router.delay + self.random.expovariate(1 / router.jitter)
            if socket.inet_ntoa(packet[16:20]) in router.addresses:
                return self.echo(packet, now, elapsed)
            if ttl <= at:
                return self.error(router, packet, now, elapsed, TIME_EXCEEDED, 0, 0)
            elapsed += router.queue
            if router.down or self.loses(router, packet):
                return None
            if len(packet) > router.mtu:
                if router.says_mtu:
                    self.error(router, packet, now, elapsed, UNREACHABLE, FRAGMENTATION_NEEDED, router.mtu)
                return None
        return self.later(now, elapsed, self.far, passed(packet, len(self.routers)))

    def loses(self, router, packet):
        key = (id(router), packet[8])
        passed = self.asked[key] = self.asked.get(key, 0) + 1
        return passed * router.loss // 100 > (passed - 1) * router.loss // 100

    def homeward(self, packet, now):
        if any(router.down or len(packet) > router.mtu for router in self.routers):
            return
        elapsed = sum(router.delay + self.random.expovariate(1 / router.jitter) for router in self.routers)
        self.later(now, elapsed, self.near, passed(packet, len(self.routers)))

    def error(self, router, packet, now, elapsed, kind, code, mtu):
        asked = self.asked[id(router)] = self.asked.get(id(router), -1) + 1
        if router.silent or kind == TIME_EXCEEDED and asked * 3 % 10 >= router.answers:
            return
        source = router.addresses[flow(packet) % len(router.addresses) if router.balances else 0]
        packet[8] = 1
        message = icmp_error(kind, code, mtu, packet, router.labels if kind == TIME_EXCEEDED else [])
        at = self.routers.index(router)
        elapsed += sum(before.delay for before in self.routers[: at + 1])
        ttl = 255 - at
        self.later(now, elapsed, self.near, ip_packet(socket.inet_aton(source), packet[12:16], ttl, message))

    def echo(self, packet, now, elapsed):
        message = packet[(packet[0] & 15) * 4 :]
        if packet[9] == 1 and message[0] == ECHO_REQUEST:
            message[:4] = bytes([ECHO_REPLY, 0, 0, 0])
            message[2:4] = checksum(message)
            self.later(now, 2 * elapsed, self.near, ip_packet(bytes(packet[16:20]), packet[12:16], 64, bytes(message)))

    def later(self, now, elapsed, device, packet):
        self.number += 1
        heapq.heappush(self.due, (now + elapsed / 1000, self.number, device, packet))


def open_tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def flow(packet):
    """A number that is the same for all packets of a flow: balancers look at the first four octets after the IP header, which are
    ports, or type, code and checksum."""
    transport = packet[(packet[0] & 15) * 4 :]
    return sum(value * weight for value, weight in zip(transport[:4], (1, 3, 5, 7))) // 2


def passed(packet, hops):
    """The packet beyond that many routers."""
    packet[8] = max(packet[8] - hops, 1)
    packet[10:12] = b"\0\0"
    length = (packet[0] & 15) * 4
    packet[10:12] = checksum(packet[:length])
    return bytes(packet)


def icmp_error(kind, code, mtu, packet, labels):
    """RFC 792, with the extension of RFC 4950 where there are labels."""
    quote, length = bytes(packet[:548]), 0
    if labels:
        quote, length = quote[:128].ljust(128, b"\0"), 32
        entries = b"".join(
            struct.pack("!I", label << 12 | (at == len(labels) - 1) << 8 | 1) for at, label in enumerate(labels)
        )
        body = struct.pack("!HBB", 4 + len(entries), 1, 1) + entries
        extension = b"\x20\0\0\0" + body
        quote += b"\x20\0" + checksum(extension) + body
    head = struct.pack("!BBHBBH", kind, code, 0, 0, length, mtu)
    return struct.pack("!BBHBBH", kind, code, int.from_bytes(checksum(head + quote)), 0, length, mtu) + quote


def ip_packet(source, target, ttl, message):
    head = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(message), 0, 0, ttl, 1, 0) + source + bytes(target)
    return head[:10] + checksum(head) + head[12:] + message


def checksum(octets):
    """RFC 1071."""
    octets = bytes(octets) + b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", total ^ 0xFFFF)
