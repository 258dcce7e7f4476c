//! Messages to the service manager that started this process, see sd_notify(3): [`Notifier`].

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A way to the service manager.
#[derive(Debug)]
pub struct Notifier(UnixDatagram);

impl Notifier {
    /// To the socket of this name, which is in the environment as NOTIFY_SOCKET: a path or, after @, an abstract name.
    ///
    /// # Errors
    /// If no socket is bound there.
    pub fn connect(name: &str) -> io::Result<Notifier> {
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read holds nothing up.
        socket.set_nonblocking(true)?;
        match name.strip_prefix('@') {
            Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => socket.connect(name)?,
        }
        Ok(Notifier(socket))
    }

    /// Sends this; without a receiver it is lost.
    pub fn say(&self, message: &str) {
        let _ = self.0.send(message.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_what_is_said_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("netprobe-notify-{}", std::process::id());
        let at_name = SocketAddr::from_abstract_name(&name).unwrap();
        let managers = [UnixDatagram::bind(&path).unwrap(), UnixDatagram::bind_addr(&at_name).unwrap()];
        for (manager, name) in managers.iter().zip([path.to_str().unwrap(), &format!("@{name}")]) {
            Notifier::connect(name).unwrap().say("READY=1");
            let mut octets = [0; 16];
            let length = manager.recv(&mut octets).unwrap();
            assert_eq!(&octets[..length], b"READY=1");
        }
        assert!(Notifier::connect("/nowhere/notify").is_err());
    }
}
