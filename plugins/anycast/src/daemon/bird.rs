//! BIRD by its control socket. Whoever can open it can do anything, so the first command gives that power up.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path as File;

use weir_contract::{Problem, fault};
use weir_probe::Deadline;
use weir_wire::bgp::bird::{self, Decoder, Reply};
use weir_wire::bgp::{Condition, Path, Prefix, Roa, Session};

use super::{Announcement, Export, SESSIONS_MAX, View, patience, unreachable};

struct Bird<'a> {
    stream: UnixStream,
    socket: &'a File,
    deadline: &'a Deadline,
    decoder: Decoder,
}

impl<'a> Bird<'a> {
    fn open(socket: &'a File, deadline: &'a Deadline) -> Result<Self, Problem> {
        let stream = UnixStream::connect(socket).map_err(|error| unreachable(socket, &error))?;
        let mut bird = Self { stream, socket, deadline, decoder: Decoder::default() };
        bird.reply()?; // the greeting
        bird.ask("restrict\n")?;
        Ok(bird)
    }

    fn ask(&mut self, command: &str) -> Result<Reply, Problem> {
        self.stream.write_all(command.as_bytes()).map_err(|error| unreachable(self.socket, &error))?;
        self.reply()
    }

    fn reply(&mut self) -> Result<Reply, Problem> {
        let broken = |error: bird::Error| Problem::new(&fault::NO_DATA, error.to_string());
        // What came with the last reply may hold this one.
        if let Some(reply) = self.decoder.push(&[]).map_err(broken)? {
            return Ok(reply);
        }
        let mut buffer = [0; 8192];
        loop {
            let read = self
                .stream
                .set_read_timeout(Some(patience(self.deadline)))
                .and_then(|()| self.stream.read(&mut buffer));
            let length = read.map_err(|error| unreachable(self.socket, &error))?;
            if length == 0 {
                return Err(Problem::new(
                    &fault::NO_DATA,
                    "BIRD closed the connection in the middle of a reply",
                ));
            }
            if let Some(reply) = self.decoder.push(&buffer[..length]).map_err(broken)? {
                return Ok(reply);
            }
        }
    }

    /// The sessions that carry the family of `prefix`. One that has never been up tells its channels all the same.
    fn sessions(&mut self, prefix: Prefix) -> Result<Vec<Session>, Problem> {
        let reply = self.ask("show protocols all\n")?;
        let mut sessions = bird::sessions(&reply);
        sessions.retain(|session| session.carries(prefix.address()) && bird::is_symbol(&session.name));
        sessions.truncate(SESSIONS_MAX);
        Ok(sessions)
    }
}

pub(super) fn announcement(
    socket: &File,
    deadline: &Deadline,
    prefix: Prefix,
    reach: &[IpAddr],
) -> Result<Announcement, Problem> {
    let mut bird = Bird::open(socket, deadline)?;
    let mut announcement = Announcement::default();
    let watched = bfd_neighbors(&bird.ask("show bfd sessions\n")?);
    for mut session in bird.sessions(prefix)? {
        session.bfd = Some(session.neighbor.is_some_and(|neighbor| watched.contains(&neighbor)));
        // A session that is down answers 9001 like a misspelt name: the state was asked for first, so that it is not mistaken.
        let sent = session.established && {
            let reply = bird.ask(&bird::exported(prefix, &session.name))?;
            !reply.failed() && bird::paths(&reply).iter().any(|path| path.prefix == prefix)
        };
        if session.restarting {
            announcement.stale.push(format!("routes of {}", session.name));
        }
        announcement.exports.push(Export { session, sent });
    }
    let mut questions = vec![format!("show route {prefix} all\n")];
    questions.extend(
        reach.iter().filter(|ip| ip.is_ipv4() == prefix.address().is_ipv4()).map(|ip| bird::towards(*ip)),
    );
    for question in questions {
        for path in bird::paths(&bird.ask(&question)?) {
            match path.condition {
                Condition::Refused => announcement.refused.push(format!("{} by {}", path.prefix, path.from)),
                Condition::Stale => announcement.stale.push(format!("{} by {}", path.prefix, path.from)),
                Condition::Valid | Condition::Invalid => {}
            }
        }
    }
    Ok(announcement)
}

/// The neighbours in `show bfd sessions` that are up.
fn bfd_neighbors(reply: &Reply) -> Vec<IpAddr> {
    let up = |text: &String| {
        let mut words = text.split_whitespace();
        let neighbor = words.next()?.parse().ok()?;
        (words.nth(1)? == "Up").then_some(neighbor)
    };
    reply.lines.iter().filter_map(|(_, text)| up(text)).collect()
}

pub(super) fn view(
    socket: &File,
    deadline: &Deadline,
    prefix: Prefix,
    roa_table: Option<&str>,
) -> Result<View, Problem> {
    let mut bird = Bird::open(socket, deadline)?;
    let mut paths = bird::paths(&bird.ask(&format!("show route in {prefix} all\n"))?);
    // Routes of the router itself (static, direct) are no announcements.
    paths.retain(|path| !path.as_path.is_empty());
    // What is kept while a neighbour restarts looks like any other route; only the session tells.
    let mut restarting = bird.sessions(prefix)?;
    restarting.retain(|session| session.restarting);
    for path in paths.iter_mut().filter(|path| restarting.iter().any(|s| s.name == path.from)) {
        path.condition = Condition::Stale;
    }
    let mut roas = Vec::with_capacity(paths.len());
    for path in &paths {
        roas.push(match roa_table {
            Some(table) => roa(&mut bird, table, path)?,
            None => None,
        });
    }
    Ok(View { paths, roas })
}

fn roa(bird: &mut Bird, table: &str, path: &Path) -> Result<Option<Roa>, Problem> {
    let Some(origin) = path.origin() else { return Ok(None) };
    let reply = bird.ask(&format!("eval roa_check({table}, {}, {origin})\n", path.prefix))?;
    match bird::roa(&reply) {
        Some(roa) => Ok(Some(roa)),
        None => Err(Problem::new(
            &fault::USAGE,
            format!("BIRD cannot check against the table {table}: {}", reply.last()),
        )),
    }
}
