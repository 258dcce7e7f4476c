//! Privileges: used while sockets are opened, then given up for good.

use caps::{CapSet, Capability};

use super::sys::process;
use crate::channel::{Account, ChannelError, OsError};

/// What opening needs: raw sockets, marks on kernels before 5.17, and listeners on ports below 1024.
const NEEDED: [Capability; 3] = [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN, Capability::CAP_NET_BIND_SERVICE];

/// Acts as the real user from here on, before any file or name is read: a set-user-ID is gone, and what opening needs of its
/// capabilities, or of those of the file, is permitted and not in effect. A set-user-ID allows no marks: the administrator who set it meant
/// `ping`, not routing. What a real root may do stays as it is until the sockets are open.
///
/// # Errors
/// If the kernel refuses.
pub fn rest() -> Result<(), ChannelError> {
    if process::real_uid() == 0 {
        return process::act_as_real_user();
    }
    let marks = process::effective_uid() == process::real_uid();
    process::keep_capabilities()?;
    process::become_real_user()?;
    let permitted = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let needed = NEEDED.into_iter().filter(|&capability| marks || capability != Capability::CAP_NET_ADMIN);
    let needed = needed.filter(|capability| permitted.contains(capability)).collect();
    let refused = ChannelError { call: "capset", error: OsError::EPERM };
    caps::clear(None, CapSet::Effective).map_err(|_| refused)?;
    caps::set(None, CapSet::Permitted, &needed).map_err(|_| refused)
}

/// Whether this user may set marks, or the program was given its capabilities for that. Since Linux 5.17 cap_net_raw is
/// enough for the kernel; a file has it for the sake of raw sockets.
pub fn may_mark() -> bool {
    let has = |set, capability| caps::has_cap(None, set, capability).unwrap_or(false);
    process::real_uid() == 0
        || has(CapSet::Permitted, Capability::CAP_NET_ADMIN)
        || has(CapSet::Ambient, Capability::CAP_NET_RAW)
}

/// Makes permitted capabilities effective: those of the file (`setcap cap_net_raw+p`), or those of a set-user-ID program.
pub fn raise_for_opening() {
    for capability in NEEDED {
        if caps::has_cap(None, CapSet::Permitted, capability).unwrap_or(false) {
            // If this fails, the socket call reports the error.
            let _ = caps::raise(None, CapSet::Effective, capability);
        }
    }
}

/// Gives up every capability and a set-user-ID or set-group-ID, so that nothing brings them back. A real root stays user 0,
/// with no capability, unless it is to become another user. Threads that already run keep theirs: none may.
///
/// # Errors
/// If anything is left.
pub fn drop_all(user: Option<Account>) -> Result<(), ChannelError> {
    process::set_no_new_privs()?;
    // Without CAP_SETPCAP it stays as it is: no_new_privs already keeps it from granting anything. Dropped without being asked
    // for first, which would be as many system calls again.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        for capability in caps::all() {
            // A kernel that does not know it has nothing to drop.
            let _ = caps::drop(None, CapSet::Bounding, capability);
        }
    }
    if let Some(user) = user {
        process::become_user(user)?;
    }
    process::become_real_user()?;
    // Ambient capabilities go with the permitted ones; kernels before 4.3 have none and return EINVAL.
    let _ = caps::clear(None, CapSet::Ambient);
    let refused = ChannelError { call: "capset", error: OsError::EPERM };
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|_| refused)?;
        if !caps::read(None, set).map_err(|_| refused)?.is_empty() {
            return Err(refused);
        }
    }
    Ok(())
}
