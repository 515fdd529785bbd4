//! FRR: the framing of its vty sockets and the JSON of bgpd and zebra, versions 8.4 to 10.7.
//!
//! A command is text and a NUL; a reply is text, three NULs and a status byte (lib/vty.c): 0 is well, 1 a warning, 2 an unknown command.

use std::net::IpAddr;

use serde_json::Value;

use super::{Condition, Path, Prefix, ROWS_MAX, Roa, Session};

/// A reply grows up to here.
pub const REPLY_MAX: usize = 4 << 20;

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The daemon refused the command; its words.
    #[error("FRR answers with status {0}: {1}")]
    Refused(u8, String),
    /// What should be JSON is not.
    #[error("FRR's answer is no JSON: {0}")]
    Json(String),
    /// More than [`REPLY_MAX`].
    #[error("FRR's answer is longer than {REPLY_MAX} bytes")]
    TooLong,
}

/// The bytes of a command.
pub fn command(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// The text of a whole reply; `None` while more must come.
///
/// # Errors
/// A status that is not 0, or a reply that is too long.
pub fn reply(bytes: &[u8]) -> Result<Option<String>, Error> {
    // Only the end can tell: a status of 2 without the three NULs before it would be text.
    match bytes {
        // Status 1 is a warning beside an answer: zebra gives it with `{}` for a prefix without a route.
        [text @ .., 0, 0, 0, 0 | 1] => Ok(Some(String::from_utf8_lossy(text).into_owned())),
        [text @ .., 0, 0, 0, status] => {
            Err(Error::Refused(*status, String::from_utf8_lossy(text).trim().chars().take(200).collect()))
        }
        _ if bytes.len() > REPLY_MAX => Err(Error::TooLong),
        _ => Ok(None),
    }
}

/// A reply as JSON.
///
/// # Errors
/// It is none: bgpd prints `% ...` texts with status 0 for some mistakes.
pub fn json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::Json(format!("{error}; it begins `{}`", text.trim().chars().take(60).collect::<String>()))
    })
}

/// The sessions in `show bgp ipv4|ipv6 unicast summary json`, all of that family.
pub fn sessions(summary: &Value, ipv6: bool) -> Vec<Session> {
    let peers = summary["peers"].as_object();
    let session = |(name, peer): (&String, &Value)| Session {
        name: name.clone(),
        neighbor: name.parse().ok(),
        established: peer["state"] == "Established",
        state: peer["state"].as_str().unwrap_or_default().to_owned(),
        families: [!ipv6, ipv6],
        drops: peer["connectionsDropped"].as_u64(),
        ..Session::default()
    };
    peers.into_iter().flatten().take(ROWS_MAX).map(session).collect()
}

/// Adds what only `show bgp neighbors ADDRESS json` knows: hold time, graceful restart, BFD.
pub fn neighbor_detail(session: &mut Session, neighbors: &Value) {
    let neighbor = &neighbors[&session.name];
    session.hold_time =
        neighbor["bgpTimerHoldTimeMsecs"].as_u64().and_then(|ms| u32::try_from(ms / 1000).ok());
    session.bfd = Some(neighbor.get("peerBfdInfo").is_some());
    // While the neighbour restarts bgpd shows the restart timer that runs.
    session.restarting = neighbor["gracefulRestartInfo"]["timers"].get("restartTimerRemaining").is_some()
        || neighbor["gracefulRestartInfo"]["timers"].get("remainingGrRestartTimer").is_some();
}

/// Whether `show bgp ... PREFIX json` says that the prefix is really sent to `peer`: named under `advertisedTo`, and a path that
/// is valid and not being removed. Right after `no network` the JSON still holds `advertisedTo` and `bestpath`.
pub fn advertised(prefix: &Value, peer: &str) -> bool {
    prefix["advertisedTo"].get(peer).is_some()
        && paths(prefix, "").iter().any(|path| path.best && path.condition == Condition::Valid)
}

/// The paths in `show bgp ... PREFIX json` (`prefix` and `paths`) or `... longer-prefixes json` (`routes`). Routes of the
/// daemon's own come from `own`.
pub fn paths(value: &Value, own: &str) -> Vec<Path> {
    let mut all = Vec::new();
    let one = value["prefix"].as_str().map(|prefix| (prefix, &value["paths"]));
    let many =
        value["routes"].as_object().into_iter().flatten().map(|(prefix, paths)| (prefix.as_str(), paths));
    for (prefix, paths) in one.into_iter().chain(many) {
        let Ok(prefix) = prefix.parse::<Prefix>() else { continue };
        for path in paths.as_array().into_iter().flatten() {
            if all.len() < ROWS_MAX {
                all.push(self::path(prefix, path, own));
            }
        }
    }
    all
}

fn path(prefix: Prefix, path: &Value, own: &str) -> Path {
    let truth = |key: &str| path[key].as_bool().unwrap_or(false);
    let text = path["aspath"]["string"].as_str().or_else(|| path["path"].as_str()).unwrap_or_default();
    let peer = path["peer"]["peerId"].as_str().or_else(|| path["peerId"].as_str()).unwrap_or_default();
    let local = peer.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) || peer == "(unspec)";
    Path {
        prefix,
        from: if local { own.to_owned() } else { peer.to_owned() },
        as_path: text
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .take(256)
            .collect(),
        // `bestpath` is an object for one prefix and a truth for many.
        best: path["bestpath"]["overall"].as_bool().or_else(|| path["bestpath"].as_bool()).unwrap_or(false),
        condition: if !truth("valid") || truth("removed") {
            Condition::Invalid
        } else if truth("stale") {
            Condition::Stale
        } else {
            Condition::Valid
        },
    }
}

/// What the authorisations say about the path from `peer` in `show bgp ... PREFIX json`; bgpd shows it when it has an RPKI
/// cache (`rpkiValidationState`).
pub fn roa(prefix: &Value, peer: &str) -> Option<Roa> {
    let mut paths = prefix["paths"].as_array().into_iter().flatten();
    let path = paths.find(|path| path["peer"]["peerId"] == peer)?;
    match path["rpkiValidationState"].as_str()? {
        "valid" => Some(Roa::Valid),
        "invalid" => Some(Roa::Invalid),
        "not found" | "notfound" => Some(Roa::Unknown),
        _ => None,
    }
}

/// Whether zebra's `show ip route PREFIX json` has a selected route that is not in the kernel.
pub fn refused(zebra: &Value) -> bool {
    zebra.as_object().into_iter().flatten().filter_map(|(_, routes)| routes.as_array()).flatten().any(
        |route| {
            route["selected"] == true
                && route["installed"] != true
                && route["protocol"] != "connected"
                && route["protocol"] != "local"
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(text: &str) -> Value {
        json(text).expect("JSON")
    }

    #[test]
    fn a_reply_ends_with_its_status() {
        let whole = include_bytes!("../../testdata/frr/8.4-summary-reply.bin");
        let text = reply(whole).expect("status 0").expect("whole");
        assert_eq!(reply(&whole[..whole.len() - 1]), Ok(None));
        assert!(sessions(&load(&text), false)[0].established);
        let refused = reply(include_bytes!("../../testdata/frr/8.4-unknown-command.bin"));
        assert_eq!(refused, Err(Error::Refused(2, "% [BGP] Unknown command: show bgp nosuch".to_owned())));
    }

    #[test]
    fn a_session_and_its_details() {
        let mut session =
            sessions(&load(include_str!("../../testdata/frr/8.4-summary.json")), false).remove(0);
        neighbor_detail(&mut session, &load(include_str!("../../testdata/frr/8.4-neighbour.json")));
        assert_eq!((session.name.as_str(), session.hold_time, session.drops), ("10.0.2.1", Some(9), Some(0)));
        assert!(session.established && !session.restarting && session.bfd == Some(false));
        let shut = &sessions(&load(include_str!("../../testdata/frr/8.4-peer-shut.json")), false)[0];
        assert_eq!((shut.established, shut.state.as_str(), shut.drops), (false, "Idle (Admin)", Some(1)));
    }

    #[test]
    fn advertised_is_more_than_the_word() {
        let announced = load(include_str!("../../testdata/frr/8.4-announced.json"));
        assert!(advertised(&announced, "10.0.2.1") && !advertised(&announced, "10.0.2.9"));
        assert!(advertised(
            &load(include_str!("../../testdata/frr/8.4-announced-v6.json")),
            "2001:db8:102::1"
        ));
        let removed = load(include_str!("../../testdata/frr/8.4-removed.json"));
        assert!(removed["advertisedTo"].get("10.0.2.1").is_some(), "the trap");
        assert!(!advertised(&removed, "10.0.2.1"));
        assert!(!advertised(&load("{}"), "10.0.2.1"));
    }

    #[test]
    fn what_a_restarting_neighbour_leaves() {
        for (neighbour, paths) in [
            (
                include_str!("../../testdata/frr/8.4-neighbour-restarting.json"),
                include_str!("../../testdata/frr/8.4-stale-paths.json"),
            ),
            (
                include_str!("../../testdata/frr/10.7-neighbour-restarting.json"),
                include_str!("../../testdata/frr/10.7-stale-paths.json"),
            ),
        ] {
            let mut session = Session { name: "10.0.1.1".to_owned(), ..Session::default() };
            neighbor_detail(&mut session, &load(neighbour));
            assert!(session.restarting);
            let kept = self::paths(&load(paths), "own").remove(0);
            assert_eq!(
                (kept.condition, kept.from.as_str(), kept.as_path),
                (Condition::Stale, "10.0.1.1", vec![64500])
            );
        }
    }

    #[test]
    fn an_authorisation_that_forbids_is_told() {
        for text in [
            include_str!("../../testdata/frr/8.4-roa-invalid.json"),
            include_str!("../../testdata/frr/10.7-roa-invalid.json"),
        ] {
            assert_eq!(roa(&load(text), "10.0.1.1"), Some(Roa::Invalid));
            assert_eq!(roa(&load(text), "10.0.1.9"), None);
        }
    }

    #[test]
    fn a_route_outside_the_kernel_is_refused() {
        let zebra = load(include_str!("../../testdata/frr/8.4-zebra-route.json"));
        assert!(!refused(&zebra));
        let mut lost = zebra;
        lost["192.0.2.0/24"][0]["installed"] = false.into();
        assert!(refused(&lost));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = reply(&bytes);
        }

        #[test]
        fn json_of_another_shape_is_no_session(text in "\\{\"(peers|paths|routes|prefix)\":(\\[1\\]|\\{\"a\":1\\}|\"x\"|null)\\}") {
            let value = load(&text);
            let _ = (sessions(&value, true), paths(&value, "own"), refused(&value), advertised(&value, "a"));
        }
    }
}
