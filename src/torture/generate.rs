//! Owns scenarios from a seed: what a simulation tries when nobody says what.

use super::random::{Purpose, generator};
use super::scenario::{
    Behaviour, Behind, Burst, Corrupt, Delay, EventAt, LineScenario, Reorder, Scenario,
    ServerScenario, Traffic, VenueEvent, What,
};
use super::simulation::Simulation;
use super::values::{Between, Share};
use crate::feed::Start;
use fastrand::Rng;

const US: u64 = 1_000;

impl Scenario {
    /// Makes a scenario from a seed: a few hundred messages on one to three lines, with faults of
    /// every kind, some of them mild and some heavy.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut random = generator(seed, Purpose::Scenario, 0, 0);
        let random = &mut random;
        let traffic = Traffic {
            messages: random.u64(1..400),
            rate: *pick(random, &[20_000, 100_000, 1_000_000]),
            packet_messages: between(random, 12),
            heartbeat_ns: *pick(random, &[200 * US, 1_000 * US, 1_000_000 * US]),
            first: *pick(random, &[1, 1, 1, 1_000]),
            ..Traffic::default()
        };
        // Most scenarios leave headers alone: a number out of thin air hides everything else.
        let broken = random.u8(0..8) == 0;
        let lines = *pick(random, &[1, 2, 2, 2, 3]);
        let lines = ["A", "B", "C"][..lines].iter();
        let lines = lines.map(|name| line(random, name, broken)).collect();
        let events = (0..random.u8(0..4)).filter_map(|_| event(random, &traffic));
        let events = events.collect();
        let servers = (0..random.usize(0..3)).map(|index| server(random, index));
        let servers = servers.collect();
        Self {
            seed,
            traffic,
            lines,
            events,
            servers,
            tcp: None,
        }
    }
}

impl Simulation {
    /// Makes a run of [`Scenario::random`], with a hold time, a window, a start and a tick from the
    /// same seed.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut simulation = Self::new(Scenario::random(seed));
        let mut random = generator(seed, Purpose::Scenario, 1, 0);
        let random = &mut random;
        simulation.config.hold_ns = *pick(random, &[0, 50 * US, 500 * US, 2_000 * US]);
        simulation.config.window_messages = *pick(random, &[16, 64, 64, 1_024]);
        if random.bool() {
            simulation.config.start = Start::FirstSeen;
        }
        simulation.tick_ns = *pick(random, &[20 * US, 100 * US, 1_000 * US]);
        if random.u8(0..4) == 0 {
            simulation.receive_bytes_max = random.usize(20..600);
        }
        simulation
    }
}

fn pick<'a, T>(random: &mut Rng, from: &'a [T]) -> &'a T {
    &from[random.usize(0..from.len())]
}

fn between(random: &mut Rng, max: u32) -> Between {
    let min = random.u32(1..=max);
    let max = random.u32(min..=max);
    Between::new(min, max).expect("invariant: from 1 to the maximum")
}

/// None mostly, else a share up to so many percent.
fn share(random: &mut Rng, percent_max: u32) -> Share {
    let ppm = random.u32(0..=percent_max * 10_000);
    let some = random.u8(0..3) == 0;
    let ppm = if some { ppm } else { 0 };
    Share::from_ppm(ppm).expect("invariant: at most 100 percent")
}

fn line(random: &mut Rng, name: &str, broken: bool) -> LineScenario {
    let mut line = LineScenario {
        name: name.to_owned(),
        packet_messages: random.bool().then(|| between(random, 8)),
        loss: share(random, 40),
        duplicate: share(random, 20),
        jitter_ns: *pick(random, &[0, 0, 30 * US]),
        skew_ns: *pick(random, &[0, 0, 20 * US, 300 * US, 3_000 * US]),
        truncate: share(random, 10),
        differ: share(random, 10),
        ..LineScenario::default()
    };
    if random.u8(0..3) == 0 {
        line.burst = Some(Burst {
            share: share(random, 3),
            packets: between(random, 30),
        });
    }
    if random.u8(0..3) == 0 {
        let packets = between(random, 6);
        let time = Behind::Time(random.u64(1..500) * US);
        line.reorder = Some(Reorder {
            share: share(random, 30),
            behind: *pick(random, &[Behind::Packets(packets), time]),
        });
    }
    if random.u8(0..4) == 0 {
        line.delay = Some(Delay {
            share: share(random, 5),
            ns: random.u64(1..3_000) * US,
        });
    }
    line.corrupt = Corrupt {
        header: if broken {
            share(random, 10)
        } else {
            Share::NONE
        },
        message: share(random, 10),
    };
    if random.u8(0..5) == 0 {
        let from_ns = random.u64(0..4_000) * US;
        line.silences
            .push((from_ns, from_ns + random.u64(1..4_000) * US));
    }
    line
}

fn event(random: &mut Rng, traffic: &Traffic) -> Option<VenueEvent> {
    let at = if random.bool() {
        EventAt::Time(random.u64(0..5_000) * US)
    } else {
        let last = traffic.messages.checked_sub(1).filter(|&last| last > 0)?;
        EventAt::Message(random.u64(1..=last))
    };
    let silence = What::Silence(random.u64(1..5_000) * US);
    let end = What::EndOfSession;
    let what = *pick(
        random,
        &[end, end, What::SessionChange, What::Restart, silence],
    );
    Some(VenueEvent { at, what })
}

fn server(random: &mut Rng, index: usize) -> ServerScenario {
    ServerScenario {
        name: format!("R{}", index + 1),
        behaviour: *pick(
            random,
            &[
                Behaviour::Right,
                Behaviour::Right,
                Behaviour::Slow,
                Behaviour::Partial,
                Behaviour::Silent,
                Behaviour::Wrong,
            ],
        ),
        delay_ns: random.u64(0..300) * US,
        request_loss: share(random, 30),
        loss: share(random, 30),
        ..ServerScenario::default()
    }
}
