//! Every adapter against the conformance suite of its port: one module per adapter.
//!
//! The modules live in a folder, so that cargo makes one program of all of them.

#[path = "conformance/broker_amqp.rs"]
mod broker_amqp;
#[path = "conformance/broker_embedded.rs"]
mod broker_embedded;
#[path = "conformance/objects_local.rs"]
mod objects_local;
#[path = "conformance/objects_memory.rs"]
mod objects_memory;
#[path = "conformance/objects_s3.rs"]
mod objects_s3;
#[path = "conformance/progress_embedded.rs"]
mod progress_embedded;
#[path = "conformance/progress_redis.rs"]
mod progress_redis;
#[path = "conformance/store_postgres.rs"]
mod store_postgres;
#[path = "conformance/store_sqlite.rs"]
mod store_sqlite;
