//! How many requests a token may make: a bucket that fills steadily and is emptied by requests.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many requests a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests a second in the long run.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// What a token has left.
#[derive(Debug, Default)]
pub(crate) struct Bucket(Mutex<Option<Level>>);

#[derive(Clone, Copy, Debug)]
struct Level {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// Takes one request out; where there is none, answers how long it takes until there is.
    pub(crate) fn take(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let mut level = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (per_second, burst) = (f64::from(rate.per_second), f64::from(rate.burst));
        let left = match *level {
            None => burst,
            Some(Level { left, at }) => {
                (left + now.saturating_duration_since(at).as_secs_f64() * per_second).min(burst)
            }
        };
        let (left, taken) = if left >= 1.0 {
            (left - 1.0, Ok(()))
        } else {
            (left, Err(Duration::from_secs_f64((1.0 - left) / per_second)))
        };
        *level = Some(Level { left, at: now });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_the_rate() {
        let (bucket, rate, start) = (Bucket::default(), Rate { per_second: 10, burst: 3 }, Instant::now());
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, start), Ok(()));
        }
        assert_eq!(bucket.take(rate, start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(99)).map_err(|wait| wait.as_millis()), Err(1));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(101)), Ok(()));
        assert!(bucket.take(rate, start + Duration::from_millis(102)).is_err());
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..9).filter(|_| bucket.take(rate, later).is_ok()).count(), 3);
    }
}
