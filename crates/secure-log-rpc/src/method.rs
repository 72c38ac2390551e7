//! The calls that there are: the functions of `wit/store.wit`, by their names.

/// Names each method once, for both directions.
macro_rules! methods {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A function of the store. A server answers these and nothing else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the functions are described in wit/store.wit")]
        pub enum Method {
            $($variant),+
        }

        impl Method {
            /// All of them, in the order of `wit/store.wit`.
            pub const ALL: &'static [Method] = &[$(Method::$variant),+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Method::$variant => $name),+
                }
            }

            /// The method of this name.
            pub fn named(name: &str) -> Option<Method> {
                match name {
                    $($name => Some(Method::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

methods! {
    Init = "init",
    ReadLog = "secure-log-read-log",
    Insert = "secure-log-insert",
    Heads = "secure-log-heads",
    SegmentCount = "secure-log-segment-count",
    Entries = "secure-log-entries",
    Hashes = "secure-log-hashes",
    Nodes = "secure-log-nodes",
    Indexed = "secure-log-indexed",
    IndexRows = "secure-log-index-rows",
    Search = "secure-log-search",
    Stream = "secure-log-stream",
    Streams = "secure-log-streams",
    Segment = "secure-log-segment",
    Segments = "secure-log-segments",
    SegmentOf = "secure-log-segment-of",
    LeafIndex = "secure-log-leaf-index",
    Signatures = "secure-log-signatures",
    DataKeys = "secure-log-data-keys",
    Witnesses = "secure-log-witnesses",
    Scan = "secure-log-scan",
    Load = "secure-log-load",
    Prune = "secure-log-prune",
    DropDataKeys = "secure-log-drop-data-keys",
    ReplaceDataKeys = "secure-log-replace-data-keys",
    DropWitnesses = "secure-log-drop-witnesses",
    SetAside = "secure-log-set-aside",
    Reindex = "secure-log-reindex",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_are_the_functions_of_the_store() {
        let wit = include_str!("../../../wit/store.wit");
        let store = &wit[wit.find("interface store {").unwrap()..wit.find("interface anchor {").unwrap()];
        let functions: Vec<&str> =
            store.lines().filter_map(|line| line.trim().split_once(": func(")).map(|(name, _)| name).collect();
        let methods: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        assert_eq!(methods, functions);
        assert!(Method::ALL.iter().all(|method| Method::named(method.name()) == Some(*method)));
        assert_eq!(Method::named("secure-log-drop-table"), None);
    }
}
