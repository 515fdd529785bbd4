//! What is remembered between runs: the node, its changes, the way. A change counts when two runs in a row have seen it: while a
//! route moves, answers of both nodes arrive for some milliseconds.

use std::fmt::Write;

/// Changes that are remembered.
const CHANGES_MAX: usize = 256;

/// The memory of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    node: Settled,
    path: Settled,
    /// When the node changed, in seconds since 1970.
    changes: Vec<u64>,
}

/// A text that changes only when it was seen twice in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settled {
    now: String,
    next: String,
}

impl Settled {
    /// Takes what was seen; gives what was before, when it has just changed.
    fn see(&mut self, seen: &str) -> Option<String> {
        if self.now.is_empty() || self.now == seen {
            seen.clone_into(&mut self.now);
            self.next.clear();
            None
        } else if self.next == seen {
            self.next.clear();
            Some(std::mem::replace(&mut self.now, seen.to_owned()))
        } else {
            seen.clone_into(&mut self.next);
            None
        }
    }
}

impl History {
    /// Reads what was saved; what is not understood is forgotten.
    pub(super) fn read(text: &str) -> Self {
        let mut history = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(' ') else { continue };
            match key {
                "node" => value.clone_into(&mut history.node.now),
                "next-node" => value.clone_into(&mut history.node.next),
                "path" => value.clone_into(&mut history.path.now),
                "next-path" => value.clone_into(&mut history.path.next),
                "changed" => history.changes.extend(value.parse::<u64>()),
                _ => {}
            }
        }
        history
    }

    pub(super) fn write(&self) -> String {
        let mut out = String::new();
        let settled = [("node", &self.node), ("path", &self.path)];
        for (key, value) in settled {
            let _ = write!(out, "{key} {}\nnext-{key} {}\n", value.now, value.next);
        }
        for at in &self.changes {
            let _ = writeln!(out, "changed {at}");
        }
        out
    }

    /// Takes the node that answers now.
    pub(super) fn see_node(&mut self, node: &str, now: u64) {
        if self.node.see(node).is_some() {
            self.changes.push(now);
        }
    }

    /// Takes the way that packets go now; gives the one before when it has changed. A router that was silent in one of two
    /// runs is no change.
    pub(super) fn see_path(&mut self, path: &str) -> Option<String> {
        if same(&self.path.now, path) {
            self.path.next.clear();
            return None;
        }
        if same(&self.path.next, path) {
            path.clone_into(&mut self.path.next);
        }
        self.path.see(path)
    }

    /// The changes of the last `window` seconds.
    pub(super) fn changes(&mut self, now: u64, window: u64) -> usize {
        self.changes.retain(|at| *at <= now && now - *at <= window);
        let surplus = self.changes.len().saturating_sub(CHANGES_MAX);
        self.changes.drain(..surplus);
        self.changes.len()
    }
}

/// Whether two hop lists can be the same way.
fn same(a: &str, b: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split(' ').collect(), b.split(' ').collect());
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || *a == "*" || *b == "*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_change_counts_when_two_runs_have_seen_it() {
        let mut history = History::default();
        for (now, node, changes) in [
            (1, "wix1", 0),
            (2, "ape1", 0),
            (3, "wix1", 0),
            (4, "ape1", 0),
            (5, "ape1", 1),
            (6, "wix1", 1),
            (7, "wix1", 2),
        ] {
            history = History::read(&history.write());
            history.see_node(node, now);
            assert_eq!(history.changes(now, 100), changes, "at {now}");
        }
        assert_eq!(history.changes(106, 100), 1, "the first is forgotten");
        assert_eq!(history.changes(3, 100), 0, "a clock that was set back keeps none of the future");
    }

    #[test]
    fn a_silent_router_is_no_new_way() {
        let mut history = History::default();
        for (path, changed) in [
            ("10.0.1.1 10.0.2.1", None),
            ("10.0.1.1 *", None),
            ("10.0.1.1 10.0.3.1 10.0.4.1", None),
            ("10.0.1.1 10.0.3.1 *", Some("10.0.1.1 10.0.2.1")),
        ] {
            assert_eq!(history.see_path(path).as_deref(), changed, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in "(?s).{0,200}") {
            let mut history = History::read(&text);
            history.see_node("wix1", 5);
            let _ = (history.see_path("10.0.0.1"), history.changes(5, 5), history.write());
        }
    }
}
