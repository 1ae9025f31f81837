//! What the commands do. One file each, with its flags.

pub(crate) mod append;
pub(crate) mod audit;
pub(crate) mod cancel;
pub(crate) mod dead_letters;
pub(crate) mod download;
pub(crate) mod errors;
pub(crate) mod explain;
pub(crate) mod follow;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod items;
pub(crate) mod ls;
pub(crate) mod pause;
pub(crate) mod result;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod seal;
pub(crate) mod set;
pub(crate) mod start;
mod steered;
pub(crate) mod submit;
mod values;
pub(crate) mod watch;
pub(crate) mod workers;
