//! The list of targets, below the table: which there are, and how each is.

use super::paper::Paper;
use super::table::window;
use super::ui::Ui;
use crate::tui::model::{Model, PathModel};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::types::escape;

/// Rows that the table keeps.
const TABLE_KEEPS: usize = 9;

/// How many rows it takes of `room`, of which the table asks for `table`.
pub fn height(model: &Model, ui: &Ui, (room, table): (usize, usize)) -> usize {
    if !ui.targets {
        return 0;
    }
    let height = (1 + model.targets().count()).min(room.saturating_sub(table.min(TABLE_KEEPS)));
    if height < 2 { 0 } else { height }
}

/// Draws it into the rows from `top` up to, not including, `bottom`; the target that is shown is among them.
pub fn draw(paper: &mut Paper<'_>, (top, bottom): (usize, usize), model: &Model, ui: &Ui) {
    if bottom <= top {
        return;
    }
    paper.rule(top, "targets");
    let all = model.targets().count();
    let chosen = ui.target.min(all.saturating_sub(1));
    let shown = window(all, bottom - top - 1, Some(chosen), false);
    for (at, y) in shown.into_iter().zip(top + 1..) {
        let Some(flows) = model.targets().nth(at) else { continue };
        if at == chosen {
            paper.glyph(0, y, '>', Role::Title, false);
        }
        draw_target(paper, y, (at + 1, flows));
    }
}

fn draw_target(paper: &mut Paper<'_>, y: usize, (number, flows): (usize, &[PathModel])) {
    let Some(first) = flows.first() else { return };
    let subject = first.subject();
    let address = subject.address.filter(|_| !subject.numeric).map(|address| format!(" ({address})"));
    let name = escape(&subject.name).into_owned() + &address.unwrap_or_default();
    let (state, role) = state(flows);
    let x = paper.text(1, y, &text::right(&number.to_string(), 3), Role::Dim);
    let room = paper.width().saturating_sub(x + 2 + text::width(&state) + 2);
    paper.text(x + 1, y, &text::shortened(&name, room, paper.look.glyphs.ellipsis), Role::Plain);
    paper.text(paper.width().saturating_sub(text::width(&state) + 1), y, &state, role);
}

/// How far away it is, and what it loses on all its flows.
fn state(flows: &[PathModel]) -> (String, Role) {
    let known = || flows.iter().filter_map(|flow| Some((flow, flow.figures.as_ref()?)));
    let hops = known().find(|(_, figures)| figures.received > 0).and_then(|(flow, _)| flow.distance());
    let (mut received, mut missed) = (0, 0);
    for (_, figures) in known() {
        received += figures.received;
        missed += figures.missed();
    }
    match (hops, crate::metrics::percent(missed, received + missed)) {
        (_, None) => ("no answer yet".to_owned(), Role::Dim),
        (None, Some(_)) => ("not reached".to_owned(), Role::Loss),
        (Some(hops), Some(loss)) => {
            let role = if loss > 0.0 { Role::Loss } else { Role::Plain };
            let plural = if hops == 1 { "" } else { "s" };
            (format!("{hops} hop{plural}   loss {}%", text::percent(loss)), role)
        }
    }
}
