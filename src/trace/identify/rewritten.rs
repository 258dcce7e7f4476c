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
    let mut differing = Vec::new();
    let mut compare = |field, sent: Option<FieldValue>, quoted: Option<FieldValue>| {
        if let Some((sent, quoted)) = sent.zip(quoted).filter(|(sent, quoted)| sent != quoted) {
            differing.push(Rewritten { field, sent, quoted });
        }
    };
    compare(Field::Dscp, Some(dscp(profile.header.tos)), quoted.quoted_tos.map(dscp));
    compare(Field::Ecn, Some(ecn(profile.header.tos)), quoted.quoted_tos.map(ecn));
    compare(Field::Source, sent.source.map(address), quoted.source.map(address));
    compare(Field::Destination, Some(address(entry.destination)), quoted.destination.map(address));
    compare(Field::Checksum, sent.checksum.map(number), quoted.checksum.map(number));
    compare(Field::Identification, sent.identification.map(number), quoted.identification.map(number));
    match quoted.transport {
        QuotedTransport::Echo { ident, sequence, .. } => {
            let ours = Some(profile.ident.ident.get()).filter(|_| profile.ident.owner == Owner::Ours);
            compare(Field::Ident, ours.map(number), Some(number(ident.get())));
            compare(Field::Sequence, Some(number(probe.sequence().get())), Some(number(sequence.get())));
        }
        QuotedTransport::Udp { source_port, destination_port, .. } => {
            compare(Field::SourcePort, sent.source_port.map(number), source_port.map(number));
            compare(Field::DestinationPort, Some(number(entry.port)), Some(number(destination_port)));
        }
        QuotedTransport::Tcp { source_port, destination_port, sequence, .. } => {
            compare(Field::SourcePort, sent.source_port.map(number), Some(number(source_port)));
            compare(Field::DestinationPort, Some(number(entry.port)), Some(number(destination_port)));
            let sequence = FieldValue::Number(sequence);
            compare(Field::Sequence, sent.tcp_sequence.map(FieldValue::Number), Some(sequence));
        }
        QuotedTransport::Other | QuotedTransport::Unknown => {}
    }
    differing
}
