//! The test harness: private servers, one sandbox per test, real processes and polling.
//!
//! A test that needs RabbitMQ, Redis or PostgreSQL makes a [`Sandbox`]: its own vhost, database, key prefix and folder on
//! the servers that `scripts/test` started. A test that needs the program itself starts it with [`Flotilla`]. A test that
//! breaks a server starts its own one, a [`servers::Server`], because the shared ones belong to every test.
//!
//! Nothing here sleeps for luck: see [`eventually()`].

pub mod chaos;
pub mod checker;
pub mod conformance;
pub mod eventually;
pub mod http;
pub mod management;
pub mod process;
pub mod proxy;
pub mod sandbox;
pub mod servers;
pub mod sql;
pub mod urls;

pub use eventually::{eventually, eventually_ok};
pub use http::http_client;
pub use management::Management;
pub use process::{Flotilla, Signal};
pub use sandbox::Sandbox;
pub use servers::ports::free_port;
