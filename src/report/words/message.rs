//! The messages of errors, in ping's words: [`Message`] and [`local_error`].

use std::fmt;
use std::net::IpAddr;

use crate::channel::OsError;
use crate::engine::outcome::IcmpError;
use crate::types::{Family, Mtu};
use crate::wire::icmp::ErrorKind;

/// The sentence for an ICMP error about a probe that was sent over `family`.
pub(in crate::report) struct Message<'a> {
    pub family: Family,
    pub error: &'a IcmpError,
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Family::V4 => icmp(f, self.error),
            Family::V6 => icmpv6(f, self.error),
        }
    }
}

/// RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1.
fn icmp(f: &mut fmt::Formatter<'_>, error: &IcmpError) -> fmt::Result {
    let (icmp_type, code) = error.icmp.unwrap_or_default();
    let sentence = match (icmp_type, code) {
        (3, 0) => "Destination Net Unreachable",
        (3, 1) => "Destination Host Unreachable",
        (3, 2) => "Destination Protocol Unreachable",
        (3, 3) => "Destination Port Unreachable",
        (3, 4) => return write!(f, "Frag needed and DF set (mtu = {})", stated(error.mtu)),
        (3, 5) => "Source Route Failed",
        (3, 6) => "Destination Net Unknown",
        (3, 7) => "Destination Host Unknown",
        (3, 8) => "Source Host Isolated",
        (3, 9) => "Destination Net Prohibited",
        (3, 10) => "Destination Host Prohibited",
        (3, 11) => "Destination Net Unreachable for Type of Service",
        (3, 12) => "Destination Host Unreachable for Type of Service",
        (3, 13) => "Packet filtered",
        (3, 14) => "Precedence Violation",
        (3, 15) => "Precedence Cutoff",
        (3, _) => return write!(f, "Dest Unreachable, Bad Code: {code}"),
        (4, _) => "Source Quench",
        (5, _) => return redirect(f, code, error.gateway),
        (11, 0) => "Time to live exceeded",
        (11, 1) => "Frag reassembly time exceeded",
        (11, _) => return write!(f, "Time exceeded, Bad Code: {code}"),
        (12, _) => return write!(f, "Parameter problem: pointer = {}", pointer(error.info)),
        (other, _) => return write!(f, "Bad ICMP type: {other}"),
    };
    f.write_str(sentence)
}

fn redirect(f: &mut fmt::Formatter<'_>, code: u8, gateway: Option<IpAddr>) -> fmt::Result {
    match code {
        0 => f.write_str("Redirect Network")?,
        1 => f.write_str("Redirect Host")?,
        2 => f.write_str("Redirect Type of Service and Network")?,
        3 => f.write_str("Redirect Type of Service and Host")?,
        code => write!(f, "Redirect, Bad Code: {code}")?,
    }
    next_hop(f, gateway)
}

fn next_hop(f: &mut fmt::Formatter<'_>, gateway: Option<IpAddr>) -> fmt::Result {
    match gateway {
        Some(gateway) => write!(f, "(New nexthop: {gateway})"),
        None => Ok(()),
    }
}

/// RFC 4443 §3; Redirect: RFC 4861 §4.5.
fn icmpv6(f: &mut fmt::Formatter<'_>, error: &IcmpError) -> fmt::Result {
    let ((icmp_type, code), info) = (error.icmp.unwrap_or_default(), error.info);
    match (icmp_type, code) {
        (1, _) => {
            f.write_str("Destination unreachable: ")?;
            match code {
                0 => f.write_str("No route"),
                1 => f.write_str("Administratively prohibited"),
                2 => f.write_str("Beyond scope of source address"),
                3 => f.write_str("Address unreachable"),
                4 => f.write_str("Port unreachable"),
                5 => f.write_str("Source address failed ingress/egress policy"),
                6 => f.write_str("Reject route to destination"),
                _ => write!(f, "Unknown code {code}"),
            }
        }
        (2, 0) => write!(f, "Packet too big: mtu={}", stated(error.mtu)),
        (2, _) => write!(f, "Packet too big: mtu={}, code={code}", stated(error.mtu)),
        (3, 0) => f.write_str("Time exceeded: Hop limit"),
        (3, 1) => f.write_str("Time exceeded: Defragmentation failure"),
        (3, _) => write!(f, "Time exceeded: code {code}"),
        (4, 0) => write!(f, "Parameter problem: Wrong header field at {info}"),
        (4, 1) => write!(f, "Parameter problem: Unknown header at {info}"),
        (4, 2) => write!(f, "Parameter problem: Unknown option at {info}"),
        (4, _) => write!(f, "Parameter problem: code {code} at {info}"),
        (137, _) => {
            f.write_str("Redirect Host")?;
            next_hop(f, error.gateway)
        }
        (other, _) => write!(f, "unknown icmp type: {other}"),
    }
}

/// 0 for an MTU that is not stated, as routers older than RFC 1191 send it and ping shows it.
fn stated(mtu: Option<Mtu>) -> u32 {
    mtu.map_or(0, Mtu::get)
}

/// The pointer of an ICMP parameter problem is the first of these four octets (RFC 792); an error queue gives it as a number.
fn pointer(info: u32) -> u32 {
    if info > 0xff { info >> 24 } else { info }
}

/// What the kernel said when this host itself found that a probe cannot leave, as far as the kind keeps it.
pub(in crate::report) fn local_error(kind: ErrorKind) -> Option<OsError> {
    match kind {
        ErrorKind::TooBig => Some(OsError::EMSGSIZE),
        ErrorKind::NetUnreachable => Some(OsError::ENETUNREACH),
        ErrorKind::HostUnreachable => Some(OsError::EHOSTUNREACH),
        ErrorKind::Prohibited => Some(OsError::EACCES),
        _ => None,
    }
}

/// Why probes are not sent.
pub fn not_sent_sentence(error: OsError) -> String {
    format!("not sent: {error}")
}

/// That the wall clock was stepped by `by` nanoseconds.
pub fn clock_stepped_sentence(by: i64) -> String {
    let seconds = by.unsigned_abs() as f64 / 1e9;
    match by {
        ..0 => format!("clock: the time of day was set back by {seconds:.1} s"),
        0.. => format!("clock: the time of day went forward by {seconds:.1} s (it was set, or this host slept)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn said(family: Family, icmp_type: u8, icmp_code: u8) -> String {
        let error = IcmpError {
            icmp: Some((icmp_type, icmp_code)),
            info: 0x0000_0516,
            mtu: Mtu::new(1302),
            gateway: Some(fixture::address("192.0.2.254")),
            ..IcmpError::host_unreachable()
        };
        Message { family, error: &error }.to_string()
    }

    #[test]
    fn icmp_errors_are_said_in_pings_words() {
        let known = [
            (3, 0, "Destination Net Unreachable"),
            (3, 1, "Destination Host Unreachable"),
            (3, 2, "Destination Protocol Unreachable"),
            (3, 3, "Destination Port Unreachable"),
            (3, 4, "Frag needed and DF set (mtu = 1302)"),
            (3, 5, "Source Route Failed"),
            (3, 6, "Destination Net Unknown"),
            (3, 7, "Destination Host Unknown"),
            (3, 8, "Source Host Isolated"),
            (3, 9, "Destination Net Prohibited"),
            (3, 10, "Destination Host Prohibited"),
            (3, 11, "Destination Net Unreachable for Type of Service"),
            (3, 12, "Destination Host Unreachable for Type of Service"),
            (3, 13, "Packet filtered"),
            (3, 14, "Precedence Violation"),
            (3, 15, "Precedence Cutoff"),
            (3, 16, "Dest Unreachable, Bad Code: 16"),
            (4, 0, "Source Quench"),
            (5, 0, "Redirect Network(New nexthop: 192.0.2.254)"),
            (5, 1, "Redirect Host(New nexthop: 192.0.2.254)"),
            (5, 2, "Redirect Type of Service and Network(New nexthop: 192.0.2.254)"),
            (5, 3, "Redirect Type of Service and Host(New nexthop: 192.0.2.254)"),
            (5, 9, "Redirect, Bad Code: 9(New nexthop: 192.0.2.254)"),
            (11, 0, "Time to live exceeded"),
            (11, 1, "Frag reassembly time exceeded"),
            (11, 2, "Time exceeded, Bad Code: 2"),
            (40, 0, "Bad ICMP type: 40"),
        ];
        for (icmp_type, code, sentence) in known {
            assert_eq!(said(Family::V4, icmp_type, code), sentence);
        }
    }

    #[test]
    fn icmpv6_errors_are_said_in_pings_words() {
        let known = [
            (1, 0, "Destination unreachable: No route"),
            (1, 1, "Destination unreachable: Administratively prohibited"),
            (1, 2, "Destination unreachable: Beyond scope of source address"),
            (1, 3, "Destination unreachable: Address unreachable"),
            (1, 4, "Destination unreachable: Port unreachable"),
            (1, 5, "Destination unreachable: Source address failed ingress/egress policy"),
            (1, 6, "Destination unreachable: Reject route to destination"),
            (1, 7, "Destination unreachable: Unknown code 7"),
            (2, 0, "Packet too big: mtu=1302"),
            (2, 1, "Packet too big: mtu=1302, code=1"),
            (3, 0, "Time exceeded: Hop limit"),
            (3, 1, "Time exceeded: Defragmentation failure"),
            (3, 2, "Time exceeded: code 2"),
            (4, 0, "Parameter problem: Wrong header field at 1302"),
            (4, 1, "Parameter problem: Unknown header at 1302"),
            (4, 2, "Parameter problem: Unknown option at 1302"),
            (4, 3, "Parameter problem: code 3 at 1302"),
            (137, 0, "Redirect Host(New nexthop: 192.0.2.254)"),
            (100, 0, "unknown icmp type: 100"),
        ];
        for (icmp_type, code, sentence) in known {
            assert_eq!(said(Family::V6, icmp_type, code), sentence);
        }
    }

    #[test]
    fn the_pointer_is_one_octet_whichever_way_the_error_came() {
        let said = |info| {
            let error = IcmpError { icmp: Some((12, 0)), info, ..IcmpError::host_unreachable() };
            Message { family: Family::V4, error: &error }.to_string()
        };
        assert_eq!(said(0x1400_0000), "Parameter problem: pointer = 20");
        assert_eq!(said(0x1405_0000), "Parameter problem: pointer = 20");
        assert_eq!(said(20), "Parameter problem: pointer = 20");
        assert_eq!(said(0), "Parameter problem: pointer = 0");
    }

    #[test]
    fn an_mtu_or_gateway_that_is_not_stated_is_not_invented() {
        let error = IcmpError { icmp: Some((3, 4)), mtu: None, ..IcmpError::host_unreachable() };
        assert_eq!(Message { family: Family::V4, error: &error }.to_string(), "Frag needed and DF set (mtu = 0)");
        let error = IcmpError { icmp: Some((5, 1)), gateway: None, ..IcmpError::host_unreachable() };
        assert_eq!(Message { family: Family::V4, error: &error }.to_string(), "Redirect Host");
    }
}
