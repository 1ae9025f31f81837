//! Every problem that the API has a name for.

use axum::http::StatusCode;

macro_rules! kinds {
    ($($variant:ident $status:ident $slug:literal $title:literal;)*) => {
        /// What went wrong, as a client's program can tell it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Kind { $($variant),* }

        impl Kind {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The status of the response.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            /// The last part of the problem's `type`.
            pub(crate) fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug),* }
            }

            /// The same for every occurrence.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

kinds! {
    BadRequest BAD_REQUEST "bad-request" "The request can't be understood";
    InvalidParameter BAD_REQUEST "invalid-parameter" "A query parameter is not valid";
    InvalidIdempotencyKey BAD_REQUEST "invalid-idempotency-key" "The Idempotency-Key is not valid";
    InvalidActor BAD_REQUEST "invalid-actor" "The X-Flotilla-Actor is not valid";
    UnknownField BAD_REQUEST "unknown-field" "There is no such field";
    MissingField BAD_REQUEST "missing-field" "A field is missing";
    InvalidField BAD_REQUEST "invalid-field" "A field has a value that is not allowed";
    SpaceMismatch BAD_REQUEST "space-mismatch" "The space is given in two ways that disagree";
    UnknownJobType BAD_REQUEST "unknown-job-type" "There is no such job type";
    InvalidJson BAD_REQUEST "invalid-json" "The body is not valid JSON";
    InvalidCsv BAD_REQUEST "invalid-csv" "The body is not valid CSV";
    InvalidItem BAD_REQUEST "invalid-item" "An item is not valid";
    TruncatedBody BAD_REQUEST "truncated-body" "The body ended too early";
    OtherSite FORBIDDEN "other-site" "A page of another site asks";
    UnknownRoute NOT_FOUND "unknown-route" "There is nothing at this path";
    UnknownBatch NOT_FOUND "unknown-batch" "There is no such batch";
    UnknownItem NOT_FOUND "unknown-item" "There is no such item";
    UnknownWorker NOT_FOUND "unknown-worker" "There is no such worker";
    UnknownArtifact NOT_FOUND "unknown-artifact" "There is no such file";
    UnknownDeadLetter NOT_FOUND "unknown-dead-letter" "There is no such dead letter";
    UnknownCallback NOT_FOUND "unknown-callback" "There is no such callback";
    NoResultYet NOT_FOUND "no-result-yet" "The batch has no result yet";
    NoArchive NOT_FOUND "no-archive" "The batch has no archive";
    MethodNotAllowed METHOD_NOT_ALLOWED "method-not-allowed" "This path does not take this method";
    UploadTimeout REQUEST_TIMEOUT "upload-timeout" "The upload stood still for too long";
    Conflict CONFLICT "conflict" "The state of the batch does not allow this";
    AppendInProgress CONFLICT "append-in-progress" "Somebody else is appending to this batch";
    UploadInProgress CONFLICT "upload-in-progress" "A batch with this Idempotency-Key is being uploaded";
    CallbackGone GONE "callback-gone" "This attempt is over";
    ItemTooLarge PAYLOAD_TOO_LARGE "item-too-large" "An item is too large";
    TooManyItems PAYLOAD_TOO_LARGE "too-many-items" "The batch has too many items";
    OutputTooLarge PAYLOAD_TOO_LARGE "output-too-large" "The output of an item is too large";
    DamagedBody BAD_REQUEST "damaged-body" "The body can't be unpacked";
    UploadTooLarge PAYLOAD_TOO_LARGE "upload-too-large" "The body is too large";
    RangeNotSatisfiable RANGE_NOT_SATISFIABLE "range-not-satisfiable" "The file has no such bytes";
    IdempotencyKeyReused UNPROCESSABLE_ENTITY "idempotency-key-reused" "The Idempotency-Key belongs to another request";
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "This content type is not accepted";
    UnsupportedEncoding UNSUPPORTED_MEDIA_TYPE "unsupported-encoding" "This content encoding is not accepted";
    Internal INTERNAL_SERVER_ERROR "internal" "Something is wrong on the server";
    Unavailable SERVICE_UNAVAILABLE "unavailable" "The server can't do this at the moment";
    TooManyUploads SERVICE_UNAVAILABLE "too-many-uploads" "The server is busy with other uploads";
    TooManyListeners SERVICE_UNAVAILABLE "too-many-listeners" "Too many clients listen already";
    ShuttingDown SERVICE_UNAVAILABLE "shutting-down" "The server is stopping";
}
