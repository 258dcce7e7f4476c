//! rping's objects.

use super::Holds::{Address, Flag, Integer, List, Name, Number, Numbers, Object as Of, Text, Time};
use super::parts::{CONDITIONS, DELAYS, RANGE, TOOL, VERSION, ZONE};
use super::{Key, Object, Part, key};
use netprobe::channel::SocketKind;
use netprobe::engine::outcome::{ExchangeFailure, MethodKind, State};
use netprobe::metrics::Codec;
use netprobe::ping::contrast::{Code, Verdict};
use netprobe::types::StampSource;
use netprobe::wire::icmp::ErrorKind;

const METHOD: Key = key("method", Name(&[MethodKind::NAMES]), "how it is probed").or_null();
const SOCKET: Key = key("socket", Name(&[SocketKind::NAMES]), "the type of the socket").or_null();
const PORT: Key = key("port", Integer, "the port asked; of a reply, the port it came from").or_null();
const VARIANT: Key = key("variant", Text, "--contrast=KEY=VALUES: the value of what differs").if_any();
const STATE: Key = key(
    "state",
    Name(&[State::NAMES]),
    "the state of the service; unresolved: no address; unknown: nothing could be sent; null for ICMP that is answered",
)
.or_null();

/// The keys of every line, null where there is nothing.
const COMMON: &[Key] = &[
    key("target", Text, "the target as given").or_null(),
    key("address", Address, "the one chosen; null for a name without one and for local sockets").or_null(),
    ZONE,
    METHOD,
    SOCKET,
    PORT,
    key("source_port", Integer, "our port of the probe").or_null(),
    key("sequence", Integer, "the number of the probe, from 1, never wrapping").or_null(),
    key("time", Time, "when the probe was sent; in start that of the start, in change when it was noticed").or_null(),
];

/// The keys of an answer that a method adds to an error as well.
const DNS: &[Key] = &[
    key("rcode", Text, "--udp=dns: the response code").if_any(),
    key("flags", List(&Text), "--udp=dns: the flags").if_any(),
    key("answers", Integer, "--udp=dns: the number of answers").if_any(),
];

const RESPONDER: Key = key("responder", Address, "who answered; null for local errors and sockets").or_null();
const DUPLICATE: Key = key("duplicate", Flag, "whether the probe had been answered before");
const LATE: Key = key("late", Flag, "whether it came after the wait");
const ANSWER: Key = key("answer", Name(&[ExchangeFailure::NAMES]), "how the exchange with the service failed").if_any();
const ANSWER_TEXT: Key = key("answer_text", Text, "the first 60 bytes of what came instead, escaped").if_any();
const RATE_LIMITED: Key =
    key("rate_limited", Flag, "--udp, --stamp: whether silence is put down to a limit on reports of closed ports")
        .if_any();
const SYN_RETRANSMITS: Key = key("syn_retransmits", Integer, "--tcp: how often the kernel repeated the SYN").if_any();
const RTTS: Key = key("rtts_ms", Numbers, "--vector: the delay of each probe, in order").if_any();

pub(super) const OBJECTS: &[Object] = &[
    Object {
        kind: "start",
        tool: Some("rping"),
        about: "A target is begun",
        keys: &[
            &[VERSION, TOOL],
            COMMON,
            &[
                key("source", Address, "the address packets will have").or_null(),
                key("method_requested", Text, "the method asked for"),
                key("payload_bytes", Integer, "bytes of the payload; 0 for connections"),
            ],
        ],
    },
    Object {
        kind: "reply",
        tool: Some("rping"),
        about: "A probe was answered",
        keys: &[
            COMMON,
            &[
                RESPONDER,
                key("rtt_ms", Number, "the delay by the best clock that stamped both ends").or_null(),
                key("ttl", Integer, "TTL or hop limit on arrival").or_null(),
                key(
                    "bytes",
                    Integer,
                    "bytes of the ICMP message, of the UDP payload or of the answer over a connection",
                ),
                key("stamp", Name(&[StampSource::NAMES]), "that clock").or_null(),
                key("user_rtt_ms", Number, "the delay by our own clock").or_null(),
                key("local_queue_ms", Number, "how long the probe waited in this host's queue: see TIMES in rping(1)")
                    .or_null(),
                STATE,
                DUPLICATE,
                LATE,
                key("reordered", Flag, "whether a probe sent later was answered before"),
                key("payload_changed", Flag, "whether the payload differs from what was sent"),
                key("bad_checksum", Flag, "whether its checksum is wrong; it is not counted as received"),
                key("truncated", Flag, "whether it is shorter than what was sent"),
                SYN_RETRANSMITS,
                key("answer_rtt_ms", Number, "--data, --expect: from the data sent to the answer").if_any(),
            ],
            DNS,
            &[
                key("stratum", Integer, "--udp=ntp: the stratum").if_any(),
                key("leap", Integer, "--udp=ntp: the leap indicator").if_any(),
                key("reference_id", Text, "--udp=ntp: the reference").or_null().if_any(),
                key("synchronized", Flag, "--udp=ntp: whether the server's clock is synchronized").if_any(),
                key("mapped_address", Text, "--udp=stun: our address as the server sees it").or_null().if_any(),
                key("mapped_port", Integer, "--udp=stun: our port as the server sees it").or_null().if_any(),
                key("error_code", Integer, "--udp=stun: the error").or_null().if_any(),
                key("reflector_sequence", Integer, "--stamp: the reflector's number").if_any(),
                key("reflector_ms", Number, "--stamp: how long the reflector kept the packet").if_any(),
                key("rtt_net_ms", Number, "--stamp: the delay without that").if_any(),
                key("there_ms", Number, "--stamp: one-way delay there; null unless both clocks are kept in step")
                    .or_null()
                    .if_any(),
                key("back_ms", Number, "--stamp: one-way delay back; null likewise").or_null().if_any(),
                key("clock_error_ms", Number, "--stamp: the error that both clocks state").or_null().if_any(),
            ],
        ],
    },
    Object {
        kind: "error",
        tool: Some("rping"),
        about: "An error came about a probe, or the kernel did not send it",
        keys: &[
            COMMON,
            &[
                RESPONDER,
                key(
                    "kind",
                    Name(&[ErrorKind::NAMES, &["refused", "send_failed", "no_answer", "unexpected_answer"]]),
                    "what it means",
                ),
                key("origin", Name(&[&["local", "router", "target"]]), "this host, a router, or the target"),
                key("icmp_type", Integer, "the ICMP type").or_null(),
                key("icmp_code", Integer, "the ICMP code").or_null(),
                key("mtu", Integer, "the MTU it states").or_null(),
                key("gateway", Address, "the gateway that a redirect names").or_null(),
                key("message", Text, "the same in words"),
                key("rtt_ms", Number, "its delay").or_null(),
                STATE,
                DUPLICATE,
                LATE,
                ANSWER,
                ANSWER_TEXT,
            ],
            DNS,
        ],
    },
    Object {
        kind: "timeout",
        tool: Some("rping"),
        about: "A probe was not answered in time",
        keys: &[COMMON, &[STATE, RATE_LIMITED, ANSWER, ANSWER_TEXT], DNS],
    },
    Object {
        kind: "outage",
        tool: Some("rping"),
        about: "An interface that was deleted is there again",
        keys: &[
            COMMON,
            &[key("interface", Text, "its name"), key("send_failed", Integer, "probes that were not sent meanwhile")],
        ],
    },
    Object {
        kind: "address",
        tool: Some("rping"),
        about: "--re-resolve: a name has another address",
        keys: &[COMMON, &[key("change", Name(&[&["new", "gone"]]), "whether it has it now")]],
    },
    Object {
        kind: "change",
        tool: Some("rping"),
        about: "A target is there, away or back; with --changes nothing else is written",
        keys: &[
            COMMON,
            &[
                key("change", Name(&[&["up", "outage", "back", "new_address", "address_gone"]]), "what happened"),
                key("since", Time, "outage: when its first probe was sent").or_null(),
                key("outage_ms", Number, "back: how long it was").or_null(),
                key("lost", Integer, "probes of the outage").or_null(),
                key("message", Text, "why they have no reply, where that is known").or_null(),
            ],
        ],
    },
    Object {
        kind: "summary",
        tool: Some("rping"),
        about: "The figures of a target at its end, one for each method of --contrast",
        keys: &[
            &[VERSION],
            COMMON,
            &[STATE],
            &COUNTS,
            &[
                key(
                    "loss_pct",
                    Number,
                    "lost, unreachable and send_failed, of sent and send_failed without pending; null if that is none",
                )
                .or_null(),
                key("stamps", Of(&STAMPS), "replies by the clock of their delays"),
                key("rtt_stats_ms", Of(&DELAYS), "delays of the replies that count; null without one").or_null(),
                key("ipdv_ms", Number, "mean difference of consecutive delays (RFC 3393)").or_null(),
                key("interarrival_jitter_ms", Number, "the filter of RFC 3550 over them").or_null(),
                key("duration_ms", Number, "from the first packet to the last"),
                key("r_factor", Number, "--mos: R of the E-model").or_null().if_any(),
                key(
                    "mos",
                    Number,
                    "--mos: mean opinion score of the E-model; tools with a formula of their own differ",
                )
                .or_null()
                .if_any(),
                key("mos_codec", Name(&[Codec::NAMES]), "--mos: for this codec").if_any(),
                RATE_LIMITED,
                SYN_RETRANSMITS,
                key("answer_stats_ms", Of(&DELAYS), "--data, --expect: from the data sent to the answer")
                    .or_null()
                    .if_any(),
                key("lost_there", Integer, "--stamp: lost on the way there; null if the reflector does not count")
                    .or_null()
                    .if_any(),
                key("lost_back", Integer, "--stamp: lost on the way back; null likewise").or_null().if_any(),
                key("reflector_stats_ms", Of(&DELAYS), "--stamp: how long the reflector kept packets")
                    .or_null()
                    .if_any(),
                key("rtt_net_stats_ms", Of(&DELAYS), "--stamp: delays without that").or_null().if_any(),
                key("there_stats_ms", Of(&RANGE), "--stamp: one-way delays there").or_null().if_any(),
                key("back_stats_ms", Of(&RANGE), "--stamp: one-way delays back").or_null().if_any(),
                key("clock_error_ms", Number, "--stamp: the largest error that both clocks stated").or_null().if_any(),
                RTTS,
                CONDITIONS,
                key("responders", List(&Of(&MEMBER)), "multicast and broadcast: who answered").if_any(),
            ],
        ],
    },
    Object {
        kind: "brief",
        tool: Some("rping"),
        about: "The figures of a target of a sweep with --json=brief; counts that are 0 are left out",
        keys: &[
            &[
                VERSION,
                key("target", Text, "the target as given, where that is not the address").if_any(),
                key("address", Address, "its address").if_any(),
                key("port", Integer, "the port probed, where the method has ports").if_any(),
                key("outcome", Name(&[&["reply", "error", "timeout", "send_failed", "unresolved"]]), "what happened"),
                key("state", Name(&[State::NAMES]), "the state of the service, where the method shows it").if_any(),
                key("rtt_ms", Number, "the only delay").if_any(),
                key("rtt_stats_ms", Of(&RANGE), "several delays").if_any(),
                RTTS,
                CONDITIONS,
            ],
            BRIEF_COUNTS,
        ],
    },
    Object {
        kind: "contrast",
        tool: Some("rping"),
        about: "The methods of --contrast beside each other; the last line",
        keys: &[
            &[
                VERSION,
                key("varied", Name(&[&["dscp", "size", "family", "port"]]), "--contrast=KEY=VALUES: what differs")
                    .if_any(),
            ],
            COMMON,
            &[
                key("rounds", Integer, "rounds in which each method sent a probe"),
                key("rounds_excluded", Integer, "rounds at the start that are not compared"),
                key("slot_ms", Number, "from one probe of a round to the next"),
                key("stamp", Name(&[&["user"]]), "the clock of the delays, which every method has"),
                key("alpha", Number, "the level of significance"),
                key("min_complete_rounds", Integer, "rounds answered by both that a comparison needs"),
                key("reference", Of(&REFERENCE), "the method that others are compared with").or_null(),
                key("methods", List(&Of(&CONTENDER)), "the rows of the table"),
                key("findings", List(&Of(&FINDING)), "what they show"),
                CONDITIONS,
                key("notes", List(&Text), "remarks on the run"),
            ],
        ],
    },
];

const STAMPS: Part = Part {
    name: "stamps",
    about: "Replies by the clock that stamped them",
    keys: &[&[
        key("hardware", Integer, "of the interface"),
        key("kernel", Integer, "of the kernel"),
        key("user", Integer, "our own"),
    ]],
};

const MEMBER: Part = Part {
    name: "group_responder",
    about: "A host that answered a multicast or broadcast target",
    keys: &[&[
        key("address", Address, "its address"),
        key("received", Integer, "probes it answered in time"),
        key("duplicates", Integer, "its further answers"),
        key("late", Integer, "its answers after the wait"),
        key("rtt_stats_ms", Of(&DELAYS), "delays of those in time").or_null(),
    ]],
};

const REFERENCE: Part =
    Part { name: "contrast_reference", about: "A method", keys: &[&[METHOD, SOCKET, PORT, VARIANT]] };

const CONTENDER: Part = Part {
    name: "contrast_method",
    about: "The results of one method",
    keys: &[&[
        METHOD,
        SOCKET,
        PORT,
        VARIANT,
        key("address", Address, "--contrast=KEY=VALUES: the address").or_null().if_any(),
        key("reply_dscp", Integer, "--contrast=KEY=VALUES: the DSCP of most replies").or_null().if_any(),
        key("privilege", Text, "the capability or sysctl that its socket needs").or_null(),
        key("ran", Flag, "whether it ran"),
        key("reason", Text, "why it did not").or_null(),
        STATE,
        key("rate_limited", Flag, "whether silence is put down to a limit on reports of closed ports"),
        key("responders", List(&Of(&ANSWERER)), "who answered"),
        key("sent", Integer, "probes that left"),
        key("received", Integer, "those answered in time"),
        key("refused", Integer, "those refused by the host"),
        key("unreachable", Integer, "those that ended in an ICMP error"),
        key("lost", Integer, "those not answered"),
        key("pending", Integer, "those that were not decided"),
        key("send_failed", Integer, "probes that the kernel did not send"),
        key("loss_pct", Number, "loss, percent").or_null(),
        key("rtt_stats_ms", Of(&DELAYS), "delays by our own clock").or_null(),
        key("kernel_rtt_stats_ms", Of(&DELAYS), "delays by the kernel's clock").or_null(),
        key("complete_rounds", Integer, "rounds that it and the reference answered").or_null(),
        key("median_difference_ms", Number, "median of the differences to the reference").or_null(),
        key("p_value", Number, "how likely chance makes such a difference").or_null(),
        key("verdict", Name(&[Verdict::NAMES]), "how it compares").or_null(),
    ]],
};

const ANSWERER: Part = Part {
    name: "contrast_responder",
    about: "A source of answers",
    keys: &[&[
        key("who", Name(&[&["kernel", "tcp_stack", "service", "router", "this_host", "other"]]), "what it is"),
        key("address", Address, "its address"),
        key("answers", Integer, "probes that it answered"),
    ]],
};

const FINDING: Part = Part {
    name: "contrast_finding",
    about: "What the methods show together",
    keys: &[&[
        key("kind", Name(&[Code::NAMES]), "what it is about"),
        METHOD,
        SOCKET,
        PORT,
        VARIANT,
        key("median_difference_ms", Number, "slower, faster: the difference").or_null(),
        key("message", Text, "the same in a sentence"),
    ]],
};

/// The counts of a summary.
const COUNTS: [Key; 19] = [
    key("sent", Integer, "probes that left"),
    key("received", Integer, "those answered in time"),
    key("refused", Integer, "those refused by the host"),
    key("unreachable", Integer, "those that ended in an ICMP error"),
    key("lost", Integer, "those not answered"),
    key("pending", Integer, "those that were not decided when the run ended"),
    key("send_failed", Integer, "probes that the kernel did not send"),
    key("icmp_errors", Integer, "ICMP errors that came"),
    key("skipped", Integer, "intervals without a probe"),
    key("duplicates", Integer, "further answers to probes"),
    key("late", Integer, "answers after the wait"),
    key("reordered", Integer, "answers that were overtaken"),
    key("bad_checksum", Integer, "answers with a wrong checksum"),
    key("payload_changed", Integer, "answers with another payload"),
    key("truncated", Integer, "answers that are shorter"),
    key("wrong_source", Integer, "answers from elsewhere"),
    key("foreign", Integer, "answers that are not ours"),
    key("dropped_by_kernel", Integer, "packets that the kernel dropped, because they were not taken in time"),
    key("longest_loss_run", Integer, "the most losses in a row"),
];

/// The same, each only where it is not 0.
const BRIEF_COUNTS: &[Key] = &if_any(COUNTS);

const fn if_any<const N: usize>(mut keys: [Key; N]) -> [Key; N] {
    let mut at = 0;
    while at < N {
        keys[at].is_required = false;
        at += 1;
    }
    keys
}
