//! Classic BPF, see socket(7) `SO_ATTACH_FILTER`: a raw ICMP socket sees every ICMP packet of the host; ours alone pass.

use socket2::SockFilter;

use crate::types::{Family, Ident};

const LOAD_OCTET: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const IPV4_HEADER_OCTETS: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const LOAD_INDEX: u32 = libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM;
const LOAD_LENGTH: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_LEN;
const SUBTRACT_INDEX: u32 = libc::BPF_ALU | libc::BPF_SUB | libc::BPF_X;
pub const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
pub const JUMP_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
pub const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// Passes everything but echo replies with another identifier than `ident` and errors about packets that are no echo requests.
/// On an IPv4 raw socket the packet starts at its IP header, whose length varies; on an IPv6 raw socket at the ICMPv6 header.
pub fn answers_to(family: Family, ident: Ident) -> [SockFilter; 14] {
    // Not an ICMP type: every ICMPv4 error quotes the packet right after its header.
    const NO_TYPE: u32 = 256;
    let (icmp_header, echo_reply, other_quote, quoted_protocol) = match family {
        Family::V4 => (instruction(IPV4_HEADER_OCTETS, 0), 0, NO_TYPE, 8 + 9),
        // A redirect quotes in an option (RFC 4861 §4.5).
        Family::V6 => (instruction(LOAD_INDEX, 0), 129, 137, 8 + 6),
    };
    [
        icmp_header,
        instruction(LOAD_OCTET, 0),
        jump(JUMP_EQUAL, other_quote, 9, 0),
        jump(JUMP_EQUAL, echo_reply, 0, 2),
        instruction(LOAD_HALF, 4),
        jump(JUMP_EQUAL, u32::from(ident.get()), 6, 7),
        // Loading what is not there would drop the packet: an error that quotes too little passes.
        instruction(LOAD_LENGTH, 0),
        instruction(SUBTRACT_INDEX, 0),
        jump(JUMP_GREATER, quoted_protocol, 0, 3),
        instruction(LOAD_OCTET, quoted_protocol),
        // After extension headers the type is unknown.
        jump(JUMP_EQUAL, libc::IPPROTO_TCP as u32, 2, 0),
        jump(JUMP_EQUAL, libc::IPPROTO_UDP as u32, 1, 0),
        instruction(RETURN, u32::MAX),
        instruction(RETURN, 0),
    ]
}

/// Passes segments to `ports` ports from `first` on: UDP and TCP have their destination port in the same place.
pub fn segments_to(family: Family, first: u16, ports: u16) -> [SockFilter; 6] {
    let last = first.saturating_add(ports.max(1) - 1);
    [
        instruction(family.pick(IPV4_HEADER_OCTETS, LOAD_INDEX), 0),
        instruction(LOAD_HALF, 2),
        jump(JUMP_GREATER, u32::from(last), 2, 0),
        jump(JUMP_AT_LEAST, u32::from(first), 0, 1),
        instruction(RETURN, u32::MAX),
        instruction(RETURN, 0),
    ]
}

/// Passes nothing.
pub const NOTHING: [SockFilter; 1] = [SockFilter::new(RETURN as u16, 0, 0, 0)];

pub fn instruction(code: u32, value: u32) -> SockFilter {
    jump(code, value, 0, 0)
}

pub fn jump(code: u32, value: u32, if_true: u8, if_false: u8) -> SockFilter {
    SockFilter::new(code as u16, if_true, if_false, value)
}
