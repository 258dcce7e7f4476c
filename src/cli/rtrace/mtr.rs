//! The habits of mtr's users: [`meant`].

use std::ffi::OsString;

/// Options of mtr: the letter, whether it takes a value, and what it is here.
const OPTIONS: [(char, bool, &str); 18] = [
    ('r', false, "--report"),
    ('w', false, "-b"),
    ('b', false, "-b"),
    ('z', false, "-A"),
    ('n', false, "-n"),
    ('e', false, "-e"),
    ('j', false, "-j"),
    ('C', false, "--format csv"),
    ('4', false, "-4"),
    ('6', false, "-6"),
    ('u', false, "-U"),
    ('T', false, "-T"),
    ('c', true, "-c"),
    ('i', true, "--interval"),
    ('m', true, "-m"),
    ('f', true, "-f"),
    ('P', true, "-p"),
    ('Q', true, "--tos"),
];

/// The sentence for words that are a report of mtr's (`-rwbzc 100`); `None` if they are not.
pub fn meant(words: &[OsString]) -> Option<String> {
    let (mut flags, mut here, mut groups) = (Vec::new(), vec!["--report".to_owned()], false);
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { continue };
        let before = flags.len();
        for (at, letter) in letters.char_indices() {
            let (_, has_value, option) = OPTIONS.into_iter().find(|(known, ..)| *known == letter)?;
            if has_value {
                let attached = letters.get(at + 1..).filter(|value| !value.is_empty());
                here.push(format!("{option} {}", attached.or_else(|| words.next())?));
                break;
            }
            flags.push(letter);
            if !here.iter().any(|known| known == option) {
                here.push(option.to_owned());
            }
        }
        groups |= flags.len() > before && letters.len() > 1;
    }
    let has = |letter| flags.contains(&letter);
    if !(has('r') || has('w')) || !(groups || has('r') && flags.len() > 1) {
        return None;
    }
    let flags: Vec<String> = flags.into_iter().map(|letter| format!("-{letter}")).collect();
    Some(format!("mtr's {} is: rtrace {}", flags.join(" "), here.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_mtrs_is_translated() {
        let meant = |line: &str| meant(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let report = Some("mtr's -r -w -b -z is: rtrace --report -b -A -c 100".to_owned());
        assert_eq!(meant("rtrace -rwbzc 100"), report);
        assert_eq!(meant("rtrace -rwbzc100 host"), report);
        assert_eq!(meant("rtrace -r -w -b -z -c 100 host"), report);
        assert_eq!(
            meant("rtrace -rn -i 0.5 host"),
            Some("mtr's -r -n is: rtrace --report -n --interval 0.5".to_owned())
        );
        for line in ["rtrace -w bzc host", "rtrace -rq host", "rtrace -w5 host", "rtrace --report host", "rtrace host"]
        {
            assert_eq!(meant(line), None, "{line}");
        }
    }
}
