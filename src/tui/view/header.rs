//! The two lines above the table: what is watched, and how it is.

use super::LocalOffset;
use super::paper::Paper;
use super::ui::Ui;
use crate::report::path_name;
use crate::tui::model::{Model, PathModel};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::types::{Now, WallTime, escape};

/// Draws the header, and gives the row after it. Less of it where there are few rows.
pub fn draw(
    paper: &mut Paper<'_>,
    model: &Model,
    path: &PathModel,
    ui: &Ui,
    (at, now, frozen): (Now, Now, bool),
    offset: LocalOffset,
) -> usize {
    if paper.height() < 4 {
        return 0;
    }
    let subject = path.subject();
    let right = format!(
        "{}  {}  {} ",
        text::span(model.interval.as_secs_f64()),
        text::running(model.running(at.mono).as_secs()),
        clock(now.wall, offset)
    );
    let name = match subject.address {
        Some(address) if subject.numeric => address.to_string(),
        Some(address) => format!("{} ({address})", escape(&subject.name)),
        None => escape(&subject.name).into_owned(),
    };
    let tab = match model.paths.len() {
        ..2 => String::new(),
        all => format!("  {}/{all}", ui.target.min(all - 1) + 1),
    };
    let socket = subject.socket.map(|socket| format!(" {}", socket.name())).unwrap_or_default();
    let port = subject.port.map(|port| format!(" {port}")).unwrap_or_default();
    let flow = subject.flow.map(|flow| format!("  flow {flow}")).unwrap_or_default();
    let how = format!("  {}{port}{socket}{flow}{tab}", subject.method.name());
    let room = paper.width();
    let keeps_right = room >= 9 + text::width(&right) + 15;
    let left_room = if keeps_right { room - text::width(&right) } else { room };
    let how = if 9 + text::width(&name).min(15) + text::width(&how) <= left_room { how } else { String::new() };
    let x = paper.text(1, 0, "rtrace  ", Role::Title);
    let name_room = left_room.saturating_sub(x + text::width(&how) + 1);
    let x = paper.text(x, 0, &text::shortened(&name, name_room, paper.look.glyphs.ellipsis), Role::Plain);
    paper.text(x, 0, &how, Role::Dim);
    if keeps_right {
        paper.text(room - text::width(&right), 0, &right, Role::Dim);
    }
    state(paper, (model, path), frozen, offset);
    2
}

/// Whether the destination answers, how far away it is, and what it loses.
fn state(paper: &mut Paper<'_>, (model, path): (&Model, &PathModel), frozen: bool, offset: LocalOffset) {
    let mut x = 1;
    if model.paused {
        x = paper.text(x, 1, "PAUSED  ", Role::Change);
    }
    if frozen {
        x = paper.text(x, 1, "FROZEN  ", Role::Change);
    }
    let decided = path.figures.as_ref().filter(|figures| figures.received > 0 || figures.loss_pct().is_some());
    let Some(figures) = decided else {
        paper.text(x, 1, "no answer yet", Role::Dim);
        return;
    };
    let hops = figures.hops.last().map_or(0, |last| last.ttl.get());
    let reached = match (figures.received > 0, figures.distance_proven) {
        (true, Some(true)) => format!("reached in {hops} hop{}", if hops == 1 { "" } else { "s" }),
        (true, _) => format!("reached in at most {hops} hops"),
        (false, _) => "not reached".to_owned(),
    };
    x = paper.text(x, 1, &reached, if figures.received > 0 { Role::Plain } else { Role::Loss });
    if let Some(since) = path.path_since {
        let (name, changes) = (path_name(path.path), path.path_changes);
        let plural = if changes == 1 { "" } else { "s" };
        let text = format!("path {name} since {} ({changes} change{plural})", clock(since, offset));
        x = paper.text(x + 3, 1, &text, Role::Change);
    }
    if let Some(loss) = figures.loss_pct() {
        let role = if loss > 0.0 { Role::Loss } else { Role::Ok };
        x = paper.text(x + 3, 1, &format!("loss {}%", text::percent(loss)), role);
    }
    let mean = figures.hops.last().filter(|_| figures.received > 0).and_then(|last| last.stats.as_ref());
    if let Some(stats) = mean {
        paper.text(x + 3, 1, &format!("rtt {} ms", text::millis(stats.median as f64)), Role::Plain);
    }
}

/// The time of day.
pub fn clock(at: WallTime, offset: LocalOffset) -> String {
    let local = i64::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(0) + offset(at);
    let second = local.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}
