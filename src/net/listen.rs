//! Listening sockets: addresses, groups, files of local sockets, and accepting connections ([`accept`]).

use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketAddrUnix, SocketFlags, acceptfrom_with};
use socket2::{Domain, InterfaceIndexOrAddress, SockAddr, Socket, Type};

use super::header;
use super::socket::{self, OpenFailure};
use super::sys::interface;
use super::sys::option::{self, *};
use crate::channel::{Group, LanePlan, OsError, SocketKind};
use crate::types::{Endpoint, Family, IpEndpoint};

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A listening TCP socket. Accepted connections inherit its options.
///
/// # Errors
/// The call that failed, and how.
pub fn tcp_listener(plan: &LanePlan, at: &Endpoint) -> Result<Socket, OpenFailure> {
    let socket = socket::open(plan, Type::STREAM)?;
    let settings = [
        (TCP_NODELAY, Some(1)),
        // So that an IPv4 lane can have the same port.
        (IPV6_V6ONLY, (plan.family == Family::V6).then_some(1)),
    ];
    option::set_all(socket.as_fd(), &settings)?;
    option::set_all(socket.as_fd(), &header::options(plan.family, plan.header.ttl, plan.header.tos))?;
    socket::configure_sending(socket.as_fd(), plan, SocketKind::Stream)?;
    socket::bind_device(&socket, plan)?;
    // A restart must not wait for the connections of before, which are in TIME-WAIT.
    socket.set_reuse_address(true).map_err(|error| ("SO_REUSEADDR", error.into()))?;
    bind(&socket, plan, at)?;
    listen(&socket)?;
    Ok(socket)
}

/// Starts to listen.
///
/// # Errors
/// `listen`: EADDRINUSE …
pub fn listen(socket: &Socket) -> Result<(), OpenFailure> {
    socket.listen(BACKLOG).map_err(|error| ("listen", error.into()))
}

/// Binds a UDP socket to where it listens.
///
/// # Errors
/// The call that failed, and how.
pub fn bind_datagrams(socket: &Socket, plan: &LanePlan, at: &Endpoint) -> Result<(), OpenFailure> {
    // By default a socket receives from all groups joined on this host. Kernels before 4.20 cannot change that for IPv6.
    let _ = plan.family.pick(IP_MULTICAST_ALL, IPV6_MULTICAST_ALL).set(socket.as_fd(), 0);
    if !plan.groups.is_empty() {
        // Several processes may join one group.
        socket.set_reuse_address(true).map_err(|error| ("SO_REUSEADDR", error.into()))?;
    }
    bind(socket, plan, at)
}

/// Joins the plan's multicast groups.
///
/// # Errors
/// `IP_ADD_MEMBERSHIP` or `IPV6_ADD_MEMBERSHIP`: ENODEV if there is no such interface, or no route to the group; EINVAL if it
/// is no group.
pub fn join_groups(socket: &Socket, plan: &LanePlan) -> Result<(), OpenFailure> {
    for Group { address, interface } in &plan.groups {
        let index = match interface.as_deref().or(plan.interface.as_deref()) {
            Some(name) => interface::index_of(name).map(NonZeroU32::get).ok_or(OsError::ENODEV),
            None => Ok(0),
        };
        let (call, joined) = match (address, plan.family) {
            (IpAddr::V4(group), Family::V4) => {
                let join = |index| {
                    let interface = InterfaceIndexOrAddress::Index(index);
                    socket.join_multicast_v4_n(group, &interface).map_err(OsError::from)
                };
                ("IP_ADD_MEMBERSHIP", index.and_then(join))
            }
            (IpAddr::V6(group), Family::V6) => {
                let join = |index| socket.join_multicast_v6(group, index).map_err(OsError::from);
                ("IPV6_ADD_MEMBERSHIP", index.and_then(join))
            }
            (IpAddr::V4(_), _) => ("IP_ADD_MEMBERSHIP", Err(OsError::EAFNOSUPPORT)),
            (IpAddr::V6(_), _) => ("IPV6_ADD_MEMBERSHIP", Err(OsError::EAFNOSUPPORT)),
        };
        joined.map_err(|error| (call, error))?;
    }
    Ok(())
}

/// Binds a local socket, replacing the file of one that is closed; with an empty path, to a name that the kernel chooses.
///
/// # Errors
/// `bind`: EADDRINUSE if another process has a socket there, listening or not, or if the file is not a socket; EACCES, ENOENT …
pub fn bind_local(socket: &Socket, at: &Endpoint) -> Result<Option<SocketFile>, OpenFailure> {
    let failed = |error: OsError| ("bind", error);
    let Endpoint::Unix(path) = at else {
        return Err(failed(OsError::EAFNOSUPPORT));
    };
    let name = SockAddr::unix(path).map_err(|error| failed(error.into()))?;
    // Other names have no file.
    if path.as_os_str().as_bytes().first().is_some_and(|&first| first != 0) {
        remove_left(folder_of(path));
    }
    match socket.bind(&name).map_err(OsError::from) {
        Err(OsError::EADDRINUSE) if is_stale(path) => {
            replace(path, || socket.bind(&name).map_err(|error| failed(error.into())))?;
        }
        bound => bound.map_err(failed)?,
    }
    Ok(SocketFile::at(path))
}

/// The file of a local socket of ours, removed on drop.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The socket at `path`; an abstract name has no file.
    fn at(path: &Path) -> Option<Self> {
        let file = fs::symlink_metadata(path).ok()?;
        Some(SocketFile { path: path.to_owned(), device: file.dev(), inode: file.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have replaced it.
        let still_ours =
            fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode));
        if still_ours {
            // Without permission it stays; the next process to bind there finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Accepts a connection that waits at this listener; returns it with its peer.
///
/// # Errors
/// EAGAIN if none waits; EMFILE, ENFILE, ENOBUFS if there is no room for one; others are those of that one connection.
pub fn accept(listener: &Socket) -> Result<(Socket, Endpoint), OsError> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
        .map_err(|error| OsError::from_code(error.raw_os_error()))?;
    Ok((socket.into(), peer.map_or_else(|| Endpoint::Unix(Path::new("").into()), endpoint)))
}

fn endpoint(peer: SocketAddrAny) -> Endpoint {
    if let Ok(internet) = SocketAddr::try_from(peer.clone()) {
        return Endpoint::Ip(IpEndpoint::from(internet).canonical());
    }
    let local = SocketAddrUnix::try_from(peer).ok();
    let bound =
        local.as_ref().map(|local| (local.path_bytes().map(OsStr::from_bytes).map(Path::new), local.abstract_name()));
    Endpoint::Unix(bound.and_then(|(path, name)| path_of(path, name)).unwrap_or_default().into())
}

/// The path of a local socket's name, which for an abstract one begins with NUL; `None` without a name.
pub fn path_of(path: Option<&Path>, name: Option<&[u8]>) -> Option<PathBuf> {
    match name {
        Some([]) => None,
        Some(name) => Some(Path::new(OsStr::from_bytes(&[b"\0", name].concat())).to_owned()),
        None => path.map(Path::to_owned),
    }
}

fn bind(socket: &Socket, plan: &LanePlan, at: &Endpoint) -> Result<(), OpenFailure> {
    let at = at.ip().filter(|at| at.family() == plan.family).ok_or(("bind", OsError::EAFNOSUPPORT))?;
    // A link-local address only means something on its interface (RFC 4007 §6).
    let zone = match plan.interface.as_deref() {
        Some(name) if at.zone.is_none() => interface::index_of(name),
        _ => at.zone,
    };
    let at = SocketAddr::from(IpEndpoint { zone, ..at });
    socket.bind(&at.into()).map_err(|error| ("bind", error.into()))
}

/// The name to which such a file is moved before it is deleted: short, as the names of sockets must be.
const ASIDE: &str = ".rpong";

/// Removes what a process has left that was killed while it replaced the file of a socket in this folder.
fn remove_left(folder: &Path) {
    let aside = folder.join(ASIDE);
    if is_stale(&aside)
        && let Ok(_lock) = lock(folder)
        && is_stale(&aside)
    {
        let _ = fs::remove_file(&aside);
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Takes the file of a closed socket away and binds in its place.
///
/// A lock on the folder keeps others of our kind out. Programs that know nothing of it may still bind there at any time, so the
/// file is first moved aside: what is then deleted is what was looked at. If that has an owner after all, it is put back.
fn replace(path: &Path, bind: impl FnOnce() -> Result<(), OpenFailure>) -> Result<(), OpenFailure> {
    let in_use = Err(("bind", OsError::EADDRINUSE));
    let folder = folder_of(path);
    let _lock = lock(folder)?;
    let aside = folder.join(ASIDE);
    let rename = |from: &Path, to: &Path| renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
    if !is_stale(path) || rename(path, &aside).is_err() {
        return in_use;
    }
    if !is_stale(&aside) {
        // If another has bound there in this instant, there is no place to put it back to.
        let _ = rename(&aside, path);
        return in_use;
    }
    fs::remove_file(&aside).map_err(|error| ("unlink", error.into()))?;
    bind()
}

/// An exclusive lock on a folder, until the descriptor is closed. Every user who can read it can hold one, so the wait for it is short.
fn lock(folder: &Path) -> Result<fs::File, OpenFailure> {
    const ATTEMPTS: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(10);
    let file = fs::File::open(folder).map_err(|error| ("open", error.into()))?;
    for _ in 0..ATTEMPTS {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
            Err(error) => return Err(("flock", OsError::from_code(error.raw_os_error()))),
        }
    }
    Err(("flock", OsError::EAGAIN))
}

/// Whether `path` is the file of a socket that is closed. Connecting to it with a datagram socket shows that: to one that another
/// process has, of whatever type and whether it listens or not, that succeeds or fails in another way, and disturbs no process.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let answer =
        || Socket::new_raw(Domain::UNIX, Type::DGRAM.nonblocking().cloexec(), None)?.connect(&SockAddr::unix(path)?);
    is_socket && answer().is_err_and(|error| OsError::from(error) == OsError::ECONNREFUSED)
}
