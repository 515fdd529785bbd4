//! ExaBGP: the text answers of its API, each ended by `done` or `error` (4.2).

use super::{Condition, Path, Prefix, ROWS_MAX, Session};

/// An answer grows up to here.
pub const REPLY_MAX: usize = 1 << 20;

/// The lines of a whole answer before its `done`; `None` while more must come; `Err` when it ended with `error`.
///
/// # Errors
/// The daemon refused the command; the reason stands in its log only.
pub fn reply(text: &str) -> Result<Option<Vec<&str>>, Refused> {
    let lines: Vec<&str> = text.lines().collect();
    match lines.iter().position(|line| matches!(line.trim(), "done" | "error")) {
        Some(end) if lines[end].trim() == "error" => Err(Refused),
        Some(end) => Ok(Some(lines[..end].to_vec())),
        None => Ok(None),
    }
}

/// ExaBGP answered `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ExaBGP refuses the command; its log says why")]
pub struct Refused;

/// The sessions in `show neighbor summary`: peer, AS, up time or `down`, state, counters.
pub fn sessions(lines: &[&str]) -> Vec<Session> {
    let session = |line: &&str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let neighbor: std::net::IpAddr = name.parse().ok()?;
        let state = words.nth(2)?.to_owned();
        Some(Session {
            name: name.to_owned(),
            neighbor: Some(neighbor),
            established: state == "established",
            state,
            // The summary does not say; a session mostly carries the family that it runs over.
            families: [neighbor.is_ipv4(), neighbor.is_ipv6()],
            ..Session::default()
        })
    };
    lines.iter().filter_map(session).take(ROWS_MAX).collect()
}

/// The routes in `show adj-rib out`: `neighbor ADDRESS ipv4 unicast PREFIX next-hop self`. `from` is the neighbour that they are sent to.
pub fn sent(lines: &[&str]) -> Vec<Path> {
    let path = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["neighbor", to, ..] = words[..] else { return None };
        let unicast = words.iter().position(|word| *word == "unicast")?;
        Some(Path {
            prefix: words.get(unicast + 1)?.parse::<Prefix>().ok()?,
            from: to.to_owned(),
            as_path: Vec::new(),
            best: true,
            condition: Condition::Valid,
        })
    };
    lines.iter().filter_map(path).take(ROWS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = include_str!("../../testdata/exabgp/4.2-neighbor-summary.txt");
    const SENT: &str = include_str!("../../testdata/exabgp/4.2-adj-rib-out.txt");

    #[test]
    fn the_session_and_what_is_sent_on_it() {
        let lines = reply(SUMMARY).expect("done").expect("whole");
        let sessions = sessions(&lines);
        assert_eq!(
            (sessions.len(), sessions[0].name.as_str(), sessions[0].established),
            (1, "10.0.9.1", true)
        );
        let lines = reply(SENT).expect("done").expect("whole");
        let sent = sent(&lines);
        assert_eq!(
            (sent[0].from.as_str(), sent[0].prefix.to_string().as_str()),
            ("10.0.9.1", "192.0.2.0/25")
        );
    }

    #[test]
    fn an_answer_without_its_end_is_not_whole() {
        assert_eq!(reply("neighbor 10.0.9.1"), Ok(None));
        assert_eq!(reply("error\n"), Err(Refused));
    }
}
