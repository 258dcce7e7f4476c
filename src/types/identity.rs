//! Numbers that identify probes: [`ProbeId`], [`Ident`], [`Sequence`], [`Port`].

use std::num::NonZeroU16;

/// Our own number for one packet we send: starts at 1 in each series, never wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(u64);

impl ProbeId {
    /// The first probe of a series.
    pub const FIRST: ProbeId = ProbeId(1);

    /// Probe number `number`.
    pub const fn new(number: u64) -> Self {
        ProbeId(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The probe after this one.
    pub const fn next(self) -> ProbeId {
        ProbeId(self.0.wrapping_add(1))
    }

    /// What the 16-bit header field carries for this probe.
    pub const fn sequence(self) -> Sequence {
        Sequence(self.0 as u16)
    }

    /// The newest probe not after `self` whose 16-bit field is `sequence`, or `None` if there was none yet.
    ///
    /// With `self` the last probe sent, this undoes the wrap of the field: of the probes that share a field value only
    /// the newest can be meant, the others are at least 65 536 probes old.
    pub fn newest_with(self, sequence: Sequence) -> Option<ProbeId> {
        let distance = u64::from((self.0 as u16).wrapping_sub(sequence.0));
        self.0.checked_sub(distance).filter(|&number| number >= ProbeId::FIRST.0).map(ProbeId)
    }
}

/// ICMP Identifier (RFC 792, RFC 4443 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(u16);

impl Ident {
    /// The field's value.
    pub const fn new(value: u16) -> Self {
        Ident(value)
    }

    /// The field's value.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// ICMP Sequence Number (RFC 792, RFC 4443 §4.1): 16 bits, wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence(u16);

impl Sequence {
    /// The field's value.
    pub const fn new(value: u16) -> Self {
        Sequence(value)
    }

    /// The field's value.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A TCP or UDP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// `None` for 0, which names no port.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Port(number)),
            None => None,
        }
    }

    /// The port `count` ports later, or `None` after 65535.
    pub fn after(self, count: u16) -> Option<Self> {
        self.0.checked_add(count).map(Port)
    }

    /// 1 to 65535.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrapped_sequence_names_the_newest_probe_that_carried_it() {
        let last = ProbeId::new(200_000);
        for back in [0u64, 1, 65_535] {
            let probe = ProbeId::new(200_000 - back);
            assert_eq!(last.newest_with(probe.sequence()), Some(probe));
        }
        assert_eq!(last.newest_with(ProbeId::new(200_000 - 65_536).sequence()), Some(last));
    }

    #[test]
    fn a_sequence_never_sent_names_no_probe() {
        let last = ProbeId::new(3);
        assert_eq!(last.newest_with(Sequence::new(0)), None);
        assert_eq!(last.newest_with(Sequence::new(4)), None);
        assert_eq!(last.newest_with(Sequence::new(1)), Some(ProbeId::FIRST));
    }
}
