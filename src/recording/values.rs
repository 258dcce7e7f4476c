//! Numbers, addresses, times and other small values as JSON.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;

use super::json::{
    Fault, Fields, Object, Out, Plain, Variants, converted, get_variant, key, names, object, octets, plain_variants,
    put_variant, structs, take, variants,
};
use super::shelf::Shelves;
use crate::channel::{ErrorOrigin, Header, OsError, SocketKind};
use crate::metrics::{Brief, Codec, Counts, DelayStats, RttStats, Share, StampCounts, VariationStats, Voice};
use crate::types::{
    Asn, Dscp, Family, FlowLabel, Ident, IpEndpoint, Mtu, Port, ProbeId, Rtt, StampSource, Tos, Ttl, WallTime,
};
use crate::wire::extension::{Interface, InterfaceRole, LabelStackEntry, Object as Extension};
use crate::wire::icmp::ErrorKind;
use crate::wire::payload::Fill;
use crate::wire::service::{dns, ntp, stun};

macro_rules! numbers {
    ($($name:ident)*) => { $(
        impl Plain for $name {
            fn put(&self, out: &mut Out<'_>) {
                out.show(self);
            }

            fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
                let number = value.as_u64().and_then(|number| $name::try_from(number).ok());
                number.ok_or(Fault::new("not a number of this range"))
            }

            fn is_absent(&self) -> bool {
                *self == 0
            }

            fn absent() -> Option<Self> {
                Some(0)
            }
        }
    )* };
}

numbers! { u8 u16 u32 u64 usize }

macro_rules! signed {
    ($($name:ident)*) => { $(
        impl Plain for $name {
            fn put(&self, out: &mut Out<'_>) {
                out.show(self);
            }

            fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
                let number = value.as_i64().and_then(|number| $name::try_from(number).ok());
                number.ok_or(Fault::new("not a number of this range"))
            }
        }
    )* };
}

signed! { i32 i64 }

impl Plain for f64 {
    fn put(&self, out: &mut Out<'_>) {
        // A number that is none is null.
        let _ = serde_json::to_writer(&mut *out.octets, self);
    }

    fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
        if value.is_null() { Ok(f64::NAN) } else { value.as_f64().ok_or(Fault::new("not a number")) }
    }
}

impl Plain for bool {
    fn put(&self, out: &mut Out<'_>) {
        out.show(self);
    }

    fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
        value.as_bool().ok_or(Fault::new("neither true nor false"))
    }

    fn is_absent(&self) -> bool {
        !*self
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl Plain for String {
    fn put(&self, out: &mut Out<'_>) {
        out.text(self);
    }

    fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
        if let Value::String(text) = value { Ok(text) } else { Err(Fault::new("not a text")) }
    }
}

impl Plain for Box<str> {
    fn put(&self, out: &mut Out<'_>) {
        out.text(self);
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        String::get(value, shelves).map(Into::into)
    }
}

impl Plain for Cow<'static, str> {
    fn put(&self, out: &mut Out<'_>) {
        out.text(self);
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        String::get(value, shelves).map(Into::into)
    }
}

/// Octets, as hexadecimal digits.
impl Plain for Box<[u8]> {
    fn put(&self, out: &mut Out<'_>) {
        out.push("\"");
        self.iter().for_each(|octet| out.show(format_args!("{octet:02x}")));
        out.push("\"");
    }

    fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
        let read = value.as_str().and_then(octets);
        read.map(Into::into).ok_or(Fault::new("not hexadecimal digits"))
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn absent() -> Option<Self> {
        Some(Box::default())
    }
}

macro_rules! written {
    ($($name:ident)*) => { $(
        impl Plain for $name {
            fn put(&self, out: &mut Out<'_>) {
                out.show(format_args!("\"{self}\""));
            }

            fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
                value.as_str().and_then(|text| text.parse().ok()).ok_or(Fault::new("not an address"))
            }
        }
    )* };
}

written! { IpAddr SocketAddr }

/// Nanoseconds since the start of the run. Whatever the clocks show, nothing is lost.
impl Plain for WallTime {
    fn put(&self, out: &mut Out<'_>) {
        out.show(self.as_nanos().wrapping_sub(out.shelves.start.as_nanos()).cast_signed());
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        let since = i64::get(value, shelves)?;
        Ok(WallTime::from_nanos(shelves.start.as_nanos().wrapping_add(since.cast_unsigned())))
    }
}

/// Milliseconds, to the nanosecond up to 13 days.
impl Plain for Rtt {
    fn put(&self, out: &mut Out<'_>) {
        let (millis, nanos) = (self.as_nanos() / 1_000_000, self.as_nanos() % 1_000_000);
        out.show(millis);
        if nanos > 0 {
            let digits = format!("{nanos:06}");
            out.show(format_args!(".{}", digits.trim_end_matches('0')));
        }
    }

    fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
        let millis = value.as_f64().filter(|millis| (0.0..1.8e13).contains(millis));
        millis.map(|millis| Rtt::from_nanos((millis * 1e6).round() as u64)).ok_or(Fault::new("not milliseconds"))
    }
}

/// Nanoseconds; what has more of them than fit is forever.
impl Plain for Duration {
    fn put(&self, out: &mut Out<'_>) {
        out.show(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX));
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        Ok(match u64::get(value, shelves)? {
            u64::MAX => Duration::MAX,
            nanos => Duration::from_nanos(nanos),
        })
    }
}

converted! {
    Ttl: u8, |ttl| ttl.get(), |octet| Some(Ttl::new(octet));
    Dscp: u8, |dscp| dscp.get(), Dscp::new;
    Tos: u8, |tos| tos.get(), |octet| Some(Tos::new(octet));
    Mtu: u32, |mtu| mtu.get(), Mtu::new;
    FlowLabel: u32, |label| label.get(), FlowLabel::new;
    ProbeId: u64, |id| id.get(), |number| Some(ProbeId::new(number));
    Ident: u16, |ident| ident.get(), |value| Some(Ident::new(value));
    Port: u16, |port| port.get(), Port::new;
    Asn: u32, |asn| asn.get(), Asn::new;
    NonZeroU32: u32, |number| number.get(), NonZeroU32::new;
    OsError: i32, |error| error.code(), |code| Some(OsError::from_code(code));
    [u8; 4]: u32, |octets| u32::from_be_bytes(*octets), |number| Some(number.to_be_bytes());
    [u16; 4]: Vec<u16>, |counts| counts.to_vec(), |counts| counts.try_into().ok();
    Brief: Vec<u64>, |brief| brief.parts().to_vec(), |parts| Brief::from_parts(parts.try_into().ok()?);
}

names! { Codec StampSource SocketKind InterfaceRole ErrorKind }

use ntp::Packet as NtpPacket;
use stun::Class as StunClass;

structs! {
    Header { from, ifindex, ttl, tos, flow_label, identification, }
    IpEndpoint { address, zone, port, }
    Counts {
        sent, received, refused, unreachable, lost, pending, send_failed, icmp_errors, answered_after_error, skipped, duplicates,
        late, reordered, bad_checksum, payload_changed, truncated, wrong_source, foreign, dropped_by_kernel, longest_loss_run,
    }
    Voice { codec, r, }
    DelayStats { rtt "rtt_stats", ewma, ipdv, interarrival_jitter, }
    VariationStats { last, mean, max, interarrival, }
    StampCounts { hardware, kernel, user, }
    RttStats { count, min, mean, median, p90, p95, p99, max, stddev, }
    Share { hits, tries, }
    LabelStackEntry { label, tc, bottom, ttl, }
    Interface { role, index, address, name, mtu, }
    NtpPacket { leap, version, mode, stratum, reference, origin, transmit, }
}

variants! {
    Family { V4 = "ipv4", V6 = "ipv6", }
    ErrorOrigin { Local = "local", Icmp = "icmp", }
    Fill { Counting = "counting", Pattern(octets "hex") = "pattern", }
    Extension {
        Mpls(labels) = "mpls",
        Interface[interface] = "interface",
        Unknown { class, c_type, payload "payload" } = "unknown",
    }
    StunClass { Request = "request", Success(mapped) = "success", Error(code) = "error", }
}

plain_variants! { Family ErrorOrigin Fill Extension StunClass }

impl Fields for dns::Header {
    fn put_fields(&self, out: &mut Out<'_>) {
        out.entry("id", &self.id);
        out.entry("bits", &self.bits());
        out.entry("counts", &self.counts);
    }

    fn get_fields(object: &mut Object, shelves: &mut Shelves) -> Result<Self, Fault> {
        let (id, bits) = (take(object, "id", shelves)?, take(object, "bits", shelves)?);
        Ok(dns::Header::new(id, bits, take(object, "counts", shelves)?))
    }
}
