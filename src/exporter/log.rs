//! Lines about the exporter's own doing: [`Log`].

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::types::WallTime;

/// How much a line matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Logfmt,
    Json,
}

/// As many lines wait at most for a slow reader; more are dropped and counted.
const WAITING: usize = 1024;

/// Takes lines from every thread; who made it writes them.
#[derive(Clone, Debug)]
pub struct Log {
    from: Level,
    style: Style,
    lines: mpsc::Sender<String>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// Takes lines from this level on; and where they come out.
    pub fn new(from: Level, style: Style) -> (Self, mpsc::Receiver<String>) {
        let (lines, out) = mpsc::channel(WAITING);
        (Log { from, style, lines, dropped: Arc::default() }, out)
    }

    /// Takes one line, with what belongs to it.
    pub fn line(&self, level: Level, message: &str, more: &[(&str, &str)]) {
        if level < self.from {
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let _ = self.lines.try_send(self.made(Level::Warn, "lines dropped", &[("count", &dropped.to_string())]));
        }
        if self.lines.try_send(self.made(level, message, more)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn made(&self, level: Level, message: &str, more: &[(&str, &str)]) -> String {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let time = time(crate::net::now().wall);
        let fields = [("time", &*time), ("level", level), ("msg", message)];
        let all = fields.iter().chain(more);
        let mut line = String::new();
        for (at, (name, value)) in all.enumerate() {
            let _ = match (self.style, at) {
                (Style::Logfmt, 0) => write!(line, "{name}={}", word(value)),
                (Style::Logfmt, _) => write!(line, " {name}={}", word(value)),
                (Style::Json, 0) => write!(line, "{{\"{name}\":{}", quoted(value)),
                (Style::Json, _) => write!(line, ",\"{name}\":{}", quoted(value)),
            };
        }
        if self.style == Style::Json {
            line.push('}');
        }
        line
    }
}

fn time(wall: WallTime) -> String {
    let since = std::time::Duration::from_nanos(wall.as_nanos());
    humantime::format_rfc3339_millis(std::time::SystemTime::UNIX_EPOCH + since).to_string()
}

/// As it stands if it is one plain word, else quoted.
fn word(value: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_graphic() && !b"\"=\\".contains(&octet);
    if !value.is_empty() && value.bytes().all(plain) { value.to_owned() } else { quoted(value) }
}

fn quoted(value: &str) -> String {
    let mut text = String::from('"');
    for sign in value.chars() {
        match sign {
            '"' | '\\' => text.extend(['\\', sign]),
            '\n' => text.push_str("\\n"),
            sign if sign.is_control() => {
                let _ = write!(text, "\\u{:04x}", u32::from(sign));
            }
            sign => text.push(sign),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(style: Style, value: &str) -> String {
        let (log, mut out) = Log::new(Level::Info, style);
        log.line(Level::Warn, "a line", &[("value", value)]);
        let line = out.try_recv().unwrap();
        line.split_once("level").map(|(_, rest)| rest.to_owned()).unwrap()
    }

    #[test]
    fn lines_are_logfmt_or_json_whatever_is_in_them() {
        assert_eq!(line(Style::Logfmt, "plain"), "=warn msg=\"a line\" value=plain");
        assert_eq!(line(Style::Logfmt, "a \"b\"\n\u{1b}"), "=warn msg=\"a line\" value=\"a \\\"b\\\"\\n\\u001b\"");
        assert_eq!(line(Style::Json, "a\\b"), "\":\"warn\",\"msg\":\"a line\",\"value\":\"a\\\\b\"}");
    }

    #[test]
    fn what_matters_less_is_not_written() {
        let (log, mut out) = Log::new(Level::Warn, Style::Logfmt);
        log.line(Level::Info, "x", &[]);
        assert!(out.try_recv().is_err());
    }
}
