//! FRR by its vty sockets, without vtysh: 0.1 ms for a question instead of 25 ms.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path as File, PathBuf};

use serde_json::Value;
use weir_contract::{Problem, fault};
use weir_probe::Deadline;
use weir_wire::bgp::{Condition, Prefix, Roa, frr};

use super::{Announcement, Export, SESSIONS_MAX, View, patience, unreachable};

struct Vty<'a> {
    stream: UnixStream,
    socket: PathBuf,
    deadline: &'a Deadline,
}

impl<'a> Vty<'a> {
    fn open(folder: &File, daemon: &str, deadline: &'a Deadline) -> Result<Self, Problem> {
        let socket = folder.join(format!("{daemon}.vty"));
        let stream = UnixStream::connect(&socket).map_err(|error| unreachable(&socket, &error))?;
        Ok(Self { stream, socket, deadline })
    }

    fn ask(&mut self, command: &str) -> Result<Value, Problem> {
        let failed = |error: std::io::Error| unreachable(&self.socket, &error);
        let broken = |error: frr::Error| Problem::new(&fault::NO_DATA, format!("`{command}`: {error}"));
        self.stream.write_all(&frr::command(command)).map_err(failed)?;
        let (mut reply, mut buffer) = (Vec::new(), [0; 8192]);
        loop {
            let read = self
                .stream
                .set_read_timeout(Some(patience(self.deadline)))
                .and_then(|()| self.stream.read(&mut buffer));
            let length = read.map_err(failed)?;
            if length == 0 {
                return Err(Problem::new(
                    &fault::NO_DATA,
                    "FRR closed the connection in the middle of a reply",
                ));
            }
            reply.extend_from_slice(&buffer[..length]);
            if let Some(text) = frr::reply(&reply).map_err(broken)? {
                return frr::json(&text).map_err(broken);
            }
        }
    }
}

fn family(prefix: Prefix) -> &'static str {
    if prefix.address().is_ipv4() { "ipv4" } else { "ipv6" }
}

pub(super) fn announcement(
    folder: &File,
    deadline: &Deadline,
    prefix: Prefix,
) -> Result<Announcement, Problem> {
    let mut bgpd = Vty::open(folder, "bgpd", deadline)?;
    let family = family(prefix);
    let table = bgpd.ask(&format!("show bgp {family} unicast {prefix} json"))?;
    let summary = bgpd.ask(&format!("show bgp {family} unicast summary json"))?;
    let mut announcement = Announcement::default();
    for mut session in frr::sessions(&summary, family == "ipv6").into_iter().take(SESSIONS_MAX) {
        let sent = session.established && frr::advertised(&table, &session.name);
        let detail = bgpd.ask(&format!("show bgp neighbors {} json", session.name))?;
        frr::neighbor_detail(&mut session, &detail);
        if session.restarting {
            announcement.stale.push(format!("routes of {}", session.name));
        }
        announcement.exports.push(Export { session, sent });
    }
    let own = "this router";
    let stale = frr::paths(&table, own).into_iter().filter(|path| path.condition == Condition::Stale);
    announcement.stale.extend(stale.map(|path| format!("{} by {}", path.prefix, path.from)));
    // zebra is another daemon with a socket of its own; without it the kernel is asked directly elsewhere.
    if let Ok(mut zebra) = Vty::open(folder, "zebra", deadline) {
        let word = if family == "ipv4" { "ip" } else { "ipv6" };
        if frr::refused(&zebra.ask(&format!("show {word} route {prefix} json"))?) {
            announcement.refused.push(format!("{prefix} by zebra"));
        }
    }
    Ok(announcement)
}

pub(super) fn view(folder: &File, deadline: &Deadline, prefix: Prefix) -> Result<View, Problem> {
    let mut bgpd = Vty::open(folder, "bgpd", deadline)?;
    let table = bgpd.ask(&format!("show bgp {} unicast {prefix} longer-prefixes json", family(prefix)))?;
    let mut paths = frr::paths(&table, "this router");
    paths.retain(|path| !path.as_path.is_empty() && path.condition != Condition::Invalid);
    let mut roas: Vec<Option<Roa>> = Vec::with_capacity(paths.len());
    for path in &paths {
        let detail = bgpd.ask(&format!("show bgp {} unicast {} json", family(prefix), path.prefix))?;
        roas.push(frr::roa(&detail, &path.from));
    }
    Ok(View { paths, roas })
}
