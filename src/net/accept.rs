//! Accepting connections, as long as there are descriptors for them: [`Listeners`].

use std::time::Duration;

use rustix::event::epoll::EventFlags;

use super::connection::Round;
use super::lane::Lane;
use super::poller::{Poller, READ, Source};
use super::stream::Streams;
use crate::channel::ChannelError;
use crate::types::Instant;

/// How long a listener is paused after nothing could be accepted, as when the process or the system ran out of descriptors, unless
/// one of ours is freed before: it stays readable all the time, and retrying at once would be a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// The paused listeners.
#[derive(Debug, Default)]
pub struct Listeners {
    paused: Vec<Source>,
    until: Instant,
}

impl Listeners {
    /// Accepts the connections that wait at the listener of `lane`, which is `source`.
    ///
    /// # Errors
    /// If the poller cannot be changed.
    pub fn accept(
        &mut self,
        lane: &Lane,
        source: Source,
        streams: &mut Streams,
        poller: &Poller,
        turn: &mut Round<'_>,
    ) -> Result<(), ChannelError> {
        let Some(listener) = lane.sockets.first() else { return Ok(()) };
        if streams.accept(lane, &listener.socket, poller, turn) {
            poller.change(listener, source, EventFlags::empty())?;
            self.paused.push(source);
            self.until = turn.stamp.user.mono + PAUSE;
        }
        Ok(())
    }

    /// When a wait until `deadline` must end to resume a paused listener.
    pub fn wake(&self, deadline: Option<Instant>) -> Option<Instant> {
        if self.paused.is_empty() {
            deadline
        } else {
            Some(deadline.map_or(self.until, |deadline| deadline.min(self.until)))
        }
    }

    /// Resumes all listeners if a descriptor was `freed`, or if it is time.
    ///
    /// # Errors
    /// If the poller cannot be changed.
    pub fn resume(
        &mut self,
        freed: bool,
        now: Instant,
        lanes: &[Option<Lane>],
        poller: &Poller,
    ) -> Result<(), ChannelError> {
        if !freed && now < self.until {
            return Ok(());
        }
        for source in self.paused.drain(..) {
            let Source::Socket { lane, .. } = source else { continue };
            let lane = lanes.get(usize::from(lane)).and_then(Option::as_ref);
            if let Some(listener) = lane.and_then(|lane| lane.sockets.first()) {
                poller.change(listener, source, READ)?;
            }
        }
        Ok(())
    }
}
