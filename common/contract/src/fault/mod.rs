//! The catalogue of faults: every finding that is not OK carries one of these.
//!
//! A code is for ever: people write runbooks and mail filters for it. One file a family holds its table; `docs/fault-codes.md` is
//! made from them, and a test proves that every code is used, documented and unique.

use crate::State;

/// The layer at which something broke, from the name down to what is heard and seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The check itself: its options, its rights, its host.
    Check,
    /// A name that does not resolve.
    Name,
    /// A route, or who announces it.
    Route,
    /// A connection that cannot be made.
    Connect,
    /// Encryption and certificates.
    Tls,
    /// The load balancer.
    Balancer,
    /// The server's answers.
    Server,
    /// A playlist or manifest.
    Playlist,
    /// The flow of media.
    Media,
    /// What is heard and seen.
    Content,
}

impl Layer {
    /// The word that hosts print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Name => "name",
            Self::Route => "route",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Balancer => "balancer",
            Self::Server => "server",
            Self::Playlist => "playlist",
            Self::Media => "media",
            Self::Content => "content",
        }
    }
}

/// One entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stable code: `E-RTSP-SILENT`.
    pub code: &'static str,
    /// Where it broke.
    pub layer: Layer,
    /// The state when nothing else decides.
    pub state: State,
    /// What the code means, for the docs.
    pub meaning: &'static str,
    /// What to do next, in one line.
    pub next: &'static str,
}

impl Fault {
    /// Whether the deadline came: the faults that `--timeout-state` governs.
    pub fn is_timeout(&self) -> bool {
        self.code.ends_with("-TIMEOUT")
    }

    /// The entry with this code.
    pub fn by_code(code: &str) -> Option<&'static Self> {
        all().find(|fault| fault.code.eq_ignore_ascii_case(code))
    }
}

/// Writes each entry once, as a constant and as a row of the file's table.
macro_rules! catalogue {
    ($($name:ident $code:literal $layer:ident $state:ident $meaning:literal $next:literal)*) => {
        use super::{Fault, Layer};
        use crate::State;

        $(#[doc = $meaning] pub static $name: Fault =
            Fault { code: $code, layer: Layer::$layer, state: State::$state, meaning: $meaning, next: $next };)*

        /// Every entry of this file, in the order of the docs.
        pub(super) static TABLE: &[&Fault] = &[$(&$name),*];
    };
}

mod anycast;
mod general;
mod ipvs;
mod playlist;
mod squid;
mod stream;
mod transport;

pub use anycast::*;
pub use general::*;
pub use ipvs::*;
pub use playlist::*;
pub use squid::*;
pub use stream::*;
pub use transport::*;

/// Every entry of the catalogue, in the order of the docs.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    [
        general::TABLE,
        stream::TABLE,
        transport::TABLE,
        playlist::TABLE,
        anycast::TABLE,
        squid::TABLE,
        ipvs::TABLE,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut codes: Vec<_> = all().map(|f| f.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all().count(), "a code stands twice");
        for fault in all() {
            let tail = fault.code.strip_prefix("E-").expect(fault.code);
            assert!(
                tail.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                fault.code
            );
            assert!(fault.meaning.ends_with('.') && !fault.next.ends_with('.'), "{}: full stop", fault.code);
            assert!(fault.next.len() <= 120, "{}: next is a line, not a paragraph", fault.code);
            assert_ne!(fault.state, State::Ok);
        }
    }
}
