//! Runs that are recorded, and shown again.

use std::io::Read;
use std::path::Path;

use netprobe::recording::Unpacker;
use netprobe::sim::{Direction, Link, Node, US, ip};
use std::time::Duration;

use crate::world::{Outcome, World};

/// What `line` shows with the options `shown`, and what its recording shows with them.
fn both(world: fn() -> World, line: &str, shown: &str) -> (Outcome, Outcome) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let live = world().run(&format!("{line} {shown}"));
    record(&world(), line, &file);
    (live, replay(line, &file, shown))
}

fn record(world: &World, line: &str, file: &Path) -> Outcome {
    world.run(&format!("{line} --record {}", file.display()))
}

fn replay(line: &str, file: &Path, shown: &str) -> Outcome {
    let tool = line.split(' ').next().unwrap();
    // A replay opens no socket: there is no network here.
    World::without_sockets().run(&format!("{tool} --replay {} {shown}", file.display()))
}

fn assert_same(world: fn() -> World, line: &str, formats: &[&str]) {
    let mut something = false;
    for shown in formats {
        let (live, again) = both(world, line, shown);
        assert_eq!(again.stdout, live.stdout, "{line} {shown}");
        assert_eq!(again.stderr, live.stderr, "{line} {shown}");
        assert_eq!(again.status, live.status, "{line} {shown}");
        something |= !live.stdout.is_empty();
    }
    assert!(something, "{line}");
}

const FORMATS: [&str; 3] = ["", "--json", "--format csv"];

/// A lossy path.
fn lossy() -> World {
    let mut world = World::new();
    let router = world.network.add(US, Node::router(ip("203.0.113.9")), Link::after(Duration::from_millis(3)));
    let link = Link::after(Duration::from_millis(7)).homeward(Direction::after(Duration::from_millis(7)).lose(0.3));
    world.network.add(router, Node::host(ip("198.51.100.50")), link);
    world
}

#[test]
fn a_replay_of_echo_requests_is_the_run_to_the_octet_in_every_output() {
    let shown = ["", "-q", "-v", "-D", "-O", "-n", "-O -v", "--json", "--json -q", "--format csv", "--format csv -q"];
    assert_same(World::new, "rping -c 3 host.example", &shown);
    assert_same(lossy, "rping -c 20 -i 200ms -W 100ms 198.51.100.50", &shown);
    assert_same(lossy, "rping -c 20 -i 200ms -W 100ms 198.51.100.50", &["--changes", "--changes --json"]);
    assert_same(lossy, "rping -c 20 -i 200ms --max loss=1%,p95=1ms 198.51.100.50", &["-q", "--json -q"]);
    assert_same(World::new, "rping -c 3 -H -I eth0 -p ff host.example 2001:db8:9::9", &["", "-v", "--json"]);
    assert_same(World::new, "rping -c 5 -f host.example", &shown);
    assert_same(World::new, "rping -c 2 203.0.113.77 host.example", &shown);
}

#[test]
fn a_replay_of_services_is_the_run_to_the_octet() {
    for method in ["--tcp", "--tcp=9", "--udp=9", "--udp=dns", "--stamp", "--dns example.org"] {
        assert_same(World::new, &format!("rping -c 3 -W 500ms {method} host.example"), &FORMATS);
    }
    assert_same(World::new, "rping --contrast -c 4 host.example", &["", "-v", "--json", "--json -q", "--format csv"]);
}

#[test]
fn a_replay_of_a_sweep_is_the_run_to_the_octet() {
    for how in ["", "--alive", "--unreachable", "--vector -c 3 -i 100ms", "-c 2 -i 100ms"] {
        assert_same(World::new, &format!("rping 198.51.100.8/30 {how}"), &FORMATS);
    }
}

#[test]
fn a_replay_of_a_trace_is_the_run_to_the_octet() {
    let shown = ["", "-n", "--explain", "-v", "-e", "--back", "--json", "--format csv"];
    for how in ["", "-q 1", "-I", "-U", "-T", "--mtu", "-6"] {
        assert_same(World::new, &format!("rtrace {how} host.example"), &shown);
    }
    assert_same(World::new, "rtrace --flows 4 host.example", &["", "-n", "--explain", "--json", "--format csv"]);
    assert_same(lossy, "rtrace host.example 198.51.100.50 203.0.113.77", &shown);
}

#[test]
fn a_replay_of_a_report_is_the_run_to_the_octet() {
    let shown = ["", "--report", "-n", "-b", "-e", "-v", "--json", "--report --json", "--format csv"];
    assert_same(World::new, "rtrace --report -c 3 host.example", &shown);
    assert_same(lossy, "rtrace --report -c 12 --interval 300ms 198.51.100.50 host.example", &shown);
}

/// The octets of a recording of `line`, as they are stored.
fn stored(line: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    record(&World::new(), line, &file);
    std::fs::read(file).unwrap()
}

fn unpacked(stored: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    Unpacker::new(stored).read_to_end(&mut lines).unwrap();
    lines
}

/// The lines of a recording of `line`.
fn recorded(line: &str) -> Vec<u8> {
    unpacked(&stored(line))
}

fn replayed(tool: &str, octets: &[u8]) -> Outcome {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), octets).unwrap();
    replay(tool, file.path(), "")
}

#[test]
fn a_recording_that_was_cut_is_shown_to_its_last_whole_line() {
    for line in ["rping -c 3 host.example", "rtrace --report -c 2 host.example", "rtrace host.example"] {
        let packed = stored(line);
        let plain = unpacked(&packed);
        let whole = replayed(line, &packed);
        assert_eq!(whole.status, 0, "{whole}");
        assert_eq!(replayed(line, &plain).stdout, whole.stdout);
        for (octets, step) in [(packed, 29), (plain.clone(), if line.contains("--report") { 1 } else { 29 })] {
            for end in (octets.len().saturating_sub(1024)..octets.len()).step_by(step) {
                let (cut, left) = (replayed(line, &octets[..end]), unpacked(&octets[..end]));
                assert!(whole.stdout.starts_with(&cut.stdout), "{end}: {cut}");
                if left == plain {
                    // Only what gzip adds is missing.
                    assert_eq!(cut.stdout, whole.stdout);
                    continue;
                }
                assert_eq!(cut.status, if left.contains(&b'\n') { 1 } else { 2 }, "{end}: {cut}");
                let said = "the recording has no end; shown is what it holds up to line";
                assert_eq!(cut.stderr.contains(said), cut.status == 1, "{end}: {cut}");
            }
        }
    }
}

#[test]
fn damage_in_the_middle_is_an_error_that_names_the_line() {
    let text = String::from_utf8(recorded("rping -c 3 host.example")).unwrap();
    let damaged = replayed("rping", text.replacen("\"sequence\":2", "\"sequence\":-2", 1).as_bytes());
    assert_eq!(damaged.status, 2);
    let line = text.lines().position(|line| line.contains("\"sequence\":2")).unwrap() + 1;
    let said = format!("line {line} is damaged: sequence: not a number of this range");
    assert!(damaged.stderr.contains(&said), "{damaged}");
    let missing =
        replayed("rping", text.replacen("{\"type\":\"subject\"", "{\"type\":\"object\",\"t\":0", 1).as_bytes());
    assert!(missing.stderr.contains("line 3 is damaged: subject: a number that nothing has"), "{missing}");
}

#[test]
fn what_is_unknown_is_skipped_and_another_version_is_refused_with_a_sentence() {
    let text = String::from_utf8(recorded("rping -c 3 host.example")).unwrap();
    let whole = replayed("rping", text.as_bytes()).stdout;
    let more =
        text.replacen("\n{\"type\":\"probe\"", "\n{\"type\":\"weather\",\"t\":0,\"rain\":[1]}\n{\"type\":\"probe\"", 1);
    assert_eq!(replayed("rping", more.as_bytes()).stdout, whole);
    let newer = replayed("rping", text.replacen("\"version\":1", "\"version\":2", 1).as_bytes());
    assert_eq!(newer.status, 2);
    assert!(newer.stderr.contains("a recording of version 2; this program reads version 1"), "{newer}");
    assert!(replayed("rping", b"PING\n").stderr.ends_with("not a recording\n"));
    assert!(replayed("rping", &[b'x'; 100]).stderr.ends_with("not a recording\n"));
    assert!(replayed("rtrace", text.as_bytes()).stderr.ends_with("a recording of rping; rping shows it\n"));
}

#[test]
fn nothing_is_overwritten_without_force_and_others_cannot_read_a_recording() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    record(&World::new(), "rping -c 1 host.example", &file);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    let again = record(&World::without_sockets(), "rping -c 2 host.example", &file);
    assert_eq!(again.status, 2);
    assert!(again.stderr.ends_with("it exists already; --force overwrites it\n"), "{again}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(record(&World::new(), "rping -c 2 --force host.example", &file).status, 0);
    assert!(replay("rping", &file, "-q").stdout.contains("2 packets transmitted"));
}

#[test]
fn a_run_that_could_not_begin_does_not_stand_in_the_way_of_the_next() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    assert_eq!(record(&World::new(), "rping -c 1 nosuch.example", &file).status, 2);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"");
    assert_eq!(record(&World::new(), "rping -c 1 host.example", &file).status, 0);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(replay("rping", &file, "-q").stdout.contains("1 packets transmitted"));
}

#[test]
fn a_full_disk_ends_the_recording_with_a_sentence_and_not_the_run() {
    let run = World::new().run("rping -c 3 --force --record /dev/full host.example");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("3 packets transmitted, 3 received"), "{run}");
    let said = "--record /dev/full: No space left on device (os error 28): the recording ends here, the run does not\n";
    assert!(run.stderr.ends_with(said), "{run}");
}

#[test]
fn a_recording_on_standard_output_takes_the_place_of_the_results() {
    let run = World::new().run("rping -c 3 --record - host.example");
    assert!(run.stdout.lines().all(|line| line.starts_with("{\"type\":\"")), "{run}");
    assert_eq!(replayed("rping", run.stdout.as_bytes()).stdout, World::new().run("rping -c 3 host.example").stdout);
}

#[test]
fn what_was_watched_is_replayed_as_one_report() {
    for words in ["rtrace --live=plain -c 3 -n 198.51.100.9", "rtrace --changes -c 3 -n 198.51.100.9"] {
        let octets = recorded(words);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &octets).unwrap();
        let whole = replay("rtrace", file.path(), "--report");
        let tables = |text: &str| text.lines().filter(|line| line.starts_with("HOST:")).count();
        assert_eq!((tables(&whole.stdout), &*whole.stderr, whole.status), (1, "", 0), "{words}: {whole}");
        // Cut before its end, it shows what was known last.
        let end = octets.windows(20).rposition(|text| text.starts_with(b"{\"type\":\"report\"")).unwrap();
        std::fs::write(file.path(), &octets[..end]).unwrap();
        let cut = replay("rtrace", file.path(), "--report");
        assert_eq!((tables(&cut.stdout) + tables(&cut.stderr), cut.status), (1, 1), "{words}: {cut}");
    }
}

#[test]
fn a_replay_takes_no_options_that_say_how_to_probe() {
    for options in ["-c 3", "--tcp", "-i 1", "host.example", "--alive"] {
        let refused = replay("rping", Path::new("/nonexistent"), options);
        assert_eq!(refused.status, 2);
        assert!(refused.stderr.contains("--replay shows what was recorded"), "{refused}");
        let refused = World::without_sockets().run(&format!("rping --diff a b {options}"));
        assert_eq!(refused.status, 2, "{refused}");
    }
    let octets = recorded("rtrace host.example");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), octets).unwrap();
    let refused = replay("rtrace", file.path(), "--report");
    assert!(refused.stderr.contains("--report: FILE holds a single trace, without cycles"), "{refused}");
}

#[test]
fn what_is_kept_is_the_last_of_a_long_run_and_is_shown_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    // A probe a minute for five hours, of which two are kept, and the one that is being written.
    let line = "rping -c 300 -i 60 -W 1 host.example";
    let run = record(&World::new(), &format!("{line} --keep 2h"), &file);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let kept = replay("rping", &file, "");
    assert_eq!(kept.status, 0, "{kept}");
    let lines = |outcome: &Outcome| outcome.stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    let (all, kept) = (lines(&run), lines(&kept));
    assert_eq!(kept.first(), all.first());
    let probes = kept.iter().filter(|line| line.contains("icmp_seq")).count();
    assert!((120..=180).contains(&probes), "{probes}");
    assert_eq!(kept[1..], all[all.len() - kept.len() + 1..]);
}

/// A host at the end of a path of two routers, this far beyond them, that loses this part of the answers.
fn path(second: &str, millis: u64, lost: f64) -> World {
    let mut world = World::new();
    let first = world.network.add(US, Node::router(ip("203.0.113.8")), Link::after(Duration::from_millis(1)));
    let second = world.network.add(first, Node::router(ip(second)), Link::after(Duration::from_millis(3)));
    let back = Direction::after(Duration::from_millis(millis)).lose(lost).vary(Duration::from_millis(1));
    let link = Link::after(Duration::from_millis(millis)).homeward(back);
    world.network.add(second, Node::host(ip("198.51.100.50")), link);
    world
}

#[test]
fn two_runs_differ_where_more_than_chance_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let line = "rtrace --report -n -c 30 198.51.100.50";
    let named = |name: &str, world: World| {
        let file = folder.path().join(name);
        record(&world, line, &file);
        file.display().to_string()
    };
    let usual = named("usual", path("203.0.113.9", 5, 0.05));
    let diff = |other: &str, how: &str| World::without_sockets().run(&format!("rtrace --diff {usual} {other} {how}"));
    let same = diff(&usual, "");
    assert_eq!(same.status, 0, "{same}");
    assert!(same.stdout.ends_with("\nNothing differs by more than chance explains.\n"), "{same}");
    let slower = diff(&named("slower", path("203.0.113.9", 6, 0.05)), "");
    assert_eq!(slower.status, 1, "{slower}");
    assert!(slower.stdout.ends_with("\n1 of 3 rows differs, first at hop 3.\n"), "{slower}");
    let lossy = diff(&named("lossy", path("203.0.113.9", 5, 0.6)), "");
    assert!(lossy.stdout.ends_with("\n1 of 3 rows differs, first at hop 3.\n"), "{lossy}");
    let moved = diff(&named("moved", path("203.0.113.10", 5, 0.05)), "");
    assert!(moved.stdout.contains("  2  replaced  203.0.113.9 -> 203.0.113.10 "), "{moved}");
    let json = diff(&named("json", path("203.0.113.10", 5, 0.05)), "--json");
    assert_eq!(json.stdout.matches("\"kind\":\"replaced\"").count(), 1, "{json}");
    let refused = diff("/dev/null", "");
    assert_eq!(refused.status, 2, "{refused}");
}

#[test]
fn what_json_printed_is_compared_as_a_recording_is() {
    let folder = tempfile::tempdir().unwrap();
    let printed = |name: &str, world: World, line: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, world.run(line).stdout).unwrap();
        file.display().to_string()
    };
    let (ping, trace) = ("rping -c 30 -i 0.2 --json 198.51.100.50", "rtrace -n -q 10 --json 198.51.100.50");
    let report = "rtrace --report -n -c 30 --json 198.51.100.50";
    let diff = |tool: &str, before: &str, after: &str| {
        World::without_sockets().run(&format!("{tool} --diff {before} {after}"))
    };
    let run = |name: &str, line: &str, millis, lost| printed(name, path("203.0.113.9", millis, lost), line);
    let usual = run("a", ping, 5, 0.0);
    let same = diff("rping", &usual, &usual);
    assert_eq!(same.status, 0, "{same}");
    for (name, millis, lost) in [("b", 7, 0.0), ("c", 5, 0.6)] {
        let differs = diff("rping", &usual, &run(name, ping, millis, lost));
        assert!(differs.status == 1 && differs.stdout.ends_with("1 of 1 rows differs.\n"), "{differs}");
    }
    let usual = run("d", trace, 5, 0.0);
    let slower = diff("rtrace", &usual, &run("e", trace, 9, 0.0));
    assert!(slower.stdout.ends_with("\n1 of 3 rows differs, first at hop 3.\n"), "{slower}");
    let usual = run("f", report, 5, 0.0);
    let lossy = diff("rtrace", &usual, &run("g", report, 5, 0.6));
    assert!(lossy.stdout.ends_with("\n1 of 3 rows differs, first at hop 3.\n"), "{lossy}");
    // Statistics alone show no difference of delays.
    assert_eq!(diff("rtrace", &usual, &run("h", report, 9, 0.0)).status, 0);
    let other = diff("rping", &usual, &usual);
    assert!(other.status == 2 && other.stderr.contains("what rtrace printed; rtrace compares it"), "{other}");
}
