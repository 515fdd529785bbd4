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

/// The sessions in `show neighbor configuration`, with the states of `show neighbor summary`, which names only those that
/// are established: neighbour, AS, time, state, counters.
pub fn sessions(configuration: &[&str], summary: &[&str]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for line in configuration {
        let full = sessions.len() >= ROWS_MAX;
        let words: Vec<&str> = line.trim().trim_end_matches(';').split(' ').collect();
        match (&words[..], sessions.last_mut()) {
            (["neighbor", name, "{"], _) if !full => {
                let mut session =
                    Session { name: (*name).to_owned(), neighbor: name.parse().ok(), ..Session::default() };
                "down".clone_into(&mut session.state);
                sessions.push(session);
            }
            (["ipv4", "unicast"], Some(session)) => session.families[0] = true,
            (["ipv6", "unicast"], Some(session)) => session.families[1] = true,
            (["hold-time", seconds], Some(session)) => session.hold_time = seconds.parse().ok(),
            _ => {}
        }
    }
    for line in summary {
        let mut words = line.split_whitespace();
        let (name, state) = (words.next(), words.nth(2));
        let known = sessions.iter_mut().find(|session| Some(session.name.as_str()) == name);
        if let (Some(session), Some(state)) = (known, state) {
            session.established = state == "established";
            state.clone_into(&mut session.state);
        }
    }
    sessions
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
    const CONFIGURATION: &str = include_str!("../../testdata/exabgp/4.2-neighbor-configuration.txt");
    const SENT: &str = include_str!("../../testdata/exabgp/4.2-adj-rib-out.txt");

    #[test]
    fn the_session_and_what_is_sent_on_it() {
        let lines = |text| reply(text).expect("done").expect("whole");
        let sessions = sessions(&lines(CONFIGURATION), &lines(SUMMARY));
        let seen: Vec<_> =
            sessions.iter().map(|s| (s.name.as_str(), s.families, s.state.as_str(), s.hold_time)).collect();
        let wanted = [
            ("10.0.1.1", [true, false], "established", Some(9)),
            ("2001:db8:101::1", [false, true], "down", Some(9)),
        ];
        assert_eq!(seen, wanted);
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
