//! Rows 5 to 7, 10 to 14, 16, 21 to 23, 27 and 29: the testkit's scenarios.

use secure_log_testkit::attacks::scenarios;

use crate::stacks::Kept;
use crate::{Check, Seen, check_over};

/// The checks.
pub fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for kept in [Kept::InMemory, Kept::InFile, Kept::InMemoryOfSqlite, Kept::InDatabase, Kept::InPostgres] {
        for (at, scenario) in scenarios::<crate::composed::Composed<'_>>().into_iter().enumerate() {
            let rows = match scenario.row {
                5 => "5",
                6 => "6",
                7 => "7",
                10 => "10",
                11 => "11",
                12 => "12",
                13 => "13",
                14 => "14",
                16 => "16",
                21 => "21",
                22 => "22",
                23 => "23",
                29 => "29",
                _ => "27",
            };
            checks.push(check_over(kept, rows, scenario.name, move |stacks, kept| {
                let mut logs = 0;
                (scenarios()[at].run)(&mut || {
                    logs += 1;
                    stacks.fresh(kept)
                });
                Ok(Seen::Held(format!("{logs} logs")))
            }));
        }
    }
    checks
}
