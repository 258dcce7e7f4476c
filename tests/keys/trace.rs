//! rtrace's objects.

use super::Holds::{Address, Flag, Integer, List, Name, Number, Object as Of, Text, Time};
use super::parts::{CONDITIONS, DELAYS, TOOL, VERSION, ZONE};
use super::{Key, Object, Part, key};
use netprobe::channel::SocketKind;
use netprobe::engine::outcome::{Field, MethodKind, State};
use netprobe::trace::{Code, Severity, StopReason};
use netprobe::types::StampSource;
use netprobe::wire::extension::InterfaceRole;

/// The keys of every line.
const COMMON: &[Key] = &[
    VERSION,
    TOOL,
    key("target", Text, "the target as given"),
    key("address", Address, "the one chosen; null for a name without one").or_null(),
    ZONE,
    key("source", Address, "the address packets have").or_null(),
    key("method", Name(&[MethodKind::NAMES]), "how it was probed"),
    key("method_requested", Text, "the method asked for, as in -M"),
    key("socket", Name(&[SocketKind::NAMES]), "the type of the socket").or_null(),
    key("port", Integer, "the port of the first probe").or_null(),
];

const REACHED: Key = key("reached", Flag, "whether the destination answered");
const STOP_REASON: Key =
    key("stop_reason", Name(&[StopReason::NAMES]), "why it ended; of a report cycles, interrupted or send_failed");

/// The counts of a destination over time.
const DESTINATION: &[Key] = &[
    key("sent", Integer, "probes to the destination"),
    key("received", Integer, "those it answered"),
    key("unreachable", Integer, "those that ended in an ICMP error"),
    key("lost", Integer, "those not answered"),
    key("pending", Integer, "those that were not decided"),
    key("loss_pct", Number, "loss, percent, of cycles in which the destination was probed").or_null(),
    key("send_failed", Integer, "probes that the kernel did not send"),
];

/// The keys of a path, after those of every line.
const PATH: &[Key] = &[
    key("flow", Integer, "the number of the flow"),
    key("packet_bytes", Integer, "size of the whole IP packet").or_null(),
    REACHED,
    STOP_REASON,
    key("state", Name(&[&["unresolved", "unknown"]]), "unresolved: no address; unknown: nothing could be sent")
        .or_null(),
    CONDITIONS,
    key("duration_ms", Number, "from start to end"),
    key("time", Time, "when it started"),
];

pub(super) const OBJECTS: &[Object] = &[
    Object {
        kind: "trace",
        tool: Some("rtrace"),
        about: "A trace, as it ends; with --flows one for each flow",
        keys: &[
            COMMON,
            PATH,
            &[
                key(
                    "port_state",
                    Name(&[State::NAMES]),
                    "open or closed, by an answer of the destination to TCP or UDP",
                )
                .or_null(),
                key("path_mtu", Integer, "--mtu: the largest packet that reaches the destination").or_null(),
                key("path_mtu_at_least", Integer, "--mtu, where path_mtu is null: the largest packet that reached it")
                    .or_null(),
                key("hops", List(&Of(&HOP)), "every hop; a silent one keeps its place"),
                key("findings", List(&Of(&FINDING)), "what the path shows: see FINDINGS in rtrace(1)"),
            ],
        ],
    },
    Object {
        kind: "flows",
        tool: Some("rtrace"),
        about: "All flows of a target (--flows), after the trace of each",
        keys: &[
            COMMON,
            &[
                key("flows", List(&Integer), "their numbers"),
                key("reached_flows", List(&Integer), "those that reached the destination"),
                key("hops", List(&Of(&FLOWS_HOP)), "who answered at each TTL"),
                key("findings", List(&Of(&FINDING)), "what they show together"),
                CONDITIONS,
            ],
        ],
    },
    Object {
        kind: "change",
        tool: Some("rtrace"),
        about: "The path is another (--changes); nothing else is written then",
        keys: &[&[
            VERSION,
            TOOL,
            key("target", Text, "the target as given"),
            key("address", Address, "the one chosen").or_null(),
            key("method", Name(&[MethodKind::NAMES]), "how it is probed"),
            key("flow", Integer, "the number of the flow").or_null(),
            key("time", Time, "when it was noticed"),
            key("change", Name(&[&["path_changed", "length_changed"]]), "what happened"),
            key("path", Text, "path_changed: A is the first path that was seen, B the next").if_any(),
            key("hops", List(&Of(&CHANGED_HOP)), "path_changed: the hops with other routers").if_any(),
            key("rtt_before_ms", Number, "path_changed: the median of the destination before").or_null().if_any(),
            key("rtt_after_ms", Number, "path_changed: the same after").or_null().if_any(),
            key("length_before", List(&Integer), "length_changed: how many hops away the destination was").if_any(),
            key("length", Integer, "length_changed: how many it is now").if_any(),
            key("message", Text, "the sentence of the text"),
        ]],
    },
    Object {
        kind: "report",
        tool: Some("rtrace"),
        about: "A path over time (--report), at its end; in place of a trace",
        keys: &[
            COMMON,
            PATH,
            DESTINATION,
            &[
                key("interval_ms", Number, "from cycle to cycle"),
                key("distances", List(&Of(&DISTANCE)), "how far the destination was"),
                key("distance_proven", Flag, "false: it may be nearer; null if it never answered").or_null(),
                key("hops", List(&Of(&REPORT_HOP)), "the figures of each hop"),
            ],
        ],
    },
    Object {
        kind: "flows_report",
        tool: Some("rtrace"),
        about: "All flows of a path over time (--report --flows), after the report of each",
        keys: &[
            COMMON,
            DESTINATION,
            &[
                REACHED,
                STOP_REASON.or_null(),
                key("flows", List(&Integer), "their numbers"),
                key("flow_losses", List(&Of(&FLOW_LOSS)), "what the destination lost of each"),
                key("hops", List(&Of(&REPORT_HOP)), "the figures of each hop, of all flows together"),
                key("findings", List(&Of(&FINDING)), "what they show together"),
            ],
        ],
    },
];

/// The keys of a source of answers.
const ROUTER: &[Key] = &[
    key("address", Address, "its address"),
    key("name", Text, "its name, escaped").or_null(),
    key("asn", Integer, "the first of origins").or_null(),
    key("origins", List(&Integer), "-A: all systems that announce the address; empty if none does").or_null(),
    key("as_name", Text, "the name of asn").or_null(),
];

const CHANGED_HOP: Part = Part {
    name: "changed_hop",
    about: "The routers of a hop before and after a change",
    keys: &[&[
        TTL,
        key("before", List(&Address), "their addresses before"),
        key("after", List(&Address), "those after"),
    ]],
};

const TTL: Key = key("ttl", Integer, "its TTL");
const SENT: Key = key("sent", Integer, "probes sent");
const RECEIVED: Key = key("received", Integer, "probes answered");
const UNANSWERED: Key = key("unanswered", Integer, "probes without any answer");
const UNANSWERED_PCT: Key = key("unanswered_pct", Number, "the same, percent").or_null();
const ANNOTATION: Key = key("annotation", Text, "the mark of an answer, as !H in text").or_null();
const RTTS: Key = key("rtts_ms", List(&Number), "the delays of its answers");
const REPLY_TTL: Key = key("reply_ttl", Integer, "TTL of the answer on arrival").or_null();
const MPLS: Key = key("mpls", List(&Of(&LABEL)), "the label stack it shows");

const HOP: Part = Part {
    name: "hop",
    about: "All seen at one TTL",
    keys: &[&[
        TTL,
        SENT,
        RECEIVED,
        UNANSWERED,
        UNANSWERED_PCT,
        key("responders", List(&Of(&RESPONDER)), "who answered"),
        key("probes", List(&Of(&PROBE)), "each probe"),
        key("rtt_stats_ms", Of(&FEW_DELAYS), "the delays; null without an answer").or_null(),
        key("mtu", Integer, "--mtu: the largest packet that reaches it").or_null(),
    ]],
};

const FEW_DELAYS: Part = Part {
    name: "few_delays",
    about: "Statistics of delays in milliseconds, too few for percentiles",
    keys: &[&[
        key("min", Number, "smallest"),
        key("mean", Number, "arithmetic mean"),
        key("median", Number, "median"),
        key("max", Number, "largest"),
        key("stddev", Number, "standard deviation"),
    ]],
};

const RESPONDER: Part = Part {
    name: "responder",
    about: "A source of answers at one TTL",
    keys: &[
        ROUTER,
        &[
            RTTS,
            REPLY_TTL,
            MPLS,
            key("interface", Of(&INTERFACE), "the first of interfaces").or_null(),
            key("interfaces", List(&Of(&INTERFACE)), "the interfaces it names (RFC 5837)"),
            key("extensions", List(&Of(&EXTENSION)), "other ICMP extension objects"),
            ANNOTATION,
        ],
    ],
};

const LABEL: Part = Part {
    name: "label",
    about: "An entry of an MPLS label stack",
    keys: &[&[
        key("label", Integer, "the label"),
        key("tc", Integer, "traffic class"),
        key("bottom", Flag, "whether it is the last of the stack"),
        key("ttl", Integer, "its TTL"),
    ]],
};

const INTERFACE: Part = Part {
    name: "interface",
    about: "An interface of a router (RFC 5837)",
    keys: &[&[
        key("role", Name(&[InterfaceRole::NAMES]), "which one"),
        key("index", Integer, "its number").or_null(),
        key("address", Address, "its address").or_null(),
        key("name", Text, "its name, escaped").or_null(),
        key("mtu", Integer, "its MTU").or_null(),
    ]],
};

const EXTENSION: Part = Part {
    name: "extension",
    about: "An ICMP extension object that is not known here",
    keys: &[&[
        key("class", Integer, "its class"),
        key("c_type", Integer, "its type"),
        key("hex", Text, "its payload, hexadecimal"),
    ]],
};

const PROBE: Part = Part {
    name: "probe",
    about: "A probe of a hop",
    keys: &[&[
        key("n", Integer, "its number at the hop, from 1"),
        key("responder", Address, "who answered").or_null(),
        key("rtt_ms", Number, "the delay").or_null(),
        REPLY_TTL,
        key("quoted_ttl", Integer, "the TTL of the probe as it is quoted").or_null(),
        key("icmp_type", Integer, "the ICMP type").or_null(),
        key("icmp_code", Integer, "the ICMP code").or_null(),
        key("late", Flag, "whether it came after the wait"),
        key("quoted_tos", Integer, "TOS or traffic class of the probe as it is quoted").or_null(),
        key("rewritten", List(&Of(&REWRITTEN)), "fields of the probe that the quote shows with another value"),
        key("stamp", Name(&[StampSource::NAMES]), "the clock of the delay").or_null(),
        key("again", Flag, "whether it was sent in addition, to make sure that a silent hop is not the destination"),
    ]],
};

const REWRITTEN: Part = Part {
    name: "rewritten",
    about: "A field that was changed on the way",
    keys: &[&[
        key("field", Name(&[Field::NAMES]), "which"),
        key("sent", Integer, "the number that was sent").or_null(),
        key("quoted", Integer, "the number that is quoted").or_null(),
        key("sent_address", Address, "the address that was sent").or_null(),
        key("quoted_address", Address, "the address that is quoted").or_null(),
    ]],
};

const FINDING: Part = Part {
    name: "finding",
    about: "What a path shows beyond its hops",
    keys: &[&[
        key("code", Name(&[Code::NAMES]), "what it is about"),
        key("ttl", Integer, "the hop").or_null(),
        key("severity", Name(&[Severity::NAMES]), "how much it matters"),
        key("evidence", Of(&EVIDENCE), "what it follows from"),
        key("text", Text, "the same in a sentence"),
    ]],
};

const EVIDENCE: Part = Part {
    name: "evidence",
    about: "What a finding follows from; each has the keys that apply to it",
    keys: &[&[
        key("first_ttl", Integer, "the first hop it is about").if_any(),
        key("last_ttl", Integer, "the last hop it is about").or_null().if_any(),
        key("answered_ttl", Integer, "the hop that answered").or_null().if_any(),
        key("before_ttl", Integer, "the hop before").if_any(),
        key("behind_ttl", Integer, "the hop after which it holds, or that answered more").or_null().if_any(),
        key("before_rtt_ms", Number, "the fastest answer of the hop before").if_any(),
        key("rtt_ms", Number, "the fastest answer from here on").if_any(),
        key("sent", Integer, "probes sent, or the number that was sent").or_null().if_any(),
        key("received", Integer, "probes answered").if_any(),
        key("behind_sent", Integer, "probes sent to the later hop").if_any(),
        key("behind_received", Integer, "those it answered").if_any(),
        key("hops_back", Integer, "hops of the way back").if_any(),
        key("hop_count", Integer, "how many hops").if_any(),
        REPLY_TTL.if_any(),
        key("quoted_ttl", Integer, "the TTL that is quoted").if_any(),
        key("target", Address, "the target").if_any(),
        key("responder", Address, "who answered").or_null().if_any(),
        key("responders", List(&Address), "who answered").if_any(),
        key("answers", Integer, "answers").if_any(),
        key("mtu", Integer, "the MTU").or_null().if_any(),
        key("mtu_before", Integer, "the MTU up to there").or_null().if_any(),
        key("stated_mtu", Integer, "the MTU that the router states").or_null().if_any(),
        key("mtu_at_least", Integer, "a size that passes").or_null().if_any(),
        key("maybe_on_the_way_back", Flag, "whether it may be the answers that vanish").if_any(),
        key("flows", List(&Integer), "the flows it is about").if_any(),
        key("other_sent", Integer, "probes sent over other flows").if_any(),
        key("other_received", Integer, "those answered").if_any(),
        key("other_responders", List(&Address), "who answered on other flows").if_any(),
        key("quoted", Integer, "the number that is quoted").or_null().if_any(),
        key("sent_address", Address, "the address that was sent").or_null().if_any(),
        key("quoted_address", Address, "the address that is quoted").or_null().if_any(),
        key("persists", Flag, "whether all later quotes show it").if_any(),
    ]],
};

const FLOWS_HOP: Part = Part {
    name: "flows_hop",
    about: "All seen at one TTL of several flows",
    keys: &[&[
        TTL,
        key("responders", List(&Of(&FLOWS_RESPONDER)), "who answered"),
        key("silent_flows", List(&Integer), "flows without an answer here"),
    ]],
};

const FLOWS_RESPONDER: Part = Part {
    name: "flows_responder",
    about: "A source of answers on several flows",
    keys: &[ROUTER, &[key("flows", List(&Integer), "the flows it answered on"), RTTS, ANNOTATION]],
};

const DISTANCE: Part = Part {
    name: "distance",
    about: "A distance of the destination",
    keys: &[&[TTL, key("cycles", Integer, "in which the destination was certainly there")]],
};

const FLOW_LOSS: Part = Part {
    name: "flow_loss",
    about: "What the destination lost of a flow",
    keys: &[
        &[key("flow", Integer, "its number")],
        DESTINATION,
        &[key("rtt_stats_ms", Of(&DELAYS), "the delays of the destination; null without an answer").or_null()],
    ],
};

const REPORT_HOP: Part = Part {
    name: "report_hop",
    about: "The figures of a hop over time",
    keys: &[&[
        TTL,
        SENT,
        RECEIVED,
        key("unreachable", Integer, "probes that ended in an unreachable of it"),
        UNANSWERED,
        key("pending", Integer, "probes that were not decided"),
        key("send_failed", Integer, "probes that the kernel did not send"),
        UNANSWERED_PCT,
        key(
            "unanswered_persists",
            Flag,
            "whether later hops lose as much; null if all is answered, or if they do not and nothing was silent",
        )
        .or_null(),
        key("responders", List(&Of(&REPORT_RESPONDER)), "who answered, the newest first"),
        key("last_rtt_ms", Number, "the newest delay").or_null(),
        key("rtt_stats_ms", Of(&DELAYS), "the delays; null without an answer").or_null(),
        key("geometric_mean_ms", Number, "their geometric mean").or_null(),
        key("ipdv_last_ms", Number, "the difference between the two newest answers").or_null(),
        key("ipdv_ms", Number, "the mean of such differences").or_null(),
        key("ipdv_max_ms", Number, "the largest of them").or_null(),
        key("interarrival_jitter_ms", Number, "the filter of RFC 3550").or_null(),
    ]],
};

const REPORT_RESPONDER: Part = Part {
    name: "report_responder",
    about: "A source of answers over time",
    keys: &[
        ROUTER,
        &[RECEIVED, REPLY_TTL, MPLS, ANNOTATION, key("annotations", List(&Text), "the marks of all its answers")],
    ],
};
