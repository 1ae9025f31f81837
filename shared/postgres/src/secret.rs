//! What callback tokens are signed with.

use flotilla_core::Result;

use crate::error::Failure;
use crate::rows::{corrupt, get};
use crate::session::{Client, Operation};

const READ: &str = "SELECT value FROM secrets WHERE name = 'callbacks'";

/// Made by the server, so that of all who ask first one wins. Two random UUIDs hold 244 random bits.
const MAKE: &str = "\
    INSERT INTO secrets (name, value)
    VALUES ('callbacks', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
    ON CONFLICT DO NOTHING";

pub(super) struct Secret;

impl Operation for Secret {
    type Output = [u8; 32];
    const ATTEMPT: &'static str = "read the secret of callbacks";

    async fn run(&self, client: &mut Client) -> Result<[u8; 32], Failure> {
        let read = client.prepare_cached(READ).await?;
        if let Some(row) = client.query_opt(&read, &[]).await? {
            return bytes(get(&row, "value")?);
        }
        let make = client.prepare_cached(MAKE).await?;
        client.execute(&make, &[]).await?;
        let row = client.query_one(&read, &[]).await?;
        bytes(get(&row, "value")?)
    }
}

fn bytes(value: &[u8]) -> Result<[u8; 32], Failure> {
    value.try_into().map_err(|error| corrupt("value", error))
}
