//! Text from outside, made safe to print: names by [`escape`], messages by [`printable`].

use std::borrow::Cow;
use std::fmt::Write;

/// `name` as one printable word: controls (C0, DEL, C1), bidirectional and other format characters, separators, blanks,
/// invisible, private and unassigned characters become `\u{…}` with the code point in hexadecimal. A backslash becomes `\\`,
/// so that the result stands for one name only. Blanks are escaped because columns of the text formats end at them.
pub fn escape(name: &str) -> Cow<'_, str> {
    if name.chars().all(stands_for_itself) {
        return Cow::Borrowed(name);
    }
    let mut shown = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        match character {
            '\\' => shown.push_str(r"\\"),
            _ if stands_for_itself(character) => shown.push(character),
            _ => shown.extend(character.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

/// `text` as one printable line: as by [`escape`], but blanks and backslashes stand for themselves.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_visible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_visible(character) { shown.push(character) } else { shown.extend(character.escape_unicode()) }
    }
    Cow::Owned(shown)
}

fn stands_for_itself(character: char) -> bool {
    character != ' ' && character != '\\' && is_visible(character)
}

/// Whether `character` is visible, or a blank, and does not change how others are shown.
pub(crate) fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    !is_blank_letter(character) && is_printable(character)
}

/// Letters and marks that are not visible (Unicode's Default_Ignorable_Code_Point).
fn is_blank_letter(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// The standard library's table of printable characters: it leaves out controls, formats, separators, private and
/// unassigned characters. It is only reachable by `escape_debug`, which leaves a combining mark alone where it follows a letter.
fn is_printable(character: char) -> bool {
    let mut pair = String::with_capacity(5);
    // Writing to a String does not fail.
    let _ = write!(pair, "a{character}");
    pair.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in
            ["host.example.org", "a-b_c.example", "bücher.example", "उदाहरण.परीक्षा", "例え.テスト", "fe80::1%eth0"]
        {
            assert_eq!(escape(name), name);
            assert!(matches!(escape(name), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn what_does_not_print_is_shown_by_its_code_point() {
        assert_eq!(escape("a\u{1b}[2Jb"), r"a\u{1b}[2Jb");
        assert_eq!(escape("a\nb\x07\x7f"), r"a\u{a}b\u{7}\u{7f}");
        assert_eq!(escape("\u{9b}31m"), r"\u{9b}31m");
        assert_eq!(escape("\u{202e}gro\u{2066}\u{200f}\u{61c}"), r"\u{202e}gro\u{2066}\u{200f}\u{61c}");
        assert_eq!(escape("a\u{200b}\u{200d}\u{feff}\u{ad}\u{2028}"), r"a\u{200b}\u{200d}\u{feff}\u{ad}\u{2028}");
        assert_eq!(escape("\u{e000}\u{e0041}\u{3164}\u{fe0f}"), r"\u{e000}\u{e0041}\u{3164}\u{fe0f}");
    }

    #[test]
    fn a_name_is_one_word_and_a_backslash_is_unambiguous() {
        assert_eq!(escape("x (192.0.2.1): icmp_seq=1"), r"x\u{20}(192.0.2.1):\u{20}icmp_seq=1");
        assert_eq!(escape(r"\u{1b}"), r"\\u{1b}");
        assert_ne!(escape(r"\u{1b}"), escape("\u{1b}"));
    }

    #[test]
    fn a_message_keeps_its_blanks_and_stays_one_line() {
        assert_eq!(printable("--targets a b: No such file"), "--targets a b: No such file");
        assert_eq!(printable("'\u{1b}[2J\n x\\y'"), r"'\u{1b}[2J\u{a} x\y'");
    }

    /// Undoes `escape`.
    fn unescape(shown: &str) -> Option<String> {
        let mut name = String::new();
        let mut rest = shown;
        while let Some(at) = rest.find('\\') {
            name.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('\\') {
                name.push('\\');
                rest = after;
            } else {
                let (code, after) = rest.strip_prefix("u{")?.split_once('}')?;
                name.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
                rest = after;
            }
        }
        name.push_str(rest);
        Some(name)
    }

    fn dangerous(character: char) -> bool {
        character.is_control()
            || character.is_whitespace()
            || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..)
    }

    proptest! {
        #[test]
        fn no_shown_name_holds_a_dangerous_character(name in any::<String>()) {
            prop_assert!(!escape(&name).chars().any(dangerous));
        }

        #[test]
        fn no_shown_message_holds_a_dangerous_character(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(|character| dangerous(character) && character != ' '));
        }

        #[test]
        fn what_is_shown_means_one_name_only(name in any::<String>()) {
            prop_assert_eq!(unescape(&escape(&name)), Some(name));
        }

        #[test]
        fn every_low_character_is_harmless_when_shown(code in 0u32..0x3000) {
            if let Some(character) = char::from_u32(code) {
                prop_assert!(!escape(&character.to_string()).chars().any(dangerous));
            }
        }
    }
}
