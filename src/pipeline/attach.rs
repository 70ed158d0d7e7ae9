//! Owns how a bus gets its subscribers and its journal, and how a handler comes back: the same for
//! a pipeline that runs and for one that is [`Offline`](super::Offline).

use super::{HandlerSettings, JournalSettings, SubscriberReport};
use crate::bus::Publisher;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::handler::Handler;
use crate::journal::Writer;
use crate::record::{Event, Sequence};
use crate::stage::{HandleOutcome, HandleStage, RecordStage, Stage};
use std::any::Any;

/// A subscriber before the bus exists. The functions remember the handler's type.
pub(super) struct Planned<E: Event> {
    pub(super) name: String,
    pub(super) settings: HandlerSettings,
    pub(super) attach: Attach<E>,
    pub(super) collect: Collect,
}

/// A handler on its way back to the user.
pub(super) type Handback = Option<Box<dyn Any + Send>>;
/// Takes a handle stage apart, knowing the handler's type.
pub(super) type Collect = fn(Box<dyn Stage>) -> (SubscriberReport, Handback);
/// Makes a handle stage once there is a bus.
pub(super) type Attach<E> =
    Box<dyn FnOnce(&str, HandlerSettings, &mut Publisher<E>) -> Result<Box<dyn Stage>> + Send>;

/// A bus with all who listen to it.
pub(super) struct Attached<E: Event> {
    pub(super) publisher: Publisher<E>,
    /// The number of the first record.
    pub(super) first: Sequence,
    pub(super) handle_stages: Vec<Box<dyn Stage>>,
    pub(super) collectors: Vec<Collect>,
    pub(super) record: Option<RecordStage<E, SystemClock>>,
}

/// Returns how many records one call of any of the feeds can make: there must be room for them.
pub(super) fn batch_records<E: Event>(
    feeds: &[Box<dyn Feed<E>>],
    datagram_bytes_max: usize,
) -> Result<usize> {
    let records = feeds
        .iter()
        .map(|feed| feed.records_max(datagram_bytes_max));
    let most = records.max();
    most.ok_or_else(|| Error::config("a pipeline without a feed", "add one"))
}

/// Opens the journal and attaches everybody to a new bus.
pub(super) fn attach<E: Event>(
    subscribers: Vec<Planned<E>>,
    journal: Option<&JournalSettings>,
    batch_records: usize,
) -> Result<Attached<E>> {
    // Opening a tape cuts what a crash tore off and says how much, so it is opened last.
    for planned in &subscribers {
        planned.settings.subscription.check()?;
    }
    let (first, writer) = match journal {
        None => (Sequence::FIRST, None),
        Some(journal) => {
            journal.subscription().check()?;
            journal.framing.check()?;
            let writer = Writer::open(journal.tape.clone(), SystemClock.now_ns())?;
            (writer.next_sequence(), Some(writer))
        }
    };
    let mut publisher = Publisher::starting_at(first, batch_records);

    let mut collectors = Vec::with_capacity(subscribers.len());
    let mut handle_stages = Vec::with_capacity(subscribers.len());
    for planned in subscribers {
        let Planned {
            name,
            settings,
            attach,
            collect,
        } = planned;
        handle_stages.push(attach(&name, settings, &mut publisher)?);
        collectors.push(collect);
    }
    let record = journal
        .zip(writer)
        .map(|(journal, writer)| record_stage(journal, writer, &mut publisher))
        .transpose()?;
    Ok(Attached {
        publisher,
        first,
        handle_stages,
        collectors,
        record,
    })
}

fn record_stage<E: Event>(
    journal: &JournalSettings,
    writer: Writer<E>,
    publisher: &mut Publisher<E>,
) -> Result<RecordStage<E, SystemClock>> {
    let subscriber = publisher.subscribe(journal.subscription())?;
    RecordStage::new("journal", subscriber, writer, SystemClock, journal.framing)
}

/// Takes apart the stage of a handler of type `H`.
pub(super) fn collect<E: Event, H: Handler<E>>(
    stage: Box<dyn Stage>,
) -> (SubscriberReport, Handback) {
    let stage: Box<dyn Any> = stage;
    let stage = stage
        .downcast::<HandleStage<E, H, SystemClock>>()
        .expect("invariant: the function was chosen with the stage's handler type");
    let HandleOutcome {
        name,
        handler,
        account,
        tally,
        digest,
        latency,
        error,
    } = stage.into_outcome();
    let report = SubscriberReport {
        name,
        account,
        tally,
        digest,
        latency,
        error,
    };
    (
        report,
        handler.map(|handler| -> Box<dyn Any + Send> { Box::new(handler) }),
    )
}
