//! What became of the follow-up of a batch, read where it is.

use flotilla_core::{Batch, Space};

use crate::app::App;
use crate::outputs;
use crate::problem::Problem;
use crate::views::FollowUpView;

/// The follow-up that the result `revision` of `batch` called for, where it did.
pub(crate) async fn of(
    app: &App,
    space: &Space,
    batch: &Batch,
    revision: u32,
) -> Result<Option<FollowUpView>, Problem> {
    if batch.spec.on_complete.is_none() {
        return Ok(None);
    }
    let store = &app.deps.store;
    let Some(called) = store.follow_up(space, batch.id, revision).await? else {
        return Ok(None);
    };
    let mut view = FollowUpView {
        batch_id: called.follow_up.map(|id| id.to_string()),
        state: "pending",
        output: None,
        error: None,
    };
    let Some(id) = called.follow_up else {
        return Ok(Some(view));
    };
    let Some(follow_up) = store.batch(space, id).await? else {
        view.state = "gone";
        return Ok(Some(view));
    };
    view.state = follow_up.state.as_str();
    if let Some(item) = app.item(space, id, 0).await? {
        let mut items = outputs::views(&app.deps.objects, &follow_up, vec![item]).await?;
        if let Some(item) = items.pop() {
            view.output = item.0.output;
            view.error = item.0.error.map(Into::into);
        }
    }
    Ok(Some(view))
}
