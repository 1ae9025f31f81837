//! What clients read. Apart from the domain, so that neither changes by accident when the other does.

mod audit;
mod batch;
mod callback;
mod dead_letter;
mod explanation;
mod history;
mod item;
mod job_type;
mod progress;
mod result;
mod retried;
mod upload;
mod worker;

pub(crate) use audit::AuditView;
pub(crate) use batch::{BatchPage, BatchView};
pub(crate) use callback::CallAnswer;
pub(crate) use dead_letter::{DeadGroupList, DeadLetterDetail, DeadLetterPage, DeadLetterView, Decided};
pub(crate) use explanation::Explanation;
pub(crate) use history::BatchHistory;
pub(crate) use item::{ItemDetail, ItemPage, ItemView};
pub(crate) use job_type::{JobTypeList, JobTypeView};
pub(crate) use progress::ProgressView;
pub(crate) use result::{ErrorGroupView, ErrorList, FollowUpView, ResultView};
pub(crate) use retried::Retried;
pub(crate) use upload::{AppendedItems, DryRunView, Producer};
pub(crate) use worker::{WorkerList, WorkerOrder, WorkerView};
