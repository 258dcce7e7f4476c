//! Where recordings are written: [`Tape`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::record::RecordArgs;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::file::Retried;
use crate::cli::side::{Side, Wanted};
use crate::recording::{self, Mode, Packer, Recorded, Session, Writer};
use crate::types::Now;

/// How many parts what is kept has at most, without the one that is being written, and how long one is at least.
const PARTS: u32 = 24;
const HOUR: Duration = Duration::from_secs(3600);
/// How a line that begins a part begins.
const FIRST: &[u8] = b"{\"type\":\"session\"";

/// Appends the lines of an event of this time.
pub type Recorder<E> = Box<dyn FnMut(Now, &E, &mut Vec<u8>) + Send>;

/// A recording that is being written.
pub struct Tape {
    side: Side,
    /// How long a part is.
    part: Option<Duration>,
    /// The system that the run takes place on.
    system: Option<String>,
}

impl Tape {
    /// The recording that was asked for, if one was. Nothing is written yet.
    ///
    /// # Errors
    /// If its file cannot be created.
    pub fn open(args: &RecordArgs, program: &str) -> Result<Option<Tape>, CliError> {
        let Some(path) = &args.record else { return Ok(None) };
        let part = args.keep.map(|kept| (kept / PARTS).max(HOUR));
        let names = |path: &Path| match args.keep.zip(part) {
            Some((kept, part)) => (0..=kept.as_secs().div_ceil(part.as_secs())).map(|at| numbered(path, at)).collect(),
            None => vec![path.to_owned()],
        };
        let wanted = Wanted { option: ("--record", "recording"), path, force: args.force };
        let writer = |files| -> Box<dyn Write + Send> {
            Box::new(Parts { files, current: 0, fresh: true, packer: Packer::default() })
        };
        let side = Side::open(wanted, names, program, writer)?;
        Ok(Some(Tape { side, part, system: system() }))
    }

    /// Begins to write, and returns what makes the lines of events. Not before privileges are dropped.
    pub fn begin<E: Recorded + Send + 'static>(&mut self, session: Session, env: &mut Env<'_>) -> Recorder<E> {
        self.side.begin();
        let mut writer = Writer::new(session, self.part);
        let mut first = Vec::new();
        writer.session(&mut first);
        // A closed standard output shows itself again.
        let _ = self.take(&mut first, env);
        recorder(writer)
    }

    /// The same for a run of this many workers, whose events have nothing in common.
    pub fn begin_several<E: Recorded + Send + 'static>(
        &mut self,
        session: Session,
        workers: usize,
        env: &mut Env<'_>,
    ) -> Vec<Recorder<E>> {
        let first = self.begin(session.clone(), env);
        let others = (1..workers).map(|_| recorder(Writer::new(session.clone(), None)));
        std::iter::once(first).chain(others).collect()
    }

    /// The first line of a run that starts `now`.
    pub fn session(&self, tool: &str, mode: Mode, words: &[OsString], now: Now) -> Session {
        Session {
            version: recording::VERSION,
            tool: tool.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            argv: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            mode,
            start: now.wall.as_nanos(),
            system: self.system.clone(),
            targets: 0,
            bound: false,
            source: None,
            interface: None,
            labels: Vec::new(),
            sockets: Vec::new(),
            part: 0,
        }
    }

    /// Whether it takes the place of the results.
    pub fn is_stdout(&self) -> bool {
        self.side.is_stdout()
    }

    /// Takes lines of a recording.
    ///
    /// # Errors
    /// Those of standard output, where it goes there.
    pub fn take(&mut self, lines: &mut Vec<u8>, env: &mut Env<'_>) -> io::Result<()> {
        self.side.take(lines, env)
    }

    /// Ends the recording of a run with this result, if there is one.
    pub fn end<T>(tape: Option<Tape>, result: &Result<T, CliError>, env: &mut Env<'_>) {
        if let Some(tape) = tape {
            let reason = if result.is_ok() { "finished" } else { "failed" };
            tape.side.finish(recording::end(reason).into_bytes(), env);
        }
    }
}

/// The system that a run takes place on.
pub fn system() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(format!("Linux {}", release.trim()))
}

fn recorder<E: Recorded + Send + 'static>(mut writer: Writer<E>) -> Recorder<E> {
    Box::new(move |now, event, lines| writer.event(now, event, lines))
}

/// Part `at` of the recording at `path`.
fn numbered(path: &Path, at: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{at:02}"));
    name.into()
}

/// The files of the recording at `path`: itself, or its parts, in no order; none if there are none.
pub fn parts(path: &Path) -> Vec<PathBuf> {
    if path.exists() {
        return vec![path.to_owned()];
    }
    (0..=u64::from(PARTS)).map(|at| numbered(path, at)).take_while(|part| part.exists()).collect()
}

/// The files of a recording, used in turns: where one part ends, the oldest makes room. All are open from the start, since a
/// confined process opens none.
struct Parts {
    files: Vec<Retried<File>>,
    current: usize,
    /// Whether nothing was written yet.
    fresh: bool,
    packer: Packer,
}

impl Parts {
    /// Takes lines of one part.
    fn take(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.starts_with(FIRST) && !std::mem::replace(&mut self.fresh, false) {
            self.end()?;
            self.current = (self.current + 1) % self.files.len().max(1);
            if let Some(Retried(oldest)) = self.files.get_mut(self.current) {
                oldest.set_len(0)?;
                oldest.rewind()?;
            }
        }
        self.files.get_mut(self.current).map_or(Ok(()), |file| self.packer.write(lines, file))
    }

    fn end(&mut self) -> io::Result<()> {
        self.files.get_mut(self.current).map_or(Ok(()), |file| self.packer.end(file))
    }
}

impl Write for Parts {
    /// Takes lines up to the next that begins a part.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let after_first = octets.get(1..).unwrap_or_default();
        let next =
            after_first.windows(FIRST.len()).zip(octets).position(|(ahead, &before)| before == b'\n' && ahead == FIRST);
        let here = next.and_then(|at| octets.get(..=at)).unwrap_or(octets);
        self.take(here)?;
        Ok(here.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.files.get_mut(self.current).map_or(Ok(()), |file| self.packer.flush(file))
    }
}

/// All lines were taken, and flushed.
impl Drop for Parts {
    fn drop(&mut self) {
        // Without it the recording is whole, and only gzip misses something.
        let _ = self.end();
    }
}
