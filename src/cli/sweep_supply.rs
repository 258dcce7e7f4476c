//! Where the targets of a sweep come from: a [`Space`] in any order, or a list that is read on a thread of its own while the
//! run is on; names are looked up on others. See [`supplies`].

mod names;
mod stream;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::sweep_args::Shard;
use super::sweep_targets::{Found, Space};
use crate::channel::{Control, Tell};
use crate::ping::sweep::{Exclusions, Goal, Permutation, Supplied, Supply};
use crate::types::{Family, IpEndpoint};
use names::Directory;
pub use names::{Lookups, choose};
pub use stream::Stream;
use stream::{Piece, Pieces};

/// Addresses left out in one go before others have their turn.
const SKIPPED_AT_MOST: u32 = 1 << 16;

/// Sentences for standard error, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Complaints(Arc<Mutex<Vec<String>>>);

impl Complaints {
    /// One more.
    pub fn push(&self, sentence: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sentence);
    }

    /// Those since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Wakes a sweep that had to be told to ask later.
#[derive(Clone)]
struct Bell {
    hungry: Arc<AtomicBool>,
    tell: Option<Tell>,
}

impl Bell {
    fn new(tell: Option<Tell>) -> Self {
        Bell { hungry: Arc::default(), tell }
    }

    /// From now on it is to be rung. Whoever asks for more does this first, so that nothing comes unheard in between.
    fn arm(&self) {
        self.hungry.store(true, Ordering::SeqCst);
    }

    fn ring(&self) {
        if self.hungry.swap(false, Ordering::SeqCst)
            && let Some(tell) = &self.tell
        {
            tell(Control::Supplied);
        }
    }
}

/// All targets of a run.
pub enum Source {
    /// Any can be had at any time.
    Space(Arc<Space>, Option<Permutation>),
    /// They come one after the other.
    Stream(Stream),
}

/// What all workers share.
pub struct Common {
    /// Which targets this run is to probe.
    pub share: Shard,
    /// Which it is not to.
    pub exclusions: Arc<Exclusions>,
    /// Why addresses of a family cannot be probed, where that is so.
    pub missing: Vec<(Family, String)>,
    /// What goes wrong on the way.
    pub complaints: Complaints,
}

/// A supply for each of those who are told by `tells`, which together give every target once.
pub fn supplies(source: Source, common: &Common, lookups: &Lookups, tells: &[Option<Tell>]) -> Vec<Supply> {
    let workers = tells.len() as u64;
    let bells: Vec<Bell> = tells.iter().cloned().map(Bell::new).collect();
    let shares: Vec<Shard> = (0..workers).map(|worker| common.share.split(worker, workers)).collect();
    let pieces: Vec<Pieces> = match source {
        Source::Space(space, order) => {
            shares.iter().map(|&share| Pieces::of_space(Arc::clone(&space), order, share)).collect()
        }
        Source::Stream(stream) => {
            let readers: Vec<(Shard, Bell)> = shares.iter().copied().zip(bells.iter().cloned()).collect();
            stream.start(&readers, &common.complaints)
        }
    };
    let feeder = |(pieces, bell): (Pieces, &Bell)| Feeder {
        pieces,
        names: Directory::new(lookups, bell, &common.complaints),
        bell: bell.clone(),
        exclusions: Arc::clone(&common.exclusions),
        missing: common.missing.clone(),
        complaints: common.complaints.clone(),
    };
    pieces.into_iter().zip(&bells).map(feeder).map(Feeder::supply).collect()
}

/// The supply of one worker.
struct Feeder {
    pieces: Pieces,
    names: Directory,
    bell: Bell,
    exclusions: Arc<Exclusions>,
    missing: Vec<(Family, String)>,
    complaints: Complaints,
}

impl Feeder {
    fn supply(mut self) -> Supply {
        Box::new(move || self.next())
    }

    fn next(&mut self) -> Supplied {
        let (mut armed, mut skipped) = (false, 0);
        loop {
            let step = match self.names.take() {
                Some(goal) => Piece::Goal(goal),
                None if self.names.is_full() => Piece::Later,
                None => self.pieces.next(&self.complaints),
            };
            let goal = match step {
                Piece::Found(Found::Address(address)) => {
                    self.complain_of(address);
                    Goal { name: None, endpoint: Some(IpEndpoint::from_address(address)) }
                }
                Piece::Goal(goal) => goal,
                Piece::Found(Found::Name(name)) => match self.names.ask(name) {
                    Some(goal) => goal,
                    None => continue,
                },
                Piece::End if self.names.is_idle() => return Supplied::End,
                Piece::Later | Piece::End if armed => return Supplied::Later,
                Piece::Later | Piece::End => {
                    self.bell.arm();
                    armed = true;
                    continue;
                }
            };
            if !goal.endpoint.is_some_and(|endpoint| self.exclusions.contain(endpoint.address)) {
                return Supplied::Goal(goal);
            }
            skipped += 1;
            if skipped >= SKIPPED_AT_MOST && self.bell.tell.is_some() {
                self.bell.arm();
                self.bell.ring();
                return Supplied::Later;
            }
        }
    }

    /// Says once why addresses of a family cannot be probed.
    fn complain_of(&mut self, address: IpAddr) {
        let family = Family::of(address);
        if let Some(at) = self.missing.iter().position(|(missing, _)| *missing == family) {
            self.complaints.push(self.missing.swap_remove(at).1);
        }
    }
}
