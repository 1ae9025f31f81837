//! How a table is written: in which characters, with what between its fields, and under which names.

use encoding_rs::Encoding;

use super::charset;
use super::delimiter::Delimiter;
use super::mapping::Mapping;
use crate::problem::Problem;

/// How a table is written. By default its byte order mark and its first record say so, and columns keep their names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dialect {
    pub(super) charset: Option<&'static Encoding>,
    pub(super) delimiter: Delimiter,
    pub(super) mapping: Mapping,
}

impl Dialect {
    /// A dialect of which some is said: the `charset` of the content type, and the parameters `delimiter` and `map`.
    ///
    /// # Errors
    /// Where one of them makes no sense, whatever the table is.
    pub(crate) fn new(
        charset: Option<&str>,
        delimiter: Option<&str>,
        map: Option<&str>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            charset: charset.map(charset::of_label).transpose()?,
            delimiter: delimiter.map(Delimiter::named).transpose()?.unwrap_or_default(),
            mapping: map.map(Mapping::parse).transpose()?.unwrap_or_default(),
        })
    }

    /// The same with tabs between fields, unless another delimiter is said.
    pub(crate) fn or_tabs(self) -> Self {
        Self {
            delimiter: match self.delimiter {
                Delimiter::Detected => Delimiter::TAB,
                said => said,
            },
            ..self
        }
    }
}
