//! A comparison as text: the lines of every method as they come, then a table, then sentences.

use std::io::{self, Write};

use crate::ping;
use crate::ping::contrast::{Answerer, AnswererKind, Comparison, Event, Row, Varied};
use crate::report::contrast::sentence::{notes, sentence};
use crate::report::contrast::{Label, privilege, reason};
use crate::report::ping::{interim, short_label};
use crate::report::words::number::{General, Millis};
use crate::report::{PingText, PingTextOptions, Sink, Streams, escape};

/// Answerers shown in a row; JSON has all of them.
const SHOWN_ANSWERERS: usize = 2;

/// The columns of words at the start of a row; the others are numbers, aligned to the right.
const WORDS: usize = 4;

/// Writes a comparison as text.
pub struct ContrastText {
    lines: PingText,
}

impl ContrastText {
    /// A writer that has written nothing yet; the lines of the methods look as these options say.
    pub fn new(options: PingTextOptions) -> Self {
        ContrastText { lines: PingText::new(PingTextOptions { methods: true, ..options }) }
    }
}

impl Sink<Event> for ContrastText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ping(ping::Event::Interim(figures)) => figures
                .iter()
                .try_for_each(|figures| interim(figures, Some(&short_label(&figures.subject)), streams.talk)),
            Event::Ping(event) if has_lines(event) => self.lines.event(event, streams),
            Event::Ping(_) => Ok(()),
            Event::Comparison(comparison) => write_comparison(comparison, streams.data),
        }
    }
}

fn write_comparison(comparison: &Comparison, data: &mut dyn Write) -> io::Result<()> {
    let (subject, rounds) = (&comparison.subject, comparison.rounds);
    let varied = comparison.varied();
    let target = match subject.address.filter(|_| !matches!(varied, Some(Varied::Family(_)))) {
        Some(address) if !subject.numeric => format!("{} ({address})", escape(&subject.name)),
        _ => escape(&subject.name).into_owned(),
    };
    match varied {
        Some(varied) => writeln!(data, "\n--- {target} by {}, {rounds} rounds ---", varied.name())?,
        None => writeln!(data, "\n--- {target} by {} methods, {rounds} rounds ---", comparison.rows.len())?,
    }
    writeln!(data, "times in ms between user space and user space, without round 1; kernel: median by its stamps")?;
    table(comparison, data)?;
    writeln!(data)?;
    for finding in &comparison.findings {
        writeln!(data, "{}", sentence(finding, comparison))?;
    }
    notes(comparison).iter().try_for_each(|note| writeln!(data, "{note}"))
}

/// Whether a method's own text is wanted. One that cannot run has no header, because its row in the table says why, and the
/// table is the summary of all.
fn has_lines(event: &ping::Event) -> bool {
    match event {
        ping::Event::Began { subject, .. } => subject.socket.is_some(),
        ping::Event::Ended(_) => false,
        _ => true,
    }
}

fn table(comparison: &Comparison, data: &mut dyn Write) -> io::Result<()> {
    let reference = comparison.reference.and_then(|index| comparison.rows.get(index));
    let against = reference.map_or_else(|| "difference".to_owned(), |row| format!("to {}", Label(row)));
    let third = comparison.varied().map_or("needs", Varied::name);
    let heads =
        ["method", "socket", third, "answered by", "sent", "recv", "refused", "loss", "min", "median", "p95", "max"];
    let heads = heads.iter().map(|head| (*head).to_owned()).chain([against, "kernel".to_owned()]);
    let mut lines: Vec<Vec<String>> = vec![heads.collect()];
    lines
        .extend(comparison.rows.iter().enumerate().map(|(index, row)| cells(row, comparison.reference == Some(index))));
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    // A reason runs on to the right, where its row has no numbers.
    let width = |column: usize| {
        let whole = lines.iter().filter(|cells| column + 1 < WORDS || cells.len() > WORDS);
        let cells = whole.filter_map(|cells| cells.get(column));
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
    let needs = privilege(row).map_or("nothing", |whole| whole.rsplit('.').next().unwrap_or(whole));
    let method = row.method.name().to_uppercase();
    let method = row.port.map_or_else(|| method.clone(), |port| format!("{method} {port}"));
    let third = row.varied.map_or_else(|| needs.to_owned(), |varied| varied.to_string());
    let words = [method, row.socket.name().to_owned(), third];
    if let Some(reason) = reason(row) {
        return words.into_iter().chain([format!("did not run: {reason}")]).collect();
    }
    let counts = &row.counts;
    let loss = counts.loss_pct().map_or_else(absent, |loss| format!("{}%", General(f64::from(loss as f32))));
    let time = |nanos: Option<u64>| nanos.map_or_else(absent, |nanos| Millis(nanos).to_string());
    let rtt = row.rtt.as_ref();
    let difference = match row.difference {
        Some(nanos) => format!("{}{}", if nanos < 0 { '-' } else { '+' }, Millis(nanos.unsigned_abs())),
        None if is_reference => String::new(),
        None => absent(),
    };
    let numbers = [
        counts.decided().to_string(),
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
        return "none".to_owned();
    }
    let name = |answerer: &Answerer| match answerer.kind {
        AnswererKind::Kernel => "host's kernel".to_owned(),
        AnswererKind::Stack => "TCP stack".to_owned(),
        AnswererKind::Service => "service".to_owned(),
        AnswererKind::Router => format!("router {}", answerer.address),
        AnswererKind::ThisHost => "this host".to_owned(),
        AnswererKind::Other => format!("other {}", answerer.address),
    };
    let mut names: Vec<String> = answerers.iter().take(SHOWN_ANSWERERS).map(name).collect();
    if answerers.len() > SHOWN_ANSWERERS {
        names.push("…".to_owned());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::outcome::{Subject, SubjectId};
    use crate::metrics::DelayStats;
    use crate::ping::contrast::Finding;
    use crate::ping::{Counts, Interim, MethodKind};
    use crate::report::contrast::fixture::{RAW, TCP, comparison, without_privilege};
    use crate::report::fixture::{began, of, reply, subject, summary, written};

    /// What the end of a comparison for `example.org` writes.
    fn ended(comparison: Comparison) -> String {
        let mut sink = ContrastText::new(PingTextOptions::default());
        written(&mut sink, &[Event::Comparison(Box::new(comparison))]).0
    }

    #[test]
    fn the_end_is_one_table_and_sentences() {
        let mut comparison = comparison();
        comparison.rows[TCP].difference = Some(3_000_000);
        comparison.findings = vec![Finding::Delay { row: TCP, difference: 3_000_000 }];
        assert_eq!(
            ended(comparison),
            "\n--- example.org (198.51.100.9) by 4 methods, 20 rounds ---\n\
             times in ms between user space and user space, without round 1; kernel: median by its stamps\n\
             method   socket  needs             answered by    sent  recv  refused  loss    min  median     p95     max  to ICMP raw  kernel\n\
             ICMP     raw     cap_net_raw       host's kernel    20    20        0    0%  9.000  10.000  10.900  11.000                9.950\n\
             ICMP     dgram   ping_group_range  host's kernel    20    20        0    0%  9.000  10.000  10.900  11.000       +0.010   9.950\n\
             UDP 53   dgram   nothing           service          20    20        0    0%  9.000  10.000  10.900  11.000       +0.010   9.950\n\
             TCP 443  stream  nothing           TCP stack        20    20        0    0%  9.000  10.000  10.900  11.000       +3.000       -\n\
             \n\
             TCP port 443 is slower than ICMP raw by 3.000 ms (30 %).\n\
             Routers choose paths by protocol and port, so methods may take different paths, and a difference may come from those.\n"
        );
    }

    #[test]
    fn a_method_that_could_not_run_keeps_its_row() {
        let mut comparison = comparison();
        comparison.rows[RAW] = without_privilege();
        let text = ended(comparison);
        let row = text.lines().find(|line| line.starts_with("ICMP     raw")).expect("a row");
        assert_eq!(row, "ICMP     raw     cap_net_raw       did not run: socket: Operation not permitted");
    }

    #[test]
    fn lines_are_those_of_the_methods_and_their_summaries_are_left_out() {
        let mut sink = ContrastText::new(PingTextOptions::default());
        let events = [
            began(subject("example.org", "198.51.100.9")),
            of(&subject("example.org", "198.51.100.9"), reply()),
            ping::Event::Ended(Box::new(summary())),
        ];
        let mut plain = PingText::new(PingTextOptions::default());
        let expected = written(&mut plain, &events[..2]);
        assert_eq!(written(&mut sink, &events.map(Event::Ping)), expected);
    }

    #[test]
    fn interim_figures_name_the_methods() {
        let mut sink = ContrastText::new(PingTextOptions::default());
        let icmp = subject("example.org", "198.51.100.9");
        let tcp = Subject { id: SubjectId::new(1), method: MethodKind::Tcp, port: Some(443), ..icmp.clone() };
        let methods = [icmp, tcp];
        written(&mut sink, &methods.clone().map(|subject| Event::Ping(began(subject))));
        let counts = Counts { sent: 2, received: 1, lost: 1, ..Counts::default() };
        let figures =
            |index: usize| Interim { subject: methods[index].clone().into(), counts, delays: DelayStats::default() };
        let (_, talk) = written(&mut sink, &[Event::Ping(ping::Event::Interim(vec![figures(0), figures(1)]))]);
        assert_eq!(talk, "\rICMP raw: 1/2 packets, 50% loss\n\rTCP 443: 1/2 packets, 50% loss\n");
    }

    #[test]
    fn names_do_not_reach_the_terminal_raw() {
        let mut sink = ContrastText::new(PingTextOptions::default());
        let subject = subject("a\u{1b}[2J", "198.51.100.9");
        let comparison = Comparison { subject: subject.clone().into(), ..comparison() };
        let events = [Event::Ping(began(subject)), Event::Comparison(Box::new(comparison))];
        let (data, _) = written(&mut sink, &events);
        assert!(!data.contains('\u{1b}'), "{data}");
    }
}
