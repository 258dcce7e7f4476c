//! One run of a Machine: its events into a sink, its wishes for names to the resolver.

use std::io;
use std::net::IpAddr;

use crate::channel::{Channel, Lookup, OpenedLanes, Precision};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::driver::{self, Next, Turn};
use crate::engine::Machine;
use crate::report::{Sink, Streams};

/// Runs `machine` until it is finished, or nobody reads what it says.
///
/// `heed` sees every event first, and returns the address whose name the event asks for, if it does.
pub fn drive<M: Machine>(
    opened: &mut OpenedLanes,
    machine: &mut M,
    precision: Precision,
    sink: &mut dyn Sink<M::Event>,
    env: &mut Env<'_>,
    mut heed: impl FnMut(&M::Event) -> Option<IpAddr>,
) -> Result<(), CliError> {
    let mut failure = None;
    let lookup = &mut opened.lookup;
    let channel: &mut dyn Channel = opened.channel.as_mut();
    driver::run(channel, machine, precision, |turn| {
        let written = match turn {
            Turn::Event(event) => {
                ask(lookup, heed(&event));
                sink.event(&event, &mut Streams { data: &mut *env.stdout, talk: &mut *env.stderr })
            }
            Turn::Idle => env.stdout.flush(),
        };
        match written {
            Ok(()) => Next::Continue,
            Err(error) => {
                failure = Some(error);
                Next::Stop
            }
        }
    })?;
    // What is left to be written is the caller's to flush, who waits for it.
    match failure {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

fn ask(lookup: &mut Option<Lookup>, wanted: Option<IpAddr>) {
    if let (Some(lookup), Some(address)) = (lookup, wanted) {
        lookup(address);
    }
}
