//! Owns what a child of these tests is confined to: a disk that is nearly full, or a user who may
//! nothing. All of it runs between fork and exec, and neither allocates nor locks.

use crate::mounted;
use std::io;

/// The folder over which the small disk is mounted.
pub(crate) const SMALL_DISK: &str = mounted::FOLDER;

/// Mounts a tmpfs of 900 KiB, which this process alone sees.
pub(crate) fn small_disk() -> io::Result<()> {
    mounted::tmpfs(c"size=900k")
}

/// Becomes a user without rights; who is not root stays what it is.
pub(crate) fn nobody() -> io::Result<()> {
    // SAFETY: asks for nothing.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    // SAFETY: asks for nothing.
    if unsafe { libc::setuid(65_534) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
