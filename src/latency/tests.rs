use super::*;
use proptest::prelude::*;

/// Ways as a run has them: datagrams whose records share all but the last reading, and now and then
/// a clock that steps back.
fn ways() -> impl Strategy<Value = Vec<Exemplar>> {
    let datagram = (
        prop::array::uniform4(0_u64..40),
        prop::collection::vec(0_u64..300, 1..6),
        0_u8..20,
    );
    prop::collection::vec(datagram, 1..60).prop_map(|datagrams| {
        let mut ways = Vec::new();
        for (steps, handlers, luck) in datagrams {
            let base_ns = if luck == 0 { 1_000 } else { 1_000_000 };
            let [wire_ns, seen, decoded, published] = steps;
            let wire_ns = base_ns + wire_ns;
            let seen_ns = if luck == 1 {
                wire_ns - seen
            } else {
                wire_ns + seen
            };
            let decoded_ns = seen_ns + decoded;
            let published_ns = decoded_ns + published;
            let mut handler_ns = if luck == 2 { 7 } else { published_ns };
            for took_ns in handlers {
                handler_ns += if luck == 3 { MAX_NS } else { took_ns };
                ways.push(Exemplar {
                    sequence: Sequence::new(ways.len() as u64 + 1),
                    kind: Some(Kind::Event),
                    readings: Readings {
                        wire_ns,
                        seen_ns,
                        decoded_ns,
                        published_ns,
                        handler_ns,
                    },
                    has_hops: true,
                    ..Exemplar::default()
                });
            }
        }
        ways
    })
}

fn told(latency: &Latency) -> Vec<(Summary, u128)> {
    let hops = latency.hops().map(|(_, hop)| (hop.summary(), hop.sum_ns()));
    let whole = &latency.wire_to_handler;
    [&[(whole.summary(), whole.sum_ns())], &hops[..]].concat()
}

fn recorded(ways: &[Exemplar]) -> Latency {
    let mut recorder = Recorder::default();
    for &way in ways {
        // What the recorder knows better is not taken from here.
        let described = Exemplar {
            readings: Readings::default(),
            has_hops: !way.has_hops,
            before_ns: Some(77),
            ..way
        };
        recorder.record(way.readings, way.has_hops, || described);
    }
    recorder.into_latency()
}

proptest! {
    #[test]
    fn a_recorder_counts_what_counting_one_by_one_does(ways in ways()) {
        let mut naive = Latency::default();
        ways.iter().for_each(|way| naive.record(way.readings));
        prop_assert_eq!(told(&recorded(&ways)), told(&naive));
    }

    #[test]
    fn the_worst_are_the_head_of_the_sorted_list_and_of_equals_the_earlier(
        ways in ways(),
        split in 0_usize..100,
    ) {
        let mut sorted: Vec<Exemplar> = ways.clone();
        for (place, way) in sorted.iter_mut().enumerate().skip(1) {
            way.before_ns = Some(ways[place - 1].readings.handler_ns);
        }
        sorted.retain(|way| way.readings.whole_ns().is_some_and(|whole_ns| whole_ns <= MAX_NS));
        // Stable: of equals the earlier comes first.
        sorted.sort_by_key(|way| std::cmp::Reverse(way.readings.whole_ns()));
        sorted.truncate(WORST_KEPT);
        let whole = recorded(&ways);
        prop_assert_eq!(whole.worst(), &sorted[..]);

        let (first, second) = ways.split_at(split.min(ways.len()));
        let mut merged = recorded(first);
        merged.merge(&recorded(second));
        // The first record after the split does not know of the one before it.
        let readings = |worst: &[Exemplar]| -> Vec<_> {
            worst.iter().map(|way| (way.sequence, way.readings)).collect()
        };
        prop_assert_eq!(readings(merged.worst()), readings(&sorted));
        prop_assert_eq!(told(&merged), told(&whole));
    }

    #[test]
    fn the_hops_add_up_to_the_whole_for_each_record_and_in_their_sums(ways in ways()) {
        let mut latency = Latency::default();
        for way in &ways {
            let hops = way.readings.hops_ns();
            let Some(sum_ns) = hops.iter().map(|(_, hop)| *hop).sum::<Option<u64>>() else {
                continue;
            };
            prop_assert_eq!(Some(sum_ns), way.readings.whole_ns());
            if sum_ns <= MAX_NS {
                latency.record(way.readings);
            }
        }
        let hops: u128 = latency.hops().iter().map(|(_, hop)| hop.sum_ns()).sum();
        prop_assert_eq!(hops, latency.wire_to_handler.sum_ns());
    }
}

#[test]
fn a_way_of_two_readings_has_no_hops() {
    let mut recorder = Recorder::default();
    let readings = Readings {
        wire_ns: 10,
        seen_ns: 10,
        decoded_ns: 10,
        published_ns: 10,
        handler_ns: 25,
    };
    recorder.record(readings, false, Exemplar::default);
    let latency = recorder.into_latency();
    assert_eq!(latency.wire_to_handler.sum_ns(), 15);
    assert!(
        latency
            .hops()
            .iter()
            .all(|(_, hop)| hop.summary().count == 0)
    );
    assert_eq!(latency.worst().len(), 1);
}
