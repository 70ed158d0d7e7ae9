//! Any text: it is a scenario or is refused with a line that it has; and a small scenario runs
//! without a panic. Without restarts, which MoldUDP64 leaves to guesses, the run holds to the
//! check.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::torture::{EventAt, Scenario, Simulation, What};

/// Nanoseconds that a run may last: more would only be more of the same.
const RUN_NS_MAX: u64 = 100_000_000;
const MESSAGES_MAX: u64 = 500;

/// Whether a run is short: the rate, and what makes it late.
fn is_small(scenario: &Scenario) -> bool {
    let traffic = &scenario.traffic;
    let mut lasts_ns = MESSAGES_MAX * 1_000_000_000 / traffic.rate;
    for event in &scenario.events {
        if let What::Silence(ns) = event.what {
            lasts_ns = lasts_ns.saturating_add(ns);
        }
        if let EventAt::Time(ns) = event.at {
            lasts_ns = lasts_ns.max(ns);
        }
    }
    traffic.messages <= MESSAGES_MAX
        && scenario.events.len() <= 16
        && lasts_ns <= RUN_NS_MAX
        && traffic.heartbeat_ns >= RUN_NS_MAX / 1_000
}

fuzz_target!(|text: &str| {
    let scenario = match Scenario::parse(text) {
        Ok(scenario) => scenario,
        Err(error) => {
            assert!(
                (1..=text.split('\n').count()).contains(&error.line),
                "{error}"
            );
            return;
        }
    };
    if !is_small(&scenario) {
        return;
    }
    let restarts = scenario
        .events
        .iter()
        .any(|event| event.what == What::Restart);
    let mut simulation = Simulation::new(scenario);
    simulation.config.window_messages = 64;
    let mut feed = simulation
        .feed()
        .expect("a scenario's lines are those of a feed");
    let outcome = simulation.run(&mut feed);
    match outcome.check() {
        Err(violation) if !restarts => panic!("{violation}"),
        _ => {}
    }
});
