//! Owns Redis Streams: a server of our own behind a socket of the file system, which appends every
//! record to its file and leaves the rest to the kernel, as our journal does.

use super::{Unavailable, folder};
use crate::link;
use crate::payload::{Check, payload};
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{Client, Commands, Connection, FromRedisValue, RedisResult};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zerocopy::IntoBytes;

/// How long a server may take to begin.
const START: Duration = Duration::from_secs(10);
/// How long the server holds a read that finds nothing.
const BLOCK_MS: usize = 1_000;
/// Records of one read.
const COUNT: usize = 1_000;
const FIELD: &str = "p";

/// A server that ends with this.
pub struct Server {
    process: Child,
    socket: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// Starts one, where `redis-server` is installed.
    pub fn start() -> Result<Self, Unavailable> {
        let folder = folder();
        let socket = folder.path().join("redis.sock");
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "no", "--daemonize", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => "no redis-server is installed".to_owned(),
                _ => format!("redis-server: {error}"),
            })?;
        let mut server = Self {
            process,
            socket,
            _folder: folder,
        };
        server.await_answer()?;
        Ok(server)
    }

    fn await_answer(&mut self) -> Result<(), Unavailable> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("redis-server ended: {status}").into());
            }
            match self.ping() {
                Ok(_) => return Ok(()),
                Err(error) if begin.elapsed() > START => return Err(error.into()),
                Err(_) => thread::yield_now(),
            }
        }
    }

    fn ping(&self) -> RedisResult<String> {
        self.client()?.get_connection()?.ping()
    }

    fn client(&self) -> RedisResult<Client> {
        Client::open(format!("unix://{}", self.socket.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do about either.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A new stream of the server's for each link.
#[derive(Clone)]
pub struct Streams {
    server: Rc<Server>,
    made: Rc<AtomicU64>,
}

impl Streams {
    pub fn of(server: Server) -> Self {
        Self {
            server: Rc::new(server),
            made: Rc::default(),
        }
    }

    fn connect(&self) -> Connection {
        let client = self.server.client().expect("it is a path");
        client.get_connection().expect("the server answered before")
    }
}

pub struct Sender {
    connection: Connection,
    stream: String,
}

pub struct Receiver {
    connection: Connection,
    stream: String,
    options: StreamReadOptions,
}

impl link::Link for Streams {
    type Sender = Sender;
    type Receiver = Receiver;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Sender + Send,
        impl FnOnce() -> Vec<Receiver> + Send,
    ) {
        let stream = self.made.fetch_add(1, Ordering::Relaxed).to_string();
        let readers = (0..receivers).map(|_| Receiver {
            connection: self.connect(),
            stream: stream.clone(),
            options: StreamReadOptions::default().block(BLOCK_MS).count(COUNT),
        });
        let readers: Vec<_> = readers.collect();
        let sender = Sender {
            connection: self.connect(),
            stream,
        };
        (move || sender, move || readers)
    }
}

impl link::Sender for Sender {
    /// One pipeline, whose answers are awaited: the server has the batch then.
    fn send(&mut self, numbers: Range<u64>) {
        let mut pipeline = redis::pipe();
        for n in numbers {
            let payload = payload(n);
            let fields = [(FIELD, payload.as_bytes())];
            let id = format!("{n}-0");
            pipeline.xadd(&self.stream, id, &fields).ignore();
        }
        let sent: RedisResult<()> = pipeline.query(&mut self.connection);
        sent.expect("the server takes rising numbers");
    }
}

impl Drop for Sender {
    /// The receiver has all by then: the server need not keep it for the passes to come.
    fn drop(&mut self) {
        let removed: RedisResult<()> = self.connection.unlink(&self.stream);
        drop(removed);
    }
}

impl link::Receiver for Receiver {
    fn poll(&mut self, check: &mut Check) {
        let after = format!("{}-0", check.seen());
        let reply: Option<StreamReadReply> = self
            .connection
            .xread_options(&[&self.stream], &[after], &self.options)
            .expect("the server answers");
        for key in reply.into_iter().flat_map(|reply| reply.keys) {
            for entry in key.ids {
                assert_eq!(entry.id, format!("{}-0", check.seen() + 1));
                let value = entry.map.get(FIELD).expect("its field");
                let bytes = Vec::<u8>::from_redis_value_ref(value).expect("bytes");
                check.bytes(&bytes);
            }
        }
    }
}
