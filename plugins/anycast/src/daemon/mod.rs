//! What the routing daemon of this host says: which sessions are up, and on which of them the prefix is really sent.
//!
//! Every daemon is asked for one prefix, never for a table, and only with commands that read.

mod bird;
mod exabgp;
mod frr;
mod gobgp;

use std::fmt;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use weir_contract::{Problem, fault};
use weir_probe::{Deadline, Probe};
use weir_wire::bgp::{Path, Prefix, Roa, Session};

/// Sessions that are looked at one by one.
const SESSIONS_MAX: usize = 256;

/// Which daemon, and where: `--daemon`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Daemon {
    /// BIRD 2 or 3 by its control socket.
    Bird(PathBuf),
    /// FRR by the folder of its vty sockets.
    Frr(PathBuf),
    /// GoBGP by its API: a host and port, or the path of a unix socket.
    Gobgp(String),
    /// ExaBGP by the folder of its named pipes.
    Exabgp(PathBuf),
}

impl FromStr for Daemon {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, place) = text.split_once(':').unwrap_or((text, ""));
        let path = |default: &str| PathBuf::from(if place.is_empty() { default } else { place });
        match kind {
            "bird" => Ok(Self::Bird(path("/run/bird/bird.ctl"))),
            "frr" => Ok(Self::Frr(path("/run/frr"))),
            "gobgp" => Ok(Self::Gobgp(if place.is_empty() { "127.0.0.1:50051" } else { place }.to_owned())),
            "exabgp" => Ok(Self::Exabgp(path("/run/exabgp"))),
            _ => Err(format!(
                "`{text}` is not bird[:SOCKET], frr[:FOLDER], gobgp[:HOST:PORT or :SOCKET] or exabgp[:FOLDER]"
            )),
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bird(path) => write!(f, "BIRD at {}", path.display()),
            Self::Frr(path) => write!(f, "FRR at {}", path.display()),
            Self::Gobgp(api) => write!(f, "GoBGP at {api}"),
            Self::Exabgp(path) => write!(f, "ExaBGP at {}", path.display()),
        }
    }
}

/// One session, and whether the prefix is sent on it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    /// The session.
    pub session: Session,
    /// Whether it is established, the prefix is in what it sends, and the daemon takes the prefix for valid.
    pub sent: bool,
}

/// What a node's daemon says about one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// The sessions that carry the family of the prefix.
    pub exports: Vec<Export>,
    /// What the kernel does not do although the daemon believes it: `2001:db8:c::/64 by rtr6`.
    pub refused: Vec<String>,
    /// What the daemon keeps from before a graceful restart.
    pub stale: Vec<String>,
}

/// What a daemon knows about a prefix and its parts from everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// All paths to the prefix and its more-specific parts.
    pub paths: Vec<Path>,
    /// What the authorisations say about each of `paths`, in the same order, where the daemon knows them.
    pub roas: Vec<Option<Roa>>,
}

impl Daemon {
    /// Asks a node's daemon whether `prefix` is announced; `reach` are addresses to which answers must find their way.
    ///
    /// # Errors
    /// E-PERMISSION, E-BGP-DAEMON, E-NO-DATA: could not look.
    pub(crate) async fn announcement(
        &self,
        probe: &Probe,
        prefix: Prefix,
        reach: &[IpAddr],
    ) -> Result<Announcement, Problem> {
        let deadline = &probe.deadline;
        let answer = match self {
            Self::Bird(socket) => bird::announcement(socket, deadline, prefix, reach),
            Self::Frr(folder) => frr::announcement(folder, deadline, prefix),
            Self::Gobgp(api) => gobgp::announcement(probe, api, prefix).await,
            Self::Exabgp(folder) => exabgp::announcement(folder, deadline, prefix),
        };
        answer.map_err(|problem| problem.about(self.to_string()))
    }

    /// Asks a router for all that it hears about `prefix`. `roa_table` is BIRD's table of authorisations.
    ///
    /// # Errors
    /// E-PERMISSION, E-BGP-DAEMON, E-NO-DATA: could not look.
    pub(crate) async fn view(
        &self,
        probe: &Probe,
        prefix: Prefix,
        roa_table: Option<&str>,
    ) -> Result<View, Problem> {
        let deadline = &probe.deadline;
        let answer = match self {
            Self::Bird(socket) => bird::view(socket, deadline, prefix, roa_table),
            Self::Frr(folder) => frr::view(folder, deadline, prefix),
            Self::Gobgp(api) => gobgp::view(probe, api, prefix).await,
            Self::Exabgp(_) => {
                Err(Problem::new(&fault::USAGE, "ExaBGP keeps no table: ask the router that it speaks with"))
            }
        };
        answer.map_err(|problem| problem.about(self.to_string()))
    }
}

/// Why a socket or pipe cannot be used, in the three ways that matter: not allowed, nobody there, something else.
fn unreachable(place: &std::path::Path, error: &std::io::Error) -> Problem {
    let place = place.display();
    match error.kind() {
        ErrorKind::PermissionDenied => {
            Problem::new(&fault::PERMISSION, format!("not allowed to open {place}"))
        }
        ErrorKind::ConnectionRefused => {
            Problem::new(&fault::BGP_DAEMON, format!("nobody listens on {place}: the daemon has died"))
        }
        ErrorKind::NotFound => Problem::new(
            &fault::NO_DATA,
            format!("there is no {place}: the daemon does not run, or its socket lies elsewhere"),
        ),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            Problem::new(&fault::NO_DATA, format!("{place} does not answer: the daemon hangs"))
        }
        _ => Problem::new(&fault::NO_DATA, format!("cannot use {place}: {error}")),
    }
}

/// What is left for one read; the standard library takes no zero.
fn patience(deadline: &Deadline) -> Duration {
    deadline.remaining().max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_names_its_forms() {
        assert_eq!("bird".parse(), Ok(Daemon::Bird("/run/bird/bird.ctl".into())));
        assert_eq!("gobgp:192.0.2.9:50052".parse(), Ok(Daemon::Gobgp("192.0.2.9:50052".to_owned())));
        assert!("quagga".parse::<Daemon>().expect_err("unknown").contains("exabgp[:FOLDER]"));
    }
}
