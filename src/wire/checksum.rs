//! The internet checksum (RFC 1071).

use etherparse::checksum::Sum16BitWords;

/// The checksum over `octets` with their checksum field zero: the inverted one's complement sum. An odd last octet counts
/// as the upper half of a word. Over octets that hold their right checksum it is 0.
pub fn internet(octets: &[u8]) -> u16 {
    // etherparse sums in the machine's byte order, which the one's complement sum allows (RFC 1071 §2 (B)).
    u16::from_be(Sum16BitWords::new().add_slice(octets).ones_complement())
}

/// The checksum `before`, of octets in which `words` (even numbers of octets, at even places) were zero, once they hold these
/// values (RFC 1624 §3, equation 3).
pub fn with_words(before: u16, words: &[&[u8]]) -> u16 {
    let pairs = words.iter().flat_map(|words| words.as_chunks::<2>().0);
    let sum = pairs.fold(u64::from(!before), |sum, pair| sum + u64::from(u16::from_be_bytes(*pair)));
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Word by word, as RFC 1071 §4.1 spells it out.
    fn by_the_book(octets: &[u8]) -> u16 {
        let mut sum = 0u64;
        for word in octets.chunks(2) {
            sum += u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_sum_of_rfc_1071s_example_is_ddf2() {
        assert_eq!(internet(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn a_known_ipv4_header_has_its_known_checksum() {
        let header = [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert_eq!(internet(&header), 0xb861);
    }

    #[test]
    fn nothing_sums_to_zero() {
        assert_eq!(internet(&[]), 0xffff);
        assert_eq!(internet(&[0; 9]), 0xffff);
        assert_eq!(internet(&[0xff; 8]), 0);
    }

    proptest! {
        #[test]
        fn it_is_the_books_for_any_octets(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(internet(&octets), by_the_book(&octets));
        }

        #[test]
        fn octets_that_hold_their_checksum_sum_to_zero(mut octets in proptest::collection::vec(any::<u8>(), 2..200)) {
            octets[..2].fill(0);
            prop_assume!(octets.iter().any(|&octet| octet != 0));
            let checksum = internet(&octets);
            octets[..2].copy_from_slice(&checksum.to_be_bytes());
            prop_assert_eq!(internet(&octets), 0);
        }
    }
}
