//! What the user chose to see of a run over targets: [`Ui`], changed by keys.

use crate::engine::outcome::SubjectId;
use crate::tui::keys::{Action, Key, PING};
use crate::tui::model::{PingModel, SeriesModel};
use crate::tui::view::choices::{Asked, Choices, Done, Names, OwnQuestion, PAGE, Pressed};
use crate::tui::view::question::Question;
use crate::types::escape;

/// Targets that share a chart.
pub const MOST_LINES: usize = 3;
/// Targets that have a row each before any key was typed; more are a wall.
const MOST_ROWS: usize = 100;

/// How targets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// As lines in a chart, below their figures.
    Chart,
    /// In a row each, with figures and strip.
    Strips,
    /// In a row each, with figures.
    Figures,
    /// In a cell each.
    Wall,
}

/// The order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The most lossy first, then those with fewest answers.
    Loss,
    /// The slowest first.
    Delay,
    /// By name.
    Name,
    /// As given.
    Given,
}

impl Order {
    /// How it is called in the header.
    pub const fn name(self) -> &'static str {
        match self {
            Order::Loss => "by loss",
            Order::Delay => "by p50",
            Order::Name => "by name",
            Order::Given => "as given",
        }
    }

    const fn next(self) -> Order {
        match self {
            Order::Loss => Order::Delay,
            Order::Delay => Order::Name,
            Order::Name => Order::Given,
            Order::Given => Order::Loss,
        }
    }
}

/// What this view alone can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// A part of the names to show.
    Filter,
}

impl OwnQuestion for Own {
    fn text(self) -> &'static str {
        match self {
            Own::Filter => "show names that contain",
        }
    }
}

/// What the user chose to see.
#[derive(Clone, Debug)]
pub struct Ui {
    /// What every view lets its user choose.
    pub common: Choices<Own>,
    /// How targets are shown.
    pub parts: Parts,
    /// The target that is selected.
    pub selected: Option<SubjectId>,
    /// The target whose chart is open.
    pub open: Option<SubjectId>,
    /// The order of rows.
    pub order: Order,
    /// What names must contain to be shown.
    pub filter: String,
}

impl Ui {
    /// As a view over this many targets begins.
    pub fn new(names: Names, window: u64, targets: usize) -> Ui {
        Ui {
            common: Choices::new(names, window),
            parts: match targets {
                _ if targets > MOST_ROWS => Parts::Wall,
                _ if targets > MOST_LINES => Parts::Strips,
                _ => Parts::Chart,
            },
            selected: None,
            open: None,
            order: if targets > MOST_LINES { Order::Loss } else { Order::Given },
            filter: String::new(),
        }
    }

    /// One target is probed in several ways: a row each, in their order.
    pub fn compare(&mut self) {
        (self.parts, self.order) = (Parts::Strips, Order::Given);
    }

    /// The name of a target as it is shown.
    pub fn name(&self, series: &SeriesModel, model: &PingModel) -> String {
        let subject = &series.subject;
        if let Some(label) = model.labels.get(subject.id.index()) {
            return label.clone();
        }
        let name = subject.address.and_then(|address| model.names.get(&address)).unwrap_or(&subject.name);
        match (subject.address, self.common.names) {
            (Some(address), Names::Off) => address.to_string(),
            (Some(address), Names::Both) if **name != *address.to_string() => format!("{} ({address})", escape(name)),
            _ => escape(name).into_owned(),
        }
    }

    /// Whether the order of targets is that of their arguments.
    fn is_given(&self) -> bool {
        self.order == Order::Given || self.parts == Parts::Wall
    }

    /// The targets to show, in their order.
    pub fn shown<'a>(&self, model: &'a PingModel) -> Vec<&'a SeriesModel> {
        let wanted = self.filter.to_lowercase();
        let is_wanted = |series: &&SeriesModel| {
            let address = || series.subject.address.is_some_and(|address| address.to_string().contains(&wanted));
            wanted.is_empty() || self.name(series, model).to_lowercase().contains(&wanted) || address()
        };
        let mut shown: Vec<&SeriesModel> = model.series.iter().filter(is_wanted).collect();
        let parts_per_million = |series: &SeriesModel| (series.observed.loss_pct().unwrap_or(0.0) * 1e4) as u64;
        match self.order {
            _ if self.is_given() => {}
            Order::Given => {}
            Order::Loss => shown.sort_by_key(|series| {
                (std::cmp::Reverse((parts_per_million(series), series.observed.refused)), series.subject.id)
            }),
            Order::Delay => shown.sort_by_key(|series| {
                let median = series.observed.rtt().map(|stats| stats.median);
                (std::cmp::Reverse(median), series.subject.id)
            }),
            Order::Name => shown.sort_by_cached_key(|series| self.name(series, model)),
        }
        shown
    }

    /// Does what `key` asks for, over what `model` shows.
    pub fn key(&mut self, key: Key, model: &PingModel) -> Done {
        match self.common.key(PING, key) {
            Pressed::Action(action) => self.act(action, model),
            Pressed::Answer(Own::Filter, typed) => {
                self.filter = typed.trim().to_owned();
                Done::Here
            }
            Pressed::Done(done) => done,
        }
    }

    fn act(&mut self, action: Action, model: &PingModel) -> Done {
        if let Some(done) = self.common.act(action, model.paused) {
            return done;
        }
        match action {
            Action::NextView => self.next_parts(),
            Action::Filter => self.common.question = Some(Question::new(Asked::Own(Own::Filter))),
            Action::Order => self.order = self.order.next(),
            Action::Previous | Action::PreviousTarget => self.select(model, -1),
            Action::Next | Action::NextTarget => self.select(model, 1),
            Action::PageUp => self.select(model, -PAGE),
            Action::PageDown => self.select(model, PAGE),
            Action::First => self.select(model, isize::MIN),
            Action::Last => self.select(model, isize::MAX),
            Action::Chart if self.open.is_some() => self.open = None,
            Action::Chart => {
                if self.selected.is_none() {
                    self.select(model, 1);
                }
                self.open = self.selected;
            }
            Action::Close => self.close(),
            // Keys of other views.
            _ => {}
        }
        Done::Here
    }

    /// Closes what was opened last.
    fn close(&mut self) {
        if self.open.take().is_some() {
            return;
        }
        self.selected = None;
        self.common.events = false;
        self.filter.clear();
    }

    fn next_parts(&mut self) {
        self.open = None;
        self.parts = match self.parts {
            Parts::Chart => Parts::Strips,
            Parts::Strips => Parts::Figures,
            Parts::Figures => Parts::Wall,
            Parts::Wall => Parts::Chart,
        };
    }

    /// Moves the selection; the chart that is open goes with it.
    fn select(&mut self, model: &PingModel, by: isize) {
        let shown = self.shown(model);
        let last = shown.len().saturating_sub(1);
        let selected = self.selected.and_then(|id| shown.iter().position(|series| series.subject.id == id));
        let at = match selected {
            None if by > 0 && by < isize::MAX || by == isize::MIN => 0,
            None => last,
            Some(at) => at.saturating_add_signed(by).min(last),
        };
        self.selected = shown.get(at).map(|series| series.subject.id);
        self.open = self.open.and(self.selected);
    }
}
