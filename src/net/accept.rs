//! Who connects to our listeners, as long as there are descriptors for them: [`Doors`].

use std::time::Duration;

use super::connection::Turn;
use super::lane::Lane;
use super::poller::{Interest, Poller, Source};
use super::stream::Streams;
use crate::channel::ChannelError;
use crate::types::Instant;

/// How long a listener is not asked after the process or the system had no descriptor left, unless one of ours becomes free
/// before: it is readable all the time, and asking it again at once would be all we do.
const SHUT: Duration = Duration::from_millis(100);

/// Which listeners are not asked now.
#[derive(Debug, Default)]
pub struct Doors {
    shut: Vec<Source>,
    until: Instant,
}

impl Doors {
    /// Takes who waits at the listener of `lane`, which is `source`.
    ///
    /// # Errors
    /// If the kernel does not let it be ignored for a while.
    pub fn answer(
        &mut self,
        lane: &Lane,
        source: Source,
        streams: &mut Streams,
        poller: &Poller,
        turn: &mut Turn<'_>,
    ) -> Result<(), ChannelError> {
        let Some(listener) = lane.sockets.first() else { return Ok(()) };
        if streams.accept(lane, &listener.socket, poller, turn) {
            poller.change(listener, source, Interest::NONE)?;
            self.shut.push(source);
            self.until = turn.stamp.user.mono + SHUT;
        }
        Ok(())
    }

    /// When a wait until `deadline` must end for the sake of those who are shut.
    pub fn wake(&self, deadline: Option<Instant>) -> Option<Instant> {
        if self.shut.is_empty() {
            deadline
        } else {
            Some(deadline.map_or(self.until, |deadline| deadline.min(self.until)))
        }
    }

    /// Asks all listeners again if a descriptor was `freed`, or if it is time.
    ///
    /// # Errors
    /// If the kernel does not let them be watched.
    pub fn reopen(
        &mut self,
        freed: bool,
        now: Instant,
        lanes: &[Option<Lane>],
        poller: &Poller,
    ) -> Result<(), ChannelError> {
        if !freed && now < self.until {
            return Ok(());
        }
        for source in self.shut.drain(..) {
            let Source::Socket { lane, .. } = source else { continue };
            let lane = lanes.get(usize::from(lane)).and_then(Option::as_ref);
            if let Some(listener) = lane.and_then(|lane| lane.sockets.first()) {
                poller.change(listener, source, Interest::READ)?;
            }
        }
        Ok(())
    }
}
