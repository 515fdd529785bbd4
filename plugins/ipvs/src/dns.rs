//! Names of addresses and addresses of names, asked of the machine's resolvers all at once: for people, never for a verdict.
//!
//! A director's check links no runtime for this: one socket, one time limit, and what has not come by then is done without.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use weir_wire::dns::{Answer, Name, REPLY_MAX, code, parse, question_for_resolver, reverse_name};

use crate::table::text;

/// All of it takes at most so long.
const LIMIT: Duration = Duration::from_secs(1);
/// A director has a few dozen addresses; more questions are not asked.
const QUESTIONS_MAX: usize = 1000;
/// Resolvers that are tried (resolv.conf(5) knows as many).
const RESOLVERS_MAX: usize = 3;

/// The names of addresses.
pub(crate) fn names(addresses: &[IpAddr]) -> HashMap<IpAddr, String> {
    let questions: Vec<(Name, u16)> = addresses.iter().map(|ip| (reverse_name(*ip), code::PTR)).collect();
    let answers = ask(&questions, &resolvers());
    let named = addresses.iter().zip(answers);
    named.filter_map(|(ip, answer)| Some((*ip, answer?.targets.into_iter().next()?))).collect()
}

/// The addresses of names.
pub(crate) fn addresses<'a>(hosts: impl Iterator<Item = &'a str>) -> HashMap<String, Vec<IpAddr>> {
    let named: Vec<(String, Name)> =
        hosts.filter_map(|host| Some((host.to_owned(), host.parse().ok()?))).collect();
    let kinds = [code::A, code::AAAA];
    let questions: Vec<(Name, u16)> =
        named.iter().flat_map(|(_, name)| kinds.map(|kind| (name.clone(), kind))).collect();
    let answers = ask(&questions, &resolvers());
    let mut found: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for ((host, _), answers) in named.into_iter().zip(answers.chunks(kinds.len())) {
        found.entry(host).or_default().extend(answers.iter().flatten().flat_map(|a| a.addresses.clone()));
    }
    found
}

fn resolvers() -> Vec<SocketAddr> {
    let conf = text(Path::new("/etc/resolv.conf")).unwrap_or_default();
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
    };
    let servers = conf.lines().filter_map(server).take(RESOLVERS_MAX);
    servers.map(|ip: IpAddr| SocketAddr::new(ip, 53)).collect()
}

/// Asks the first resolver, and each next one for what is still open when the one before has had its share of the time.
fn ask(questions: &[(Name, u16)], resolvers: &[SocketAddr]) -> Vec<Option<Answer>> {
    let mut answers = vec![None; questions.len()];
    let end = Instant::now() + LIMIT;
    for (number, resolver) in (1_u32..).zip(resolvers) {
        let left = u32::try_from(resolvers.len()).unwrap_or(1).saturating_sub(number) + 1;
        let until = Instant::now() + end.saturating_duration_since(Instant::now()) / left;
        // A resolver that cannot be reached leaves its time to the next.
        let _ = ask_one(questions, *resolver, until, &mut answers);
        if answers.iter().all(Option::is_some) {
            break;
        }
    }
    answers
}

fn ask_one(
    questions: &[(Name, u16)],
    resolver: SocketAddr,
    until: Instant,
    answers: &mut [Option<Answer>],
) -> std::io::Result<()> {
    let any: IpAddr =
        if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(resolver)?; // answers of others are not received
    // Whoever wants to forge an answer must guess this and the port.
    #[allow(clippy::cast_possible_truncation, reason = "random bits")]
    let base = RandomState::new().hash_one(0) as u16;
    let id = |number: u16| base.wrapping_add(number);
    let mut open = 0;
    for (number, (name, kind)) in (0_u16..).zip(questions).take(QUESTIONS_MAX) {
        if answers[usize::from(number)].is_none() {
            socket.send(&question_for_resolver(id(number), name, *kind))?;
            open += 1;
        }
    }
    let mut buffer = [0; REPLY_MAX];
    while open > 0 {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        let Ok(answer) = parse(&buffer[..length]) else { continue };
        let number = usize::from(answer.id.wrapping_sub(base));
        if let Some(slot @ None) = answers.get_mut(number) {
            *slot = Some(answer);
            open -= 1;
        }
    }
    Ok(())
}
