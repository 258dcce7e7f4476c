//! The packets of a run (`--pcap`) beside what a capture on the link sees, as tshark reads both.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{self, Lab, Plan, Privilege, Running, Source, Tool};

/// What of a packet is the same in both: addresses, protocol, checksums and numbers of the packet and of what it quotes.
const FIELDS: [&str; 15] = [
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.proto",
    "icmp.type",
    "icmp.code",
    "icmp.checksum",
    "icmp.ident",
    "icmp.seq",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "icmpv6.type",
    "icmpv6.checksum",
    "udp.port",
];

/// What is no part of a run: neighbors, and the mark of its end.
const FILTER: &str = "(icmp || udp || icmpv6) && !(icmpv6.type >= 130 && icmpv6.type <= 143) && !(udp.port == 4321)";
/// What the dissectors find wrong, but not in the payload of a datagram, which some take for that of a service by its port.
const BAD: &str = "(_ws.malformed && !udp) || udp.length.bad || ip.checksum.status == 0 || icmp.checksum.status == 0 \
                   || icmpv6.checksum.status == 0";

/// Both programs that these tests want beside ours.
fn has_programs() -> bool {
    let missing = ["tcpdump", "tshark"].into_iter().find(|name| {
        let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output();
        !found.is_ok_and(|found| found.status.success())
    });
    if let Some(name) = missing {
        lab::did_not_run(&format!("{name} is not installed"));
    }
    missing.is_none()
}

/// These fields of every packet that the filter lets pass.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-Y", filter, "-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let run = command.output().expect("tshark");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).expect("UTF-8");
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// What the run writes, and what passes the link meanwhile.
fn both(lab: &Lab, tool: Tool, privilege: Privilege, arguments: &[&str], folder: &Path) -> [PathBuf; 2] {
    let [ours, link] = ["ours", "link"].map(|name| folder.join(name));
    let mut command = lab.host().enter();
    command.args(["tcpdump", "-i", "right", "-n", "-l", "--print", "--immediate-mode", "--time-stamp-precision=nano"]);
    // Short pieces in a large buffer: of a flood none is missed.
    command.args(["-s", "512", "-B", "16384", "-w"]).arg(&link);
    let mut capture = Running::of(command);
    capture.until(Source::Talk, "listening on");
    let path = ours.display().to_string();
    let run = lab.host().run(tool, privilege, &[arguments, &["--pcap", &path, "--force"]].concat());
    assert_eq!(run.stderr, "", "{run:#?}");
    lab.host().rping(&["-c1", "--udp=4321", &lab.target_v4()]);
    capture.until(Source::Data, ".4321: UDP");
    capture.signal("INT");
    capture.finish();
    [ours, link]
}

#[test]
fn a_capture_holds_the_packets_that_passed_the_link_in_their_order() {
    let Some(lab) = Plan::chain(2).build() else { return };
    if !has_programs() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for target in [lab.target_v4(), lab.target_v6()] {
        let runs: [(Tool, &[&str]); 4] = [
            (Tool::Rping, &["-c", "20", "-i", "0.01", &target]),
            (Tool::Rtrace, &["-n", &target]),
            (Tool::Rtrace, &["-n", "-M", "default", &target]),
            (Tool::Rping, &["-f", "-q", "-c", "200", &target]),
        ];
        for (tool, arguments) in runs {
            let files = both(&lab, tool, Privilege::Root, arguments, folder.path());
            // When they passed is read with them: a start of tshark costs more than all else here.
            let fields = [&["frame.time_epoch"][..], &FIELDS].concat();
            let timed = files.each_ref().map(|file| tshark(file, FILTER, &fields));
            let [mut ours, mut link] =
                timed.each_ref().map(|rows| rows.iter().map(|row| &row[1..]).collect::<Vec<_>>());
            if arguments.contains(&"-f") {
                // Of many packets in one call the kernel stamps none.
                ours.sort();
                link.sort();
            }
            assert_eq!(ours, link, "{arguments:?}");
            assert!(ours.len() >= 6, "{arguments:?}: {ours:?}");
            assert_eq!(tshark(&files[0], BAD, &["frame.comment"]).len(), 0, "{arguments:?}");
            let [ours, link] = timed.each_ref().map(|rows| rows[0][0].as_str());
            // By the same clock and in the same unit: 2 s is a lot for one machine, and nothing for a wrong unit.
            let seconds = |times: &str| times.split('.').next().and_then(|first| first.parse().ok());
            assert!(seconds(ours).zip(seconds(link)).is_some_and(|(ours, link): (u64, u64)| ours.abs_diff(link) <= 2));
        }
    }
}

#[test]
fn what_is_reconstructed_is_what_passed_the_link() {
    let Some(lab) = Plan::chain(2).with_ping_sockets().build() else { return };
    if !has_programs() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    for target in [lab.target_v4(), lab.target_v6()] {
        for (tool, arguments) in
            [(Tool::Rping, &["-c", "5", "-i", "0.05"][..]), (Tool::Rtrace, &["-n", "-M", "default"])]
        {
            let arguments = [arguments, &[&target]].concat();
            let files = both(&lab, tool, Privilege::Nothing, &arguments, place);
            // All but the quoted checksum, which error queues hide, and the checksum over it.
            let fields =
                ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "icmp.type", "icmp.seq", "icmpv6.type", "udp.port"];
            let [ours, link] = files.each_ref().map(|file| tshark(file, FILTER, &fields));
            assert_eq!(ours, link, "{arguments:?}");
            assert_eq!(tshark(&files[0], BAD, &["frame.comment"]).len(), 0, "{arguments:?}");
        }
    }
}

#[test]
fn a_run_that_is_killed_leaves_a_file_that_can_be_read() {
    let Some(lab) = Plan::chain(1).build() else { return };
    if !has_programs() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("killed");
    let (path, target) = (file.display().to_string(), lab.target_v4());
    let mut run = lab.host().start(Tool::Rping, Privilege::Root, &["-i0.002", &target, "--pcap", &path]);
    run.until(Source::Data, "icmp_seq=50");
    run.signal("KILL");
    run.finish();
    let comments = tshark(&file, "icmp", &["frame.comment"]);
    assert!(comments.len() > 40, "{comments:?}");
    let expected = format!("probe 1 to {target}; IP header reconstructed");
    assert_eq!(comments[0], [expected]);
}
