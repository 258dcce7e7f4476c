//! What fping shows of one target: [`Host`], and its [`HostFigures`].

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::words::Ms;

/// Outcomes of probes, those that are decided alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HostFigures {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) min: u64,
    pub(super) max: u64,
    total: u64,
}

impl HostFigures {
    pub(super) fn answer(&mut self, nanos: u64) {
        self.min = if self.received == 0 { nanos } else { self.min.min(nanos) };
        self.max = self.max.max(nanos);
        self.total += nanos;
        self.received += 1;
    }

    pub(super) fn mean(&self) -> u64 {
        self.total.checked_div(self.received).unwrap_or(0)
    }

    /// The text of a sum; `period` is shown as the time without an answer, for each probe without one.
    pub(super) const fn shown(&self, period: Option<Duration>) -> Sum<'_> {
        Sum { figures: self, period }
    }

    fn loss(&self) -> u64 {
        (self.sent.saturating_sub(self.received) * 100).checked_div(self.sent).unwrap_or(0)
    }

    fn returned(&self) -> u64 {
        (self.received * 100).checked_div(self.sent).unwrap_or(0)
    }
}

/// A sum as text, or with `{:#}` as keys of JSON.
pub(super) struct Sum<'a> {
    figures: &'a HostFigures,
    period: Option<Duration>,
}

impl fmt::Display for Sum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &HostFigures { sent, received, min, max, .. } = self.figures;
        if f.alternate() {
            return self.keys(f);
        }
        if received <= sent {
            write!(f, " xmt/rcv/%loss = {sent}/{received}/{}%", self.figures.loss())?;
            if let Some(period) = self.period {
                let outage = u128::from(sent - received) * period.as_nanos() / 1_000_000;
                write!(f, ", outage(ms) = {outage}")?;
            }
        } else {
            write!(f, " xmt/rcv/%return = {sent}/{received}/{}%", self.figures.returned())?;
        }
        if received == 0 {
            return Ok(());
        }
        write!(f, ", min/avg/max = {}/{}/{}", Ms(min), Ms(self.figures.mean()), Ms(max))
    }
}

impl Sum<'_> {
    /// The same as keys of JSON.
    fn keys(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &HostFigures { sent, received, min, max, .. } = self.figures;
        write!(f, "\"xmt\": {sent}, \"rcv\": {received}, \"loss\": {}", self.figures.loss())?;
        if let Some(period) = self.period {
            let outage = u128::from(sent.saturating_sub(received)) * period.as_nanos() / 1_000_000;
            write!(f, ", \"outage(ms)\": {outage}")?;
        }
        if received == 0 {
            return Ok(());
        }
        let (min, mean, max) = (Ms(min), Ms(self.figures.mean()), Ms(max));
        write!(f, ", \"rttMin\": {min}, \"rttAvg\": {mean}, \"rttMax\": {max}")
    }
}

/// One target.
#[derive(Debug)]
pub(super) struct Host {
    /// How it is shown.
    pub(super) label: String,
    /// Letters and digits of its name, for charts.
    chart: String,
    /// All of the run.
    pub(super) all: HostFigures,
    /// Since the last report.
    pub(super) since: HostFigures,
    /// Answers, duplicates too.
    pub(super) replies: u64,
    /// Probes that left, decided or not.
    pub(super) called: u64,
    /// Probes that count as lost because of an ICMP error, the last of them: an answer may follow.
    errors: VecDeque<usize>,
    /// The delay of each probe, up to the last that was answered.
    delays: Vec<Option<u64>>,
}

/// At most this many errors are remembered.
const ERRORS: usize = 16;

impl Host {
    pub(super) fn new(label: String, name: &str) -> Self {
        let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
        Host {
            label,
            chart: name.chars().map(plain).collect(),
            all: HostFigures::default(),
            since: HostFigures::default(),
            replies: 0,
            called: 0,
            errors: VecDeque::new(),
            delays: Vec::new(),
        }
    }

    /// A probe was answered, perhaps after an ICMP error about it.
    pub(super) fn answer(&mut self, number: usize, nanos: u64) {
        let lost = self.errors.iter().position(|&error| error == number).and_then(|at| self.errors.remove(at));
        for figures in [&mut self.all, &mut self.since] {
            figures.sent += u64::from(lost.is_none());
            figures.answer(nanos);
        }
    }

    /// The same in a run whose sums show each delay.
    pub(super) fn keep(&mut self, number: usize, nanos: u64) {
        if number >= self.delays.len() {
            self.delays.resize(number + 1, None);
        }
        if let Some(delay) = self.delays.get_mut(number) {
            *delay = Some(nanos);
        }
    }

    /// A probe was not.
    pub(super) fn lose(&mut self) {
        self.all.sent += 1;
        self.since.sent += 1;
    }

    /// An ICMP error says that.
    pub(super) fn lose_by_error(&mut self, number: usize) {
        if self.errors.len() == ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(number);
        self.lose();
    }

    /// The delay of each probe, in nanoseconds.
    pub(super) fn vector(&self) -> impl Iterator<Item = Option<u64>> {
        let decided = usize::try_from(self.all.sent).unwrap_or(usize::MAX);
        (0..decided).map(|number| self.delays.get(number).copied().flatten())
    }

    /// What is new, in the words that Netdata reads; with `first` its charts are described before.
    pub(super) fn chart(&self, seconds: f64, first: bool, data: &mut dyn Write) -> io::Result<()> {
        let (name, label, figures) = (&self.chart, &self.label, &self.since);
        if first {
            writeln!(
                data,
                "CHART fping.{name}_packets '' 'FPing Packets' packets '{label}' fping.packets line 110020 {seconds:.0}"
            )?;
            writeln!(data, "DIMENSION xmt sent absolute 1 1\nDIMENSION rcv received absolute 1 1")?;
        }
        writeln!(data, "BEGIN fping.{name}_packets")?;
        writeln!(data, "SET xmt = {}\nSET rcv = {}\nEND", figures.sent, figures.received)?;
        if first {
            writeln!(
                data,
                "CHART fping.{name}_quality '' 'FPing Quality' percentage '{label}' fping.quality area 110010 {seconds:.0}"
            )?;
            writeln!(data, "DIMENSION returned '' absolute 1 1")?;
        }
        writeln!(data, "BEGIN fping.{name}_quality\nSET returned = {}\nEND", figures.returned())?;
        if first {
            writeln!(
                data,
                "CHART fping.{name}_latency '' 'FPing Latency' ms '{label}' fping.latency area 110000 {seconds:.0}"
            )?;
            for (short, long) in [("min", "minimum"), ("max", "maximum"), ("avg", "average")] {
                writeln!(data, "DIMENSION {short} {long} absolute 1 1000000")?;
            }
        }
        writeln!(data, "BEGIN fping.{name}_latency")?;
        if figures.received > 0 {
            writeln!(data, "SET min = {}\nSET avg = {}\nSET max = {}", figures.min, figures.mean(), figures.max)?;
        }
        writeln!(data, "END")
    }
}

/// The mean of a target's delays and its loss, as each line about an answer has them.
pub(super) struct Average<'a>(pub(super) &'a Host);

impl fmt::Display for Average<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Host { all, replies, .. } = self.0;
        match all.received {
            0 => f.write_str(" (NaN avg, ")?,
            _ => write!(f, " ({} avg, ", Ms(all.mean()))?,
        }
        match all.received <= all.sent {
            true => write!(f, "{}% loss)", all.loss()),
            false => write!(f, "{}% return)", (replies * 100).checked_div(all.sent).unwrap_or(0)),
        }
    }
}
