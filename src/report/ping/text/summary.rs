//! The end of a ping run, and its figures on the way.

use std::fmt;
use std::io::{self, Write};

use crate::engine::outcome::{MethodKind, Subject};
use crate::metrics::RttStats;
use crate::ping::{Interim, ReflectionStats, Summary};
use crate::report::ping::entries::Signed;
use crate::report::ping::text::PingTextOptions;
use crate::report::words::number::{General, Millis};
use crate::report::words::reason::Reason;
use crate::report::words::zone::Zone;
use crate::report::{Streams, escape};
use crate::types::HostPort;

/// The summary block on stdout, and with `-v` further figures on stderr.
pub(super) fn write(
    options: &PingTextOptions,
    (summary, reason): (&Summary, Option<&Reason>),
    streams: &mut Streams<'_>,
) -> io::Result<()> {
    let subject = &summary.subject;
    // One target that does not exist has its message, and nothing to sum up.
    if subject.address.is_some() || options.several || subject.method == MethodKind::Unix {
        block(options, summary, streams.data)?;
        if let Some(reason) = reason {
            writeln!(streams.data, "last error: {reason}")?;
        }
    }
    if options.verbose { verbose(options, summary, streams.talk) } else { Ok(()) }
}

fn block(options: &PingTextOptions, summary: &Summary, data: &mut dyn Write) -> io::Result<()> {
    let counts = &summary.counts;
    let title = Title { subject: &summary.subject, with_port: options.several, with_address: options.addresses };
    write!(data, "\n--- {title} ping statistics ---\n")?;
    write!(data, "{} packets transmitted, {} received", counts.decided(), counts.received)?;
    // ping knows no refusals.
    let (refused, errors) = match summary.subject.method {
        MethodKind::Icmp => (0, counts.errors()),
        _ => (counts.refused, counts.errors() - counts.refused),
    };
    if refused > 0 {
        write!(data, ", {refused} refused")?;
    }
    let extras = [(counts.duplicates, "duplicates"), (counts.bad_checksum, "corrupted"), (errors, "errors")];
    for (count, what) in extras.iter().filter(|(count, _)| *count > 0) {
        write!(data, ", +{count} {what}")?;
    }
    if let Some(loss) = counts.loss_pct() {
        // ping's percentage is a float: that decides how it rounds.
        write!(data, ", {}% packet loss", General(f64::from(loss as f32)))?;
    }
    // Parsers look for the time even where ping, with nothing transmitted, leaves it out.
    write!(data, ", time {}ms", summary.duration.saturating_add(500_000) / 1_000_000)?;
    writeln!(data)?;
    times(options, summary, data)?;
    if options.stats {
        stats(summary, data)?;
    }
    more(summary, data)
}

/// The lines of `--stats`. None begins as ping's line of times does, which programs look for.
fn stats(summary: &Summary, data: &mut dyn Write) -> io::Result<()> {
    if let Some(rtt) = &summary.delays.rtt {
        writeln!(data, "{}", Percentiles(rtt))?;
    }
    if let Some((ipdv, jitter)) = summary.delays.ipdv.zip(summary.delays.interarrival_jitter) {
        writeln!(data, "ipdv/interarrival jitter = {}/{} ms", Millis::of(ipdv), Millis::of(jitter))?;
    }
    let counts = &summary.counts;
    writeln!(data, "lost/longest loss run = {}/{}", counts.lost, counts.longest_loss_run)
}

/// Lines that ping does not have: a mean opinion score, answers over connections, a reflector's figures, the members of a group.
fn more(summary: &Summary, data: &mut dyn Write) -> io::Result<()> {
    if let Some((mos, codec)) = summary.voice.and_then(|voice| voice.mos().zip(Some(voice.codec))) {
        writeln!(data, "mos={mos:.2} (estimate, {})", codec.name())?;
    }
    if let Some(answer) = &summary.answer {
        writeln!(data, "answer min/avg/max/mdev = {} ms", Spread(answer))?;
    }
    if let Some(ReflectionStats { reflector: Some(reflector), rtt_net: Some(rtt_net), lost, one_way }) =
        summary.reflection.as_deref()
    {
        writeln!(data, "reflector min/avg/max/mdev = {} ms", Spread(reflector))?;
        writeln!(data, "net min/avg/max/mdev = {} ms", Spread(rtt_net))?;
        match lost {
            Some((there, back)) => {
                write!(data, "lost there/back = {there}/{back}")?;
                let counts = &summary.counts;
                let unanswered = counts.lost + counts.unreachable + counts.refused;
                match unanswered.saturating_sub(counts.late + there + back) {
                    0 => writeln!(data)?,
                    after => writeln!(data, ", after the last answer = {after}")?,
                }
            }
            None => writeln!(data, "lost there/back = unknown (the reflector's numbers do not show it)")?,
        }
        if let Some(one_way) = one_way {
            for (way, delay) in [("there", one_way.there), ("back", one_way.back)] {
                let (min, avg, max) = (Signed(delay.min as f64), Signed(delay.mean), Signed(delay.max as f64));
                writeln!(
                    data,
                    "{way} min/avg/max = {min}/{avg}/{max} ms (clocks within {} ms)",
                    Millis(one_way.error)
                )?;
            }
        }
    }
    for responder in &summary.responders {
        let zone = Zone { subject: &summary.subject, address: responder.address };
        write!(data, "{}{zone}: {} received", responder.address, responder.received)?;
        for (count, what) in [(responder.duplicates, "duplicates"), (responder.late, "late")] {
            if count > 0 {
                write!(data, ", +{count} {what}")?;
            }
        }
        match &responder.rtt {
            Some(rtt) => writeln!(data, ", rtt min/avg/max/mdev = {} ms", Spread(rtt))?,
            None => writeln!(data)?,
        }
    }
    Ok(())
}

/// `min/avg/max/mdev`.
struct Spread<'a>(&'a RttStats);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread(rtt) = self;
        write!(f, "{}/{}/{}/{}", Millis(rtt.min), Millis::of(rtt.mean), Millis(rtt.max), Millis::of(rtt.stddev))
    }
}

/// `median/p90/p95/p99 = …`
struct Percentiles<'a>(&'a RttStats);

impl fmt::Display for Percentiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles(rtt) = self;
        let (median, p90, p95, p99) = (Millis(rtt.median), Millis(rtt.p90), Millis(rtt.p95), Millis(rtt.p99));
        write!(f, "median/p90/p95/p99 = {median}/{p90}/{p95}/{p99} ms")
    }
}

/// The target of a summary; of several targets one name may have several ports.
struct Title<'a> {
    subject: &'a Subject,
    with_port: bool,
    with_address: bool,
}

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = escape(&self.subject.name);
        HostPort(&name, self.subject.port.filter(|_| self.with_port)).fmt(f)?;
        match self.subject.address.filter(|_| self.with_address && !self.subject.numeric) {
            Some(address) => write!(f, " ({address})"),
            None => Ok(()),
        }
    }
}

/// The line of times; empty if there are none.
fn times(options: &PingTextOptions, summary: &Summary, data: &mut dyn Write) -> io::Result<()> {
    let mut separator = "";
    if let Some(rtt) = &summary.delays.rtt {
        write!(data, "rtt min/avg/max/mdev = {} ms", Spread(rtt))?;
        separator = ", ";
    }
    if summary.pipe > 1 {
        write!(data, "{separator}pipe {}", summary.pipe)?;
        separator = ", ";
    }
    let gaps = summary.counts.decided().saturating_sub(1);
    if let Some((ipg, ewma)) = summary.duration.checked_div(gaps).zip(summary.delays.ewma)
        && (options.adaptive || options.flood)
    {
        write!(data, "{separator}ipg/ewma {}/{} ms", Millis(ipg), Millis(ewma))?;
    }
    writeln!(data)
}

/// The lines for SIGQUIT; with the name of each target where there are several.
pub(in crate::report) fn interims(figures: &[Interim], talk: &mut dyn Write) -> io::Result<()> {
    figures.iter().try_for_each(|one| {
        let name = (figures.len() > 1).then(|| escape(&one.subject.name));
        interim(one, name.as_deref(), talk)
    })
}

/// One line for SIGQUIT, as ping writes it; `name` where there is more than one target.
pub(in crate::report) fn interim(figures: &Interim, name: Option<&str>, talk: &mut dyn Write) -> io::Result<()> {
    let counts = &figures.counts;
    write!(talk, "\r")?;
    if let Some(name) = name {
        write!(talk, "{name}: ")?;
    }
    let loss = counts.loss_pct().unwrap_or(0.0).floor();
    write!(talk, "{}/{} packets, {loss}% loss", counts.received, counts.decided())?;
    if let Some((rtt, ewma)) = figures.delays.rtt.as_ref().zip(figures.delays.ewma) {
        let (min, avg, ewma, max) = (Millis(rtt.min), Millis::of(rtt.mean), Millis(ewma), Millis(rtt.max));
        write!(talk, ", min/avg/ewma/max = {min}/{avg}/{ewma}/{max} ms")?;
    }
    writeln!(talk)
}

fn verbose(options: &PingTextOptions, summary: &Summary, talk: &mut dyn Write) -> io::Result<()> {
    let subject = &summary.subject;
    let who = format!("{}: {}", options.program, escape(&subject.name));
    if let Some(rtt) = &summary.delays.rtt {
        write!(talk, "{who}: {}", Percentiles(rtt))?;
        for (name, nanos) in
            [("ipdv", summary.delays.ipdv), ("interarrival jitter", summary.delays.interarrival_jitter)]
        {
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
        (summary.syn_retransmits.unwrap_or_default(), "SYN retransmits"),
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
    write!(talk, "{who}: socket {}", subject.socket.map_or("none", |socket| socket.name()))?;
    if let Some(ident) = subject.ident {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use std::sync::Arc;

    use crate::engine::outcome::State;
    use crate::metrics::DelayStats;
    use crate::ping::{Counts, Event};
    use crate::report::fixture::{address, of, reply, stats, subject, summary, written};
    use crate::report::ping::text::PingText;

    /// The lines at the end of `example.org`.
    fn ended(options: PingTextOptions, summary: Summary) -> (String, String) {
        written(&mut PingText::new(options), &[Event::Ended(Box::new(summary))])
    }

    fn block(summary: Summary) -> String {
        ended(PingTextOptions::default(), summary).0
    }

    fn silent(counts: Counts) -> Summary {
        Summary { counts, delays: DelayStats::default(), ..summary() }
    }

    #[test]
    fn counts_that_are_zero_are_left_out() {
        let counts = Counts {
            sent: 5,
            received: 2,
            refused: 1,
            unreachable: 1,
            lost: 1,
            duplicates: 2,
            bad_checksum: 1,
            late: 3,
            reordered: 3,
            ..Counts::default()
        };
        assert_eq!(
            block(Summary { counts, ..summary() }).lines().nth(2),
            Some(
                "5 packets transmitted, 2 received, +2 duplicates, +1 corrupted, +2 errors, 40% packet loss, time 2003ms"
            )
        );
    }

    #[test]
    fn without_a_time_the_third_line_is_empty_or_has_the_pipe() {
        let lost = Counts { sent: 3, lost: 3, ..Counts::default() };
        assert_eq!(
            block(silent(lost)),
            "\n--- example.org ping statistics ---\n3 packets transmitted, 0 received, 100% packet loss, time 2003ms\n\n"
        );
        let piped = Summary { pipe: 3, ..silent(lost) };
        assert_eq!(block(piped).lines().last(), Some("pipe 3"));
    }

    #[test]
    fn what_is_still_open_is_neither_transmitted_nor_lost() {
        let counts = Counts { sent: 4, received: 3, pending: 1, ..Counts::default() };
        let line = block(Summary { counts, ..summary() });
        assert!(line.contains("\n3 packets transmitted, 3 received, 0% packet loss, time 2003ms\n"), "{line}");
        let only = Counts { sent: 1, pending: 1, ..Counts::default() };
        assert_eq!(
            block(silent(only)),
            "\n--- example.org ping statistics ---\n0 packets transmitted, 0 received, time 2003ms\n\n"
        );
    }

    #[test]
    fn what_was_never_sent_is_transmitted_and_an_error_as_with_ping() {
        let line = |counts| block(Summary { state: Some(State::Unknown), ..silent(counts) });
        let none = line(Counts { send_failed: 3, ..Counts::default() });
        assert!(none.contains("\n3 packets transmitted, 0 received, +3 errors, 100% packet loss, time "), "{none}");
        let most = line(Counts { sent: 5, received: 5, send_failed: 15, ..Counts::default() });
        assert!(most.contains("\n20 packets transmitted, 5 received, +15 errors, 75% packet loss, time "), "{most}");
    }

    #[test]
    fn an_error_that_an_answer_followed_is_an_error_and_no_loss() {
        let counts = Counts { sent: 3, received: 3, icmp_errors: 4, answered_after_error: 2, ..Counts::default() };
        let line = block(Summary { counts, ..summary() });
        assert!(line.contains("\n3 packets transmitted, 3 received, +2 errors, 0% packet loss, time "), "{line}");
    }

    #[test]
    fn text_of_services_tells_refusals_from_errors() {
        let counts = Counts { sent: 4, refused: 2, unreachable: 1, lost: 1, send_failed: 1, ..Counts::default() };
        for method in [MethodKind::Tcp, MethodKind::Udp] {
            let subject = Arc::new(Subject { method, ..subject("example.org", "198.51.100.9") });
            let line = block(Summary { subject, ..silent(counts) });
            let expected = "\n5 packets transmitted, 0 received, 2 refused, +2 errors, 60% packet loss, time ";
            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn loss_has_six_significant_digits() {
        let counts = Counts { sent: 3, received: 2, lost: 1, ..Counts::default() };
        assert!(block(Summary { counts, ..summary() }).contains(" 33.3333% packet loss,"));
        let counts = Counts { sent: 7, received: 6, lost: 1, ..Counts::default() };
        assert!(block(Summary { counts, ..summary() }).contains(" 14.2857% packet loss,"));
        let counts = Counts { sent: 10_000_000, received: 9_999_999, lost: 1, ..Counts::default() };
        assert!(block(Summary { counts, ..summary() }).contains(" 1e-05% packet loss,"));
    }

    #[test]
    fn pipe_and_gaps_follow_the_times() {
        let adaptive = PingTextOptions { adaptive: true, ..PingTextOptions::default() };
        let piped = Summary { pipe: 2, ..summary() };
        let stem = "rtt min/avg/max/mdev = 0.033/0.037/0.040/0.003 ms";
        let last = |options, summary| ended(options, summary).0.lines().last().map(str::to_owned).unwrap_or_default();
        assert_eq!(last(PingTextOptions::default(), piped.clone()), format!("{stem}, pipe 2"));
        assert_eq!(last(adaptive.clone(), piped), format!("{stem}, pipe 2, ipg/ewma 1001.750/0.034 ms"));
        let flood = PingTextOptions { flood: true, ..PingTextOptions::default() };
        assert_eq!(last(flood, summary()), format!("{stem}, ipg/ewma 1001.750/0.034 ms"));
        let single = Summary { counts: Counts { sent: 1, received: 1, ..Counts::default() }, ..summary() };
        assert_eq!(last(adaptive, single), stem);
    }

    #[test]
    fn verbose_figures_are_talk() {
        let verbose = PingTextOptions { verbose: true, ..PingTextOptions::default() };
        let counts =
            Counts { sent: 5, received: 3, lost: 2, longest_loss_run: 2, late: 1, foreign: 4, ..Counts::default() };
        let (data, talk) = ended(verbose.clone(), Summary { counts, ..summary() });
        assert_eq!(data, block(Summary { counts, ..summary() }));
        assert_eq!(
            talk,
            "rping: example.org: median/p90/p95/p99 = 0.037/0.040/0.040/0.040 ms, ipdv 0.004 ms, interarrival jitter 0.000 ms\n\
             rping: example.org: 2 lost, longest loss run 2, 1 late, 4 foreign\n\
             rping: example.org: socket raw, ident 4711, 2 kernel stamps, 1 user stamps\n"
        );
        let (_, talk) = ended(verbose, Summary { stamps: Default::default(), ..silent(Counts::default()) });
        assert_eq!(
            talk,
            "rping: example.org: 0 lost, longest loss run 0\nrping: example.org: socket raw, ident 4711\n"
        );
    }

    #[test]
    fn further_figures_stand_in_the_summary_if_they_were_asked_for() {
        let stats = || PingTextOptions { stats: true, ..PingTextOptions::default() };
        let counts = Counts { sent: 5, received: 3, lost: 2, longest_loss_run: 2, ..Counts::default() };
        let some = Summary { counts, ..summary() };
        let figures = "median/p90/p95/p99 = 0.037/0.040/0.040/0.040 ms\n\
                       ipdv/interarrival jitter = 0.004/0.000 ms\n\
                       lost/longest loss run = 2/2\n";
        let plain = block(some.clone());
        assert_eq!(ended(stats(), some), (plain + figures, String::new()));
        let lost = Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() };
        let none = Summary { counts: lost, ..silent(lost) };
        let plain = block(none.clone());
        assert_eq!(ended(stats(), none).0, plain + "lost/longest loss run = 3/3\n");
    }

    #[test]
    fn an_unresolved_target_is_summed_up_among_others_only() {
        let unresolved = Subject { address: None, socket: None, ..subject("nowhere.example", "192.0.2.1") };
        let unresolved = Summary { subject: Arc::new(unresolved), ..silent(Counts::default()) };
        let events = [Event::Ended(Box::new(Summary { state: Some(State::Unresolved), ..unresolved }))];
        let alone = written(&mut PingText::new(PingTextOptions::default()), &events);
        assert_eq!(alone, (String::new(), String::new()));
        let several = PingTextOptions { several: true, ..PingTextOptions::default() };
        assert_eq!(
            written(&mut PingText::new(several), &events).0,
            "\n--- nowhere.example ping statistics ---\n0 packets transmitted, 0 received, time 2003ms\n\n"
        );
    }

    fn figures(name: &str, counts: Counts, answered: bool) -> Interim {
        let subject = Arc::new(subject(name, "198.51.100.9"));
        let (rtt, ewma) = (answered.then(stats), answered.then_some(34_000));
        Interim { subject, counts, delays: DelayStats { rtt, ewma, ..DelayStats::default() } }
    }

    #[test]
    fn interim_figures_are_pings_line_on_stderr() {
        let mut sink = PingText::new(PingTextOptions::default());
        let all = Counts { sent: 3, received: 3, ..Counts::default() };
        let some = Counts { sent: 4, received: 2, lost: 1, pending: 1, ..Counts::default() };
        let (data, talk) = written(
            &mut sink,
            &[
                Event::Interim(vec![figures("example.org", all, true)]),
                Event::Interim(vec![figures("example.org", some, true)]),
            ],
        );
        assert_eq!(data, "");
        assert_eq!(
            talk,
            "\r3/3 packets, 0% loss, min/avg/ewma/max = 0.033/0.037/0.034/0.040 ms\n\
             \r2/3 packets, 33% loss, min/avg/ewma/max = 0.033/0.037/0.034/0.040 ms\n"
        );
        let (_, talk) = written(&mut sink, &[Event::Interim(vec![figures("example.org", Counts::default(), false)])]);
        assert_eq!(talk, "\r0/0 packets, 0% loss\n");
    }

    #[test]
    fn interim_figures_of_several_targets_are_named() {
        let mut sink = PingText::new(PingTextOptions { several: true, ..PingTextOptions::default() });
        let lost = Counts { sent: 1, lost: 1, ..Counts::default() };
        let both = vec![figures("a.example", lost, false), figures("b.example", lost, false)];
        let (_, talk) = written(&mut sink, &[Event::Interim(both)]);
        assert_eq!(talk, "\ra.example: 0/1 packets, 100% loss\n\rb.example: 0/1 packets, 100% loss\n");
    }

    #[test]
    fn a_reverse_name_is_shown_in_lines_and_not_in_the_summary() {
        let mut sink = PingText::new(PingTextOptions::default());
        let name = Event::Named { address: address("198.51.100.9"), name: "reverse.example".into() };
        written(&mut sink, &[name]);
        let (line, _) = written(&mut sink, &[of(&subject("example.org", "198.51.100.9"), reply())]);
        assert!(line.starts_with("64 bytes from reverse.example (198.51.100.9): "));
        let (block, _) = written(&mut sink, &[Event::Ended(Box::new(summary()))]);
        assert!(block.starts_with("\n--- example.org ping statistics ---\n"));
    }

    proptest! {
        #[test]
        fn any_counts_make_two_lines_that_parsers_find(
            sent in any::<u64>(), received in any::<u64>(), lost in any::<u64>(), pending in any::<u64>(),
            refused in any::<u64>(), unreachable in any::<u64>(), duration in any::<u64>(), pipe in any::<u64>(),
        ) {
            let counts = Counts { sent, received, refused, unreachable, lost, pending, ..Counts::default() };
            // Counts beyond any run only must not make the writer panic.
            prop_assume!(lost.checked_add(unreachable).is_some());
            let options = PingTextOptions { adaptive: true, verbose: true, ..PingTextOptions::default() };
            let (block, _) = ended(options, Summary { counts, duration, pipe, ..summary() });
            let lines: Vec<&str> = block.lines().collect();
            prop_assert_eq!(lines.len(), 4);
            prop_assert!(lines[2].contains(" packets transmitted, "));
            prop_assert!(lines[3].starts_with("rtt min/avg/max/mdev = "));
        }
    }
}
