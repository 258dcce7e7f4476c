//! Sockets that a service manager starts rpong with, as sd_listen_fds(3) describes: [`sockets`].

use crate::channel::{NotServed, PassedSocket, Protocol};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::respond::ListenerKind;

/// The first descriptor that is passed (SD_LISTEN_FDS_START).
const FIRST: i32 = 3;

/// The sockets that are meant for this process.
///
/// # Errors
/// The sentence about the first that cannot be served.
pub fn sockets(env: &Env<'_>) -> Result<Vec<PassedSocket>, CliError> {
    let meant_for = (env.variable)("LISTEN_PID").and_then(|pid| pid.parse().ok());
    let Some(count) = (env.variable)("LISTEN_FDS").filter(|_| meant_for == Some(std::process::id())) else {
        return Ok(Vec::new());
    };
    let refused = |what: &str, why: &str| CliError::Refused(format!("LISTEN_FDS={count}: {what}{why}"));
    let number: u16 = count.parse().map_err(|_| refused("not a number of descriptors", ""))?;
    let socket = |descriptor| {
        (env.passed_socket)(descriptor).map_err(|why| {
            let what = format!("descriptor {descriptor} ");
            match why {
                NotServed::Unknown(error) => refused(&what, &format!("is no socket: {error}")),
                NotServed::OtherKind => {
                    refused(&what, "is neither of TCP or UDP nor a local socket of streams or datagrams")
                }
                NotServed::NotListening => refused(&what, "does not listen; a socket unit must have Accept=no"),
            }
        })
    };
    (FIRST..).take(number.into()).map(socket).collect()
}

/// What a socket serves unless an option names its port or path: echo.
pub const fn service(socket: &PassedSocket) -> ListenerKind {
    match (socket.protocol, socket.datagrams) {
        (Protocol::Unix, false) => ListenerKind::Unix,
        (Protocol::Unix, true) => ListenerKind::UnixDgram,
        (_, false) => ListenerKind::Tcp,
        (_, true) => ListenerKind::Udp,
    }
}

/// Whether a socket can serve this: whether that is over the same protocol.
pub fn can_serve(socket: &PassedSocket, service: ListenerKind) -> bool {
    let is_local = matches!(service, ListenerKind::Unix | ListenerKind::UnixDgram);
    is_local == (socket.protocol == Protocol::Unix) && service.is_datagrams() == socket.datagrams
}
