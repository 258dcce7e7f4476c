//! The payload of our probes: a [`Cookie`] unique to the run, then a fill.

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

/// What follows the cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// Each octet is its own index in the payload, modulo 256, as in ping.
    #[default]
    Counting,
    /// These octets repeated, starting after the cookie; never empty (1 to 16 octets, `ping -p`).
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

/// Every octet, in order: a [`Fill::Counting`] is this over and over.
const COUNTING: [u8; 256] = {
    let mut counting = [0; 256];
    let mut at = 0;
    while at < counting.len() {
        counting[at] = at as u8;
        at += 1;
    }
    counting
};

/// Appends a payload of exactly `octets` octets: the cookie, cut to what fits, then the fill.
pub fn push(cookie: &Cookie, fill: &Fill, octets: usize, out: &mut Vec<u8>) {
    let end = out.len() + octets;
    out.extend_from_slice(cookie.0.get(..octets).unwrap_or(&cookie.0));
    match fill {
        Fill::Counting => {
            let mut pieces = std::iter::once(&COUNTING[COOKIE_OCTETS..]).chain(std::iter::repeat(&COUNTING[..]));
            while let Some(missing) = end.checked_sub(out.len()).filter(|&missing| missing > 0) {
                let piece = pieces.next().unwrap_or_default();
                out.extend_from_slice(piece.get(..missing).unwrap_or(piece));
            }
        }
        Fill::Pattern(_) => {
            let missing = COOKIE_OCTETS..octets.max(COOKIE_OCTETS);
            out.extend(missing.map(|index| expected(cookie, fill, index)));
        }
    }
}

/// The first difference, anywhere in the payload, between what [`push`] wrote and what came back; octets that are missing
/// from or appended to `received` are no difference.
pub fn first_difference(cookie: &Cookie, fill: &Fill, octets: usize, received: &[u8]) -> Option<Difference> {
    let received = received.get(..octets).unwrap_or(received);
    let index = (0..received.len()).step_by(COUNTING.len()).find(|&start| {
        let piece = received.get(start..).unwrap_or_default();
        !is_unchanged(cookie, fill, start, piece.get(..COUNTING.len()).unwrap_or(piece))
    })?;
    let rest = received.iter().enumerate().skip(index);
    rest.map(|(index, &found)| Difference { index, expected: expected(cookie, fill, index), found })
        .find(|difference| difference.expected != difference.found)
}

/// Whether a piece of at most 256 octets that starts at `start`, a multiple of 256, is as [`push`] wrote it.
fn is_unchanged(cookie: &Cookie, fill: &Fill, start: usize, piece: &[u8]) -> bool {
    let cookie_octets = if start == 0 { piece.len().min(COOKIE_OCTETS) } else { 0 };
    let (first, rest) = piece.split_at(cookie_octets);
    let filled = match fill {
        Fill::Counting => COUNTING.get(cookie_octets..piece.len()) == Some(rest),
        Fill::Pattern(_) => (start + cookie_octets..).zip(rest).all(|(at, &found)| expected(cookie, fill, at) == found),
    };
    filled && cookie.0.starts_with(first)
}

/// The octet that [`push`] writes at `index`.
fn expected(cookie: &Cookie, fill: &Fill, index: usize) -> u8 {
    let Some(offset) = index.checked_sub(COOKIE_OCTETS) else { return cookie.0[index] };
    match fill {
        Fill::Counting => index as u8,
        Fill::Pattern(pattern) => offset.checked_rem(pattern.len()).map_or(0, |at| pattern[at]),
    }
}

/// Appends the tag that a UDP trace probe starts with: cookie, then the probe's number (8 octets, big-endian), then counting
/// fill; cut to exactly `octets` octets.
pub fn push_tagged(cookie: &Cookie, probe: ProbeId, octets: usize, out: &mut Vec<u8>) {
    let number_at = out.len() + COOKIE_OCTETS;
    push(cookie, &Fill::Counting, octets, out);
    out.iter_mut().skip(number_at).zip(probe.get().to_be_bytes()).for_each(|(place, octet)| *place = octet);
}

/// The probe that a tag names, if all of tag and cookie are there and the cookie agrees.
pub fn tagged_probe(cookie: &Cookie, payload: &[u8]) -> Option<ProbeId> {
    let (&number, _) = payload.strip_prefix(&cookie.0)?.split_first_chunk()?;
    Some(ProbeId::new(u64::from_be_bytes(number)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COOKIE: Cookie = Cookie::new(*b"0123456789abcdef");

    fn pushed(fill: &Fill, octets: usize) -> Vec<u8> {
        let mut out = Vec::new();
        push(&COOKIE, fill, octets, &mut out);
        out
    }

    #[test]
    fn the_cookie_comes_first_and_each_octet_after_it_is_its_index() {
        let payload = pushed(&Fill::Counting, 300);
        assert_eq!(&payload[..16], COOKIE.octets());
        assert_eq!(payload[16..19], [16, 17, 18]);
        assert_eq!(payload[255..258], [255, 0, 1]);
    }

    #[test]
    fn a_pattern_starts_after_the_cookie() {
        let payload = pushed(&Fill::Pattern([0xff, 0, 7].into()), 20);
        assert_eq!(payload[16..], [0xff, 0, 7, 0xff]);
    }

    #[test]
    fn a_short_payload_is_a_cut_cookie() {
        assert_eq!(pushed(&Fill::Counting, 5), b"01234");
        assert_eq!(COOKIE.agreement(b"01234", 5), (5, 5));
        assert_eq!(COOKIE.agreement(b"01234", 56), (5, 5));
        assert_eq!(COOKIE.agreement(b"0123456789abcdef", 4), (4, 4));
        assert_eq!(COOKIE.agreement(b"", 0), (0, 0));
    }

    #[test]
    fn agreement_is_counted_position_by_position() {
        assert_eq!(COOKIE.agreement(b"0123xxxx89abcdefxxxx", 56), (12, 16));
        assert_eq!(COOKIE.agreement(b"123456789abcdef0", 56), (0, 16));
    }

    #[test]
    fn the_first_changed_octet_is_found() {
        let mut payload = pushed(&Fill::Counting, 56);
        payload[40] = 9;
        payload[50] = 9;
        let difference = first_difference(&COOKIE, &Fill::Counting, 56, &payload);
        assert_eq!(difference, Some(Difference { index: 40, expected: 40, found: 9 }));
    }

    #[test]
    fn a_tag_needs_cookie_and_number_whole() {
        let mut payload = Vec::new();
        push_tagged(&COOKIE, ProbeId::new(0x0102_0304_0506_0708), 26, &mut payload);
        assert_eq!(payload[16..], [1, 2, 3, 4, 5, 6, 7, 8, 24, 25]);
        assert_eq!(tagged_probe(&COOKIE, &payload[..24]), Some(ProbeId::new(0x0102_0304_0506_0708)));
        assert_eq!(tagged_probe(&COOKIE, &payload[..23]), None);
        payload[3] ^= 1;
        assert_eq!(tagged_probe(&COOKIE, &payload), None);
    }

    fn any_fill() -> impl Strategy<Value = Fill> {
        prop_oneof![
            Just(Fill::Counting),
            proptest::collection::vec(any::<u8>(), 1..17).prop_map(|pattern| Fill::Pattern(pattern.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_was_pushed_has_no_difference_however_it_is_cut_or_grown(
            fill in any_fill(), octets in 0..400_usize, received in 0..500_usize,
        ) {
            let mut payload = pushed(&fill, octets);
            prop_assert_eq!(payload.len(), octets);
            payload.resize(received, 0xaa);
            prop_assert_eq!(first_difference(&COOKIE, &fill, octets, &payload), None);
        }

        #[test]
        fn one_changed_octet_is_the_difference(
            fill in any_fill(), octets in 1..400_usize, at: prop::sample::Index, flip in 1..=255_u8,
        ) {
            let mut payload = pushed(&fill, octets);
            let index = at.index(octets);
            let expected = payload[index];
            payload[index] ^= flip;
            let difference = first_difference(&COOKIE, &fill, octets, &payload);
            prop_assert_eq!(difference, Some(Difference { index, expected, found: expected ^ flip }));
        }

        #[test]
        fn a_tag_names_its_probe_at_every_length_that_holds_it(number: u64, octets in 0..200_usize) {
            let mut payload = Vec::new();
            push_tagged(&COOKIE, ProbeId::new(number), octets, &mut payload);
            prop_assert_eq!(payload.len(), octets);
            prop_assert_eq!(tagged_probe(&COOKIE, &payload), (octets >= 24).then_some(ProbeId::new(number)));
        }
    }
}
