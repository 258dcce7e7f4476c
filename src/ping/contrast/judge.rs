//! The judgement of a comparison: verdicts about delays, and [`Finding`]s.

use std::sync::Arc;
use std::time::Duration;

use super::config::Contender;
use super::finding::{Finding, Verdict};
use super::record::{AnswererKind, Comparison, Record, Row};
use super::varied::Varied;
use crate::engine::outcome::Subject;
use crate::metrics::{Share, more_often, signed_rank};
use crate::ping::{Counts, MethodKind, State};

/// The chance that a run without any difference calls one.
pub const ALPHA: f64 = 0.01;

/// Complete rounds that a verdict takes.
pub const MIN_ROUNDS: u64 = 20;

/// The smallest difference of medians that is reported, nanoseconds.
const MIN_DIFFERENCE: u64 = 100_000;

/// The same as a part of the reference's median: the median divided by this (5 %).
const MIN_PART: u64 = 20;

/// The most answerers reported per method.
const MOST_ANSWERERS: usize = 8;

/// Judges the results of all methods.
pub(super) fn compare(
    subject: Arc<Subject>,
    contenders: &[Contender],
    records: &[Record],
    slot: Duration,
) -> Comparison {
    let reference = records.iter().position(|record| record.stats().is_some());
    let compared = records.iter().filter(|record| record.stats().is_some()).count().saturating_sub(1);
    // Bonferroni's correction.
    let alpha = ALPHA / compared.max(1) as f64;
    let base = reference.and_then(|index| records.get(index));
    let rows: Vec<Row> = (0..)
        .zip(contenders.iter().zip(records))
        .map(|(index, (contender, record))| row(contender, record, base.filter(|_| reference != Some(index)), alpha))
        .collect();
    // Of a run that was ended early there are fewer than were wanted.
    let rounds = rows.iter().map(|row| row.counts.sent + row.counts.send_failed).max().unwrap_or(0);
    let (findings, explanations) = findings(contenders, &rows, reference);
    Comparison { subject, rounds, slot, rows, reference, findings, explanations, conditions: Vec::new() }
}

/// The number of further rounds, at most `left`, that would let more methods be judged.
pub(super) fn missing(records: &[Record], left: u64) -> u64 {
    let mut delayed = records.iter().filter(|record| record.stats().is_some());
    let Some(base) = delayed.next() else { return 0 };
    let short = delayed.map(|record| MIN_ROUNDS.saturating_sub(record.both(base)));
    short.filter(|&short| short <= left).max().unwrap_or(0)
}

fn row(contender: &Contender, record: &Record, base: Option<&Record>, alpha: f64) -> Row {
    let summary = record.summary.as_deref();
    let counts = summary.map_or_else(Counts::default, |summary| summary.counts);
    let mut answerers = record.answerers.clone();
    answerers.sort_by_key(|answerer| std::cmp::Reverse(answerer.answers));
    answerers.truncate(MOST_ANSWERERS);
    let mut row = Row {
        method: contender.method.kind(),
        socket: contender.socket,
        port: contender.port,
        address: summary.and_then(|summary| summary.subject.address),
        varied: contender.varied,
        reply_dscp: record.reply_dscp().filter(|_| matches!(contender.varied, Some(Varied::Dscp(_)))),
        refused: contender.refused.clone(),
        ran: counts.sent > 0,
        state: summary.and_then(|summary| summary.state),
        rate_limited: summary.and_then(|summary| summary.rate_limited).unwrap_or_default(),
        answerers,
        counts,
        rtt: record.stats(),
        rtt_kernel: record.kernel_stats(),
        complete: 0,
        difference: None,
        p: None,
        verdict: None,
    };
    if let Some(base) = base {
        compare_delays(&mut row, record, base, alpha);
    }
    row
}

fn compare_delays(row: &mut Row, record: &Record, base: &Record, alpha: f64) {
    row.complete = record.both(base);
    let Some((own, other)) = row.rtt.zip(base.stats()) else { return };
    let difference = own.median as i64 - other.median as i64;
    row.difference = Some(difference);
    let differences = record.differences(base);
    let p = signed_rank(&differences);
    row.p = (!differences.is_empty()).then_some(p);
    if row.complete < MIN_ROUNDS {
        return;
    }
    // No verdict where the differences of the rounds and that of the medians have opposite signs.
    let leaning = middle(differences);
    let large = difference.unsigned_abs() >= MIN_DIFFERENCE.max(other.median / MIN_PART);
    row.verdict = Some(match p <= alpha && large {
        true if difference > 0 && leaning > 0 => Verdict::Slower,
        true if difference < 0 && leaning < 0 => Verdict::Faster,
        _ => Verdict::NoDifference,
    });
}

/// The median; 0 of no values.
fn middle(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The findings, and those that only explain a row.
fn findings(contenders: &[Contender], rows: &[Row], reference: Option<usize>) -> (Vec<Finding>, Vec<Finding>) {
    let ran = rows.iter().any(|row| row.counts.sent > row.counts.pending);
    if !rows.iter().any(Row::shows_host) {
        return (if ran { vec![Finding::NothingAnswers] } else { Vec::new() }, Vec::new());
    }
    let (mut found, mut explanations) = (Vec::new(), Vec::new());
    let blocked = icmp_blocked(rows);
    found.extend(blocked.map(|row| Finding::IcmpBlocked { row }));
    for (index, (row, contender)) in rows.iter().zip(contenders).enumerate() {
        // A closed default UDP port is not a finding; one that the user named is.
        let is_finding = contender.named || row.method != MethodKind::Udp;
        let is_reported = row.method == MethodKind::Icmp && blocked.is_some();
        if !is_reported {
            if is_finding { &mut found } else { &mut explanations }.extend(alone(index, row));
        }
    }
    found.extend(rows.iter().enumerate().filter_map(|(index, row)| remarked(index, row)));
    found.extend(if rows.iter().any(|row| row.varied.is_some()) {
        losses_beside(rows, reference)
    } else {
        losses(rows)
    });
    found.extend(rows.iter().enumerate().filter_map(|(row, figures)| match figures.verdict {
        Some(Verdict::Slower | Verdict::Faster) => {
            figures.difference.map(|difference| Finding::Delay { row, difference })
        }
        _ => None,
    }));
    (found, explanations)
}

/// If no ICMP method that ran was answered: the row that best shows the target to be up, preferably an open port.
fn icmp_blocked(rows: &[Row]) -> Option<usize> {
    let mut icmp = rows.iter().filter(|row| row.method == MethodKind::Icmp && row.is_decided()).peekable();
    icmp.peek()?;
    if icmp.any(Row::is_answered) {
        return None;
    }
    let open = rows.iter().rposition(|row| row.state == Some(State::Open));
    open.or_else(|| rows.iter().rposition(Row::is_answered))
}

/// Findings about one method by itself.
fn alone(index: usize, row: &Row) -> Vec<Finding> {
    let counts = &row.counts;
    if !row.is_decided() {
        return Vec::new();
    }
    if row.is_answered() {
        let refused = counts.refused > 0 && row.state != Some(State::Open);
        let limited = refused && row.rate_limited && counts.lost > 0;
        let findings = [(refused, Finding::Refused { row: index }), (limited, Finding::RefusalsLimited { row: index })];
        return findings.into_iter().filter(|(applies, _)| *applies).map(|(_, finding)| finding).collect();
    }
    match counts.unreachable {
        0 => vec![Finding::Silent { row: index }],
        _ => vec![Finding::Rejected { row: index }],
    }
}

/// Findings about ICMP or an open service losing more than the other.
fn losses(rows: &[Row]) -> Vec<Finding> {
    let is_icmp = |row: &&Row| row.method == MethodKind::Icmp && row.is_answered();
    let icmp = rows.iter().filter(is_icmp).map(Row::loss).fold(Share::default(), Share::and);
    let services: Vec<(usize, &Row)> =
        rows.iter().enumerate().filter(|(_, row)| row.state == Some(State::Open) && row.is_answered()).collect();
    if icmp.tries == 0 || services.is_empty() {
        return Vec::new();
    }
    let alpha = ALPHA / (2 * services.len()) as f64;
    let limited = services.iter().rev().find(|(_, row)| more_often(icmp, row.loss()) <= alpha);
    let losing = services.iter().filter(|(_, row)| more_often(row.loss(), icmp) <= alpha);
    let mut found: Vec<Finding> = losing
        .map(|(index, row)| Finding::LosesMore { row: *index, own: row.loss(), than: None, other: icmp })
        .collect();
    found.extend(limited.map(|(index, row)| Finding::IcmpLimited { row: *index, icmp, other: row.loss() }));
    found
}

/// Findings about one row of a method losing more than the row that all are compared with, or less.
fn losses_beside(rows: &[Row], reference: Option<usize>) -> Vec<Finding> {
    let Some((base, base_row)) = reference.and_then(|index| Some((index, rows.get(index)?))) else { return Vec::new() };
    let others: Vec<(usize, &Row)> =
        rows.iter().enumerate().filter(|(index, row)| *index != base && row.is_answered()).collect();
    let alpha = ALPHA / (2 * others.len()).max(1) as f64;
    let beside = |&(index, row): &(usize, &Row)| {
        let (own, other) = (row.loss(), base_row.loss());
        if more_often(own, other) <= alpha {
            return Some(Finding::LosesMore { row: index, own, than: Some(base), other });
        }
        let less = more_often(other, own) <= alpha;
        less.then_some(Finding::LosesMore { row: base, own: other, than: Some(index), other: own })
    };
    others.iter().filter_map(beside).collect()
}

/// Whether replies come back with another codepoint than that of the requests.
fn remarked(index: usize, row: &Row) -> Option<Finding> {
    let Some(Varied::Dscp(sent)) = row.varied.filter(|_| row.method == MethodKind::Icmp) else { return None };
    let dscp = row.reply_dscp.filter(|&came| came != sent)?;
    Some(Finding::Remarked { row: index, dscp })
}

impl Row {
    /// Whether the target answered at least once, be it with a refusal.
    pub fn is_answered(&self) -> bool {
        self.counts.received > 0 || self.counts.refused > 0
    }

    /// Whether the target sent anything, be it an ICMP error.
    pub fn shows_host(&self) -> bool {
        self.is_answered() || self.answerers.iter().any(|answerer| answerer.kind == AnswererKind::Kernel)
    }

    /// Whether at least one probe was decided.
    fn is_decided(&self) -> bool {
        self.counts.sent > self.counts.pending
    }

    /// Probes without any answer.
    fn loss(&self) -> Share {
        Share { hits: self.counts.lost, tries: self.counts.sent.saturating_sub(self.counts.pending) }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::channel::SocketKind;
    use crate::engine::outcome::SubjectId;
    use crate::engine::{Destination, Target};
    use crate::ping::Method;

    fn judged(records: Vec<Record>) -> Comparison {
        let contender = Contender {
            target: Target {
                zone: None,
                target: "h".into(),
                name: "h".into(),
                numeric: false,
                destination: Destination::Unresolved,
            },
            method: Method::Icmp,
            socket: SocketKind::Raw,
            port: None,
            varied: None,
            named: false,
            refused: None,
        };
        let subject = Arc::new(Subject::new(SubjectId::new(0), &contender.target, MethodKind::Icmp, Arc::default()));
        compare(subject, &vec![contender; records.len()], &records, Duration::from_millis(200))
    }

    fn verdicts(records: Vec<Record>) -> Vec<Option<Verdict>> {
        judged(records).rows.into_iter().map(|row| row.verdict).collect()
    }

    fn steady(micros: u64, rounds: usize) -> Record {
        Record::of(vec![Some(micros); rounds])
    }

    #[test]
    fn a_difference_that_matters_is_called_by_its_direction() {
        let found = verdicts(vec![steady(10_000, 20), steady(10_500, 20), steady(9_500, 20), steady(10_499, 20)]);
        assert_eq!(found, [None, Some(Verdict::Slower), Some(Verdict::Faster), Some(Verdict::NoDifference)]);
    }

    #[test]
    fn the_reference_is_the_first_with_a_delay_after_the_first_round() {
        let only_first = Record::of([Some(5_000)]);
        let outcome = judged(vec![only_first, Record::default(), steady(10_000, 20), steady(20_000, 20)]);
        assert_eq!(outcome.reference, Some(2));
        assert_eq!(outcome.rows[3].difference, Some(10_000_000));
        assert_eq!(outcome.rows[0].difference, None);
    }

    #[test]
    fn rounds_without_both_answers_are_not_complete() {
        let holes = |lost: usize| Record::of((0..25).map(|round| (round >= lost).then_some(20_000)));
        let outcome = judged(vec![steady(10_000, 25), holes(5), holes(6)]);
        assert_eq!((outcome.rows[1].complete, outcome.rows[1].verdict), (20, Some(Verdict::Slower)));
        assert_eq!((outcome.rows[2].complete, outcome.rows[2].verdict), (19, None));
    }

    #[test]
    fn rounds_are_missing_as_long_as_more_of_them_help() {
        let holes = |lost: usize| Record::of((0..20).map(|round| (round >= lost).then_some(20_000)));
        assert_eq!(missing(&[steady(1, 20), steady(1, 20), Record::default()], 5), 0);
        assert_eq!(missing(&[steady(1, 20), holes(1), holes(3)], 5), 3);
        assert_eq!(missing(&[steady(1, 20), holes(1), holes(6)], 5), 1, "six more are too many");
        assert_eq!(missing(&[holes(2), steady(1, 20)], 5), 2, "both must be there");
        assert_eq!(missing(&[Record::default(), Record::default()], 5), 0);
    }

    #[test]
    fn medians_that_contradict_the_rounds_call_nothing() {
        // Where both answer, it is slower by a little; where only the other does, that one is slower still.
        let base = Record::of((0..60).map(|round| Some(if round < 30 { 10_000 } else { 90_000 })));
        let other = Record::of((0..60).map(|round| (round < 30).then_some(12_000)));
        let row = judged(vec![base, other]).rows.remove(1);
        assert_eq!((row.difference, row.verdict), (Some(-78_000_000), Some(Verdict::NoDifference)));
        assert!(row.p.is_some_and(|p| p < 0.001), "{row:?}");
    }

    #[test]
    fn chance_is_called_a_difference_in_fewer_runs_than_alpha_says() {
        let mut random = Rng::with_seed(11);
        // Delays as queues make them: a floor and a long tail, so that differences of medians are often large enough.
        let mut noise =
            || Record::of((0..20).map(|_| Some((500.0 - 2_000.0 * random.f64().ln()) as u64)).collect::<Vec<_>>());
        let wrong = (0..3_000)
            .filter(|_| {
                let found = verdicts((0..4).map(|_| noise()).collect());
                found.iter().any(|verdict| matches!(verdict, Some(Verdict::Slower | Verdict::Faster)))
            })
            .count();
        // 30 at most, and with three standard deviations more it would not be by chance.
        assert!(wrong <= 47, "{wrong} of 3 000 runs");
        assert!(wrong > 0, "the test tests nothing");
    }
}
