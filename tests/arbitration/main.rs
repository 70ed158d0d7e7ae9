//! Claims about arbitration, checked through the whole NASDAQ feed: scenarios with known answers,
//! and random ones beside a naive oracle.

mod oracle;
mod random;
mod rig;
mod scenarios;
