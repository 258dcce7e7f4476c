//! The list of what the path shows and of what happened, newest first, below the table.

use super::LocalOffset;
use super::header::clock;
use super::paper::Paper;
use super::ui::Ui;
use crate::report::{change_sentence, finding_sentence};
use crate::trace::watch::ChangeKind;
use crate::trace::{Finding, Severity};
use crate::tui::model::{Model, PathModel};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::types::WallTime;

/// Events that are shown unasked, and rows that the table keeps when the list is asked for.
const UNASKED: usize = 4;
const TABLE_KEEPS: usize = 9;

/// How many rows the list takes of `room`, of which the table asks for `table`.
pub fn height(model: &Model, path: &PathModel, ui: &Ui, (room, table): (usize, usize)) -> usize {
    let events = model.changes.iter().filter(|(_, change)| model.concerns(change, path)).count();
    let (wanted, kept) = match ui.common.events {
        true => {
            let findings = path.findings.len();
            (findings + usize::from(findings > 0) + events.max(1), table.min(TABLE_KEEPS))
        }
        false if events == 0 => return 0,
        false => (events.min(UNASKED), table),
    };
    let height = (wanted + 1).min(room.saturating_sub(kept));
    if height < 2 { 0 } else { height }
}

/// Draws the list of what happened to `path` into the rows from `top` up to, not including, `bottom`.
pub fn draw(
    paper: &mut Paper<'_>,
    (top, bottom): (usize, usize),
    (model, path): (&Model, &PathModel),
    ui: &Ui,
    offset: LocalOffset,
) {
    if bottom < top + 2 {
        return;
    }
    let findings = if ui.common.events { path.findings.as_slice() } else { &[] };
    let top = self::findings(paper, (top, bottom), findings);
    if bottom < top + 2 {
        return;
    }
    let events = model.changes.iter().rev().filter(|(_, change)| model.concerns(change, path));
    let events = events.map(|(at, change)| (at.wall, change_sentence(&change.kind), role(&change.kind)));
    list(paper, (top, bottom), events, offset);
}

/// Draws what a path shows, and gives the row after it.
fn findings(paper: &mut Paper<'_>, (top, bottom): (usize, usize), findings: &[Finding]) -> usize {
    if findings.is_empty() {
        return top;
    }
    paper.rule(top, "findings");
    let (mut y, width, ellipsis) = (top + 1, paper.width(), paper.look.glyphs.ellipsis);
    for finding in findings.iter().take(bottom - y) {
        let severity = finding.severity();
        let x = paper.text(1, y, severity.name(), Role::Dim).max("warning".len() + 1);
        let sentence = finding_sentence(finding);
        paper.text(x + 2, y, &text::cut(&sentence, width.saturating_sub(x + 3), ellipsis), weight(severity));
        y += 1;
    }
    y
}

/// Draws events, newest first, with their times.
pub fn list(
    paper: &mut Paper<'_>,
    (top, bottom): (usize, usize),
    events: impl Iterator<Item = (WallTime, String, Role)>,
    offset: LocalOffset,
) {
    paper.rule(top, "events");
    let mut y = top + 1;
    let width = paper.width();
    let ellipsis = paper.look.glyphs.ellipsis;
    for (at, sentence, role) in events.take(bottom - top - 1) {
        let x = paper.text(1, y, &clock(at, offset), Role::Dim);
        paper.text(x + 2, y, &text::cut(&sentence, width.saturating_sub(x + 3), ellipsis), role);
        y += 1;
    }
    if y == top + 1 {
        paper.text(1, y, "nothing has happened yet", Role::Dim);
    }
}

const fn role(kind: &ChangeKind) -> Role {
    match kind {
        ChangeKind::Finding { finding } => weight(finding.severity()),
        ChangeKind::LossBurst { .. }
        | ChangeKind::Outage { .. }
        | ChangeKind::Refused { .. }
        | ChangeKind::SendFailed { .. } => Role::Loss,
        _ if kind.is_of_path() => Role::Change,
        _ => Role::Plain,
    }
}

const fn weight(severity: Severity) -> Role {
    match severity {
        Severity::Info => Role::Plain,
        Severity::Warning | Severity::Error => Role::Loss,
    }
}
