//! Which messages of a call the broker has confirmed: pure.

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Written, or on its way.
    Unsettled,
    /// The broker has it.
    Confirmed,
    /// The broker does not take it.
    Refused,
}

/// The messages of one call. A channel numbers what is published on it from 1 on; it is used by one call at a time.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// The number of the last message before this call.
    before: u64,
    each: Vec<Fate>,
    /// All that come before this one are settled.
    front: usize,
    unsettled: usize,
    refused: bool,
    returned: Option<String>,
}

impl Confirms {
    /// So many more messages are sent.
    pub(super) fn sent(&mut self, messages: usize) {
        self.each.resize(self.each.len() + messages, Fate::Unsettled);
        self.unsettled += messages;
    }

    /// The broker says what becomes of a message, or of all up to it.
    pub(super) fn settle(&mut self, tag: u64, multiple: bool, fate: Fate) {
        // 0 stands for all.
        let end = if tag == 0 {
            self.each.len() as u64
        } else {
            tag.saturating_sub(self.before)
        };
        let Some(end) = usize::try_from(end)
            .ok()
            .filter(|&end| end <= self.each.len() && end > 0)
        else {
            return;
        };
        let first = if multiple { self.front } else { end - 1 };
        for each in self.each.iter_mut().take(end).skip(first) {
            if *each == Fate::Unsettled {
                *each = fate;
                self.unsettled -= 1;
                self.refused |= fate == Fate::Refused;
            }
        }
        while self
            .each
            .get(self.front)
            .is_some_and(|each| *each != Fate::Unsettled)
        {
            self.front += 1;
        }
    }

    /// A message came back: no queue is bound to this routing key. It will be confirmed all the same, and which one it
    /// was can't be told.
    pub(super) fn came_back(&mut self, key: &str) {
        self.returned.get_or_insert_with(|| key.to_owned());
    }

    /// How many are on their way.
    pub(super) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// True from the first settled message on.
    pub(super) fn has_settled(&self) -> bool {
        self.unsettled < self.each.len()
    }

    /// True where it makes no sense to send more.
    pub(super) fn has_failed(&self) -> bool {
        self.refused || self.returned.is_some()
    }

    /// Ends the call: what became of each message that was sent, and the routing key of one that came back.
    pub(super) fn take(&mut self) -> (Vec<Fate>, Option<String>) {
        let before = self.before + self.each.len() as u64;
        let ended = std::mem::replace(
            self,
            Self {
                before,
                ..Self::default()
            },
        );
        (ended.each, ended.returned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(messages: usize) -> Confirms {
        let mut confirms = Confirms::default();
        confirms.sent(messages);
        confirms
    }

    #[test]
    fn confirms_come_in_any_order_and_for_many_at_once() {
        let mut confirms = sent(6);
        assert!(!confirms.has_settled());
        confirms.settle(5, false, Fate::Confirmed);
        assert_eq!(confirms.unsettled(), 5);
        confirms.settle(3, true, Fate::Confirmed);
        assert_eq!(confirms.unsettled(), 2);
        confirms.settle(5, true, Fate::Confirmed);
        confirms.settle(6, false, Fate::Refused);
        assert_eq!(confirms.unsettled(), 0);
        assert!(confirms.has_failed());
        let (each, returned) = confirms.take();
        assert_eq!(each[..5], [Fate::Confirmed; 5]);
        assert_eq!((each[5], returned), (Fate::Refused, None));
    }

    #[test]
    fn numbers_go_on_from_call_to_call() {
        let mut confirms = sent(2);
        confirms.settle(2, true, Fate::Confirmed);
        confirms.take();
        confirms.sent(2);
        confirms.settle(2, true, Fate::Confirmed);
        assert_eq!(confirms.unsettled(), 2, "that was a message of the call before");
        confirms.settle(3, false, Fate::Confirmed);
        confirms.sent(1);
        confirms.settle(0, true, Fate::Confirmed);
        assert_eq!(confirms.unsettled(), 0);
    }

    #[test]
    fn nonsense_changes_nothing() {
        let mut confirms = sent(2);
        confirms.settle(9, true, Fate::Confirmed);
        assert_eq!(confirms.unsettled(), 2);
        confirms.settle(1, false, Fate::Confirmed);
        confirms.settle(1, false, Fate::Refused);
        assert!(!confirms.has_failed(), "what is settled stays so");
        confirms.came_back("gpu");
        assert!(confirms.has_failed());
    }
}
