//! The keys of the live views: one table each, from which keys are understood and the help screen and the man page are made.

/// A key as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// A letter with Ctrl.
    Ctrl(char),
    /// Others.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Tab with Shift.
    BackTab,
    /// Backspace.
    Backspace,
    /// Cursor keys, and those near them.
    Up,
    /// Down.
    Down,
    /// Left.
    Left,
    /// Right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// The key of helps.
    F1,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ends the run; its report stays on the terminal.
    Leave,
    /// Ends it without a report.
    LeaveQuietly,
    /// Opens the table of keys.
    Help,
    /// Shows the table with the strip, the table alone, the strip alone, or a chart.
    NextView,
    /// Pauses the run.
    Pause,
    /// Lets a paused run go on, else freezes the picture.
    Freeze,
    /// Begins the statistics anew.
    Reset,
    /// Asks for a time of a replay.
    GoTo,
    /// Names on and off.
    Names,
    /// Names with addresses.
    BothNames,
    /// All that is known about a hop.
    Hop,
    /// The chart of a target.
    Chart,
    /// Another order of the targets.
    Order,
    /// Asks for what names must contain.
    Filter,
    /// The axis of delays is logarithmic, or not.
    LogAxis,
    /// Columns of jitter in and out.
    Jitter,
    /// Asks for columns.
    Columns,
    /// Autonomous systems in and out.
    AsNumbers,
    /// Their numbers, their names, or both.
    AsShown,
    /// Fewer responders of a hop have lines of their own.
    FewerResponders,
    /// More.
    MoreResponders,
    /// The list of events and findings.
    Events,
    /// The flows side by side.
    Flows,
    /// Another flow.
    PreviousFlow,
    /// The next one.
    NextFlow,
    /// Asks for an interval.
    Interval,
    /// Moves the selection.
    Previous,
    /// Down.
    Next,
    /// By a page.
    PageUp,
    /// Down.
    PageDown,
    /// To the first hop.
    First,
    /// To the last.
    Last,
    /// The target before.
    PreviousTarget,
    /// The next one.
    NextTarget,
    /// This one, from 1.
    Target(u8),
    /// The list of targets.
    Targets,
    /// The strip spans less time.
    Finer,
    /// More.
    Coarser,
    /// As much as fits.
    AutoSpan,
    /// One scale for all hops, or one for each.
    OneScale,
    /// Closes what is open.
    Close,
    /// Draws everything anew.
    Redraw,
    /// Stops the process.
    Suspend,
}

/// Keys, and what they do.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The keys.
    pub keys: &'static [(Key, Action)],
    /// How they are written.
    pub shown: &'static str,
    /// What they do.
    pub does: &'static str,
    /// In a word, for the line at the foot; empty where it does not stand there.
    pub short: &'static str,
}

// What several views have.
const LEAVE: Binding = row(
    &[(Key::Char('q'), Action::Leave), (Key::Ctrl('c'), Action::Leave), (Key::Char('Q'), Action::LeaveQuietly)],
    "q Ctrl-C Q",
    "leave; the report stays, after Q nothing does",
    "quit",
);
const HELP: Binding = row(
    &[(Key::Char('h'), Action::Help), (Key::Char('?'), Action::Help), (Key::F1, Action::Help)],
    "h ? F1",
    "these keys",
    "help",
);
const EVENTS: Binding = row(&[(Key::Char('e'), Action::Events)], "e", "events (and findings)", "events");
const PAUSE: Binding = row(&[(Key::Char('p'), Action::Pause)], "p", "pause probing, or go on", "pause");
const FREEZE: Binding = row(
    &[(Key::Char(' '), Action::Freeze), (Key::Ctrl('f'), Action::Freeze)],
    "Space Ctrl-F",
    "go on after p; else freeze the picture, probing goes on",
    "",
);
const RESET: &[(Key, Action)] = &[(Key::Char('r'), Action::Reset), (Key::Ctrl('r'), Action::Reset)];
const GO_TO: Binding = row(&[(Key::Char('g'), Action::GoTo)], "g", "of a replay: go to a time", "");
const INTERVAL: Binding = row(&[(Key::Char('i'), Action::Interval)], "i", "type another interval", "");
const NAMES: Binding = row(
    &[(Key::Char('n'), Action::Names), (Key::Char('b'), Action::BothNames)],
    "n b",
    "names or addresses; names with addresses",
    "names",
);
const SELECT: &[(Key, Action)] = &[
    (Key::Up, Action::Previous),
    (Key::Char('-'), Action::Previous),
    (Key::Down, Action::Next),
    (Key::Char('+'), Action::Next),
];
const LARGER_STEPS: Binding = row(
    &[
        (Key::PageUp, Action::PageUp),
        (Key::PageDown, Action::PageDown),
        (Key::Home, Action::First),
        (Key::End, Action::Last),
    ],
    "PgUp PgDn Home End",
    "the same in larger steps",
    "",
);
const SIDEWAYS: &[(Key, Action)] = &[
    (Key::Left, Action::PreviousTarget),
    (Key::BackTab, Action::PreviousTarget),
    (Key::Right, Action::NextTarget),
    (Key::Tab, Action::NextTarget),
];
const TARGETS: &[(Key, Action)] = &[
    (Key::Left, Action::PreviousTarget),
    (Key::BackTab, Action::PreviousTarget),
    (Key::Right, Action::NextTarget),
    (Key::Tab, Action::NextTarget),
    (Key::Char('t'), Action::Targets),
    (Key::Char('1'), Action::Target(1)),
    (Key::Char('2'), Action::Target(2)),
    (Key::Char('3'), Action::Target(3)),
    (Key::Char('4'), Action::Target(4)),
    (Key::Char('5'), Action::Target(5)),
    (Key::Char('6'), Action::Target(6)),
    (Key::Char('7'), Action::Target(7)),
    (Key::Char('8'), Action::Target(8)),
    (Key::Char('9'), Action::Target(9)),
];
const LOG_AXIS: Binding = row(&[(Key::Char('a'), Action::LogAxis)], "a", "logarithmic or linear axis of the chart", "");
const SPAN: &[(Key, Action)] =
    &[(Key::Char('<'), Action::Finer), (Key::Char('>'), Action::Coarser), (Key::Char('0'), Action::AutoSpan)];
const ONE_SCALE: &[(Key, Action)] = &[(Key::Char('s'), Action::OneScale)];
const CLOSE: &[(Key, Action)] = &[(Key::Esc, Action::Close)];
const TERMINAL: Binding = row(
    &[(Key::Ctrl('l'), Action::Redraw), (Key::Ctrl('z'), Action::Suspend)],
    "Ctrl-L Ctrl-Z",
    "draw everything anew; suspend (fg comes back)",
    "",
);

/// The keys of a view of a path, in the order of the help screen.
pub const PATH: &[Binding] = &[
    LEAVE,
    HELP,
    row(&[(Key::Char('d'), Action::NextView)], "d", "next view: table and strip, table, strip, chart", "view"),
    row(&[(Key::Enter, Action::Hop)], "Enter", "all about the hop that is selected", "hop"),
    EVENTS,
    row(
        &[(Key::Char('f'), Action::Flows), (Key::Char('{'), Action::PreviousFlow), (Key::Char('}'), Action::NextFlow)],
        "f { }",
        "the flows (--flows) side by side; another flow",
        "",
    ),
    PAUSE,
    FREEZE,
    row(RESET, "r Ctrl-R", "reset the statistics; strip and events stay", "reset"),
    INTERVAL,
    GO_TO,
    row(&[(Key::Char('j'), Action::Jitter)], "j", "columns of jitter in and out", ""),
    row(&[(Key::Char('o'), Action::Columns)], "o", "type the letters of columns, as for --columns", ""),
    row(
        &[(Key::Char('z'), Action::AsNumbers), (Key::Char('y'), Action::AsShown)],
        "z y",
        "AS (-A) in and out; its number, its name, or both",
        "",
    ),
    NAMES,
    row(SELECT, "Up Down - +", "select a hop", ""),
    LARGER_STEPS,
    row(
        &[(Key::Char('['), Action::FewerResponders), (Key::Char(']'), Action::MoreResponders)],
        "[ ]",
        "fewer or more routers of a hop that balances",
        "",
    ),
    row(TARGETS, "Left Right Tab t 1...9", "another target; the list of targets; one of them", ""),
    row(SPAN, "< > 0", "less or more time in a cell of strips; 0: as --window", ""),
    row(
        &[(Key::Char('a'), Action::LogAxis), (Key::Char('s'), Action::OneScale)],
        "a s",
        "logarithmic axis of the chart; one scale for all strips",
        "",
    ),
    row(CLOSE, "Esc", "close what is open, drop the selection", ""),
    TERMINAL,
];

/// The keys of a view of targets.
pub const PING: &[Binding] = &[
    LEAVE,
    HELP,
    row(
        &[(Key::Char('d'), Action::NextView)],
        "d",
        "next view: chart, rows with strips, with all figures, wall",
        "view",
    ),
    row(&[(Key::Enter, Action::Chart)], "Enter", "the chart of the target that is selected", "chart"),
    EVENTS,
    PAUSE,
    FREEZE,
    row(RESET, "r Ctrl-R", "reset the figures; the summary is of the whole run", "reset"),
    INTERVAL,
    GO_TO,
    row(&[(Key::Char('o'), Action::Order)], "o", "order of rows: by loss, p50 or name, as given", "order"),
    row(&[(Key::Char('/'), Action::Filter)], "/", "show only targets whose name or address contains a text", "filter"),
    LOG_AXIS,
    NAMES,
    row(SELECT, "Up Down - +", "select a target", ""),
    row(SIDEWAYS, "Left Right Tab", "the same", ""),
    LARGER_STEPS,
    row(SPAN, "< > 0", "less or more time in a cell; 0: as --window", ""),
    row(ONE_SCALE, "s", "one scale for the strips of all rows, or one for each", ""),
    row(CLOSE, "Esc", "close what is open, drop selection and filter", ""),
    TERMINAL,
];

const fn row(keys: &'static [(Key, Action)], shown: &'static str, does: &'static str, short: &'static str) -> Binding {
    Binding { keys, shown, does, short }
}

/// What a key does by this table, if anything.
pub fn action(table: &[Binding], key: Key) -> Option<Action> {
    table.iter().flat_map(|binding| binding.keys).find(|(bound, _)| *bound == key).map(|(_, action)| *action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_a_small_terminal() {
        for table in [PATH, PING] {
            assert!(table.len() < 24);
            let keys = table.iter().map(|binding| binding.shown.len()).max().unwrap();
            table.iter().for_each(|binding| assert!(keys + 3 + binding.does.len() <= 80, "{}", binding.does));
        }
    }

    #[test]
    fn every_key_stands_once_in_each_table() {
        for table in [PATH, PING] {
            let keys: Vec<Key> = table.iter().flat_map(|binding| binding.keys).map(|(key, _)| *key).collect();
            for (at, key) in keys.iter().enumerate() {
                assert!(!keys[..at].contains(key), "{key:?}");
            }
        }
    }
}
