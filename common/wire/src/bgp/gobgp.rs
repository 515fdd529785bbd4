//! GoBGP: the JSON of `gobgp -j`, versions 3.10 to 4.8. Keys whose value is zero are left out.

use serde_json::Value;

use super::{Condition, Path, Prefix, ROWS_MAX, Session};

/// `SESSION_STATE` 6 of GoBGP's API.
const ESTABLISHED: u64 = 6;
/// The states of RFC 4271 by their number in the API.
const STATES: [&str; 7] = ["Unknown", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"];

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The daemon or its client refused; their words.
    #[error("gobgp says: {0}")]
    Refused(String),
    /// What should be JSON is not.
    #[error("gobgp's answer is no JSON: {0}")]
    Json(String),
}

/// An answer as JSON.
///
/// # Errors
/// `{"error": ...}`, or text: an unknown sub-command prints its help with exit code 0.
pub fn json(text: &str) -> Result<Value, Error> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Error::Json(format!("{error}; it begins `{}`", text.trim().chars().take(60).collect::<String>()))
    })?;
    match value["error"].as_str() {
        Some(error) => Err(Error::Refused(error.chars().take(200).collect())),
        None => Ok(value),
    }
}

/// The sessions in `gobgp -j neighbor`.
pub fn sessions(neighbors: &Value) -> Vec<Session> {
    neighbors.as_array().into_iter().flatten().take(ROWS_MAX).map(session).collect()
}

fn session(neighbor: &Value) -> Session {
    let state = &neighbor["state"];
    let name = state["neighbor_address"].as_str().or_else(|| neighbor["conf"]["neighbor_address"].as_str());
    let number = state["session_state"].as_u64().unwrap_or(0);
    let word = state["session_state"]
        .as_str()
        .map(|word| word.trim_start_matches("SESSION_STATE_").to_ascii_lowercase());
    let seconds = |value: &Value| value.as_u64().and_then(|s| u32::try_from(s).ok());
    let mut families = [false; 2];
    for family in neighbor["afi_safis"].as_array().into_iter().flatten() {
        match (family["config"]["family"]["afi"].as_u64(), family["config"]["family"]["safi"].as_u64()) {
            (Some(1), Some(1)) => families[0] = true,
            (Some(2), Some(1)) => families[1] = true,
            _ => {}
        }
    }
    Session {
        name: name.unwrap_or_default().to_owned(),
        neighbor: name.and_then(|ip| ip.split('%').next()?.parse().ok()),
        established: number == ESTABLISHED || word.as_deref() == Some("established"),
        state: word.unwrap_or_else(|| {
            (*STATES.get(usize::try_from(number).unwrap_or(0)).unwrap_or(&"Unknown")).to_owned()
        }),
        families,
        hold_time: seconds(&neighbor["timers"]["state"]["negotiated_hold_time"]),
        drops: state["flops"].as_u64(),
        restarting: neighbor["graceful_restart"]["peer_restarting"].as_bool().unwrap_or(false),
        bfd: None,
    }
}

/// The paths in `gobgp -j global rib PREFIX` or `gobgp -j neighbor X adj-out`. Routes of the daemon's own come from `own`.
pub fn paths(rib: &Value, own: &str) -> Vec<Path> {
    let mut all = Vec::new();
    for (prefix, paths) in rib.as_object().into_iter().flatten() {
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
    let mut as_path = Vec::new();
    // Attributes by their type code of RFC 4271; 2 is AS_PATH.
    for attribute in path["attrs"].as_array().into_iter().flatten().filter(|a| a["type"] == 2) {
        for segment in attribute["as_paths"].as_array().into_iter().flatten() {
            let numbers = segment["asns"].as_array().into_iter().flatten();
            as_path.extend(numbers.filter_map(|n| u32::try_from(n.as_u64()?).ok()).take(256));
        }
    }
    Path {
        prefix,
        from: path["neighbor-ip"].as_str().unwrap_or(own).to_owned(),
        as_path,
        best: path["best"].as_bool().unwrap_or(false),
        condition: if path["stale"] == true { Condition::Stale } else { Condition::Valid },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(text: &str) -> Value {
        json(text).expect("JSON")
    }

    #[test]
    fn sessions_of_both_families() {
        let sessions = sessions(&load(include_str!("../../testdata/gobgp/3.10-neighbours.json")));
        let seen: Vec<_> =
            sessions.iter().map(|s| (s.name.as_str(), s.families, s.established, s.hold_time)).collect();
        assert!(seen.contains(&("10.0.4.1", [true, false], true, Some(9))), "{seen:?}");
        assert!(seen.contains(&("2001:db8:104::1", [false, true], true, Some(9))), "{seen:?}");
    }

    #[test]
    fn own_routes_and_learned_ones() {
        let own = paths(&load(include_str!("../../testdata/gobgp/3.10-rib-prefix.json")), "local");
        assert_eq!((own[0].from.as_str(), own[0].origin(), own[0].best), ("local", None, true));
        let sent = paths(&load(include_str!("../../testdata/gobgp/3.10-adj-out.json")), "local");
        assert_eq!(sent[0].as_path, [64511]);
        let rib = paths(&load(include_str!("../../testdata/gobgp/3.10-rib.json")), "local");
        assert!(rib.iter().any(|p| p.from == "10.0.4.1" && p.origin() == Some(64500)), "{rib:?}");
    }

    #[test]
    fn an_error_is_said_in_its_words() {
        let error = json(include_str!("../../testdata/gobgp/3.10-error.json"));
        assert_eq!(error, Err(Error::Refused("not found neighbor 10.9.9.9".to_owned())));
        assert!(matches!(json("Error: unknown command \"bogus\" for \"gobgp\""), Err(Error::Json(_))));
    }

    proptest! {
        #[test]
        fn json_of_another_shape_is_no_session(text in "(\\[\\{\"(state|conf|afi_safis)\":(1|\\[2\\]|\\{\"a\":1\\}|\"x\")\\}\\]|\\{\"192\\.0\\.2\\.0/24\":(1|\\[1\\]|\\[\\{\"attrs\":2\\}\\])\\})") {
            let value = load(&text);
            let _ = (sessions(&value), paths(&value, "own"));
        }
    }
}
