//! The server as a process of its own, over sockets. With SECURE_LOG_SOAK the counts are the full ones.

mod command;
mod connections;
mod killed;
mod service;
mod support;
mod tails;
