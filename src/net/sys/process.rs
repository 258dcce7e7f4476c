//! User and group IDs of this process, and no_new_privs: credentials(7), prctl(2).

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use crate::channel::{Account, ChannelError, OsError};

/// The real user ID, getuid(2).
pub fn real_uid() -> u32 {
    // SAFETY: getuid(2): "These functions are always successful"; they take no arguments.
    unsafe { libc::getuid() }
}

/// The effective user ID, geteuid(2).
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid(2): "These functions are always successful"; they take no arguments.
    unsafe { libc::geteuid() }
}

/// A change of the user ID leaves the permitted capabilities (`PR_SET_KEEPCAPS`, until the next execve(2)).
///
/// # Errors
/// If the kernel refuses.
pub fn keep_capabilities() -> Result<(), ChannelError> {
    // SAFETY: PR_SET_KEEPCAPS(2const): "state … 1"; no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) }, "prctl")
}

/// Makes the real IDs the effective ones; a set-user-ID and a set-group-ID stay in the saved ones.
///
/// # Errors
/// If the kernel refuses.
pub fn act_as_real_user() -> Result<(), ChannelError> {
    // SAFETY: getgid(2), getuid(2): "These functions are always successful"; they take no arguments.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    // SAFETY: setegid(2): "sets the effective group ID of the calling process"; an integer only.
    check(unsafe { libc::setegid(gid) }, "setegid")?;
    // SAFETY: seteuid(2): "sets the effective user ID of the calling process"; an integer only.
    check(unsafe { libc::seteuid(uid) }, "seteuid")
}

/// No execve(2) of this process gives it more than it has from now on (`PR_SET_NO_NEW_PRIVS`).
///
/// # Errors
/// If the kernel refuses.
pub fn set_no_new_privs() -> Result<(), ChannelError> {
    // SAFETY: prctl(2) PR_SET_NO_NEW_PRIVS: "arg2 … is 1; arg3, arg4, and arg5 must be specified as 0"; no pointers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    check(result, "prctl")
}

/// The user of this name in the system's list; `None` if there is none.
pub fn account(name: &str) -> Option<Account> {
    /// getpwnam_r(3) needs room for the strings of an entry; a kilobyte is what sysconf(3) suggests.
    const ROOM: usize = 16 << 10;
    let name = CString::new(name).ok()?;
    let mut strings = vec![0; ROOM];
    let mut found = ptr::null_mut();
    // SAFETY: a `struct passwd` holds integers and pointers, of which zeros are values.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    // SAFETY: getpwnam_r(3): "stores the retrieved passwd structure in the space pointed to by pwd", its strings in a buffer of
    // the size that follows, and "*result" points to it or is NULL; all of them live through the call.
    unsafe { libc::getpwnam_r(name.as_ptr(), &raw mut entry, strings.as_mut_ptr(), strings.len(), &raw mut found) };
    (!found.is_null()).then_some(Account { uid: entry.pw_uid, gid: entry.pw_gid })
}

/// Becomes another user for good, in no group but the user's own.
///
/// # Errors
/// EPERM for everybody but root.
pub fn become_user(Account { uid, gid }: Account) -> Result<(), ChannelError> {
    // SAFETY: setgroups(2): "the size argument specifies the number of supplementary group IDs in the buffer"; none are read.
    check(unsafe { libc::setgroups(0, ptr::null()) }, "setgroups")?;
    // SAFETY: setresgid(2): "sets the real GID, effective GID, and saved set-group-ID"; integers only.
    check(unsafe { libc::setresgid(gid, gid, gid) }, "setresgid")?;
    // SAFETY: setresuid(2): "sets the real user ID, the effective user ID, and the saved set-user-ID"; integers only.
    check(unsafe { libc::setresuid(uid, uid, uid) }, "setresuid")
}

/// Gives up a set-group-ID and a set-user-ID for good: effective and saved IDs become the real ones.
///
/// # Errors
/// If the kernel refuses, or if the IDs are not what they were set to.
pub fn become_real_user() -> Result<(), ChannelError> {
    // SAFETY: getgid(2): "These functions are always successful"; they take no arguments.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    // The group goes first: without the user ID of root it could not be set any more.
    // SAFETY: setresgid(2): "sets the real GID, effective GID, and saved set-group-ID"; integers only.
    check(unsafe { libc::setresgid(gid, gid, gid) }, "setresgid")?;
    // SAFETY: setresuid(2): "sets the real user ID, the effective user ID, and the saved set-user-ID"; integers only.
    check(unsafe { libc::setresuid(uid, uid, uid) }, "setresuid")?;
    let (mut uids, mut gids) = ([0; 3], [0; 3]);
    let [real, effective, saved] = &mut uids;
    // SAFETY: getresuid(2): "returns the real UID, the effective UID, and the saved set-user-ID … in the arguments", three
    // pointers to integers that live through the call.
    check(unsafe { libc::getresuid(real, effective, saved) }, "getresuid")?;
    let [real, effective, saved] = &mut gids;
    // SAFETY: getresgid(2): as getresuid(2), "for the process's group IDs".
    check(unsafe { libc::getresgid(real, effective, saved) }, "getresgid")?;
    if uids != [uid; 3] || gids != [gid; 3] {
        return Err(ChannelError { call: "setresuid", error: OsError::EPERM });
    }
    Ok(())
}

/// The soft and the hard limit of descriptors (RLIMIT_NOFILE), which are infinite as the largest number; `None` if the kernel
/// does not say.
pub fn descriptor_limits() -> Option<(u64, u64)> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit(2): "The rlim argument is a pointer to a rlimit structure", which lives through the call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    (result == 0).then_some((limits.rlim_cur, limits.rlim_max))
}

/// A new descriptor for what this one, which the process was started with, stands for.
///
/// # Errors
/// EBADF if it stands for nothing; EMFILE.
pub fn copy_of(descriptor: RawFd) -> Result<OwnedFd, OsError> {
    // SAFETY: F_DUPFD_CLOEXEC(2const): "Duplicate the file descriptor fd using the lowest-numbered available file descriptor
    // greater than or equal to arg"; integers only.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: as above: the new descriptor was available, so that nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn check(result: libc::c_int, call: &'static str) -> Result<(), ChannelError> {
    if result < 0 { Err(ChannelError { call, error: io::Error::last_os_error().into() }) } else { Ok(()) }
}
