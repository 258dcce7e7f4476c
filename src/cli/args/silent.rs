//! The option for runs that report only what is wrong, the same in `rping` and `rtrace`, and what holds their output back until
//! that is known.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Write};
use std::mem;
use std::path::PathBuf;

use clap::{ArgMatches, Args};

use crate::cli::ANSWERED;
use crate::cli::env::Env;
use crate::cli::output::Stream;

/// The most octets that are held back; beyond, the oldest lines are dropped.
const HELD_OCTETS: usize = 8 << 20;

#[derive(Args, Clone, Debug)]
pub struct SilentArgs {
    /// Print nothing unless the exit status is other than 0, as -qq does
    ///
    /// For cron. When the status is another, the output is printed at the end of the run (in rping, that of -q). The FILE of -o
    /// is always written.
    #[arg(long)]
    pub silent: bool,
}

/// The words with `-qq` in its long form, for a tool whose `-q` takes a value.
pub fn spelled_out(words: &[OsString]) -> Vec<OsString> {
    words.iter().map(|word| if word == "-qq" { "--silent".into() } else { word.clone() }).collect()
}

/// What is to be held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Both streams.
    All,
    /// Standard error: results go to a file.
    Talk,
}

/// What the command line asks to hold back, if anything; `-q` given twice asks for it too.
pub fn held(matches: &ArgMatches) -> Option<Held> {
    let long = matches.try_get_one::<bool>("silent").ok().flatten().copied().unwrap_or_default();
    let quiet = matches.try_get_one::<u8>("quiet").ok().flatten().copied().unwrap_or_default();
    let file = matches.try_get_one::<PathBuf>("output").ok().flatten();
    (long || quiet > 1).then_some(if file.is_some() { Held::Talk } else { Held::All })
}

/// Runs `work` in a world whose streams are held back, and writes what it wrote if its status is not [`ANSWERED`].
pub fn silently(held: Held, program: &str, env: &mut Env<'_>, work: impl FnOnce(&mut Env<'_>) -> u8) -> u8 {
    let lines = RefCell::new(Lines::default());
    let (mut data, mut talk) =
        (Hold { lines: &lines, stream: Stream::Data }, Hold { lines: &lines, stream: Stream::Talk });
    let status = {
        let mut inner = Env {
            stdin: mem::replace(&mut env.stdin, Box::new(io::empty())),
            stdout: if held == Held::All { &mut data } else { &mut *env.stdout },
            stderr: &mut talk,
            // A status line is for a reader who is there.
            terminal: false,
            screen: &|| None,
            stalled: env.stalled,
            executable: env.executable,
            variable: env.variable,
            uid: env.uid,
            seed: env.seed,
            clock_error: env.clock_error,
            local_offset: env.local_offset,
            interface_index: env.interface_index,
            account: env.account,
            passed_socket: env.passed_socket,
            broadcasts: env.broadcasts,
            interface_name: env.interface_name,
            interfaces_with_link: env.interfaces_with_link,
            result_file: env.result_file.take(),
            redirect: env.redirect,
            host: env.host,
            route: env.route,
            open_lanes: &mut *env.open_lanes,
            die_by: env.die_by,
        };
        let status = work(&mut inner);
        let file = inner.result_file.take();
        env.result_file = file;
        status
    };
    if status != ANSWERED {
        // As everywhere, a reader that has gone is not missed.
        let _ = lines.into_inner().write(program, env);
    }
    status
}

/// What was written to both streams, in order.
#[derive(Default)]
struct Lines {
    kept: VecDeque<(Stream, Vec<u8>)>,
    octets: usize,
    /// Pieces that were dropped for newer ones.
    dropped: u64,
}

impl Lines {
    fn push(&mut self, stream: Stream, octets: &[u8]) {
        self.octets += octets.len();
        match self.kept.back_mut() {
            // A line may be written in pieces.
            Some((last, line)) if *last == stream && !line.ends_with(b"\n") => line.extend_from_slice(octets),
            _ => self.kept.push_back((stream, octets.to_vec())),
        }
        while self.octets > HELD_OCTETS && self.kept.len() > 1 {
            let Some((_, oldest)) = self.kept.pop_front() else { break };
            self.octets -= oldest.len();
            self.dropped += oldest.iter().filter(|&&octet| octet == b'\n').count() as u64;
        }
    }

    fn write(self, program: &str, env: &mut Env<'_>) -> io::Result<()> {
        if self.dropped > 0 {
            writeln!(env.stderr, "{program}: {} lines before these were too many to keep", self.dropped)?;
        }
        for (stream, octets) in self.kept {
            match stream {
                Stream::Data => env.stdout.write_all(&octets)?,
                Stream::Talk => env.stderr.write_all(&octets)?,
            }
        }
        env.stdout.flush()
    }
}

/// One stream.
struct Hold<'a> {
    lines: &'a RefCell<Lines>,
    stream: Stream,
}

impl Write for Hold<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.lines.borrow_mut().push(self.stream, octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_the_end_is_kept() {
        let mut lines = Lines::default();
        let line = [b"x".repeat(HELD_OCTETS / 4 - 1), b"\n".to_vec()].concat();
        for _ in 0..6 {
            lines.push(Stream::Data, &line);
        }
        lines.push(Stream::Talk, b"the end\n");
        assert!(lines.octets <= HELD_OCTETS);
        assert_eq!((lines.kept.len(), lines.dropped), (4, 3));
        assert_eq!(lines.kept.back(), Some(&(Stream::Talk, b"the end\n".to_vec())));
    }

    #[test]
    fn a_line_that_is_written_in_pieces_stays_one() {
        let mut lines = Lines::default();
        for piece in [&b"one "[..], b"line\n", b"another\n"] {
            lines.push(Stream::Data, piece);
        }
        assert_eq!(lines.kept.len(), 2);
    }
}
