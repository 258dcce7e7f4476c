//! The matrix of damaged quotes: what routers do to the packets they quote, by every raw method.

use super::*;
use netprobe::engine::outcome::{Field, Rewritten};
use netprobe::trace::Finding;
use netprobe::types::Tos;

/// Raw lanes, which see all of a quote.
fn raw_lanes() -> impl Iterator<Item = Kind> {
    LANES.into_iter().filter(|kind| kind.2 == SocketChoice::Raw)
}

/// What hop 2's router changes, whether 8 octets of the transport header are enough to survive it without an Identification,
/// and the field that is said to be rewritten.
fn damages(kind: Kind) -> Vec<(Vec<Mangle>, bool, Option<Field>)> {
    let family = kind.0;
    let other = router(family, 77);
    // Octets 6 and 7 are the sequence number of ICMP, the checksum of UDP, half the sequence number of TCP.
    let last_word = if kind.1 == Protocol::Udp { Field::Checksum } else { Field::Sequence };
    let first_word = if kind.1 == Protocol::Icmp { None } else { Some(Field::SourcePort) };
    let v4 = |field| Some(field).filter(|_| family == Family::V4);
    let mut damages = vec![
        (vec![], true, None),
        (vec![Mangle::SwapLength], true, None),
        (vec![Mangle::Length(0)], true, None),
        (vec![Mangle::Ttl(Ttl::new(0))], true, None),
        (vec![Mangle::Tos(Tos::new(0x48))], true, Some(Field::Dscp)),
        (vec![Mangle::SwapIdentification], true, v4(Field::Identification)),
        (vec![Mangle::Identification(0)], true, v4(Field::Identification)),
        (vec![Mangle::HeaderChecksum(0)], true, None),
        (vec![Mangle::Destination(other)], true, Some(Field::Destination)),
        (vec![Mangle::Source(other)], true, Some(Field::Source)),
        (vec![Mangle::Transport(6, vec![0, 0])], false, Some(last_word)),
        (vec![Mangle::Transport(6, vec![0xee, 0xee])], false, Some(last_word)),
        (vec![Mangle::Options(vec![7, 7, 4, 0, 0, 0, 0])], true, None),
    ];
    if kind.1 == Protocol::Icmp {
        damages.push((vec![Mangle::Transport(4, vec![0xab, 0xcd])], false, Some(Field::Ident)));
    } else {
        damages.push((vec![Mangle::Transport(0, vec![0xab, 0xcd])], true, first_word));
        damages.push((vec![Mangle::Transport(2, vec![0xab, 0xcd])], true, Some(Field::DestinationPort)));
    }
    damages
}

#[test]
fn every_row_of_the_matrix_keeps_its_hop_by_every_raw_method_and_is_said() {
    for kind in raw_lanes() {
        for (mangles, survives_8, field) in damages(kind) {
            for quote in [Quote::full(), Quote::full().padded(), Quote::transport(8), Quote::transport(8).padded()] {
                // IPv6 has no Identification, and routers there quote as much as fits (RFC 4443 §3.3); so TCP has the tag of
                // neither.
                let whole = quote == Quote::full() || quote == Quote::full().padded();
                let tagged = whole && kind.1 != Protocol::Tcp;
                if kind.0 == Family::V6 && !survives_8 && !tagged {
                    continue;
                }
                let quote = mangles.iter().cloned().fold(quote, Quote::mangle);
                let mut network = Network::new(1);
                path(&mut network, kind.0, 5, |ttl, node| if ttl == 2 { node.quote(quote.clone()) } else { node });
                let run = trace(&network, kind, Config { packet_octets: None, ..config() });
                let (_, end) = run.end();
                assert_eq!(responders(end), expected(kind.0, 5, 5, &[]), "{kind:?} {quote:?}");
                let rewritten = |rewritten: &Rewritten| rewritten.field;
                let said = end.hops[1].probes.iter().map(|probe| {
                    let error = probe.response()?.error()?;
                    Some(error.quote.rewritten.iter().map(rewritten).collect::<Vec<_>>())
                });
                for said in said {
                    assert_eq!(said, Some(field.into_iter().collect()), "{kind:?} {quote:?}");
                }
                let found = end.findings.iter().filter_map(|finding| match finding {
                    Finding::Rewritten { field, first, last, persists, .. } => {
                        Some((*field, first.get(), last.get(), *persists))
                    }
                    _ => None,
                });
                let expected: Vec<_> = field.into_iter().map(|field| (field, 2, 2, false)).collect();
                assert_eq!(found.collect::<Vec<_>>(), expected, "{kind:?} {quote:?}");
            }
        }
    }
}

#[test]
fn an_ipv4_header_alone_still_names_its_probe() {
    for kind in raw_lanes().filter(|kind| kind.0 == Family::V4) {
        for octets in [20, 24] {
            let mut network = Network::new(1);
            let cut = |ttl, node: Node| if ttl == 2 { node.quote(Quote::cut_to(octets)) } else { node };
            path(&mut network, kind.0, 5, cut);
            let run = trace(&network, kind, config());
            assert_eq!(responders(run.end().1), expected(kind.0, 5, 5, &[]), "{kind:?} {octets}");
        }
    }
}

#[test]
fn a_quote_that_identifies_nothing_is_counted_as_its_routers() {
    for kind in raw_lanes() {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 5, |ttl, node| if ttl == 2 { node.quote(Quote::cut_to(0)) } else { node });
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert_eq!(responders(end), expected(kind.0, 5, 5, &[2]), "{kind:?}");
        let counted = end.findings.iter().find_map(|finding| match finding {
            Finding::Unmatched { responder, answers } => Some((*responder, *answers)),
            _ => None,
        });
        assert_eq!(counted, Some((router(kind.0, 2), 3)), "{kind:?}");
    }
}

#[test]
fn a_middlebox_that_adds_to_every_checksum_moves_no_hop() {
    // Each router quotes a checksum that is another probe's number plus a little: the Identification decides.
    for add in 1..20u16 {
        let mut network = Network::new(u64::from(add));
        let shifted = Quote::transport(8).mangle(Mangle::Transport(6, add.to_be_bytes().to_vec()));
        path(&mut network, Family::V4, 6, |_, node| node.quote(shifted.clone()));
        let run = trace(&network, (Family::V4, Protocol::Udp, SocketChoice::Raw), config());
        assert_eq!(responders(run.end().1), expected(Family::V4, 6, 6, &[]), "{add}");
    }
}

#[test]
fn a_field_rewritten_on_the_way_is_found_at_the_first_hop_that_shows_it() {
    for kind in raw_lanes() {
        let mut network = Network::new(1);
        let natted = Quote::full().mangle(Mangle::Source(router(kind.0, 99))).mangle(Mangle::Tos(Tos::new(0x02)));
        path(&mut network, kind.0, 7, |ttl, node| if ttl >= 3 { node.quote(natted.clone()) } else { node });
        let lane = LanePlan { header: Header { tos: Some(Tos::new(0xb9)), ..Header::default() }, ..lane(kind) };
        let ports = Ports::Fixed(Port::new(33434).unwrap());
        let config = Config { ports, ..config() };
        let run = trace_over(&network, lane, &[target(kind.0)], config);
        let found: Vec<_> = run.end().1.findings.iter().map(|finding| (finding.code().name(), finding.ttl())).collect();
        let third = Some(Ttl::new(3));
        for code in ["source_rewritten", "dscp_rewritten", "ecn_rewritten"] {
            assert!(found.contains(&(code, third)), "{kind:?} {found:?}");
        }
        assert!(run.end().1.findings.iter().all(|finding| match finding {
            Finding::Rewritten { persists, .. } => *persists,
            _ => true,
        }));
    }
}

#[test]
fn error_queues_hide_what_no_finding_may_be_made_of() {
    for kind in LANES.into_iter().filter(|kind| kind.2 == SocketChoice::Dgram) {
        let mut network = Network::new(1);
        let natted = Quote::full().mangle(Mangle::Tos(Tos::new(0x48))).mangle(Mangle::SwapIdentification);
        path(&mut network, kind.0, 5, |_, node| node.quote(natted.clone()));
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert!(end.findings.iter().all(|finding| !finding.code().name().ends_with("_rewritten")), "{kind:?}");
        let quoted_tos: Vec<Option<Tos>> = end
            .hops
            .iter()
            .flat_map(|hop| hop.responses())
            .map(|response| response.error().and_then(|error| error.quote.tos))
            .collect();
        assert_eq!(quoted_tos, [None; 15], "{kind:?}");
    }
}

/// What a router may do to its quotes without its hop being lost.
fn harmless_quotes(family: Family) -> Vec<Quote> {
    vec![
        Quote::transport(8),
        Quote::transport(8).padded(),
        Quote::full().mangle(Mangle::SwapLength),
        Quote::full().mangle(Mangle::Length(0)),
        Quote::full().mangle(Mangle::Ttl(Ttl::new(0))),
        Quote::full().mangle(Mangle::Identification(0)),
        Quote::full().mangle(Mangle::SwapIdentification),
        Quote::full().mangle(Mangle::HeaderChecksum(0)),
        Quote::full().mangle(Mangle::Transport(2, vec![0, 0])).mangle(Mangle::Transport(8, vec![0; 40])),
        Quote::full().mangle(Mangle::Options(vec![7, 7, 4, 0, 0, 0, 0])),
        Quote::full().mangle(Mangle::Destination(router(family, 77))),
        Quote::transport(8).mangle(Mangle::Destination(router(family, 77))),
    ]
}

#[test]
fn odd_quotes_do_not_lose_their_hop() {
    for kind in &LANES[..4] {
        for quote in harmless_quotes(kind.0) {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 5, |ttl, node| if ttl == 2 { node.quote(quote.clone()) } else { node });
            let run = trace(&network, *kind, config());
            assert_eq!(responders(run.end().1), expected(kind.0, 5, 5, &[]), "{kind:?} {quote:?}");
        }
    }
}

/// What a router may do to its quotes so that they identify no probe.
fn useless_quotes() -> Vec<Quote> {
    vec![
        Quote::cut_to(0),
        Quote::cut_to(11),
        Quote::cut_to(20),
        Quote::cut_to(24),
        Quote::cut_to(40),
        Quote::full().mangle(Mangle::Transport(0, vec![0xff; 200])),
        Quote::transport(8).mangle(Mangle::Transport(6, vec![0, 0])),
        Quote::transport(8).mangle(Mangle::Transport(6, vec![0xee, 0xee])),
        Quote::transport(8).mangle(Mangle::Transport(0, vec![0; 4])),
    ]
}

#[test]
fn useless_quotes_cost_at_most_their_own_hop() {
    for kind in LANES {
        for quote in useless_quotes() {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 5, |ttl, node| if ttl == 2 { node.quote(quote.clone()) } else { node });
            let run = trace(&network, kind, config());
            let (_, end) = run.end();
            let (mut found, mut all) = (responders(end), expected(kind.0, 5, 5, &[]));
            assert!(end.reached, "{kind:?} {quote:?}");
            assert_eq!(found.len(), 5, "{kind:?} {quote:?}");
            assert!(found[1].iter().flatten().all(|&address| address == router(kind.0, 2)), "{kind:?} {quote:?}");
            found.remove(1);
            all.remove(1);
            assert_eq!(found, all, "{kind:?} {quote:?}");
        }
    }
}
