//! Owns how a bus gets its subscribers and its journal, and how a handler comes back: the same for
//! a pipeline that runs and for one that is [`Offline`](super::Offline).

use super::{HandlerSettings, JournalSettings, SubscriberReport};
use crate::bus::{Books, Publisher, Ring, Subscriber};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::handler::Handler;
use crate::journal::Writer;
use crate::record::{Event, Sequence};
use crate::stage::{Framing, HandleOutcome, HandleStage, RecordOutcome, RecordStage, Stage};
use std::any::Any;
use std::sync::Arc;

/// A subscriber before the pipeline's bus exists. The functions remember the handler's type.
pub(super) struct Planned<E: Event> {
    pub(super) name: String,
    pub(super) settings: HandlerSettings,
    attach: Attach<E>,
    collect: Collect,
    /// The books of the subscription, where it is to another bus and so is there already.
    books: Option<Arc<Books>>,
}

/// A handler on its way back to the user.
pub(super) type Handback = Option<Box<dyn Any + Send>>;
/// Takes a handle stage apart, knowing the handler's type.
pub(super) type Collect = fn(Box<dyn Stage>) -> (SubscriberReport, Handback);
/// Makes a handle stage once there is a bus.
type Attach<E> =
    Box<dyn FnOnce(&str, HandlerSettings, &mut Publisher<E>) -> Result<Box<dyn Stage>> + Send>;
/// Takes a record stage apart, knowing the type of its events.
pub(super) type Close = fn(Box<dyn Stage>) -> RecordOutcome;

impl<E: Event> Planned<E> {
    /// Of the pipeline's own bus.
    pub(super) fn new<H: Handler<E>>(name: String, settings: HandlerSettings, handler: H) -> Self {
        Self {
            name,
            settings,
            attach: Box::new(|name, settings, publisher| {
                let subscriber = publisher.subscribe(settings.subscription)?;
                let stage =
                    HandleStage::new(name, subscriber, handler, SystemClock, settings.measure);
                Ok(Box::new(stage))
            }),
            collect: collect::<E, H>,
            books: None,
        }
    }

    /// Of another bus.
    pub(super) fn attached<D: Event, H: Handler<D>>(
        name: String,
        settings: HandlerSettings,
        subscriber: Subscriber<D>,
        handler: H,
    ) -> Self {
        Self {
            name,
            settings,
            books: Some(subscriber.books()),
            attach: Box::new(|name, settings, _| {
                let stage =
                    HandleStage::new(name, subscriber, handler, SystemClock, settings.measure);
                Ok(Box::new(stage))
            }),
            collect: collect::<D, H>,
        }
    }

    /// Makes the publisher of another bus wait for this subscriber, whatever was asked for.
    pub(super) fn make_lossless(&self) {
        if let Some(books) = &self.books {
            books.make_lossless();
        }
    }
}

/// The journal of another bus than the pipeline's own.
pub(super) struct OtherJournal {
    pub(super) stage: Box<dyn Stage>,
    pub(super) close: Close,
    pub(super) core: Option<usize>,
    books: Arc<Books>,
}

impl OtherJournal {
    pub(super) fn open<D: Event>(
        publisher: &mut Publisher<D>,
        settings: JournalSettings,
    ) -> Result<Self> {
        settings.subscription().check("the journal")?;
        settings.framing.check()?;
        let directory = settings.tape.directory.display().to_string();
        let writer = Writer::open(settings.tape.clone(), SystemClock.now_ns())?;
        if !publisher.begin_at(writer.next_sequence()) {
            return Err(Error::config(
                format!(
                    "the journal {directory} goes on with record {}, its bus with {}",
                    writer.next_sequence(),
                    publisher.next_sequence()
                ),
                "attach the journal before anything else to a new bus",
            ));
        }
        let name = format!("journal {directory}");
        let stage = record_stage(name, &settings, writer, publisher)?;
        Ok(Self {
            books: stage.books(),
            stage: Box::new(stage),
            close: close_journal::<D>,
            core: settings.core,
        })
    }

    /// Makes the publisher wait for the journal, whatever was asked for.
    pub(super) fn make_lossless(&self) {
        self.books.make_lossless();
    }
}

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
        planned.settings.subscription.check(&planned.name)?;
    }
    let (first, writer) = match journal {
        None => (Sequence::FIRST, None),
        Some(journal) => {
            journal.subscription().check("the journal")?;
            journal.framing.check()?;
            let writer = Writer::open(journal.tape.clone(), SystemClock.now_ns())?;
            (writer.next_sequence(), Some(writer))
        }
    };
    let mut publisher = Publisher::starting_at(first, batch_records);

    let shared_capacity = shared_capacity(&subscribers);
    let mut collectors = Vec::with_capacity(subscribers.len());
    let mut handle_stages = Vec::with_capacity(subscribers.len());
    for planned in subscribers {
        let Planned {
            name,
            mut settings,
            attach,
            collect,
            books: _,
        } = planned;
        if settings.subscription.ring == Ring::Broadcast {
            settings.subscription.capacity = shared_capacity;
        }
        handle_stages.push(attach(&name, settings, &mut publisher)?);
        collectors.push(collect);
    }
    let record = journal
        .zip(writer)
        .map(|(journal, writer)| {
            record_stage("journal".to_owned(), journal, writer, &mut publisher)
        })
        .transpose()?;
    Ok(Attached {
        publisher,
        first,
        handle_stages,
        collectors,
        record,
    })
}

/// Returns the capacity of the ring that is shared: what the largest subscription to it asks for,
/// in whatever order they come. Other buses have rings of their own.
fn shared_capacity<E: Event>(subscribers: &[Planned<E>]) -> usize {
    let own = subscribers.iter().filter(|it| it.books.is_none());
    let subscriptions = own.map(|it| it.settings.subscription);
    let shared = subscriptions.filter(|it| it.ring == Ring::Broadcast);
    shared.map(|it| it.capacity).max().unwrap_or(0)
}

fn record_stage<E: Event>(
    name: String,
    journal: &JournalSettings,
    writer: Writer<E>,
    publisher: &mut Publisher<E>,
) -> Result<RecordStage<E, SystemClock>> {
    let subscriber = publisher.subscribe(journal.subscription())?;
    // Else a ring that holds less than a frame would be full until the flush time is over. A
    // publisher that waits does so for half of it.
    let framing = Framing {
        frame_records: journal
            .framing
            .frame_records
            .min(journal.capacity.div_ceil(2)),
        ..journal.framing
    };
    RecordStage::new(name, subscriber, writer, SystemClock, framing)
}

/// Takes apart the stage of a handler of type `H`.
fn collect<E: Event, H: Handler<E>>(stage: Box<dyn Stage>) -> (SubscriberReport, Handback) {
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

/// Takes apart the stage of a journal of `E`.
pub(super) fn close_journal<E: Event>(stage: Box<dyn Stage>) -> RecordOutcome {
    let stage: Box<dyn Any> = stage;
    stage
        .downcast::<RecordStage<E, SystemClock>>()
        .expect("invariant: the function was chosen with the journal's event type")
        .into_outcome()
}
