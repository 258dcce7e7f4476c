//! What several tools write, and objects within others.

use super::Holds::{Address, Flag, Integer, List, Name, Number, Object as Of, Text};
use super::{Key, Object, Part, key};
use netprobe::engine::condition::Kind;

/// `version`, of every object about a whole run or target.
pub(super) const VERSION: Key = key("version", Integer, "1; another number would stand for incompatible changes");

/// `tool`, of those as well.
pub(super) const TOOL: Key = key("tool", Text, "the tool: rping, rtrace or rpong");

/// The interface of a scoped address.
pub(super) const ZONE: Key =
    key("zone", Text, "the interface of a scoped IPv6 address; others have no such key").if_any();

/// `conditions`, where the run has any.
pub(super) const CONDITIONS: Key =
    key("conditions", List(&Of(&CONDITION)), "what --max, --min and --require ask, and whether it holds").if_any();

pub(super) const OBJECTS: &[Object] = &[
    Object {
        kind: "part",
        tool: None,
        about: "The last line of one share of a run (--shard), by which a missing or a foreign share is found",
        keys: &[&[
            VERSION,
            TOOL,
            key("shard", Of(&SHARD), "which share"),
            key("list_digest", Text, "16 hexadecimal digits that are equal in all shares of one whole"),
            key("targets", Integer, "targets of the share that were probed"),
            key("answered", Integer, "those of them that answered, or that a trace reached"),
            key("complete", Flag, "whether all targets of the share were probed to the end"),
        ]],
    },
    Object {
        kind: "doctor",
        tool: None,
        about: "What --doctor finds; it is the only line",
        keys: &[&[
            VERSION,
            TOOL,
            key("works", Flag, "whether all that is needed for probing works"),
            key("kernel_release", Text, "the kernel's release").or_null(),
            key("uid", Integer, "the user"),
            key("ping_group_range", List(&Integer), "net.ipv4.ping_group_range: its two numbers").or_null(),
            key("capabilities", List(&Text), "those that probing needs and the tool has"),
            key("no_new_privs", Flag, "whether programs started from here cannot gain privileges"),
            key("name_servers", List(&Text), "the system's name servers"),
            key("clock_error_ms", Number, "the error of the clock; null if it is not kept in step with UTC").or_null(),
            key("interfaces", List(&Of(&DOCTOR_INTERFACE)), "the interfaces of this host"),
            key("targets", List(&Of(&DOCTOR_TARGET)), "how packets to each address of the targets leave"),
            key("checks", List(&Of(&DOCTOR_CHECK)), "what was looked at"),
        ]],
    },
    Object {
        kind: "difference",
        tool: None,
        about: "A place that two recordings have in common, or that one of them lacks (--diff)",
        keys: &[&[
            key("place", Text, "the target and the method"),
            key("ttl", Integer, "the hop; null for the target itself").or_null(),
            key("kind", Text, "how they differ"),
            key("addresses_before", List(&Address), "who answered in the first").or_null(),
            key("addresses_after", List(&Address), "who answered in the second").or_null(),
            key("rtt_stats_ms_before", Of(&DELAYS), "delays in the first").or_null(),
            key("rtt_stats_ms_after", Of(&DELAYS), "delays in the second").or_null(),
            key("rtt_differs", Flag, "whether the delays differ by more than chance explains"),
            key("loss_pct_before", Number, "loss in the first, percent").or_null(),
            key("loss_pct_after", Number, "loss in the second, percent").or_null(),
            key("loss_differs", Flag, "whether the losses differ by more than chance explains"),
        ]],
    },
];

/// Statistics of delays.
pub(super) const DELAYS: Part = Part {
    name: "delays",
    about: "Statistics of delays in milliseconds. What is not known is null, as percentiles of a sweep that keeps no delays",
    keys: &[&[
        key("min", Number, "smallest"),
        key("mean", Number, "arithmetic mean"),
        key("median", Number, "50th percentile: nearest rank, exact up to 64 delays, then three significant digits")
            .or_null(),
        key("p90", Number, "90th percentile").or_null(),
        key("p95", Number, "95th percentile").or_null(),
        key("p99", Number, "99th percentile").or_null(),
        key("max", Number, "largest"),
        key("stddev", Number, "standard deviation of the population").or_null(),
    ]],
};

/// Statistics of few delays.
pub(super) const RANGE: Part = Part {
    name: "range",
    about: "Statistics of delays in milliseconds, without percentiles",
    keys: &[&[key("min", Number, "smallest"), key("mean", Number, "arithmetic mean"), key("max", Number, "largest")]],
};

const CONDITION: Part = Part {
    name: "condition",
    about: "A condition of the run",
    keys: &[&[
        key("kind", Name(&[Kind::NAMES]), "the option: at most, at least, or a fact"),
        key("key", Text, "what is asked, as in the option"),
        key("argument", Text, "what follows the equals sign").or_null(),
        key("limit", Number, "the limit").or_null(),
        key("value", Number, "what was measured, in the unit of the limit; null where that is not known").or_null(),
        key("unit", Text, "%, ms or bytes").or_null(),
        key("part", Text, "the method or the flow that is meant, where there are several").or_null(),
        key("holds", Flag, "whether it holds"),
    ]],
};

const SHARD: Part = Part {
    name: "shard",
    about: "A share of a run",
    keys: &[&[key("index", Integer, "its number, from 0"), key("count", Integer, "how many there are")]],
};

const DOCTOR_INTERFACE: Part = Part {
    name: "doctor_interface",
    about: "An interface of this host; null where the kernel does not say",
    keys: &[&[
        key("interface", Text, "its name"),
        key("kernel_receive_stamps", Flag, "whether the kernel stamps what it receives").or_null(),
        key("kernel_send_stamps", Flag, "whether the kernel stamps what it sends").or_null(),
        key("hardware_stamps", Flag, "whether the interface stamps packets").or_null(),
    ]],
};

const DOCTOR_TARGET: Part = Part {
    name: "doctor_target",
    about: "An address of a target",
    keys: &[&[
        key("target", Text, "the target as given"),
        key("address", Address, "the address; null for a name without one").or_null(),
        key("source", Address, "the address packets will have; null if nothing can be sent there").or_null(),
        key("table", Integer, "the routing table").or_null(),
        key("rules", Integer, "rules of this host that choose tables, besides those that every host has").or_null(),
        key("next_hops", List(&Of(&NEXT_HOP)), "where packets leave; of several one is chosen for each flow"),
    ]],
};

const NEXT_HOP: Part = Part {
    name: "next_hop",
    about: "Where packets leave",
    keys: &[&[
        key("gateway", Address, "the gateway; null on the link").or_null(),
        key("interface", Text, "the interface").or_null(),
    ]],
};

const DOCTOR_CHECK: Part = Part {
    name: "doctor_check",
    about: "Something that was looked at",
    keys: &[&[
        key(
            "check",
            Text,
            "what: icmp_raw, icmp_dgram, udp, ping_group_range, capabilities, sandbox, resolver, clock, stamps or route",
        ),
        key("family", Name(&[&["ipv4", "ipv6"]]), "the family it is about").or_null(),
        key("target", Text, "the target it is about").or_null(),
        key("state", Name(&[&["ok", "limited", "failed"]]), "how it is"),
        key("message", Text, "the same in a sentence"),
        key("remedy", Text, "what helps, in a sentence").or_null(),
    ]],
};
