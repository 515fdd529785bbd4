//! ExaBGP by its named pipes `exabgp.in` and `exabgp.out` (`exabgpcli` uses the same): one asker at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path as Place;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, OFlags, flock};
use weir_contract::{Problem, fault};
use weir_probe::Deadline;
use weir_wire::bgp::Prefix;
use weir_wire::bgp::exabgp::{self, REPLY_MAX};

use super::{Announcement, Export, SESSIONS_MAX, unreachable};

struct Pipes<'a> {
    commands: File,
    answers: File,
    deadline: &'a Deadline,
}

impl<'a> Pipes<'a> {
    fn open(folder: &Place, deadline: &'a Deadline) -> Result<Self, Problem> {
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let open = |name: &str, options: &mut OpenOptions| {
            let path = folder.join(name);
            // A pipe without a reader refuses to be opened for writing (ENXIO): the daemon has died.
            options.custom_flags(nonblocking).open(&path).map_err(|error| match error.raw_os_error() {
                Some(6) => Problem::new(
                    &fault::BGP_DAEMON,
                    format!("nobody reads {}: the daemon has died", path.display()),
                ),
                _ => unreachable(&path, &error),
            })
        };
        let commands = open("exabgp.in", OpenOptions::new().write(true))?;
        let answers = open("exabgp.out", OpenOptions::new().read(true))?;
        // Two askers at once would take each other's answers.
        flock(&commands, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Problem::new(&fault::NO_DATA, "somebody else is asking ExaBGP at this moment"))?;
        let mut pipes = Self { commands, answers, deadline };
        // Answers that nobody has fetched are kept by the daemon and would come first: all up to a known one are thrown away.
        pipes.send("version")?;
        pipes.receive("version", |text| {
            text.find("exabgp ")
                .map_or(Ok(None), |at| exabgp::reply(&text[at..]).map(|reply| reply.map(|_| ())))
        })?;
        Ok(pipes)
    }

    fn ask(&mut self, command: &str) -> Result<String, Problem> {
        self.send(command)?;
        self.receive(command, |text| exabgp::reply(text).map(|reply| reply.map(|_| text.to_owned())))
    }

    fn send(&mut self, command: &str) -> Result<(), Problem> {
        let sent = self.commands.write_all(format!("{command}\n").as_bytes());
        sent.map_err(|error| Problem::new(&fault::NO_DATA, format!("cannot ask: {error}")))
    }

    /// Reads until `whole` finds what it looks for.
    fn receive<T>(
        &mut self,
        command: &str,
        whole: impl Fn(&str) -> Result<Option<T>, exabgp::Refused>,
    ) -> Result<T, Problem> {
        let no_data = |text: String| Problem::new(&fault::NO_DATA, text);
        let (mut reply, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let patience = Timespec::try_from(self.deadline.remaining()).ok();
            let ready =
                poll(&mut [PollFd::new(&self.answers, PollFlags::IN)], patience.as_ref()).unwrap_or(0);
            let length = if ready == 0 { 0 } else { self.answers.read(&mut buffer).unwrap_or(0) };
            if length == 0 {
                if self.deadline.remaining().is_zero() {
                    return Err(no_data(format!("no answer to `{command}`: the daemon hangs")));
                }
                // The daemon opens the pipe for each line; while it is closed, poll returns at once.
                std::thread::sleep(std::time::Duration::from_millis(5));
                continue;
            }
            reply.extend_from_slice(&buffer[..length]);
            if reply.len() > REPLY_MAX {
                return Err(no_data(format!("the answer to `{command}` is too long")));
            }
            match whole(&String::from_utf8_lossy(&reply)) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => return Err(no_data(error.to_string())),
            }
        }
    }
}

pub(super) fn announcement(
    folder: &Place,
    deadline: &Deadline,
    prefix: Prefix,
) -> Result<Announcement, Problem> {
    let mut pipes = Pipes::open(folder, deadline)?;
    let configuration = pipes.ask("show neighbor configuration")?;
    let summary = pipes.ask("show neighbor summary")?;
    let table = pipes.ask("show adj-rib out")?;
    let lines = |text| exabgp::reply(text).ok().flatten().unwrap_or_default();
    let sent = exabgp::sent(&lines(&table));
    let sessions = exabgp::sessions(&lines(&configuration), &lines(&summary));
    let exports =
        sessions.into_iter().filter(|s| s.carries(prefix.address())).take(SESSIONS_MAX).map(|session| {
            // The table also holds what waits for a session that is down.
            let listed = sent.iter().any(|path| path.prefix == prefix && path.from == session.name);
            Export { sent: session.established && listed, session }
        });
    Ok(Announcement { exports: exports.collect(), ..Announcement::default() })
}
