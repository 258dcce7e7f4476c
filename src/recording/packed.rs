//! Recordings as they are stored: [`Packer`] packs their lines, [`Unpacker`] gives them back.

use std::io::{self, BufRead, Read, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

/// Octets from one place where reading can begin to the next, at least.
const BETWEEN: u64 = 1 << 20;
/// How hard to pack: a fast sweep is written as fast as it runs.
const LEVEL: Compression = Compression::new(3);
/// How gzip begins, and no line.
const MAGIC: &[u8] = &[0x1f, 0x8b];

/// Makes gzip of lines. It is in members, each of which can be read without those before it, and a file that ends anywhere gives all
/// that was flushed before.
#[derive(Debug)]
pub struct Packer {
    member: GzEncoder<Vec<u8>>,
    /// Octets that the member stands for.
    octets: u64,
}

impl Default for Packer {
    fn default() -> Self {
        Packer { member: GzEncoder::new(Vec::new(), LEVEL), octets: 0 }
    }
}

impl Packer {
    /// Packs octets; what they come to goes to `stored`, now or later.
    ///
    /// # Errors
    /// Those of `stored`.
    pub fn write(&mut self, octets: &[u8], stored: &mut impl Write) -> io::Result<()> {
        self.member.write_all(octets)?;
        self.octets += octets.len() as u64;
        if self.octets >= BETWEEN { self.end(stored) } else { self.pass(stored) }
    }

    /// Whatever was packed so far can be read after this.
    ///
    /// # Errors
    /// Those of `stored`.
    pub fn flush(&mut self, stored: &mut impl Write) -> io::Result<()> {
        if self.octets > 0 {
            self.member.flush()?;
        }
        self.pass(stored)
    }

    /// Ends the member, if there is something in it: what follows can be read alone.
    ///
    /// # Errors
    /// Those of `stored`.
    pub fn end(&mut self, stored: &mut impl Write) -> io::Result<()> {
        if self.octets == 0 {
            return Ok(());
        }
        stored.write_all(&mem::take(self).member.finish()?)
    }

    fn pass(&mut self, stored: &mut impl Write) -> io::Result<()> {
        let packed = self.member.get_mut();
        let written = stored.write_all(packed);
        packed.clear();
        written
    }
}

/// Where reading can begin: how many octets are before that, as they are read and as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub read: u64,
    pub stored: u64,
}

/// The places of a recording that are known, in order: those that a reader of it has come by. Clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<Vec<Place>>>);

impl Places {
    /// The last one within this many octets.
    pub fn before(&self, read: u64) -> Place {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let after = places.partition_point(|place| place.read <= read);
        after.checked_sub(1).and_then(|at| places.get(at)).copied().unwrap_or_default()
    }

    fn add(&self, place: Place) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.last().is_none_or(|last| last.read < place.read) {
            places.push(place);
        }
    }
}

/// Reads lines that were packed, or were not. A member that was cut ends with what was flushed before.
#[derive(Debug)]
pub struct Unpacker<R> {
    member: Option<Member<Counted<R>>>,
    read: u64,
    places: Places,
}

#[derive(Debug)]
enum Member<R> {
    /// How it begins was not read yet.
    Next(R),
    Plain(R),
    Packed(Box<GzDecoder<R>>),
}

impl<R: BufRead> Unpacker<R> {
    /// Reads everything.
    pub fn new(input: R) -> Self {
        Unpacker::from(input, Place::default(), Places::default())
    }

    /// Reads what is stored from one of the `places` on, and notes those that it comes by.
    pub fn from(input: R, Place { read, stored }: Place, places: Places) -> Self {
        Unpacker { member: Some(Member::Next(Counted { input, octets: stored })), read, places }
    }

    fn next_member(&mut self, mut input: Counted<R>) -> io::Result<Option<Member<Counted<R>>>> {
        let begin = input.fill_buf()?;
        if begin.is_empty() {
            return Ok(None);
        }
        let is_packed = begin.iter().zip(MAGIC).all(|(octet, magic)| octet == magic);
        self.places.add(Place { read: self.read, stored: input.octets });
        Ok(Some(if is_packed { Member::Packed(Box::new(GzDecoder::new(input))) } else { Member::Plain(input) }))
    }
}

impl<R: BufRead> Read for Unpacker<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = self.member.take() {
            let (read, member) = match member {
                Member::Next(input) => {
                    self.member = self.next_member(input)?;
                    continue;
                }
                Member::Plain(mut input) => (input.read(buffer)?, Member::Plain(input)),
                Member::Packed(mut decoder) => match decoder.read(buffer) {
                    Ok(0) if !buffer.is_empty() => (0, Member::Next((*decoder).into_inner())),
                    Ok(read) => (read, Member::Packed(decoder)),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                    Err(error) => return Err(error),
                },
            };
            self.read += read as u64;
            match member {
                Member::Plain(input) if read > 0 => {
                    let known = self.places.before(self.read);
                    if self.read >= known.read + BETWEEN {
                        self.places.add(Place { read: self.read, stored: input.octets });
                    }
                    self.member = Some(Member::Plain(input));
                }
                Member::Plain(_) if !buffer.is_empty() => {}
                member => self.member = Some(member),
            }
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
        }
        Ok(0)
    }
}

/// Counts the octets that were read of its input.
#[derive(Debug)]
struct Counted<R> {
    input: R,
    octets: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.octets += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, octets: usize) {
        self.input.consume(octets);
        self.octets += octets as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines in batches, and what is stored after each of them was flushed.
    fn packed(batches: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut packer, mut stored, mut lengths) = (Packer::default(), Vec::new(), Vec::new());
        for batch in batches {
            packer.write(batch, &mut stored).unwrap();
            packer.flush(&mut stored).unwrap();
            lengths.push(stored.len());
        }
        packer.end(&mut stored).unwrap();
        (stored, lengths)
    }

    fn batches(many: u64, lines: u64) -> Vec<Vec<u8>> {
        let line = |number: u64| format!("{{\"type\":\"probe\",\"t\":{}}}\n", number * number).into_bytes();
        (0..many).map(|batch| (0..lines).flat_map(|at| line(batch * lines + at)).collect()).collect()
    }

    fn unpacked(stored: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        Unpacker::new(stored).read_to_end(&mut read).unwrap();
        read
    }

    #[test]
    fn a_file_that_was_cut_anywhere_gives_what_was_flushed_before() {
        let batches = batches(20, 3);
        let (stored, lengths) = packed(&batches);
        let whole = batches.concat();
        assert_eq!(unpacked(&stored), whole);
        for cut in 0..stored.len() {
            let read = unpacked(&stored[..cut]);
            // A single octet is not known to begin gzip.
            let read = if cut > 1 { &read[..] } else { &[] };
            let flushed = lengths.iter().filter(|&&length| length <= cut).count();
            assert!(read.len() >= batches[..flushed].concat().len() && whole.starts_with(read), "{cut}");
        }
    }

    #[test]
    fn reading_begins_at_any_of_the_places_packed_or_not() {
        let whole = batches(30, 3000).concat();
        let (stored, _) = packed(&batches(30, 3000));
        for stored in [stored, whole.clone()] {
            let places = Places::default();
            let mut read = Vec::new();
            Unpacker::from(&*stored, Place::default(), places.clone()).read_to_end(&mut read).unwrap();
            assert_eq!(read, whole);
            let known = places.0.lock().unwrap().clone();
            assert_eq!((known[0], known.len() as u64), (Place::default(), whole.len() as u64 / BETWEEN + 1));
            for place in known {
                assert_eq!(places.before(place.read + 5), place);
                let mut rest = Vec::new();
                let input = &stored[place.stored as usize..];
                Unpacker::from(input, place, Places::default()).read_to_end(&mut rest).unwrap();
                assert_eq!(rest, whole[place.read as usize..]);
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let (mut stored, _) = packed(&batches(20, 30));
        let middle = stored.len() / 2;
        stored[middle..middle + 8].fill(0xff);
        assert!(Unpacker::new(&*stored).read_to_end(&mut Vec::new()).is_err());
    }
}
