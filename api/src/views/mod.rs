//! What clients read. Apart from the domain, so that neither changes by accident when the other does.

mod batch;
mod item;
mod job_type;
mod result;

pub(crate) use batch::{BatchPage, BatchView};
pub(crate) use item::{ItemPage, ItemView};
pub(crate) use job_type::{JobTypeList, JobTypeView};
pub(crate) use result::ResultView;
