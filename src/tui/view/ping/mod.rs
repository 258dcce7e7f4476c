//! The view of `rping --live`: targets as lines in a chart, or in a row each.

mod columns;
mod header;
mod table;
mod ui;
mod wall;

use ratatui_core::buffer::Buffer;

use self::ui::{MOST_LINES, Parts, Ui};
use super::chart::{self, Chart, Line};
use super::held::Held;
use super::paper::Paper;
use super::{Options, events};
use crate::metrics::PresenceChange;
use crate::ping::{Event, contrast};
use crate::report::{clock_stepped_sentence, not_sent_sentence, presence_sentence};
use crate::tui::keys::{Key, PING};
use crate::tui::model::{PingModel, SeriesChangeKind, SeriesModel};
use crate::tui::theme::Role;
use crate::tui::{Request, View};
use crate::types::{Now, escape};

/// Rows that a table keeps when the list of events is asked for.
const TABLE_KEEPS: usize = 6;
/// Events that are shown unasked.
const UNASKED: usize = 4;

/// The view of `rping --live`.
pub struct PingView {
    held: Held<PingModel>,
    ui: Ui,
    options: Options,
}

impl PingView {
    /// A view over the events of a run over this many targets.
    pub fn new(targets: usize, options: Options) -> PingView {
        let ui = Ui::new(options.first_names(), options.window, targets);
        PingView { held: Held::new(PingModel::new(targets)), ui, options }
    }

    /// What is known about the run.
    pub fn model(&self) -> &PingModel {
        &self.held.model
    }

    /// The targets in a chart, if there is one and room for it in `rows` rows.
    fn charted<'a>(&self, shown: &[&'a SeriesModel], columns: usize, rows: usize) -> Vec<&'a SeriesModel> {
        let id = self.ui.open.or(self.ui.selected.filter(|_| shown.len() > MOST_LINES));
        let one = id.and_then(|id| shown.iter().find(|series| series.subject.id == id));
        let charted: Vec<&SeriesModel> = match (self.ui.open, self.ui.parts) {
            (None, Parts::Strips | Parts::Figures | Parts::Wall) => return Vec::new(),
            _ => one.map_or_else(|| shown.iter().take(MOST_LINES).copied().collect(), |one| vec![*one]),
        };
        let fits = columns >= chart::LEAST_COLUMNS && rows >= 1 + charted.len() + chart::least_rows(charted.len());
        if fits { charted } else { Vec::new() }
    }

    fn events_height(&self, model: &PingModel, room: usize, kept: usize) -> usize {
        let wanted = match (self.ui.common.events, model.changes.len()) {
            (true, changes) => changes.max(1),
            (false, 0) => return 0,
            (false, changes) => changes.min(UNASKED),
        };
        let kept = if self.ui.common.events { kept.min(TABLE_KEEPS) } else { kept };
        let height = (wanted + 1).min(room.saturating_sub(kept));
        if height < 2 { 0 } else { height }
    }

    /// The table, and the chart if there is one, in the rows from `top` up to, not including, `bottom`.
    fn targets(&self, paper: &mut Paper<'_>, (top, bottom): (usize, usize), shown: &[&SeriesModel], at: Now) {
        let (model, _) = self.held.shown(at);
        let charted = self.charted(shown, paper.width(), bottom.saturating_sub(top));
        if charted.is_empty() && self.ui.parts == Parts::Wall {
            return wall::draw(paper, (top, bottom), (model, shown), &self.ui, at.mono);
        }
        if charted.is_empty() {
            return table::draw(paper, (top, bottom), (model, shown), (&self.ui, table::Rows::WithStrips), at.mono);
        }
        let below = top + 1 + charted.len();
        let rows = if charted.len() > 1 { table::Rows::Lettered } else { table::Rows::Plain };
        table::draw(paper, (top, below), (model, &charted), (&self.ui, rows), at.mono);
        let gap = paper.look.glyphs.gap;
        let chart = Chart {
            lines: &charted.iter().map(|series| line(series)).collect::<Vec<_>>(),
            letters: charted.len() > 1,
            window: (self.ui.common.window, self.ui.common.shift),
            log: self.ui.common.log,
            interval: model.interval,
            marks: &model.gaps.iter().map(|&at| (at, gap)).collect::<Vec<_>>(),
            began: model.started.unwrap_or(at).mono,
        };
        chart.draw(paper, (below, bottom), at, self.options.offset);
    }

    fn events(&self, paper: &mut Paper<'_>, (top, bottom): (usize, usize), model: &PingModel) {
        let offset = self.options.offset;
        let items = model.changes.iter().rev().map(|change| {
            let (sentence, role) = match &change.kind {
                SeriesChangeKind::Presence(presence) => {
                    let is_outage = matches!(presence.kind, PresenceChange::Outage { .. });
                    (presence_sentence(presence, offset), if is_outage { Role::Loss } else { Role::Change })
                }
                SeriesChangeKind::NotSent(error) => (not_sent_sentence(*error), Role::Loss),
                SeriesChangeKind::ClockStepped(by) => (clock_stepped_sentence(*by), Role::Plain),
            };
            let sentence = match change.subject.as_ref().filter(|_| model.series.len() > 1) {
                None => sentence,
                Some(subject) => match model.labels.get(subject.id.index()) {
                    Some(label) => format!("{label} {sentence}"),
                    None => format!("{} {sentence}", escape(&subject.target)),
                },
            };
            (change.at.wall, sentence, role)
        });
        events::list(paper, (top, bottom), items, self.ui.common.events, offset);
    }
}

fn line(series: &SeriesModel) -> Line<'_> {
    let reason = series.reason().map(|reason| reason.to_string());
    Line { history: &series.history, refused: Some(&series.refused), limits: false, reason }
}

/// The view of `rping --contrast --live`: a row for each way to probe one target.
pub struct ContrastView(PingView);

impl ContrastView {
    /// A view over the ways to probe that have these labels.
    pub fn new(labels: Vec<String>, options: Options) -> ContrastView {
        let mut view = PingView::new(labels.len(), options);
        view.ui.compare();
        view.held.model.labels = labels;
        ContrastView(view)
    }
}

impl View<contrast::Event> for ContrastView {
    fn event(&mut self, event: contrast::Event, now: Now) {
        if let contrast::Event::Ping(event) = event {
            self.0.event(event, now);
        }
    }

    fn begin_anew(&mut self) {
        self.0.begin_anew();
    }

    fn replayed(&mut self, how: String) {
        self.0.replayed(how);
    }

    fn key(&mut self, key: Key, now: Now) -> Option<Request> {
        self.0.key(key, now)
    }

    fn draw(&self, now: Now, screen: &mut Buffer) {
        self.0.draw(now, screen);
    }

    fn is_over(&self) -> bool {
        self.0.is_over()
    }
}

impl View<Event> for PingView {
    fn event(&mut self, event: Event, now: Now) {
        self.held.model.event(event, now);
    }

    fn begin_anew(&mut self) {
        self.held = Held::new(self.held.model.anew());
    }

    fn replayed(&mut self, how: String) {
        self.ui.common.replay = Some(how);
    }

    fn key(&mut self, key: Key, now: Now) -> Option<Request> {
        let done = self.ui.key(key, self.held.shown(now).0);
        let request = self.held.take(done, now);
        // A run that is over does not change.
        if let Some(Request::Change(change)) = request
            && self.ui.common.replay.is_none()
        {
            self.held.model.changed(change, now.mono);
        }
        request
    }

    fn draw(&self, now: Now, screen: &mut Buffer) {
        let (model, at) = self.held.shown(now);
        let mut paper = Paper::new(screen, self.options.look);
        let height = paper.height();
        let shown = self.ui.shown(model);
        let frozen = self.held.is_frozen();
        let top = header::draw(&mut paper, (model, &shown), &self.ui, (at, now, frozen), self.options.offset);
        let bottom = if height >= 8 { height - 1 } else { height };
        let room = bottom.saturating_sub(top);
        let charted = self.charted(&shown, paper.width(), room);
        let kept = match charted.len() {
            0 if self.ui.parts == Parts::Wall => wall::rows(shown.len(), paper.width()),
            0 => shown.len() + 1,
            lines => 1 + lines + chart::least_rows(lines) + 4,
        };
        let events = self.events_height(model, room, kept);
        self.targets(&mut paper, (top, bottom - events), &shown, at);
        if events > 0 {
            self.events(&mut paper, (bottom - events, bottom), model);
        }
        self.ui.common.draw(&mut paper, bottom, PING);
    }

    fn is_over(&self) -> bool {
        self.held.model.is_over() && !self.options.stay
    }
}
