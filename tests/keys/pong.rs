//! rpong's objects.

use super::Holds::{Address, Integer, List, Name, Number, Object as Of, Text, Time};
use super::parts::{TOOL, VERSION};
use super::{Key, Object, Part, key};
use netprobe::respond::ListenerKind;

const TIME: Key = key("time", Time, "when it was written");

/// The keys of a client of a listener.
const CLIENT: &[Key] = &[
    key("session", Integer, "the number of the client"),
    key("service", Name(&[ListenerKind::NAMES]), "what the listener does"),
    key("address", Address, "the address of the listener; null for local sockets").or_null(),
    key("port", Integer, "its port; null for local sockets").or_null(),
    key("path", Text, "the path of a local socket").or_null(),
    key("peer_address", Address, "the address of the client; null for local ones").or_null(),
    key("peer_port", Integer, "its port; null for local ones").or_null(),
    key("peer_path", Text, "the path of a local client that has one").or_null(),
    key("time", Time, "when it was first seen"),
];

/// The keys of figures.
const FIGURES: &[Key] = &[
    VERSION,
    TOOL,
    key("duration_ms", Number, "since the start"),
    key("connections", Integer, "connections at present"),
    key("datagram_clients", Integer, "clients by datagram at present"),
    key("listeners", List(&Of(&FIGURES_OF_LISTENER)), "the figures of each listener"),
    TIME,
];

pub(super) const OBJECTS: &[Object] = &[
    Object {
        kind: "start",
        tool: Some("rpong"),
        about: "All listeners are open",
        keys: &[&[VERSION, TOOL, key("listeners", List(&Of(&LISTENER)), "the listeners"), TIME]],
    },
    Object { kind: "session_start", tool: Some("rpong"), about: "A client is there", keys: &[CLIENT] },
    Object {
        kind: "session_end",
        tool: Some("rpong"),
        about: "A client is gone",
        keys: &[
            CLIENT,
            &[
                key("ended", Name(&[&["fin", "reset", "failed", "idle", "displaced", "shutdown"]]), "why"),
                key("error", Text, "the kernel's error, if it gave the connection up").or_null(),
            ],
            TRAFFIC,
            &[key("duration_ms", Number, "how long it was there"), key("ended_at", Time, "when it ended")],
        ],
    },
    Object {
        kind: "interim",
        tool: Some("rpong"),
        about: "The figures so far, on request (SIGUSR1, SIGQUIT)",
        keys: &[FIGURES],
    },
    Object { kind: "summary", tool: Some("rpong"), about: "The figures at the end", keys: &[FIGURES] },
    Object {
        kind: "dropped",
        tool: Some("rpong"),
        about: "Stands for lines that were not written, because the output was not read in time",
        keys: &[&[key("lines", Integer, "their number")]],
    },
];

const TRAFFIC: &[Key] = &[
    key("received_packets", Integer, "datagrams received; null for connections").or_null(),
    key("received_bytes", Integer, "bytes received"),
    key("sent_packets", Integer, "datagrams sent; null for connections").or_null(),
    key("sent_bytes", Integer, "bytes sent"),
];

/// The keys that name a listener.
const LISTENER_NAME: &[Key] = &[
    key("service", Name(&[ListenerKind::NAMES]), "what it does"),
    key("address", Address, "its address; null for local sockets").or_null(),
    key("port", Integer, "its port; null for local sockets").or_null(),
    key("path", Text, "the path of a local socket").or_null(),
];

const LISTENER: Part = Part { name: "listener", about: "A listener", keys: &[LISTENER_NAME] };

const FIGURES_OF_LISTENER: Part = Part {
    name: "listener_figures",
    about: "A listener with its figures",
    keys: &[
        LISTENER_NAME,
        &[key("sessions", Integer, "clients so far")],
        TRAFFIC,
        &[
            key("refused", Integer, "the sum of the next five: see REFUSED TRAFFIC in rpong(1)"),
            key("refused_source", Integer, "by source"),
            key("refused_rate", Integer, "beyond --rate"),
            key("refused_malformed", Integer, "what is no request"),
            key("refused_full", Integer, "more clients than there is room for"),
            key("refused_busy", Integer, "while answers could not be sent"),
            key("send_failed", Integer, "answers that the kernel refused to send"),
            key("dropped_by_kernel", Integer, "datagrams that the kernel dropped, because they were not taken in time"),
        ],
    ],
};
