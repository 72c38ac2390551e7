//! Work on the cores that there are. Where there are no threads, such as in a component, the one that asks does all of it.

use core::num::NonZeroUsize;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread;

/// More threads than that would wait for what one of them has to do alone.
pub(crate) const MAX_THREADS: usize = 4;

/// As many threads as have work: one for each core, up to [`MAX_THREADS`].
pub(crate) fn available() -> NonZeroUsize {
    // To find out takes the system as long as many entries.
    static AVAILABLE: LazyLock<NonZeroUsize> = LazyLock::new(|| {
        let most = NonZeroUsize::new(MAX_THREADS).expect("there is one at least");
        thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(most)
    });
    *AVAILABLE
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

/// Makes something of each item and takes what was made, in order, up to the first error of who takes. Where there are two
/// cores and `least` items, another thread makes some of them meanwhile: as soon as it has begun, whatever is next.
pub(crate) fn make_and_take<T: Sync, R: Send, E>(
    threads: NonZeroUsize,
    least: usize,
    items: &[T],
    make: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    if threads.get() == 1 || items.len() < least {
        return items.iter().map(make).try_for_each(take);
    }
    // The first item that nobody makes, so that each is made once and those of either thread in order.
    let next = AtomicUsize::new(0);
    let (made, others) = channel();
    thread::scope(|scope| {
        let (make, next) = (&make, &next);
        let making = move || {
            while let Some(item) = items.get(next.fetch_add(1, Relaxed)) {
                if made.send(make(item)).is_err() {
                    // Who takes has stopped.
                    break;
                }
            }
        };
        let making = thread::Builder::new().spawn_scoped(scope, making);
        let mut result = Ok(());
        for (index, item) in items.iter().enumerate() {
            let made = match next.compare_exchange(index, index + 1, Relaxed, Relaxed) {
                Ok(_) => make(item),
                Err(_) => match others.recv() {
                    Ok(made) => made,
                    // It panicked, as joining it says.
                    Err(_) => break,
                },
            };
            result = take(made);
            if result.is_err() {
                break;
            }
        }
        drop(others);
        // The system may have given no further thread.
        if let Ok(making) = making {
            making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::sync::Mutex;

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

    #[test]
    fn what_is_made_is_taken_in_order_and_up_to_the_first_error() {
        let items: Vec<usize> = (0..100).collect();
        for threads in [1, 2] {
            let threads = NonZeroUsize::new(threads).unwrap();
            for (count, most) in [(0, 100), (1, 100), (2, 100), (100, 100), (100, 50), (100, 20), (100, 0)] {
                let mut taken = Vec::new();
                let take = |made| {
                    if taken.len() == most {
                        return Err(made);
                    }
                    taken.push(made);
                    Ok(())
                };
                let result = make_and_take(threads, 2, &items[..count], |item| item * 3, take);
                assert_eq!(result, if count > most { Err(most * 3) } else { Ok(()) }, "{count} on {threads}");
                assert_eq!(taken, items[..count.min(most)].iter().map(|item| item * 3).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn two_are_made_at_the_same_time() {
        let (begun, other) = channel();
        let (begun, other) = (Mutex::new(begun), Mutex::new(other));
        // Whoever makes the first waits for somebody to make the second meanwhile.
        let make = |item: &u8| match item {
            0 => other.lock().unwrap().recv_timeout(Duration::from_secs(60)).expect("another thread"),
            _ => begun.lock().unwrap().send(thread::current().id()).map(|()| thread::current().id()).unwrap(),
        };
        let mut makers = Vec::new();
        let take = |maker| {
            makers.push(maker);
            Ok::<_, ()>(())
        };
        assert_eq!(make_and_take(NonZeroUsize::new(2).unwrap(), 2, &[0, 1], make, take), Ok(()));
        assert_eq!(makers[0], makers[1], "who made the first has heard of who made the second");
    }

    #[test]
    fn few_are_made_where_they_are_taken() {
        for (threads, items) in [(1, 4), (2, 2)] {
            let make = |_: &()| thread::current().id();
            let take = |maker| if maker == thread::current().id() { Ok(()) } else { Err("another thread") };
            assert_eq!(make_and_take(NonZeroUsize::new(threads).unwrap(), 3, &vec![(); items], make, take), Ok(()));
        }
    }

    #[test]
    #[should_panic(expected = "while making")]
    fn a_panic_while_making_is_not_lost() {
        let two = NonZeroUsize::new(2).unwrap();
        let _ = make_and_take(two, 2, &[0, 0, 1], |item| assert_eq!(*item, 0, "while making"), |()| Ok::<_, ()>(()));
    }
}
