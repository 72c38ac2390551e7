//! What the environment says (docs/configuration.md). It is read for each request, so that new tokens count from the next one on.

use secure_log::engine::{AnchorEvery, Every};
use secure_log_http::config::names::{
    ANCHOR, ANCHOR_EVERY, HEAD_EVERY, IDENTITY, KEK_LABEL, MAC_LABEL, MAX_BODY, ORIGIN, STORE, TIMEOUT, TOKENS,
};
use secure_log_http::config::{Common, Mistakes, Reader, Table, environment};
use secure_log_http::place::{PLACES, Place};

/// Every variable that is read here, and what it is for. The keystore and the anchor read their own.
const VARIABLES: Table = &[
    (STORE, "where the logs are, as the store that it is composed with has them. Required"),
    (TOKENS, "the file of tokens, in a folder that the host opens. Required"),
    (ORIGIN, "what the logs are called. Required"),
    (IDENTITY, "the label of the key that signs heads"),
    (HEAD_EVERY, "commit"),
    (ANCHOR, "read by the anchor"),
    (ANCHOR_EVERY, "commit"),
    (MAC_LABEL, "the label of the keyed suite's key"),
    (KEK_LABEL, "the label of the key that wraps data keys"),
    (MAX_BODY, "bytes of a body of records"),
    (TIMEOUT, "seconds that a client may take for its body, and to take in what it is sent"),
];

/// Everything that the service is told.
pub(crate) struct Config {
    pub(crate) common: Common,
    pub(crate) place: Place,
}

impl Config {
    pub(crate) fn read() -> Result<Config, Mistakes> {
        let mut env = Reader::new(environment(), VARIABLES);
        let common = env.common();
        let place = env.required(STORE, PLACES);
        let place = place.and_then(|text| text.parse().map_err(|why: &str| env.wrong(STORE, why)).ok());
        if let Some(Common { logs, .. }) = &common {
            // Nobody would be there when the time has come.
            let later = "commit, or not set: a service that is an instance for each request has no later";
            if logs.head_every != Every::Commit {
                env.wrong(HEAD_EVERY, later);
            }
            if logs.anchor_every != AnchorEvery::Each(Every::Commit) {
                env.wrong(ANCHOR_EVERY, later);
            }
        }
        let read = common.zip(place).map(|(common, place)| Config { common, place });
        env.end(read)
    }
}
