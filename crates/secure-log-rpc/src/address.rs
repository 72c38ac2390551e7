//! Where a server is.

/// An address of a server, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether what is sent is encrypted.
    pub https: bool,
    /// The host's name, and a port if there is one.
    pub authority: String,
    /// The path with the query.
    pub path: String,
}

impl Address {
    /// Reads `http://host:port/path`, or `https`. The error says what is wrong, without what was given.
    pub fn parse(url: &str) -> Result<Address, &'static str> {
        let (https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err("it begins neither with http:// nor with https://"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err("it names no host");
        }
        if authority.contains('@') {
            return Err(
                "a name or a password in it would be shown to nobody: the token stands in a variable of its own",
            );
        }
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}") };
        Ok(Address { https, authority: authority.into(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let parsed = |url: &str| Address::parse(url).map(|a| (a.https, a.authority, a.path));
        let found = |https, authority: &str, path: &str| Ok((https, authority.to_owned(), path.to_owned()));
        assert_eq!(parsed("http://127.0.0.1:8787"), found(false, "127.0.0.1:8787", "/"));
        assert_eq!(parsed("https://log.example/a/b?c=d#e"), found(true, "log.example", "/a/b?c=d"));
        assert_eq!(parsed("http://[::1]:80?x"), found(false, "[::1]:80", "/?x"));
        for wrong in
            ["", "log.example", "ftp://log.example", "http://", "http:///path", "https://me:secret@log.example/"]
        {
            assert!(parsed(wrong).is_err_and(|why| !why.contains("secret")), "{wrong}");
        }
    }
}
