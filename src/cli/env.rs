//! The world a tool runs in: [`Env`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;

use crate::channel::{
    Account, ChannelError, Control, Host, NotServed, OpenedLanes, OsError, PassedSocket, Plan, Route,
};
use crate::cli::args::result_file::ResultFile;
use crate::cli::error::CliError;
use crate::cli::file::Retried;
use crate::cli::output::{Output, Stream, System};
use crate::net::{self, Terminal};
use crate::report::LocalOffset;
use crate::types::ClockError;

/// Opens every lane once for each of several workers, drops privileges, routes signals.
pub type Open<'a> = &'a mut dyn FnMut(&Plan, usize) -> Result<Vec<OpenedLanes>, ChannelError>;

/// Everything outside: what a run reads, writes, opens and asks.
pub struct Env<'a> {
    /// Standard input.
    pub stdin: Box<dyn Read + Send>,
    /// Standard output: results.
    pub stdout: &'a mut dyn Write,
    /// Standard error: everything else.
    pub stderr: &'a mut dyn Write,
    /// Whether the reader of the streams is so far behind that writing waits for it.
    pub stalled: &'a dyn Fn() -> bool,
    /// The file of the program, as a shell takes it.
    pub executable: &'a dyn Fn() -> String,
    /// Whether standard error is a terminal.
    pub terminal: bool,
    /// The terminal on standard output, if that is one; before anything is opened.
    pub screen: &'a dyn Fn() -> Option<Terminal>,
    /// A variable of the environment, if it is set to anything.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The real user ID; 0 may flood.
    pub uid: u32,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// How far the wall clock may be off; `None` if it is not kept in step with UTC.
    pub clock_error: Option<ClockError>,
    /// The zone of the local time.
    pub local_offset: LocalOffset,
    /// The index of an interface.
    pub interface_index: &'a dyn Fn(&str) -> Option<NonZeroU32>,
    /// The user of this name.
    pub account: &'a dyn Fn(&str) -> Option<Account>,
    /// What kind of socket a descriptor is that the process was started with.
    pub passed_socket: &'a dyn Fn(i32) -> Result<PassedSocket, NotServed>,
    /// The broadcast addresses of this host's interfaces.
    pub broadcasts: &'a dyn Fn() -> Vec<IpAddr>,
    /// The name of an interface.
    pub interface_name: &'a dyn Fn(NonZeroU32) -> Option<String>,
    /// The interfaces that a link-local address may belong to.
    pub interfaces_with_link: &'a dyn Fn() -> Vec<(NonZeroU32, Box<str>)>,
    /// The file of the results, if not standard output.
    pub result_file: Option<ResultFile>,
    /// Makes a file standard output.
    pub redirect: &'a dyn Fn(File) -> io::Result<()>,
    /// What the host allows (`--doctor`), and its route to an address.
    pub host: &'a dyn Fn() -> Host,
    pub route: &'a dyn Fn(IpAddr) -> Result<Route, OsError>,
    /// Sockets.
    pub open_lanes: Open<'a>,
    /// Ends the process by the signal that asked for this; may return.
    pub die_by: fn(&Control),
}

impl Env<'_> {
    /// A message whose hints name the file of the program, so that they can be pasted.
    pub fn with_executable(&self, message: String) -> String {
        if message.contains("PROGRAM") { message.replace("PROGRAM", &(self.executable)()) } else { message }
    }

    /// From now on results go to this file, if one was named.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_to(&mut self, path: Option<&Path>) -> Result<(), CliError> {
        let Some(path) = path.filter(|path| path.as_os_str() != "-") else { return Ok(()) };
        let opened = ResultFile::open(path, self.uid).and_then(|(file, result)| {
            (self.redirect)(file)?;
            Ok(result)
        });
        self.result_file = Some(opened.map_err(|error| CliError::ResultFile(path.to_owned(), error))?);
        Ok(())
    }

    /// Opens every lane once for each of several workers, and says what confines the process if `verbose` names the program.
    ///
    /// # Errors
    /// As [`Env::open_lanes`].
    pub fn open(
        &mut self,
        plan: &Plan,
        workers: usize,
        verbose: Option<&str>,
    ) -> Result<Vec<OpenedLanes>, ChannelError> {
        let plan =
            Plan { replaces: self.result_file.as_ref().and_then(|file| Some(file.replaces()?.into())), ..plan.clone() };
        let opened = (self.open_lanes)(&plan, workers)?;
        if let (Some(program), Some(sandbox)) = (verbose, opened.first().and_then(|first| first.sandbox.as_ref())) {
            let _ = writeln!(self.stderr, "{program}: sandbox: {sandbox}");
        }
        Ok(opened)
    }

    /// The same for one worker.
    ///
    /// # Errors
    /// As [`Env::open_lanes`], or if nothing was opened.
    pub fn open_once(&mut self, plan: &Plan, verbose: Option<&str>) -> Result<OpenedLanes, ChannelError> {
        let mut all = self.open(plan, 1, verbose)?;
        all.pop().ok_or(ChannelError { call: "open", error: OsError::EINVAL })
    }
}

/// The file of this program, where it is known and needs no quotes.
fn executable() -> String {
    let plain = |path: &str| path.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"/._-+".contains(&octet));
    let file = std::env::current_exe().ok().and_then(|file| file.into_os_string().into_string().ok());
    file.filter(|path| plain(path)).unwrap_or_else(|| "PROGRAM".to_owned())
}

/// Runs a tool with everything real; returns its status, and the file of its results.
fn in_world(
    words: &[OsString],
    output: &Output<io::Stdout, io::Stderr>,
    seed: u64,
    tool: fn(&[OsString], &mut Env<'_>) -> u8,
) -> (u8, Option<ResultFile>) {
    let mut stream = (output.stream(Stream::Data), output.stream(Stream::Talk));
    let stalled = || output.is_full();
    let mut open_lanes = |plan: &Plan, workers| {
        let opened = net::open_several(plan, workers);
        output.detach();
        opened
    };
    // A disk is no reader that stalls, and what it holds has to be whole.
    if net::is_file(&io::stdout()) {
        output.wait_to_the_end();
    }
    let redirect = |file: File| {
        if net::is_file(&file) {
            output.wait_to_the_end();
        }
        net::redirect_stdout(file)
    };
    let mut env = Env {
        stdin: Box::new(io::stdin()),
        stdout: &mut stream.0,
        stderr: &mut stream.1,
        stalled: &stalled,
        executable: &executable,
        terminal: io::stderr().is_terminal(),
        screen: &|| io::stdout().is_terminal().then(Terminal::open)?.ok(),
        variable: &|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
        },
        uid: net::real_uid(),
        seed,
        clock_error: net::clock_error(),
        local_offset: net::local_offset,
        interface_index: &net::interface_index,
        account: &net::account,
        passed_socket: &net::passed_socket,
        broadcasts: &net::broadcasts,
        interface_name: &net::interface_name,
        interfaces_with_link: &net::interfaces_with_link,
        host: &net::host,
        route: &net::route,
        result_file: None,
        redirect: &redirect,
        open_lanes: &mut open_lanes,
        die_by: net::die_by,
    };
    (tool(words, &mut env), env.result_file.take())
}

/// Runs a tool in the real world.
pub fn real_main(tool: fn(&[OsString], &mut Env<'_>) -> u8) -> ExitCode {
    net::survive_file_limits();
    // Even the capabilities are read into a set of the standard library, which needs random numbers.
    let seed = net::random_seed().and_then(|seed| net::rest_privileges().map(|()| seed));
    let seed = match seed {
        Ok(seed) => seed,
        Err(error) => {
            let _ = writeln!(Retried(io::stderr()), "{error}");
            return ExitCode::from(super::NOT_RUN);
        }
    };
    let words: Vec<OsString> = std::env::args_os().collect();
    let system = System {
        ending: net::asked_to_end,
        has_room: |stream| match stream {
            Stream::Data => net::has_room(&io::stdout()),
            Stream::Talk => net::has_room(&io::stderr()),
        },
        write_at_once: |stream, octets| match stream {
            Stream::Data => net::write_at_once(&io::stdout(), octets),
            Stream::Talk => net::write_at_once(&io::stderr(), octets),
        },
    };
    let output = Output::new(io::stdout(), io::stderr(), system);
    let (status, result_file) = in_world(&words, &output, seed, tool);
    let program = words.first().map_or_else(Default::default, |word| word.to_string_lossy());
    let path = result_file.as_ref().map(|file| file.path().to_owned());
    let written = match (output.finish(), result_file) {
        (Ok(()), Some(file)) => file.publish(),
        (Err(error), Some(file)) => {
            file.discard();
            Err(error)
        }
        (written, None) => written,
    };
    match written {
        // Output after a closed pipe is not missed.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(Retried(io::stderr()), "{program}: {}", CliError::Output(error).in_file(path.as_deref()));
            ExitCode::from(super::NOT_RUN)
        }
        _ => ExitCode::from(status),
    }
}
