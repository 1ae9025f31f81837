//! What the commands do. One file each, with its flags.

pub(crate) mod follow;
pub(crate) mod get;
pub(crate) mod items;
pub(crate) mod ls;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod submit;
pub(crate) mod watch;
