//! Owns a tmpfs that the calling process alone sees, and that is gone with it.

use std::ffi::CStr;
use std::io;

/// The folder over which it is mounted.
pub(crate) const FOLDER: &str = "/dev/shm";

/// Mounts a tmpfs with `options` over [`FOLDER`], in a namespace of its own. For a process with one
/// thread: no other would see it. Neither allocates nor locks, so that it can be called between
/// fork and exec.
pub(crate) fn tmpfs(options: &CStr) -> io::Result<()> {
    // SAFETY: changes this process only, and asks for no memory.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        // Without privilege it takes a user namespace, in which this process is privileged.
        // SAFETY: as above; the process has one thread.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    }
    let nothing = std::ptr::null();
    let private = libc::MS_PRIVATE | libc::MS_REC;
    // SAFETY: asks for strings that end with a zero, or null where they are not used.
    check(unsafe { libc::mount(nothing, c"/".as_ptr(), nothing, private, nothing.cast()) })?;
    let (kind, target) = (c"tmpfs".as_ptr(), c"/dev/shm".as_ptr());
    // SAFETY: as above; the caller's string lives until the call returns.
    check(unsafe { libc::mount(kind, target, kind, 0, options.as_ptr().cast()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
