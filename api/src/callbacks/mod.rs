//! Items that something else completes: where it calls back to, and what becomes of a call.

mod artifacts;
mod call;
mod complete;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flotilla_core::job_type::MAX_CALLBACK_TIMEOUT;
use flotilla_core::ports::store::{Claim, ClaimedItem};
use jiff::{SignedDuration, Timestamp};

pub(crate) use call::Call;
pub(crate) use complete::{batch_of, check_length, complete, max_output_bytes, too_long};
pub(crate) use token::{Key, Token};

/// Makes the URLs that items are completed at.
#[derive(Clone)]
pub struct Callbacks {
    base: Arc<str>,
    key: Key,
}

impl Callbacks {
    /// Under `public_url`, which is where the API is reached from outside, signed with the store's
    /// [secret](flotilla_core::ports::Store::secret).
    #[must_use]
    pub fn new(public_url: &str, secret: [u8; 32]) -> Self {
        Self {
            base: public_url.trim_end_matches('/').into(),
            key: Key::new(secret),
        }
    }

    /// Where an item that is published at `now` is completed, where its handler may answer that it waits.
    pub(crate) fn url(&self, claim: &Claim, item: &ClaimedItem, now: Timestamp) -> Option<String> {
        claim.spec.callback_timeout?;
        let token = Token {
            space: claim.space.clone(),
            batch: claim.batch,
            index: item.index,
            attempt: item.attempt,
            expires_at: expiry(claim.spec.timeout, now),
        };
        Some(format!("{}/v1/callbacks/{}", self.base, self.key.sign(&token)))
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// When a token is of no use in any case. What decides in time is the lease of the item, which calls renew; this is the
/// longest that an attempt and its waiting may take together, however often it is renewed.
fn expiry(timeout: Duration, now: Timestamp) -> Timestamp {
    now.saturating_add(longest(timeout)).unwrap_or(Timestamp::MAX)
}

/// When an item was published whose token expires then.
fn published_at(timeout: Duration, expires_at: Timestamp) -> Timestamp {
    expires_at
        .saturating_sub(longest(timeout))
        .unwrap_or(Timestamp::MIN)
}

fn longest(timeout: Duration) -> SignedDuration {
    let longest = timeout.saturating_add(MAX_CALLBACK_TIMEOUT);
    SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX)
}

/// What an item called back about belongs to, for log lines.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.batch, self.index, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use flotilla_core::ports::store::ClaimId;
    use flotilla_core::{BatchId, BatchSpec, Json, Space};

    use super::*;

    #[test]
    fn only_items_that_may_wait_have_a_url() {
        let callbacks = Callbacks::new("https://flotilla.example/api/", [7; 32]);
        let item = ClaimedItem {
            index: 5,
            attempt: 2,
            last_attempt: 3,
            isolated: false,
            input: Json::null(),
        };
        let mut claim = Claim {
            id: ClaimId(1),
            batch: BatchId(uuid::Uuid::from_u128(9)),
            space: Space::default(),
            spec: BatchSpec::default(),
            epoch: 0,
            items: vec![item.clone()],
        };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(callbacks.url(&claim, &item, now), None);
        claim.spec.callback_timeout = Some(Duration::from_secs(60));
        let url = callbacks.url(&claim, &item, now).unwrap();
        let token = url
            .strip_prefix("https://flotilla.example/api/v1/callbacks/")
            .unwrap();
        let token = Key::new([7; 32]).verify(token).unwrap();
        assert_eq!((token.index, token.attempt), (5, 2));
        assert_eq!(token.expires_at.as_second(), 300 + 30 * 24 * 3600);
    }
}
