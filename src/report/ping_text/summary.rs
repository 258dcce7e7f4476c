//! The end of a ping run, and its figures on the way.

use std::io::{self, Write};

use super::{PingTextOptions, Series};
use crate::ping::{Counts, Interim, Summary};
use crate::report::Streams;
use crate::report::number::{Millis, general};

/// The summary block on stdout, and with `-v` what ping does not tell on stderr.
pub(super) fn write(
    options: &PingTextOptions,
    series: &Series,
    summary: &Summary,
    streams: &mut Streams<'_>,
) -> io::Result<()> {
    // One target that does not exist has its message, and nothing to sum up.
    if series.address.is_some() || options.several {
        block(options, series, summary, streams.data)?;
    }
    if options.verbose { verbose(options, series, summary, streams.talk) } else { Ok(()) }
}

fn block(options: &PingTextOptions, series: &Series, summary: &Summary, data: &mut dyn Write) -> io::Result<()> {
    let counts = &summary.counts;
    write!(data, "\n--- {} ping statistics ---\n", series.name)?;
    write!(data, "{} packets transmitted, {} received", transmitted(counts), counts.received)?;
    let extras = [
        (counts.duplicates, "duplicates"),
        (counts.bad_checksum, "corrupted"),
        (counts.refused.saturating_add(counts.unreachable), "errors"),
    ];
    for (count, what) in extras.iter().filter(|(count, _)| *count > 0) {
        write!(data, ", +{count} {what}")?;
    }
    if let Some(loss) = counts.loss_pct() {
        // ping's percentage is a float: that decides how it rounds.
        let loss = general(f64::from(loss as f32));
        write!(data, ", {loss}% packet loss, time {}ms", summary.duration.saturating_add(500_000) / 1_000_000)?;
    }
    writeln!(data)?;
    times(options, summary, data)
}

/// The line of times; empty if there are none.
fn times(options: &PingTextOptions, summary: &Summary, data: &mut dyn Write) -> io::Result<()> {
    let mut separator = "";
    if let Some(rtt) = &summary.rtt {
        let (avg, mdev) = (Millis::of(rtt.mean), Millis::of(rtt.stddev));
        write!(data, "rtt min/avg/max/mdev = {}/{avg}/{}/{mdev} ms", Millis(rtt.min), Millis(rtt.max))?;
        separator = ", ";
    }
    if summary.pipe > 1 {
        write!(data, "{separator}pipe {}", summary.pipe)?;
        separator = ", ";
    }
    let gaps = transmitted(&summary.counts).saturating_sub(1);
    if let Some((ipg, ewma)) = summary.duration.checked_div(gaps).zip(summary.ewma)
        && (options.adaptive || options.flood)
    {
        write!(data, "{separator}ipg/ewma {}/{} ms", Millis(ipg), Millis(ewma))?;
    }
    writeln!(data)
}

/// One line for SIGQUIT, as ping writes it; `name` where there is more than one target.
pub(in crate::report) fn interim(figures: &Interim, name: Option<&str>, talk: &mut dyn Write) -> io::Result<()> {
    let counts = &figures.counts;
    write!(talk, "\r")?;
    if let Some(name) = name {
        write!(talk, "{name}: ")?;
    }
    let loss = counts.loss_pct().unwrap_or(0.0).floor();
    write!(talk, "{}/{} packets, {loss}% loss", counts.received, transmitted(counts))?;
    if let Some((rtt, ewma)) = figures.rtt.as_ref().zip(figures.ewma) {
        let (min, avg, ewma, max) = (Millis(rtt.min), Millis::of(rtt.mean), Millis(ewma), Millis(rtt.max));
        write!(talk, ", min/avg/ewma/max = {min}/{avg}/{ewma}/{max} ms")?;
    }
    writeln!(talk)
}

fn verbose(options: &PingTextOptions, series: &Series, summary: &Summary, talk: &mut dyn Write) -> io::Result<()> {
    let who = format!("{}: {}", options.program, series.name);
    if let Some(rtt) = &summary.rtt {
        let (median, p90, p95, p99) = (Millis(rtt.median), Millis(rtt.p90), Millis(rtt.p95), Millis(rtt.p99));
        write!(talk, "{who}: median/p90/p95/p99 = {median}/{p90}/{p95}/{p99} ms")?;
        for (name, nanos) in [("ipdv", summary.ipdv), ("interarrival jitter", summary.interarrival_jitter)] {
            if let Some(nanos) = nanos {
                write!(talk, ", {name} {} ms", Millis::of(nanos))?;
            }
        }
        writeln!(talk)?;
    }
    let counts = &summary.counts;
    write!(talk, "{who}: {} lost, longest loss run {}", counts.lost, counts.longest_loss_run)?;
    let rare = [
        (counts.pending, "pending"),
        (counts.send_failed, "not sent"),
        (counts.skipped, "skipped"),
        (counts.late, "late"),
        (counts.reordered, "reordered"),
        (counts.payload_changed, "with changed payload"),
        (counts.truncated, "truncated"),
        (counts.wrong_source, "from another address"),
        (counts.foreign, "foreign"),
        (counts.dropped_by_kernel, "dropped by the kernel"),
    ];
    for (count, what) in rare.iter().filter(|(count, _)| *count > 0) {
        write!(talk, ", {count} {what}")?;
    }
    writeln!(talk)?;
    write!(talk, "{who}: socket {}", series.socket.map_or("none", |socket| socket.name()))?;
    if let Some(ident) = series.ident {
        write!(talk, ", ident {}", ident.get())?;
    }
    let stamps = &summary.stamps;
    for (count, source) in [(stamps.hardware, "hardware"), (stamps.kernel, "kernel"), (stamps.user, "user")] {
        if count > 0 {
            write!(talk, ", {count} {source} stamps")?;
        }
    }
    writeln!(talk)
}

/// What ping calls so. Probes still open when the run was ended are not in it: they are no loss.
fn transmitted(counts: &Counts) -> u64 {
    counts.sent.saturating_sub(counts.pending)
}
