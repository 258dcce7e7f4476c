//! Where the packets of a run are written (`--pcap`).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};

use crate::capture::{Outcomes, Tap};
use crate::channel::{OpenedLanes, Plan};
use crate::cli::args::record::RecordArgs;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::file::Retried;
use crate::cli::side::{Side, Wanted};
use crate::cli::tape;
use crate::wire::pcapng::{self, Section};

/// A capture that is being written.
pub struct Pcap {
    side: Side,
    /// The system that the run takes place on.
    system: String,
}

impl Pcap {
    /// The capture that was asked for, if one was. Nothing is written yet.
    ///
    /// # Errors
    /// If its file cannot be created.
    pub fn open(args: &RecordArgs, program: &str) -> Result<Option<Pcap>, CliError> {
        let Some(path) = &args.pcap else { return Ok(None) };
        let wanted = Wanted { option: ("--pcap", "capture"), path, force: args.force };
        let writer = |files| -> Box<dyn Write + Send> { Box::new(Blocks { files, rest: Vec::new() }) };
        let side = Side::open(wanted, |path| vec![path.to_owned()], program, writer)?;
        Ok(Some(Pcap { side, system: tape::system().unwrap_or_default() }))
    }

    /// Begins to write, and returns what sees the packets of each of these workers. Not before privileges are dropped.
    pub fn begin<E: Outcomes>(
        &mut self,
        (tool, words): (&str, &[OsString]),
        opened: &[&OpenedLanes],
        plan: &Plan,
        env: &mut Env<'_>,
    ) -> Vec<Tap<E>> {
        self.side.begin();
        let line: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let section = Section {
            comment: &line.join(" "),
            system: &self.system,
            application: &format!("{tool} {}", env!("CARGO_PKG_VERSION")),
        };
        let mut first = Vec::new();
        pcapng::push_section(&section, &mut first);
        // A closed standard output shows itself again.
        let _ = self.side.take(&mut first, env);
        opened.iter().map(|opened| Tap::new(opened, plan)).collect()
    }

    /// Where it goes.
    pub fn side(&mut self) -> &mut Side {
        &mut self.side
    }

    /// Ends the capture, if there is one.
    pub fn end(pcap: Option<Pcap>, env: &mut Env<'_>) {
        if let Some(pcap) = pcap {
            pcap.side.finish(Vec::new(), env);
        }
    }
}

/// A file that is written in whole blocks, so that a run that is killed leaves one that can be read.
struct Blocks {
    files: Vec<Retried<File>>,
    rest: Vec<u8>,
}

impl Write for Blocks {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let whole = pcapng::whole_blocks(&self.rest);
        let blocks = self.rest.get(..whole).unwrap_or_default();
        self.files.iter_mut().try_for_each(|file| file.write_all(blocks))?;
        self.rest.drain(..whole);
        Ok(())
    }
}
