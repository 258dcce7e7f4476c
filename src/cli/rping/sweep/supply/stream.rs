//! Targets one after the other: from a [`Space`], or from a list that is read while the run is on ([`Stream`]).

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::vec;

use super::{Bell, Complaints};
use crate::cli::rping::sweep::args::Shard;
use crate::cli::rping::sweep::targets::{Found, Item, Space};
use crate::cli::target::word;
use crate::sweep::{Permutation, SweepTarget};

/// Items handed over at once, and how many such lots wait at most: the list is not read much faster than it is probed.
const LOT: usize = 256;
const LOTS: usize = 16;
/// Octets of the longest line.
const LONGEST: u64 = 4096;

/// What comes next.
pub(super) enum Piece {
    /// A target.
    Found(Found),
    /// A target that is looked up already, or cannot be.
    Target(SweepTarget),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    End,
}

/// What one worker is to probe, piece by piece.
pub(super) enum Pieces {
    Space { space: Arc<Space>, order: Option<Permutation>, share: Shard, next: Option<u64> },
    Queue { lots: Receiver<Vec<Place>>, lot: vec::IntoIter<Place>, at: Option<Place>, next: u64, share: Shard },
}

/// An item, or a line that is none, and where in the list its first target stands.
pub(super) struct Place {
    item: Result<Item, Box<str>>,
    first: u64,
}

impl Place {
    fn count(&self) -> u64 {
        self.item.as_ref().map_or(1, Item::count)
    }
}

impl Pieces {
    pub(super) fn of_space(space: Arc<Space>, order: Option<Permutation>, share: Shard) -> Self {
        Pieces::Space { space, order, share, next: share.next(0) }
    }

    pub(super) fn next(&mut self, complaints: &Complaints) -> Piece {
        match self {
            Pieces::Space { space, order, share, next } => {
                let Some(place) = next.filter(|&place| place < space.count()) else { return Piece::End };
                *next = place.checked_add(1).and_then(|after| share.next(after));
                match space.at(order.map_or(Some(place), |order| order.at(place)).unwrap_or(place)) {
                    Ok(Some(found)) => Piece::Found(found),
                    Ok(None) => Piece::End,
                    Err(error) => {
                        complaints.push(format!("--targets: {error}"));
                        Piece::End
                    }
                }
            }
            Pieces::Queue { lots, lot, at, next, share } => loop {
                if let Some(place) = at.as_ref() {
                    let index = *next - place.first;
                    if index < place.count() {
                        *next = share.next(*next + 1).unwrap_or(u64::MAX);
                        return match &place.item {
                            Ok(item) => Found::within(item, index).map_or(Piece::End, Piece::Found),
                            Err(text) => Piece::Target(SweepTarget { name: Some(text.clone()), endpoint: None }),
                        };
                    }
                }
                *at = lot.next();
                match at {
                    Some(place) => *next = share.next(place.first).unwrap_or(u64::MAX),
                    None => match lots.try_recv() {
                        Ok(more) => *lot = more.into_iter(),
                        Err(TryRecvError::Empty) => return Piece::Later,
                        Err(TryRecvError::Disconnected) => return Piece::End,
                    },
                }
            },
        }
    }
}

/// A list to be read.
pub struct Stream {
    /// What stands before it.
    pub items: Vec<Item>,
    /// The list.
    pub list: Box<dyn Read + Send>,
    /// Whether there is no rate, so that prefixes and ranges are limited.
    pub unpaced: bool,
}

impl Stream {
    /// Begins to read, for each of `readers` what its share has.
    pub(super) fn start(self, readers: &[(Shard, Bell)], complaints: &Complaints) -> Vec<Pieces> {
        let (mut desks, mut pieces) = (Vec::new(), Vec::new());
        for (share, bell) in readers {
            let (sender, lots) = sync_channel(LOTS);
            desks.push(Desk { share: *share, bell: bell.clone(), sender: Some(sender), lot: Vec::new() });
            let (lot, at, next) = (Vec::new().into_iter(), None, 0);
            pieces.push(Pieces::Queue { lots, lot, at, next, share: *share });
        }
        let reader = Reader { desks, first: 0, complaints: complaints.clone(), unpaced: self.unpaced };
        let started = std::thread::Builder::new().name("targets".to_owned()).spawn(move || reader.read(self));
        if let Err(error) = started {
            complaints.push(format!("--targets: {error}"));
        }
        pieces
    }
}

/// Where the items for one worker go.
struct Desk {
    share: Shard,
    bell: Bell,
    sender: Option<SyncSender<Vec<Place>>>,
    lot: Vec<Place>,
}

impl Desk {
    fn hand_over(&mut self) {
        if self.lot.is_empty() {
            return;
        }
        let lot = std::mem::take(&mut self.lot);
        if self.sender.as_ref().is_some_and(|sender| sender.send(lot).is_err()) {
            // It has ended.
            self.sender = None;
        }
        self.bell.ring();
    }
}

/// Reads the list.
struct Reader {
    desks: Vec<Desk>,
    first: u64,
    complaints: Complaints,
    unpaced: bool,
}

impl Reader {
    fn read(mut self, stream: Stream) {
        stream.items.into_iter().for_each(|item| self.push(Ok(item)));
        let mut list = BufReader::new(stream.list);
        if let Err(error) = self.read_lines(&mut list) {
            self.complaints.push(format!("--targets: {error}"));
        }
        for desk in &mut self.desks {
            desk.hand_over();
            desk.sender = None;
            desk.bell.ring();
        }
    }

    fn read_lines(&mut self, list: &mut BufReader<Box<dyn Read + Send>>) -> io::Result<()> {
        let mut line = Vec::new();
        while self.desks.iter().any(|desk| desk.sender.is_some()) {
            if !list.buffer().contains(&b'\n') {
                // What is known is not kept waiting for what is to come.
                self.desks.iter_mut().for_each(Desk::hand_over);
            }
            line.clear();
            if list.take(LONGEST).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line.len() as u64 == LONGEST && line.last() != Some(&b'\n') {
                list.skip_until(b'\n')?;
            }
            let line = String::from_utf8_lossy(&line);
            let Some(word) = word(&line) else { continue };
            let item = Item::read(word, self.unpaced);
            self.push(item.map_err(|sentence| {
                self.complaints.push(sentence);
                word.into()
            }));
        }
        Ok(())
    }

    fn push(&mut self, item: Result<Item, Box<str>>) {
        let place = Place { item, first: self.first };
        let end = self.first.saturating_add(place.count());
        let first = self.first;
        self.first = end;
        for desk in &mut self.desks {
            if desk.share.next(first).is_some_and(|next| next < end) {
                desk.lot.push(Place { item: place.item.clone(), first });
                if desk.lot.len() >= LOT {
                    desk.hand_over();
                }
            }
        }
    }
}
