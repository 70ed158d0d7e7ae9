//! Owns `iceoryx2`: a publish-subscribe service of its inter-process kind for each link, in a
//! folder of our own. What does not fit is refused, and sent again until it does.

use super::{Unavailable, folder};
use crate::link::{self, Patience, Waiting};
use crate::payload::{Check, Payload, payload};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory as Service;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// Samples that wait for a subscriber: as many as our rings hold.
const BUFFER: usize = 1024;

/// A new service for each link.
#[derive(Clone)]
pub struct Services {
    folder: Rc<TempDir>,
    made: Rc<AtomicU64>,
}

impl Services {
    pub fn new() -> Result<Self, Unavailable> {
        set_log_level(LogLevel::Error);
        let services = Self {
            folder: Rc::new(folder()),
            made: Rc::default(),
        };
        // The first service shows whether there can be any.
        Port::open(&services.config()?, "probe")?;
        Ok(services)
    }

    fn config(&self) -> Result<Config, Unavailable> {
        let mut config = Config::default();
        let root = self.folder.path().to_string_lossy();
        config
            .global
            .set_root_path(&Path::new(root.as_bytes()).map_err(|e| format!("{e:?}"))?);
        Ok(config)
    }
}

/// One thread's access to a service; does not leave its thread.
struct Port {
    _node: Node<ipc::Service>,
    service: Service<ipc::Service, Payload, ()>,
}

impl Port {
    fn open(config: &Config, name: &str) -> Result<Self, Unavailable> {
        let node = NodeBuilder::new().config(config).create::<ipc::Service>()?;
        let service = node
            .service_builder(&name.try_into()?)
            .publish_subscribe::<Payload>()
            .enable_safe_overflow(false)
            .subscriber_max_buffer_size(BUFFER)
            .history_size(0)
            .max_publishers(1)
            .max_subscribers(1)
            .open_or_create()?;
        Ok(Self {
            _node: node,
            service,
        })
    }
}

pub struct Sender {
    publisher: Publisher<ipc::Service, Payload, ()>,
    _port: Port,
}

pub struct Receiver {
    subscriber: Subscriber<ipc::Service, Payload, ()>,
    _port: Port,
}

impl link::Link for Services {
    type Sender = Sender;
    type Receiver = Receiver;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Sender + Send,
        impl FnOnce() -> Vec<Receiver> + Send,
    ) {
        let name = self.made.fetch_add(1, Ordering::Relaxed).to_string();
        let config = self.config().expect("it was good before");
        let (their_name, their_config) = (name.clone(), config.clone());
        let sender = move || {
            let port = Port::open(&config, &name).expect("the first one was");
            let publisher = port
                .service
                .publisher_builder()
                .backpressure_strategy(BackpressureStrategy::DiscardData)
                .create();
            Sender {
                publisher: publisher.expect("the only one"),
                _port: port,
            }
        };
        let receiver = move |_| {
            let port = Port::open(&their_config, &their_name).expect("the first one was");
            let subscriber = port.service.subscriber_builder().create();
            Receiver {
                subscriber: subscriber.expect("the only one"),
                _port: port,
            }
        };
        (sender, move || (0..receivers).map(receiver).collect())
    }
}

impl link::Sender for Sender {
    fn send(&mut self, numbers: Range<u64>) {
        for n in numbers {
            let mut patience = Patience::new(Waiting::Spin);
            loop {
                let sample = self.publisher.loan_uninit().expect("one is lent at a time");
                let sent = sample.write_payload(payload(n)).send();
                if sent.expect("the service is there") == 1 {
                    break;
                }
                patience.after_a_poll(true, "room in a service");
            }
        }
    }
}

impl link::Receiver for Receiver {
    fn poll(&mut self, check: &mut Check) {
        for _ in 0..BUFFER {
            match self.subscriber.receive().expect("the service is there") {
                Some(sample) => check.payload(&sample),
                None => return,
            }
        }
    }
}
