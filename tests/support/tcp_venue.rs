//! Owns a SoupBinTCP server on a socket of its own thread, whose connections go wrong as told.

use ringtape::feed::soupbintcp::{Connection, Misbehaviour, Server};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A venue that serves until it is dropped.
#[derive(Debug)]
pub struct TcpVenue {
    pub address: SocketAddrV4,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TcpVenue {
    /// Serves `server` on loopback. `misbehaviour` is asked for each connection, with its index.
    pub fn start(
        server: Server,
        misbehaviour: impl FnMut(u64) -> Misbehaviour + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!("not IPv4")
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || serve(&listener, &server, misbehaviour, &stopped));
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for TcpVenue {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || thread::panicking());
        }
    }
}

fn serve(
    listener: &TcpListener,
    server: &Server,
    mut misbehaviour: impl FnMut(u64) -> Misbehaviour,
    stopped: &AtomicBool,
) {
    let begin = Instant::now();
    let mut index = 0;
    let mut clients: Vec<Client> = Vec::new();
    while !stopped.load(Ordering::Acquire) {
        let now_ns = u64::try_from(begin.elapsed().as_nanos()).unwrap();
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).unwrap();
            let connection = server.connect_as(misbehaviour(index), now_ns);
            clients.push(Client {
                stream,
                connection,
                unsent: Vec::new(),
            });
            index += 1;
        }
        clients.retain_mut(|client| client.serve(server, now_ns));
        thread::yield_now();
    }
}

struct Client {
    stream: TcpStream,
    connection: Connection,
    unsent: Vec<u8>,
}

impl Client {
    /// Returns whether there is still a connection.
    fn serve(&mut self, server: &Server, now_ns: u64) -> bool {
        let mut buffer = [0; 512];
        if !self.connection.is_stalled() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(bytes) => self.connection.on_bytes(server, &buffer[..bytes], now_ns),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        if self.unsent.is_empty() {
            self.connection
                .poll(server, now_ns, 16 << 10, &mut self.unsent);
        }
        match self.stream.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        !(self.connection.has_closed() && self.unsent.is_empty())
    }
}
