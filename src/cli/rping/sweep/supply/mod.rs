//! Where the targets of a sweep come from: a [`Space`] in any order, or a list that is read while the run goes on; names are
//! looked up meanwhile. See [`supplies`].

mod names;
mod stream;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::channel::{AddressLookup, Control, PostControl};
use crate::cli::args::shard::Shard;
use crate::cli::error::CliError;
use crate::cli::rping::sweep::targets::{Found, Space};
use crate::cli::target::is_link_local;
use crate::sweep::{Exclusions, Permutation, Supplied, Supply, SweepTarget};
use crate::types::{Family, IpEndpoint, Port};
use names::Lookups;
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

/// Wakes a sweep after its supply had nothing to give.
#[derive(Clone)]
struct Waker {
    armed: Arc<AtomicBool>,
    post: Option<PostControl>,
}

impl Waker {
    fn new(post: Option<PostControl>) -> Self {
        Waker { armed: Arc::default(), post }
    }

    /// From now on the sweep is to be woken. The supply arms it before its last look, so that nothing comes in between.
    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    fn wake(&self) {
        if self.armed.swap(false, Ordering::SeqCst)
            && let Some(post) = &self.post
        {
            post(Control::Supplied);
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

impl Source {
    /// How many targets a share of them has, where that is known beforehand.
    pub fn targets(&self, common: &Common) -> Option<u64> {
        let Source::Space(space, order) = self else { return None };
        let addresses = space.probed(common.share, &common.exclusions, order.is_some());
        Some(addresses.saturating_mul(common.ports.len().max(1) as u64))
    }
}

/// What all workers share.
pub struct Common {
    /// Which targets this run is to probe.
    pub share: Shard,
    /// Which it is not to.
    pub exclusions: Arc<Exclusions>,
    /// Why addresses of a family cannot be probed, where that is so.
    pub missing: Vec<(Family, String)>,
    /// The family that names must have, if one was chosen.
    pub forced: Option<Family>,
    /// The families that can be probed.
    pub families: Vec<Family>,
    /// The zone of link-local addresses without one: the interface that packets leave by, or the only one that has any.
    pub zone: Option<NonZeroU32>,
    /// The interfaces that they may belong to.
    pub candidates: Vec<Box<str>>,
    /// What goes wrong on the way.
    pub complaints: Complaints,
    /// The ports of each target; none where the method has no ports.
    pub ports: Arc<[Port]>,
}

/// One supply per worker; together they yield every target exactly once.
pub fn supplies(source: Source, common: &Common, workers: Vec<(Option<PostControl>, AddressLookup)>) -> Vec<Supply> {
    let count = workers.len() as u64;
    let shares = (0..count).map(|worker| common.share.split(worker, count));
    let (posts, lookups): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
    let readers: Vec<(Shard, Waker)> = shares.zip(posts.into_iter().map(Waker::new)).collect();
    let pieces: Vec<Pieces> = match source {
        Source::Space(space, order) => {
            readers.iter().map(|&(share, _)| Pieces::of_space(Arc::clone(&space), order, share)).collect()
        }
        Source::Stream(stream) => stream.start(&readers, &common.complaints),
    };
    let feeder = |((pieces, addresses), (_, waker))| Feeder {
        pieces,
        names: Lookups::new(addresses, common),
        waker,
        exclusions: Arc::clone(&common.exclusions),
        zone: common.zone,
        candidates: common.candidates.clone(),
        missing: common.missing.clone(),
        complaints: common.complaints.clone(),
    };
    let supply = |feeder: Feeder| at_ports(feeder.supply(), Arc::clone(&common.ports));
    pieces.into_iter().zip(lookups).zip(readers).map(feeder).map(supply).collect()
}

/// Each target at each of these ports in turn; without any, the targets themselves.
fn at_ports(mut supply: Supply, ports: Arc<[Port]>) -> Supply {
    if ports.is_empty() {
        return supply;
    }
    let mut rest: Option<(SweepTarget, usize)> = None;
    Box::new(move |answer| {
        if answer.is_some() {
            return supply(answer);
        }
        let (target, at) = match rest.take() {
            Some(rest) => rest,
            None => match supply(None) {
                Supplied::Target(target) => (target, 0),
                other => return other,
            },
        };
        let number = ports.get(at).map_or(0, |port| port.get());
        let endpoint = target.endpoint.map(|endpoint| endpoint.with_port(number));
        if endpoint.is_some() && at + 1 < ports.len() {
            rest = Some((target.clone(), at + 1));
        }
        Supplied::Target(SweepTarget { endpoint, ..target })
    })
}

/// The supply of one worker.
struct Feeder {
    pieces: Pieces,
    names: Lookups,
    waker: Waker,
    exclusions: Arc<Exclusions>,
    zone: Option<NonZeroU32>,
    candidates: Vec<Box<str>>,
    missing: Vec<(Family, String)>,
    complaints: Complaints,
}

impl Feeder {
    fn supply(mut self) -> Supply {
        Box::new(move |answer| match answer {
            Some(answer) => {
                self.names.answered(answer);
                Supplied::Later
            }
            None => self.next(),
        })
    }

    fn next(&mut self) -> Supplied {
        let (mut armed, mut skipped) = (false, 0);
        loop {
            let step = match self.names.take() {
                Some(target) => Piece::Target(target),
                None if self.names.is_full() => Piece::Later,
                None => self.pieces.next(&self.complaints),
            };
            let target = match step {
                Piece::Found(Found::Address(address)) => {
                    self.complain_of(address);
                    SweepTarget { name: None, endpoint: Some(IpEndpoint::from_address(address)) }
                }
                Piece::Target(target) => target,
                Piece::Found(Found::Name(name)) => match self.names.ask(name) {
                    Some(target) => target,
                    None => continue,
                },
                Piece::End if self.names.is_idle() => return Supplied::End,
                Piece::Later | Piece::End if armed => return Supplied::Later,
                Piece::Later | Piece::End => {
                    self.waker.arm();
                    armed = true;
                    continue;
                }
            };
            if !target.endpoint.is_some_and(|endpoint| self.exclusions.contain(endpoint.address)) {
                let endpoint = target.endpoint.map(|endpoint| self.with_zone(endpoint, target.name.as_deref()));
                return Supplied::Target(SweepTarget { endpoint, ..target });
            }
            skipped += 1;
            if skipped >= SKIPPED_AT_MOST && self.waker.post.is_some() {
                self.waker.arm();
                self.waker.wake();
                return Supplied::Later;
            }
        }
    }

    /// A link-local address with its zone; reports once that it may have several. It may be that of a `name`.
    fn with_zone(&mut self, endpoint: IpEndpoint, name: Option<&str>) -> IpEndpoint {
        let address = endpoint.address;
        if endpoint.zone.is_some() || !is_link_local(address) {
            return endpoint;
        }
        if self.zone.is_none() && !self.candidates.is_empty() {
            let candidates = std::mem::take(&mut self.candidates);
            let name = name.map_or_else(|| address.to_string(), str::to_owned);
            self.complaints.push(CliError::NoZone(name, address, candidates).to_string());
        }
        IpEndpoint { zone: self.zone, ..endpoint }
    }

    /// Reports once why addresses of a family cannot be probed.
    fn complain_of(&mut self, address: IpAddr) {
        let family = Family::of(address);
        if let Some(at) = self.missing.iter().position(|(missing, _)| *missing == family) {
            self.complaints.push(self.missing.swap_remove(at).1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::channel::Resolved;
    use crate::cli::args::shard::ListDigest;
    use crate::cli::list::Origin;
    use crate::cli::rping::sweep::targets::{Item, Reading};
    use crate::sweep::Bounds;

    const PLAIN: Reading = Reading { unpaced: true, ports: 0 };

    fn common(share: Shard, exclude: &str) -> Common {
        let ranges = exclude.split_whitespace().map(|text| Bounds::read(text).unwrap().unwrap());
        let (exclusions, missing) = (Arc::new(Exclusions::new(ranges)), Vec::new());
        let families = vec![Family::V4, Family::V6];
        Common {
            share,
            exclusions,
            missing,
            forced: None,
            families,
            zone: None,
            candidates: Vec::new(),
            complaints: Complaints::default(),
            ports: Vec::new().into(),
        }
    }

    /// Everything that all workers are given, each worker's in its order.
    fn given(source: Source, common: &Common, workers: usize) -> Vec<Vec<String>> {
        let lookup = || -> AddressLookup {
            Box::new(|_, _| Some(Ok(Resolved { canonical: None, endpoints: Vec::new(), numeric: false })))
        };
        let supplies = supplies(source, common, (0..workers).map(|_| (None, lookup())).collect());
        let all = |mut supply: Supply| {
            let mut given = Vec::new();
            loop {
                match supply(None) {
                    Supplied::Target(SweepTarget { name: Some(name), .. }) => given.push(name.into()),
                    Supplied::Target(target) => given.extend(target.endpoint.map(|at| match at.port {
                        Some(_) => std::net::SocketAddr::from(at).to_string(),
                        None => at.address.to_string(),
                    })),
                    Supplied::Later => std::thread::yield_now(),
                    Supplied::End => return given,
                }
            }
        };
        supplies.into_iter().map(all).collect()
    }

    fn stream(list: &str) -> Source {
        let items = vec![Item::read("192.0.2.1-192.0.2.3", PLAIN).unwrap()];
        let origin = Origin::new("--targets", Path::new("list"));
        Source::Stream(Stream {
            items,
            list: Box::new(std::io::Cursor::new(list.to_owned())),
            origin,
            reading: PLAIN,
            digest: ListDigest::new(None),
        })
    }

    #[test]
    fn every_target_is_given_once_for_each_port() {
        let ports = [22, 443].map(|port| Port::new(port).unwrap());
        let common = Common { ports: ports.into(), ..common(Shard::WHOLE, "192.0.2.2") };
        let expected =
            ["192.0.2.1:22", "192.0.2.1:443", "192.0.2.3:22", "192.0.2.3:443", "[2001:db8::1]:22", "[2001:db8::1]:443"];
        assert_eq!(given(stream("2001:db8::1"), &common, 1), [expected.map(str::to_owned)]);
    }

    #[test]
    fn a_list_is_given_in_order_after_the_arguments() {
        let common = common(Shard::WHOLE, "192.0.2.2 198.51.100.0/31");
        let list = "198.51.100.0-198.51.100.3 # four\n\n#x\nhost\n10.0.0.1/8\n2001:db8::1";
        let expected = ["192.0.2.1", "192.0.2.3", "198.51.100.2", "198.51.100.3", "host", "10.0.0.1/8", "2001:db8::1"];
        assert_eq!(given(stream(list), &common, 1), [expected.map(str::to_owned)]);
        let complaint =
            "--targets list, line 5: '10.0.0.1/8' has bits set after its first 8 bits; did you mean 10.0.0.0/8?";
        assert_eq!(common.complaints.take(), [complaint]);
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
    fn the_reason_why_a_family_is_not_probed_is_reported_once() {
        let missing = vec![(Family::V6, "no IPv6".to_owned())];
        let common = Common { missing, ..common(Shard::WHOLE, "") };
        assert_eq!(given(stream("::1\n::2\n"), &common, 1).concat().len(), 5);
        assert_eq!(common.complaints.take(), ["no IPv6"]);
    }
}
