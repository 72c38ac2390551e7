//! Work on the cores that there are. Where there are no threads, such as in a component, the one that asks does all of it.

use core::num::NonZeroUsize;
use std::thread;

/// More threads than that would wait for what one of them has to do alone.
pub(crate) const MAX_THREADS: usize = 4;

/// As many threads as have work: one for each core, up to [`MAX_THREADS`].
pub(crate) fn available() -> NonZeroUsize {
    let most = NonZeroUsize::new(MAX_THREADS).expect("there is one at least");
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(most)
}

/// Does `work` on even parts of `items`, each on a thread of its own unless it has fewer than `least` items, and answers what
/// it came to in their order.
pub(crate) fn on_threads<T: Sync, R: Send>(
    threads: NonZeroUsize,
    least: usize,
    items: &[T],
    work: impl Fn(&[T]) -> Vec<R> + Sync,
) -> Vec<R> {
    let parts = threads.get().min(MAX_THREADS).min(items.len() / least.max(1)).max(1);
    if parts == 1 {
        return work(items);
    }
    let (first, rest) = items.split_at(items.len().div_ceil(parts));
    thread::scope(|scope| {
        let work = &work;
        let begin = |part| match thread::Builder::new().spawn_scoped(scope, move || work(part)) {
            Ok(thread) => Ok(thread),
            // The system gives no further thread.
            Err(_) => Err(part),
        };
        let others: Vec<_> = rest.chunks(first.len()).map(begin).collect();
        let mut results = work(first);
        for other in others {
            results.extend(match other {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(part) => work(part),
            });
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for count in [0usize, 1, 2, 3, 7, 8, 100] {
            let items: Vec<usize> = (0..count).collect();
            for threads in 1..=5 {
                let threads = NonZeroUsize::new(threads).unwrap();
                let done = on_threads(threads, 2, &items, |part| part.iter().map(|item| item * 3).collect());
                assert_eq!(done, items.iter().map(|item| item * 3).collect::<Vec<_>>(), "{count} on {threads}");
            }
        }
    }

    #[test]
    fn parts_are_done_by_threads_of_their_own() {
        let on = |threads, least| {
            let whose = on_threads(NonZeroUsize::new(threads).unwrap(), least, &[(); 8], |part| {
                vec![thread::current().id(); part.len()]
            });
            whose.chunk_by(|a, b| a == b).count()
        };
        assert_eq!([on(1, 1), on(2, 1), on(3, 1), on(2, 5)], [1, 2, 3, 1]);
    }
}
