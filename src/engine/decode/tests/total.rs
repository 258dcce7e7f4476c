//! Whatever arrives is decoded to something.

use super::*;
use crate::wire::arbitrary;

fn any_lane() -> impl Strategy<Value = Profile> {
    let layer = prop::sample::select(vec![None, Some(Layer::Ip), Some(Layer::Transport), Some(Layer::Payload)]);
    (prop::sample::select(LANES.to_vec()), layer.clone(), layer).prop_map(|(lane, received_at, quote_at)| Profile {
        received_at: received_at.unwrap_or(lane.received_at),
        quote_at: quote_at.unwrap_or(lane.quote_at),
        ..lane
    })
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let valid = (prop::sample::select(vec![Family::V4, Family::V6]), 0..4_u8, any::<bool>()).prop_map(
        |(family, what, with_header)| {
            let quote = packet(ours(family), target(family), 1, &request(family));
            let message = match what {
                0 => reply(family),
                1 => error(family, (5, 0), (137, 0), [1, 2, 3, 4], &quote),
                _ => error(family, (11, 0), (3, 0), [0; 4], &quote),
            };
            if with_header { packet(router(family), ours(family), 60, &message) } else { message }
        },
    );
    prop_oneof![arbitrary::octets(), arbitrary::mutated(valid)]
}

proptest! {
    #[test]
    fn any_datagram_decodes_to_something(lane in any_lane(), octets in any_message()) {
        decoded(&lane, target(lane.family), &octets, |decoded| {
            if let Decoded::Reply(reply) = &decoded {
                assert_eq!(reply.octets, reply.payload.len() + 8);
                assert!(reply.octets <= octets.len());
            }
            if let Decoded::Error(error) = &decoded {
                assert!(error.extension.len() <= octets.len());
                assert!(extension::parse(error.extension).len() * 4 <= octets.len());
            }
        });
    }

    #[test]
    fn any_report_decodes_to_something(
        lane in any_lane(), octets in any_message(), icmp_type: u8, icmp_code: u8, info: u32, from in 0..700_usize, to in 0..700_usize,
    ) {
        let mut arena = Arena::default();
        let quote = arena.push(&octets);
        for extension in [None, Some(quote.part(from..to))] {
            let any = IcmpNotice { icmp: Some((icmp_type, icmp_code)), info, quote, extension, ..report_of(&lane) };
            let error = notice(&lane, &any, &arena);
            prop_assert_eq!(error.kind, ErrorKind::of(lane.family, icmp_type, icmp_code));
            prop_assert!(error.extension.len() <= octets.len());
        }
    }
}
