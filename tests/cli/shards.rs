//! Runs spread over several machines: their shares together are the whole, and a missing or a foreign one is found.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::World;

const LIST: &str = "# all\n198.51.100.0/28\nhost.example web\n198.51.100.9\n203.0.113.1\n203.0.113.2-4\n";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The targets of a run and the object that closes it.
fn share(command: &str, index: u64, count: u64) -> (Vec<String>, Value) {
    let line = format!("{command} --json --targets - --shard-index {index} --shard-count {count}");
    let outcome = World::new().stdin(LIST).run(&line);
    let mut objects = lines(&outcome.stdout);
    let part = objects.pop().unwrap_or_else(|| panic!("{line}: {}", outcome.stderr));
    let targets = objects.iter().filter(|object| object["type"] != "start");
    (targets.map(|object| object["target"].as_str().unwrap().to_owned()).collect(), part)
}

#[test]
fn the_shares_of_a_list_are_the_whole_at_any_number_of_parts() {
    let (mut whole, closing) = share("rping", 0, 1);
    whole.sort();
    assert_eq!((whole.len(), &closing["targets"]), (20, &Value::from(20)));
    for count in [5, 7, 64] {
        let mut all = Vec::new();
        for index in 0..count {
            let (targets, part) = share("rping", index, count);
            assert_eq!(part["type"], "part");
            assert_eq!(part["shard"], serde_json::json!({"index": index, "count": count}));
            assert_eq!(part["list_digest"], closing["list_digest"]);
            assert_eq!((&part["targets"], &part["complete"]), (&Value::from(targets.len()), &Value::from(true)));
            all.extend(targets);
        }
        all.sort();
        assert_eq!(all, whole, "{count} parts");
    }
}

#[test]
fn a_lost_part_and_a_part_of_another_list_are_found_by_what_closes_each() {
    let mut parts: Vec<Value> = (0..3).map(|index| share("rping", index, 3).1).collect();
    let foreign = World::new().run("rping --json --shard 2/3 198.51.100.0/28");
    parts[1] = lines(&foreign.stdout).pop().unwrap();
    let mut of_digest: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for part in &parts {
        let index = part["shard"]["index"].as_u64().unwrap();
        of_digest.entry(part["list_digest"].as_str().unwrap()).or_default().push(index);
    }
    let mut shares: Vec<Vec<u64>> = of_digest.into_values().collect();
    shares.sort();
    assert_eq!(shares, [vec![0, 2], vec![1]]);
}

#[test]
fn the_seed_of_the_order_is_part_of_the_digest() {
    let digest = |options: &str| {
        let outcome = World::new().run(&format!("rping --json --shard 1/2 {options} 198.51.100.0/28"));
        lines(&outcome.stdout).pop().unwrap()["list_digest"].clone()
    };
    assert_eq!(digest("--random-order --seed 7"), digest("--random-order --seed 7"));
    assert_ne!(digest("--random-order --seed 7"), digest("--random-order --seed 8"));
    assert_ne!(digest("--random-order"), digest(""));
}

#[test]
fn traces_are_spread_like_sweeps() {
    let trace = |index, count| {
        let line = format!("rtrace -n --json --targets - --shard-index {index} --shard-count {count}");
        let outcome = World::new().stdin("198.51.100.9\nhost.example\n198.51.100.8\n").run(&line);
        let mut objects = lines(&outcome.stdout);
        let part = objects.pop().unwrap();
        let of = |object: &Value| object["target"].as_str().unwrap().to_owned();
        let mut targets: Vec<String> = objects.iter().map(of).collect();
        targets.sort();
        (targets, part, outcome.status)
    };
    let (first, part, _) = trace(0, 2);
    assert_eq!(first, ["198.51.100.8", "198.51.100.9"]);
    assert_eq!((&part["targets"], &part["answered"]), (&Value::from(2), &Value::from(1)));
    let (second, other, status) = trace(1, 2);
    assert_eq!((second.as_slice(), status), (["host.example".to_owned()].as_slice(), 0));
    assert_eq!(part["list_digest"], other["list_digest"]);
    let (none, empty, status) = trace(4, 5);
    assert_eq!(
        (none.len(), status, &empty["targets"], &empty["complete"]),
        (0, 0, &Value::from(0), &Value::from(true))
    );
}

#[test]
fn a_terminal_reads_which_part_it_is() {
    let outcome = World::new().terminal().run("rping --alive --shard-index 1 --shard-count 3 198.51.100.0/28");
    assert!(outcome.stderr.contains("rping: part 2 of 3 (index 1): "), "{}", outcome.stderr);
}

#[test]
fn options_of_shares_that_do_not_fit_together_are_refused() {
    for (options, sentence) in [
        ("--shard-index 1", "--shard-index <I>: --shard-count says of how many"),
        ("--shard-count 2", "--shard-count <N>: --shard-index says which"),
        ("--shard 1/2 --shard-index 0", "--shard <I/N> cannot be used together with --shard-index <I>"),
        (
            "--shard-index 3 --shard-count 3",
            "--shard-index <I>: invalid value '3': out of range: 0 <= value <= 2: the first share is 0",
        ),
    ] {
        for tool in ["rping", "rtrace"] {
            let outcome = World::new().run(&format!("{tool} {options} 198.51.100.9"));
            assert_eq!((outcome.status, outcome.stderr), (2, format!("{tool}: {sentence}\n")), "{options}");
        }
    }
}
