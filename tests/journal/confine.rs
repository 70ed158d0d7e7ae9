//! Owns what a child of these tests is confined to: a disk that is nearly full, or a user who may
//! nothing. All of it runs between fork and exec, and neither allocates nor locks.

use std::io;

/// The folder over which the small disk is mounted.
pub(crate) const SMALL_DISK: &str = "/dev/shm";

/// Mounts a tmpfs of 900 KiB, which this process alone sees.
pub(crate) fn small_disk() -> io::Result<()> {
    // SAFETY: changes this process only, and asks for no memory.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        // Without privilege it takes a user namespace, in which this process is privileged.
        // SAFETY: as above; the process has one thread, between fork and exec.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    }
    let nothing = std::ptr::null();
    let private = libc::MS_PRIVATE | libc::MS_REC;
    // SAFETY: asks for strings that end with a zero, or null where they are not used.
    check(unsafe { libc::mount(nothing, c"/".as_ptr(), nothing, private, nothing.cast()) })?;
    let (kind, target) = (c"tmpfs".as_ptr(), c"/dev/shm".as_ptr());
    let options = c"size=900k".as_ptr().cast();
    // SAFETY: as above.
    check(unsafe { libc::mount(kind, target, kind, 0, options) })
}

/// Becomes a user without rights; who is not root stays what it is.
pub(crate) fn nobody() -> io::Result<()> {
    // SAFETY: asks for nothing.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    // SAFETY: asks for nothing.
    check(unsafe { libc::setuid(65_534) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
