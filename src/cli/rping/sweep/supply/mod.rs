//! Where the targets of a sweep come from: a [`Space`] in any order, or a list that is read on a thread of its own while the
//! run is on; names are looked up on others. See [`supplies`].

mod names;
mod stream;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::channel::{Control, PostControl};
use crate::cli::rping::sweep::args::Shard;
use crate::cli::rping::sweep::targets::{Found, Space};
use crate::sweep::{Exclusions, Permutation, Supplied, Supply, SweepTarget};
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
    tell: Option<PostControl>,
}

impl Bell {
    fn new(tell: Option<PostControl>) -> Self {
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
pub fn supplies(source: Source, common: &Common, lookups: &Lookups, tells: &[Option<PostControl>]) -> Vec<Supply> {
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
                Some(goal) => Piece::Target(goal),
                None if self.names.is_full() => Piece::Later,
                None => self.pieces.next(&self.complaints),
            };
            let goal = match step {
                Piece::Found(Found::Address(address)) => {
                    self.complain_of(address);
                    SweepTarget { name: None, endpoint: Some(IpEndpoint::from_address(address)) }
                }
                Piece::Target(goal) => goal,
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
                return Supplied::Target(goal);
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::cli::rping::sweep::targets::Item;
    use crate::sweep::Range;

    fn common(share: Shard, exclude: &str) -> Common {
        let ranges = exclude.split_whitespace().map(|text| Range::read_whole(text).unwrap().unwrap());
        let (exclusions, missing) = (Arc::new(Exclusions::new(ranges)), Vec::new());
        Common { share, exclusions, missing, complaints: Complaints::default() }
    }

    /// Everything that all workers are given, each worker's in its order.
    fn given(source: Source, common: &Common, workers: usize) -> Vec<Vec<String>> {
        let lookups = Lookups::Known(Arc::new(HashMap::new()));
        let supplies = supplies(source, common, &lookups, &vec![None; workers]);
        let all = |mut supply: Supply| {
            let mut given = Vec::new();
            loop {
                match supply() {
                    Supplied::Target(SweepTarget { name: Some(name), .. }) => given.push(name.into()),
                    Supplied::Target(goal) => given.extend(goal.endpoint.map(|at| at.address.to_string())),
                    Supplied::Later => std::thread::yield_now(),
                    Supplied::End => return given,
                }
            }
        };
        supplies.into_iter().map(all).collect()
    }

    fn stream(list: &str) -> Source {
        let items = vec![Item::read("192.0.2.1-192.0.2.3", true).unwrap()];
        Source::Stream(Stream { items, list: Box::new(std::io::Cursor::new(list.to_owned())), unpaced: true })
    }

    #[test]
    fn a_list_is_given_in_its_order_behind_what_stands_before_it() {
        let common = common(Shard::WHOLE, "192.0.2.2 198.51.100.0/31");
        let list = "198.51.100.0-198.51.100.3 # four\n\n#x\nhost\n10.0.0.1/8\n2001:db8::1";
        let expected = ["192.0.2.1", "192.0.2.3", "198.51.100.2", "198.51.100.3", "host", "10.0.0.1/8", "2001:db8::1"];
        assert_eq!(given(stream(list), &common, 1), [expected.map(str::to_owned)]);
        assert_eq!(common.complaints.take().len(), 1);
    }

    #[test]
    fn shares_of_a_list_and_its_workers_cover_it_once() {
        let list: String = (0..3000_u32)
            .map(|n| if n % 7 == 0 { format!("10.{}.{}.0/29\n", n >> 8, n & 255) } else { format!("host{n}\n") })
            .collect();
        let mut whole = given(stream(&list), &common(Shard::WHOLE, ""), 1).concat();
        let mut parts = Vec::new();
        for index in 0..3 {
            parts.extend(given(stream(&list), &common(Shard { index, of: 3 }, ""), 2).concat());
        }
        whole.sort();
        parts.sort();
        assert!(whole.len() > 5000 && whole == parts);
    }

    #[test]
    fn a_line_without_end_is_no_target_and_costs_no_memory() {
        let list = format!("{}\n192.0.2.9\n", "x".repeat(100_000));
        let given = given(stream(&list), &common(Shard::WHOLE, ""), 1).concat();
        assert_eq!((given[3].len(), given[4].as_str(), given.len()), (4096, "192.0.2.9", 5));
    }

    #[test]
    fn why_a_family_is_not_probed_is_said_once() {
        let missing = vec![(Family::V6, "no IPv6".to_owned())];
        let common = Common { missing, ..common(Shard::WHOLE, "") };
        assert_eq!(given(stream("::1\n::2\n"), &common, 1).concat().len(), 5);
        assert_eq!(common.complaints.take(), ["no IPv6"]);
    }
}
