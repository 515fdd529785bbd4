//! GoBGP by its gRPC API. Whoever reaches the API may do everything; this asks with the two methods that list.

use std::path::Path as File;

use weir_contract::{Problem, fault};
use weir_probe::Probe;
use weir_probe::grpc::{Grpc, Reply, UNIMPLEMENTED};
use weir_wire::bgp::gobgp::{self, Api, Method, REPLY_MAX, Table};
use weir_wire::bgp::{Path, Prefix, Roa};

use super::{Announcement, Export, SESSIONS_MAX, View};

/// Where GoBGP listens unless it is told otherwise.
const PORT: u16 = 50051;

struct Gobgp<'a> {
    grpc: Grpc,
    probe: &'a Probe,
}

impl<'a> Gobgp<'a> {
    /// `place` is `HOST`, `HOST:PORT`, or the path of a unix socket.
    async fn open(probe: &'a Probe, place: &str) -> Result<Self, Problem> {
        let grpc = if place.starts_with('/') {
            Grpc::connect_unix(probe, File::new(place)).await
        } else {
            let (host, port) = host_and_port(place)?;
            let servers = probe.resolve(host, port).await?;
            let nobody = || Problem::new(&fault::DNS_NO_ADDRESS, format!("{host} has no address"));
            Grpc::connect(probe, *servers.first().ok_or_else(nobody)?).await
        };
        Ok(Self { grpc: grpc.map_err(looked)?, probe })
    }

    async fn call(&mut self, api: Api, method: Method, question: &[u8]) -> Result<Reply, Problem> {
        let (path, question) = (api.path(method), gobgp::frame(question));
        self.grpc.ask(self.probe, path, question, REPLY_MAX).await.map_err(looked)
    }

    /// The generation of the daemon, with its answer to a question put in that generation's words: the newer one first.
    async fn first(
        &mut self,
        method: Method,
        question: impl Fn(Api) -> Vec<u8>,
    ) -> Result<(Api, Vec<u8>), Problem> {
        let four = self.call(Api::V4, method, &question(Api::V4)).await?;
        if four.status != UNIMPLEMENTED {
            return Ok((Api::V4, well(four)?));
        }
        let three = self.call(Api::V3, method, &question(Api::V3)).await?;
        Ok((Api::V3, well(three)?))
    }
}

fn host_and_port(place: &str) -> Result<(&str, u16), Problem> {
    let wrong =
        || Problem::new(&fault::USAGE, format!("`{place}` is not HOST, HOST:PORT or a socket's path"));
    match place.rsplit_once(':') {
        // The last colon of a bare IPv6 address is not that of a port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            Ok((host, port.parse().map_err(|_| wrong())?))
        }
        _ => Ok((place, PORT)),
    }
}

/// The answer, unless the daemon refused.
fn well(reply: Reply) -> Result<Vec<u8>, Problem> {
    match reply.status {
        0 => Ok(reply.body),
        status => {
            Err(Problem::new(&fault::NO_DATA, format!("it refuses, with status {status}: {}", reply.message)))
        }
    }
}

/// A problem of the network, told as what it says about a daemon.
fn looked(problem: Problem) -> Problem {
    let problem_of = |fault, what: &str| Problem::new(fault, format!("{what}: {}", problem.text));
    match problem.fault {
        f if f == &fault::TCP_REFUSED => problem_of(&fault::BGP_DAEMON, "the daemon has died"),
        f if f.is_timeout() => problem_of(&fault::NO_DATA, "the daemon hangs"),
        f if f == &fault::PROTOCOL || f == &fault::CONN_CLOSED => {
            problem_of(&fault::NO_DATA, "this is no GoBGP")
        }
        _ => problem,
    }
}

fn destinations(api: Api, body: &[u8], own: &str) -> Result<Vec<(Path, Option<Roa>)>, Problem> {
    Ok(api.destinations(&messages(body)?, own))
}

fn messages(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    gobgp::messages(body).map_err(|error| Problem::new(&fault::NO_DATA, error.to_string()))
}

pub(super) async fn announcement(
    probe: &Probe,
    place: &str,
    prefix: Prefix,
) -> Result<Announcement, Problem> {
    let mut gobgp = Gobgp::open(probe, place).await?;
    let mut announcement = Announcement::default();
    let (api, peers) = gobgp.first(Method::ListPeer, |_| Vec::new()).await?;
    let mut sessions = gobgp::sessions(&messages(&peers)?);
    sessions.retain(|session| session.carries(prefix.address()));
    for session in sessions.into_iter().take(SESSIONS_MAX) {
        // What would be sent is listed also while the session is down, so a session that is down need not be asked.
        let sent = session.established && {
            let question = api.paths(Table::Sent(&session.name), prefix);
            let table = well(gobgp.call(api, Method::ListPath, &question).await?)?;
            destinations(api, &table, "")?.iter().any(|(path, _)| path.prefix == prefix)
        };
        if session.restarting {
            announcement.stale.push(format!("routes of {}", session.name));
        }
        announcement.exports.push(Export { session, sent });
    }
    Ok(announcement)
}

pub(super) async fn view(probe: &Probe, place: &str, prefix: Prefix) -> Result<View, Problem> {
    let mut gobgp = Gobgp::open(probe, place).await?;
    let (api, table) = gobgp.first(Method::ListPath, |api| api.paths(Table::Global, prefix)).await?;
    let known = destinations(api, &table, "this router")?;
    let (paths, roas) = known.into_iter().filter(|(path, _)| !path.as_path.is_empty()).unzip();
    Ok(View { paths, roas })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_port_of_its_own_or_the_usual_one() {
        assert_eq!(host_and_port("192.0.2.9:50052"), Ok(("192.0.2.9", 50052)));
        assert_eq!(host_and_port("[2001:db8::1]:50052"), Ok(("[2001:db8::1]", 50052)));
        assert_eq!(host_and_port("2001:db8::1"), Ok(("2001:db8::1", 50051)));
        assert_eq!(host_and_port("router.example"), Ok(("router.example", 50051)));
        assert!(host_and_port("router.example:x").is_err());
    }
}
