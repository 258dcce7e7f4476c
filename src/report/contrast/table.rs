//! A comparison as text: the lines of every method as they come, then one table, then sentences.

use std::io::{self, Write};

use super::sentence::{notes, sentence};
use super::{Label, privilege, reason};
use crate::ping::contrast::{Answerer, Event, Outcome, Row, Who};
use crate::ping::{self, Start};
use crate::report::number::{Millis, general};
use crate::report::{PingText, PingTextOptions, Sink, Streams, escape};

/// So many answerers stand in a row; all are in the JSON.
const SHOWN_ANSWERERS: usize = 2;

/// How many columns of a row are words; the others are numbers, which line up at their ends.
const WORDS: usize = 4;

/// Writes a comparison as text.
pub struct ContrastText {
    lines: PingText,
    /// `NAME (ADDRESS)`, escaped.
    target: String,
}

impl ContrastText {
    /// A writer that has written nothing yet; the lines of the methods look as these options say.
    pub fn new(options: PingTextOptions) -> Self {
        ContrastText { lines: PingText::new(options), target: String::new() }
    }

    fn start(&mut self, start: &Start) {
        self.target = match start.address {
            Some(address) if !start.numeric => format!("{} ({address})", escape(&start.name)),
            _ => escape(&start.name).into_owned(),
        };
    }

    fn outcome(&self, outcome: &Outcome, data: &mut dyn Write) -> io::Result<()> {
        let rounds = outcome.rounds;
        writeln!(data, "\n--- {} by {} methods, {rounds} rounds ---", self.target, outcome.rows.len())?;
        writeln!(data, "times are in ms, from user space to user space, without round 1")?;
        table(outcome, data)?;
        for finding in &outcome.findings {
            writeln!(data, "{}", sentence(finding, outcome))?;
        }
        notes(outcome).iter().try_for_each(|note| writeln!(data, "{note}"))
    }
}

impl Sink<Event> for ContrastText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ping(event) => {
                if let ping::Event::Start(start) = event {
                    self.start(start);
                }
                if has_lines(event) { self.lines.event(event, streams) } else { Ok(()) }
            }
            Event::Outcome(outcome) => self.outcome(outcome, streams.data),
        }
    }
}

/// Whether a method's own text is wanted. One that cannot run has no header, because its row in the table says why, and the
/// table is the summary of all.
fn has_lines(event: &ping::Event) -> bool {
    match event {
        ping::Event::Start(start) => start.socket.is_some(),
        ping::Event::Summary(_) => false,
        _ => true,
    }
}

fn table(outcome: &Outcome, data: &mut dyn Write) -> io::Result<()> {
    let reference = outcome.reference.and_then(|index| outcome.rows.get(index));
    let against = reference.map_or_else(|| "difference".to_owned(), |row| format!("to {}", Label(row)));
    let heads =
        ["method", "socket", "needs", "answered by", "sent", "recv", "refused", "loss", "min", "median", "p95", "max"];
    let heads = heads.iter().map(|head| (*head).to_owned()).chain([against, "kernel median".to_owned()]);
    let mut lines: Vec<Vec<String>> = vec![heads.collect()];
    lines.extend(outcome.rows.iter().enumerate().map(|(index, row)| cells(row, outcome.reference == Some(index))));
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    // A reason runs on to the right, where its row has no numbers.
    let width = |column: usize| {
        let cells = lines.iter().filter(|cells| cells.len() > WORDS).filter_map(|cells| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for cells in &lines {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let gap = if column == 0 { "" } else { "  " };
            match column < WORDS {
                true => line.extend([gap, cell, &padding]),
                false => line.extend([gap, &padding, cell]),
            }
        }
        writeln!(data, "{}", line.trim_end())?;
    }
    Ok(())
}

fn cells(row: &Row, is_reference: bool) -> Vec<String> {
    let absent = || "-".to_owned();
    let words = [Label(row).to_string(), row.socket.name().to_owned(), privilege(row).unwrap_or("nothing").to_owned()];
    if let Some(reason) = reason(row) {
        return words.into_iter().chain([format!("did not run: {reason}")]).collect();
    }
    let counts = &row.counts;
    let loss = counts.loss_pct().map_or_else(absent, |loss| format!("{}%", general(f64::from(loss as f32))));
    let time = |nanos: Option<u64>| nanos.map_or_else(absent, |nanos| Millis(nanos).to_string());
    let rtt = row.rtt.as_ref();
    let difference = match row.difference {
        Some(nanos) => format!("{}{}", if nanos < 0 { '-' } else { '+' }, Millis(nanos.unsigned_abs())),
        None if is_reference => String::new(),
        None => absent(),
    };
    let numbers = [
        counts.sent.to_string(),
        counts.received.to_string(),
        counts.refused.to_string(),
        loss,
        time(rtt.map(|rtt| rtt.min)),
        time(rtt.map(|rtt| rtt.median)),
        time(rtt.map(|rtt| rtt.p95)),
        time(rtt.map(|rtt| rtt.max)),
        difference,
        time(row.rtt_kernel.as_ref().map(|rtt| rtt.median)),
    ];
    words.into_iter().chain([answered_by(&row.answerers)]).chain(numbers).collect()
}

fn answered_by(answerers: &[Answerer]) -> String {
    if answerers.is_empty() {
        return "nobody".to_owned();
    }
    let name = |answerer: &Answerer| match answerer.who {
        Who::Kernel => "host's kernel".to_owned(),
        Who::Service => "service".to_owned(),
        Who::Router => format!("router {}", answerer.address),
        Who::Other => format!("other {}", answerer.address),
    };
    let mut names: Vec<String> = answerers.iter().take(SHOWN_ANSWERERS).map(name).collect();
    if answerers.len() > SHOWN_ANSWERERS {
        names.push("…".to_owned());
    }
    names.join(", ")
}
