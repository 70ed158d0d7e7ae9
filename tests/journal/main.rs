//! Claims about the journal: what its bytes are, that every damage is found, that recovery keeps
//! what was written and cuts nothing else, and that readers seek, follow and refuse as they say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../confined/mod.rs"]
#[allow(unsafe_code, reason = "confines a child between fork and exec")]
mod confined;

#[allow(unsafe_code, reason = "system calls that confine a child")]
mod confine;

#[path = "../mounted/mod.rs"]
#[allow(unsafe_code, reason = "mounts in a namespace of its own")]
mod mounted;

mod damage;
mod follow;
mod format;
mod limits;
mod model;
mod refusals;
mod rig;
mod seek;
