//! What both backends of `net` promise, each promise a test, all on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../confined/mod.rs"]
#[allow(unsafe_code, reason = "confines a child between fork and exec")]
mod confined;

/// Makes of each claim one test per backend.
macro_rules! on_both_backends {
    ($($claim:ident)*) => {
        mod uring {
            $(#[test]
            fn $claim() {
                if crate::wire::uring_is_allowed() {
                    super::$claim(ringtape::net::Backend::Uring);
                }
            })*
        }
        mod mmsg {
            $(#[test]
            fn $claim() {
                super::$claim(ringtape::net::Backend::Mmsg);
            })*
        }
    };
}

mod drops;
#[allow(unsafe_code, reason = "a seccomp filter is installed by prctl")]
mod fallback;
mod opening;
mod order;
mod servers;
mod stamps;
mod stops;
mod wire;
