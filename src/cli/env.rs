//! The world a tool runs in: [`Env`].

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::process::ExitCode;

use super::complain::Trouble;
use super::output::DetachedWriter;
use crate::channel::{ChannelError, LanePlan, OpenedLanes, OsError, Plan};
use crate::net::{self, ResolveError, Resolved};
use crate::types::{ClockError, Family, IpEndpoint};

/// The addresses of a name, best first, all of one family if one is asked for.
pub type Resolve<'a> = &'a dyn Fn(&str, Option<Family>) -> Result<Resolved, ResolveError>;
/// The source address that packets of such a lane to an endpoint would have.
pub type SourceFor<'a> = &'a dyn Fn(IpEndpoint, &LanePlan) -> Result<IpAddr, OsError>;
/// Opens lanes, drops privileges, routes signals.
pub type Open<'a> = &'a mut dyn FnMut(&Plan) -> Result<OpenedLanes, ChannelError>;

/// Everything outside: what a run reads, writes, opens and asks.
pub struct Env<'a> {
    /// Standard input.
    pub stdin: &'a mut dyn BufRead,
    /// Data.
    pub stdout: &'a mut dyn Write,
    /// Talk.
    pub stderr: &'a mut dyn Write,
    /// The real user's number; 0 may flood.
    pub uid: u32,
    /// Seed of everything random in the run.
    pub seed: u64,
    /// How far the wall clock may be off; `None` if it is not kept in step with UTC.
    pub clock_error: Option<ClockError>,
    /// Forward names.
    pub resolve: Resolve<'a>,
    /// The index of an interface.
    pub interface_index: &'a dyn Fn(&str) -> Option<u32>,
    /// Routes.
    pub source_for: SourceFor<'a>,
    /// Sockets.
    pub open: Open<'a>,
}

/// Runs a tool in the real world.
pub fn real_main(tool: fn(&[OsString], &mut Env<'_>) -> u8) -> ExitCode {
    if let Err(error) = net::rest_privileges() {
        let _ = writeln!(io::stderr(), "{error}");
        return ExitCode::from(super::NOT_RUN);
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let mut stdout = DetachedWriter::new(io::stdout());
    let status = tool(
        &words,
        &mut Env {
            stdin: &mut io::stdin().lock(),
            stdout: &mut stdout,
            stderr: &mut io::stderr(),
            uid: net::real_uid(),
            seed: net::random_seed(),
            clock_error: net::clock_error(),
            resolve: &net::resolve,
            interface_index: &net::interface_index,
            source_for: &net::source_for,
            open: &mut net::open,
        },
    );
    match stdout.finish() {
        // What a reader that has gone did not read, it did not want.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let program = words.first().map_or_else(Default::default, |word| word.to_string_lossy());
            let _ = writeln!(io::stderr(), "{program}: {}", Trouble::Output(error));
            ExitCode::from(super::NOT_RUN)
        }
        _ => ExitCode::from(status),
    }
}
