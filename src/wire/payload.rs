//! What our probes carry behind the transport header: a [`Cookie`] that is ours alone, then a fill.

use crate::types::ProbeId;

/// Octets of a whole cookie.
pub const COOKIE_OCTETS: usize = 16;

/// Random octets that stand at the start of every payload of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie([u8; COOKIE_OCTETS]);

impl Cookie {
    /// A cookie of these octets.
    pub const fn new(octets: [u8; COOKIE_OCTETS]) -> Self {
        Cookie(octets)
    }

    /// The cookie's octets.
    pub const fn octets(&self) -> &[u8; COOKIE_OCTETS] {
        &self.0
    }

    /// How many octets at the start of `payload` agree with the cookie, position by position, and out of how many that are
    /// compared (at most 16, fewer where either the payload sent or the one received is shorter).
    pub fn agreement(&self, payload: &[u8], payload_octets_sent: usize) -> (usize, usize) {
        let sent = self.0.get(..payload_octets_sent).unwrap_or(&self.0);
        let pairs = sent.iter().zip(payload);
        (pairs.clone().filter(|(ours, theirs)| ours == theirs).count(), pairs.count())
    }
}

/// Octets of a tag: a cookie and a probe's number.
const TAG_OCTETS: usize = COOKIE_OCTETS + 8;

/// What follows the cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// Each octet is its own index in the payload, modulo 256, as in ping.
    #[default]
    Counting,
    /// These octets over and over, starting behind the cookie; never empty (1 to 16 octets, `ping -p`).
    Pattern(Box<[u8]>),
}

/// An octet that is not what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its index in the payload.
    pub index: usize,
    /// What was sent.
    pub expected: u8,
    /// What came back.
    pub found: u8,
}

/// Appends a payload of exactly `octets` octets: the cookie, cut to what fits, then the fill.
pub fn push(cookie: &Cookie, fill: &Fill, octets: usize, out: &mut Vec<u8>) {
    out.extend((0..octets).map(|index| expected(cookie, fill, index)));
}

/// The first difference, anywhere in the payload, between what [`push`] wrote and what came back; octets that are missing
/// from or appended to `received` are no difference.
pub fn first_difference(cookie: &Cookie, fill: &Fill, octets: usize, received: &[u8]) -> Option<Difference> {
    received
        .iter()
        .take(octets)
        .enumerate()
        .map(|(index, &found)| Difference { index, expected: expected(cookie, fill, index), found })
        .find(|difference| difference.expected != difference.found)
}

/// The octet that [`push`] writes at `index`.
fn expected(cookie: &Cookie, fill: &Fill, index: usize) -> u8 {
    let Some(behind) = index.checked_sub(COOKIE_OCTETS) else { return cookie.0[index] };
    match fill {
        Fill::Counting => index as u8,
        Fill::Pattern(pattern) => behind.checked_rem(pattern.len()).map_or(0, |at| pattern[at]),
    }
}

/// Appends the tag that a UDP trace probe starts with: cookie, then the probe's number (8 octets, big-endian), then counting
/// fill; cut to exactly `octets` octets.
pub fn push_tagged(cookie: &Cookie, probe: ProbeId, octets: usize, out: &mut Vec<u8>) {
    let tag = cookie.0.into_iter().chain(probe.get().to_be_bytes());
    out.extend(tag.chain((TAG_OCTETS..octets).map(|index| index as u8)).take(octets));
}

/// The probe that a tag names, if all of tag and cookie are there and the cookie agrees.
pub fn tagged_probe(cookie: &Cookie, payload: &[u8]) -> Option<ProbeId> {
    let (&number, _) = payload.strip_prefix(&cookie.0)?.split_first_chunk()?;
    Some(ProbeId::new(u64::from_be_bytes(number)))
}
