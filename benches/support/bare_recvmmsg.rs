//! Owns the baseline of the ingest bench: a loop around `recvmmsg`, as short as it can be.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// Datagrams of one call.
const VLEN: usize = 64;
/// Room for each, as `ringtape::net::Config` has it by default.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// The arrays that `recvmmsg` wants, set up once.
pub(super) struct BareRecvmmsg {
    payload: Vec<[u8; DATAGRAM_BYTES_MAX]>,
    /// Held for the pointers in `headers`.
    _iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl BareRecvmmsg {
    pub(super) fn new() -> Self {
        let mut payload = vec![[0; DATAGRAM_BYTES_MAX]; VLEN];
        let mut iovecs: Vec<_> = payload
            .iter_mut()
            .map(|buffer| libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: DATAGRAM_BYTES_MAX,
            })
            .collect();
        let headers = iovecs
            .iter_mut()
            .map(|iovec| {
                // SAFETY: all-zero bytes are a valid `mmsghdr`: null pointers and zero lengths.
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_iov = iovec;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        Self {
            payload,
            _iovecs: iovecs,
            headers,
        }
    }

    /// Shows what is ready to `visit`, at most 64 datagrams, and returns how many.
    pub(super) fn receive(&mut self, socket: &UdpSocket, mut visit: impl FnMut(&[u8])) -> usize {
        // SAFETY: asks for `VLEN` headers whose pointers and lengths hold during the call. `new`
        // made as many, each with one iovec, each with one buffer of that length; none of the three
        // vectors grew since, so what they hold is where it was.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                VLEN as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
            return 0;
        };
        for (header, payload) in self.headers[..received].iter().zip(&self.payload) {
            visit(&payload[..header.msg_len as usize]);
        }
        received
    }
}
