//! What a service counts, and its text for Prometheus (docs/http.md).
//!
//! Numbers in atomics and nothing else: who counts waits for nobody. No label holds what a caller chose, so that the number of
//! series is fixed.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secure_log::providers::{CheckpointSigner, KeyError, Keystore, MacKey, WrappingKey};
use secure_log::sign::Algorithm;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more, until what is answered is dropped.
    pub fn hold(self: &Arc<Gauge>) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(self))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts in a [`Gauge`] while it lives.
#[derive(Debug)]
pub struct Held(Arc<Gauge>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Upper bounds of the buckets of latencies, in microseconds, each about twice the one before: from what memory takes to what
/// nobody waits for.
const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    /// It took so long once more.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = BOUNDS_US.iter().position(|bound| us <= *bound) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How often something was observed.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn write(&self, out: &mut String, name: &str) {
        let mut below = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_US) {
            below += bucket.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", bound as f64 / 1e6);
        }
        // One that is being counted just now is in a bucket and not in the count yet; a smaller total would be no histogram.
        let count = self.count().max(below);
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {}", self.sum_us.load(Ordering::Relaxed) as f64 / 1e6);
        let _ = writeln!(out, "{name}_count {count}");
    }
}

/// Why records that were posted are not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The caller may not append there, or nobody knows it.
    Denied,
    /// More calls than its token may make.
    Rate,
    /// They keep to no form, or break a limit.
    Invalid,
    /// More waits already than may wait.
    Busy,
    /// The log does not take them: it is closed, or their stream is.
    Refused,
    /// Other writers were faster, several times in a row.
    Conflict,
    /// The store, a key or the anchor failed. What became of them is unknown to the caller.
    Failed,
}

impl Dropped {
    /// All reasons, by their names.
    pub const NAMES: [(Dropped, &'static str); 7] = [
        (Dropped::Denied, "denied"),
        (Dropped::Rate, "rate"),
        (Dropped::Invalid, "invalid"),
        (Dropped::Busy, "busy"),
        (Dropped::Refused, "refused"),
        (Dropped::Conflict, "conflict"),
        (Dropped::Failed, "failed"),
    ];
}

/// Everything that a service counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Records that are durable.
    pub appended: Counter,
    dropped: [Counter; Dropped::NAMES.len()],
    /// Requests that were answered from a log's own record of an idempotency key.
    pub replayed: Counter,
    /// Requests, by the first digit of the status.
    requests: [Counter; 6],
    /// Calls that were denied.
    pub denied: Counter,
    /// Commits that a store refused because another writer was faster.
    pub conflicts: Counter,
    /// Commits that a store failed.
    pub store_failures: Counter,
    /// What a store took to make a commit durable.
    pub commit: Histogram,
    /// What a key took to sign.
    pub signing: Histogram,
    /// Requests that were taken and are not answered.
    pub queue: Arc<Gauge>,
    /// Connections.
    pub connections: Arc<Gauge>,
    /// Tails.
    pub tails: Arc<Gauge>,
    verified: Mutex<Verified>,
}

#[derive(Debug, Default)]
struct Verified {
    last: Option<Instant>,
    /// By verdict: valid, incomplete, invalid.
    verdicts: [u64; 3],
}

impl Metrics {
    /// So many records were posted and are not in the log. Where nobody read how many there were, it is one.
    pub fn dropped(&self, why: Dropped, records: u64) {
        self.dropped[why as usize].add(records);
    }

    /// How many were dropped for this reason.
    pub fn dropped_count(&self, why: Dropped) -> u64 {
        self.dropped[why as usize].count()
    }

    /// A request was answered with this status.
    pub fn answered(&self, status: u16) {
        self.requests[usize::from(status / 100).min(5)].add(1);
    }

    /// A log was verified just now.
    pub fn verified(&self, verdict: &secure_log::verify::Verdict) {
        use secure_log::verify::Verdict;
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.last = Some(Instant::now());
        verified.verdicts[match verdict {
            Verdict::Valid => 0,
            Verdict::Incomplete => 1,
            Verdict::Invalid(_) => 2,
        }] += 1;
    }

    /// The text. `anchor_lag` is how many entries of the open logs no anchor has, where there is one; `logs` is how many logs are
    /// open.
    pub fn text(&self, anchor_lag: Option<u64>, logs: u64) -> String {
        let mut out = String::with_capacity(4096);
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
            write_family(&mut out, name, kind, help, samples);
        };
        let one = |value: u64| [(String::new(), value)];
        family(
            "secure_log_records_appended_total",
            "counter",
            "Records that are durable.",
            &one(self.appended.count()),
        );
        let dropped = Dropped::NAMES.map(|(why, name)| (format!("{{reason=\"{name}\"}}"), self.dropped_count(why)));
        family(
            "secure_log_records_dropped_total",
            "counter",
            "Records that were posted and are not in a log.",
            &dropped,
        );
        family(
            "secure_log_appends_replayed_total",
            "counter",
            "Appends that were answered as the first time, by their idempotency key.",
            &one(self.replayed.count()),
        );
        let requests: Vec<_> =
            (1..=5).map(|class| (format!("{{status=\"{class}xx\"}}"), self.requests[class].count())).collect();
        family("secure_log_http_requests_total", "counter", "Requests that were answered.", &requests);
        family("secure_log_denied_total", "counter", "Calls that were denied.", &one(self.denied.count()));
        family(
            "secure_log_conflicts_total",
            "counter",
            "Commits that were refused because another writer was faster.",
            &one(self.conflicts.count()),
        );
        family(
            "secure_log_store_failures_total",
            "counter",
            "Commits that the store failed.",
            &one(self.store_failures.count()),
        );
        family("secure_log_queue_depth", "gauge", "Requests that wait or are carried out.", &one(self.queue.count()));
        family("secure_log_connections", "gauge", "Open connections.", &one(self.connections.count()));
        family("secure_log_tails", "gauge", "Open tails.", &one(self.tails.count()));
        family("secure_log_open_logs", "gauge", "Logs that are open.", &one(logs));
        if let Some(lag) = anchor_lag {
            family("secure_log_anchor_lag_entries", "gauge", "Entries of open logs that no anchor has.", &one(lag));
        }
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let verdicts: Vec<_> = ["valid", "incomplete", "invalid"]
            .iter()
            .zip(verified.verdicts)
            .map(|(verdict, count)| (format!("{{verdict=\"{verdict}\"}}"), count))
            .collect();
        family("secure_log_verifications_total", "counter", "Verifications of logs.", &verdicts);
        if let Some(last) = verified.last {
            family(AGE, "gauge", AGE_HELP, &one(last.elapsed().as_secs()));
        }
        drop(verified);
        for (name, help, histogram) in [
            ("secure_log_commit_seconds", "What a store takes to make a commit durable.", &self.commit),
            ("secure_log_signing_seconds", "What a key takes to sign.", &self.signing),
        ] {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
            histogram.write(&mut out, name);
        }
        out
    }
}

/// A metric with its samples, each with its labels.
fn write_family(out: &mut String, name: &str, kind: &str, help: &str, samples: &[(String, u64)]) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

/// What the logs say of a service, where nobody counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    /// Logs that were made.
    pub(crate) logs: u64,
    /// Entries of the service's own log.
    pub(crate) entries: u64,
    /// How many of them no anchor has, where there is one.
    pub(crate) anchor_lag: Option<u64>,
    /// Seconds since a log was verified last.
    pub(crate) verified_ago: Option<u64>,
}

impl Recorded {
    pub(crate) fn text(&self) -> String {
        let Recorded { logs, entries, anchor_lag, verified_ago } = *self;
        let mut out = String::new();
        for (name, help, value) in [
            ("secure_log_logs", "Logs that were made.", Some(logs)),
            ("secure_log_service_entries", "Entries of the service's own log.", Some(entries)),
            ("secure_log_anchor_lag_entries", "Entries of the service's own log that no anchor has.", anchor_lag),
            (AGE, AGE_HELP, verified_ago),
        ] {
            if let Some(value) = value {
                write_family(&mut out, name, "gauge", help, &[(String::new(), value)]);
            }
        }
        out
    }
}

const AGE: &str = "secure_log_verification_age_seconds";
const AGE_HELP: &str = "Since a log was verified last; absent until then.";

/// A keystore whose signatures are timed.
pub struct TimedKeystore<K> {
    keystore: K,
    metrics: Arc<Metrics>,
}

impl<K: Keystore> TimedKeystore<K> {
    /// Times what this keystore signs.
    pub fn new(keystore: K, metrics: Arc<Metrics>) -> TimedKeystore<K> {
        TimedKeystore { keystore, metrics }
    }
}

impl<K: Keystore> Keystore for TimedKeystore<K> {
    fn signer(&self, label: &str) -> Result<Box<dyn CheckpointSigner + Send>, KeyError> {
        let signer = self.keystore.signer(label)?;
        Ok(Box::new(TimedSigner { signer, metrics: Arc::clone(&self.metrics) }))
    }

    fn mac(&self, label: &str) -> Result<Box<dyn MacKey + Send>, KeyError> {
        self.keystore.mac(label)
    }

    fn wrapping_key(&self, label: &str) -> Result<Box<dyn WrappingKey + Send>, KeyError> {
        self.keystore.wrapping_key(label)
    }
}

struct TimedSigner {
    signer: Box<dyn CheckpointSigner + Send>,
    metrics: Arc<Metrics>,
}

impl CheckpointSigner for TimedSigner {
    fn algorithm(&self) -> Algorithm {
        self.signer.algorithm()
    }

    fn public_key(&self) -> &[u8] {
        self.signer.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let begun = Instant::now();
        let signature = self.signer.sign(message);
        self.metrics.signing.observe(begun.elapsed());
        signature
    }
}

/// How far the anchor of an open log is behind, as its last commit said.
#[derive(Debug)]
pub(crate) struct AnchorLag {
    size: AtomicU64,
    anchored: AtomicU64,
    configured: bool,
}

impl AnchorLag {
    pub(crate) fn of(status: &secure_log::engine::LogStatus) -> AnchorLag {
        AnchorLag {
            size: status.size.into(),
            anchored: status.anchored_to.unwrap_or(0).into(),
            configured: status.anchor,
        }
    }

    pub(crate) fn committed(&self, size: u64, anchored: bool) {
        self.size.fetch_max(size, Ordering::Relaxed);
        if anchored {
            self.anchored.fetch_max(size, Ordering::Relaxed);
        }
    }

    pub(crate) fn entries(&self) -> Option<u64> {
        let anchored = self.anchored.load(Ordering::Relaxed);
        self.configured.then(|| self.size.load(Ordering::Relaxed).saturating_sub(anchored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_counts_what_happened() {
        let metrics = Metrics::default();
        metrics.appended.add(3);
        metrics.dropped(Dropped::Busy, 2);
        metrics.answered(201);
        metrics.answered(404);
        metrics.commit.observe(Duration::from_micros(300));
        metrics.commit.observe(Duration::from_secs(60));
        let held = metrics.queue.hold();
        let text = metrics.text(Some(7), 1);
        for line in [
            "secure_log_records_appended_total 3",
            "secure_log_records_dropped_total{reason=\"busy\"} 2",
            "secure_log_records_dropped_total{reason=\"denied\"} 0",
            "secure_log_http_requests_total{status=\"2xx\"} 1",
            "secure_log_http_requests_total{status=\"4xx\"} 1",
            "secure_log_queue_depth 1",
            "secure_log_anchor_lag_entries 7",
            "secure_log_commit_seconds_bucket{le=\"0.00025\"} 0",
            "secure_log_commit_seconds_bucket{le=\"0.0005\"} 1",
            "secure_log_commit_seconds_bucket{le=\"10\"} 1",
            "secure_log_commit_seconds_bucket{le=\"+Inf\"} 2",
            "secure_log_commit_seconds_sum 60.0003",
            "secure_log_signing_seconds_count 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("verification_age"));
        drop(held);
        metrics.verified(&secure_log::verify::Verdict::Valid);
        let text = metrics.text(None, 0);
        assert!(text.contains("secure_log_queue_depth 0\n") && text.contains("verification_age_seconds 0\n"));
        assert!(!text.contains("anchor_lag"));
    }

    #[test]
    fn the_documentation_shows_each_metric_and_reason() {
        let page = include_str!("../../../docs/http.md");
        let metrics = Metrics::default();
        metrics.verified(&secure_log::verify::Verdict::Valid);
        let text = metrics.text(Some(0), 0);
        fn names_of(text: &str) -> Vec<&str> {
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
        }
        let names = names_of(&text);
        let recorded = Recorded { logs: 0, entries: 0, anchor_lag: Some(0), verified_ago: Some(0) }.text();
        let names: Vec<&str> = names.into_iter().chain(names_of(&recorded)).collect();
        assert!(names.len() > 16, "{names:?}");
        for name in names.into_iter().chain(Dropped::NAMES.map(|(_, name)| name)) {
            assert!(page.contains(name), "{name}");
        }
    }
}
