//! What stands out, in plain sentences: [`sentence`] for each finding, [`notes`] for what must be said with them.

use crate::metrics::Share;
use crate::ping::contrast::{Answerer, Finding, MIN_ROUNDS, Outcome, Row, Who};
use crate::ping::{MethodKind, State};
use crate::report::contrast::Label;
use crate::report::words::number::Millis;

/// What a finding means.
pub(super) fn sentence(finding: &Finding, outcome: &Outcome) -> String {
    let row = subject(finding, outcome);
    match (finding, row) {
        (Finding::NothingAnswers, _) => "The target answers none of these methods.".to_owned(),
        (Finding::IcmpBlocked { .. }, Some(row)) => blocked(outcome, row),
        (Finding::Refused { .. }, Some(row)) => refused(row),
        (Finding::RefusalsLimited { .. }, Some(row)) => format!(
            "The host limits how often it says so: {} of {} probes were told. The silence of the others is no loss of the path.",
            row.counts.refused, row.counts.sent
        ),
        (Finding::Rejected { .. }, Some(row)) => format!("{} is rejected{}.", Label(row), rejected_by(row)),
        (Finding::Silent { .. }, Some(row)) => silent(outcome, row),
        (Finding::IcmpLimited { icmp, other, .. }, Some(row)) => format!(
            "ICMP loses {}, {} loses {}: ICMP is rate limited or dropped first, and its loss is not the service's.",
            Of(*icmp),
            Label(row),
            Of(*other)
        ),
        (Finding::LosesMore { own, icmp, .. }, Some(row)) => {
            format!(
                "{} loses {}, ICMP loses {}: the service answers less often than its host.",
                Label(row),
                Of(*own),
                Of(*icmp)
            )
        }
        (Finding::Delay { difference, .. }, Some(row)) => delay(outcome, row, *difference),
        (_, None) => String::new(),
    }
}

/// The row a finding is about.
pub(super) fn subject<'a>(finding: &Finding, outcome: &'a Outcome) -> Option<&'a Row> {
    match *finding {
        Finding::NothingAnswers => None,
        Finding::IcmpBlocked { row }
        | Finding::Refused { row }
        | Finding::RefusalsLimited { row }
        | Finding::Rejected { row }
        | Finding::Silent { row }
        | Finding::IcmpLimited { row, .. }
        | Finding::LosesMore { row, .. }
        | Finding::Delay { row, .. } => outcome.rows.get(row),
    }
}

/// What else must be said: what the findings do not show, what was not compared, and that nothing differs.
pub(super) fn notes(outcome: &Outcome) -> Vec<String> {
    let mut notes: Vec<String> = outcome.asides.iter().map(|aside| sentence(aside, outcome)).collect();
    let path = |finding: &Finding| match finding {
        Finding::Delay { .. } => subject(finding, outcome).is_some_and(|row| row.method != MethodKind::Icmp),
        Finding::IcmpLimited { .. } | Finding::LosesMore { .. } => true,
        _ => false,
    };
    if outcome.findings.iter().any(path) {
        notes.push(
            "Routers choose paths by protocol and ports, so methods may take different ones; a difference can be the path's."
                .to_owned(),
        );
    }
    let others = outcome.rows.iter().enumerate().filter(|(index, _)| outcome.reference != Some(*index));
    let unjudged = others.map(|(_, row)| row).filter(|row| row.rtt.is_some() && row.verdict.is_none());
    let unjudged: Vec<String> = unjudged.map(|row| format!("{} in {}", Label(row), row.complete)).collect();
    if let (false, Some(reference)) = (unjudged.is_empty(), outcome.reference.and_then(|index| outcome.rows.get(index)))
    {
        notes.push(format!(
            "Delays are judged from {MIN_ROUNDS} rounds on (-c) that were answered both there and by {}; answered so: {}.",
            Label(reference),
            unjudged.join(", ")
        ));
    }
    if outcome.findings.is_empty() && outcome.rows.iter().any(|row| row.verdict.is_some()) {
        notes.push("no difference found".to_owned());
    }
    notes
}

fn blocked(outcome: &Outcome, row: &Row) -> String {
    let icmp: Vec<&Row> = outcome.rows.iter().filter(|row| row.method == MethodKind::Icmp && row.ran).collect();
    let sent: u64 = icmp.iter().map(|row| row.counts.sent).sum();
    let rejected = icmp
        .iter()
        .find(|row| row.counts.unreachable > 0)
        .map_or_else(String::new, |row| format!(", and probes were rejected{}", rejected_by(row)));
    let but = match row.state {
        Some(State::Open) => format!("{} is open", Label(row)),
        _ => format!("the host answers for {}", Label(row)),
    };
    format!("ICMP is blocked: {sent} probes got no reply{rejected}, but {but}. A ping alone would call this host down.")
}

fn refused(row: &Row) -> String {
    match row.method {
        MethodKind::Udp => format!("{} is closed: the host is there and says that nobody listens.", Label(row)),
        _ => format!("{} is refused: the host is there, and nothing accepts connections.", Label(row)),
    }
}

fn silent(outcome: &Outcome, row: &Row) -> String {
    let (label, sent) = (Label(row), row.counts.sent);
    let other_icmp = outcome.rows.iter().any(|other| other.method == MethodKind::Icmp && other.is_answered());
    match row.method {
        MethodKind::Udp => {
            format!("{label} gave no answer to {sent} probes: open, filtered or ignored. That is no loss of the path.")
        }
        MethodKind::Icmp if other_icmp => format!(
            "{label} got no answer to {sent} probes, and the other ICMP socket did. Both send the same packets, so this host \
             is the cause."
        ),
        MethodKind::Icmp => format!("{label} got no answer to {sent} probes."),
        _ => format!("{label} is filtered: none of {sent} probes was answered."),
    }
}

fn delay(outcome: &Outcome, row: &Row, difference: i64) -> String {
    let Some(reference) = outcome.reference.and_then(|index| outcome.rows.get(index)) else { return String::new() };
    let slower = if difference > 0 { "slower" } else { "faster" };
    let base = reference.rtt.as_ref().map_or(1, |rtt| rtt.median.max(1));
    let percent = difference.unsigned_abs() as f64 * 100.0 / base as f64;
    let amount = Millis(difference.unsigned_abs());
    let same = row.method == MethodKind::Icmp && reference.method == MethodKind::Icmp;
    let cause = if same { " Both send the same packets, so the difference is this host's." } else { "" };
    format!("{} is {slower} than {} by {amount} ms ({percent:.0} %).{cause}", Label(row), Label(reference))
}

/// ` by ADDRESS` for whoever sent most ICMP errors.
fn rejected_by(row: &Row) -> String {
    let by = |answerer: &&Answerer| matches!(answerer.who, Who::Router | Who::Kernel);
    let most = row.answerers.iter().find(by);
    most.map_or_else(String::new, |answerer| match answerer.who {
        Who::Kernel => " by the host itself".to_owned(),
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
    use crate::report::contrast::fixture::{DGRAM, RAW, TCP, UDP, outcome, unanswered};
    use crate::report::fixture::address;

    fn counts(received: u64, refused: u64, lost: u64) -> Counts {
        Counts { sent: received + refused + lost, received, refused, lost, ..Counts::default() }
    }

    /// What is said of one finding in this comparison.
    fn said(finding: Finding, change: impl FnOnce(&mut Outcome)) -> (String, Vec<String>) {
        let mut outcome = outcome();
        change(&mut outcome);
        outcome.findings = vec![finding];
        (sentence(&finding, &outcome), notes(&outcome))
    }

    fn sentence_of(finding: Finding, change: impl FnOnce(&mut Outcome)) -> String {
        said(finding, change).0
    }

    fn replace(outcome: &mut Outcome, row: usize, counts: Counts, state: Option<State>) {
        outcome.rows[row] = unanswered(outcome.rows[row].clone(), counts, state);
    }

    #[test]
    fn nothing_that_differs_is_said_so_once() {
        assert_eq!(notes(&outcome()), ["no difference found"]);
    }

    #[test]
    fn a_port_nobody_asked_for_is_explained_and_is_no_difference() {
        let mut outcome = outcome();
        replace(&mut outcome, UDP, counts(0, 11, 9), Some(State::Closed));
        outcome.asides = vec![Finding::Refused { row: UDP }, Finding::RefusalsLimited { row: UDP }];
        let notes = notes(&outcome);
        assert_eq!(notes[0], "UDP port 53 is closed: the host is there and says that nobody listens.");
        assert!(notes[1].starts_with("The host limits how often it says so: 11 of 20"), "{notes:?}");
        assert_eq!(notes.last().map(String::as_str), Some("no difference found"));
    }

    #[test]
    fn blocked_icmp_names_what_is_open_and_who_rejects() {
        let silence = |outcome: &mut Outcome| {
            replace(outcome, RAW, counts(0, 0, 20), None);
            replace(outcome, DGRAM, counts(0, 0, 20), None);
        };
        assert_eq!(
            sentence_of(Finding::IcmpBlocked { row: TCP }, silence),
            "ICMP is blocked: 40 probes got no reply, but TCP port 443 is open. A ping alone would call this host down."
        );
        let rejected = |outcome: &mut Outcome| {
            silence(outcome);
            let router = Answerer { who: Who::Router, address: address("203.0.113.1"), answers: 20 };
            outcome.rows[RAW].answerers = vec![router];
            outcome.rows[RAW].counts = Counts { sent: 20, unreachable: 20, ..Counts::default() };
            replace(outcome, TCP, counts(0, 20, 0), Some(State::Refused));
        };
        assert_eq!(
            sentence_of(Finding::IcmpBlocked { row: TCP }, rejected),
            "ICMP is blocked: 40 probes got no reply, and probes were rejected by 203.0.113.1, but the host answers for TCP \
             port 443. A ping alone would call this host down."
        );
    }

    #[test]
    fn ports_without_a_service_are_told() {
        let closed = |row, state| move |outcome: &mut Outcome| replace(outcome, row, counts(0, 11, 9), Some(state));
        assert_eq!(
            sentence_of(Finding::Refused { row: TCP }, closed(TCP, State::Refused)),
            "TCP port 443 is refused: the host is there, and nothing accepts connections."
        );
        assert_eq!(
            sentence_of(Finding::Refused { row: UDP }, closed(UDP, State::Closed)),
            "UDP port 53 is closed: the host is there and says that nobody listens."
        );
        assert_eq!(
            sentence_of(Finding::RefusalsLimited { row: UDP }, closed(UDP, State::Closed)),
            "The host limits how often it says so: 11 of 20 probes were told. The silence of the others is no loss of the path."
        );
    }

    #[test]
    fn silence_means_another_thing_for_each_method() {
        let silent = |row, state| move |outcome: &mut Outcome| replace(outcome, row, counts(0, 0, 20), state);
        assert_eq!(
            sentence_of(Finding::Silent { row: TCP }, silent(TCP, Some(State::Filtered))),
            "TCP port 443 is filtered: none of 20 probes was answered."
        );
        assert_eq!(
            sentence_of(Finding::Silent { row: UDP }, silent(UDP, Some(State::NoAnswer))),
            "UDP port 53 gave no answer to 20 probes: open, filtered or ignored. That is no loss of the path."
        );
        assert!(
            sentence_of(Finding::Silent { row: DGRAM }, silent(DGRAM, None)).ends_with("so this host is the cause.")
        );
        let rejected = |outcome: &mut Outcome| {
            replace(outcome, TCP, Counts { sent: 20, unreachable: 20, ..Counts::default() }, Some(State::Unreachable));
            outcome.rows[TCP].answerers =
                vec![Answerer { who: Who::Router, address: address("203.0.113.1"), answers: 20 }];
        };
        assert_eq!(sentence_of(Finding::Rejected { row: TCP }, rejected), "TCP port 443 is rejected by 203.0.113.1.");
    }

    #[test]
    fn loss_of_icmp_alone_is_not_the_services() {
        let (icmp, other) = (Share { hits: 21, tries: 40 }, Share { hits: 0, tries: 20 });
        let (sentence, notes) = said(Finding::IcmpLimited { row: TCP, icmp, other }, |_| {});
        assert_eq!(
            sentence,
            "ICMP loses 21 of 40 probes, TCP port 443 loses 0 of 20 probes: ICMP is rate limited or dropped first, and its \
             loss is not the service's."
        );
        assert_eq!(notes.len(), 1, "paths may differ");
        let sentence =
            sentence_of(Finding::LosesMore { row: TCP, own: Share { hits: 14, tries: 20 }, icmp: other }, |_| {});
        assert!(sentence.starts_with("TCP port 443 loses 14 of 20 probes, ICMP loses 0 of 20 probes"), "{sentence}");
    }

    #[test]
    fn a_delay_is_told_with_what_may_cause_it() {
        let (sentence, remarks) = said(Finding::Delay { row: TCP, difference: 3_000_000 }, |_| {});
        assert_eq!(sentence, "TCP port 443 is slower than ICMP raw by 3.000 ms (30 %).");
        assert!(remarks[0].starts_with("Routers choose paths by protocol and ports"), "{remarks:?}");
        let (sentence, remarks) = said(Finding::Delay { row: DGRAM, difference: -2_000_000 }, |_| {});
        assert_eq!(
            sentence,
            "ICMP dgram is faster than ICMP raw by 2.000 ms (20 %). Both send the same packets, so the difference is this \
             host's."
        );
        assert_eq!(remarks, Vec::<String>::new(), "the same packets take the same path");
    }

    #[test]
    fn what_could_not_be_judged_is_not_called_alike() {
        let mut few = outcome();
        few.rows.iter_mut().skip(UDP).for_each(|row| (row.complete, row.verdict) = (19, None));
        few.rows[DGRAM] = unanswered(few.rows[DGRAM].clone(), counts(0, 0, 20), None);
        assert_eq!(
            notes(&few),
            [
                "Delays are judged from 20 rounds on (-c) that were answered both there and by ICMP raw; answered so: UDP \
                 port 53 in 19, TCP port 443 in 19."
            ]
        );
    }
}
