//! What the runtime and the stages promise whatever the feed: order of start, containment of
//! panics, and a shutdown that drains.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringtape::bus::{Contract, Passage, Publisher, Subscription};
use ringtape::clock::SystemClock;
use ringtape::cpu;
use ringtape::error::{Error, Result};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::record::Gap;
use ringtape::runtime::{self, CorePlan};
use ringtape::stage::{HandleOutcome, HandleStage, Stage};
use ringtape::wait::WaitStrategy;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const WAITS: [WaitStrategy; 4] = [
    WaitStrategy::Spin,
    WaitStrategy::SpinPause,
    WaitStrategy::Yield,
    WaitStrategy::Park,
];

/// Publishes `total` records, a few at a poll, then waits to be stopped.
struct Source {
    publisher: Option<Publisher<MarketEvent>>,
    left: u64,
}

impl Stage for Source {
    fn name(&self) -> &str {
        "source"
    }

    fn poll(&mut self) -> usize {
        let Some(publisher) = &mut self.publisher else {
            return 0;
        };
        if !publisher.commit(Passage::default()) || self.left == 0 {
            return 0;
        }
        let count = self.left.min(7);
        for _ in 0..count {
            publisher.batch().push_event(0, &event());
        }
        self.left -= count;
        _ = publisher.commit(Passage::default());
        1
    }

    fn request_stop(&mut self) {
        if self.left == 0 && self.publisher.as_mut().is_some_and(|p| !p.has_backlog()) {
            self.publisher = None;
        }
    }

    fn is_finished(&self) -> bool {
        self.publisher.is_none()
    }
}

fn event() -> MarketEvent {
    zerocopy::FromZeros::new_zeroed()
}

#[derive(Default)]
struct Count {
    events: u64,
    panic_at: Option<u64>,
    stopped: bool,
}

impl Handler<MarketEvent> for Count {
    fn on_event(&mut self, _: &MarketEvent, at: At) {
        assert!(self.panic_at != Some(at.sequence.get()), "told to");
        self.events += 1;
    }
    fn on_gap(&mut self, gap: Gap) {
        panic!("a lossless subscriber saw {gap:?}");
    }
    fn on_stop(&mut self) {
        self.stopped = true;
    }
}

type CountStage = HandleStage<MarketEvent, Count, SystemClock>;

fn outcome(stage: Box<dyn Stage>) -> HandleOutcome<Count> {
    let stage: Box<dyn Any> = stage;
    stage.downcast::<CountStage>().unwrap().into_outcome()
}

/// A source and its counters, with rings so small that everyone waits for everyone.
fn stages(total: u64, counts: impl IntoIterator<Item = Count>) -> Vec<Box<dyn Stage>> {
    let mut publisher = Publisher::new(64);
    let subscription = Subscription {
        contract: Contract::Lossless,
        capacity: 4,
        passages: true,
        ..Subscription::default()
    };
    let mut stages: Vec<Box<dyn Stage>> = Vec::new();
    for count in counts {
        let subscriber = publisher.subscribe(subscription).unwrap();
        stages.push(Box::new(CountStage::new(
            "count",
            subscriber,
            count,
            SystemClock,
            true,
        )));
    }
    stages.insert(
        0,
        Box::new(Source {
            publisher: Some(publisher),
            left: total,
        }),
    );
    stages
}

/// Everything on one core: the case in which a stage that waits would wait for ever.
fn one_core(stages: Vec<Box<dyn Stage>>, wait: WaitStrategy) -> Vec<CorePlan> {
    let core = cpu::allowed()[0];
    vec![CorePlan { core, wait, stages }]
}

#[test]
fn what_was_published_before_the_stop_is_delivered_on_one_core_and_on_two() {
    for wait in WAITS {
        for spread in [false, true] {
            let mut plans = one_core(stages(1_000, [Count::default(), Count::default()]), wait);
            if let (true, Some(&core)) = (spread, cpu::allowed().get(1)) {
                let stages = plans[0].stages.split_off(1);
                plans.push(CorePlan { core, wait, stages });
            }
            let running = runtime::launch(plans).unwrap();
            running.stop();
            let mut ended = running.join().into_iter();
            assert_eq!(ended.next().unwrap().unwrap().name(), "source");
            for stage in ended {
                let outcome = outcome(stage.unwrap());
                let handler = outcome.handler.unwrap();
                assert_eq!((handler.events, handler.stopped), (1_000, true), "{wait:?}");
                assert!(outcome.account.closes());
                assert_eq!(outcome.latency.unwrap().wire_to_seen.summary().count, 1_000);
            }
        }
    }
}

#[test]
fn a_panicking_handler_ends_alone_and_is_reported_with_its_name_and_sequence() {
    let panicking = Count {
        panic_at: Some(500),
        ..Count::default()
    };
    let plans = one_core(
        stages(1_000, [panicking, Count::default()]),
        WaitStrategy::Yield,
    );
    let running = runtime::launch(plans).unwrap();
    running.stop();
    let mut ended = running.join().into_iter().skip(1);

    let panicked = outcome(ended.next().unwrap().unwrap());
    assert!(panicked.handler.is_none());
    let message = panicked.error.unwrap().to_string();
    assert_eq!(message, "handler count panicked at sequence 500: told to");
    assert_eq!(
        (panicked.account.handled, panicked.account.left_behind),
        (499, 501)
    );
    assert!(panicked.account.closes());

    let other = outcome(ended.next().unwrap().unwrap());
    assert_eq!(other.handler.unwrap().events, 1_000);
}

/// Panics on a poll, or refuses to start.
struct Broken {
    start: fn() -> Result<()>,
    alive: Arc<AtomicBool>,
}

impl Stage for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    fn start(&mut self) -> Result<()> {
        (self.start)()
    }
    fn poll(&mut self) -> usize {
        panic!("invariant: told to")
    }
    fn is_finished(&self) -> bool {
        false
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Release);
    }
}

#[test]
fn a_panicking_stage_is_dropped_and_named_and_the_others_go_on() {
    let alive = Arc::new(AtomicBool::new(true));
    let mut plans = one_core(stages(1_000, [Count::default()]), WaitStrategy::Yield);
    let broken = Broken {
        start: || Ok(()),
        alive: Arc::clone(&alive),
    };
    plans[0].stages.insert(0, Box::new(broken));
    let running = runtime::launch(plans).unwrap();
    running.stop();
    let mut ended = running.join().into_iter();

    let error = ended.next().unwrap().err().unwrap().to_string();
    assert!(
        error.contains("stage broken") && error.contains("told to"),
        "{error}"
    );
    assert!(
        !alive.load(Ordering::Acquire),
        "dropped, so that its rings are abandoned"
    );
    let count = outcome(ended.nth(1).unwrap().unwrap());
    assert_eq!(count.handler.unwrap().events, 1_000);
}

#[test]
fn a_stage_that_cannot_start_is_an_error_and_nothing_is_polled() {
    let starts: [fn() -> Result<()>; 2] = [
        || Err(Error::config("this stage", "give it up")),
        || panic!("at start"),
    ];
    for (start, expected) in starts
        .into_iter()
        .zip(["this stage: give it up", "at start"])
    {
        // Beside the source, beside the handler on another core, and alone on one: wherever it is,
        // nobody may wait for what the others would have done.
        for place in 0..3 {
            let mut plans = one_core(stages(10, [Count::default()]), WaitStrategy::Park);
            let core = *cpu::allowed().last().unwrap();
            let wait = WaitStrategy::Park;
            let handlers = plans[0].stages.split_off(1);
            plans.push(CorePlan {
                core,
                wait,
                stages: handlers,
            });
            plans.push(CorePlan {
                core,
                wait,
                stages: Vec::new(),
            });
            let alive = Arc::new(AtomicBool::new(true));
            let broken = Broken {
                start,
                alive: Arc::clone(&alive),
            };
            plans[place].stages.push(Box::new(broken));
            let error = runtime::launch(plans).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            let dropped = !alive.load(Ordering::Acquire);
            assert!(dropped, "everything was stopped and dropped");
        }
    }
}

#[test]
fn a_core_that_does_not_exist_is_an_error_before_any_thread_runs() {
    let mut plans = one_core(stages(10, [Count::default()]), WaitStrategy::Park);
    plans[0].core = 4_711;
    let error = runtime::launch(plans).unwrap_err().to_string();
    assert!(error.contains("core 4711 does not exist"), "{error}");
}

/// Counts starts, and checks at its first poll that all have happened.
struct Starter {
    started: Arc<AtomicUsize>,
    polled: bool,
}

impl Stage for Starter {
    fn name(&self) -> &str {
        "starter"
    }
    fn start(&mut self) -> Result<()> {
        self.started.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
    fn poll(&mut self) -> usize {
        assert_eq!(self.started.load(Ordering::Acquire), 4);
        self.polled = true;
        0
    }
    fn is_finished(&self) -> bool {
        self.polled
    }
}

#[test]
fn no_stage_is_polled_before_all_have_started() {
    let started = Arc::new(AtomicUsize::new(0));
    let stage = || -> Box<dyn Stage> {
        Box::new(Starter {
            started: Arc::clone(&started),
            polled: false,
        })
    };
    let plan = |&core: &usize| CorePlan {
        core,
        wait: WaitStrategy::Spin,
        stages: vec![stage(), stage()],
    };
    let cores = cpu::allowed();
    let mut plans: Vec<CorePlan> = cores.iter().cycle().take(2).map(plan).collect();
    plans.truncate(2);
    let running = runtime::launch(plans).unwrap();
    assert!(running.join().iter().all(Result::is_ok));
}
