//! Whether the server keeps what it is given.

use redis::RedisResult;

use crate::link::Link;

/// What is wrong with the server's settings, if anything is: with any eviction policy but `noeviction`, a server that is
/// short of memory removes live progress without a word.
///
/// Asked by `INFO`, because managed servers often forbid `CONFIG`.
pub(crate) async fn problem(link: &Link, place: &str) -> RedisResult<Option<String>> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("memory");
    let (info,): (String,) = link.run(&pipeline).await?;
    Ok(judge(&info).map(|policy| {
        format!(
            "Redis at {place} has maxmemory-policy {policy}: it may silently remove the progress of running batches \
             when memory is short. Set it to noeviction"
        )
    }))
}

/// The policy, where it is a bad one.
fn judge(info: &str) -> Option<&str> {
    let policy = info
        .lines()
        .find_map(|line| line.strip_prefix("maxmemory_policy:"))?
        .trim();
    (policy != "noeviction").then_some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_noeviction_is_fine() {
        assert_eq!(judge("maxmemory:0\r\nmaxmemory_policy:noeviction\r\n"), None);
        assert_eq!(
            judge("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"),
            Some("allkeys-lru")
        );
        assert_eq!(
            judge("used_memory:1"),
            None,
            "a server that does not say has no such policy"
        );
    }
}
