//! What a process can still do after its sockets are open: [`enter`].

use std::path::{Path, PathBuf};

use super::sys::calls;
use crate::channel::{Confinement, Sandbox};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

/// What may be read, also where it is a link, if names are looked up: the files of the system's resolver. That is in the C library,
/// which loads what its configuration names.
const RESOLVER: [&str; 18] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/mdns.allow",
    "/etc/ld.so.cache",
    "/etc/ld-musl-x86_64.path",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/run/systemd/resolve",
    "/run/nscd",
];

/// What may be read in any case: without getrandom(2) this is where random numbers are.
const RANDOM: [&str; 1] = ["/dev/urandom"];

/// Confines this thread, and those it starts from now on, to what probing needs: system calls by seccomp(2), files by
/// landlock(7). The files of the resolver may be read if `resolves`, files in the folders of `sockets` be removed, and the file
/// `replaced` be replaced by another of its folder. What the kernel has not got is left out.
///
/// Sets no_new_privs.
pub fn enter(to: Confinement, resolves: bool, sockets: &[&Path], replaced: Option<&Path>) -> Sandbox {
    // Each takes the kernel ten microseconds.
    let readable: Vec<&str> = match to {
        Confinement::Reading => vec!["/"],
        _ if resolves => RESOLVER.into_iter().chain(RANDOM).collect(),
        _ => RANDOM.into(),
    };
    // Landlock's calls are not among those that the filter allows.
    let files = match restrict_files(&readable, sockets, replaced) {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string().into()),
    };
    let calls = match to {
        Confinement::FilesAndCalls => calls::confine().map_err(|error| error.to_string().into()),
        Confinement::Reading => Err("files are all that it is kept from".into()),
        Confinement::Files | Confinement::None => Err("it would cost too much at this rate".into()),
    };
    Sandbox { files, calls }
}

fn restrict_files(
    readable: &[&str],
    sockets: &[&Path],
    replaced: Option<&Path>,
) -> Result<RulesetStatus, RulesetError> {
    let abi = ABI::V5;
    let folder = |path: &Path| match path.parent()?.as_os_str().is_empty() {
        true => Some(PathBuf::from(".")),
        false => path.parent().map(Path::to_owned),
    };
    let folders = sockets.iter().filter_map(|path| folder(path));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(readable, AccessFs::ReadFile | AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(folders, AccessFs::RemoveFile))?
        .add_rules(path_beneath_rules(replaced.and_then(folder), AccessFs::RemoveFile | AccessFs::MakeReg))?
        .restrict_self()?;
    Ok(status.ruleset)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    use std::process::Command;
    use std::thread;

    use rustix::io::Errno;

    use super::*;

    /// In a thread of its own, which alone is confined.
    fn confined(resolves: bool, sockets: &[&Path], test: impl FnOnce() + Send) {
        let result = thread::scope(|scope| {
            let run = || {
                let sandbox = enter(Confinement::FilesAndCalls, resolves, sockets, None);
                assert_eq!(sandbox.calls, Ok(()), "the kernel filters no system calls");
                test();
                sandbox.files
            };
            scope.spawn(run).join()
        });
        assert!(result.is_ok(), "a panic in the confined thread");
    }

    #[test]
    fn a_confined_process_probes_looks_names_up_and_starts_threads() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        confined(true, &[], || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            assert_eq!(socket.recv(&mut [0; 2]).unwrap(), 1);
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert!(("localhost", 80).to_socket_addrs().unwrap().count() > 0);
            assert!(("127.0.0.1", 80).to_socket_addrs().unwrap().count() > 0);
            assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
            File::open("/etc/resolv.conf")
                .map(drop)
                .or_else(|why| match why.kind() {
                    ErrorKind::NotFound => Ok(()),
                    _ => Err(why),
                })
                .unwrap();
        });
    }

    #[test]
    fn a_server_that_reads_its_files_again_writes_none_and_starts_no_program() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let run = || {
            if enter(Confinement::Reading, true, &[], None).files.is_err() {
                return;
            }
            assert!(File::open(file.path()).is_ok() && std::fs::read_dir("/etc").is_ok());
            let written = File::options().append(true).open(file.path());
            assert_eq!(written.unwrap_err().kind(), ErrorKind::PermissionDenied);
            let made = File::create(file.path().with_extension("new"));
            assert_eq!(made.unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(std::fs::remove_file(file.path()).unwrap_err().kind(), ErrorKind::PermissionDenied);
            let started = Command::new("/bin/true").spawn().map(|mut child| child.wait());
            assert_eq!(started.unwrap_err().kind(), ErrorKind::PermissionDenied);
        };
        thread::scope(|scope| scope.spawn(run).join()).unwrap();
    }

    #[test]
    fn a_process_that_looks_no_names_up_reads_random_numbers_and_nothing_else() {
        confined(false, &[], || {
            File::open("/dev/urandom").unwrap();
            let denied = |path| File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
            assert!(denied("/etc/hosts") && denied("/etc/passwd"));
            UdpSocket::bind("127.0.0.1:0").unwrap();
            assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
        });
    }

    #[cfg(feature = "dns")]
    #[test]
    fn a_confined_process_can_have_an_event_loop() {
        confined(true, &[], || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            assert_eq!(runtime.block_on(async { 1 }), 1);
        });
    }

    #[test]
    fn a_confined_process_starts_no_program_and_opens_no_other_socket() {
        confined(true, &[], || {
            let started = Command::new("/bin/true").spawn().map(|mut child| child.wait());
            assert!(started.is_err(), "{started:?}");
            let packet = rustix::net::socket(rustix::net::AddressFamily::PACKET, rustix::net::SocketType::RAW, None);
            assert_eq!(packet.unwrap_err(), Errno::NOSYS);
            assert!(TcpListener::bind("127.0.0.1:0").is_err());
            assert_eq!(
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::CONT),
                Err(Errno::NOSYS)
            );
        });
    }

    #[test]
    fn a_confined_process_reads_few_files_and_writes_none_but_removes_its_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, other) = (folder.path().join("socket"), tempfile::NamedTempFile::new().unwrap());
        File::create(&socket).unwrap();
        confined(true, &[&socket], || {
            let denied = |result: std::io::Result<File>| result.unwrap_err().kind() == ErrorKind::PermissionDenied;
            assert!(denied(File::open(other.path())) && denied(File::open("/etc/passwd")));
            assert!(denied(File::create(folder.path().join("new"))) && denied(File::create(&socket)));
            std::fs::remove_file(&socket).unwrap();
            assert!(std::fs::remove_file(other.path()).is_err());
        });
    }
}
