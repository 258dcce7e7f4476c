//! What stands out, in plain sentences: [`sentence`] for each finding, [`notes`] for what must be said with them.

use super::Label;
use crate::metrics::Share;
use crate::ping::contrast::{Answerer, Finding, MIN_ROUNDS, Outcome, Row, Who};
use crate::ping::{MethodKind, State};
use crate::report::number::Millis;

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
        (Finding::Rejected { .. }, Some(row)) => {
            format!("{} is rejected{}, while other methods are answered.", Label(row), rejected_by(row))
        }
        (Finding::Silent { .. }, Some(row)) => silent(row),
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
    let mut notes = Vec::new();
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
    let reference = outcome.reference.and_then(|index| outcome.rows.get(index));
    let others = outcome.rows.iter().enumerate().filter(|(index, _)| outcome.reference != Some(*index));
    let uncompared: Vec<&Row> =
        others.map(|(_, row)| row).filter(|row| row.rtt.is_some() && row.verdict.is_none()).collect();
    for row in &uncompared {
        notes.push(format!(
            "The delays of {} are not judged: {} rounds were answered both there and by {}, and it takes {MIN_ROUNDS} (-c).",
            Label(row),
            row.complete,
            reference.map_or_else(String::new, |row| Label(row).to_string())
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

fn silent(row: &Row) -> String {
    let sent = row.counts.sent;
    match row.method {
        MethodKind::Udp => {
            format!(
                "{} gave no answer to {sent} probes: open, filtered or ignored. That is no loss of the path.",
                Label(row)
            )
        }
        MethodKind::Icmp => format!(
            "{} got no answer to {sent} probes, and the other ICMP socket did. Both send the same packets, so this host is the cause.",
            Label(row)
        ),
        _ => format!("{} is filtered: none of {sent} probes was answered, while other methods are.", Label(row)),
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
