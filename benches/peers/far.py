"""A long path that exists in this program alone: routers behind a TUN device, each answering later than the one before.

usage: far.py DEVICE HOPS MILLISECONDS SILENT,... : the delay is that of each hop; prints a line when it is ready"""

import fcntl
import heapq
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ECHO_REQUEST, ECHO_REPLY, UNREACHABLE, TIME_EXCEEDED = 8, 0, 3, 11


def main():
    device, hops, delay, silent = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1e3, set(sys.argv[4].split(","))
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", device.encode(), IFF_TUN | IFF_NO_PI))
    print("ready", flush=True)
    # When each answer leaves.
    answers = []
    while True:
        wait = max(0, answers[0][0] - time.monotonic()) if answers else None
        if select.select([tun], [], [], wait)[0]:
            packet = os.read(tun, 2048)
            hop = min(packet[8], hops)
            if packet[0] == 0x45 and str(hop) not in silent and (reply := answer(packet, hop, hops)):
                heapq.heappush(answers, (time.monotonic() + hop * delay, reply))
        while answers and answers[0][0] <= time.monotonic():
            os.write(tun, heapq.heappop(answers)[1])


def answer(packet, hop, hops):
    """What the router at this hop says, or the destination after the last."""
    source, destination = packet[12:16], packet[16:20]
    # RFC 792: the header and 64 bits of the datagram.
    quote = bytes(4) + packet[:28]
    if packet[8] < hops:
        return datagram(bytes([10, 8, 0, hop]), source, bytes([TIME_EXCEEDED, 0]), quote)
    if packet[9] == 1 and packet[20] == ECHO_REQUEST:
        return datagram(destination, source, bytes([ECHO_REPLY, 0]), packet[24:])
    return datagram(destination, source, bytes([UNREACHABLE, 3]), quote) if packet[9] == 17 else None


def datagram(source, destination, kind, rest):
    message = with_checksum(kind + bytes(2) + rest, 2)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 1, 0, 64, 1, 0, source, destination)
    return with_checksum(header, 10) + message


def with_checksum(octets, at):
    padded = octets + bytes(len(octets) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return octets[:at] + struct.pack("!H", ~total & 0xFFFF) + octets[at + 2 :]


main()
