//! What the fuzz targets share: the reading of an input as steps, and a feed whose records are
//! checked as they come.

mod input;
mod rig;

pub use input::Input;
pub use rig::{Account, Numbers, Rig, config};

use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content, Record};

/// Counts the events that say to be the last one of their message.
pub fn last_events(out: &Batch<MarketEvent>) -> usize {
    let is_last = |record: &&Record<MarketEvent>| match record.content() {
        Content::Event(event) => event.head.flags.contains(Flags::LAST),
        _ => false,
    };
    out.records().iter().filter(is_last).count()
}
