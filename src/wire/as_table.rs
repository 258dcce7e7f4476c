//! Which systems announce which addresses, by a file: [`AsTable`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};

use super::asn::{MOST_NAME, in_order};
use super::prefix::Prefix;
use crate::types::{Asn, Family};

/// What the metadata of every MaxMind DB begins with (MaxMind DB File Format, "Database Metadata").
const MAXMIND_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Records of a database to search for an AS number before it is rejected as one of another kind.
const SAMPLES: usize = 1000;

/// Origins of addresses: a MaxMind DB, or a list of prefixes.
pub struct AsTable(Form);

enum Form {
    MaxMind(Reader<Vec<u8>>),
    List(List),
}

impl AsTable {
    /// The table that a file holds: a MaxMind DB with AS numbers, or text with one prefix a line.
    ///
    /// # Errors
    /// The first line that cannot be read, or what is wrong with the database.
    pub fn read(file: Vec<u8>) -> Result<AsTable, AsTableError> {
        if contains(&file, MAXMIND_MARKER) {
            return maxmind(file).map(|reader| AsTable(Form::MaxMind(reader)));
        }
        let text = String::from_utf8(file).map_err(|_| AsTableError::NoText)?;
        List::read(&text).map(|list| AsTable(Form::List(list)))
    }

    /// The origins of `address`, ascending; empty if the table has none.
    pub fn origins(&self, address: IpAddr) -> Vec<Asn> {
        match &self.0 {
            Form::MaxMind(reader) => {
                reader.lookup(address).ok().and_then(|record| number_in(&record)).into_iter().collect()
            }
            Form::List(list) => list.origins(address).to_vec(),
        }
    }
}

impl AsTable {
    /// The name of the first system that announces `address`.
    pub fn name(&self, address: IpAddr) -> Option<Box<str>> {
        match &self.0 {
            Form::MaxMind(reader) => reader.lookup(address).ok().and_then(|record| name_in(&record)),
            Form::List(list) => list.names.get(list.origins(address).first()?).cloned(),
        }
    }
}

impl fmt::Debug for AsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Form::MaxMind(_) => "AsTable(MaxMind)",
            Form::List(_) => "AsTable(List)",
        })
    }
}

/// Why a file is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsTableError {
    /// Neither a database nor text.
    NoText,
    /// This line, counted from 1, is not `PREFIX ASN`.
    Line(usize),
    /// It begins as a database and is none.
    Database(String),
    /// A database that does not hold AS numbers; its type.
    OtherDatabase(String),
}

impl fmt::Display for AsTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AsTableError::NoText => {
                f.write_str("neither a MaxMind database nor text with a prefix and an AS number a line")
            }
            AsTableError::Line(number) => write!(f, "line {number}: not a prefix and an AS number"),
            AsTableError::Database(why) => write!(f, "a damaged MaxMind database: {why}"),
            AsTableError::OtherDatabase(kind) => write!(f, "a MaxMind database without AS numbers, of type {kind:?}"),
        }
    }
}

impl std::error::Error for AsTableError {}

fn contains(file: &[u8], wanted: &[u8]) -> bool {
    // By the format, metadata take at most the last 128 KiB.
    let from = file.len().saturating_sub(128 * 1024);
    file.get(from..).is_some_and(|end| end.windows(wanted.len()).any(|window| window == wanted))
}

fn maxmind(file: Vec<u8>) -> Result<Reader<Vec<u8>>, AsTableError> {
    let damaged = |error: MaxMindDbError| AsTableError::Database(error.to_string());
    let reader = Reader::from_source(file).map_err(damaged)?;
    let mut networks = reader.networks(WithinOptions::default()).map_err(damaged)?.take(SAMPLES);
    if networks.any(|network| network.is_ok_and(|record| number_in(&record).is_some())) {
        return Ok(reader);
    }
    Err(AsTableError::OtherDatabase(reader.metadata().database_type.clone()))
}

/// The AS number of a record where MaxMind's databases have it, in GeoLite2-ASN or GeoIP2-Enterprise, or where ipinfo's do, as
/// the text `AS64500`.
fn number_in(record: &LookupResult<'_, Vec<u8>>) -> Option<Asn> {
    let number = PathElement::Key("autonomous_system_number");
    let paths = [&[number.clone()][..], &[PathElement::Key("traits"), number]];
    if let Some(number) = paths.iter().find_map(|path| record.decode_path::<u32>(path).ok()?) {
        return Asn::new(number);
    }
    let text = record.decode_path::<&str>(&[PathElement::Key("asn")]).ok()??;
    Asn::read(text.strip_prefix("AS").unwrap_or(text))
}

/// The name of the system where MaxMind's databases have it, or ipinfo's.
fn name_in(record: &LookupResult<'_, Vec<u8>>) -> Option<Box<str>> {
    let key = PathElement::Key;
    let organization = || key("autonomous_system_organization");
    let paths: [&[PathElement<'_>]; 4] =
        [&[organization()], &[key("traits"), organization()], &[key("as_name")], &[key("name")]];
    paths.iter().find_map(|path| record.decode_path::<&str>(path).ok()?).map(kept)
}

/// As much of a name as is kept.
fn kept(name: &str) -> Box<str> {
    name.chars().take(MOST_NAME).collect()
}

/// A list of prefixes: `PREFIX ASN`, the number with or without `AS` before it, several separated by blanks, commas, `/` or `_`.
/// After a single number its name may follow. `#` begins a comment.
#[derive(Debug, Default)]
struct List {
    origins: HashMap<Prefix, Vec<Asn>>,
    names: HashMap<Asn, Box<str>>,
    /// The lengths that occur, the longest first.
    lengths: BTreeMap<Family, Vec<u8>>,
}

impl List {
    fn read(text: &str) -> Result<List, AsTableError> {
        let mut list = List::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (prefix, systems, name) = entry(line).ok_or(AsTableError::Line(number))?;
            if let (Some(name), [asn]) = (name, &*systems) {
                list.names.insert(*asn, kept(name));
            }
            list.origins.entry(prefix).or_default().extend(systems);
        }
        for systems in list.origins.values_mut() {
            *systems = in_order(std::mem::take(systems));
        }
        for prefix in list.origins.keys() {
            list.lengths.entry(prefix.family()).or_default().push(prefix.length());
        }
        for lengths in list.lengths.values_mut() {
            lengths.sort_unstable_by(|one, other| other.cmp(one));
            lengths.dedup();
        }
        Ok(list)
    }

    /// Those of the longest prefix that `address` lies in.
    fn origins(&self, address: IpAddr) -> &[Asn] {
        let lengths = self.lengths.get(&Family::of(address)).into_iter().flatten();
        lengths.filter_map(|&length| self.origins.get(&Prefix::new(address, length)?)).next().map_or(&[], Vec::as_slice)
    }
}

/// Prefix, systems, and the name of a single one.
fn entry(line: &str) -> Option<(Prefix, Vec<Asn>, Option<&str>)> {
    let (prefix, rest) = line.split_once(|character: char| character.is_ascii_whitespace())?;
    let (prefix, rest) = (Prefix::read(prefix)?, rest.trim());
    let number = |word: &str| Asn::read(word.strip_prefix("AS").unwrap_or(word));
    let is_separator = |character: char| [' ', '\t', ',', '/', '_'].contains(&character);
    if let Some((first, name)) = rest.split_once([' ', '\t'])
        && let (Some(asn), name) = (number(first), name.trim())
        && name.starts_with(char::is_alphabetic)
        && name.split(is_separator).next().and_then(number).is_none()
    {
        return Some((prefix, vec![asn], Some(name)));
    }
    let systems: Vec<Asn> =
        rest.split(is_separator).filter(|word| !word.is_empty()).map(number).collect::<Option<_>>()?;
    (!systems.is_empty()).then_some((prefix, systems, None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::{mutated, octets};
    use super::*;

    fn origins(table: &AsTable, address: &str) -> Vec<u32> {
        table.origins(address.parse().expect("an address")).into_iter().map(Asn::get).collect()
    }

    fn list(text: &str) -> AsTable {
        AsTable::read(text.as_bytes().to_vec()).expect("a list")
    }

    #[test]
    fn the_longest_prefix_of_a_list_decides() {
        let table = list(
            "# a comment\n10.0.0.0/8 64500\n10.1.0.0/16\tAS64501 # tail\n\n10.1.2.3 64502\n2001:db8::/32 64503\n0.0.0.0/0 1\r\n",
        );
        assert_eq!(origins(&table, "10.200.0.1"), [64_500]);
        assert_eq!(origins(&table, "10.1.0.1"), [64_501]);
        assert_eq!(origins(&table, "10.1.2.3"), [64_502]);
        assert_eq!(origins(&table, "192.0.2.1"), [1]);
        assert_eq!(origins(&table, "2001:db8:ffff::1"), [64_503]);
        assert!(origins(&table, "2001:db9::1").is_empty());
    }

    #[test]
    fn several_origins_of_a_prefix_come_together() {
        let table = list("192.0.2.0/24 3_1\n192.0.2.0/24 AS2/AS1\n198.51.100.0/24 5, 4\n");
        assert_eq!(origins(&table, "192.0.2.1"), [1, 2, 3]);
        assert_eq!(origins(&table, "198.51.100.1"), [4, 5]);
    }

    #[test]
    fn a_name_may_follow_a_single_number() {
        let table =
            list("192.0.2.0/24 64500 Example Net, XX # tail\n198.51.100.0/24 AS64501\tASIX\n203.0.113.0/24 1 2\n");
        let name = |address: &str| table.name(address.parse().expect("an address")).map(String::from);
        assert_eq!(origins(&table, "192.0.2.1"), [64_500]);
        assert_eq!(name("192.0.2.1").as_deref(), Some("Example Net, XX"));
        assert_eq!(name("198.51.100.1").as_deref(), Some("ASIX"));
        assert_eq!((name("203.0.113.1"), name("8.8.8.8")), (None, None));
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for line in ["10.0.0.0/8", "10.0.0.0/33 1", "1 10.0.0.0/8", "10.0.0.0/8 x", "10.0.0.0/8 0", "10.0.0.0/8 ,"] {
            let read = AsTable::read(format!("# first\n{line}\n").into_bytes());
            assert_eq!(read.err(), Some(AsTableError::Line(2)), "{line}");
        }
        assert_eq!(AsTable::read(vec![0xff, 0xfe]).err(), Some(AsTableError::NoText));
    }

    #[test]
    fn an_empty_list_has_no_origins() {
        assert!(origins(&list(""), "10.0.0.1").is_empty());
    }

    /// A record of a database: a map with one entry.
    enum Record<'a> {
        /// `autonomous_system_number`, a uint32.
        Number(u32),
        /// `asn`, a text.
        Text(&'a str),
        /// `country`, a text.
        Other,
    }

    /// A MaxMind DB with 24-bit records, written by the format's specification (version 2.0): a tree for IPv6 with IPv4 below
    /// `::/96`, and in it each `(address, bits, record)`.
    fn database(kind: &str, networks: &[(u128, u8, Record<'_>)]) -> Vec<u8> {
        let mut data = Vec::new();
        // Each node is a left and a right record; `None` is "no data". A leaf is an offset into the data.
        let mut nodes: Vec<[Option<Result<usize, usize>>; 2]> = vec![[None; 2]];
        for (bits, length, record) in networks {
            let leaf = data.len();
            encode(record, &mut data);
            let mut at = 0;
            for depth in 0..*length {
                let side = usize::from(bits >> (127 - depth) & 1 == 1);
                at = match (depth + 1 == *length, nodes[at][side]) {
                    (true, _) => {
                        nodes[at][side] = Some(Err(leaf));
                        break;
                    }
                    (false, Some(Ok(next))) => next,
                    (false, _) => {
                        nodes.push([None; 2]);
                        nodes[at][side] = Some(Ok(nodes.len() - 1));
                        nodes.len() - 1
                    }
                };
            }
        }
        let count = nodes.len();
        let mut file = Vec::new();
        for record in nodes.into_iter().flatten() {
            // "Search Tree Section": a node's number; the number of nodes for no data; beyond it an offset into the data section.
            let value = match record {
                None => count,
                Some(Ok(node)) => node,
                Some(Err(offset)) => count + 16 + offset,
            };
            file.extend_from_slice(&(value as u32).to_be_bytes()[1..]);
        }
        file.extend([0; 16]);
        file.extend(data);
        file.extend(MAXMIND_MARKER);
        file.push(0xe0 | 9);
        for (key, value) in [
            ("binary_format_major_version", uint16(2)),
            ("binary_format_minor_version", uint16(0)),
            ("build_epoch", vec![0x01, 0x02, 0]),
            ("database_type", text(kind)),
            ("description", vec![0xe0]),
            ("ip_version", uint16(6)),
            ("languages", vec![0x00, 0x04]),
            ("node_count", uint32(count as u32)),
            ("record_size", uint16(24)),
        ] {
            file.extend(text(key));
            file.extend(value);
        }
        file
    }

    fn encode(record: &Record<'_>, data: &mut Vec<u8>) {
        let (key, value) = match record {
            Record::Number(number) => ("autonomous_system_number", uint32(*number)),
            Record::Text(asn) => ("asn", text(asn)),
            Record::Other => ("country", text("XX")),
        };
        data.push(0xe1);
        data.extend(text(key));
        data.extend(value);
    }

    /// "Data Field Format": the upper three bits of the control octet are the type, the others the length, up to 28.
    fn text(text: &str) -> Vec<u8> {
        let mut octets =
            if text.len() < 29 { vec![0x40 | text.len() as u8] } else { vec![0x5d, text.len() as u8 - 29] };
        octets.extend(text.bytes());
        octets
    }

    fn uint16(number: u16) -> Vec<u8> {
        let mut octets = vec![0xa2];
        octets.extend(number.to_be_bytes());
        octets
    }

    fn uint32(number: u32) -> Vec<u8> {
        let mut octets = vec![0xc4];
        octets.extend(number.to_be_bytes());
        octets
    }

    fn asn_database() -> Vec<u8> {
        database(
            "GeoLite2-ASN",
            &[
                (0x0808_0800, 120, Record::Number(15_169)),
                (0x0a00_0000, 104, Record::Text("AS64500")),
                (0x0b00_0000, 104, Record::Text("\u{1b}[2J")),
                (0x2001_4860 << 96, 32, Record::Number(4_200_000_000)),
            ],
        )
    }

    #[test]
    fn a_maxmind_database_is_read() {
        let table = AsTable::read(asn_database()).expect("a database");
        assert_eq!(origins(&table, "8.8.8.8"), [15_169]);
        assert!(origins(&table, "8.8.9.8").is_empty());
        assert_eq!(origins(&table, "10.1.2.3"), [64_500]);
        assert!(origins(&table, "11.0.0.1").is_empty(), "not a number");
        assert_eq!(origins(&table, "2001:4860:4860::8888"), [4_200_000_000]);
        assert!(origins(&table, "2001:4861::").is_empty());
    }

    #[test]
    fn a_database_of_other_things_is_refused_by_its_type() {
        let read = AsTable::read(database("GeoLite2-Country", &[(0x0808_0800, 120, Record::Other)]));
        assert_eq!(read.err(), Some(AsTableError::OtherDatabase("GeoLite2-Country".to_owned())));
        assert!(matches!(AsTable::read(MAXMIND_MARKER.to_vec()).err(), Some(AsTableError::Database(_))));
    }

    proptest! {
        #[test]
        fn any_file_is_a_table_or_refused(file in octets(), address: IpAddr) {
            if let Ok(table) = AsTable::read(file) {
                table.origins(address);
            }
        }

        #[test]
        fn a_damaged_database_answers_or_is_refused(file in mutated(Just(asn_database())), address: IpAddr) {
            if let Ok(table) = AsTable::read(file) {
                table.origins(address);
                table.origins(IpAddr::from([8, 8, 8, 8]));
            }
        }

        #[test]
        fn a_damaged_list_answers_or_is_refused(
            file in mutated(Just(b"10.0.0.0/8 64500\n2001:db8::/32 AS1/AS2\n".to_vec())), address: IpAddr
        ) {
            if let Ok(table) = AsTable::read(file) {
                table.origins(address);
            }
        }
    }
}
