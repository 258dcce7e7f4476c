//! Targets one after the other: from a [`Space`], or from a list that is read while the run goes on ([`Stream`]).

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::vec;

use super::{Complaints, Waker};
use crate::cli::args::shard::{ListDigest, Shard};
use crate::cli::list::{Lines, Origin};
use crate::cli::rping::sweep::targets::{Found, Item, Reading, Space};
use crate::net;
use crate::sweep::{Permutation, SweepTarget};

/// Items handed over at once, and how many such lots wait at most: the list is not read much faster than it is probed.
const LOT: usize = 256;
const LOTS: usize = 16;

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
    Space {
        space: Arc<Space>,
        order: Option<Permutation>,
        share: Shard,
        next: Option<u64>,
    },
    List {
        lots: Receiver<Vec<Listed>>,
        lot: vec::IntoIter<Listed>,
        at: Option<Listed>,
        next: u64,
        share: Shard,
        /// Reads the list here and now, where no thread could wake its only reader.
        reader: Option<Box<Reader>>,
    },
}

/// An item, or a line that is none, and where in the list its first target stands.
pub(super) struct Listed {
    item: Result<Item, Box<str>>,
    first: u64,
}

impl Listed {
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
                let Some(position) = next.filter(|&position| position < space.count()) else { return Piece::End };
                *next = position.checked_add(1).and_then(|after| share.next(after));
                match space.at(order.map_or(Some(position), |order| order.at(position)).unwrap_or(position)) {
                    Ok(Some(found)) => Piece::Found(found),
                    Ok(None) => Piece::End,
                    Err(error) => {
                        complaints.push(format!("--targets: {error}"));
                        Piece::End
                    }
                }
            }
            Pieces::List { lots, lot, at, next, share, reader } => loop {
                if let Some(listed) = at.as_ref() {
                    let index = *next - listed.first;
                    if index < listed.count() {
                        *next = share.next(*next + 1).unwrap_or(u64::MAX);
                        return match &listed.item {
                            Ok(item) => Found::within(item, index).map_or(Piece::End, Piece::Found),
                            Err(text) => Piece::Target(SweepTarget { name: Some(text.clone()), endpoint: None }),
                        };
                    }
                }
                *at = lot.next();
                match at {
                    Some(listed) => *next = share.next(listed.first).unwrap_or(u64::MAX),
                    None => match lots.try_recv() {
                        Ok(more) => *lot = more.into_iter(),
                        Err(TryRecvError::Empty) => match reader {
                            Some(reader) => reader.step(),
                            None => return Piece::Later,
                        },
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
    /// Where it comes from.
    pub origin: Origin,
    /// How its words are read.
    pub reading: Reading,
    /// What the words of the list come to.
    pub digest: ListDigest,
}

impl Stream {
    /// Begins to read, for each of `readers` what its share has: on a thread, unless there is one reader that nothing can wake.
    pub(super) fn start(self, readers: &[(Shard, Waker)], complaints: &Complaints) -> Vec<Pieces> {
        let (mut queues, mut pieces) = (Vec::new(), Vec::new());
        for (share, waker) in readers {
            let (sender, lots) = sync_channel(LOTS);
            queues.push(Queue { share: *share, waker: waker.clone(), sender: Some(sender), lot: Vec::new() });
            let (lot, at, next) = (Vec::new().into_iter(), None, 0);
            pieces.push(Pieces::List { lots, lot, at, next, share: *share, reader: None });
        }
        let mut list = Box::new(Reader {
            queues,
            items: self.items.into_iter(),
            lines: Lines::new(BufReader::new(self.list)),
            origin: self.origin,
            first: 0,
            complaints: complaints.clone(),
            reading: self.reading,
            digest: self.digest,
        });
        match (pieces.as_mut_slice(), readers) {
            ([Pieces::List { reader, .. }], [(_, Waker { post: None, .. })]) => *reader = Some(list),
            _ => {
                let read = move || {
                    while !list.is_done() {
                        list.step()
                    }
                };
                if let Err(error) = net::thread("targets").spawn(read) {
                    complaints.push(format!("--targets: {error}"));
                }
            }
        }
        pieces
    }
}

/// Where the items for one worker go.
struct Queue {
    share: Shard,
    waker: Waker,
    sender: Option<SyncSender<Vec<Listed>>>,
    lot: Vec<Listed>,
}

impl Queue {
    fn hand_over(&mut self) {
        if self.lot.is_empty() {
            return;
        }
        let lot = std::mem::take(&mut self.lot);
        if self.sender.as_ref().is_some_and(|sender| sender.send(lot).is_err()) {
            // It has ended.
            self.sender = None;
        }
        self.waker.wake();
    }
}

/// Reads the list.
pub(super) struct Reader {
    queues: Vec<Queue>,
    items: vec::IntoIter<Item>,
    lines: Lines<BufReader<Box<dyn Read + Send>>>,
    origin: Origin,
    first: u64,
    complaints: Complaints,
    reading: Reading,
    digest: ListDigest,
}

impl Reader {
    /// Whether no worker is to get any more.
    fn is_done(&self) -> bool {
        self.queues.iter().all(|queue| queue.sender.is_none())
    }

    /// Reads one item, and ends the queues after the last.
    fn step(&mut self) {
        let more = match self.items.next() {
            Some(item) => {
                self.push(Ok(item));
                true
            }
            None => self.read_line().unwrap_or_else(|error| {
                self.complaints.push(self.origin.failed(error).to_string());
                false
            }),
        };
        if more {
            return;
        }
        for queue in &mut self.queues {
            queue.hand_over();
            queue.sender = None;
            queue.waker.wake();
        }
    }

    /// Reads one line; returns whether there was one.
    fn read_line(&mut self) -> io::Result<bool> {
        if !self.lines.list().buffer().contains(&b'\n') {
            // What is known is not kept waiting for what is to come.
            self.queues.iter_mut().for_each(Queue::hand_over);
        }
        let Some(line) = self.lines.next()? else { return Ok(false) };
        if let Some(entry) = line.entry {
            self.digest.add(&entry);
            let item = Item::read(&entry, self.reading).map_err(|sentence| {
                self.complaints.push(self.origin.wrong(line.number, sentence));
                entry.into()
            });
            self.push(item);
        }
        Ok(true)
    }

    fn push(&mut self, item: Result<Item, Box<str>>) {
        let listed = Listed { item, first: self.first };
        let end = self.first.saturating_add(listed.count());
        let first = self.first;
        self.first = end;
        for queue in &mut self.queues {
            if queue.share.next(first).is_some_and(|next| next < end) {
                queue.lot.push(Listed { item: listed.item.clone(), first });
                if queue.lot.len() >= LOT {
                    queue.hand_over();
                }
            }
        }
    }
}
