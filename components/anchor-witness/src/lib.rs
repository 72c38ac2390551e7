//! An anchor component that has heads cosigned by C2SP witnesses over `wasi:http`.
//!
//! `SECURE_LOG_ANCHOR` has the addresses of one or several witnesses, and the policy in `SECURE_LOG_TRUST` their keys. Unset,
//! there is no anchor, and it says so. Everything else `secure_log_witness::Witnesses` decides.

use secure_log::providers::AnchorError;
use secure_log_guest::AnchorProvider;
use secure_log_guest_http::{Incomplete, PostError};
use secure_log_rpc::Address;
use secure_log_witness::{AnsweredPost, Post, Witnesses, remote_witnesses};

/// An append waits for the witnesses, and goes on without those that take longer.
const CONNECT_SECS: u64 = 3;
/// A witness syncs a disk and signs.
const CALL_SECS: u64 = 8;

struct Network;

impl Post for Network {
    fn post(&mut self, url: &str, body: &str, limit: usize) -> Result<AnsweredPost, String> {
        let address = Address::parse(url).map_err(|why| format!("its address cannot be used: {why}"))?;
        let post = secure_log_guest_http::Post {
            https: address.https,
            authority: &address.authority,
            path: &address.path,
            headers: &[("content-type", b"text/plain; charset=utf-8")],
            body: body.as_bytes(),
            connect_secs: CONNECT_SECS,
            call_secs: CALL_SECS,
        };
        let answer = post.send().map_err(failed)?;
        let (status, content_type) = (answer.status(), answer.header("content-type"));
        let body = answer.read(limit).map_err(|why| incomplete("the answer", why))?;
        Ok(AnsweredPost { status, content_type: content_type.and_then(|text| String::from_utf8(text).ok()), body })
    }
}

fn failed(error: PostError) -> String {
    match error {
        PostError::Headers | PostError::Address => "its address cannot be used".into(),
        PostError::Host(what) => format!("the host {what}"),
        PostError::Denied(detail) | PostError::Failed(detail) => detail,
        PostError::Call(why) => incomplete("the call", why),
        PostError::Answer(why) => incomplete("the answer", why),
    }
}

fn incomplete(what: &str, why: Incomplete) -> String {
    match why {
        Incomplete::TooLong => format!("{what} is too long"),
        Incomplete::TimedOut => format!("{what} took longer than {CALL_SECS} s"),
        Incomplete::Broken => format!("{what} was cut short"),
    }
}

struct Configured;

impl AnchorProvider for Configured {
    type Anchor = Witnesses<Network>;

    fn configured() -> Result<Option<Witnesses<Network>>, AnchorError> {
        let configured = remote_witnesses(|name| std::env::var(name).ok())
            .map_err(|error| AnchorError::Unavailable(error.to_string()))?;
        Ok(configured.map(|(witnesses, quorum)| Witnesses::new(Network, witnesses, quorum)))
    }
}

secure_log_guest::export_anchor!(Configured);
