//! ICMP identifiers for raw sockets, of which the kernel keeps no account: [`reserve`].

use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::types::{Family, Ident};

/// How often a random identifier is tried before one is used that others may use, too.
const ATTEMPTS: usize = 64;

/// An identifier that no other process of this network namespace that asks here has, as long as this lives.
#[derive(Debug)]
pub struct Reservation {
    /// The identifier.
    pub ident: Ident,
    /// What it stands for in the kernel, which releases that with the last process, whatever ends it: an abstract address,
    /// unix(7), or for source ports sockets bound to them. Empty if it could not be had.
    pub holders: Vec<OwnedFd>,
}

impl Reservation {
    /// Whether it is ours alone.
    pub fn is_exclusive(&self) -> bool {
        !self.holders.is_empty()
    }
}

/// Reserves a random identifier for ICMP echo requests of `family`; 0 is never chosen, because some middleboxes drop it.
pub fn reserve(family: Family) -> Reservation {
    let mut random = fastrand::Rng::with_seed(super::random_seed().unwrap_or_default());
    let mut ident = Ident::new(random.u16(1..));
    for _ in 0..ATTEMPTS {
        if let Some(holder) = hold(family, ident) {
            return Reservation { ident, holders: vec![holder.into()] };
        }
        ident = Ident::new(random.u16(1..));
    }
    Reservation { ident, holders: Vec::new() }
}

/// An identifier that the user chose, even if another process has it.
pub fn given(ident: Ident) -> Reservation {
    Reservation { ident, holders: Vec::new() }
}

fn hold(family: Family, ident: Ident) -> Option<UnixDatagram> {
    let name = format!("netprobe-icmp{}-ident-{}", family.pick(4, 6), ident.get());
    let address = SocketAddr::from_abstract_name(name).ok()?;
    UnixDatagram::bind_addr(&address).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_reserved_once_and_free_again_afterwards() {
        let first = reserve(Family::V4);
        assert!(first.is_exclusive());
        assert!(hold(Family::V4, first.ident).is_none());
        let other_family = hold(Family::V6, first.ident);
        let ident = first.ident;
        drop(first);
        assert!(hold(Family::V4, ident).is_some());
        drop(other_family);
    }

    #[test]
    fn a_given_identifier_is_not_known_to_be_ours_alone() {
        let given = given(Ident::new(7));
        assert_eq!((given.ident, given.is_exclusive()), (Ident::new(7), false));
    }
}
