//! What the targets of a sweep are: words to [`Item`]s, and all of them in a row, a [`Space`].

use std::fs::File;
use std::io::{self, BufReader};
use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::cli::args::shard::{ListDigest, Shard};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::list::{Lines, Origin};
use crate::cli::notation::{self, Word, refusal};
use crate::cli::rping::method::{NO_PORTS, read_word};
use crate::report::escape;
use crate::sweep::{Bounds, Exclusions, Range};

/// More addresses than this need an explicit rate: at the default they would take more than a minute.
const UNPACED: u64 = 65_536;

/// How words are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Whether there is no rate: prefixes and ranges have at most [`UNPACED`] addresses.
    pub unpaced: bool,
    /// How many ports of each address are probed; 0 if the method has none.
    pub ports: u64,
}

impl Reading {
    /// Whether all these addresses together may be probed.
    ///
    /// # Errors
    /// If they need a rate.
    pub fn check_all(self, addresses: u64) -> Result<(), CliError> {
        if !self.unpaced || addresses.saturating_mul(self.ports.max(1)) <= UNPACED {
            return Ok(());
        }
        let text = "all targets together";
        Err(CliError::Refused(match self.ports {
            0 | 1 => too_many(text, addresses),
            ports => {
                format!("{text}: {addresses} addresses at {ports} ports; more than {UNPACED} need an explicit --rate")
            }
        }))
    }
}

/// One word of a list: addresses in a row, or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Addresses.
    Range(Range),
    /// Something to look up: a name, or an address with its zone.
    Name(Box<str>),
}

impl Item {
    /// Reads a target of a sweep.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(text: &str, reading: Reading) -> Result<Item, String> {
        if notation::is_local_socket(text) {
            return Err(format!("'{}': sweeps probe addresses, which local sockets do not have", escape(text)));
        }
        match read_word(text, Some(NO_PORTS).filter(|_| reading.ports == 0))? {
            Word::Range(range) if reading.unpaced && range.count() > UNPACED => Err(too_many(text, range.count())),
            Word::Range(range) => Ok(Item::Range(range)),
            Word::Host(_, Some(_)) => {
                Err(format!("'{}': in a sweep, --tcp or --udp names the ports of all targets", escape(text)))
            }
            Word::Host(host, _) => Ok(match host.parse() {
                Ok(address) => Item::Range(Range::one(address)),
                Err(_) => Item::Name(host.into()),
            }),
        }
    }

    /// How many targets it is.
    pub const fn count(&self) -> u64 {
        match self {
            Item::Range(range) => range.count(),
            Item::Name(_) => 1,
        }
    }
}

/// Why this many addresses need a rate.
fn too_many(text: &str, count: u64) -> String {
    format!("{text}: {count} addresses; more than {UNPACED} need an explicit --rate")
}

/// The largest file of --exclude: a list of all prefixes of the Internet is half of it.
const EXCLUSION_BYTES: u64 = 64 << 20;

/// What is to be left out.
///
/// # Errors
/// If the file cannot be read, or holds something else.
pub fn exclusions(path: &Path, env: &mut Env<'_>) -> Result<Exclusions, CliError> {
    let origin = Origin::new("--exclude", path);
    let (mut lines, mut all) = (origin.lines(EXCLUSION_BYTES, env)?, Vec::new());
    while let Some(line) = lines.next().map_err(|error| origin.failed(error))? {
        let Some(entry) = line.entry else { continue };
        let sentence = match Bounds::read(&entry) {
            Ok(Some(bounds)) => {
                all.push(bounds);
                continue;
            }
            Ok(None) => format!("'{}' is no address, prefix or range; names are not excluded", escape(&entry)),
            Err(error) => refusal(&entry, error),
        };
        return Err(CliError::Refused(origin.wrong(line.number, sentence)));
    }
    Ok(Exclusions::new(all))
}

/// One target of a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An address.
    Address(IpAddr),
    /// Something to look up.
    Name(Box<str>),
}

impl Found {
    /// That at `index` of an item.
    pub fn within(item: &Item, index: u64) -> Option<Found> {
        match item {
            Item::Range(range) => range.at(index).map(Found::Address),
            Item::Name(name) => (index == 0).then(|| Found::Name(name.clone())),
        }
    }
}

/// Targets in a row, with access to any of them: those of a list, then those of a file.
#[derive(Debug, Default)]
pub struct Space {
    items: Vec<Item>,
    /// How many there are up to the end of each item.
    ends: Vec<u64>,
    file: Option<Index>,
}

impl Space {
    /// Those of `items`.
    pub fn new(items: Vec<Item>) -> Self {
        let ends = items.iter().scan(0, |end: &mut u64, item| {
            *end = end.saturating_add(item.count());
            Some(*end)
        });
        Space { ends: ends.collect(), items, file: None }
    }

    /// These, and after them those of a file.
    pub fn and(self, file: Index) -> Self {
        Space { file: Some(file), ..self }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.listed().saturating_add(self.file.as_ref().map_or(0, |file| file.count))
    }

    fn listed(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// How many a share of them is without those that are excluded. Where the order is random, which are in the share is not
    /// counted, and each share is taken to have as many of the excluded.
    pub fn probed(&self, share: Shard, exclusions: &Exclusions, random: bool) -> u64 {
        let mut excluded = self.file.as_ref().map_or(0, |file| file.excluded) / share.of;
        let mut anywhere = 0;
        let before = std::iter::once(0).chain(self.ends.iter().copied());
        for (item, before) in self.items.iter().zip(before) {
            let Item::Range(range) = item else { continue };
            for (from, to) in exclusions.within(range) {
                let counted = share.count(before.saturating_add(to)) - share.count(before.saturating_add(from));
                let (count, counter) = if random { (to - from, &mut anywhere) } else { (counted, &mut excluded) };
                *counter += count;
            }
        }
        share.count(self.count()).saturating_sub(excluded + anywhere / share.of)
    }

    /// The target at this position; `None` from `count` on.
    ///
    /// # Errors
    /// If the file cannot be read any more, or has changed.
    pub fn at(&self, position: u64) -> io::Result<Option<Found>> {
        let number = self.ends.partition_point(|&end| end <= position);
        match (self.items.get(number), &self.file) {
            (Some(item), _) => {
                let before = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
                Ok(Found::within(item, position - before))
            }
            (None, Some(file)) => file.at(position - self.listed()),
            (None, None) => Ok(None),
        }
    }
}

/// The largest file of targets in random order: half a billion short lines, of which an octet each is kept.
const INDEXED_BYTES: u64 = 4 << 30;

/// Lines between two marks of an [`Index`].
const STRIDE: u64 = 16;

/// A file of targets with access to any of them: it keeps the offset of every sixteenth line, and no line.
#[derive(Debug)]
pub struct Index {
    file: File,
    reading: Reading,
    count: u64,
    /// How many of them are excluded, each as often as it is listed.
    excluded: u64,
    /// The position of a target, and the offset of its line.
    marks: Vec<(u64, u64)>,
}

impl Index {
    /// Reads the whole file once, its words into the digest.
    ///
    /// # Errors
    /// If it cannot be read; a sentence for a line that is no target.
    pub fn new(
        file: File,
        origin: &Origin,
        reading: Reading,
        digest: &ListDigest,
        exclusions: &Exclusions,
    ) -> Result<Index, CliError> {
        let mut lines = origin.lines_of(&file, INDEXED_BYTES);
        let (mut offset, mut count, mut targets, mut excluded) = (0, 0_u64, 0, 0_u64);
        let mut marks = Vec::new();
        while let Some(line) = lines.next().map_err(|error| origin.failed(error))? {
            if let Some(entry) = line.entry {
                digest.add(&entry);
                let item = Item::read(&entry, reading);
                let item = item.map_err(|sentence| CliError::Refused(origin.wrong(line.number, sentence)))?;
                if targets % STRIDE == 0 {
                    marks.push((count, offset));
                }
                targets += 1;
                if let Item::Range(range) = &item {
                    excluded += exclusions.within(range).map(|(from, to)| to - from).sum::<u64>();
                }
                count = count.saturating_add(item.count());
            }
            offset += line.octets;
        }
        drop(lines);
        Ok(Index { file, reading, count, excluded, marks })
    }

    fn at(&self, position: u64) -> io::Result<Option<Found>> {
        let after = self.marks.partition_point(|&(first, _)| first <= position);
        let Some(&(first, offset)) = after.checked_sub(1).and_then(|mark| self.marks.get(mark)) else {
            return Ok(None);
        };
        let mut position = position - first;
        let mut lines = Lines::new(BufReader::with_capacity(512, From { file: &self.file, offset }));
        while let Some(line) = lines.next()? {
            let Some(entry) = line.entry else { continue };
            let item = Item::read(&entry, self.reading).map_err(io::Error::other)?;
            match position.checked_sub(item.count()) {
                Some(beyond) => position = beyond,
                None => return Ok(Found::within(&item, position)),
            }
        }
        Ok(None)
    }
}

/// A file from an offset on, without moving the position that other readers share.
struct From<'a> {
    file: &'a File,
    offset: u64,
}

impl io::Read for From<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(octets, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const UNPACED_ICMP: Reading = Reading { unpaced: true, ports: 0 };

    fn item(text: &str) -> Item {
        Item::read(text, UNPACED_ICMP).expect("a target")
    }

    fn index(list: &str) -> Result<Index, CliError> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(list.as_bytes()).expect("a file to write");
        std::io::Seek::rewind(&mut file).expect("a file to read");
        let origin = Origin::new("--targets", Path::new("list"));
        Index::new(file, &origin, UNPACED_ICMP, &ListDigest::new(None), &excluding("192.0.2.4-5"))
    }

    fn excluding(texts: &str) -> Exclusions {
        Exclusions::new(texts.split(' ').map(|text| Bounds::read(text).expect("bounds").expect("no name")))
    }

    #[test]
    fn what_is_excluded_is_not_counted() {
        let space = Space::new(["192.0.2.0/24", "host", "192.0.2.4", "198.51.100.0-3"].map(item).into());
        let probed = |exclude: &str, share, random| space.probed(share, &excluding(exclude), random);
        assert_eq!(probed("192.0.2.0/30 192.0.2.4 198.51.100.2-198.51.100.99 10.0.0.0/8", Shard::WHOLE, false), 253);
        assert_eq!(probed("0.0.0.0/0", Shard::WHOLE, true), 1);
        // Every second of 254, of the host and 5 others: positions 0, 2, 4 … 258.
        let half = Shard { index: 0, of: 2 };
        assert_eq!(probed("::1", half, false), 130);
        assert_eq!(probed("192.0.2.1-192.0.2.3", half, false), 128);
        let listed = Space::default().and(index("192.0.2.4/30\n192.0.2.1\n").expect("a list"));
        assert_eq!((listed.count(), listed.probed(Shard::WHOLE, &excluding("192.0.2.4-5"), true)), (3, 2));
    }

    fn all(space: &Space) -> Vec<Found> {
        (0..space.count()).map(|position| space.at(position).expect("a file").expect("in range")).collect()
    }

    #[test]
    fn a_refused_target_suggests_what_was_meant() {
        let refused = |text| Item::read(text, UNPACED_ICMP).expect_err("no target");
        assert_eq!(refused("443"), "'443' is not a target; did you mean --tcp=443?");
        assert_eq!(refused("10.0.0.1/8"), "'10.0.0.1/8' has bits set after its first 8 bits; did you mean 10.0.0.0/8?");
        assert!(refused("10.0.0.0/15").ends_with("need an explicit --rate"));
        assert!(Item::read("10.0.0.0/15", Reading::default()).is_ok());
        assert_eq!(item("10.0.0.0/16").count(), 65_534);
        assert_eq!(item("fe80::1%eth0"), Item::Name("fe80::1%eth0".into()));
        assert!(!refused("\u{1b}[2J/8").contains('\u{1b}'));
    }

    #[test]
    fn a_space_is_its_items_and_then_its_file() {
        let items = ["192.0.2.1-192.0.2.3", "host", "192.0.2.9"].map(item);
        let space = Space::new(items.into()).and(index("192.0.2.20/30\n# nothing\n\nother # name\n").expect("a list"));
        let address = |n: u8| Found::Address(IpAddr::from([192, 0, 2, n]));
        let name = |name: &str| Found::Name(name.into());
        let expected =
            [address(1), address(2), address(3), name("host"), address(9), address(21), address(22), name("other")];
        assert_eq!(all(&space), expected);
        assert_eq!(space.at(8).expect("a file"), None);
    }

    #[test]
    fn a_line_that_is_no_target_is_refused_before_anything_is_probed() {
        assert!(index("192.0.2.1\n10.0.0.1/8\n").is_err());
        assert_eq!(index("").expect("an empty list").count, 0);
    }

    proptest! {
        #[test]
        fn every_target_of_a_file_is_found_at_its_place(lines in proptest::collection::vec(0..6_u8, 0..120)) {
            let texts = ["192.0.2.1", "192.0.2.4/30", "# a comment", "", "name.example", "2001:db8::1-2001:db8::9"];
            let list: String = lines.iter().map(|&line| format!("{}\n", texts[usize::from(line)])).collect();
            let plain = Space::new(lines.iter().map(|&line| texts[usize::from(line)]).filter(|text| !["", "# a comment"].contains(text)).map(item).collect());
            let indexed = Space::default().and(index(&list).expect("a list"));
            prop_assert_eq!(all(&indexed), all(&plain));
        }
    }
}
