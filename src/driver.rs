//! The only loop that blocks: it carries orders from a Machine to a Channel and what arrives back, and hands out the events.

use std::time::Duration;

use crate::channel::{Arena, Channel, ChannelError, Control, Inbound, Inbox, Outbox, Precision};
use crate::engine::Machine;

/// However busy the loop is, it emits `Idle` at least this often.
const IDLE_AT_LEAST: Duration = Duration::from_millis(100);

/// How the loop continues after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// End now: the results are not read any more.
    Stop,
}

/// Something for the receiver of events to do.
#[derive(Debug)]
pub enum Turn<E> {
    /// An event of the Machine.
    Event(E),
    /// Flush buffered output: the loop is about to wait, or the last `Idle` was 100 ms ago.
    Idle,
}

/// Runs `machine` on `channel` until it is finished or `on_turn` returns [`Next::Stop`].
///
/// # Errors
/// The channel's, when the run cannot go on. The machine is interrupted then, so that what it knows is reported.
pub fn run<M: Machine>(
    channel: &mut dyn Channel,
    machine: &mut M,
    precision: Precision,
    mut on_turn: impl FnMut(Turn<M::Event>) -> Next,
) -> Result<(), ChannelError> {
    let result = run_turns(channel, machine, precision, &mut on_turn);
    if result.is_err() {
        let now = channel.now();
        machine.handle(now, &Inbound::Control(Control::Interrupt), &Arena::default());
        machine.handle_timeout(now);
        machine.poll_orders(now, &mut Outbox::default());
        while let Some(event) = machine.poll_event() {
            if on_turn(Turn::Event(event)) == Next::Stop {
                break;
            }
        }
    }
    result
}

fn run_turns<M: Machine>(
    channel: &mut dyn Channel,
    machine: &mut M,
    precision: Precision,
    on_turn: &mut impl FnMut(Turn<M::Event>) -> Next,
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
        // Answers are handled before deadlines: one that arrived in time is not lost because we read it late.
        if machine.poll_timeout().is_some_and(|at| at <= now.mono) {
            machine.handle_timeout(now);
        }
        if outbox.is_empty() {
            outbox.reclaim();
            machine.poll_orders(now, &mut outbox);
        }
        // A finished run has emitted its results and sends nothing more; it only closes its connections.
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
        // Answers to what was just sent may already be there, and the outcomes of sending must be emitted: these come first.
        let quiet = !sent;
        let deadline = machine.poll_timeout();
        // There is no wait for a deadline that has passed.
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
