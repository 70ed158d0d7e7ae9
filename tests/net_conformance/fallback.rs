//! Where `io_uring` runs, what its polls cost, and what happens where it is refused.

use crate::confined;
use crate::wire::{ANY_PORT, STAMPS, Wire, upto, uring_is_allowed};
use ringtape::clock::SystemClock;
use ringtape::error::Error;
use ringtape::net::{ActiveBackend, Backend, Config, Flow, Line, Receiver};
use std::io;

#[test]
fn idle_polls_of_io_uring_make_no_system_call() {
    if !uring_is_allowed() {
        return;
    }
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend: Backend::Uring,
            stamps,
            ..Config::default()
        });
        wire.send(0..100);
        wire.receive(100);
        // The burst's last receive, which found nothing, may still be at work.
        while wire.poll(&SystemClock, Flow::Continue) > 0 {}
        wire.poll(&SystemClock, Flow::Continue);
        let counters = wire.receiver.counters();
        let enters = counters.enters.get();
        for _ in 0..10_000 {
            wire.poll(&SystemClock, Flow::Continue);
        }
        assert_eq!(counters.enters.get(), enters);
        assert!(enters <= counters.batches.get() + 2, "{counters:?}");
    }
}

/// Makes a system call fail with EPERM in this process, as a container's filter does.
fn refuse(call: libc::c_long) -> io::Result<()> {
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("invariant: BPF codes are 16 bits"),
        jt,
        jf,
        k,
    };
    let call = u32::try_from(call).map_err(io::Error::other)?;
    let errno = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let mut filter = [
        // The call's number is the first word of `seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, errno),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: changes this process only, and asks for no memory.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: asks for a filter program, which the kernel copies during the call.
    match unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Runs `test` where `call` is refused. Where `io_uring` is refused already, for another reason,
/// there is nothing to show.
fn is_refused(test: &str, filter: fn() -> io::Result<()>, call: &str) {
    if confined::is_inside() || uring_is_allowed() {
        confined::run(test, "seccomp filter", filter, || {
            receives_without_io_uring(call)
        });
    }
}

fn receives_without_io_uring(call: &str) {
    let lines = [Line::new("A", ANY_PORT)];
    let config = Config {
        backend: Backend::Uring,
        ..Config::default()
    };
    let error = Receiver::open(&config, &lines).unwrap_err();
    assert!(matches!(&error, Error::UringUnavailable { reason } if reason.contains(call)));

    let mut wire = Wire::start(&Config::default());
    let ActiveBackend::Mmsg {
        uring_refused: Some(reason),
    } = wire.receiver.active_backend().clone()
    else {
        panic!("{} runs", wire.receiver.active_backend());
    };
    assert!(
        reason.contains(call) && reason.contains("not permitted"),
        "{reason}"
    );
    wire.send(0..10);
    wire.receive(10);
    assert_eq!(wire.numbers(0), upto(10));
}

#[test]
fn where_io_uring_setup_is_refused_auto_falls_back_and_says_why() {
    is_refused(
        "fallback::where_io_uring_setup_is_refused_auto_falls_back_and_says_why",
        || refuse(libc::SYS_io_uring_setup),
        "io_uring_setup",
    );
}

#[test]
fn where_io_uring_enter_is_refused_auto_falls_back_and_says_why() {
    is_refused(
        "fallback::where_io_uring_enter_is_refused_auto_falls_back_and_says_why",
        || refuse(libc::SYS_io_uring_enter),
        "io_uring_enter",
    );
}

#[test]
fn where_io_uring_register_is_refused_auto_falls_back_and_says_why() {
    is_refused(
        "fallback::where_io_uring_register_is_refused_auto_falls_back_and_says_why",
        || refuse(libc::SYS_io_uring_register),
        "io_uring_register",
    );
}

#[test]
fn without_a_filter_auto_runs_io_uring() {
    if uring_is_allowed() {
        let wire = Wire::start(&Config::default());
        assert_eq!(wire.receiver.active_backend(), &ActiveBackend::Uring);
    }
}
