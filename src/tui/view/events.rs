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

/// Columns before a sentence: a time, or how bad something is.
const BEFORE: usize = 11;

/// How many rows the list takes of `room`, of which the table asks for `table`, on a screen of this width.
pub fn height(model: &Model, path: &PathModel, ui: &Ui, (room, table): (usize, usize), width: usize) -> usize {
    let most = if ui.common.events { room } else { UNASKED };
    // A chart needs the rows more.
    let width = if ui.charted(path).is_some() { usize::MAX } else { width };
    let events = model.changes.iter().rev().filter(|(_, change)| model.concerns(change, path)).take(most);
    let events: usize = events.map(|(_, change)| rows(&change_sentence(&change.kind), width)).sum();
    let (wanted, kept) = match ui.common.events {
        true => {
            let findings: usize = path.findings.iter().map(|finding| rows(&finding_sentence(finding), width)).sum();
            (findings + usize::from(findings > 0) + events.max(1), table.min(TABLE_KEEPS))
        }
        false if events == 0 => return 0,
        false => (events, table),
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
    list(paper, (top, bottom), events, ui.common.events, offset);
}

/// Draws what a path shows, and gives the row after it.
fn findings(paper: &mut Paper<'_>, (top, bottom): (usize, usize), findings: &[Finding]) -> usize {
    if findings.is_empty() {
        return top;
    }
    paper.rule(top, "findings");
    let mut y = top + 1;
    for finding in findings {
        if y >= bottom {
            break;
        }
        let severity = finding.severity();
        paper.text(1, y, severity.name(), Role::Dim);
        y = sentence(paper, (y, bottom), &finding_sentence(finding), weight(severity));
    }
    y
}

/// Draws events, newest first, with their times. A sentence that is longer than a row takes more of them, unless an event needs
/// them and not all sentences are to be `whole`.
pub fn list(
    paper: &mut Paper<'_>,
    (top, bottom): (usize, usize),
    events: impl Iterator<Item = (WallTime, String, Role)>,
    whole: bool,
    offset: LocalOffset,
) {
    paper.rule(top, "events");
    let mut y = top + 1;
    let events: Vec<_> = events.take(bottom - y).collect();
    for (at, (time, text, role)) in (1..).zip(&events) {
        if y >= bottom {
            break;
        }
        let others = if whole { 0 } else { events.len() - at };
        paper.text(1, y, &clock(*time, offset), Role::Dim);
        y = sentence(paper, (y, bottom - others), text, *role);
    }
    if events.is_empty() {
        paper.text(1, y, "nothing has happened yet", Role::Dim);
    }
}

/// Draws a sentence beside what stands before it, and gives the row after it.
fn sentence(paper: &mut Paper<'_>, (top, bottom): (usize, usize), text: &str, role: Role) -> usize {
    let (room, ellipsis) = (paper.width().saturating_sub(BEFORE + 1), paper.look.glyphs.ellipsis);
    let lines = text::lines(text, (room, bottom - top), ellipsis);
    for (y, line) in (top..).zip(&lines) {
        paper.text(BEFORE, y, line, role);
    }
    top + lines.len()
}

/// How many rows a sentence takes on a screen of this width.
fn rows(text: &str, width: usize) -> usize {
    text::lines(text, (width.saturating_sub(BEFORE + 1), usize::MAX), ' ').len()
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
