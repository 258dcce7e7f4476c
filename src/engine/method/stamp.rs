//! STAMP (RFC 8762): test packets, and the answers of a reflector: its own time, one-way delays, and where packets were lost.

use std::time::Duration;

use super::{Answer, AnswerTo, DatagramMethod, Detail, Entry, ExchangeFailure, Label, Outcome, Probe, Times, Value};
use crate::engine::outcome::{OneWay, Reflection};
use crate::types::{ClockError, ProbeId, Rtt, Stamp, WallTime};
use crate::wire::payload::Cookie;
use crate::wire::service::Numbered;
use crate::wire::stamp::{self, ErrorEstimate, ReflectorPacket, SenderPacket, TimeFormat, Timestamp};

/// A STAMP session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// How far our wall clock may be off, if it is kept in step with UTC at all; without it there are no one-way delays.
    pub clock_error: Option<ClockError>,
}

impl DatagramMethod for Session {
    fn octets(&self, _octets: usize) -> usize {
        stamp::PACKET_OCTETS
    }

    fn push(&self, probe: &Probe<'_>, now: WallTime, out: &mut Vec<u8>) {
        let error = ErrorEstimate::of(self.clock_error, now);
        let packet = SenderPacket { sequence: sequence(probe.id), timestamp: Timestamp::ntp(now), error, ssid: 0 };
        stamp::push_sender(&packet, out);
    }

    fn answers(&self, _cookie: &Cookie, datagram: &[u8], expected: bool) -> AnswerTo {
        match stamp::parse_reflector(datagram) {
            // Our own packet, whose number and time stand where a reflector has its own.
            Ok(packet) if expected && is_echo(&packet) => dated(packet.sequence, packet.timestamp),
            Ok(packet) if expected => dated(packet.sender_sequence, packet.sender_timestamp),
            _ => AnswerTo::Foreign,
        }
    }

    fn quoted(&self, _cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        quoted.first_chunk().map(|octets| numbered(u32::from_be_bytes(*octets)))
    }

    fn judge(&self, _probe: &Probe<'_>, answer: &Answer<'_>, times: Times) -> Outcome {
        let read = match stamp::parse_reflector(answer.payload) {
            Ok(packet) if is_echo(&packet) => Err(ExchangeFailure::Echo),
            Ok(packet) => Ok(reflection(*self, &packet, times.rtt, &times.sent, &answer.stamp)),
            Err(_) => Err(ExchangeFailure::Malformed),
        };
        answer.judged(read.map(|read| Detail::Stamp(Box::new(read))))
    }
}

/// Whether nothing was filled in where a reflector copies the sender's time: what came back is what was sent.
fn is_echo(packet: &ReflectorPacket) -> bool {
    packet.sender_timestamp == Timestamp::default()
}

/// The answer to the probe with this sequence number and this time in it.
fn dated(sequence: u32, sent: Timestamp) -> AnswerTo {
    AnswerTo::Dated(numbered(sequence), sent.wall(TimeFormat::Ntp))
}

/// The sequence number of a probe; it starts at 0 (RFC 8762 §4.2).
pub fn sequence(probe: ProbeId) -> u32 {
    probe.get().wrapping_sub(ProbeId::FIRST.get()) as u32
}

/// The probe with this sequence number.
fn numbered(sequence: u32) -> Numbered {
    Numbered::Low(sequence.wrapping_add(ProbeId::FIRST.get() as u32))
}

/// What an answer adds to the result.
pub(super) fn entries(reflection: &Reflection) -> Vec<Entry> {
    let one_way = |take: fn(&OneWay) -> Value| reflection.one_way.as_ref().map_or(Value::Absent, take);
    vec![
        Entry::hidden("reflector_sequence", Value::Number(reflection.sequence.into())),
        Entry::labelled("reflector_ms", "reflector", Value::Delay(reflection.reflector)),
        Entry::labelled("rtt_net_ms", "net", Value::Delay(reflection.rtt_net)),
        Entry::labelled("there_ms", "there", one_way(|one_way| Value::Offset(one_way.there))),
        Entry::labelled("back_ms", "back", one_way(|one_way| Value::Offset(one_way.back))),
        Entry {
            key: "clock_error_ms",
            label: Label::Remark("clocks within"),
            value: one_way(|one_way| Value::Delay(Rtt::from_nanos(one_way.error))),
        },
    ]
}

/// The contents of one answer; its delay from T1 to T4 was `rtt`.
fn reflection(session: Session, packet: &ReflectorPacket, rtt: Rtt, sent: &Stamp, arrived: &Stamp) -> Reflection {
    let format = packet.error.format;
    let (received, left) = (packet.received.wall(format), packet.timestamp.wall(format));
    // No time in a packet is trusted: the reflector cannot have kept it for longer than it was away.
    let kept = left.as_nanos().saturating_sub(received.as_nanos()).min(rtt.as_nanos());
    let ours = session.clock_error.map(|error| error.by(arrived.user.wall));
    let clocks = ours.zip(stated_error(packet.error)).map(|(ours, theirs)| ours.saturating_add(theirs));
    let one_way = clocks.map(|error| {
        let wall = |stamp: &Stamp| stamp.kernel.unwrap_or(stamp.user.wall).as_nanos();
        let difference = |to: u64, from: u64| {
            let nanos = i128::from(to) - i128::from(from);
            i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
        };
        OneWay {
            there: difference(received.as_nanos(), wall(sent)),
            back: difference(wall(arrived), left.as_nanos()),
            error: Rtt::from(error).as_nanos(),
        }
    });
    Reflection {
        sequence: packet.sequence,
        reflector: Rtt::from_nanos(kept),
        rtt_net: Rtt::from_nanos(rtt.as_nanos() - kept),
        one_way,
    }
}

/// The error that a clock in step with UTC states. PTP counts in another time scale than UTC, which nothing here converts.
fn stated_error(error: ErrorEstimate) -> Option<Duration> {
    error.error().filter(|_| error.synchronized && error.format == TimeFormat::Ntp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ClockError, Instant, Now, Ttl, WallTime};

    const EPOCH: u64 = 1_795_000_000_000_000_000;
    const MS: u64 = 1_000_000;

    fn wall(ms: u64) -> WallTime {
        WallTime::from_nanos(EPOCH + ms * MS)
    }

    fn stamp(ms: u64) -> Stamp {
        Stamp::user(Now { mono: Instant::from_nanos(ms * MS), wall: wall(ms) })
    }

    fn answer(received: u64, left: u64, error: ErrorEstimate) -> ReflectorPacket {
        ReflectorPacket {
            sequence: 0,
            timestamp: Timestamp::ntp(wall(left)),
            error,
            ssid: 0,
            received: Timestamp::ntp(wall(received)),
            sender_sequence: 0,
            sender_timestamp: Timestamp::ntp(wall(0)),
            sender_error: ErrorEstimate::UNKNOWN,
            sender_ttl: Ttl::new(64),
        }
    }

    fn read(session: Session, answer: &ReflectorPacket) -> Reflection {
        reflection(session, answer, Rtt::from_nanos(20 * MS), &stamp(0), &stamp(20))
    }

    #[test]
    fn the_reflectors_time_is_taken_out_of_the_delay() {
        let reflection = read(Session::default(), &answer(1_000, 1_005, ErrorEstimate::UNKNOWN));
        assert_eq!(
            (reflection.reflector.as_nanos(), reflection.rtt_net.as_nanos(), reflection.one_way),
            (5 * MS, 15 * MS, None)
        );
    }

    #[test]
    fn a_reflectors_time_is_never_longer_than_the_delay() {
        for (received, left, kept) in [(1_000, 900, 0), (1_000, 9_000, 20 * MS)] {
            let reflection = read(Session::default(), &answer(received, left, ErrorEstimate::UNKNOWN));
            assert_eq!((reflection.reflector.as_nanos(), reflection.rtt_net.as_nanos()), (kept, 20 * MS - kept));
        }
    }

    #[test]
    fn one_way_delays_need_two_clocks_in_step_and_carry_both_errors() {
        let synced = Session { clock_error: Some(ClockError::new(wall(0), Duration::from_millis(1))) };
        let theirs = ErrorEstimate::within(Duration::from_millis(2));
        let reflection = read(synced, &answer(12, 13, theirs)).one_way.unwrap();
        assert_eq!((reflection.there, reflection.back), (12 * MS as i64, 7 * MS as i64));
        assert!((3 * MS..3 * MS + MS / 10).contains(&reflection.error), "{reflection:?}");
        assert_eq!(read(Session::default(), &answer(12, 13, theirs)).one_way, None);
        assert_eq!(read(synced, &answer(12, 13, ErrorEstimate::UNKNOWN)).one_way, None);
        let ptp = ErrorEstimate { format: TimeFormat::Ptp, ..theirs };
        assert_eq!(read(synced, &answer(12, 13, ptp)).one_way, None);
    }
}
