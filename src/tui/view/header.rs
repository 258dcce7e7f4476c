//! The two lines above the table: what is watched, and how it is.

use std::time::Duration;

use super::LocalOffset;
use super::paper::Paper;
use super::table;
use super::ui::Ui;
use crate::engine::outcome::Subject;
use crate::report::path_name;
use crate::trace::Severity;
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
    let names = names(subject);
    let tab = match model.targets().count() {
        ..2 => String::new(),
        all => format!("  {}/{all}", ui.target.min(all - 1) + 1),
    };
    let (method, flow) = (method(subject), flow(subject));
    // Of one flow its number matters least, of several the method does.
    let shorter = if model.has_flows() { format!("{flow}{tab}") } else { format!("  {method}{tab}") };
    let hows = [format!("  {method}{flow}{tab}"), shorter, tab];
    let right = right(Some(model.interval.as_secs_f64()), model.running(at.mono), (now.wall, offset));
    Headline { tool: "rtrace", names: &names, hows: &hows, right: &right }.draw(paper);
    let x = ui.common.replay.as_ref().map_or(1, |how| paper.text(1, 1, how, Role::Change) + 2);
    let scrolled = if ui.lines(path).len() + AROUND > paper.height() {
        table::scrolled_width(paper, ui.selected.is_some())
    } else {
        0
    };
    let room = paper.width().saturating_sub(scrolled);
    state(paper, (x, room), (model, path), frozen, offset);
    2
}

/// What a target is called, the longest first.
pub fn names(subject: &Subject) -> Vec<String> {
    let name = escape(&subject.name);
    match subject.address {
        Some(address) if subject.numeric => vec![address.to_string()],
        Some(address) => vec![format!("{name} ({address})"), name.into_owned()],
        None => vec![name.into_owned()],
    }
}

/// How a target is probed.
pub fn method(subject: &Subject) -> String {
    let socket = subject.socket.map(|socket| format!(" {}", socket.name())).unwrap_or_default();
    let port = subject.port.map(|port| format!(" {port}")).unwrap_or_default();
    format!("{}{port}{socket}", subject.method.name())
}

fn flow(subject: &Subject) -> String {
    subject.flow.map(|flow| format!("  flow {flow}")).unwrap_or_default()
}

/// The interval in seconds, if there is one, how long the run is on, and the time of day.
pub fn right(interval: Option<f64>, running: Duration, (now, offset): (WallTime, LocalOffset)) -> String {
    let interval = interval.map(|seconds| format!("{}  ", text::span(seconds))).unwrap_or_default();
    format!("{interval}{}  {} ", text::running(running.as_secs()), clock(now, offset))
}

/// The first line.
pub struct Headline<'a> {
    /// The program.
    pub tool: &'a str,
    /// What is watched, from the longest text to the shortest.
    pub names: &'a [String],
    /// How, from the longest text to the shortest.
    pub hows: &'a [String],
    /// What stands at the right end.
    pub right: &'a str,
}

impl Headline<'_> {
    /// Draws it; where there is little room without its right end, or how the target is probed.
    pub fn draw(&self, paper: &mut Paper<'_>) {
        let (room, tool) = (paper.width(), text::width(self.tool) + 3);
        let right = text::width(self.right);
        let keeps_right = room >= tool + right + 15;
        let left_room = if keeps_right { room - right } else { room };
        // A part of how it is probed goes before a part of the name does; a name is cut where nothing else helps.
        let mut all = self.names.iter().flat_map(|name| self.hows.iter().map(move |how| (name.as_str(), how.as_str())));
        let fits = |(name, how): &(&str, &str)| tool + text::width(name) + text::width(how) + 2 <= left_room;
        let shortest = (self.names.last().map_or("", String::as_str), "");
        let (name, how) = all.find(fits).unwrap_or(shortest);
        let x = paper.text(1, 0, self.tool, Role::Title) + 2;
        let name_room = left_room.saturating_sub(x + text::width(how) + 1);
        let x = paper.text(x, 0, &text::shortened(name, name_room, paper.look.glyphs.ellipsis), Role::Plain);
        paper.text(x, 0, how, Role::Dim);
        if keeps_right {
            paper.text(room - right, 0, self.right, Role::Dim);
        }
    }
}

/// Whether the destination answers, how far away it is, and what it loses.
fn state(
    paper: &mut Paper<'_>,
    (mut x, end): (usize, usize),
    (model, path): (&Model, &PathModel),
    frozen: bool,
    offset: LocalOffset,
) {
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
    let hops = path.distance().unwrap_or(0);
    let reached = match (figures.received > 0, figures.distance_proven) {
        (true, Some(true)) => format!("reached in {hops} hop{}", if hops == 1 { "" } else { "s" }),
        (true, _) => format!("reached in at most {hops} hops"),
        (false, _) => "not reached".to_owned(),
    };
    let mut parts = vec![(4, reached, if figures.received > 0 { Role::Plain } else { Role::Loss })];
    if let Some(since) = path.path_since {
        let (name, changes) = (path_name(path.path), path.path_changes);
        let plural = if changes == 1 { "" } else { "s" };
        let text = format!("path {name} since {} ({changes} change{plural})", clock(since, offset));
        parts.push((3, text, Role::Change));
    }
    if let Some(loss) = figures.loss_pct() {
        let role = if loss > 0.0 { Role::Loss } else { Role::Ok };
        parts.push((1, format!("loss {}%", text::percent(loss)), role));
    }
    let mean = figures.hops.last().filter(|_| figures.received > 0).and_then(|last| last.stats.as_ref());
    if let Some(stats) = mean {
        parts.push((0, format!("rtt {} ms", text::millis(stats.median as f64)), Role::Plain));
    }
    let findings = path.findings.len();
    if findings > 0 {
        let worst = path.findings.iter().any(|finding| finding.severity() != Severity::Info);
        let role = if worst { Role::Loss } else { Role::Plain };
        parts.push((2, format!("{findings} finding{}", if findings == 1 { "" } else { "s" }), role));
    }
    for (_, text, role) in fitting(parts, end.saturating_sub(x)) {
        let text = text::cut(&text, end.saturating_sub(x), paper.look.glyphs.ellipsis);
        x = paper.text(x, 1, &text, role) + BETWEEN;
    }
}

/// Columns between two parts of a line.
const BETWEEN: usize = 3;

/// Rows above and below those of the table.
const AROUND: usize = 4;

/// Those of a line's parts that have room, without the ones of the lowest ranks: what the row of the destination says as well.
fn fitting(mut parts: Vec<(u8, String, Role)>, room: usize) -> Vec<(u8, String, Role)> {
    while parts.iter().map(|(_, text, _)| text::width(text) + BETWEEN).sum::<usize>() > room + BETWEEN {
        let Some(lowest) = parts.iter().map(|(rank, ..)| *rank).min().filter(|_| parts.len() > 1) else { break };
        parts.retain(|(rank, ..)| *rank != lowest);
    }
    parts
}

/// The time of day.
pub fn clock(at: WallTime, offset: LocalOffset) -> String {
    let local = i64::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(0) + offset(at);
    let second = local.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}
