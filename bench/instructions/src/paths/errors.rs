//! What groups errors.

use std::hint::black_box;

use flotilla_core::outcome::{ItemError, ItemErrorKind};

use super::Path;

pub(super) const FINGERPRINT: Path = Path {
    name: "fingerprint",
    items: 1,
    turns: 1_000,
    prepare: || {
        let message = "row 17: cannot open '/data/a.png' (id 0b1c-9f), HTTP 503   after 3.2 s";
        let error = ItemError::new(ItemErrorKind::Handler, message);
        Box::new(move || assert_eq!(black_box(&error).fingerprint().len(), 12))
    },
};
