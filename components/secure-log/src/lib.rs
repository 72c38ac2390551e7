//! The core component: the engine of `secure_log` behind the interfaces of wit/log.wit.
//!
//! | file | holds |
//! |---|---|
//! | `bindings` | what `wit-bindgen` generates |
//! | `config` | the environment |
//! | `providers` | what the engine is given |
//! | `convert` | types and errors, one function a direction |
//! | `exports` | the exported functions: convert and forward |
//! | `tree` | those of the interface `tree` |
//! | `evidence` | those of the interface `evidence` |
//! | `sealing` | those of the interface `sealing` |
//! | `exporting` | those of the interface `export` |
//! | `archive` | those of the interface `archive` |
//! | `importing` | those of the interface `import` |
//! | `query` | those of the interface `query` |
//! | `tail` | those of the interface `tail` |
//! | `review` | those of the interface `review` |
//! | `retention` | those of the interface `retention` |

mod archive;
mod bindings;
mod config;
mod convert;
mod evidence;
mod exporting;
mod exports;
mod importing;
mod providers;
mod query;
mod retention;
mod review;
mod sealing;
mod tail;
mod tree;
