//! What the nodes report: the JSON of `check_anycast_node`, one file a node. The time of the file is that of the report: a node
//! pushes it with its time (rsync -t, sftp) or the collector stamps it on arrival.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use weir_contract::{Problem, fault};

/// A report is far shorter.
const REPORT_MAX: u64 = 256 * 1024;
/// Nodes that are looked at.
const NODES_MAX: usize = 1024;

/// One node's report.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reported {
    /// The file's name without `.json`.
    pub(super) node: String,
    /// Seconds since it was written.
    pub(super) age: u64,
    /// What it says, or why it cannot be read.
    pub(super) said: Result<Said, String>,
}

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    /// The state's name, and the worst sentence or the headline.
    pub(super) state: String,
    pub(super) text: String,
    /// On how many sessions each family is announced; `None` when the node could not look.
    pub(super) announced: [Option<u64>; 2],
}

/// All reports of a folder, by name.
///
/// # Errors
/// E-PERMISSION or E-NO-DATA when the folder cannot be read.
pub(super) fn read(folder: &Path) -> Result<Vec<Reported>, Problem> {
    let entries = fs::read_dir(folder).map_err(|error| {
        let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
        let fault = if denied { &fault::PERMISSION } else { &fault::NO_DATA };
        Problem::new(fault, format!("cannot read the reports in {}: {error}", folder.display()))
    })?;
    let mut reports: Vec<Reported> =
        entries.flatten().take(NODES_MAX).filter_map(|e| one(&e.path())).collect();
    reports.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(reports)
}

fn one(path: &Path) -> Option<Reported> {
    if path.extension()? != "json" {
        return None;
    }
    let node = path.file_stem()?.to_string_lossy().into_owned();
    let file = fs::File::open(path);
    let time = file.as_ref().ok().and_then(|f| f.metadata().ok()?.modified().ok());
    // A time in the future is a clock that is wrong, not a fresh report for ever; a second is no clock that is wrong.
    let age = time.map_or(u64::MAX, |time| match SystemTime::now().duration_since(time) {
        Ok(age) => age.as_secs(),
        Err(ahead) if ahead.duration().as_secs() <= 1 => 0,
        Err(_) => u64::MAX,
    });
    let mut text = String::new();
    let read = file.and_then(|file| file.take(REPORT_MAX).read_to_string(&mut text));
    let said = read.map_err(|error| error.to_string()).and_then(|_| said(&text));
    Some(Reported { node, age, said })
}

fn said(text: &str) -> Result<Said, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    if value["schema"].as_str().is_none_or(|schema| !schema.starts_with("weir-check/")) {
        return Err("not written by check_anycast_node --output json".to_owned());
    }
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metric = |instance: &str| {
        let metrics = value["metrics"].as_array().into_iter().flatten();
        let mut own = metrics.filter(|m| m["field"] == "announced" && m["instance"] == instance);
        own.next().and_then(|metric| metric["value"].as_u64())
    };
    let finding = words(&value["findings"][0]["text"]);
    Ok(Said {
        state: words(&value["state"]),
        text: if finding.is_empty() { words(&value["headline"]) } else { finding },
        announced: [metric("v4"), metric("v6")],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_both_families() {
        let text = r#"{"schema":"weir-check/1","state":"WARNING","headline":"h","findings":[{"text":"v6 is dead"}],
            "metrics":[{"field":"announced","instance":"v4","value":2},{"field":"announced","instance":"v6","value":null}]}"#;
        let said = said(text).expect("a report");
        assert_eq!(
            (said.announced, said.text.as_str(), said.state.as_str()),
            ([Some(2), None], "v6 is dead", "WARNING")
        );
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        assert!(said("{}").expect_err("no report").contains("check_anycast_node"));
        assert!(said("<html>").expect_err("no report").contains("no JSON"));
    }
}
