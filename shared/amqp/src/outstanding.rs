//! Which deliveries of a channel are not settled, and how to settle some of them with few frames.

use std::collections::BTreeSet;

/// The delivery tags that were handed out and not settled.
///
/// A channel numbers its deliveries from 1 on and hands them out in order, so whatever is still buffered has a higher
/// number than everything here: a frame that settles "all up to" a number never settles what nobody has seen.
#[derive(Debug, Default)]
pub(crate) struct Outstanding(BTreeSet<u64>);

/// The frames that settle some deliveries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Everything up to this number at once.
    pub(crate) up_to: Option<u64>,
    /// These one by one.
    pub(crate) single: Vec<u64>,
}

impl Outstanding {
    /// A delivery is handed out.
    pub(crate) fn add(&mut self, tag: u64) {
        self.0.insert(tag);
    }

    /// True where everything is settled.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes `tags` out. Those that are not outstanding are ignored: settling one twice would cost the channel.
    pub(crate) fn settle(&mut self, mut tags: Vec<u64>) -> Plan {
        tags.sort_unstable();
        let mut plan = Plan::default();
        for tag in tags {
            let is_next = plan.single.is_empty() && self.0.first() == Some(&tag);
            if !self.0.remove(&tag) {
                continue;
            }
            if is_next {
                plan.up_to = Some(tag);
            } else {
                plan.single.push(tag);
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outstanding(tags: impl IntoIterator<Item = u64>) -> Outstanding {
        Outstanding(tags.into_iter().collect())
    }

    fn plan(up_to: impl Into<Option<u64>>, single: &[u64]) -> Plan {
        Plan {
            up_to: up_to.into(),
            single: single.to_vec(),
        }
    }

    #[test]
    fn the_front_goes_at_once_and_the_rest_singly() {
        let mut tags = outstanding(1..=10);
        assert_eq!(tags.settle(vec![3, 1, 2, 7, 5]), plan(3, &[5, 7]));
        assert_eq!(tags.settle(vec![6]), plan(None, &[6]));
        // 5, 6 and 7 are settled already: the front reaches over them.
        assert_eq!(tags.settle(vec![8, 4]), plan(8, &[]));
        assert_eq!(tags.settle(vec![9, 10]), plan(10, &[]));
        assert!(tags.is_empty());
    }

    #[test]
    fn unknown_and_repeated_tags_are_ignored() {
        let mut tags = outstanding(2..=3);
        assert_eq!(tags.settle(vec![1, 2, 2, 9]), plan(2, &[]));
        assert_eq!(tags.settle(vec![2]), plan(None, &[]));
        assert_eq!(tags.settle(Vec::new()), plan(None, &[]));
    }
}
