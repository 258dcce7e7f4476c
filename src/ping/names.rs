//! Reverse names: each address is asked for once, and the first probe waits a moment for those of the targets.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

/// How long the first probe waits for the names of the targets.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// At most this many addresses are asked for, so that the network cannot fill the memory.
const MOST: usize = 1 << 16;

/// Which addresses were asked for, and which answers are out.
#[derive(Debug, Default)]
pub(super) struct Names {
    asked: HashSet<IpAddr>,
    waiting: usize,
}

impl Names {
    /// Whether to ask for this address now.
    pub(super) fn ask(&mut self, address: IpAddr) -> bool {
        let ask = self.asked.len() < MOST && self.asked.insert(address);
        self.waiting += usize::from(ask);
        ask
    }

    /// An answer came, whichever it is.
    pub(super) fn answered(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Whether all answers are there.
    pub(super) fn complete(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn an_address_is_asked_for_once() {
        let mut names = Names::default();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(names.ask(address));
        assert!(!names.ask(address));
        assert!(!names.complete());
        names.answered();
        assert!(names.complete());
    }

    #[test]
    fn responders_cannot_fill_the_memory() {
        let mut names = Names::default();
        let asked = (0..100_000u32).filter(|&n| names.ask(IpAddr::V4(Ipv4Addr::from(n)))).count();
        assert_eq!(asked, MOST);
    }
}
