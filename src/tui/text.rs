//! Text in cells: how wide it is, and how it is made to fit.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Cells that `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of `text` that takes at most `room` cells.
pub(super) fn beginning(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > room {
            return text.get(..at).unwrap_or(text);
        }
    }
    text
}

/// The end of `text` that takes at most `room` cells.
fn end(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > room {
            return text.get(at + character.len_utf8()..).unwrap_or(text);
        }
    }
    text
}

/// `text` in at most `room` cells, shortened in its middle where it is longer: both ends of a name say something. `mark`
/// stands for what is left out.
pub(super) fn shortened(text: &str, room: usize, mark: char) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let Some(rest) = room.checked_sub(mark.width().unwrap_or(1)) else { return String::new() };
    let tail = rest / 2;
    let (head, tail) = (beginning(text, rest - tail), end(text, tail));
    format!("{head}{mark}{tail}")
}

/// The beginning of a sentence, with `mark` at its end where it is longer than `room` cells.
pub(super) fn cut(text: &str, room: usize, mark: char) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let Some(rest) = room.checked_sub(mark.width().unwrap_or(1)) else { return String::new() };
    format!("{}{mark}", beginning(text, rest))
}

/// A sentence in at most `most` lines of `room` cells, broken between words; the last one is cut where that does not suffice.
pub(super) fn lines(text: &str, (room, most): (usize, usize), mark: char) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while lines.len() + 1 < most && width(rest) > room {
        let Some(space) = beginning(rest, room + 1).rfind(' ').filter(|&space| space > 0) else { break };
        let (line, after) = rest.split_at(space);
        lines.push(line.to_owned());
        rest = after.trim_start();
    }
    lines.push(cut(rest, room, mark));
    lines
}

/// `text` in exactly `room` cells, to the right.
pub(super) fn right(text: &str, room: usize) -> String {
    let text = beginning(text, room);
    format!("{}{text}", " ".repeat(room - width(text)))
}

/// Milliseconds with as many digits as say something: 0.04, 1.25, 12.3, 123.4, 1234.
pub(super) fn millis(nanos: f64) -> String {
    let millis = nanos / 1e6;
    match millis {
        ..9.995 => format!("{millis:.2}"),
        ..999.95 => format!("{millis:.1}"),
        ..999_999.5 => format!("{millis:.0}"),
        _ => format!("{:.0}s", millis / 1e3),
    }
}

/// A share in percent: 0.0, 3.2, 33.8, 100.
pub(super) fn percent(share: f64) -> String {
    format!("{share:.1}")
}

/// Hours, minutes and seconds: 06:40, 1:06:40, 3d 02:06.
pub(super) fn running(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{:02}", seconds % 60),
        (0, _) => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
        _ => format!("{days}d {hours:02}:{minutes:02}"),
    }
}

/// A time that has passed: 9s, 119s, 45m, 30h, 12d.
pub(super) fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A span as a setting: 1 s, 0.2 s, 5 min.
pub(super) fn span(seconds: f64) -> String {
    if seconds >= 120.0 && seconds % 60.0 == 0.0 {
        return format!("{} min", seconds / 60.0);
    }
    format!("{seconds} s")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sentence_is_broken_between_words_and_cut_where_there_is_no_room() {
        let sentence = "answers are missing from hop 9 on";
        assert_eq!(lines(sentence, (12, 9), '…'), ["answers are", "missing from", "hop 9 on"]);
        assert_eq!(lines(sentence, (12, 2), '…'), ["answers are", "missing fro…"]);
        assert_eq!(lines(sentence, (4, 9), '…'), ["ans…"]);
        assert_eq!(lines(sentence, (80, 1), '…'), [sentence]);
    }

    #[test]
    fn milliseconds_have_as_many_digits_as_say_something() {
        let shown = [0.04, 1.25, 9.994, 9.996, 12.34, 123.44, 999.96, 1234.5, 12_345.0, 1e6].map(|ms| millis(ms * 1e6));
        assert_eq!(shown, ["0.04", "1.25", "9.99", "10.0", "12.3", "123.4", "1000", "1234", "12345", "1000s"]);
    }

    #[test]
    fn a_long_name_is_shortened_in_its_middle() {
        assert_eq!(shortened("be12.transit.example", 12, '…'), "be12.t…ample");
        assert_eq!(shortened("2001:db8::1", 15, '…'), "2001:db8::1");
        assert_eq!(shortened("東京.example", 6, '…'), "東…le");
        assert_eq!(shortened("abc", 0, '…'), "");
    }

    proptest! {
        #[test]
        fn no_line_of_a_sentence_is_wider_than_its_room(text in "[a-z ]{0,60}", room in 0usize..20, most in 1usize..9) {
            let broken = lines(&text, (room, most), '…');
            prop_assert!(broken.len() <= most && broken.iter().all(|line| width(line) <= room), "{:?}", broken);
        }

        #[test]
        fn no_text_is_wider_than_its_room(text in any::<String>(), room in 0usize..20) {
            prop_assert!(width(&cut(&text, room, '…')) <= room);
            prop_assert!(width(&shortened(&text, room, '…')) <= room.max(width(&text).min(room)));
            let plain: String = text.chars().filter(|c| !c.is_control()).collect();
            prop_assert_eq!(width(&right(&plain, room)), room);
        }
    }
}
