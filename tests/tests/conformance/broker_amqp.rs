//! RabbitMQ as the `Broker`: the suite, and what only a broker in another process can do.

#[path = "broker_amqp/errors.rs"]
mod errors;
#[path = "broker_amqp/faults.rs"]
mod faults;
#[path = "broker_amqp/losses.rs"]
mod losses;
#[path = "broker_amqp/permissions.rs"]
mod permissions;
#[path = "broker_amqp/server.rs"]
mod server;
#[path = "broker_amqp/wire.rs"]
mod wire;

use std::any::Any;
use std::sync::Arc;

use flotilla_amqp::{AmqpBroker, Options};
use flotilla_core::ports::Broker;
use flotilla_tests::{Sandbox, broker_suite};

broker_suite!(crate::broker_amqp::fresh);

async fn fresh() -> (Arc<dyn Broker>, Box<dyn Any + Send + Sync>) {
    let sandbox = Sandbox::new().await;
    let broker = connect(&sandbox.amqp_url());
    (Arc::new(broker), Box::new(sandbox))
}

/// A broker with the usual options.
fn connect(url: &str) -> AmqpBroker {
    let url = url.parse().expect("a URL");
    AmqpBroker::connect(&url, "conformance", Options::default()).expect("a URL of a broker")
}
