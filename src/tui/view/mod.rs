//! Models to pictures: every function here draws a part of the screen from a model, what the user chose to see, and the size.

mod axis;
mod chart;
mod choices;
mod columns;
mod events;
mod flows;
mod footer;
mod header;
mod held;
mod hop;
mod marks;
mod paper;
mod ping;
mod question;
mod strip;
mod table;
mod targets;
mod ui;

use ratatui_core::buffer::Buffer;

use crate::report::Column;
use crate::trace::Event;
use crate::tui::keys::{Key, PATH};
use crate::tui::model::{Model, PathModel};
use crate::tui::theme::Look;
use crate::tui::{Request, View};
use crate::types::{Now, WallTime};
use chart::{Chart, Line};
use choices::Names;
use held::Held;
use paper::Paper;
#[cfg(feature = "sim")]
pub use paper::overwritten;
pub use ping::{ContrastView, PingView};
use ui::Ui;

/// Seconds that the time of a place is ahead of UTC, at some time.
pub type LocalOffset = fn(WallTime) -> i64;

/// How a view begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours and glyphs.
    pub look: Look,
    /// Local time.
    pub offset: LocalOffset,
    /// The columns that were chosen, where they can be.
    pub columns: Option<Vec<Column>>,
    /// Whether names are shown, and addresses with them.
    pub names: bool,
    /// Names with addresses.
    pub both: bool,
    /// Seconds that the strip spans at least.
    pub window: u64,
    /// Whether the screen stays when the run is over.
    pub stay: bool,
}

impl Options {
    fn first_names(&self) -> Names {
        match (self.names, self.both) {
            (_, true) => Names::Both,
            (true, false) => Names::On,
            (false, false) => Names::Off,
        }
    }
}

/// The view of `rtrace --live`.
pub struct PathView {
    held: Held<Model>,
    ui: Ui,
    options: Options,
}

impl PathView {
    /// A view over the events that `model` will fold.
    pub fn new(model: Model, options: Options) -> PathView {
        let columns = options.columns.clone().unwrap_or_else(columns::usual);
        PathView { held: Held::new(model), ui: Ui::new(options.first_names(), columns, options.window), options }
    }

    /// What is known about the run.
    pub fn model(&self) -> &Model {
        &self.held.model
    }

    /// Draws the chart of a hop below its line of the table, if that was chosen and there is room.
    fn chart(
        &self,
        paper: &mut Paper<'_>,
        (top, bottom): (usize, usize),
        (model, path): (&Model, &PathModel),
        at: Now,
    ) -> bool {
        let below = top + 2;
        let Some(row) = self.ui.charted(path) else { return false };
        let Some(hop) = path.hop(row.ttl.get()) else { return false };
        if bottom < below + chart::least_rows(1) || paper.width() < chart::LEAST_COLUMNS {
            return false;
        }
        table::draw(paper, (top, below), model, path, &self.ui, at.mono);
        let glyphs = paper.look.glyphs;
        let changes = model.changes.iter().filter(|(_, change)| change.subject.id == path.subject().id);
        let marks = changes.filter_map(|(at, change)| Some((at.mono, table::mark(glyphs, &change.kind)?)));
        let chart = Chart {
            lines: &[Line { history: &hop.history, refused: None, limits: row.persists == Some(false), reason: None }],
            letters: false,
            window: (self.ui.common.window, self.ui.common.shift),
            log: self.ui.common.log,
            interval: Some(model.interval),
            began: path.since.mono,
            marks: &marks.collect::<Vec<_>>(),
        };
        chart.draw(paper, (below, bottom), at, self.options.offset);
        true
    }

    /// The hop that is selected, if one is.
    pub fn selected(&self) -> Option<u8> {
        self.ui.selected
    }
}

impl View<Event> for PathView {
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
        self.held.take(done, now)
    }

    fn draw(&self, now: Now, screen: &mut Buffer) {
        let (model, at) = self.held.shown(now);
        let mut paper = Paper::new(screen, self.options.look);
        let height = paper.height();
        let Some(flows) = self.ui.flows_shown(model) else { return };
        let Some(path) = self.ui.path_of(flows) else { return };
        let frozen = self.held.is_frozen();
        let top = header::draw(&mut paper, model, path, &self.ui, (at, now, frozen), self.options.offset);
        let bottom = if height >= 8 { height - 1 } else { height };
        let table = self.ui.lines(path).len() + 1;
        let room = bottom.saturating_sub(top);
        let size = (paper.width(), height);
        let hop = hop::height((flows, path), &self.ui, size, (room, table), at.mono);
        let side_by_side = flows::height(flows, &self.ui, (room - hop, table));
        let targets = targets::height(model, &self.ui, (room - hop - side_by_side, table));
        let events = events::height(model, path, &self.ui, (room - hop - side_by_side - targets, table), paper.width());
        let panes = bottom - events - targets - side_by_side - hop;
        if !self.chart(&mut paper, (top, panes), (model, path), at) {
            table::draw(&mut paper, (top, panes), model, path, &self.ui, at.mono);
        }
        hop::draw(&mut paper, (panes, panes + hop), (flows, path), &self.ui, at.mono);
        flows::draw(&mut paper, (panes + hop, panes + hop + side_by_side), flows, &self.ui);
        targets::draw(&mut paper, (bottom - events - targets, bottom - events), model, &self.ui);
        events::draw(&mut paper, (bottom - events, bottom), (model, path), &self.ui, self.options.offset);
        self.ui.common.draw(&mut paper, bottom, PATH);
    }

    fn is_over(&self) -> bool {
        self.held.model.is_over() && !self.options.stay
    }
}
