//! `echo`: answers with its input.

use async_trait::async_trait;
use flotilla_core::Json;
use flotilla_core::message::Verdict;

use super::Handler;
use crate::item::ItemContext;

/// The output is the input: for trying Flotilla out, and for measuring it without measuring a handler.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn handle(&self, _item: &ItemContext, input: &Json) -> Verdict {
        Ok(input.clone()).into()
    }
}
