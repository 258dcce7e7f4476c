//! The habits of mtr's users: [`meant`].

use std::ffi::OsString;

/// Options of mtr: the letter, the long name, whether it takes a value, and what it is here.
const OPTIONS: [(char, &str, bool, &str); 22] = [
    ('r', "report", false, "--report"),
    ('w', "report-wide", false, "-b"),
    ('b', "show-ips", false, "-b"),
    ('z', "aslookup", false, "-A"),
    ('n', "no-dns", false, "-n"),
    ('e', "mpls", false, "-e"),
    ('j', "json", false, "-j"),
    ('C', "csv", false, "--format csv"),
    ('4', "ipv4", false, "-4"),
    ('6', "ipv6", false, "-6"),
    ('u', "udp", false, "-U"),
    ('T', "tcp", false, "-T"),
    ('c', "report-cycles", true, "-c"),
    ('i', "interval", true, "--interval"),
    ('m', "max-ttl", true, "-m"),
    ('f', "first-ttl", true, "-f"),
    ('P', "port", true, "-p"),
    ('Q', "tos", true, "--tos"),
    ('o', "order", true, "--columns"),
    ('F', "filename", true, "--targets"),
    ('a', "address", true, "-s"),
    ('s', "psize", true, SIZE),
];

/// The packet length stands after the target here.
const SIZE: &str = "HOST";

/// What mtr's words ask for.
#[derive(Default)]
struct Asked {
    /// Flags of its report as they were typed, each with its dash.
    flags: Vec<String>,
    /// The same options here.
    here: Vec<String>,
    /// What stands at the end here.
    last: Vec<String>,
    /// Whether several letters stand in one word.
    groups: bool,
    /// Whether such a word ends in `z`, with no time after it.
    looks_up: bool,
}

impl Asked {
    /// Takes one option, with its value if it has one; `None` if mtr has no such option.
    fn take<'a>(&mut self, letter: char, value: impl FnOnce() -> Option<&'a str>) -> Option<bool> {
        let (_, _, has_value, option) = OPTIONS.into_iter().find(|(known, ..)| *known == letter)?;
        let words = if has_value { format!("{option} {}", value()?) } else { option.to_owned() };
        let list = if option == SIZE { &mut self.last } else { &mut self.here };
        if !list.contains(&words) {
            list.push(words);
        }
        Some(has_value)
    }

    fn has(&self, flags: &[&str]) -> bool {
        self.flags.iter().any(|flag| flags.contains(&&**flag))
    }

    /// Whether only mtr's users write so: as one word of flags, or with a wide report.
    fn is_mtrs(&self) -> bool {
        let report = self.has(&["-r", "-w"]) && (self.groups || self.has(&["-r"]) && self.flags.len() > 1);
        report || self.has(&["--report-wide"]) || self.looks_up
    }
}

/// The sentence for words that are mtr's (`-rwbzc 100`); `None` if they are not.
pub fn meant(words: &[OsString]) -> Option<String> {
    let mut asked = Asked::default();
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str()).peekable();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, attached) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let (letter, ..) = OPTIONS.into_iter().find(|(_, known, ..)| *known == name)?;
            asked.take(letter, || attached.or_else(|| words.next()))?;
            if letter == 'w' {
                asked.flags.push(word.to_owned());
            }
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { continue };
        let before = asked.flags.len();
        for (at, letter) in letters.char_indices() {
            let attached = letters.get(at + letter.len_utf8()..).filter(|value| !value.is_empty());
            if asked.take(letter, || attached.or_else(|| words.next()))? {
                break;
            }
            asked.flags.push(format!("-{letter}"));
        }
        let group = asked.flags.len() > before && letters.len() > 1;
        asked.groups |= group;
        let is_time =
            |word: &&str| word.starts_with(|first: char| first.is_ascii_digit()) && word.parse::<f64>().is_ok();
        asked.looks_up |= group && letters.ends_with('z') && !words.peek().is_some_and(is_time);
    }
    if !asked.is_mtrs() {
        return None;
    }
    // Without a report mtr shows the path live.
    let is_report = asked.has(&["-r", "-w", "--report-wide"]) || asked.here.iter().any(|word| word == "--report");
    let first = if is_report { "--report" } else { "--live" };
    let rest = asked.here.into_iter().chain(asked.last).filter(|word| word != "--report");
    let here: Vec<String> = std::iter::once(first.to_owned()).chain(rest).collect();
    Some(format!("mtr's {} is: rtrace {}", asked.flags.join(" "), here.join(" ")))
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
        for (line, sentence) in [
            ("rtrace -rwbz -o LSD host", "mtr's -r -w -b -z is: rtrace --report -b -A --columns LSD"),
            ("rtrace -rwo LSDNBAW host", "mtr's -r -w is: rtrace --report -b --columns LSDNBAW"),
            ("rtrace -rws 1000 host", "mtr's -r -w is: rtrace --report -b HOST 1000"),
            ("rtrace -rwbz --udp host", "mtr's -r -w -b -z is: rtrace --report -b -A -U"),
            ("rtrace -rwF hosts", "mtr's -r -w is: rtrace --report -b --targets hosts"),
            ("rtrace -bz host", "mtr's -b -z is: rtrace --live -b -A"),
            ("rtrace --report-wide host", "mtr's --report-wide is: rtrace --report -b"),
            ("rtrace --report -wbz --port=443 host", "mtr's -w -b -z is: rtrace --report -b -A -p 443"),
            ("rtrace -4rwbzc 3 host", "mtr's -4 -r -w -b -z is: rtrace --report -4 -b -A -c 3"),
        ] {
            assert_eq!(meant(line).as_deref(), Some(sentence), "{line}");
        }
        for line in [
            "rtrace --report -n -i host",
            "rtrace -z 10 host",
            "rtrace -nz 10 -m abc host",
            "rtrace -w bzc host",
            "rtrace -rq host",
            "rtrace -w5 host",
            "rtrace --report host",
            "rtrace host",
        ] {
            assert_eq!(meant(line), None, "{line}");
        }
    }
}
