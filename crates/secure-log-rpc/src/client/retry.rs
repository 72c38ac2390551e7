//! How often, and after which pauses, a call is made again.

use core::time::Duration;

/// The pauses between attempts: there is one attempt more than pauses.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    pauses: &'static [Duration],
    wait: fn(Duration),
}

/// A server that is started again answers within 8 seconds, which these are in all.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2000),
    Duration::from_millis(5000),
];

impl Retry {
    /// Never again: each call is made once, and nothing is found out after a commit without an answer.
    pub const NEVER: Retry = Retry { pauses: &[], wait: std::thread::sleep };

    /// Waits as long as it is told to by calling `wait`, such as for a test that has no time.
    pub fn after(pauses: &'static [Duration], wait: fn(Duration)) -> Retry {
        Retry { pauses, wait }
    }

    pub(super) fn pauses(self) -> impl Iterator<Item = Duration> {
        self.pauses.iter().copied()
    }

    pub(super) fn wait(self, pause: Duration) {
        (self.wait)(pause);
    }
}

impl Default for Retry {
    fn default() -> Retry {
        Retry::after(&PAUSES, std::thread::sleep)
    }
}
