//! The `ringtape` command line as a library, so that its readers can be tested and fuzzed.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | the commands, their exit codes, how errors are printed |
//! | [`inspect`] | `ringtape inspect`: what is in a capture file |
//! | [`play`] | `ringtape play`: a capture file as a live feed |
//! | [`packets`] | the packets that a file is played as, and what was counted on the way |
//! | [`source`] | capture files: from a path to datagrams and messages |
//! | [`new_york`] | the venue's calendar |
//! | [`output`], [`progress`], [`interrupt`] | what is printed, progress bars, Ctrl-C |
//!
//! `inspect` and `play` take their packets from one place, so that the digest which the one prints
//! is the digest that a handler gets from the other.

pub mod cli;
pub mod inspect;
pub mod interrupt;
pub mod new_york;
pub mod output;
pub mod packets;
pub mod play;
pub mod progress;
pub mod source;
