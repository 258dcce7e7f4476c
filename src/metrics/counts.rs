//! Outcomes of probes, counted: [`Counts`], and [`StampCounts`].

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Outcomes of the probes of one series: `sent = received + refused + unreachable + lost + pending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that left.
    pub sent: u64,
    /// Answered in time by a reply that counts.
    pub received: u64,
    /// The host answered, the service did not.
    pub refused: u64,
    /// Not answered by anything but ICMP errors.
    pub unreachable: u64,
    /// Not answered within the wait.
    pub lost: u64,
    /// Still within their wait when the run was ended, or now.
    pub pending: u64,
    /// Refused by the kernel; not in `sent`.
    pub send_failed: u64,
    /// ICMP errors about the probes, whatever their outcome.
    pub icmp_errors: u64,
    /// Received or refused after an ICMP error about the same probe.
    pub answered_after_error: u64,
    /// Slots skipped after a stall.
    pub skipped: u64,
    /// Further answers to probes already answered.
    pub duplicates: u64,
    /// Answers after the wait.
    pub late: u64,
    /// Answers overtaken by a later probe's.
    pub reordered: u64,
    /// Replies with a wrong ICMP checksum; not received.
    pub bad_checksum: u64,
    /// Replies whose payload differs; received.
    pub payload_changed: u64,
    /// Replies shorter than the probe; received.
    pub truncated: u64,
    /// Replies from another address than the target; received.
    pub wrong_source: u64,
    /// Echo replies with our identifier that are not ours. Counted once a run, in its first series.
    pub foreign: u64,
    /// Replies the kernel dropped before we read them. Counted once a run, in its first series.
    pub dropped_by_kernel: u64,
    /// The longest run of consecutive lost probes.
    pub longest_loss_run: u64,
}

impl Counts {
    /// Whether every probe is accounted for exactly once.
    pub fn balance(&self) -> bool {
        self.sent == self.received + self.refused + self.unreachable + self.lost + self.pending
    }

    /// Adds the counts of another series.
    pub fn add(&mut self, other: &Counts) {
        self.sent += other.sent;
        self.received += other.received;
        self.refused += other.refused;
        self.unreachable += other.unreachable;
        self.lost += other.lost;
        self.pending += other.pending;
        self.send_failed += other.send_failed;
        self.icmp_errors += other.icmp_errors;
        self.answered_after_error += other.answered_after_error;
        self.skipped += other.skipped;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.reordered += other.reordered;
        self.bad_checksum += other.bad_checksum;
        self.payload_changed += other.payload_changed;
        self.truncated += other.truncated;
        self.wrong_source += other.wrong_source;
        self.foreign += other.foreign;
        self.dropped_by_kernel += other.dropped_by_kernel;
        self.longest_loss_run = self.longest_loss_run.max(other.longest_loss_run);
    }

    /// Probes whose outcome is known, those among them that were not sent. ping calls these transmitted.
    pub fn decided(&self) -> u64 {
        self.sent.saturating_add(self.send_failed).saturating_sub(self.pending)
    }

    /// Those of them without an answer of the target: lost, unreachable or not sent.
    pub fn unanswered(&self) -> u64 {
        self.lost + self.unreachable + self.send_failed
    }

    /// Unanswered probes in percent of those decided; `None` if none is decided.
    pub fn loss_pct(&self) -> Option<f64> {
        percent(self.unanswered(), self.decided())
    }

    /// ping's errors: probes that were refused, unreachable or not sent, and those that an answer followed.
    pub fn errors(&self) -> u64 {
        [self.unreachable, self.send_failed, self.answered_after_error]
            .into_iter()
            .fold(self.refused, u64::saturating_add)
    }

    /// Adds the keys of a summary in JSON to an object, in their documented order.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_entries<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        for (key, count) in self.entries() {
            object.serialize_entry(key, &count)?;
            if key == BEFORE_LOSS {
                object.serialize_entry("loss_pct", &self.loss_pct())?;
            }
        }
        Ok(())
    }

    /// The same without those that are zero, and without the loss, which follows from them.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_nonzero<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        let mut entries = self.entries().into_iter().filter(|&(_, count)| count > 0);
        entries.try_for_each(|(key, count)| object.serialize_entry(key, &count))
    }

    const fn entries(&self) -> [(&'static str, u64); 19] {
        [
            ("sent", self.sent),
            ("received", self.received),
            ("refused", self.refused),
            ("unreachable", self.unreachable),
            ("lost", self.lost),
            ("pending", self.pending),
            ("send_failed", self.send_failed),
            ("icmp_errors", self.icmp_errors),
            (BEFORE_LOSS, self.skipped),
            ("duplicates", self.duplicates),
            ("late", self.late),
            ("reordered", self.reordered),
            ("bad_checksum", self.bad_checksum),
            ("payload_changed", self.payload_changed),
            ("truncated", self.truncated),
            ("wrong_source", self.wrong_source),
            ("foreign", self.foreign),
            ("dropped_by_kernel", self.dropped_by_kernel),
            ("longest_loss_run", self.longest_loss_run),
        ]
    }
}

/// The key that `loss_pct` follows.
const BEFORE_LOSS: &str = "skipped";

/// The keys of a summary in JSON, in their documented order.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        self.serialize_entries(&mut object)?;
        object.end()
    }
}

/// A part in percent; `None` where there is nothing to divide by.
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

/// How many counted replies have which kind of stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StampCounts {
    /// From the interface.
    pub hardware: u64,
    /// From the kernel.
    pub kernel: u64,
    /// From us.
    pub user: u64,
}
