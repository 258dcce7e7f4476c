//! What the user chose to see of a run over targets: [`Ui`], changed by keys.

use std::time::Duration;

use crate::channel::RunChange;
use crate::engine::outcome::SubjectId;
use crate::tui::Request;
use crate::tui::keys::{self, Action, Key, PING};
use crate::tui::model::{PingModel, SeriesModel};
use crate::tui::view::question::{Question, Typed};
use crate::tui::view::ui::Names;
use crate::types::escape;

/// Rows of a page.
const PAGE: isize = 10;
/// The shortest interval that can be typed, in seconds.
const LEAST_INTERVAL: f64 = 0.1;
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

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The time between two probes.
    Interval,
    /// A part of the names to show.
    Filter,
}

impl Asked {
    /// The question.
    pub const fn text(self) -> &'static str {
        match self {
            Asked::Interval => "interval in seconds",
            Asked::Filter => "show names that contain",
        }
    }
}

/// What came of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Something else was chosen to be seen, if anything.
    Here,
    /// The picture is frozen, or not any more.
    Freeze,
    /// Something beyond the view.
    Ask(Request),
}

/// What the user chose to see.
#[derive(Clone, Debug)]
pub struct Ui {
    /// How targets are shown.
    pub parts: Parts,
    /// The target that is selected.
    pub selected: Option<SubjectId>,
    /// The target whose chart is open.
    pub open: Option<SubjectId>,
    /// How targets are named.
    pub names: Names,
    /// The order of rows.
    pub order: Order,
    /// What names must contain to be shown.
    pub filter: String,
    /// Seconds that chart and strips span at least.
    pub window: u64,
    /// Steps that their cells are coarser than that needs.
    pub shift: i32,
    /// Whether the axis of delays is logarithmic.
    pub log: bool,
    /// Whether one scale holds for all strips.
    pub one_scale: bool,
    /// Whether the table of keys is open.
    pub help: bool,
    /// Whether the list of events is open.
    pub events: bool,
    /// What is being asked.
    pub question: Option<Question<Asked>>,
}

impl Ui {
    /// As a view over this many targets begins.
    pub fn new(names: Names, window: u64, targets: usize) -> Ui {
        Ui {
            parts: match targets {
                _ if targets > MOST_ROWS => Parts::Wall,
                _ if targets > MOST_LINES => Parts::Strips,
                _ => Parts::Chart,
            },
            selected: None,
            open: None,
            names,
            order: if targets > MOST_LINES { Order::Loss } else { Order::Given },
            filter: String::new(),
            window,
            shift: 0,
            log: false,
            one_scale: false,
            help: false,
            events: false,
            question: None,
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
        match (subject.address, self.names) {
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
        if let Some(question) = self.question.take() {
            return self.typed(question, key);
        }
        let action = keys::action(PING, key);
        if self.help && !matches!(action, Some(Action::Leave | Action::LeaveQuietly | Action::Suspend)) {
            self.help = false;
            return Done::Here;
        }
        action.map_or(Done::Here, |action| self.act(action, model))
    }

    fn act(&mut self, action: Action, model: &PingModel) -> Done {
        match action {
            Action::Leave => return Done::Ask(Request::Leave { report: true }),
            Action::LeaveQuietly => return Done::Ask(Request::Leave { report: false }),
            Action::Pause => return Done::Ask(Request::Change(model.toggled())),
            Action::Freeze if model.paused => return Done::Ask(Request::Change(RunChange::Resume)),
            Action::Freeze => return Done::Freeze,
            Action::Reset => return Done::Ask(Request::Change(RunChange::Reset)),
            Action::Redraw => return Done::Ask(Request::Redraw),
            Action::Suspend => return Done::Ask(Request::Suspend),
            Action::Help => self.help = true,
            Action::Events => self.events = !self.events,
            Action::NextView => self.next_parts(),
            Action::Interval => self.question = Some(Question::new(Asked::Interval)),
            Action::Filter => self.question = Some(Question::new(Asked::Filter)),
            Action::Order => self.order = self.order.next(),
            Action::Names => self.names = if self.names == Names::Off { Names::On } else { Names::Off },
            Action::BothNames => self.names = if self.names == Names::Both { Names::On } else { Names::Both },
            Action::Previous | Action::PreviousTarget => self.select(model, -1),
            Action::Next | Action::NextTarget => self.select(model, 1),
            Action::PageUp => self.select(model, -PAGE),
            Action::PageDown => self.select(model, PAGE),
            Action::First => self.select(model, isize::MIN),
            Action::Last => self.select(model, isize::MAX),
            Action::Chart => self.open = self.selected,
            Action::LogAxis => self.log = !self.log,
            Action::OneScale => self.one_scale = !self.one_scale,
            Action::Finer => self.shift = (self.shift - 1).max(-20),
            Action::Coarser => self.shift = (self.shift + 1).min(20),
            Action::AutoSpan => self.shift = 0,
            Action::Close => self.close(),
            // Keys of other views.
            Action::Hop
            | Action::Jitter
            | Action::Columns
            | Action::AsNumbers
            | Action::GoTo
            | Action::Flows
            | Action::PreviousFlow
            | Action::NextFlow => {}
        }
        Done::Here
    }

    /// Closes what was opened last.
    fn close(&mut self) {
        if self.open.take().is_some() {
            return;
        }
        self.selected = None;
        self.events = false;
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

    fn typed(&mut self, question: Question<Asked>, key: Key) -> Done {
        match question.key(key) {
            Typed::More(question) => self.question = Some(question),
            Typed::Dropped => {}
            Typed::Other(question, request) => {
                self.question = Some(question);
                return Done::Ask(request);
            }
            Typed::Answered(Question { asked: Asked::Filter, typed }) => self.filter = typed.trim().to_owned(),
            Typed::Answered(Question { asked: Asked::Interval, typed }) => {
                // An answer that makes no sense changes nothing.
                if let Ok(seconds @ LEAST_INTERVAL..=3600.0) = typed.trim().parse::<f64>() {
                    return Done::Ask(Request::Change(RunChange::Interval(Duration::from_secs_f64(seconds))));
                }
            }
        }
        Done::Here
    }
}
