//! One [`Node`]: a process that holds a network namespace and a mount namespace.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use super::Power;

/// What every node starts with: own interfaces without duplicate address detection, the tools under `/mnt` where any uid can
/// reach them, and names from a hosts file of its own.
const START: &str = r#"
set -e
for setting in accept_dad dad_transmits router_solicitations accept_ra; do
    echo 0 > /proc/sys/net/ipv6/conf/default/$setting
done
ip link set lo up
mount -t tmpfs none /mnt
for tool in rping rtrace rpong rping-exporter; do
    : > /mnt/$tool
done
mount --bind "$1" /mnt/rping
mount --bind "$2" /mnt/rtrace
mount --bind "$3" /mnt/rpong
[ ! -e "$4" ] || mount --bind "$4" /mnt/rping-exporter
printf '127.0.0.1 localhost\n::1 localhost\n' > /mnt/hosts
printf 'hosts: files\n' > /mnt/nsswitch.conf
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > /mnt/resolv.conf
for file in hosts nsswitch.conf resolv.conf; do
    [ -e /etc/$file ] && mount --bind /mnt/$file /etc/$file
done
echo ready
exec cat
"#;

/// What is tested: ours, or the program that a variable names, to hold the lab itself against a peer.
fn program(variable: &str, ours: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| ours.into())
}

/// A node of the lab.
pub struct Node {
    power: Power,
    holder: Child,
}

/// A node whose namespaces are being made.
pub struct Starting(Node);

impl Starting {
    /// Waits until it stands.
    pub fn wait(mut self) -> Node {
        let mut line = String::new();
        let stdout = self.0.holder.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a readable pipe");
        if line != "ready\n" {
            let mut why = String::new();
            let stderr = self.0.holder.stderr.take();
            let _ = stderr.map(|mut stderr| stderr.read_to_string(&mut why));
            panic!("a node does not start: {line}{why}");
        }
        self.0
    }
}

/// A shell script that runs inside a node.
pub struct Script {
    text: String,
    child: Child,
}

impl Script {
    /// Waits for its end.
    pub fn finish(self) {
        let output = self.child.wait_with_output().expect("a child to wait for");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}\n{}", output.status, self.text);
    }
}

impl Node {
    /// Makes a node; in `beside`'s user namespace if that has one of its own.
    pub fn hold(power: Power, beside: Option<&Node>) -> Node {
        Node::start_holding(power, beside).wait()
    }

    /// Begins to make a node.
    pub fn start_holding(power: Power, beside: Option<&Node>) -> Starting {
        let mut command = match (power, beside) {
            (Power::UserNamespace, Some(node)) => {
                let mut command = node.nsenter(&["--user"]);
                command.args(["unshare", "--net", "--mount"]);
                command
            }
            _ => {
                let mut command = super::command("unshare");
                command.args(power.unshare_flags());
                command
            }
        };
        command.args(["sh", "-c", START, "start"]);
        command.arg(program("NETPROBE_LAB_RPING", env!("CARGO_BIN_EXE_rping")));
        command.arg(program("NETPROBE_LAB_RTRACE", env!("CARGO_BIN_EXE_rtrace")));
        command.arg(program("NETPROBE_LAB_RPONG", env!("CARGO_BIN_EXE_rpong")));
        // Cargo names it even where it is not built.
        command.arg(option_env!("CARGO_BIN_EXE_rping-exporter").unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Starting(Node { power, holder: command.spawn().expect("unshare starts") })
    }

    /// The process that holds the namespaces.
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// How the lab was made.
    pub fn power(&self) -> Power {
        self.power
    }

    /// A command that becomes what is added to it, inside the node.
    pub fn enter(&self) -> Command {
        self.nsenter(&["--net", "--mount"])
    }

    fn nsenter(&self, namespaces: &[&str]) -> Command {
        let mut command = super::command("nsenter");
        command.arg("--target").arg(self.pid().to_string()).args(namespaces);
        if self.power == Power::UserNamespace {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--");
        command
    }

    /// Runs a shell script inside the node, which must succeed.
    pub fn sh(&self, script: &str) {
        self.start_sh(script).finish();
    }

    /// From now on the kernel looks for a neighbour on the link `right` for a tenth of a second, and not for three.
    pub fn look_for_neighbours_shortly(&self) {
        for family in ["ipv4", "ipv6"] {
            self.sh(&format!(
                "cd /proc/sys/net/{family}/neigh/right; echo 1 > mcast_solicit; echo 100 > retrans_time_ms"
            ));
        }
    }

    /// Starts a shell script inside the node.
    pub fn start_sh(&self, script: &str) -> Script {
        let mut command = self.enter();
        command.args(["sh", "-e", "-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Script { text: script.to_owned(), child: command.spawn().expect("nsenter starts") }
    }

    /// What a shell script says on stdout.
    pub fn ask(&self, script: &str) -> String {
        let output = self.enter().args(["sh", "-e", "-c", script]).output().expect("nsenter starts");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Loads rules into the node's packet filter: a chain `forward` and a chain `output` of table `inet lab`.
    pub fn nft(&self, rules: &str) {
        let mut command = self.enter();
        let mut nft = command.args(["nft", "-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft starts");
        let hooks = ["forward", "output", "input"]
            .map(|hook| format!("add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}\n"))
            .concat();
        let mut stdin = nft.stdin.take().expect("stdin is piped");
        stdin.write_all(format!("add table inet lab\n{hooks}{rules}\n").as_bytes()).expect("nft reads");
        drop(stdin);
        assert!(nft.wait().expect("a child to wait for").success(), "nft refuses:\n{rules}");
    }

    /// Packets that named counter has seen.
    pub fn counted(&self, counter: &str) -> u64 {
        let text = self.ask(&format!("nft list counter inet lab {counter}"));
        let packets = text.split_whitespace().skip_while(|&word| word != "packets").nth(1);
        packets.and_then(|packets| packets.parse().ok()).unwrap_or_else(|| panic!("no counter in {text}"))
    }

    /// Adds lines to the node's own hosts file.
    pub fn add_hosts(&self, lines: &[u8]) {
        let mut command = self.enter();
        let mut cat = command.args(["sh", "-c", "cat >> /etc/hosts"]).stdin(Stdio::piped()).spawn().expect("sh starts");
        cat.stdin.take().expect("stdin is piped").write_all(lines).expect("cat reads");
        assert!(cat.wait().expect("a child to wait for").success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Ours by construction: the child is waited for nowhere else.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
