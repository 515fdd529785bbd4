//! GoBGP by its own client, `gobgp -j`: its API is gRPC, which would cost more code than all other daemons together.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use serde_json::Value;
use weir_contract::{Problem, fault};
use weir_probe::Deadline;
use weir_wire::bgp::{Condition, Path, Prefix, gobgp};

use super::{Announcement, Export, SESSIONS_MAX, View};

/// The client's output is read up to here.
const OUTPUT_MAX: u64 = 4 << 20;

fn ask(api: &str, deadline: &Deadline, arguments: &[&str]) -> Result<Value, Problem> {
    let no_data = |text: String| Problem::new(&fault::NO_DATA, text);
    let (host, port) = api.rsplit_once(':').unwrap_or((api, "50051"));
    let mut client = Command::new("gobgp")
        .args(["-j", "-u", host, "-p", port])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| no_data(format!("cannot run the client gobgp: {error}")))?;
    let (sender, receiver) = mpsc::channel();
    let output = client.stdout.take();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = output.map(|output| output.take(OUTPUT_MAX).read_to_end(&mut text));
        let _ = sender.send(read.map(|_| text));
    });
    let said = receiver.recv_timeout(deadline.remaining());
    // Both are without effect on a client that has ended, which it has when its output has.
    let _ = client.kill();
    let _ = client.wait();
    let text = said
        .ok()
        .flatten()
        .ok_or_else(|| no_data("the client gobgp does not end: the daemon hangs".to_owned()))?;
    gobgp::json(&String::from_utf8_lossy(&text)).map_err(|error| match &error {
        gobgp::Error::Refused(why) if why.contains("deadline") || why.contains("refused") => {
            Problem::new(&fault::BGP_DAEMON, format!("nobody answers: {why}"))
        }
        _ => no_data(error.to_string()),
    })
}

fn family(prefix: Prefix) -> &'static str {
    if prefix.address().is_ipv4() { "ipv4" } else { "ipv6" }
}

pub(super) fn announcement(api: &str, deadline: &Deadline, prefix: Prefix) -> Result<Announcement, Problem> {
    let mut announcement = Announcement::default();
    let mut sessions = gobgp::sessions(&ask(api, deadline, &["neighbor"])?);
    sessions.retain(|session| session.carries(prefix.address()));
    for session in sessions.into_iter().take(SESSIONS_MAX) {
        // `adj-out` lists the prefix also while the session is down, so a session that is down need not be asked.
        let table = if session.established {
            ask(api, deadline, &["neighbor", &session.name, "adj-out", "-a", family(prefix)])?
        } else {
            Value::Null
        };
        let own: Vec<Path> =
            gobgp::paths(&table, "").into_iter().filter(|path| path.prefix == prefix).collect();
        if session.restarting {
            announcement.stale.push(format!("routes of {}", session.name));
        }
        if own.iter().any(|path| path.condition == Condition::Stale) {
            announcement.stale.push(format!("{prefix} towards {}", session.name));
        }
        announcement.exports.push(Export { sent: !own.is_empty(), session });
    }
    Ok(announcement)
}

pub(super) fn view(api: &str, deadline: &Deadline, prefix: Prefix) -> Result<View, Problem> {
    let table =
        ask(api, deadline, &["global", "rib", &prefix.to_string(), "longer-prefixes", "-a", family(prefix)])?;
    let mut paths = gobgp::paths(&table, "this router");
    paths.retain(|path| !path.as_path.is_empty());
    let roas = vec![None; paths.len()];
    Ok(View { paths, roas })
}
