//! What this host and its user allow, read without sending anything: [`host`].

use std::fs::File;
use std::io::Read;

use caps::{CapSet, Capability};

use super::sys::{process, tstamp};
use crate::channel::{Host, Stamping};

/// Octets of a file of the system that are read: all that it can mean to have.
const FILE_OCTETS: u64 = 1 << 20;

/// What is known now. Files are read, so that this comes before a run is confined.
pub fn host() -> Host {
    let status = text("/proc/self/status");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let numbers = |field: &str| field.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>();
    // The effective one is the second.
    let mut groups: Vec<u32> = numbers(field("Gid:")).into_iter().skip(1).take(1).collect();
    groups.extend(numbers(field("Groups:")));
    groups.dedup();
    let ping_groups = match numbers(&text("/proc/sys/net/ipv4/ping_group_range"))[..] {
        [first, last] => Some(first..=last),
        _ => None,
    };
    let permitted = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let wanted = [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN, Capability::CAP_NET_BIND_SERVICE];
    let capabilities = wanted.into_iter().filter(|capability| permitted.contains(capability));
    Host {
        kernel: text("/proc/sys/kernel/osrelease").lines().next().map(Into::into),
        uid: process::real_uid(),
        groups,
        ping_groups,
        capabilities: capabilities.map(|capability| capability.to_string().to_lowercase().into()).collect(),
        no_new_privs: field("NoNewPrivs:").trim() == "1",
        name_servers: name_servers(&text("/etc/resolv.conf")),
        interfaces: interfaces(&text("/proc/net/dev")),
    }
}

fn text(path: &str) -> String {
    let mut octets = Vec::new();
    // What cannot be read says nothing.
    let _ = File::open(path).and_then(|file| file.take(FILE_OCTETS).read_to_end(&mut octets));
    String::from_utf8_lossy(&octets).into_owned()
}

/// resolv.conf(5).
fn name_servers(file: &str) -> Vec<Box<str>> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|&word| word == "nameserver").and_then(|_| words.next()).map(Into::into)
    };
    file.lines().filter_map(server).collect()
}

/// proc_pid_net(5): two lines of headings, then one an interface, which begins with its name and a colon. Unlike sysfs it shows
/// the network namespace of this process.
fn interfaces(file: &str) -> Vec<(Box<str>, Option<Stamping>)> {
    let names = file.lines().skip(2).filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| (name.trim().into(), tstamp::of_interface(name.trim()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_and_interfaces_are_read() {
        let file =
            "# nameserver 192.0.2.9\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 x\noptions timeout:1\nnameserver\n";
        assert_eq!(name_servers(file), ["192.0.2.1".into(), "2001:db8::1".into()] as [Box<str>; 2]);
        let file = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3\nno-such-interface:0 0\n";
        let names: Vec<_> =
            interfaces(file).into_iter().map(|(name, stamps)| (name.into_string(), stamps.is_some())).collect();
        assert_eq!(names, [("lo".to_owned(), true), ("no-such-interface".to_owned(), false)]);
    }

    #[test]
    fn this_host_has_a_loopback_interface_that_stamps_what_arrives() {
        let lo = host().interfaces.into_iter().find(|(name, _)| &**name == "lo").expect("lo");
        assert!(lo.1.is_some_and(|stamps| stamps.received && !stamps.hardware), "{lo:?}");
    }
}
