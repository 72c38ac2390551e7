//! The table: the best of each figure, side by side, and how far figures are from what was aimed at.

use std::fmt;

use secure_log_bench_shared::{Failure, Sample};
use serde_json::json;

/// How the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the library in a native program.
    Native,
    /// By a composed stack under wasmtime.
    Composed,
    /// By somebody else's library.
    Peer,
}

use Mode::{Composed, Native, Peer};

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Native => "native",
            Composed => "composed",
            Peer => "peer",
        }
    }
}

/// The samples of each figure, in the order in which they came up.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    /// How many MiB the process of [`VERIFY_APART`] ever had in memory.
    pub peak_mib: Option<f64>,
}

/// A figure, measured once a round.
struct Row {
    mode: Mode,
    samples: Vec<Sample>,
}

impl Row {
    fn is(&self, (name, store, mode): (&str, &str, Mode)) -> bool {
        self.mode == mode && self.samples[0].name == name && self.samples[0].store == store
    }

    /// What is shown: a disturbance only ever adds time.
    fn best(&self) -> &Sample {
        self.samples.iter().min_by(|a, b| each(a).total_cmp(&each(b))).expect("a row begins with a sample")
    }
}

/// Verifying a long file in a process of its own.
pub const VERIFY_APART: &str = "verify-apart";

/// A verification takes less memory than this, however long the log.
const MOST_MIB: f64 = 100.0;

/// What one figure should be, against another one.
struct Goal {
    of: Figure,
    is: Bound,
}

/// A row of the table in one mode: name, store, mode.
type Figure = (&'static str, &'static str, Mode);

enum Bound {
    /// An entry takes at most so many times as long as in this figure.
    TimesAsLong(f64, Figure),
    /// At least so many times as many entries a second as in this figure.
    TimesAsMany(f64, Figure),
    /// An entry takes at most so many times as long as in these two figures together.
    TimesAsLongAsBoth(f64, Figure, Figure),
    /// An entry takes longer than in the second figure by at most so many times the time of the first.
    TimesAsMuchMore(f64, Figure, Figure),
    /// The whole takes less than so many milliseconds.
    Millis(f64),
    /// The whole takes at most so many milliseconds more than this figure.
    MillisMore(f64, Figure),
    /// At least so many a second.
    ASecond(f64),
}

use Bound::{ASecond, Millis, MillisMore, TimesAsLong, TimesAsLongAsBoth, TimesAsMany, TimesAsMuchMore};

#[rustfmt::skip]
const GOALS: [Goal; 71] = [
    Goal { of: ("append-batch", "memory", Native), is: TimesAsLong(2.5, ("sha256", "", Native)) },
    Goal { of: ("append-batch", "memory", Composed), is: TimesAsLong(2.5, ("sha256", "", Composed)) },
    Goal { of: ("append-sealed", "memory", Native), is: TimesAsLong(1.6, ("append-batch", "memory", Native)) },
    Goal { of: ("append-sealed", "file", Native), is: TimesAsLong(1.6, ("append-batch", "file", Native)) },
    Goal { of: ("append-sealed", "memory", Composed), is: TimesAsLong(2.0, ("append-batch", "memory", Composed)) },
    Goal { of: ("verify", "memory", Native), is: TimesAsLong(1.5, ("sha256", "", Native)) },
    Goal { of: ("verify-jsonl", "two-cores", Native), is: TimesAsMany(1.7, ("verify-jsonl", "file", Native)) },
    Goal { of: ("verify-jsonl", "file", Composed), is: TimesAsMany(0.35, ("verify-jsonl", "file", Native)) },
    Goal { of: ("verify-jsonl", "node", Composed), is: TimesAsLong(1.5, ("verify-jsonl", "file", Composed)) },
    Goal { of: ("review", "memory", Native), is: TimesAsLong(1.3, ("verify-long", "memory", Native)) },
    Goal { of: ("review", "memory-two-cores", Native), is: TimesAsLong(1.3, ("verify-long", "memory-two-cores", Native)) },
    Goal { of: ("review", "file", Native), is: TimesAsLong(1.3, ("verify-long", "file", Native)) },
    Goal { of: ("review", "file-two-cores", Native), is: TimesAsLong(1.3, ("verify-long", "file-two-cores", Native)) },
    Goal { of: ("review", "mixed", Native), is: TimesAsLong(1.3, ("verify-long", "mixed", Native)) },
    Goal { of: ("review", "events", Native), is: TimesAsLong(1.3, ("verify-long", "events", Native)) },
    Goal { of: ("append-events", "memory", Native), is: TimesAsMany(0.6, ("append-alike", "memory", Native)) },
    Goal { of: ("append-events", "file", Native), is: TimesAsMany(0.6, ("append-alike", "file", Native)) },
    Goal { of: ("append-signed-entries", "memory", Native), is: TimesAsLong(1.1, ("sign-entries", "", Native)) },
    Goal { of: ("append-signed-entries", "file", Native), is: TimesAsMuchMore(1.1, ("sign-entries", "", Native), ("append-batch", "file", Native)) },
    Goal { of: ("verify-signed-entries", "file", Native), is: TimesAsMany(1.2, ("verify-one-by-one", "", Native)) },
    Goal { of: ("verify-signed-entries", "file-two-cores", Native), is: TimesAsMany(1.7, ("verify-signed-entries", "file", Native)) },
    Goal { of: ("verify-signed-entries", "memory-two-cores", Native), is: TimesAsMany(1.7, ("verify-signed-entries", "memory", Native)) },
    Goal { of: ("append-batch", "file", Native), is: TimesAsLong(4.0, ("sha256", "", Native)) },
    Goal { of: ("append-batch", "file", Composed), is: TimesAsMany(0.35, ("append-batch", "file", Native)) },
    Goal { of: ("append-durable", "file", Native), is: TimesAsMany(0.75, ("write-sync", "file", Native)) },
    Goal { of: ("append-durable-32", "file", Native), is: TimesAsMany(8.0, ("append-durable", "file", Native)) },
    Goal { of: ("tail-p99", "file", Native), is: Millis(5.0) },
    Goal { of: ("append-batch", "slow-key", Native), is: TimesAsMany(0.5, ("append-batch", "file", Native)) },
    Goal { of: ("append-batch", "slow-key", Composed), is: TimesAsMany(0.5, ("append-batch", "file", Composed)) },
    Goal { of: ("append-durable-32", "slow-key", Native), is: TimesAsMany(0.5, ("append-durable-32", "file", Native)) },
    Goal { of: ("sign", "soft-token", Native), is: TimesAsLong(1.3, ("sign", "software", Native)) },
    Goal { of: ("sign", "soft-token", Composed), is: TimesAsLong(1.3, ("sign", "software", Composed)) },
    Goal { of: ("append-batch", "sqlite", Native), is: TimesAsMany(0.6, ("bare-insert", "sqlite", Native)) },
    Goal { of: ("append-batch", "sqlite", Composed), is: TimesAsMany(0.3, ("append-batch", "sqlite", Native)) },
    Goal { of: ("append-batch", "sqlite-memory", Composed), is: TimesAsMany(0.4, ("append-batch", "sqlite-memory", Native)) },
    Goal { of: ("append-batch", "postgres", Native), is: TimesAsMany(0.5, ("bare-copy", "postgres", Native)) },
    Goal { of: ("append-durable", "sqlite", Native), is: TimesAsMany(0.8, ("bare-autocommit", "sqlite", Native)) },
    Goal { of: ("append-1000", "remote", Composed), is: TimesAsMany(0.5, ("append-1000", "sqlite", Composed)) },
    Goal { of: ("append-1", "remote", Composed), is: TimesAsLongAsBoth(1.5, ("post", "nothing", Composed), ("open-append-close", "sqlite", Composed)) },
    Goal { of: ("append-last", "sqlite", Native), is: TimesAsMany(0.8, ("append-first", "sqlite", Native)) },
    Goal { of: ("worst-proof", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("worst-page", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("tree-append", "", Native), is: TimesAsLong(1.5, ("tree-hashes", "", Native)) },
    Goal { of: ("worst-inclusion", "memory", Native), is: Millis(0.1) },
    Goal { of: ("worst-consistency", "memory", Native), is: Millis(0.1) },
    Goal { of: ("worst-inclusion", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("worst-consistency", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("open", "entries", Native), is: Millis(50.0) },
    Goal { of: ("open", "streams", Native), is: Millis(50.0) },
    Goal { of: ("export-megabytes", "file", Native), is: ASecond(300.0) },
    Goal { of: ("open", "anchored", Native), is: MillisMore(5.0, ("open", "entries", Native)) },
    Goal { of: ("query-all", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-common", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-rare", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-pattern", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-serious-of-producer", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-event-and-time", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-actor", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-rare-actor", "file", Native), is: Millis(5.0) },
    Goal { of: ("query-all", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("query-common", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("query-rare", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("query-pattern", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("query-serious-of-producer", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("query-event-and-time", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("query-actor", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("query-rare-actor", "sqlite", Native), is: Millis(2.0) },
    Goal { of: ("http-append-64", "file", Native), is: TimesAsMany(10.0, ("http-append-1", "file", Native)) },
    Goal { of: ("http-append-batch", "file", Native), is: TimesAsMany(0.5, ("append-batch", "file", Native)) },
    // What is equal differs by the noise of the disk.
    Goal { of: ("append-to", "entries", Native), is: TimesAsMany(0.8, ("append-to", "empty", Native)) },
    Goal { of: ("append-to", "streams", Native), is: TimesAsMany(0.8, ("append-to", "empty", Native)) },
];

impl Goal {
    /// What sets another figure apart from this one.
    fn called(&self, other: &Figure) -> &'static str {
        if other.0 != self.of.0 {
            other.0
        } else if other.1 != self.of.1 {
            other.1
        } else {
            other.2.name()
        }
    }
}

impl Table {
    /// Takes in what a round measured.
    pub fn add(&mut self, mode: Mode, sample: Sample) {
        match self.rows.iter_mut().find(|row| row.is((&sample.name, &sample.store, mode))) {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row { mode, samples: vec![sample] }),
        }
    }

    /// The rows for a program: an array of objects.
    pub fn to_json(&self) -> Result<String, Failure> {
        let row = |row: &Row| {
            let sample = row.best();
            let Sample { name, store, entries, seconds } = sample;
            let (mode, per_s) = (row.mode.name(), 1.0 / each(sample));
            let mut row = json!({
                "name": name, "store": store, "mode": mode, "entries": entries, "seconds": seconds, "per_s": per_s,
            });
            if name == VERIFY_APART {
                row["peak_mib"] = json!(self.peak_mib);
            }
            row
        };
        let mut text = serde_json::to_string_pretty(&self.rows.iter().map(row).collect::<Vec<_>>())?;
        text.push('\n');
        Ok(text)
    }

    fn row(&self, figure: (&str, &str, Mode)) -> Option<&Row> {
        self.rows.iter().find(|row| row.is(figure))
    }

    /// How many times as long as the others together an entry of one figure takes.
    fn times_as_long(&self, of: Figure, others: &[Figure]) -> Option<f64> {
        let figures = [&[of], others].concat();
        self.median(&figures, |each| each[0] / each[1..].iter().sum::<f64>())
    }

    /// The median over the rounds of what is made of the seconds that an entry of each figure takes: what a round measures is
    /// measured at the same time, and a lucky moment of one figure says nothing about another.
    fn median(&self, figures: &[Figure], make: impl Fn(&[f64]) -> f64) -> Option<f64> {
        let rows = figures.iter().map(|figure| Some(&self.row(*figure)?.samples)).collect::<Option<Vec<_>>>()?;
        let rounds = rows.iter().map(|samples| samples.len()).min()?;
        let of_round = |round: usize| rows.iter().map(|samples| each(&samples[round])).collect::<Vec<_>>();
        let mut made: Vec<f64> = (0..rounds).map(|round| make(&of_round(round))).collect();
        made.sort_by(f64::total_cmp);
        let half = made.len() / 2;
        Some(if made.len().is_multiple_of(2) { (made[half - 1] + made[half]) / 2.0 } else { made[half] })
    }

    /// How the figures of this row stand to what was aimed at.
    fn goals(&self, name: &str, store: &str) -> String {
        let of_row = GOALS.iter().filter(|goal| goal.of.0 == name && goal.of.1 == store);
        let mut said: Vec<String> = of_row.filter_map(|goal| self.said(goal)).collect();
        if let (VERIFY_APART, Some(peak)) = (name, self.peak_mib) {
            let reached = yes_or_no(peak < MOST_MIB);
            said.push(format!("native: {peak:.0} MiB of memory (less than {MOST_MIB} MiB: {reached})"));
        }
        said.join("; ")
    }

    /// `None` when one of the figures was not measured.
    fn said(&self, goal: &Goal) -> Option<String> {
        let (is, reached, aim) = match goal.is {
            TimesAsLong(most, against) => {
                let ratio = self.times_as_long(goal.of, &[against])?;
                let whose = goal.called(&against);
                (format!("{ratio:.2}x the time of {whose}"), ratio <= most, format!("at most {most}x"))
            }
            TimesAsLongAsBoth(most, one, other) => {
                let ratio = self.times_as_long(goal.of, &[one, other])?;
                (
                    format!("{ratio:.2}x the time of {} and {}", one.0, other.0),
                    ratio <= most,
                    format!("at most {most}x"),
                )
            }
            TimesAsMuchMore(most, unit, plain) => {
                let ratio = self.median(&[goal.of, plain, unit], |each| (each[0] - each[1]) / each[2])?;
                (
                    format!("{ratio:.2}x the time of {} more than {}", unit.0, plain.0),
                    ratio <= most,
                    format!("at most {most}x"),
                )
            }
            TimesAsMany(least, against) => {
                let ratio = 1.0 / self.times_as_long(goal.of, &[against])?;
                let whose = goal.called(&against);
                (format!("{ratio:.2}x the rate of {whose}"), ratio >= least, format!("at least {least}x"))
            }
            ASecond(least) => {
                let rate = 1.0 / each(self.row(goal.of)?.best());
                (format!("{rate:.0} a second"), rate >= least, format!("at least {least}"))
            }
            Millis(most) => {
                let seconds = self.row(goal.of)?.best().seconds;
                (time(seconds), seconds * 1e3 < most, format!("less than {most} ms"))
            }
            MillisMore(most, against) => {
                let millis = (self.row(goal.of)?.best().seconds - self.row(against)?.best().seconds) * 1e3;
                (format!("{millis:.2} ms more than {}", against.1), millis <= most, format!("at most {most} ms"))
            }
        };
        let reached = yes_or_no(reached);
        Some(format!("{}: {is} ({aim}: {reached})", goal.of.2.name()))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(&str, &str)> = Vec::new();
        for row in &self.rows {
            let line = (row.samples[0].name.as_str(), row.samples[0].store.as_str());
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        writeln!(f, "\n{:<22} {:<8} {:>12} {:>12} {:>12}  goal", "name", "store", "native", "composed", "peer")?;
        for (name, store) in lines {
            let [native, composed, peer] = [Native, Composed, Peer]
                .map(|mode| self.row((name, store, mode)).map_or_else(String::new, |row| shown(row.best())));
            let goals = self.goals(name, store);
            let line = format!("{name:<22} {store:<8} {native:>12} {composed:>12} {peer:>12}  {goals}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn yes_or_no(reached: bool) -> &'static str {
    if reached { "yes" } else { "NO" }
}

/// Seconds for one entry.
fn each(sample: &Sample) -> f64 {
    sample.seconds / sample.entries.max(1) as f64
}

fn time(seconds: f64) -> String {
    format!("{:.*} ms", if seconds < 1e-3 { 3 } else { 2 }, seconds * 1e3)
}

/// A time where the whole counts, a rate otherwise.
fn shown(sample: &Sample) -> String {
    let rate = 1.0 / each(sample);
    if sample.name == "open" || sample.entries == 1 {
        time(sample.seconds)
    } else if rate >= 1e6 {
        format!("{:.2} M/s", rate / 1e6)
    } else if rate >= 1e4 {
        format!("{:.1} k/s", rate / 1e3)
    } else {
        format!("{rate:.0} /s")
    }
}
