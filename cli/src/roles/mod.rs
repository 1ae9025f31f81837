//! The roles of a process. Each is started the same way whether it is alone or all of them are together.

pub(crate) mod api;
mod context;
pub(crate) mod fleet;
pub(crate) mod migrate;
mod quiet;
pub(crate) mod scheduler;
mod shared;
pub(crate) mod up;
pub(crate) mod worker;

pub(crate) use self::context::Context;
