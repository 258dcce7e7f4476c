//! Values to the octets a lane's [`Profile`] asks for.

use crate::channel::Profile;
use crate::types::Sequence;

/// Appends an ICMP echo request for a lane: its ident, `sequence`, and `payload`.
///
/// The checksum is written where the lane leaves it to us (IPv4 raw); elsewhere the field is 0 and the kernel fills it in.
///
/// With `flow_checksum`, the last two payload octets of an even-sized message are replaced so that the ICMP checksum on the
/// wire is that value for every sequence (IPv6: up to the constant pseudo-header), which keeps load balancers that hash it on
/// one path. A payload of under two octets has no room for that and is left as it is.
pub fn echo_request(
    profile: &Profile,
    sequence: Sequence,
    payload: &[u8],
    flow_checksum: Option<u16>,
    out: &mut Vec<u8>,
) {
    let _ = (profile, sequence, payload, flow_checksum, out);
    todo!()
}
