//! The two lines above the table: what is probed, and how it is.

use super::ui::{Parts, Ui};
use crate::tui::model::{PingModel, Presence, SeriesModel};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::view::LocalOffset;
use crate::tui::view::header::{Headline, clock, method, names, right};
use crate::tui::view::paper::Paper;
use crate::types::{Now, escape};

/// Draws the header, and gives the row after it. None of it where there are few rows.
pub fn draw(
    paper: &mut Paper<'_>,
    (model, shown): (&PingModel, &[&SeriesModel]),
    ui: &Ui,
    (at, now, frozen): (Now, Now, bool),
    offset: LocalOffset,
) -> usize {
    if paper.height() < 4 {
        return 0;
    }
    let names = match model.series.as_slice() {
        [] => Vec::new(),
        [one] if one.subject.address.is_some() && !one.subject.numeric => names(&one.subject),
        [one] => vec![ui.name(one, model)],
        [one, ..] if !model.labels.is_empty() => vec![escape(&one.subject.name).into_owned()],
        all => vec![format!("{} targets", all.len())],
    };
    let how = match model.labels.len() {
        0 => model.series.first().map(|first| method(&first.subject)).unwrap_or_default(),
        ways => format!("{ways} compared"),
    };
    let interval = model.interval.map(|interval| interval.as_secs_f64());
    let right = right(interval, model.running(at.mono), (now.wall, offset));
    Headline { tool: "rping", names: &names, hows: &[format!("  {how}"), String::new()], right: &right }.draw(paper);
    let mut x = ui.common.replay.as_ref().map_or(1, |how| paper.text(1, 1, how, Role::Change) + 2);
    for (mark, is_set) in [("PAUSED", model.paused), ("FROZEN", frozen)] {
        if is_set {
            x = paper.text(x, 1, mark, Role::Change) + 2;
        }
    }
    match model.series.as_slice() {
        [one] => one_target(paper, x, one, at, offset),
        all => many_targets(paper, x, all, shown, ui),
    }
    2
}

/// Whether the only target is there, and what it lost.
fn one_target(paper: &mut Paper<'_>, x: usize, one: &SeriesModel, now: Now, offset: LocalOffset) {
    let observed = &one.observed;
    let reason = one.reason().map(|reason| reason.to_string());
    let refused = reason.as_ref().filter(|_| observed.is_refused()).cloned();
    let reason = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
    let (state, role) = match one.presence {
        _ if refused.is_some() => (refused.unwrap_or_default(), Role::Loss),
        Presence::Up(since) => (format!("up since {}{reason}", clock(since, offset)), Role::Ok),
        Presence::Down(since) => (format!("DOWN since {}{reason}", clock(since, offset)), Role::Loss),
        Presence::Unknown => (format!("no answer yet{reason}"), Role::Dim),
    };
    let state = text::cut(&state, paper.width().saturating_sub(x), paper.look.glyphs.ellipsis);
    let mut x = paper.text(x, 1, &state, role) + 3;
    let decided = observed.decided();
    if decided == 0 {
        return;
    }
    if observed.refused > 0 {
        x = paper.text(x, 1, &format!("refused {} of {decided}", observed.refused), Role::Loss) + 3;
    }
    let (lost, role) = (observed.lost, if observed.lost > 0 { Role::Loss } else { Role::Ok });
    let share = observed.loss_pct().map(text::percent).unwrap_or_default();
    let x = paper.text(x, 1, &format!("lost {lost} of {decided} ({share}%)"), role) + 3;
    let clean = match one.last_lost {
        _ if observed.is_losing() => return,
        Some(at) => format!("last loss {} ago", text::ago(now.mono.since(at).as_secs())),
        None => "nothing lost yet".to_owned(),
    };
    paper.text(x, 1, &clean, Role::Plain);
}

/// How many targets are there, and which of them are shown.
fn many_targets(paper: &mut Paper<'_>, x: usize, all: &[SeriesModel], shown: &[&SeriesModel], ui: &Ui) {
    let count = |is: fn(&SeriesModel) -> bool| all.iter().filter(|series| is(series)).count();
    let up = count(|series| matches!(series.presence, Presence::Up(_)));
    let refused = count(|series| series.is_down() && series.observed.is_refused());
    let (down, unknown) = (count(SeriesModel::is_down) - refused, count(|series| series.presence == Presence::Unknown));
    let mut x = paper.text(x, 1, &format!("{up} up"), if up > 0 { Role::Ok } else { Role::Plain });
    if down > 0 {
        x = paper.text(x + 3, 1, &format!("{down} DOWN"), Role::Loss);
    }
    if refused > 0 {
        x = paper.text(x + 3, 1, &format!("{refused} refused"), Role::Loss);
    }
    if unknown > 0 {
        x = paper.text(x + 3, 1, &format!("{unknown} without an answer yet"), Role::Dim);
    }
    if !matches!(ui.parts, Parts::Chart | Parts::Wall) {
        x = paper.text(x + 3, 1, ui.order.name(), Role::Dim);
    }
    if !ui.filter.is_empty() {
        let text = format!("{} of {} with '{}'", shown.len(), all.len(), escape(&ui.filter));
        paper.text(x + 3, 1, &text, Role::Change);
    }
}
