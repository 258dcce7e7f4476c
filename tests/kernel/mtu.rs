//! Path MTUs over real routers: links that narrow, routers that keep silent, and what the host's kernel remembers.

use crate::lab::{Lab, Plan, Privilege, Tool};

/// Every way to send packets of any size, and who may use it; and whether it is a raw socket.
const METHODS: [(&[&str], Privilege, bool); 6] = [
    (&[], Privilege::Root, true),
    (&["-U"], Privilege::Root, true),
    (&["-M", "default"], Privilege::OnlyNetRaw, true),
    (&["-I"], Privilege::Nothing, false),
    (&["-U"], Privilege::Nothing, false),
    (&["-M", "default"], Privilege::Nothing, false),
];

/// Four routers; the links after router 1 and router 3 take no more than these.
fn narrow(first: u32, second: u32) -> Option<Lab> {
    let lab = Plan::chain(4).with_ping_sockets().build()?;
    for (router, mtu) in [(1, first), (3, second)] {
        lab.router(router).sh(&format!("ip link set right mtu {mtu}"));
        lab.router(router + 1).sh(&format!("ip link set left mtu {mtu}"));
    }
    Some(lab)
}

fn targets(lab: &Lab) -> [String; 2] {
    [lab.target_v4(), lab.target_v6()]
}

/// What the host's kernel remembers of the path to `target`.
fn remembered(lab: &Lab, target: &str) -> String {
    lab.host().ask(&format!("ip -o route get {target} | grep -o ' expires.*' || true"))
}

fn forget(lab: &Lab) {
    lab.host().sh("ip route flush cache; ip -6 route flush cache");
}

/// The last word of every hop's line, if it has an MTU.
fn mtus(stdout: &str) -> Vec<Option<&str>> {
    stdout.lines().skip(1).map(|line| line.split(' ').find_map(|word| word.strip_prefix("F="))).collect()
}

#[test]
fn every_method_finds_the_links_that_narrow_and_raw_sockets_leave_the_kernel_as_it_was() {
    let Some(lab) = narrow(1400, 1300) else { return };
    for (method, privilege, raw) in METHODS {
        for target in targets(&lab) {
            forget(&lab);
            let arguments = [method, &["--mtu", "--explain", "-n", "-q", "1", &target]].concat();
            let run = lab.host().run(Tool::Rtrace, privilege, &arguments);
            assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{method:?} {privilege:?} {run:#?}");
            let lines = mtus(&run.stdout);
            assert_eq!(lines[..5], [Some("1500"), Some("1400"), None, Some("1300"), None], "{method:?} {run:#?}");
            run.says("the MTU drops from 1500 to 1400 at hop 2 (reported by ");
            run.says("the MTU drops from 1400 to 1300 at hop 4 (reported by ");
            run.says("packets of up to 1300 bytes reach the destination");
            assert_eq!(remembered(&lab, &target).is_empty(), raw, "{method:?} {privilege:?} {target}");
        }
    }
}

#[test]
fn a_router_that_drops_without_a_word_is_found_by_every_method() {
    let Some(lab) = narrow(1500, 1380) else { return };
    lab.router(3).nft(
        "add rule inet lab output icmp type destination-unreachable icmp code frag-needed drop
        add rule inet lab output icmpv6 type packet-too-big drop",
    );
    for (method, privilege, _) in METHODS {
        for target in targets(&lab) {
            let arguments = [method, &["--mtu", "--json", "-n", "-q", "1", &target]].concat();
            let run = lab.host().run(Tool::Rtrace, privilege, &arguments);
            let trace = run.object("trace");
            assert_eq!(trace["path_mtu"], 1380, "{method:?} {privilege:?} {run:#?}");
            let mtus: Vec<_> = trace["hops"].as_array().expect("hops").iter().map(|hop| hop["mtu"].as_u64()).collect();
            assert_eq!(mtus, [1500, 1500, 1500, 1380, 1380].map(Some), "{method:?} {privilege:?} {run:#?}");
            let hole =
                trace["findings"].as_array().expect("findings").iter().find(|one| one["code"] == "mtu_black_hole");
            let hole = hole.unwrap_or_else(|| panic!("no black hole: {run:#?}"));
            assert_eq!((&hole["ttl"], &hole["evidence"]["behind_ttl"]), (&4.into(), &3.into()), "{hole}");
        }
    }
}

#[test]
fn dont_fragment_is_kept_out_of_the_kernels_memory_over_raw_sockets() {
    let Some(lab) = narrow(1400, 1400) else { return };
    for (method, target) in [("-I", lab.target_v4()), ("-U", lab.target_v4()), ("-U", lab.target_v6())] {
        forget(&lab);
        let run = lab.host().rtrace(&[method, "-F", "-n", "-q", "1", &target, "1500"]);
        run.says("!F-1400");
        assert_eq!(remembered(&lab, &target), "", "{method} {target}");
    }
}

#[test]
fn dont_fragment_is_on_the_wire_by_every_method() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    lab.router(1).nft(
        "add counter inet lab whole
        add counter inet lab may
        add rule inet lab forward ip daddr 10.9.1.2 ip frag-off & 0x4000 == 0x4000 counter name whole
        add rule inet lab forward ip daddr 10.9.1.2 ip frag-off & 0x4000 == 0 counter name may",
    );
    for (method, privilege) in [
        (&["-I"][..], Privilege::Root),
        (&["-I"], Privilege::Nothing),
        (&["-U"], Privilege::Root),
        (&["-U"], Privilege::Nothing),
        (&["-T"], Privilege::Root),
        (&["-M", "tcpconn"], Privilege::Nothing),
    ] {
        let (before, cut) = (lab.router(1).counted("whole"), lab.router(1).counted("may"));
        lab.host().run(Tool::Rtrace, privilege, &[method, &["-F", "-n", "-q", "1", &lab.target_v4()]].concat());
        assert!(lab.router(1).counted("whole") > before, "{method:?} {privilege:?}");
        assert_eq!(lab.router(1).counted("may"), cut, "{method:?} {privilege:?}");
    }
}
