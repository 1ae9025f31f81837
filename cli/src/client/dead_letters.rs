//! Items that were given up on.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::view::Decided;
use super::{Client, Reply};

/// Which dead letters of the space. What is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Which {
    /// Of this batch.
    pub(crate) batch: Option<String>,
    /// These items of it.
    pub(crate) indices: Vec<u32>,
    /// Of this job type.
    pub(crate) job_type: Option<String>,
    /// With this error.
    pub(crate) fingerprint: Option<String>,
}

impl Which {
    /// True where it means all of them.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("batch", &self.batch),
            ("job_type", &self.job_type),
            ("fingerprint", &self.fingerprint),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)));
        texts.collect()
    }

    fn body(&self) -> Map<String, Value> {
        let mut body: Map<String, Value> = self
            .query()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        if !self.indices.is_empty() {
            body.insert("indices".to_owned(), json!(self.indices));
        }
        if self.is_all() {
            body.insert("all".to_owned(), json!(true));
        }
        body
    }
}

impl Client {
    /// A page of them.
    pub(crate) async fn dead_letters(
        &self,
        which: &Which,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Reply> {
        let mut query = which.query();
        query.push(("limit", limit.to_string()));
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        self.get(&["v1", "dead-letters"], &query).await
    }

    /// The same by error.
    pub(crate) async fn dead_groups(&self, which: &Which, limit: u32) -> Result<Reply> {
        let mut query = which.query();
        query.push(("limit", limit.to_string()));
        self.get(&["v1", "dead-letters", "groups"], &query).await
    }

    /// One of them.
    pub(crate) async fn dead_letter(&self, batch: &str, index: u32) -> Result<Reply> {
        let index = index.to_string();
        self.get(&["v1", "dead-letters", batch, &index], &[]).await
    }

    /// Runs their items again, or discards them: `action` is the last part of the path. A request handles so many; this
    /// makes as many as it takes.
    pub(crate) async fn decide(&self, action: &str, which: &Which) -> Result<Decided> {
        let mut all = Decided::default();
        loop {
            let some = self.decide_some(action, which, false).await?;
            let going_on = some.more && some.items > 0;
            all.add(some);
            if !going_on {
                return Ok(all);
            }
        }
    }

    /// How many it would be, or, where there are more than one request handles, how many at least.
    pub(crate) async fn would_decide(&self, action: &str, which: &Which) -> Result<Decided> {
        self.decide_some(action, which, true).await
    }

    async fn decide_some(&self, action: &str, which: &Which, dry_run: bool) -> Result<Decided> {
        let mut body = which.body();
        body.insert("dry_run".to_owned(), json!(dry_run));
        let path = ["v1", "dead-letters", action];
        let reply = self.ask(Method::POST, &path, &[], &Value::Object(body)).await?;
        reply.to()
    }
}

impl Decided {
    fn add(&mut self, some: Self) {
        self.items += some.items;
        self.more = some.more;
        for refused in some.refused {
            if !self.refused.contains(&refused) {
                self.refused.push(refused);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::RefusedView;
    use super::*;

    #[test]
    fn all_of_them_has_to_be_said() {
        assert_eq!(Value::Object(Which::default().body()), json!({"all": true}));
        let some = Which {
            batch: Some("b".into()),
            indices: vec![3],
            ..Which::default()
        };
        assert_eq!(Value::Object(some.body()), json!({"batch": "b", "indices": [3]}));
    }

    #[test]
    fn answers_add_up() {
        let refused = |id: &str| RefusedView {
            batch_id: id.into(),
            reason: "cancelling".into(),
        };
        let some = |items, refused: &[RefusedView], more| Decided {
            items,
            refused: refused.to_vec(),
            more,
        };
        let mut all = Decided::default();
        all.add(some(5, &[refused("a")], true));
        all.add(some(2, &[refused("a"), refused("b")], false));
        assert_eq!(all, some(7, &[refused("a"), refused("b")], false));
    }
}
