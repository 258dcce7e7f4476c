//! Origins of addresses: from a truthful name server, from ones that do not, and from a file.

use std::net::{SocketAddr, UdpSocket};

use crate::lab::{Lab, Plan};

/// Where the name server answers.
const SERVER: &str = "127.0.0.1:5353";

/// What the name server says of every address below `good.test`.
const TRUTH: [&str; 3] = [
    "64500 64499 | 11.0.0.0/8 | XX | test | 2026-01-01",
    "1 | 0.0.0.0/0 | XX | test | 2026-01-01",
    "4200000000 | 2a00::/12 | XX | test | 2026-01-01",
];

/// A name server that answers as the zone's first label says.
pub fn serve(ready: impl FnOnce()) {
    let socket = UdpSocket::bind(SERVER).expect("the port is free in a namespace of its own");
    ready();
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        answer(&socket, &buffer[..length], from);
    }
}

fn answer(socket: &UdpSocket, query: &[u8], from: SocketAddr) {
    // RFC 1035 §4.1.1 and §4.1.2: header, then one question: labels, a zero octet, type, class.
    let Some(labels) = query.get(12..) else { return };
    let Some(end) = labels.iter().position(|&octet| octet == 0) else { return };
    let Some(question) = labels.get(..end + 5) else { return };
    let name = String::from_utf8_lossy(&labels[..end]).into_owned();
    let in_zone = |zone: &str| name.contains(zone);
    let mut id = [query[0], query[1]];
    let (code, records): (u8, Vec<Vec<u8>>) = match question[end + 2] {
        16 if in_zone("AS64499") => (0, vec![txt(b"64499 | XX | test | 2026-01-01 | EXAMPLE-AS - Example, XX")]),
        16 if in_zone("good") => (0, TRUTH.iter().map(|text| txt(text.as_bytes())).collect()),
        16 if in_zone("evil") => {
            let long = [b"64500 | 11.0.0.0/8 | ".as_slice(), &[0x9b; 900]].concat();
            (0, vec![txt(b"\x1b[2J\x07 | 11.0.0.0/8\r\n"), txt(b"64500\xe2\x80\xae | 11.0.0.0/8"), txt(&long)])
        }
        16 if in_zone("elsewhere") => (0, vec![txt(b"64500 | 12.0.0.0/8 | XX | test | 2026-01-01")]),
        16 if in_zone("loop") => (0, vec![[&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2], &[0xc0, 12][..]].concat()]),
        16 if in_zone("other") => {
            id[1] ^= 1;
            (0, vec![txt(TRUTH[0].as_bytes())])
        }
        16 if in_zone("refuse") => (5, Vec::new()),
        16 if in_zone("silent") => return,
        _ => (3, Vec::new()),
    };
    let mut reply = id.to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
    reply.extend(question);
    reply.extend(records.concat());
    let _ = socket.send_to(&reply, from);
}

/// A TXT record of the name in question, in strings of up to 255 octets (RFC 1035 §3.3.14).
fn txt(text: &[u8]) -> Vec<u8> {
    let strings: Vec<u8> = text.chunks(255).flat_map(|part| [&[part.len() as u8], part].concat()).collect();
    let mut record = vec![0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60];
    record.extend((strings.len() as u16).to_be_bytes());
    record.extend(strings);
    record
}

/// A host that is its own public address, and counts what it asks name servers.
fn public_lab() -> Option<Lab> {
    let lab = Plan::chain(2).build()?;
    lab.host().sh("ip address add 11.0.0.1/32 dev lo; ip address add 2a00::1/128 dev lo nodad");
    lab.host().nft(
        "add counter inet lab queries
         add rule inet lab output meta l4proto { udp, tcp } th dport { 53, 5353 } counter name queries",
    );
    Some(lab)
}

#[test]
fn a_file_gives_origins_without_a_query() {
    let Some(lab) = public_lab() else { return };
    lab.host().sh("printf '# test\\n11.0.0.0/8 64500 Example Net, XX\\n10.9.0.0/24 AS64501 64502\\n2a00::/12 1\\n' > /mnt/asn.txt");
    let run = lab.host().rtrace(&["-n", "--asn-db", "/mnt/asn.txt", "11.0.0.1", "192.0.2.1", "2a00::1"]);
    run.says(" 1  11.0.0.1 [AS64500] Example-Net  ");
    run.says(" 1  10.9.0.2 [AS64501/AS64502]  ");
    run.says(" 2  10.9.1.2 [*]  ");
    run.says(" 1  2a00::1 [AS1]  ");
    assert_eq!((run.code(), run.stderr.as_str()), (0, ""));
    assert_eq!(lab.host().counted("queries"), 0);
}

#[test]
fn a_file_that_is_no_table_ends_with_status_two() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.host().sh("printf '11.0.0.0/8 64500\\nnonsense\\n' > /mnt/asn.txt");
    for (file, why) in [("/mnt/asn.txt", "line 2: not a prefix and an AS number"), ("/mnt/none", "No such file")] {
        let run = lab.host().rtrace(&["-n", "--asn-db", file, "192.0.2.1"]);
        assert_eq!((run.code(), run.stdout.as_str()), (2, ""), "{run:#?}");
        assert!(run.stderr.contains(file) && run.stderr.contains(why), "{run:#?}");
    }
}

#[cfg(not(feature = "dns"))]
#[test]
fn a_build_without_name_servers_says_so() {
    let Some(lab) = Plan::chain(1).build() else { return };
    for (option, arguments) in
        [("-A", &["-A"][..]), ("--asn-zone", &["--asn-zone=x.test"]), ("--resolver", &["--resolver=127.0.0.1"])]
    {
        let run = lab.host().rtrace(&[arguments, &["192.0.2.1"]].concat());
        assert_eq!((run.code(), run.stdout.as_str()), (2, ""), "{run:#?}");
        assert!(run.stderr.contains(&format!("{option}: this build asks no name servers")), "{run:#?}");
    }
    let run = lab.host().rping(&["-H", "-c1", "--resolver=127.0.0.1", "192.0.2.1"]);
    assert!(run.code() == 2 && run.stderr.ends_with(": --resolver: this build asks no name servers\n"), "{run:#?}");
}

#[cfg(feature = "dns")]
mod asked {
    use super::*;
    use crate::helper::Helper;

    /// What `rtrace` calls the address, and how long the run took.
    fn asked(lab: &Lab, zone: &str, address: &str) -> (String, f64) {
        let run = lab.host().rtrace(&["-n", "-q1", "--resolver", SERVER, "--asn-zone", zone, address]);
        assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{zone}: {run:#?}");
        assert!(!run.stdout.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{zone}: {run:#?}");
        let shown = run.stdout.lines().nth(1).and_then(|line| line.split(&['[', ']'][..]).nth(1));
        (shown.unwrap_or_else(|| panic!("{zone}: {run:#?}")).to_owned(), run.took.as_secs_f64())
    }

    #[test]
    fn a_name_server_gives_origins() {
        let Some(lab) = public_lab() else { return };
        let _helper = Helper::origins(lab.host());
        assert_eq!(asked(&lab, "good.test", "11.0.0.1").0, "AS64499/AS64500");
        assert_eq!(asked(&lab, "good.test", "2a00::1").0, "AS4200000000");
        assert_eq!(asked(&lab, "none.test,good.test", "2a00::1").0, "AS4200000000");
        assert_eq!(asked(&lab, "none.test", "11.0.0.1").0, "*", "there is no record");
        let run = lab.host().rtrace(&["--json", "--resolver", SERVER, "--asn-zone=good.test", "11.0.0.1"]);
        let responder = &run.object("trace")["hops"][0]["responders"][0];
        assert_eq!((&responder["asn"], &responder["origins"]), (&64_499.into(), &vec![64_499, 64_500].into()));
        assert_eq!(
            (&responder["name"], &responder["as_name"]),
            (&serde_json::Value::Null, &"EXAMPLE-AS - Example, XX".into())
        );
        let run = lab.host().rtrace(&["-n", "-q1", "--resolver", SERVER, "--asn-zone=origin.good.test", "11.0.0.1"]);
        run.says(" 1  11.0.0.1 [AS64499/AS64500] EXAMPLE-AS  ");
    }

    #[test]
    fn a_name_server_that_lies_or_is_silent_costs_nothing_but_the_origin() {
        let Some(lab) = public_lab() else { return };
        let _helper = Helper::origins(lab.host());
        for (zone, expected) in [
            ("evil.test", "!!"),
            ("elsewhere.test", "!!"),
            ("other.test", "!!"),
            ("refuse.test", "!!"),
            ("silent.test", "!!"),
            // An alias of itself has no text.
            ("loop.test", "*"),
        ] {
            let (shown, seconds) = asked(&lab, zone, "11.0.0.1");
            assert_eq!(shown, expected, "{zone}");
            assert!(seconds < 3.0, "{zone}: {seconds}");
        }
    }

    #[test]
    fn no_server_is_asked_about_addresses_that_are_not_public() {
        let Some(lab) = public_lab() else { return };
        let _helper = Helper::origins(lab.host());
        let before = lab.host().counted("queries");
        for target in ["192.0.2.1", "2001:db8::1", "127.0.0.1", "::1"] {
            let run = lab.host().rtrace(&["-n", "--resolver", SERVER, "--asn-zone=good.test", target]);
            assert!(run.code() == 0 && run.stdout.contains(" [*]  ") && !run.stdout.contains("AS"), "{run:#?}");
        }
        assert_eq!(lab.host().counted("queries"), before);
        let run = lab.host().rtrace(&["-n", "-A", "--resolver", SERVER, "11.0.0.1"]);
        run.says(" 1  11.0.0.1 [*]  ");
        assert!(lab.host().counted("queries") > before, "a public address is asked about: {run:#?}");
    }

    #[test]
    fn names_come_from_the_resolver_that_was_given() {
        let Some(lab) = public_lab() else { return };
        lab.host().sh("printf 'nameserver 203.0.113.53\\n' > /etc/resolv.conf");
        let _names = Helper::names(lab.host());
        for run in [
            lab.host().rtrace(&["-q1", "--resolver=127.0.0.1", "11.0.0.1"]),
            lab.host().rping(&["-H", "-c2", "-i0.7", "--resolver=203.0.113.99,127.0.0.1", "11.0.0.1"]),
        ] {
            assert!(run.code() == 0 && run.stdout.contains("evil"), "{run:#?}");
        }
    }
}
