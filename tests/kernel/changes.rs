//! A link that goes down and comes up while its target is followed.

use serde_json::Value;

use crate::lab::{Plan, Privilege, Source, Tool};

/// The interval of the probes, and what an outage may be longer or shorter by: one interval, and the time that commands take here.
const INTERVAL_MS: f64 = 100.0;

#[test]
fn the_length_of_an_outage_is_known_to_an_interval() {
    let Some(lab) = Plan::chain(1).build() else { return };
    for (node, down, up) in [
        (lab.router(1), "ip link set right down", "ip link set right up && ip route replace default via 10.9.1.2"),
        (lab.host(), "ip link set right down", "ip link set right up && ip route replace default via 10.9.0.2"),
    ] {
        let args = ["--changes", "--json", "-i0.1", "-W", "300ms", "192.0.2.1"];
        let mut run = lab.host().start(Tool::Rping, Privilege::Root, &args);
        run.until(Source::Data, "\"change\":\"up\"");
        let began = std::time::Instant::now();
        node.sh(down);
        let is_down = std::time::Instant::now();
        run.until(Source::Data, "\"change\":\"outage\"");
        // While the link is down the kernel keeps some probes, which are answered once it is up.
        let shortest = is_down.elapsed().as_secs_f64() * 1e3 - 2.0 * INTERVAL_MS;
        node.sh(up);
        run.until(Source::Data, "\"change\":\"back\"");
        let longest = began.elapsed().as_secs_f64() * 1e3 + 2.0 * INTERVAL_MS;
        run.signal("INT");
        let run = run.finish();
        let changes: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let back = &changes[2];
        let (outage, lost) = (back["outage_ms"].as_f64().expect("a number"), back["lost"].as_f64().expect("a number"));
        assert_eq!(changes.len(), 3, "{run:#?}");
        assert!(outage >= shortest && outage <= longest, "{shortest} {outage} {longest} {run:#?}");
        assert!(outage >= lost * INTERVAL_MS - 2.0 * INTERVAL_MS, "every probe of it was lost: {run:#?}");
        assert_eq!(run.code(), 0, "{run:#?}");
    }
}

#[test]
fn a_run_waits_for_a_route_that_is_not_there_yet() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.host().sh("ip link set right down");
    let mut run = lab.host().start(Tool::Rping, Privilege::Root, &["--until", "up", "-i0.1", "192.0.2.1"]);
    run.until(Source::Talk, "sending seq=1");
    lab.host().sh("ip link set right up && ip route replace default via 10.9.0.2");
    let run = run.finish();
    run.says("1 received");
    assert_eq!(run.code(), 0, "{run:#?}");
}
