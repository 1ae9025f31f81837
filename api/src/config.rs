//! The limits of the HTTP API.

use std::time::Duration;

use flotilla_core::retention::Retentions;

/// How much the API takes, and for how long it waits. Together these bound its memory: an upload holds at most four
/// chunks of parsed items and a few pieces of body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The longest item, in bytes of JSON. Default 1 MiB.
    pub max_item_bytes: usize,
    /// The most items of a batch. Default 10 million.
    pub max_items: u32,
    /// The longest body of an upload, in bytes. Default: no limit, because it is never held.
    pub max_upload_bytes: Option<u64>,
    /// Items that are stored at once, at most. Default 1000.
    pub chunk_items: usize,
    /// Bytes of items that are stored at once, at most (one item may be longer). Default 4 MiB.
    pub chunk_bytes: usize,
    /// Uploads that are read at once; further ones wait. Default 64.
    pub concurrent_uploads: usize,
    /// How long an upload waits for its turn before it is refused. Default 10 s.
    pub upload_wait: Duration,
    /// An upload that sends nothing for so long is given up. Default 30 s.
    pub upload_idle_timeout: Duration,
    /// How long a refused upload is still read, so that its client is done sending and sees the answer. Default 2 s.
    pub linger: Duration,
    /// ZIP downloads that are made at once; further ones wait. Each holds up to some 50 MB, where it has 500,000 files.
    /// Default 8.
    pub concurrent_archives: usize,
    /// Clients that listen to events at once; further ones are refused. Default 10,000.
    pub max_listeners: usize,
    /// Connections at once; further ones wait in the backlog of the socket. Default 12,000.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request, or stay idle between two. Default 30 s.
    pub header_timeout: Duration,
    /// How long any request but an upload may take. Default 30 s.
    pub request_timeout: Duration,
    /// How long requests that run may go on when the process is asked to stop. Default 25 s.
    pub drain: Duration,
    /// Bytes of inputs and outputs in one page of items, at most (one item may be longer). Default 8 MiB.
    pub page_bytes: usize,
    /// Longer outputs of items that are completed by callback go to object storage: as workers do. Default 32 KiB.
    pub inline_output_bytes: usize,
    /// How long what batches leave stays after their end, where neither they nor their job types say so. Default: for ever.
    pub retention: Retentions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_item_bytes: 1 << 20,
            max_items: 10_000_000,
            max_upload_bytes: None,
            chunk_items: 1_000,
            chunk_bytes: 4 << 20,
            concurrent_uploads: 64,
            upload_wait: Duration::from_secs(10),
            upload_idle_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            concurrent_archives: 8,
            max_listeners: 10_000,
            max_connections: 12_000,
            header_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(25),
            page_bytes: 8 << 20,
            inline_output_bytes: 32 << 10,
            retention: Retentions::default(),
        }
    }
}
