//! The audit component: `secure_log_audit` behind the interfaces of wit/audit, over the log that it is composed with.
//!
//! | file | holds |
//! |---|---|
//! | `bindings` | what `wit-bindgen` generates |
//! | `action` | actions, by the table of the library |
//! | `event` | events, and what is wrong with them |
//! | `report` | what was found |
//! | `exports` | the exported functions: convert and forward |

mod action;
mod bindings;
mod event;
mod exports;
mod report;

secure_log_guest_audit::import_log!(crate::bindings::secure_log::log);
