//! An upload that is there as a whole.

use deadpool_postgres::Transaction;
use flotilla_core::Result;
use flotilla_core::batch::Batch;
use flotilla_core::ports::store::Created;
use flotilla_core::record::BatchRecord;
use futures_util::future::try_join3;

use super::append::Append;
use super::names;
use super::open::{self, Open};
use super::seal::Seal;
use super::specify::specify;
use crate::error::Failure;
use crate::session::{Client, Operation};

/// Opens, fills and seals a batch in one transaction: three of them would be three waits for the disk.
pub(super) struct Create {
    pub(super) open: Open,
    pub(super) append: Append,
    pub(super) seal: Seal,
}

impl Operation for Create {
    type Output = Created;
    const ATTEMPT: &'static str = "create a batch";

    async fn run(&self, client: &mut Client) -> Result<Created, Failure> {
        let transaction = client.transaction().await?;
        let insert = transaction.prepare_cached(open::INSERT).await?;
        if self.open.insert(&*transaction, &insert).await? {
            let batch = self.fill(&transaction).await?;
            transaction.commit().await?;
            return Ok(Created::New(Box::new(batch)));
        }
        transaction.rollback().await?;
        let batch = self.open.existing(client).await?;
        Ok(Created::Existing(Box::new(batch)))
    }
}

impl Create {
    async fn fill(&self, transaction: &Transaction<'_>) -> Result<Batch, Failure> {
        let Self { open, append, seal } = self;
        let many = append.count_items()?;
        if !names::take(transaction, append.batch, 0, &append.items)
            .await?
            .is_empty()
        {
            return Err(Failure::Conflict("two items have the same custom_id".into()));
        }
        let copy = async {
            match many {
                0 => Ok(()),
                _ => append.copy(transaction).await,
            }
        };
        let (grown, (), ()) = try_join3(
            append.grow(transaction, many),
            copy,
            specify(transaction, seal.batch, &seal.spec),
        )
        .await?;
        if !grown {
            return Err(Failure::Raced);
        }
        let record = BatchRecord::uploaded(
            open.new.clone(),
            seal.spec.clone(),
            many.unsigned_abs(),
            append.longest().unsigned_abs(),
        );
        seal.close(transaction, record, false).await
    }
}
