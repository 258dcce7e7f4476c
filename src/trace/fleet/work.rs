//! Which traces are to be looked at: [`WorkQueue`].

use crate::engine::Timers;
use crate::types::Instant;

/// The traces of a run that have something to do, so that a turn costs what happened and not how many traces run.
#[derive(Debug, Default)]
pub(in crate::trace) struct WorkQueue {
    /// Something happened to these, or their time has come; each may stand here several times.
    due: Vec<usize>,
    /// These may have a probe to send: those that began first come first. They are few.
    ready: Vec<usize>,
    timers: Timers,
}

impl WorkQueue {
    /// Something happened to trace `index`.
    pub fn touch(&mut self, index: usize) {
        self.due.push(index);
    }

    /// Puts the traces to look at by `now` into `due`, those that began first before others; each may have probes to send then.
    pub fn take_due(&mut self, now: Instant, due: &mut Vec<usize>) {
        while let Some((_, index)) = self.timers.first().filter(|&(at, _)| at <= now) {
            self.timers.set(index, None);
            self.due.push(index as usize);
        }
        self.due.sort();
        self.due.dedup();
        self.ready.extend(&self.due);
        self.ready.sort();
        self.ready.dedup();
        due.clear();
        std::mem::swap(due, &mut self.due);
    }

    /// Trace `index` is to be looked at by then, if nothing happens before.
    pub fn schedule(&mut self, index: usize, at: Option<Instant>) {
        self.timers.set(key(index), at);
    }

    /// The first trace at or after `from` that may have a probe to send.
    pub fn next_ready(&self, from: usize) -> Option<usize> {
        self.ready.get(self.ready.partition_point(|&index| index < from)).copied()
    }

    /// Trace `index` has no probe to send for now.
    pub fn rest(&mut self, index: usize) {
        if let Ok(at) = self.ready.binary_search(&index) {
            self.ready.remove(at);
        }
    }

    /// How many traces may have probes to send, at most.
    pub fn backlog(&self) -> usize {
        self.due.len() + self.ready.len()
    }

    /// Trace `index` is over.
    pub fn remove(&mut self, index: usize) {
        self.due.retain(|&other| other != index);
        self.rest(index);
        self.timers.set(key(index), None);
    }

    /// When the next trace is to be looked at, also if nothing happens before.
    pub fn next(&self) -> Option<Instant> {
        let now = (!self.due.is_empty()).then_some(Instant::ZERO);
        now.or_else(|| self.timers.first().map(|(at, _)| at))
    }
}

/// A run has fewer targets than a u32 can count: each is a line of text in memory.
fn key(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn due(work: &mut WorkQueue, nanos: u64) -> Vec<usize> {
        let mut due = vec![99];
        work.take_due(at(nanos), &mut due);
        due
    }

    #[test]
    fn a_trace_is_due_when_touched_or_when_its_time_has_come() {
        let mut work = WorkQueue::default();
        work.schedule(3, Some(at(10)));
        work.schedule(1, Some(at(20)));
        assert_eq!(work.next(), Some(at(10)));
        assert!(due(&mut work, 9).is_empty());
        work.touch(7);
        assert_eq!(work.next(), Some(Instant::ZERO));
        work.touch(7);
        assert_eq!(due(&mut work, 10), [3, 7]);
        assert_eq!(work.next(), Some(at(20)));
    }

    #[test]
    fn what_is_due_stays_ready_until_it_rests() {
        let mut work = WorkQueue::default();
        work.touch(2);
        work.touch(1);
        due(&mut work, 0);
        assert_eq!((work.next_ready(0), work.next_ready(2), work.backlog()), (Some(1), Some(2), 2));
        work.rest(1);
        assert_eq!(work.next_ready(0), Some(2));
        work.remove(2);
        assert_eq!((work.next_ready(0), work.backlog(), work.next()), (None, 0, None));
    }
}
