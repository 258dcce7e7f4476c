//! The sentences of a comparison: [`sentence`] for each finding, and [`notes`] after them.

use crate::metrics::Share;
use crate::ping::contrast::{Answerer, AnswererKind, Comparison, Finding, MIN_ROUNDS, Row, Varied};
use crate::ping::{MethodKind, State};
use crate::report::contrast::Label;
use crate::report::words::number::Millis;

/// The sentence for a finding.
pub(super) fn sentence(finding: &Finding, comparison: &Comparison) -> String {
    let mut text = statement(finding, comparison);
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn statement(finding: &Finding, comparison: &Comparison) -> String {
    let row = subject(finding, comparison);
    match (finding, row) {
        (Finding::NothingAnswers, _) => "The target answered none of these methods.".to_owned(),
        (Finding::IcmpBlocked { .. }, Some(row)) => blocked(comparison, row),
        (Finding::Refused { .. }, Some(row)) => refused(row),
        (Finding::RefusalsLimited { .. }, Some(row)) => format!(
            "The host limits how often it reports this: {} of {} probes were refused. The silence of the others is not loss on the path.",
            row.counts.refused, row.counts.sent
        ),
        (Finding::Rejected { .. }, Some(row)) => format!("{} is rejected{}.", Label(row), rejected_by(row)),
        (Finding::Silent { .. }, Some(row)) => silent(comparison, row),
        (Finding::IcmpLimited { icmp, other, .. }, Some(row)) => format!(
            "ICMP loses {}, {} loses {}: ICMP is rate limited or dropped first, and its loss does not affect the service.",
            Of(*icmp),
            Label(row),
            Of(*other)
        ),
        (Finding::LosesMore { own, than, other, .. }, Some(row)) => {
            match than.and_then(|index| comparison.rows.get(index)) {
                Some(less) => format!("{} loses {}, {} loses {}.", Label(row), Of(*own), Label(less), Of(*other)),
                None => format!(
                    "{} loses {}, ICMP loses {}: the service answers less often than its host.",
                    Label(row),
                    Of(*own),
                    Of(*other)
                ),
            }
        }
        (Finding::Remarked { dscp, .. }, Some(row)) => format!(
            "The replies to {} have DSCP {dscp}: a network on the way changes it, or the host does not copy it.",
            Label(row)
        ),
        (Finding::Delay { difference, .. }, Some(row)) => delay(comparison, row, *difference),
        (_, None) => String::new(),
    }
}

/// The row a finding is about.
pub(super) fn subject<'a>(finding: &Finding, comparison: &'a Comparison) -> Option<&'a Row> {
    comparison.rows.get(finding.row()?)
}

/// Explanations of rows, caveats, methods that were not compared, or that no difference was found.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes: Vec<String> =
        comparison.explanations.iter().map(|explanation| sentence(explanation, comparison)).collect();
    notes.extend(comparison.varied().and_then(|varied| caveat(varied, comparison)));
    let path = |finding: &Finding| match finding {
        _ if comparison.varied().is_some() => false,
        Finding::Delay { .. } => subject(finding, comparison).is_some_and(|row| row.method != MethodKind::Icmp),
        Finding::IcmpLimited { .. } | Finding::LosesMore { .. } => true,
        _ => false,
    };
    if comparison.findings.iter().any(path) {
        notes.push(
            "Routers choose paths by protocol and port, so methods may take different paths, and a difference may come from those."
                .to_owned(),
        );
    }
    let others = comparison.rows.iter().enumerate().filter(|(index, _)| comparison.reference != Some(*index));
    let unjudged = others.map(|(_, row)| row).filter(|row| row.rtt.is_some() && row.verdict.is_none());
    let unjudged: Vec<String> = unjudged.map(|row| format!("{} for {}", row.complete, Label(row))).collect();
    if let (false, Some(reference)) =
        (unjudged.is_empty(), comparison.reference.and_then(|index| comparison.rows.get(index)))
    {
        notes.push(format!(
            "A verdict on delays needs {MIN_ROUNDS} rounds (-c) in which the method and {} were both answered; there were {}.",
            Label(reference),
            unjudged.join(", ")
        ));
    }
    if comparison.findings.is_empty() && comparison.rows.iter().any(|row| row.verdict.is_some()) {
        notes.push("no difference found".to_owned());
    }
    notes
}

/// What explains a difference between rows of one method, if there is one.
fn caveat(varied: Varied, comparison: &Comparison) -> Option<String> {
    let differs = |finding: &Finding| matches!(finding, Finding::Delay { .. } | Finding::LosesMore { .. });
    if !comparison.findings.iter().any(differs) {
        return None;
    }
    let sentence = match varied {
        Varied::Dscp(_) => "Routers may queue, limit and forward packets by their DSCP.",
        Varied::Size(_) => "A larger packet takes longer on every link, and is lost more often where bits are.",
        Varied::Family(_) => "IPv4 and IPv6 may take different paths, and a difference may come from those.",
        Varied::Port(_) => {
            "Routers choose paths by ports too, so probes may take different paths, and a difference may come from those."
        }
    };
    Some(sentence.to_owned())
}

fn blocked(comparison: &Comparison, row: &Row) -> String {
    let icmp: Vec<&Row> = comparison.rows.iter().filter(|row| row.method == MethodKind::Icmp && row.ran).collect();
    let sent: u64 = icmp.iter().map(|row| row.counts.sent).sum();
    let rejected = icmp
        .iter()
        .find(|row| row.counts.unreachable > 0)
        .map_or_else(String::new, |row| format!(", and probes were rejected{}", rejected_by(row)));
    let but = match row.state {
        Some(State::Open) => format!("{} is open", Label(row)),
        _ => format!("the host answers on {}", Label(row)),
    };
    format!(
        "ICMP is blocked: {sent} probes got no reply{rejected}, but {but}. A ping alone would report this host as down."
    )
}

fn refused(row: &Row) -> String {
    match row.method {
        MethodKind::Udp => format!("{} is closed: the host is up and reports that no service listens.", Label(row)),
        _ => format!("{} is refused: the host is up, but no service accepts connections.", Label(row)),
    }
}

fn silent(comparison: &Comparison, row: &Row) -> String {
    let (label, sent) = (Label(row), row.counts.sent);
    if let Some(other) = comparison.rows.iter().find(|other| other.is_answered()).filter(|_| row.is_within_method()) {
        return format!("{label} got no answer to {sent} probes, but {} did.", Label(other));
    }
    let other_icmp = comparison.rows.iter().any(|other| other.method == MethodKind::Icmp && other.is_answered());
    match row.method {
        MethodKind::Udp => {
            format!("{label} gave no answer to {sent} probes: open, filtered or ignored. This is not loss on the path.")
        }
        MethodKind::Icmp if other_icmp => format!(
            "{label} got no answer to {sent} probes, but the other ICMP socket did. Both send the same packets, so the cause \
             is on this host."
        ),
        MethodKind::Icmp => format!("{label} got no answer to {sent} probes."),
        _ => format!("{label} is filtered: none of {sent} probes was answered."),
    }
}

fn delay(comparison: &Comparison, row: &Row, difference: i64) -> String {
    let Some(reference) = comparison.reference.and_then(|index| comparison.rows.get(index)) else {
        return String::new();
    };
    let slower = if difference > 0 { "slower" } else { "faster" };
    let base = reference.rtt.as_ref().map_or(1, |rtt| rtt.median.max(1));
    let percent = difference.unsigned_abs() as f64 * 100.0 / base as f64;
    let amount = Millis(difference.unsigned_abs());
    let same = row.varied.is_none() && row.method == MethodKind::Icmp && reference.method == MethodKind::Icmp;
    let cause = if same { " Both send the same packets, so the difference arises on this host." } else { "" };
    format!("{} is {slower} than {} by {amount} ms ({percent:.0} %).{cause}", Label(row), Label(reference))
}

/// ` by ADDRESS`, with the most frequent source of ICMP errors.
fn rejected_by(row: &Row) -> String {
    let by = |answerer: &&Answerer| {
        matches!(answerer.kind, AnswererKind::Router | AnswererKind::Kernel | AnswererKind::ThisHost)
    };
    let most = row.answerers.iter().find(by);
    most.map_or_else(String::new, |answerer| match answerer.kind {
        AnswererKind::Kernel => " by the host itself".to_owned(),
        AnswererKind::ThisHost => " by this host".to_owned(),
        _ => format!(" by {}", answerer.address),
    })
}

/// `3 of 20 probes`.
struct Of(Share);

impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} probes", self.0.hits, self.0.tries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::Counts;
    use crate::report::contrast::fixture::{DGRAM, RAW, TCP, UDP, comparison, unanswered};
    use crate::report::fixture::address;

    fn counts(received: u64, refused: u64, lost: u64) -> Counts {
        Counts { sent: received + refused + lost, received, refused, lost, ..Counts::default() }
    }

    /// The sentence and notes of one finding in a comparison.
    fn written(finding: Finding, change: impl FnOnce(&mut Comparison)) -> (String, Vec<String>) {
        let mut comparison = comparison();
        change(&mut comparison);
        comparison.findings = vec![finding];
        (sentence(&finding, &comparison), notes(&comparison))
    }

    fn sentence_of(finding: Finding, change: impl FnOnce(&mut Comparison)) -> String {
        written(finding, change).0
    }

    fn replace(comparison: &mut Comparison, row: usize, counts: Counts, state: Option<State>) {
        comparison.rows[row] = unanswered(comparison.rows[row].clone(), counts, state);
    }

    #[test]
    fn no_difference_is_one_note() {
        assert_eq!(notes(&comparison()), ["no difference found"]);
    }

    #[test]
    fn a_default_port_is_explained_and_is_no_difference() {
        let mut comparison = comparison();
        replace(&mut comparison, UDP, counts(0, 11, 9), Some(State::Closed));
        comparison.explanations = vec![Finding::Refused { row: UDP }, Finding::RefusalsLimited { row: UDP }];
        let notes = notes(&comparison);
        assert_eq!(notes[0], "UDP port 53 is closed: the host is up and reports that no service listens.");
        assert!(notes[1].starts_with("The host limits how often it reports this: 11 of 20"), "{notes:?}");
        assert_eq!(notes.last().map(String::as_str), Some("no difference found"));
    }

    #[test]
    fn blocked_icmp_names_what_is_open_and_who_rejects() {
        let silence = |comparison: &mut Comparison| {
            replace(comparison, RAW, counts(0, 0, 20), None);
            replace(comparison, DGRAM, counts(0, 0, 20), None);
        };
        assert_eq!(
            sentence_of(Finding::IcmpBlocked { row: TCP }, silence),
            "ICMP is blocked: 40 probes got no reply, but TCP port 443 is open. A ping alone would report this host as down."
        );
        let rejected = |comparison: &mut Comparison| {
            silence(comparison);
            let router = Answerer { kind: AnswererKind::Router, address: address("203.0.113.1"), answers: 20 };
            comparison.rows[RAW].answerers = vec![router];
            comparison.rows[RAW].counts = Counts { sent: 20, unreachable: 20, ..Counts::default() };
            replace(comparison, TCP, counts(0, 20, 0), Some(State::Refused));
        };
        assert_eq!(
            sentence_of(Finding::IcmpBlocked { row: TCP }, rejected),
            "ICMP is blocked: 40 probes got no reply, and probes were rejected by 203.0.113.1, but the host answers on TCP \
             port 443. A ping alone would report this host as down."
        );
    }

    #[test]
    fn ports_without_a_service_are_reported() {
        let closed =
            |row, state| move |comparison: &mut Comparison| replace(comparison, row, counts(0, 11, 9), Some(state));
        assert_eq!(
            sentence_of(Finding::Refused { row: TCP }, closed(TCP, State::Refused)),
            "TCP port 443 is refused: the host is up, but no service accepts connections."
        );
        assert_eq!(
            sentence_of(Finding::Refused { row: UDP }, closed(UDP, State::Closed)),
            "UDP port 53 is closed: the host is up and reports that no service listens."
        );
        assert_eq!(
            sentence_of(Finding::RefusalsLimited { row: UDP }, closed(UDP, State::Closed)),
            "The host limits how often it reports this: 11 of 20 probes were refused. The silence of the others is not loss on the path."
        );
    }

    #[test]
    fn silence_has_another_meaning_for_each_method() {
        let silent = |row, state| move |comparison: &mut Comparison| replace(comparison, row, counts(0, 0, 20), state);
        assert_eq!(
            sentence_of(Finding::Silent { row: TCP }, silent(TCP, Some(State::Filtered))),
            "TCP port 443 is filtered: none of 20 probes was answered."
        );
        assert_eq!(
            sentence_of(Finding::Silent { row: UDP }, silent(UDP, Some(State::NoAnswer))),
            "UDP port 53 gave no answer to 20 probes: open, filtered or ignored. This is not loss on the path."
        );
        assert!(
            sentence_of(Finding::Silent { row: DGRAM }, silent(DGRAM, None)).ends_with("so the cause is on this host.")
        );
        let rejected = |comparison: &mut Comparison| {
            replace(
                comparison,
                TCP,
                Counts { sent: 20, unreachable: 20, ..Counts::default() },
                Some(State::Unreachable),
            );
            comparison.rows[TCP].answerers =
                vec![Answerer { kind: AnswererKind::Router, address: address("203.0.113.1"), answers: 20 }];
        };
        assert_eq!(sentence_of(Finding::Rejected { row: TCP }, rejected), "TCP port 443 is rejected by 203.0.113.1.");
    }

    #[test]
    fn loss_of_icmp_alone_does_not_affect_the_service() {
        let (icmp, other) = (Share { hits: 21, tries: 40 }, Share { hits: 0, tries: 20 });
        let (sentence, notes) = written(Finding::IcmpLimited { row: TCP, icmp, other }, |_| {});
        assert_eq!(
            sentence,
            "ICMP loses 21 of 40 probes, TCP port 443 loses 0 of 20 probes: ICMP is rate limited or dropped first, and its \
             loss does not affect the service."
        );
        assert_eq!(notes.len(), 1, "paths may differ");
        let sentence =
            sentence_of(Finding::LosesMore { row: TCP, own: Share { hits: 14, tries: 20 }, than: None, other }, |_| {});
        assert!(sentence.starts_with("TCP port 443 loses 14 of 20 probes, ICMP loses 0 of 20 probes"), "{sentence}");
    }

    #[test]
    fn a_delay_comes_with_its_possible_cause() {
        let (sentence, remarks) = written(Finding::Delay { row: TCP, difference: 3_000_000 }, |_| {});
        assert_eq!(sentence, "TCP port 443 is slower than ICMP raw by 3.000 ms (30 %).");
        assert!(remarks[0].starts_with("Routers choose paths by protocol and port,"), "{remarks:?}");
        let (sentence, remarks) = written(Finding::Delay { row: DGRAM, difference: -2_000_000 }, |_| {});
        assert_eq!(
            sentence,
            "ICMP dgram is faster than ICMP raw by 2.000 ms (20 %). Both send the same packets, so the difference arises on this \
             host."
        );
        assert_eq!(remarks, Vec::<String>::new(), "the same packets take the same path");
    }

    #[test]
    fn a_method_without_a_verdict_is_not_called_alike() {
        let mut few = comparison();
        few.rows.iter_mut().skip(UDP).for_each(|row| (row.complete, row.verdict) = (19, None));
        few.rows[DGRAM] = unanswered(few.rows[DGRAM].clone(), counts(0, 0, 20), None);
        assert_eq!(
            notes(&few),
            [
                "A verdict on delays needs 20 rounds (-c) in which the method and ICMP raw were both answered; there were 19 \
                 for UDP port 53, 19 for TCP port 443."
            ]
        );
    }
}
