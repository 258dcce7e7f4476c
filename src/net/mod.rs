//! The kernel side of the seam: [`open()`] makes a [`Channel`](crate::channel::Channel) over real sockets, and the rest are
//! questions to the system that `cli` asks before.
//!
//! `lane` opens sockets, `send` and `receive` use them, `poller` waits for them, `kernel` puts these together. Every `unsafe`
//! and every name of the C library is in `sys`.

mod accept;
mod alike;
mod clock;
mod connect;
mod connection;
mod header;
mod host;
mod ident;
mod interface;
mod kernel;
mod lane;
mod limit;
mod listen;
mod mailbox;
#[cfg(feature = "dns")]
mod name_servers;
#[cfg(feature = "dns")]
mod names;
mod netlink;
mod notify;
mod open;
mod passed;
mod poller;
mod privilege;
mod raw;
mod receive;
mod resolve;
mod route;
#[cfg(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod sandbox;
mod send;
mod socket;
mod stamp;
mod stream;
mod sys;
mod terminal;

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use std::sync::{Arc, Once};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::channel::{
    ChannelError, Control, LaneId, LaneRefused, Lookup, OpenedLanes, OsError, Plan, PostControl, Protocol, Sandbox,
    SourceLookup,
};
use kernel::KernelChannel;
use lane::Lane;
use mailbox::Mailbox;

pub use clock::{error as clock_error, local_offset, now};
pub use host::host;
pub use netlink::route;
pub use notify::Notifier;
pub use passed::describe as passed_socket;
pub use privilege::rest as rest_privileges;
pub use resolve::{resolve, resolve_in_place};
#[cfg(feature = "exporter")]
pub use sys::allocator::keep_little;
pub use sys::interface::{
    broadcasts, index_of as interface_index, name_of as interface_name, with_link as interfaces_with_link,
};
pub use sys::process::{account, real_uid};
#[cfg(feature = "exporter")]
pub use sys::schedule::take_short_turns;
pub use sys::signal::{
    TerminalSignal, asked_to_end, die as die_by, hangups, hold as hold_ends, let_through as let_ends_through,
    survive_file_limits,
};
pub use terminal::{Terminal, TerminalInput, finish_restoring, restore_terminal};

/// Makes a file standard output.
///
/// # Errors
/// Of dup2(2).
pub fn redirect_stdout(file: std::fs::File) -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdout(file)?)
}

/// Whether the system says that this can be written to without waiting.
pub fn has_room(stream: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    // What cannot be asked about is as good as one that refuses for no reason.
    !poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready == 0)
}

/// Writes what can be written without waiting, and returns how many octets that were: none where the system cannot say so, as of
/// terminals.
pub fn write_at_once(stream: &impl AsFd, octets: &[u8]) -> usize {
    // As write(2), where the stream stands: pwritev2(2), "If offset is -1".
    const HERE: u64 = u64::MAX;
    pwritev2(stream, &[IoSlice::new(octets)], HERE, ReadWriteFlags::NOWAIT).unwrap_or_default()
}

/// Whether this is a file of a disk.
pub fn is_file(stream: &impl AsFd) -> bool {
    fstat(stream).is_ok_and(|about| FileType::from_raw_mode(about.st_mode).is_file())
}

/// Opens every lane of `plan`, gives up all privileges for good, routes SIGINT, SIGTERM and SIGQUIT into the channel, and starts
/// the thread that asks name servers if the plan wants to know anything of them. Call it once, from the only thread: capabilities
/// and blocked signals are those of a thread, and later threads inherit them.
///
/// # Errors
/// If there is no channel, or if privileges cannot be given up. A lane that is refused is no error of this kind.
pub fn open(plan: &Plan) -> Result<OpenedLanes, ChannelError> {
    open_in_process(plan, Process { drop_privileges: true, take_signals: true })
}

/// The same for several threads that share the work: every lane once for each of `workers`, all of them before privileges are
/// given up. The first channel gets the signals, and the reverse names.
///
/// # Errors
/// As [`open()`].
pub fn open_several(plan: &Plan, workers: usize) -> Result<Vec<OpenedLanes>, ChannelError> {
    open_for(plan, workers, Process { drop_privileges: true, take_signals: true })
}

/// What opening may change about the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// All privileges of the calling thread are given up for good.
    pub drop_privileges: bool,
    /// SIGINT, SIGTERM and SIGQUIT are routed into the channel.
    pub take_signals: bool,
}

/// [`open()`] for a program that keeps its privileges and signals, as far as `process` says so.
///
/// # Errors
/// As [`open()`].
pub fn open_in_process(plan: &Plan, process: Process) -> Result<OpenedLanes, ChannelError> {
    let mut all = open_for(plan, 1, process)?;
    all.pop().ok_or(ChannelError { call: "open", error: OsError::EINVAL })
}

fn open_for(plan: &Plan, workers: usize, process: Process) -> Result<Vec<OpenedLanes>, ChannelError> {
    if process.drop_privileges {
        privilege::raise_for_opening();
    }
    if plan.lanes.iter().any(|lane| matches!(lane.protocol, Protocol::Tcp | Protocol::Unix)) {
        limit::raise();
    }
    let lanes = || (0..).zip(&plan.lanes).map(|(index, lane)| open::open(LaneId::new(index), lane)).collect();
    let opened: Vec<Lanes> = (0..workers).map(|_| lanes()).collect();
    // Each worker has sockets of its own for that as well, so that none waits for another.
    let sources: Vec<_> = (0..workers).map(|_| route::sources(&plan.lanes)).collect();
    if process.drop_privileges {
        privilege::drop_all(plan.user)?;
    }
    let sandbox = sandboxed(plan);
    let mut signals = if process.take_signals { Some(sys::signal::route(plan.screen)?) } else { None };
    let channel = |(worker, (lanes, source_for))| {
        channel(lanes, signals.take(), worker == 0, plan, (source_for, sandbox.clone()))
    };
    opened.into_iter().zip(sources).enumerate().map(channel).collect()
}

type Lanes = Vec<Result<Lane, LaneRefused>>;

/// A channel over lanes that are open.
fn channel(
    opened: Lanes,
    signals: Option<OwnedFd>,
    first: bool,
    plan: &Plan,
    (source_for, sandbox): (SourceLookup, Option<Sandbox>),
) -> Result<OpenedLanes, ChannelError> {
    let mailbox =
        Mailbox::new().map_err(|error| ChannelError { call: "eventfd", error: io::Error::from(error).into() })?;
    let mailbox = Arc::new(mailbox);
    let lanes = opened.iter().map(|opened| opened.as_ref().map(|lane| lane.id).map_err(Clone::clone)).collect();
    let channel = KernelChannel::new(opened.into_iter().map(Result::ok).collect(), signals, Arc::clone(&mailbox))?;
    let lookup = if first { lookup(plan, Arc::clone(&mailbox)) } else { None };
    let addresses = resolve::lookup(&mailbox);
    let post: PostControl = Arc::new(move |control| mailbox.put(control));
    Ok(OpenedLanes { channel: Box::new(channel), lanes, lookup, addresses, source_for, sandbox, post: Some(post) })
}

/// Confines this thread and those it starts, if the plan asks for that.
#[cfg(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn sandboxed(plan: &Plan) -> Option<Sandbox> {
    let listening = plan.lanes.iter().filter_map(|lane| match &lane.listen {
        Some(crate::types::Endpoint::Unix(path)) if lane.passed.is_none() => Some(&**path),
        _ => None,
    });
    let resolves = plan.names || plan.origins.is_some() || !plan.numeric;
    (plan.sandbox != crate::channel::Confinement::None)
        .then(|| sandbox::enter(plan.sandbox, resolves, &listening.collect::<Vec<_>>(), plan.replaces.as_deref()))
}

#[cfg(not(all(feature = "sandbox", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))))]
fn sandboxed(_: &Plan) -> Option<Sandbox> {
    None
}

/// A thread to start, with a stack that no variable of the environment makes too small.
pub fn thread(name: &str) -> std::thread::Builder {
    const STACK_OCTETS: usize = 2 << 20;
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_OCTETS)
}

/// From now on this thread, and those that it starts, run after the others where processors are scarce.
pub fn yield_to_others() {
    const NICE: i32 = 5;
    // Where that is not allowed, all are equal.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// The thread that asks name servers.
const NAMES: &str = "names";

/// From now on a panic of any thread is reported on a terminal that can be read. That of the thread that asks name servers is
/// not reported, and nothing but its questions suffers: its libraries panic where the kernel refuses them events or random numbers.
fn prepare_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some(NAMES) {
                restore_terminal();
                usual(panic);
            }
        }));
    });
}

/// Whether the system has a thread to give.
pub fn has_threads() -> bool {
    thread("a try").spawn(|| {}).is_ok_and(|thread| thread.join().is_ok())
}

/// 64 bits that differ from run to run; not for secrets.
///
/// # Errors
/// If the system gives no random numbers, without which the standard library's maps cannot be had either.
pub fn random_seed() -> Result<u64, ChannelError> {
    let mut seed = [0; 8];
    let failed = |error: io::Error| ChannelError { call: "getrandom", error: error.into() };
    match getrandom(&mut seed, GetRandomFlags::empty()) {
        Ok(_) => {}
        // As in the standard library: old kernels and filters of system calls leave the device.
        Err(Errno::NOSYS | Errno::PERM) => {
            File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed)).map_err(failed)?;
        }
        Err(error) => return Err(failed(error.into())),
    }
    if !maps_can_be_had() {
        return Err(failed(Errno::IO.into()));
    }
    Ok(u64::from_ne_bytes(seed))
}

/// Whether the standard library has random numbers for the maps of this thread: it asks for them once, and panics without.
fn maps_can_be_had() -> bool {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let had = panic::catch_unwind(|| drop(std::hash::RandomState::new())).is_ok();
    panic::set_hook(hook);
    had
}

/// Whether this build asks name servers at all.
pub const ASKS_NAME_SERVERS: bool = cfg!(feature = "dns");

#[cfg(feature = "dns")]
fn lookup(plan: &Plan, answers: Arc<Mailbox<Control>>) -> Option<Lookup> {
    names::start(plan, answers)
}

#[cfg(not(feature = "dns"))]
fn lookup(_: &Plan, _: Arc<Mailbox<Control>>) -> Option<Lookup> {
    None
}
