//! The flows of a target side by side, below the table: by which router each goes at each hop, and what it loses.

use std::net::IpAddr;

use super::paper::Paper;
use super::ui::Ui;
use crate::trace::watch::ReportHop;
use crate::tui::model::PathModel;
use crate::tui::text;
use crate::tui::theme::Role;

/// Cells of the column of hops, and of one flow.
const HOP: usize = 5;
const FLOW: usize = 5;
/// Rows that the table keeps.
const TABLE_KEEPS: usize = 9;
/// A flow that is spread over several routers.
const SPREAD: &str = "*";

/// How many rows it takes of `room`, of which the table asks for `table`.
pub fn height(flows: &[PathModel], ui: &Ui, (room, table): (usize, usize)) -> usize {
    if !ui.flows {
        return 0;
    }
    let wanted = if flows.len() < 2 { 2 } else { 3 + rows(flows).len() };
    let height = wanted.min(room.saturating_sub(table.min(TABLE_KEEPS)));
    if height < wanted.min(4) { 0 } else { height }
}

/// Draws it into the rows from `top` up to, not including, `bottom`.
pub fn draw(paper: &mut Paper<'_>, (top, bottom): (usize, usize), flows: &[PathModel], ui: &Ui) {
    if bottom <= top {
        return;
    }
    paper.rule(top, "flows");
    if flows.len() < 2 {
        paper.text(1, top + 1, "one flow; --flows N watches several", Role::Dim);
        return;
    }
    let fit = (paper.width().saturating_sub(HOP) / FLOW).max(1);
    let chosen = ui.flow.min(flows.len() - 1);
    let from = (chosen + 1).saturating_sub(fit);
    let shown = flows.get(from..).unwrap_or_default();
    let shown = shown.get(..fit).unwrap_or(shown);
    paper.text(3, top + 1, "#", Role::Dim);
    for (at, flow) in shown.iter().enumerate() {
        let role = if from + at == chosen { Role::Selected } else { Role::Dim };
        cell(paper, (at, top + 1), &flow.flow().to_string(), role);
    }
    let mut y = top + 2;
    for hop in fitting(rows(flows), bottom.saturating_sub(y + 1)) {
        draw_hop(paper, y, &hop, (from, shown));
        y += 1;
    }
    paper.text(1, y, "loss", Role::Dim);
    for (at, flow) in shown.iter().enumerate() {
        let loss = flow.figures.as_ref().and_then(|figures| figures.loss_pct());
        let role = if loss.is_some_and(|loss| loss > 0.0) { Role::Loss } else { Role::Plain };
        cell(paper, (at, y), &loss.map_or_else(|| "-".to_owned(), text::percent), role);
    }
}

fn cell(paper: &mut Paper<'_>, (at, y): (usize, usize), value: &str, role: Role) {
    let x = HOP + at * FLOW;
    let value = text::right(value, FLOW);
    let blank = value.len() - value.trim_start().len();
    paper.text(x + blank, y, value.trim_start(), role);
}

/// One hop of all flows.
struct Row {
    ttl: u8,
    /// All routers, in the order of the flows; each has the letter of its place.
    routers: Vec<IpAddr>,
    /// Those of each flow.
    of_flows: Vec<Vec<IpAddr>>,
}

fn rows(flows: &[PathModel]) -> Vec<Row> {
    let last = flows.iter().filter_map(|flow| flow.rows().last()).map(|hop| hop.ttl.get()).max().unwrap_or(0);
    let of = |hop: Option<&ReportHop>| -> Vec<IpAddr> {
        hop.map_or_else(Vec::new, |hop| hop.responders.iter().map(|responder| responder.responder.address).collect())
    };
    let row = |ttl: u8| {
        let at = |flow: &PathModel| of(flow.rows().iter().find(|hop| hop.ttl.get() == ttl));
        let of_flows: Vec<Vec<IpAddr>> = flows.iter().map(at).collect();
        let mut routers = Vec::new();
        for &router in of_flows.iter().flatten() {
            if !routers.contains(&router) {
                routers.push(router);
            }
        }
        Row { ttl, routers, of_flows }
    };
    (1..=last).map(row).filter(|row| row.of_flows.iter().any(|of| !of.is_empty())).collect()
}

/// As many as there is room for: those at which flows differ before the others.
fn fitting(mut rows: Vec<Row>, room: usize) -> Vec<Row> {
    while rows.len() > room {
        let at = rows.iter().rposition(|row| row.routers.len() < 2).unwrap_or(rows.len() - 1);
        rows.remove(at);
    }
    rows
}

fn draw_hop(paper: &mut Paper<'_>, y: usize, row: &Row, (from, shown): (usize, &[PathModel])) {
    let glyphs = paper.look.glyphs;
    paper.text(1, y, &text::right(&row.ttl.to_string(), 3), Role::Dim);
    let mut spread = false;
    for at in 0..shown.len() {
        let of = row.of_flows.get(from + at).map_or(&[][..], Vec::as_slice);
        let (value, role) = match of {
            [] => (glyphs.silent.to_string(), Role::Silent),
            [one] => (letter(&row.routers, *one), if row.routers.len() > 1 { Role::Change } else { Role::Plain }),
            _ => (SPREAD.to_owned(), Role::Change),
        };
        spread |= of.len() > 1;
        cell(paper, (at, y), &value, role);
    }
    let mut x = HOP + shown.len() * FLOW + 3;
    for router in &row.routers {
        let who = format!("{} {router}", letter(&row.routers, *router));
        if x + text::width(&who) > paper.width() {
            paper.text(x.min(paper.width().saturating_sub(1)), y, &glyphs.ellipsis.to_string(), Role::Dim);
            return;
        }
        x = paper.text(x, y, &who, Role::Plain) + 2;
    }
    if spread {
        paper.text(x, y, &format!("{SPREAD} per packet"), Role::Dim);
    }
}

/// A for the first router of a hop, B for the next.
fn letter(routers: &[IpAddr], router: IpAddr) -> String {
    let at = routers.iter().position(|known| *known == router).and_then(|at| u8::try_from(at).ok());
    at.filter(|&at| at < 26).map_or_else(|| "+".to_owned(), |at| char::from(b'A' + at).to_string())
}
