//! Processes inside a node that answer probes or queries: this test binary once more, entering a node.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::lab::{self, Node};
use crate::{names, origins, responder};

/// Names which helper a process is to be.
const VARIABLE: &str = "NETPROBE_LAB_HELPER";

/// A helper at work; it ends with this value, and by itself when this process is gone.
pub struct Helper {
    child: Child,
}

impl Helper {
    /// Starts the responder on a TUN device of `node`; `None`, with a notice, where there can be no such device.
    pub fn responder(node: &Node) -> Option<Helper> {
        Helper::with_tun(node, "responder")
    }

    /// Starts a TUN device of `node` that takes this long; `None`, said loudly, where there can be no such device.
    pub fn detour(node: &Node, delay: Duration) -> Option<Helper> {
        Helper::with_tun(node, &format!("detour {}", delay.as_millis()))
    }

    fn with_tun(node: &Node, role: &str) -> Option<Helper> {
        match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
            Ok(_) => Some(Helper::start(node, role)),
            Err(error) => {
                lab::did_not_run(&format!("/dev/net/tun: {error}"));
                None
            }
        }
    }

    /// Starts the name server of `node`.
    pub fn names(node: &Node) -> Helper {
        Helper::start(node, "names")
    }

    /// Starts the server of origins of `node`.
    #[cfg(feature = "dns")]
    pub fn origins(node: &Node) -> Helper {
        Helper::start(node, "origins")
    }

    /// Starts what takes TCP connections on port 443 of `node` and closes each at once, and greets those on port 25.
    pub fn listener(node: &Node) -> Helper {
        Helper::start(node, "listener")
    }

    /// Starts the helper `role` inside `node` and waits until it answers.
    fn start(node: &Node, role: &str) -> Helper {
        let this = std::env::current_exe().expect("a path of this binary");
        let mut command = node.enter();
        command.arg(this).args(["--exact", "helper::process", "--ignored", "--nocapture"]).env(VARIABLE, role);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("nsenter starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let ready = stdout.lines().map_while(Result::ok).any(|line| line.ends_with("helper is ready"));
        assert!(ready, "the helper {role} ends at once");
        Helper { child }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Ours by construction: the child is waited for nowhere else.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "a helper that other tests start inside their namespaces"]
fn process() {
    let Ok(role) = std::env::var(VARIABLE) else { return };
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let (role, delay) = role.split_once(' ').unwrap_or((&role, "0"));
    match role {
        "responder" => responder::serve(|| println!("helper is ready")),
        "detour" => {
            let delay = Duration::from_millis(delay.parse().expect("milliseconds"));
            responder::detour(delay, || println!("helper is ready"));
        }
        "names" => names::serve(|| println!("helper is ready")),
        "origins" => origins::serve(|| println!("helper is ready")),
        "listener" => listen(),
        _ => panic!("no helper {role}"),
    }
}

fn listen() {
    let greeter = TcpListener::bind("[::]:25").expect("port 25 is free");
    thread::spawn(move || {
        for mut client in greeter.incoming().flatten() {
            let _ = client.write_all(b"220 ready\r\n");
            let _ = client.read(&mut [0]);
        }
    });
    let listener = TcpListener::bind("[::]:443").expect("port 443 is free");
    println!("helper is ready");
    listener.incoming().for_each(drop);
}
