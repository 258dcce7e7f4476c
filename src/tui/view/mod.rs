//! Models to pictures: every function here draws a part of the screen from a model, what the user chose to see, and the size.

mod columns;
mod events;
mod footer;
mod header;
mod hop;
mod paper;
mod strip;
mod table;
mod ui;

use ratatui_core::buffer::Buffer;

use crate::report::Column;
use crate::trace::Event;
use crate::tui::keys::Key;
use crate::tui::model::Model;
use crate::tui::theme::Look;
use crate::tui::{Request, View};
use crate::types::{Now, WallTime};
use paper::Paper;
use ui::{Names, Ui};

/// Seconds that the time of a place is ahead of UTC, at some time.
pub type LocalOffset = fn(WallTime) -> i64;

/// How a view begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours and glyphs.
    pub look: Look,
    /// Local time.
    pub offset: LocalOffset,
    /// The columns that were chosen.
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

/// The view of `rtrace --live`.
pub struct PathView {
    model: Model,
    /// What is shown instead while the picture is frozen, and since when.
    frozen: Option<Box<(Model, Now)>>,
    ui: Ui,
    options: Options,
}

impl PathView {
    /// A view over the events that `model` will fold.
    pub fn new(model: Model, options: Options) -> PathView {
        let names = match (options.names, options.both) {
            (_, true) => Names::Both,
            (true, false) => Names::On,
            (false, false) => Names::Off,
        };
        let columns = options.columns.clone().unwrap_or_else(columns::usual);
        PathView { model, frozen: None, ui: Ui::new(names, columns, options.window), options }
    }

    /// What is known about the run.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The hop that is selected, if one is.
    pub fn selected(&self) -> Option<u8> {
        self.ui.selected
    }

    fn shown(&self, now: Now) -> (&Model, Now) {
        match &self.frozen {
            Some(frozen) => (&frozen.0, frozen.1),
            None => (&self.model, now),
        }
    }
}

impl View<Event> for PathView {
    fn event(&mut self, event: Event, now: Now) {
        self.model.event(event, now);
    }

    fn key(&mut self, key: Key, now: Now) -> Option<Request> {
        let model = self.frozen.as_ref().map_or(&self.model, |frozen| &frozen.0);
        let done = self.ui.key(key, model);
        if done == ui::Done::Freeze {
            self.frozen = match self.frozen.take() {
                Some(_) => None,
                None => Some(Box::new((self.model.clone(), now))),
            };
        }
        match done {
            ui::Done::Ask(request) => Some(request),
            ui::Done::Freeze | ui::Done::Here => None,
        }
    }

    fn draw(&self, now: Now, screen: &mut Buffer) {
        let (model, at) = self.shown(now);
        let mut paper = Paper::new(screen, self.options.look);
        let height = paper.height();
        let Some(path) = model.paths.get(self.ui.target.min(model.paths.len().saturating_sub(1))) else { return };
        let frozen = self.frozen.is_some();
        let top = header::draw(&mut paper, model, path, &self.ui, (at, now, frozen), self.options.offset);
        let bottom = if height >= 8 { height - 1 } else { height };
        let table = path.rows().len() + 1;
        let room = bottom.saturating_sub(top);
        let hop = hop::height(path, &self.ui, paper.width(), (room, table));
        let events = events::height(model, path, &self.ui, (room - hop, table));
        table::draw(&mut paper, (top, bottom - events - hop), model, path, &self.ui, at.mono);
        hop::draw(&mut paper, (bottom - events - hop, bottom - events), path, &self.ui);
        events::draw(&mut paper, (bottom - events, bottom), model, path, self.options.offset);
        if bottom < height {
            footer::draw(&mut paper, height - 1, &self.ui);
        }
        if self.ui.help {
            footer::help(&mut paper);
        }
    }

    fn is_over(&self) -> bool {
        self.model.is_over() && !self.options.stay
    }
}
