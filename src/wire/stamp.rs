//! STAMP test packets, unauthenticated (RFC 8762 §4.2.1 and §4.3.1), as session sender and session reflector write them.

use std::time::Duration;

use super::WireError;
use crate::types::{ClockError, Ttl, WallTime};

/// Octets of a test packet without extensions, in either direction: answers are no larger than their questions.
pub const PACKET_OCTETS: usize = 44;

/// Seconds from 1900, where NTP counts from, to 1970 (RFC 5905 §6).
const NTP_TO_UNIX: u64 = 2_208_988_800;

const NANOS: u64 = 1_000_000_000;

/// A test packet of a session sender (§4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderPacket {
    /// Sequence Number: starts at 0 in each session.
    pub sequence: u32,
    /// When it was sent, by the sender's clock.
    pub timestamp: Timestamp,
    /// The error of that clock, as the sender states it.
    pub error: ErrorEstimate,
    /// STAMP Session Identifier (RFC 8972 §3); 0 where there is none.
    pub ssid: u16,
}

/// A test packet of a session reflector (§4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReflectorPacket {
    /// Sequence Number: the sender's (stateless), or the reflector's own count (stateful).
    pub sequence: u32,
    /// When this packet was sent, by the reflector's clock.
    pub timestamp: Timestamp,
    /// The error of that clock, as the reflector states it.
    pub error: ErrorEstimate,
    /// STAMP Session Identifier (RFC 8972 §3), as the sender's.
    pub ssid: u16,
    /// When the sender's packet arrived, by the reflector's clock.
    pub received: Timestamp,
    /// The sender's sequence number, copied.
    pub sender_sequence: u32,
    /// The sender's time, copied.
    pub sender_timestamp: Timestamp,
    /// The sender's error estimate, copied.
    pub sender_error: ErrorEstimate,
    /// TTL or Hop Limit with which the sender's packet arrived.
    pub sender_ttl: Ttl,
}

/// A time in a test packet: 64 bits in the format that the error estimate beside it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamp(u64);

/// How a [`Timestamp`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeFormat {
    /// Seconds and 2^-32 of them since 1900 (RFC 5905 §6).
    Ntp,
    /// Seconds and nanoseconds since 1970 (IEEE 1588v2, truncated).
    Ptp,
}

/// The error of a clock as its owner states it (RFC 4656 §4.1.2; the Z bit RFC 8186 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEstimate {
    /// Whether the clock is kept in step with UTC by an external source.
    pub synchronized: bool,
    /// How its times count.
    pub format: TimeFormat,
    /// Six bits: the error is multiplier · 2^(scale − 32) seconds.
    pub scale: u8,
    /// Never 0 in a packet that is right.
    pub multiplier: u8,
}

impl Timestamp {
    /// A wall-clock time in NTP's format. The nanosecond survives the way there and back.
    pub fn ntp(time: WallTime) -> Self {
        let seconds = time.as_nanos() / NANOS + NTP_TO_UNIX;
        let fraction = ((time.as_nanos() % NANOS) << 32).div_ceil(NANOS);
        // Seconds wrap into the next era (RFC 5905 §6).
        Timestamp((seconds & 0xffff_ffff) << 32 | fraction)
    }

    /// The 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A timestamp of these 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Timestamp(bits)
    }

    /// The time on the wall clock; of NTP's eras the one that is not before 1970.
    pub fn wall(self, format: TimeFormat) -> WallTime {
        let (seconds, fraction) = (self.0 >> 32, self.0 & 0xffff_ffff);
        let nanos = match format {
            TimeFormat::Ntp => {
                let since_1900 = if seconds < NTP_TO_UNIX { seconds + (1 << 32) } else { seconds };
                (since_1900 - NTP_TO_UNIX) * NANOS + ((fraction * NANOS) >> 32)
            }
            TimeFormat::Ptp => seconds * NANOS + fraction,
        };
        WallTime::from_nanos(nanos)
    }
}

impl ErrorEstimate {
    /// For a clock of which nothing is known: not in step, and an error of any size.
    pub const UNKNOWN: ErrorEstimate =
        ErrorEstimate { synchronized: false, format: TimeFormat::Ntp, scale: 63, multiplier: 255 };

    /// For our wall clock at `now`, of which this is known.
    pub fn of(known: Option<ClockError>, now: WallTime) -> Self {
        known.map_or(Self::UNKNOWN, |error| Self::within(error.by(now)))
    }

    /// For a clock in step with UTC that is off by no more than this, which is rounded up.
    pub fn within(error: Duration) -> Self {
        let units = (error.as_nanos() << 32).div_ceil(u128::from(NANOS)).max(1);
        let scale = (128 - units.leading_zeros()).saturating_sub(8);
        let rounded = units.div_ceil(1 << scale);
        // Rounding up can need one bit more.
        let (multiplier, scale) = if rounded > 255 { (rounded.div_ceil(2), scale + 1) } else { (rounded, scale) };
        if scale > 63 {
            return ErrorEstimate { synchronized: true, ..Self::UNKNOWN };
        }
        ErrorEstimate { synchronized: true, format: TimeFormat::Ntp, scale: scale as u8, multiplier: multiplier as u8 }
    }

    /// The error it states, rounded up; `None` for a multiplier of 0, which RFC 4656 §4.1.2 has no meaning for.
    pub fn error(self) -> Option<Duration> {
        if self.multiplier == 0 {
            return None;
        }
        let units = u128::from(self.multiplier) << self.scale.min(63);
        let nanos = (units * u128::from(NANOS)).div_ceil(1 << 32);
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn bits(self) -> u16 {
        let format = match self.format {
            TimeFormat::Ntp => 0,
            TimeFormat::Ptp => 1 << 14,
        };
        u16::from(self.synchronized) << 15 | format | u16::from(self.scale & 0x3f) << 8 | u16::from(self.multiplier)
    }

    fn from_bits(bits: u16) -> Self {
        ErrorEstimate {
            synchronized: bits & 1 << 15 != 0,
            format: if bits & 1 << 14 == 0 { TimeFormat::Ntp } else { TimeFormat::Ptp },
            scale: (bits >> 8) as u8 & 0x3f,
            multiplier: bits as u8,
        }
    }
}

/// Appends a session sender's packet.
pub fn push_sender(packet: &SenderPacket, out: &mut Vec<u8>) {
    push_head(packet.sequence, packet.timestamp, packet.error, packet.ssid, out);
    out.extend([0; PACKET_OCTETS - 16]);
}

/// Reads a session sender's packet; octets after it (padding, extensions) are ignored.
///
/// # Errors
/// [`WireError::Short`] if there are fewer than [`PACKET_OCTETS`].
pub fn parse_sender(octets: &[u8]) -> Result<SenderPacket, WireError> {
    let octets: &[u8; PACKET_OCTETS] = octets.first_chunk().ok_or(WireError::Short)?;
    let (sequence, timestamp, error, ssid) = head(octets);
    Ok(SenderPacket { sequence, timestamp, error, ssid })
}

/// Appends a session reflector's packet.
pub fn push_reflector(packet: &ReflectorPacket, out: &mut Vec<u8>) {
    push_head(packet.sequence, packet.timestamp, packet.error, packet.ssid, out);
    out.extend(packet.received.0.to_be_bytes());
    push_head(packet.sender_sequence, packet.sender_timestamp, packet.sender_error, 0, out);
    out.extend([packet.sender_ttl.get(), 0, 0, 0]);
}

/// Reads a session reflector's packet; octets after it are ignored.
///
/// # Errors
/// [`WireError::Short`] if there are fewer than [`PACKET_OCTETS`].
pub fn parse_reflector(octets: &[u8]) -> Result<ReflectorPacket, WireError> {
    let octets: &[u8; PACKET_OCTETS] = octets.first_chunk().ok_or(WireError::Short)?;
    let (sequence, timestamp, error, ssid) = head(octets);
    let (_, rest) = octets.split_at(16);
    let (received, sender) = rest.split_at(8);
    let (sender_sequence, sender_timestamp, sender_error, _) = head(sender);
    Ok(ReflectorPacket {
        sequence,
        timestamp,
        error,
        ssid,
        received: Timestamp(be(received, 0, 8)),
        sender_sequence,
        sender_timestamp,
        sender_error,
        sender_ttl: Ttl::new(be(sender, 16, 1) as u8),
    })
}

/// Whether these octets are a session reflector's packet, also of TWAMP (RFC 5357 §4.2.1). A sender's packet is as long, but has
/// zeros or padding in the place of the time of arrival, and is for a reflector to answer; an answer is never answered.
pub fn is_reflected(octets: &[u8]) -> bool {
    /// How long, at most, a reflector takes to answer.
    const SECONDS: u64 = 60;
    // Asked of every datagram that may be answered: what is no packet of a reflector shows that in these fields.
    let (left, received, must_be_zero) = (be(octets, 4, 4), be(octets, 16, 8), be(octets, 38, 2));
    received != 0
        && left.wrapping_sub(received >> 32) <= SECONDS
        && must_be_zero == 0
        && parse_reflector(octets).is_ok()
}

fn push_head(sequence: u32, timestamp: Timestamp, error: ErrorEstimate, ssid: u16, out: &mut Vec<u8>) {
    out.extend(sequence.to_be_bytes());
    out.extend(timestamp.0.to_be_bytes());
    out.extend(error.bits().to_be_bytes());
    out.extend(ssid.to_be_bytes());
}

/// Sequence, timestamp, error estimate, and the two octets after them.
fn head(octets: &[u8]) -> (u32, Timestamp, ErrorEstimate, u16) {
    let error = ErrorEstimate::from_bits(be(octets, 12, 2) as u16);
    (be(octets, 0, 4) as u32, Timestamp(be(octets, 4, 8)), error, be(octets, 14, 2) as u16)
}

/// Up to eight octets in network order.
fn be(octets: &[u8], at: usize, count: usize) -> u64 {
    let mut value = 0;
    for &octet in octets.get(at..).unwrap_or_default().iter().take(count) {
        value = value << 8 | u64::from(octet);
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;

    fn octets(push: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out);
        out
    }

    #[test]
    fn a_senders_packet_is_laid_out_as_rfc_8762_has_it() {
        let packet = SenderPacket {
            sequence: 0x0102_0304,
            timestamp: Timestamp(0x1112_1314_2122_2324),
            error: ErrorEstimate { synchronized: true, format: TimeFormat::Ptp, scale: 0x2a, multiplier: 0x55 },
            ssid: 0xabcd,
        };
        let mut expected = vec![1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24, 0xea, 0x55, 0xab, 0xcd];
        expected.resize(44, 0);
        assert_eq!(octets(|out| push_sender(&packet, out)), expected);
    }

    #[test]
    fn answers_are_not_taken_for_questions_nor_padding_for_answers() {
        let (time, later) = (Timestamp(0xec00_0000_8000_0000), Timestamp(0xec00_0001_0000_0000));
        let sender = SenderPacket { sequence: 1, timestamp: later, error: ErrorEstimate::UNKNOWN, ssid: 0 };
        let answer = ReflectorPacket {
            sequence: 1,
            timestamp: later,
            error: ErrorEstimate::UNKNOWN,
            ssid: 0,
            received: time,
            sender_sequence: 1,
            sender_timestamp: time,
            sender_error: ErrorEstimate::UNKNOWN,
            sender_ttl: Ttl::MAX,
        };
        let mut answer = octets(|out| push_reflector(&answer, out));
        assert!(is_reflected(&answer));
        answer[41..].fill(0xaa);
        assert!(is_reflected(&answer), "TWAMP has padding there");
        assert!(!is_reflected(&answer[..43]));
        let mut request = octets(|out| push_sender(&sender, out));
        assert!(!is_reflected(&request));
        for padding in [0x00, 0x55, 0xaa, 0xff] {
            // TWAMP senders have no session identifier.
            request[14..].fill(padding);
            assert!(!is_reflected(&request), "{padding:#x}");
        }
    }

    #[test]
    fn a_reflectors_packet_is_laid_out_as_rfc_8762_has_it() {
        let packet = ReflectorPacket {
            sequence: 7,
            timestamp: Timestamp(3),
            error: ErrorEstimate { synchronized: false, format: TimeFormat::Ntp, scale: 1, multiplier: 2 },
            ssid: 0,
            received: Timestamp(2),
            sender_sequence: 9,
            sender_timestamp: Timestamp(1),
            sender_error: ErrorEstimate { synchronized: true, format: TimeFormat::Ntp, scale: 0, multiplier: 1 },
            sender_ttl: Ttl::new(61),
        };
        #[rustfmt::skip]
        let expected = [
            0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3, 0x01, 0x02, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 2,
            0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0x80, 0x01, 0, 0,
            61, 0, 0, 0,
        ];
        assert_eq!(octets(|out| push_reflector(&packet, out)), expected);
    }

    #[test]
    fn ntp_times_count_from_1900_and_wrap_in_2036() {
        assert_eq!(Timestamp::ntp(WallTime::from_nanos(0)).bits(), 2_208_988_800 << 32);
        assert_eq!(Timestamp::ntp(WallTime::from_nanos(NANOS / 2)).bits() as u32, 0x8000_0000);
        let era_1 = WallTime::from_nanos(2_085_978_497 * NANOS);
        assert_eq!(Timestamp::ntp(era_1).bits() >> 32, 1);
        assert_eq!(Timestamp::ntp(era_1).wall(TimeFormat::Ntp), era_1);
        assert_eq!(Timestamp(5 << 32 | 7).wall(TimeFormat::Ptp), WallTime::from_nanos(5 * NANOS + 7));
    }

    #[test]
    fn an_error_is_stated_in_powers_of_two_and_never_as_less() {
        assert_eq!(ErrorEstimate::within(Duration::ZERO).error(), Some(Duration::from_nanos(1)));
        let second = ErrorEstimate::within(Duration::from_secs(1));
        assert_eq!((second.error(), second.synchronized), (Some(Duration::from_secs(1)), true));
        assert_eq!(ErrorEstimate { multiplier: 0, ..second }.error(), None);
        assert!(ErrorEstimate::UNKNOWN.error() > Some(Duration::from_secs(3600)));
    }

    proptest! {
        #[test]
        fn a_senders_packet_survives_the_wire(
            sequence: u32, time: u64, bits: u16, ssid: u16, padding in 0..100_usize,
        ) {
            let (timestamp, error) = (Timestamp(time), ErrorEstimate::from_bits(bits));
            let packet = SenderPacket { sequence, timestamp, error, ssid };
            let mut out = octets(|out| push_sender(&packet, out));
            prop_assert_eq!(out.len(), PACKET_OCTETS);
            out.resize(PACKET_OCTETS + padding, 0xff);
            prop_assert_eq!(parse_sender(&out), Ok(packet));
        }

        #[test]
        fn a_reflectors_packet_survives_the_wire(
            sequences: (u32, u32), times: (u64, u64, u64), errors: (u16, u16), ssid: u16, ttl: u8,
        ) {
            let packet = ReflectorPacket {
                sequence: sequences.0,
                timestamp: Timestamp(times.0),
                error: ErrorEstimate::from_bits(errors.0),
                ssid,
                received: Timestamp(times.1),
                sender_sequence: sequences.1,
                sender_timestamp: Timestamp(times.2),
                sender_error: ErrorEstimate::from_bits(errors.1),
                sender_ttl: Ttl::new(ttl),
            };
            let out = octets(|out| push_reflector(&packet, out));
            prop_assert_eq!(out.len(), PACKET_OCTETS);
            prop_assert_eq!(parse_reflector(&out), Ok(packet));
        }

        #[test]
        fn a_time_survives_to_the_nanosecond(nanos in 0..4_294_967_295 * NANOS) {
            let time = WallTime::from_nanos(nanos);
            prop_assert_eq!(Timestamp::ntp(time).wall(TimeFormat::Ntp), time);
        }

        #[test]
        fn a_stated_error_is_no_smaller_and_hardly_larger(nanos in 1..1_000_000_000_000_u64) {
            let stated = ErrorEstimate::within(Duration::from_nanos(nanos)).error().map(|error| error.as_nanos() as u64);
            prop_assert!(stated >= Some(nanos) && stated <= Some(nanos + nanos / 100 + 2), "{stated:?}");
        }

        #[test]
        fn any_octets_are_a_packet_if_there_are_enough(octets in arbitrary::octets()) {
            let enough = octets.len() >= PACKET_OCTETS;
            prop_assert_eq!(parse_sender(&octets).is_ok(), enough);
            prop_assert_eq!(parse_reflector(&octets).is_ok(), enough);
        }
    }
}
