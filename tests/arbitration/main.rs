//! Claims about arbitration, checked through the whole NASDAQ feed: scenarios with known answers,
//! and random ones beside a naive oracle.

mod lines;
mod oracle;
mod random;
mod recovery;
mod rig;
mod scenarios;
