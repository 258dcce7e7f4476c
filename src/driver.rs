//! The only loop that blocks: it carries orders from a Machine to a Channel and what arrives back, and hands out the events.

use std::time::Duration;

use crate::channel::{Arena, Channel, ChannelError, Control, Inbound, Inbox, Outbox, Precision};
use crate::engine::Machine;
use crate::types::{Now, WallTime};

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
    /// Flush buffered output: the last `Idle` was 100 ms ago, or the loop is about to wait, and not with [`Precision::Shared`].
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
    run_timed(channel, machine, precision, |_, turn| on_turn(turn))
}

/// The same, with the time of each turn.
///
/// # Errors
/// As [`run`].
pub fn run_timed<M: Machine>(
    channel: &mut dyn Channel,
    machine: &mut M,
    precision: Precision,
    mut on_turn: impl FnMut(Now, Turn<M::Event>) -> Next,
) -> Result<(), ChannelError> {
    let result = run_turns(channel, machine, precision, &mut on_turn);
    if result.is_err() {
        let now = channel.now();
        machine.handle(now, &Inbound::Control(Control::Interrupt), &Arena::default());
        // What it asks at its end is not answered any more.
        for _ in 0..2 {
            machine.handle_timeout(now);
            machine.poll_orders(now, &mut Outbox::default());
        }
        while let Some(event) = machine.poll_event() {
            if on_turn(now, Turn::Event(event)) == Next::Stop {
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
    on_turn: &mut impl FnMut(Now, Turn<M::Event>) -> Next,
) -> Result<(), ChannelError> {
    let mut outbox = Outbox::default();
    let mut inbox = Inbox::default();
    let mut last_idle = channel.now().mono;
    // Whether events were handed out since.
    let mut unflushed = false;
    loop {
        let complete = channel.receive(&mut inbox)?;
        let now = channel.now();
        for inbound in inbox.items() {
            machine.handle(now, inbound, inbox.arena());
        }
        inbox.clear();
        // Answers are handled before deadlines: one that arrived in time is not lost because we read it late. This process may
        // have been stalled since it looked for answers, so it is not this time that decides.
        if machine.poll_timeout().is_some_and(|at| at <= complete) {
            let passed = now.mono.since(complete);
            let wall = WallTime::from_nanos(now.wall.as_nanos().saturating_sub(passed.as_nanos() as u64));
            machine.handle_timeout(Now { mono: complete, wall });
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
            unflushed = true;
            if on_turn(now, Turn::Event(event)) == Next::Stop {
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
        let shared = precision == Precision::Shared;
        if (waits && !shared) || now.mono.since(last_idle) >= IDLE_AT_LEAST {
            (last_idle, unflushed) = (now.mono, false);
            if on_turn(now, Turn::Idle) == Next::Stop {
                return Ok(());
            }
        }
        if quiet {
            let flush = (shared && unflushed).then(|| last_idle + IDLE_AT_LEAST);
            channel.wait(deadline.into_iter().chain(flush).min(), precision)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Arena, Control, Inbound, LaneId, Profile};
    use crate::types::Instant;

    const SECOND: u64 = 1_000_000_000;

    fn now(seconds: u64) -> Now {
        Now { mono: Instant::from_nanos(seconds * SECOND), wall: WallTime::from_nanos((1000 + seconds) * SECOND) }
    }

    /// A channel whose first look for answers finds none; before the second, this process was stalled for 9 s, and an answer came
    /// in the first of them.
    struct Stalled(u64);

    impl Channel for Stalled {
        fn profile(&self, _: LaneId) -> &Profile {
            unreachable!("the driver reads no profile")
        }

        fn now(&self) -> Now {
            now(if self.0 == 0 { 0 } else { 9 + self.0 })
        }

        fn submit(&mut self, _: &mut Outbox) -> Result<(), ChannelError> {
            Ok(())
        }

        fn receive(&mut self, inbox: &mut Inbox) -> Result<Instant, ChannelError> {
            let began = self.now().mono;
            self.0 += 1;
            if self.0 == 2 {
                inbox.push(Inbound::Control(Control::Interim));
            }
            Ok(began)
        }

        fn wait(&mut self, _: Option<Instant>, _: Precision) -> Result<(), ChannelError> {
            Ok(())
        }
    }

    /// Waits 5 s for an answer, and takes note of what it learned first.
    #[derive(Default)]
    struct Waiting(Vec<(&'static str, Now)>);

    impl Machine for Waiting {
        type Event = ();

        fn poll_orders(&mut self, _: Now, _: &mut Outbox) {}

        fn handle(&mut self, now: Now, _: &Inbound, _: &Arena) {
            self.0.push(("answer", now));
        }

        fn poll_timeout(&self) -> Option<Instant> {
            Some(now(5).mono)
        }

        fn handle_timeout(&mut self, now: Now) {
            self.0.push(("deadline", now));
        }

        fn poll_event(&mut self) -> Option<()> {
            None
        }

        fn is_finished(&self) -> bool {
            self.0.iter().any(|(what, _)| *what == "deadline")
        }
    }

    #[test]
    fn an_answer_that_came_while_the_process_was_stalled_is_handled_before_the_deadline() {
        let mut machine = Waiting::default();
        run(&mut Stalled(0), &mut machine, Precision::Relaxed, |_| Next::Continue).unwrap();
        assert_eq!(machine.0, [("answer", now(11)), ("deadline", now(10))]);
    }
}
