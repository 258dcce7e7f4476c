//! The only loop that blocks: it carries orders from a Machine to a Channel and what arrives back, and hands out the events.

use std::time::Duration;

use crate::channel::{Channel, ChannelError, Inbox, Outbox, Precision};
use crate::engine::Machine;

/// However busy the loop is, it says `Idle` at least this often.
const IDLE_AT_LEAST: Duration = Duration::from_millis(100);

/// What the receiver of events says to the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// End now: nobody reads the results any more.
    Stop,
}

/// Something for the receiver of events to do.
#[derive(Debug)]
pub enum Turn<E> {
    /// An event of the Machine.
    Event(E),
    /// What is buffered must be written: the loop is about to wait, or has not said so for 100 ms.
    Idle,
}

/// Runs `machine` on `channel` until it is finished or `on_turn` says stop.
///
/// # Errors
/// The channel's, when the run cannot go on.
pub fn run<M: Machine>(
    channel: &mut dyn Channel,
    machine: &mut M,
    precision: Precision,
    mut on_turn: impl FnMut(Turn<M::Event>) -> Next,
) -> Result<(), ChannelError> {
    let mut outbox = Outbox::default();
    let mut inbox = Inbox::default();
    let mut last_idle = channel.now().mono;
    loop {
        channel.receive(&mut inbox)?;
        let now = channel.now();
        for inbound in inbox.items() {
            machine.handle(now, inbound, inbox.arena());
        }
        inbox.clear();
        // Answers are handled before deadlines: one that came in time is not lost because we were late to look.
        if machine.poll_timeout().is_some_and(|at| at <= now.mono) {
            machine.handle_timeout(now);
        }
        if outbox.is_empty() {
            outbox.reclaim();
            machine.poll_orders(now, &mut outbox);
        }
        // What a finished run still had to send is sent no more: its results are told already. Its connections are closed.
        if machine.is_finished() {
            outbox.keep_closes();
        }
        let waiting = outbox.len();
        channel.submit(&mut outbox)?;
        let sent = outbox.len() < waiting;
        while let Some(event) = machine.poll_event() {
            if on_turn(Turn::Event(event)) == Next::Stop {
                return Ok(());
            }
        }
        if machine.is_finished() {
            return Ok(());
        }
        // Answers to what was just sent may be there already, and what became of it is to be told: that is looked at first.
        let quiet = !sent;
        let deadline = machine.poll_timeout();
        // A deadline that has come is not waited for.
        let waits = quiet && deadline.is_none_or(|at| at > now.mono);
        if waits || now.mono.since(last_idle) >= IDLE_AT_LEAST {
            last_idle = now.mono;
            if on_turn(Turn::Idle) == Next::Stop {
                return Ok(());
            }
        }
        if quiet {
            channel.wait(deadline, precision)?;
        }
    }
}
