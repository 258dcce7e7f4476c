//! What a quote shows otherwise than it left: [`fields`].

use crate::channel::{Owner, Profile};
use crate::engine::decode::{QuotedProbe, QuotedTransport};
use crate::engine::outcome::{Field, FieldValue, Rewritten};
use crate::trace::fleet::probes::Entry;
use crate::types::{ProbeId, Tos};

/// The two lowest bits of a TOS octet (RFC 3168 §5).
const ECN: u8 = 0b11;

/// The fields of `probe` that differ in `quoted`. Nothing is compared that an error queue hides or the kernel writes.
pub(in crate::trace) fn fields(
    profile: &Profile,
    probe: ProbeId,
    entry: &Entry,
    quoted: &QuotedProbe<'_>,
) -> Vec<Rewritten> {
    if quoted.quoted_ttl.is_none() {
        return Vec::new();
    }
    let sent = &entry.sent;
    let address = |address| FieldValue::Address(address);
    let number = |number| FieldValue::Number(u32::from(number));
    let dscp = |tos: Tos| number(tos.dscp().get().into());
    let ecn = |tos: Tos| number((tos.get() & ECN).into());
    let anywhere = [
        (Field::Dscp, Some(dscp(profile.header.tos)), quoted.quoted_tos.map(dscp)),
        (Field::Ecn, Some(ecn(profile.header.tos)), quoted.quoted_tos.map(ecn)),
        (Field::Source, sent.source.map(address), quoted.source.map(address)),
        (Field::Destination, Some(address(entry.destination)), quoted.destination.map(address)),
        (Field::Checksum, sent.checksum.map(number), quoted.checksum.map(number)),
        (Field::Identification, sent.identification.map(number), quoted.identification.map(number)),
    ];
    let in_transport = match quoted.transport {
        QuotedTransport::Echo { ident, sequence, .. } => {
            let ours = Some(profile.ident.ident.get()).filter(|_| profile.ident.owner == Owner::Ours);
            [
                Some((Field::Ident, ours.map(number), Some(number(ident.get())))),
                Some((Field::Sequence, Some(number(probe.sequence().get())), Some(number(sequence.get())))),
                None,
            ]
        }
        QuotedTransport::Udp { source_port, destination_port, .. } => [
            Some((Field::SourcePort, sent.source_port.map(number), source_port.map(number))),
            Some((Field::DestinationPort, Some(number(entry.port)), Some(number(destination_port)))),
            None,
        ],
        QuotedTransport::Tcp { source_port, destination_port, sequence, .. } => [
            Some((Field::SourcePort, sent.source_port.map(number), Some(number(source_port)))),
            Some((Field::DestinationPort, Some(number(entry.port)), Some(number(destination_port)))),
            Some((Field::Sequence, sent.tcp_sequence.map(FieldValue::Number), Some(FieldValue::Number(sequence)))),
        ],
        QuotedTransport::Other | QuotedTransport::Unknown => [None; 3],
    };
    let differing =
        anywhere.into_iter().chain(in_transport.into_iter().flatten()).filter_map(|(field, sent, quoted)| {
            let (sent, quoted) = (sent?, quoted?);
            (sent != quoted).then_some(Rewritten { field, sent, quoted })
        });
    differing.collect()
}
