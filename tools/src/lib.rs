//! The `ringtape` command line as a library, so that its readers can be tested and fuzzed.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | the commands, their exit codes, how errors are printed |
//! | [`demo`] | `ringtape demo`: the whole path with a made-up venue |
//! | [`run`] | `ringtape run`: the same with the feeds of a configuration file |
//! | [`capture`] | `ringtape capture`: live lines into a capture file |
//! | [`inspect`] | `ringtape inspect`: what is in a capture file or a journal |
//! | [`book`], [`top`], [`bars`] | what the books of a file or a journal say |
//! | [`play`] | `ringtape play`: a capture file or a journal as a live feed |
//! | [`convert`] | `ringtape convert`: a capture file as a journal |
//! | [`verify`], [`dump`] | `ringtape verify` and `dump`: whether a journal is whole, and its records |
//! | [`latency`] | `ringtape latency`: open loop, from when a message is due to its handler |
//! | [`tail`] | `ringtape tail`: the records of a journal that is being written |
//! | [`replay`] | `ringtape replay`: journals to a strategy, once more |
//! | [`diff`] | `ringtape diff`: where two recordings differ |
//! | [`doctor`] | `ringtape doctor`: is this host fit |
//! | [`retain`] | `ringtape archive` and `prune`: what a journal keeps |
//! | [`packets`] | the packets that a file is played as, and what was counted on the way |
//! | [`source`] | capture files: from a path to datagrams and messages |
//! | [`new_york`], [`trading_date`] | the venue's calendar |
//! | [`watch`], [`report`] | a run while it lasts, and what it says at the end |
//! | `time_order` | datagrams of several lines in the order of time |
//! | `sessions`, `reading` | a capture's sessions; a capture or a journal, to handlers |
//! | `watched`, `instrument` | the books of a feed, and how an instrument is named |
//! | [`recorded`] | the datagrams of a capture, for a run |
//! | `worst` | the slowest records of a run, and their file beside the tape |
//! | `place`, `price` | places in a recording, and prices, as the command line names them |
//! | `config`, `strategies`, `venue` | the configuration file, the strategies and the venue that come along |
//! | [`output`], [`progress`], [`interrupt`] | what is printed, progress bars, Ctrl-C |
//!
//! `inspect`, `play` and `convert` take their packets from one place, and the first and the last
//! follow them in one way (`follow`), so that the digest which the one prints is the digest that a
//! handler gets from the other, and that the journal has.

pub mod bars;
pub mod book;
pub mod capture;
pub mod cli;
mod config;
pub mod convert;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod dump;
mod follow;
pub mod inspect;
mod instrument;
pub mod interrupt;
pub mod latency;
pub mod new_york;
mod noise;
pub mod output;
pub mod packets;
mod place;
pub mod play;
mod price;
pub mod progress;
mod reading;
pub mod recorded;
pub mod replay;
pub mod report;
pub mod retain;
pub mod run;
mod sessions;
pub mod source;
mod strategies;
pub mod tail;
mod tape;
mod time_order;
pub mod top;
pub mod trading_date;
mod venue;
pub mod verify;
pub mod watch;
mod watched;
mod worst;
