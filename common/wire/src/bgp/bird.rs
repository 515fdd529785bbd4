//! BIRD's control socket, versions 2 and 3.
//!
//! A reply is lines of `CODE-text` (more follow), `CODE text` (the last), ` text` (as the line before) or `+text` (an
//! asynchronous print). Many codes can end a reply (`0000`, `0013`, `8001`, `9001` ...), so only the blank behind the
//! code tells the end (BIRD's `doc/reply_codes`; seen with 2.0.12 and 3.4.0).

use std::net::IpAddr;

use super::{Condition, Path, Prefix, ROWS_MAX, Roa, Session};

/// A reply grows up to here.
pub const REPLY_MAX: usize = 4 << 20;

/// One reply, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Each line with its code; the last one ends the reply.
    pub lines: Vec<(u16, String)>,
}

impl Reply {
    /// The code that ended it.
    pub fn code(&self) -> u16 {
        self.lines.last().map_or(0, |(code, _)| *code)
    }

    /// The text of the line that ended it.
    pub fn last(&self) -> &str {
        self.lines.last().map_or("", |(_, text)| text)
    }

    /// Whether the daemon refused: 8xxx at run time, 9xxx while reading the command.
    pub fn failed(&self) -> bool {
        self.code() >= 8000
    }
}

/// Why bytes are no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line without a code where one must be.
    #[error("line {0} of BIRD's reply has no code: `{1}`")]
    NoCode(usize, String),
    /// More than [`REPLY_MAX`].
    #[error("BIRD's reply is longer than {REPLY_MAX} bytes")]
    TooLong,
}

/// Gathers one reply after the other from a stream of bytes.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    rest: Vec<u8>,
    reply: Reply,
    size: usize,
}

impl Decoder {
    /// Takes what has come; gives a reply when it is whole.
    ///
    /// # Errors
    /// The stream is not BIRD's, or has no end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Reply>, Error> {
        self.rest.extend_from_slice(bytes);
        let mut done = 0;
        let mut whole = None;
        while let Some(length) = self.rest[done..].iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[done..done + length]).into_owned();
            done += length + 1;
            self.size += length + 1;
            if self.line(&line)? {
                self.size = 0;
                whole = Some(std::mem::take(&mut self.reply));
                break;
            }
        }
        self.rest.drain(..done);
        if self.size + self.rest.len() > REPLY_MAX {
            return Err(Error::TooLong);
        }
        Ok(whole)
    }

    /// Whether `line` ends the reply.
    fn line(&mut self, line: &str) -> Result<bool, Error> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.starts_with('+') {
            return Ok(false);
        }
        if let (Some(text), Some((code, _))) = (line.strip_prefix(' '), self.reply.lines.last()) {
            let code = *code;
            self.reply.lines.push((code, text.to_owned()));
            return Ok(false);
        }
        let code =
            line.get(..4).filter(|c| c.bytes().all(|b| b.is_ascii_digit())).and_then(|c| c.parse().ok());
        let (Some(code), Some(mark)) = (code, line.as_bytes().get(4)) else {
            return Err(Error::NoCode(self.reply.lines.len() + 1, line.chars().take(60).collect()));
        };
        // The fifth byte may begin a character of more bytes when the stream is not BIRD's.
        self.reply.lines.push((code, line.get(5..).unwrap_or_default().to_owned()));
        Ok(*mark == b' ')
    }
}

/// The BGP sessions in the reply to `show protocols all`.
pub fn sessions(reply: &Reply) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    let mut bgp = false;
    for (code, text) in &reply.lines {
        // Rows of 1002 are `name proto table state since info`; "since" is one word or two, so words are counted from the left only.
        let mut words = text.split_whitespace();
        if *code == 1002 {
            let (name, proto) = (words.next(), words.next());
            bgp = proto == Some("BGP") && sessions.len() < ROWS_MAX;
            if let (true, Some(name)) = (bgp, name) {
                let state = words.nth(1).unwrap_or_default().to_owned();
                sessions.push(Session { name: name.to_owned(), state, ..Session::default() });
            }
        } else if let (true, 1006, Some(session)) = (bgp, *code, sessions.last_mut()) {
            detail(session, text.trim());
        }
    }
    sessions
}

fn detail(session: &mut Session, line: &str) {
    match line {
        "Neighbor graceful restart active" => session.restarting = true,
        "Channel ipv4" => session.families[0] = true,
        "Channel ipv6" => session.families[1] = true,
        _ => {}
    }
    let Some((key, value)) = line.split_once(':') else { return };
    let value = value.trim();
    match key {
        "BGP state" => {
            value.clone_into(&mut session.state);
            session.established = value == "Established";
        }
        // `fe80::1%eth0` names an interface too.
        "Neighbor address" => session.neighbor = value.split('%').next().and_then(|ip| ip.parse().ok()),
        "Hold timer" => session.hold_time = value.rsplit('/').next().and_then(|s| s.parse().ok()),
        _ => {}
    }
}

/// The paths in the reply to `show route ... all`: rows `net dest [proto since] * (preference) [AS]`, an empty net meaning the
/// one before, each with the attributes that follow it.
pub fn paths(reply: &Reply) -> Vec<Path> {
    let mut paths: Vec<Path> = Vec::new();
    let mut net = None;
    for (code, text) in &reply.lines {
        if *code >= 1008 || *code < 1007 || text.starts_with('\t') {
            if let Some(path) = paths.last_mut() {
                attribute(path, text.trim());
            }
            continue;
        }
        if !text.starts_with(' ') {
            // Other rows (`Table master4:`, those of ROA tables) end the net before them.
            net = text.split_whitespace().next().and_then(|word| word.parse::<Prefix>().ok());
        }
        let (Some(prefix), Some((_, rest))) = (net, text.split_once('[')) else { continue };
        if paths.len() >= ROWS_MAX {
            break;
        }
        let (source, rest) = rest.split_once(']').unwrap_or((rest, ""));
        let mark = rest.split_whitespace().next().unwrap_or_default();
        paths.push(Path {
            prefix,
            from: source.split_whitespace().next().unwrap_or_default().to_owned(),
            as_path: Vec::new(),
            best: mark.starts_with(['*', '!']),
            condition: if mark.starts_with('!') { Condition::Refused } else { Condition::Valid },
        });
    }
    paths
}

fn attribute(path: &mut Path, line: &str) {
    let Some((key, value)) = line.split_once(':') else { return };
    match key {
        // Version 3 writes `bgp_path` unless `v2 attributes` is configured.
        "BGP.as_path" | "bgp_path" => path.as_path = as_path(value),
        // RFC 9494: routes kept for long after a restart carry LLGR_STALE (65535,6).
        "BGP.community" | "bgp_community"
            if value.contains("(65535,6)") || value.contains("(llgr_stale)") =>
        {
            path.condition = Condition::Stale;
        }
        _ => {}
    }
}

/// Sets (`{1 2}`) count as their members: the last number is what origin checks look at.
fn as_path(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).take(256).collect()
}

/// The answer to `eval roa_check(table, prefix, AS)`: `0023 (enum 35)2` or, in version 3, `ROA_INVALID` (`nest/route.h`).
pub fn roa(reply: &Reply) -> Option<Roa> {
    let text = reply.last().trim();
    if reply.code() != 23 {
        return None;
    }
    match text.rsplit(')').next()?.trim() {
        "0" | "ROA_UNKNOWN" => Some(Roa::Unknown),
        "1" | "ROA_VALID" => Some(Roa::Valid),
        "2" | "ROA_INVALID" => Some(Roa::Invalid),
        _ => None,
    }
}

/// Whether a word can stand in a command: protocol names are symbols or quoted, and nothing else may reach the socket.
pub fn is_symbol(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

/// The command that asks whether `session` really sends `prefix` (`exported`, not `export`, which only asks the filter).
pub fn exported(prefix: Prefix, session: &str) -> String {
    format!("show route {prefix} exported '{session}'\n")
}

/// The command for the best way to `address`.
pub fn towards(address: IpAddr) -> String {
    format!("show route for {address} primary\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(bytes: &[u8]) -> Reply {
        Decoder::default().push(bytes).expect("a reply of BIRD").expect("a whole reply")
    }

    #[test]
    fn a_session_that_is_up() {
        let sessions = sessions(&reply(include_bytes!("../../testdata/bird/2.0-session-up.txt")));
        assert_eq!(
            sessions,
            [Session {
                name: "rtr4".to_owned(),
                neighbor: Some("10.0.1.1".parse().expect("ip")),
                established: true,
                state: "Established".to_owned(),
                families: [true, false],
                hold_time: Some(9),
                drops: None,
                restarting: false,
                bfd: None,
            }]
        );
    }

    #[test]
    fn a_disabled_session_is_not_established() {
        let sessions = sessions(&reply(include_bytes!("../../testdata/bird/2.0-session-down.txt")));
        assert_eq!((sessions[0].established, sessions[0].state.as_str()), (false, "Down"));
    }

    #[test]
    fn a_restarting_neighbour_is_seen() {
        let sessions = sessions(&reply(include_bytes!("../../testdata/bird/2.0-neighbour-restarting.txt")));
        assert!(sessions[0].restarting && !sessions[0].established && sessions[0].state == "Active");
    }

    #[test]
    fn exported_and_not() {
        let exported = reply(include_bytes!("../../testdata/bird/2.0-exported.txt"));
        assert_eq!(paths(&exported).len(), 1);
        assert_eq!(paths(&exported)[0].from, "anycast4");
        for (bytes, code) in [
            (&include_bytes!("../../testdata/bird/2.0-not-exported.txt")[..], 8001),
            (include_bytes!("../../testdata/bird/2.0-no-valid-tables.txt"), 9001),
        ] {
            let reply = reply(bytes);
            assert_eq!((reply.code(), reply.failed(), paths(&reply).len()), (code, true, 0));
        }
    }

    #[test]
    fn a_route_that_the_kernel_refused_is_marked() {
        let paths = paths(&reply(include_bytes!("../../testdata/bird/2.0-kernel-refused.txt")));
        let refused: Vec<String> = paths
            .iter()
            .filter(|p| p.condition == Condition::Refused)
            .map(|p| p.prefix.to_string())
            .collect();
        assert_eq!(refused, ["2001:db8:103::/64", "2001:db8:102::/64", "2001:db8:c::/64"]);
        assert_eq!(paths.len(), 6);
    }

    #[test]
    fn a_hijack_shows_both_the_part_and_the_spoofed_origin() {
        let paths = paths(&reply(include_bytes!("../../testdata/bird/2.0-hijacked.txt")));
        let seen: Vec<(String, &str, &[u32])> =
            paths.iter().map(|p| (p.prefix.to_string(), p.from.as_str(), &p.as_path[..])).collect();
        assert_eq!(
            seen,
            [
                ("192.0.2.0/25".to_owned(), "bad4", &[64666][..]),
                ("192.0.2.0/24".to_owned(), "wix4", &[64511]),
                ("192.0.2.0/24".to_owned(), "ape4", &[64511, 64511]),
                ("192.0.2.0/24".to_owned(), "tr4", &[64501, 64511]),
                ("192.0.2.0/24".to_owned(), "bad4", &[64666, 64511]),
            ]
        );
        assert_eq!(paths[4].origin(), Some(64511));
    }

    #[test]
    fn roa_states_of_both_versions() {
        assert_eq!(
            roa(&reply(include_bytes!("../../testdata/bird/2.0-roa-invalid.txt"))),
            Some(Roa::Invalid)
        );
        assert_eq!(roa(&reply(b"0023 ROA_VALID\n")), Some(Roa::Valid));
        assert_eq!(roa(&reply(b"9001 syntax error\n")), None);
    }

    #[test]
    fn any_code_with_a_blank_ends_a_reply() {
        let reply = reply(include_bytes!("../../testdata/bird/2.0-configure-check.txt"));
        assert_eq!((reply.code(), reply.last()), (20, "Configuration OK"));
    }

    #[test]
    fn a_reply_without_an_end_is_refused() {
        let mut decoder = Decoder::default();
        let line = [b"1007-".as_slice(), &[b'x'; 1000], b"\n"].concat();
        assert!((0..10_000).any(|_| decoder.push(&line) == Err(Error::TooLong)));
        assert!(matches!(Decoder::default().push(b"HTTP/1.1 400 Bad Request\n"), Err(Error::NoCode(1, _))));
    }

    #[test]
    fn only_symbols_reach_the_socket() {
        assert!(is_symbol("rtr4") && !is_symbol("x\nconfigure") && !is_symbol("a'b") && !is_symbol(""));
    }

    proptest! {
        #[test]
        fn the_split_of_the_stream_does_not_matter(at in 0_usize..1900) {
            let bytes = include_bytes!("../../testdata/bird/2.0-hijacked.txt");
            let at = at.min(bytes.len());
            let mut decoder = Decoder::default();
            let first = decoder.push(&bytes[..at]).expect("BIRD");
            let whole = first.or(decoder.push(&bytes[at..]).expect("BIRD"));
            prop_assert_eq!(whole, Some(reply(bytes)));
        }

        #[test]
        fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(Some(reply)) = Decoder::default().push(&bytes) {
                let _ = (sessions(&reply), paths(&reply), roa(&reply));
            }
        }
    }
}
