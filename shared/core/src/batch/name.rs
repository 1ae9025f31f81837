//! What people call a batch, and how they look for it.

use crate::ids::BatchId;

/// What people know a batch by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchName {
    /// Its id.
    pub id: BatchId,
    /// What its producer called it.
    pub name: Option<String>,
    /// What it is to do.
    pub job_type: String,
}

/// Words that somebody looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// The words of a text, which are separated by spaces.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.split_whitespace().map(str::to_lowercase).collect())
    }

    /// There are none: everything fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of the words is somewhere in the name, the id or the job type, whatever its case.
    #[must_use]
    pub fn fit(&self, batch: &BatchName) -> bool {
        let id = batch.id.to_string();
        let texts = [batch.name.as_deref().unwrap_or_default(), &batch.job_type, &id].map(str::to_lowercase);
        self.0
            .iter()
            .all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_to_be_somewhere() {
        let batch = BatchName {
            id: BatchId(uuid::Uuid::from_u128(0xAB)),
            name: Some("Nächtlicher Crawl 7".into()),
            job_type: "fetch-page".into(),
        };
        let nameless = BatchName {
            name: None,
            ..batch.clone()
        };
        let cases = [
            ("", true, true),
            ("  ", true, true),
            ("crawl", true, false),
            ("NÄCHT", true, false),
            ("page 7", true, false),
            ("FETCH 0000ab", true, true),
            ("crawl fetch", true, false),
            ("crawl 8", false, false),
            ("crawlfetch", false, false),
            ("%", false, false),
        ];
        for (text, named, unnamed) in cases {
            let words = Words::of(text);
            assert_eq!(
                (words.fit(&batch), words.fit(&nameless)),
                (named, unnamed),
                "{text:?}"
            );
        }
        assert!(Words::of(" ").is_empty() && !Words::of("a").is_empty());
    }
}
