//! Origins of addresses in TXT records in the format of Team Cymru's IP to ASN service:
//! `23028 | 216.90.108.0/24 | US | arin | 1998-09-25`, several origins separated by blanks; and names of systems:
//! `23028 | US | arin | 2002-01-04 | TEAM-CYMRU - Team Cymru Inc., US`.

use std::net::IpAddr;

use super::prefix::Prefix;
use crate::types::Asn;

/// Most origins of one address that are kept. A prefix that several systems announce has two or three.
const MOST_ORIGINS: usize = 8;

/// The origins of `address`, ascending, by the texts of a name server: those of the longest prefix. `None` if none of the texts
/// says anything about it.
pub fn origins<'a>(texts: impl IntoIterator<Item = &'a [u8]>, address: IpAddr) -> Option<Vec<Asn>> {
    let mut longest: Option<(u8, Vec<Asn>)> = None;
    for (prefix, systems) in texts.into_iter().filter_map(origin) {
        if !prefix.contains(address) {
            continue;
        }
        match &mut longest {
            Some((length, _)) if *length > prefix.length() => {}
            Some((length, known)) if *length == prefix.length() => known.extend(systems),
            _ => longest = Some((prefix.length(), systems)),
        }
    }
    longest.map(|(_, systems)| in_order(systems))
}

/// Most characters of a name that are kept.
pub(super) const MOST_NAME: usize = 100;

/// The name of `asn`, by the texts of a name server: the last field of one about it.
pub fn name<'a>(texts: impl IntoIterator<Item = &'a [u8]>, asn: Asn) -> Option<Box<str>> {
    let read = |text: &'a [u8]| {
        let mut fields = str::from_utf8(text).ok()?.split('|').map(str::trim);
        let about = fields.next().and_then(Asn::read)?;
        let name = fields.next_back().filter(|name| !name.is_empty())?;
        (about == asn).then(|| name.chars().take(MOST_NAME).collect())
    };
    texts.into_iter().find_map(read)
}

/// One text; `None` for what has not this form.
fn origin(text: &[u8]) -> Option<(Prefix, Vec<Asn>)> {
    let mut fields = str::from_utf8(text).ok()?.split('|').map(str::trim);
    let (systems, prefix) = (fields.next()?, fields.next()?);
    let systems: Vec<Asn> = systems.split_ascii_whitespace().map(Asn::read).collect::<Option<_>>()?;
    (!systems.is_empty()).then_some((Prefix::read(prefix)?, systems))
}

/// Each once, ascending, and no more than anybody has use for.
pub(super) fn in_order(mut systems: Vec<Asn>) -> Vec<Asn> {
    systems.sort_unstable();
    systems.dedup();
    systems.truncate(MOST_ORIGINS);
    systems
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::{mutated, octets};
    use super::*;

    fn asked(address: &str, texts: &[&str]) -> Option<Vec<u32>> {
        let found = origins(texts.iter().map(|text| text.as_bytes()), address.parse().expect("an address"));
        found.map(|systems| systems.into_iter().map(Asn::get).collect())
    }

    #[test]
    fn an_origin_is_read() {
        assert_eq!(asked("216.90.108.31", &["23028 | 216.90.108.0/24 | US | arin | 1998-09-25"]), Some(vec![23_028]));
        assert_eq!(
            asked("2001:4860:4860::8888", &["15169 | 2001:4860::/32 | US | arin | 2005-03-14"]),
            Some(vec![15_169])
        );
        assert_eq!(asked("192.0.2.1", &["64500|192.0.2.0/24"]), Some(vec![64_500]));
    }

    #[test]
    fn several_origins_come_in_one_order_whatever_the_servers() {
        assert_eq!(asked("192.0.2.1", &["2 1 | 192.0.2.0/24 | | |"]), Some(vec![1, 2]));
        let texts = ["3 | 192.0.2.0/24 | | |", "1 3 | 192.0.2.0/24 | | |"];
        assert_eq!(asked("192.0.2.1", &texts), Some(vec![1, 3]));
    }

    #[test]
    fn the_longest_prefix_decides() {
        let texts = ["1 | 192.0.0.0/16 | | |", "2 | 192.0.2.0/24 | | |", "3 | 192.0.0.0/8 | | |"];
        assert_eq!(asked("192.0.2.1", &texts), Some(vec![2]));
    }

    #[test]
    fn what_is_no_origin_of_this_address_is_none() {
        for text in [
            "",
            "|",
            "||||",
            "NA | 192.0.2.0/24 | | |",
            "0 | 192.0.2.0/24 | | |",
            "-1 | 192.0.2.0/24 | | |",
            "1 evil | 192.0.2.0/24 | | |",
            "4294967296 | 192.0.2.0/24 | | |",
            "1 | 192.0.2.0/33 | | |",
            "1 | 198.51.100.0/24 | | |",
            "1 | ::/0 | | |",
            "1 | \x1b[2J | | |",
            "v=spf1 -all",
        ] {
            assert_eq!(asked("192.0.2.1", &[text]), None, "{text}");
        }
        assert_eq!(origins([&b"1\xff | 192.0.2.0/24"[..]], "192.0.2.1".parse().expect("an address")), None);
    }

    #[test]
    fn garbage_beside_an_origin_is_passed_over() {
        assert_eq!(asked("192.0.2.1", &["\x1b]0;x\x07", "7 | 192.0.2.0/24 | | |", "8"]), Some(vec![7]));
    }

    #[test]
    fn no_text_makes_a_long_list() {
        let all: Vec<String> = (1..5000).map(|number| number.to_string()).collect();
        let found = asked("192.0.2.1", &[&format!("{} | 192.0.2.0/24", all.join(" "))]);
        assert_eq!(found.map(|systems| systems.len()), Some(MOST_ORIGINS));
    }

    #[test]
    fn the_name_of_a_system_is_the_last_field_about_it() {
        let named = |texts: &[&str]| {
            name(texts.iter().map(|text| text.as_bytes()), Asn::new(64_500).expect("not 0")).map(String::from)
        };
        let cymru = "64500 | US | arin | 2002-01-04 | EXAMPLE-AS - Example Inc., US";
        assert_eq!(named(&[cymru]).as_deref(), Some("EXAMPLE-AS - Example Inc., US"));
        assert_eq!(named(&["1 | other", "64500|short"]).as_deref(), Some("short"));
        for text in ["", "64500", "64500 |", "64501 | other", "AS64500 | x", "v=spf1 -all"] {
            assert_eq!(named(&[text]), None, "{text}");
        }
        assert_eq!(named(&[&format!("64500 | {}", "x".repeat(5000))]).map(|name| name.len()), Some(MOST_NAME));
    }

    proptest! {
        #[test]
        fn any_octets_give_origins_or_none(text in octets(), address: IpAddr) {
            origins([text.as_slice()], address);
            name([text.as_slice()], Asn::new(1).expect("not 0"));
        }

        #[test]
        fn damaged_origins_are_read_or_passed_over(
            text in mutated(Just(b"23028 | 216.90.108.0/24 | US | arin | 1998-09-25".to_vec()))
        ) {
            if let Some(found) = origins([text.as_slice()], IpAddr::from([216, 90, 108, 31])) {
                prop_assert!(!found.is_empty());
            }
        }
    }
}
