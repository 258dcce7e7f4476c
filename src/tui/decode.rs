//! From the octets of a terminal to keys: [`Decoder`].

use super::keys::Key;

/// More octets than this are no key.
const LONGEST: usize = 32;

/// Puts keys together from what was read. A key may come in pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// The keys that are complete with these octets.
    pub fn feed(&mut self, octets: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(octets);
        let mut keys = Vec::new();
        let mut rest = self.pending.as_slice();
        while let Some((key, length)) = first(rest) {
            keys.extend(key);
            rest = rest.get(length..).unwrap_or_default();
        }
        self.pending = if rest.len() > LONGEST { Vec::new() } else { rest.to_vec() };
        keys
    }

    /// Whether a key may have begun.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing more came for a while: an escape alone is the key of that name.
    pub fn pause(&mut self) -> Option<Key> {
        std::mem::take(&mut self.pending).starts_with(&[0x1b]).then_some(Key::Esc)
    }
}

/// The first key, if it has one we know, and its octets; `None` if it is not complete.
fn first(octets: &[u8]) -> Option<(Option<Key>, usize)> {
    let (&lead, rest) = octets.split_first()?;
    Some(match lead {
        0x1b => return escape(rest).map(|(key, length)| (key, length + 1)),
        b'\r' | b'\n' => (Some(Key::Enter), 1),
        b'\t' => (Some(Key::Tab), 1),
        0x08 | 0x7f => (Some(Key::Backspace), 1),
        0x01..=0x1a => (Some(Key::Ctrl(char::from(lead - 1 + b'a'))), 1),
        0x00 | 0x1c..=0x1f => (None, 1),
        _ => return text(octets),
    })
}

/// A character of UTF-8.
fn text(octets: &[u8]) -> Option<(Option<Key>, usize)> {
    let length = match octets.first()? {
        ..0x80 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf8 => 4,
        _ => return Some((None, 1)),
    };
    let character = octets.get(..length)?;
    Some((std::str::from_utf8(character).ok().and_then(|text| text.chars().next()).map(Key::Char), length))
}

/// After an escape: ECMA-48 control sequences, and what terminals send for cursor keys in application mode.
fn escape(rest: &[u8]) -> Option<(Option<Key>, usize)> {
    match rest.first()? {
        b'[' => {
            let body = rest.get(1..)?;
            let end = body.iter().position(|octet| (0x40..=0x7e).contains(octet))?;
            Some((control(body.get(..end)?, *body.get(end)?), end + 2))
        }
        b'O' => Some((cursor(*rest.get(1)?), 2)),
        // A second escape begins anew.
        0x1b => Some((Some(Key::Esc), 0)),
        // A character with Alt.
        _ => Some((None, 1)),
    }
}

fn control(parameters: &[u8], last: u8) -> Option<Key> {
    let number = parameters.split(|&octet| octet == b';').next().and_then(|first| std::str::from_utf8(first).ok());
    match (last, number.and_then(|number| number.parse::<u8>().ok())) {
        (b'~', Some(1 | 7)) => Some(Key::Home),
        (b'~', Some(4 | 8)) => Some(Key::End),
        (b'~', Some(5)) => Some(Key::PageUp),
        (b'~', Some(6)) => Some(Key::PageDown),
        (b'~', Some(11)) => Some(Key::F1),
        (b'Z', _) => Some(Key::BackTab),
        _ => cursor(last),
    }
}

fn cursor(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'P' => Key::F1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read_from_what_terminals_send() {
        let keys = |octets: &[u8]| Decoder::default().feed(octets);
        assert_eq!(keys(b"q\x03\x0c"), [Key::Char('q'), Key::Ctrl('c'), Key::Ctrl('l')]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[D"), [Key::Up, Key::Down, Key::Right, Key::Left]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~\x1b[H\x1b[4~"), [Key::PageUp, Key::PageDown, Key::Home, Key::End]);
        assert_eq!(
            keys(b"\x1bOP\x1b[11~\x1b[Z\t\r\x7f"),
            [Key::F1, Key::F1, Key::BackTab, Key::Tab, Key::Enter, Key::Backspace]
        );
        assert_eq!(keys("ü".as_bytes()), [Key::Char('ü')]);
    }

    #[test]
    fn a_key_may_come_in_pieces_and_an_escape_alone_is_one() {
        let mut decoder = Decoder::default();
        assert_eq!((decoder.feed(b"\x1b"), decoder.is_pending()), (vec![], true));
        assert_eq!(decoder.feed(b"[5"), []);
        assert_eq!(decoder.feed(b"~"), [Key::PageUp]);
        assert_eq!((decoder.feed(b"\x1b"), decoder.pause()), (vec![], Some(Key::Esc)));
        assert!(!decoder.is_pending());
    }

    proptest! {
        #[test]
        fn arbitrary_octets_are_no_trouble(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            for octets in octets.chunks(7) {
                decoder.feed(octets);
                prop_assert!(decoder.pending.len() <= LONGEST);
            }
            decoder.pause();
        }
    }
}
