//! GoBGP's API: the messages of `ListPeer` and `ListPath`, and the frames in which gRPC carries them.
//!
//! Version 3 (seen with 3.10) and version 4 (4.8) use other names and numbers for the same things; what a daemon does not know
//! it refuses, so that a caller can try one and then the other. Sources: `api/*.proto` of both, and recorded answers.

use super::{Condition, Path, Prefix, ROWS_MAX, Roa, Session};
use crate::protobuf::{Writer, all, field, inner, is_whole, packed};

/// All answers to one question together may be so long.
pub const REPLY_MAX: usize = 4 << 20;
/// `SESSION_STATE_ESTABLISHED`.
const ESTABLISHED: u64 = 6;
/// The states of RFC 4271 by their number in the API.
const STATES: [&str; 7] = ["Unknown", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"];
/// Numbers of an AS path that are kept.
const AS_PATH_MAX: usize = 256;

/// The generation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// 3.x: `apipb.GobgpApi`.
    V3,
    /// 4.x: `api.GoBgpService`.
    V4,
}

/// Which table is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table<'a> {
    /// What the daemon knows, the prefix and all its parts.
    Global,
    /// What it sends to this neighbour, the prefix alone.
    Sent(&'a str),
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than [`REPLY_MAX`].
    #[error("GoBGP's answer is longer than {REPLY_MAX} bytes")]
    TooLong,
    /// Compression was not asked for.
    #[error("GoBGP's answer is compressed at byte {0}")]
    Compressed(usize),
    /// The last message is cut, or one is no protobuf.
    #[error("GoBGP's answer is broken at byte {0}")]
    Broken(usize),
}

impl Api {
    /// The path of a method for `POST`.
    pub const fn path(self, method: Method) -> &'static str {
        match (self, method) {
            (Self::V3, Method::ListPeer) => "/apipb.GobgpApi/ListPeer",
            (Self::V3, Method::ListPath) => "/apipb.GobgpApi/ListPath",
            (Self::V4, Method::ListPeer) => "/api.GoBgpService/ListPeer",
            (Self::V4, Method::ListPath) => "/api.GoBgpService/ListPath",
        }
    }

    /// The question for the paths to `prefix`. A daemon of the other generation answers with an error or with nothing.
    pub fn paths(self, table: Table, prefix: Prefix) -> Vec<u8> {
        // Version 4 keeps 0 for "not said" and counts everything else from 1.
        let shift = u64::from(self == Self::V4);
        let (kind, neighbor, lookup) = match table {
            Table::Global => (0, "", 1),
            Table::Sent(neighbor) => (3, neighbor, 0),
        };
        let family = Writer::default().number(1, if prefix.address().is_ipv4() { 1 } else { 2 }).number(2, 1);
        let wanted = Writer::default().bytes(1, prefix.to_string().as_bytes()).number(2, lookup + shift);
        Writer::default()
            .number(1, kind + shift)
            .bytes(2, neighbor.as_bytes())
            .bytes(3, &family.finish())
            .bytes(4, &wanted.finish())
            .finish()
    }

    /// The paths in the answers to [`paths`](Self::paths), with what the daemon's authorisations say; `None` when it has none.
    /// Routes of the daemon's own come from `own`. Paths that its policies keep back are left out.
    pub fn destinations(self, answers: &[&[u8]], own: &str) -> Vec<(Path, Option<Roa>)> {
        let mut paths = Vec::new();
        for answer in answers {
            let destination = field(answer, 1).bytes();
            let Ok(prefix) = field(destination, 1).text().parse::<Prefix>() else { continue };
            let kept = all(destination, 2).map(crate::protobuf::Value::bytes);
            let kept = kept.filter(|path| field(path, 12).number() == 0);
            paths.extend(
                kept.take(ROWS_MAX - paths.len()).map(|path| (self.one(prefix, path, own), self.roa(path))),
            );
        }
        paths
    }

    fn one(self, prefix: Prefix, path: &[u8], own: &str) -> Path {
        let mut as_path = Vec::new();
        for attribute in all(path, 2) {
            let attribute = attribute.bytes();
            // Version 3 wraps attributes into `Any`, version 4 into a `oneof` in which AS_PATH is number 3.
            let value = match self {
                Self::V3 if field(attribute, 1).text().ends_with(".AsPathAttribute") => field(attribute, 2),
                Self::V3 => continue,
                Self::V4 => field(attribute, 3),
            };
            for segment in all(value.bytes(), 1) {
                for numbers in all(segment.bytes(), 2) {
                    as_path.extend(packed(numbers.bytes()).filter_map(|n| u32::try_from(n).ok()));
                    as_path.truncate(AS_PATH_MAX);
                }
            }
        }
        // Version 3 prints the address of nobody as Go does.
        let from = field(path, 15).text();
        let condition = match (field(path, 13).number(), field(path, 17).number()) {
            (0, 0) => Condition::Valid,
            (0, _) => Condition::Invalid,
            _ => Condition::Stale,
        };
        Path {
            prefix,
            from: if matches!(from, "" | "<nil>") { own } else { from }.to_owned(),
            as_path,
            best: field(path, 4).number() != 0,
            condition,
        }
    }

    /// The validation: none without a cache.
    fn roa(self, path: &[u8]) -> Option<Roa> {
        let state = inner(path, &[7, 1]).number();
        match if self == Self::V4 { state.checked_sub(1)? } else { state } {
            1 => Some(Roa::Unknown),
            2 => Some(Roa::Valid),
            3 => Some(Roa::Invalid),
            _ => None,
        }
    }
}

/// A method that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// All neighbours. The question is empty.
    ListPeer,
    /// Paths of a table.
    ListPath,
}

/// A question in gRPC's frame: no compression, the length, the message.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// The messages in all that came as answer.
///
/// # Errors
/// The stream is cut or no gRPC.
pub fn messages(stream: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let (mut rest, mut messages) = (stream, Vec::new());
    while !rest.is_empty() {
        let at = stream.len() - rest.len();
        if rest[0] != 0 {
            return Err(Error::Compressed(at));
        }
        let length = rest.get(1..5).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
        let message = length.and_then(|length| rest[5..].split_at_checked(usize::try_from(length).ok()?));
        let (message, after) = message.filter(|(message, _)| is_whole(message)).ok_or(Error::Broken(at))?;
        messages.push(message);
        rest = after;
    }
    Ok(messages)
}

/// The sessions in the answers to `ListPeer`; both generations number them alike.
pub fn sessions(answers: &[&[u8]]) -> Vec<Session> {
    answers.iter().take(ROWS_MAX).map(|answer| session(field(answer, 1).bytes())).collect()
}

fn session(peer: &[u8]) -> Session {
    let state = field(peer, 5).bytes();
    let name = match field(state, 5).text() {
        "" => inner(peer, &[2, 4]).text(),
        name => name,
    };
    let number = field(state, 13).number();
    let mut families = [false; 2];
    for family in all(peer, 10) {
        match [1, 2].map(|n| inner(family.bytes(), &[2, 1, n]).number()) {
            [1, 1] => families[0] = true,
            [2, 1] => families[1] = true,
            _ => {}
        }
    }
    Session {
        name: name.to_owned(),
        neighbor: name.split('%').next().and_then(|ip| ip.parse().ok()),
        established: number == ESTABLISHED,
        state: usize::try_from(number).ok().and_then(|n| STATES.get(n)).unwrap_or(&"Unknown").to_string(),
        families,
        hold_time: u32::try_from(inner(peer, &[6, 2, 5]).number()).ok().filter(|seconds| *seconds > 0),
        drops: Some(field(state, 17).number()),
        restarting: inner(peer, &[9, 9]).number() != 0,
        bfd: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    macro_rules! recorded {
        ($name:literal) => {
            messages(include_bytes!(concat!("../../testdata/gobgp/", $name, ".bin"))).expect("an answer")
        };
    }

    #[test]
    fn sessions_of_both_generations() {
        for answers in [recorded!("3.10-peers"), recorded!("4.8-peers")] {
            let sessions = sessions(&answers);
            let up = Session {
                name: "127.0.0.2".to_owned(),
                neighbor: Some("127.0.0.2".parse().expect("ip")),
                established: true,
                state: "Established".to_owned(),
                families: [true, true],
                hold_time: Some(9),
                drops: Some(0),
                restarting: false,
                bfd: None,
            };
            assert_eq!(sessions[0], up);
            assert_eq!((sessions[1].state.as_str(), sessions[1].families), ("Active", [true, false]));
            assert_eq!((sessions.len(), sessions[1].hold_time), (2, None));
        }
    }

    #[test]
    fn a_restarting_neighbour_is_told_by_version_4_only() {
        let seen = [recorded!("3.10-peers-restarting"), recorded!("4.8-peers-restarting")];
        let [three, four] = seen.map(|answers| sessions(&answers).remove(0));
        assert!(!three.established && !four.established && four.restarting);
        assert!(!three.restarting, "if it learns to tell, the pages must say so");
    }

    #[test]
    fn the_table_with_authorisations() {
        for (api, answers) in [(Api::V3, recorded!("3.10-rib-roa")), (Api::V4, recorded!("4.8-rib-roa"))] {
            let seen = api.destinations(&answers, "own");
            let seen: Vec<_> = seen
                .iter()
                .map(|(p, roa)| (p.prefix.to_string(), p.from.as_str(), p.as_path.as_slice(), p.best, *roa))
                .collect();
            let whole = || "192.0.2.0/24".to_owned();
            assert_eq!(
                seen,
                [
                    (whole(), "own", &[][..], true, Some(Roa::Invalid)),
                    (whole(), "127.0.0.2", &[64500], false, Some(Roa::Valid)),
                    ("192.0.2.0/25".to_owned(), "127.0.0.2", &[64500], true, Some(Roa::Invalid)),
                ]
            );
        }
    }

    #[test]
    fn paths_kept_from_before_a_restart_are_stale() {
        for (api, answers) in [(Api::V3, recorded!("3.10-rib-stale")), (Api::V4, recorded!("4.8-rib-stale"))]
        {
            let seen = api.destinations(&answers, "own");
            let stale: Vec<bool> = seen.iter().map(|(p, _)| p.condition == Condition::Stale).collect();
            assert_eq!(stale, [false, true, true]);
        }
    }

    #[test]
    fn what_is_sent_carries_the_own_number() {
        for (api, answers) in [(Api::V3, recorded!("3.10-adj-out")), (Api::V4, recorded!("4.8-adj-out"))] {
            let seen = api.destinations(&answers, "own");
            assert_eq!((seen.len(), seen[0].0.as_path.as_slice()), (1, &[64511][..]));
        }
    }

    /// As the recording client sent it and both daemons answered it.
    #[test]
    fn questions_are_those_that_were_recorded() {
        let prefix: Prefix = "192.0.2.0/24".parse().expect("prefix");
        let four = Api::V4.paths(Table::Sent("127.0.0.2"), prefix);
        assert_eq!(
            four,
            b"\x08\x04\x12\x09127.0.0.2\x1a\x04\x08\x01\x10\x01\x22\x10\x0a\x0c192.0.2.0/24\x10\x01"
        );
        let three = Api::V3.paths(Table::Sent("127.0.0.2"), prefix);
        assert_eq!(three, b"\x08\x03\x12\x09127.0.0.2\x1a\x04\x08\x01\x10\x01\x22\x0e\x0a\x0c192.0.2.0/24");
    }

    #[test]
    fn a_stream_that_is_cut_or_compressed_is_refused() {
        let whole = include_bytes!("../../testdata/gobgp/4.8-adj-out.bin");
        assert_eq!(messages(&whole[..whole.len() - 1]), Err(Error::Broken(0)));
        assert_eq!(messages(b"\x01\0\0\0\0"), Err(Error::Compressed(0)));
        assert_eq!(messages(&[frame(b"\x08\x01"), frame(b"\xff")].concat()), Err(Error::Broken(7)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(at in 0_usize..900, byte in any::<u8>()) {
            let mut bytes = include_bytes!("../../testdata/gobgp/3.10-rib-roa.bin").to_vec();
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            if let Ok(answers) = messages(&bytes) {
                let _ = (sessions(&answers), Api::V3.destinations(&answers, ""), Api::V4.destinations(&answers, ""));
            }
        }
    }
}
