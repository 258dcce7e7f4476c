//! What people and other programs than Prometheus read: the page at `/`, and `/targets`.

use std::fmt::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::keeper::{self, Shared};
use super::prober::lock;
use super::targets::{Entry, Series};

/// As many targets are on the page.
const SHOWN: usize = 1000;

/// One address of a target, or a target without one, in JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct TargetState {
    target: String,
    address: Option<String>,
    method: &'static str,
    group: Option<String>,
    up: bool,
    sent: u64,
    received: u64,
    /// Of the newest reply.
    rtt_ms: Option<f64>,
    /// In the window.
    loss_pct: Option<f64>,
    /// Why the last lookup of the name failed.
    error: Option<String>,
}

/// The page at `/`.
pub fn index(shared: &Shared, metrics_path: &str, probes: bool, out: &mut impl Write) -> fmt::Result {
    let all = shared.targets.all();
    let title = concat!("rping-exporter ", env!("CARGO_PKG_VERSION"));
    let measurement = ", <a href=\"/probe?target=127.0.0.1&amp;module=icmp&amp;debug=true\">a measurement</a>";
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>rping-exporter</title></head><body>\n\
         <h1>{title}</h1>\n<p><a href=\"{}\">Metrics</a>, <a href=\"/targets\">targets as JSON</a>{}</p>\n\
         <p>{} targets, {} without an address</p>\n\
         <table><tr><th>Target<th>Address<th>Up<th>RTT<th>Loss<th>Error</tr>\n",
        escaped(metrics_path),
        if probes { measurement } else { "" },
        all.len(),
        keeper::unresolved(shared),
    )?;
    for one in states(&all).take(SHOWN) {
        let millis = one.rtt_ms.map_or_else(String::new, |millis| format!("{millis:.3} ms"));
        let loss = one.loss_pct.map_or_else(String::new, |percent| format!("{percent:.1} %"));
        writeln!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{millis}<td>{loss}<td>{}</tr>",
            escaped(&one.target),
            escaped(one.address.as_deref().unwrap_or_default()),
            if one.up { "yes" } else { "no" },
            escaped(one.error.as_deref().unwrap_or_default()),
        )?;
    }
    out.write_str("</table>\n")?;
    if all.len() > SHOWN {
        writeln!(out, "<p>These are the first {SHOWN} targets.</p>")?;
    }
    out.write_str("</body></html>\n")
}

/// All targets as JSON.
pub fn targets(shared: &Shared, out: &mut impl Write) -> fmt::Result {
    out.write_char('[')?;
    for (number, state) in states(&shared.targets.all()).enumerate() {
        let object = serde_json::to_string(&state).map_err(|_| fmt::Error)?;
        write!(out, "{}{object}", if number > 0 { "," } else { "" })?;
    }
    out.write_char(']')
}

/// What is known of each target.
fn states(all: &[Arc<Entry>]) -> impl Iterator<Item = TargetState> {
    all.iter().flat_map(|entry| of(entry))
}

/// What is known of each address of a target.
fn of(entry: &Entry) -> Vec<TargetState> {
    let now = keeper::now();
    let known = entry.state();
    let state = TargetState {
        target: entry.wanted.text.to_string(),
        method: entry.wanted.module.kind(),
        group: Some(entry.wanted.group.to_string()).filter(|group| !group.is_empty()),
        error: known.error.clone(),
        ..TargetState::default()
    };
    if known.series.is_empty() {
        return vec![state];
    }
    let with_figures = |series: &Arc<Series>| {
        let (figures, window) = lock(&series.figures).shown(now);
        TargetState {
            address: series.endpoint.map(|endpoint| endpoint.address.to_string()),
            up: figures.is_up(),
            rtt_ms: figures.last.map(|rtt| rtt.as_millis_f64()),
            loss_pct: window.and_then(|window| window.loss).map(|ratio| ratio * 100.0),
            sent: figures.counts.sent,
            received: figures.counts.received,
            ..state.clone()
        }
    };
    known.series.iter().map(with_figures).collect()
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, sign| {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            sign => out.push(sign),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_page_is_markup_that_is_not_its_own() {
        assert_eq!(escaped("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
