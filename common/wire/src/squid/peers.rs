//! The page `server_list`: parents and siblings.

use super::values::count;
use super::{Page, PageError, blocks};

/// What a peer is to this cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Misses are fetched through it; an accelerator's origin is one too.
    #[default]
    Parent,
    /// It is asked for hits only.
    Sibling,
    /// A multicast group of siblings.
    Multicast,
}

/// One peer, over all workers. The line `Flags` is not read: it may hold `login=user:password`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The configured name, by default the host; two peers at one address have two names.
    pub name: String,
    /// What it is to this cache.
    pub role: Role,
    /// Host name or address.
    pub host: String,
    /// HTTP port.
    pub port: u16,
    /// Workers that know it.
    pub workers: u32,
    /// Those that hold it for alive.
    pub workers_up: u32,
    /// Requests sent to it.
    pub fetches: u64,
    /// Connections open to it.
    pub connections: u64,
    /// ICP or HTCP questions sent; `None` with `no-query`.
    pub pings_sent: Option<u64>,
    /// Those that it answered.
    pub pings_acked: Option<u64>,
    /// When the last connection to it failed, as the server writes it.
    pub last_failed_connect: Option<String>,
}

/// Most peers that are kept.
const PEERS_MAX: usize = 4096;

impl Peer {
    /// Whether every worker holds it for alive.
    pub fn is_up(&self) -> bool {
        self.workers_up == self.workers
    }

    /// Reads the page: all peers in the order of the configuration.
    ///
    /// # Errors
    /// When it is another page or cut off.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, PageError> {
        Page::ServerList.check(text)?;
        let mut peers: Vec<Self> = Vec::new();
        for block in blocks::split(Page::ServerList.name(), text)? {
            for peer in parse_block(block) {
                let same = |p: &Self| p.name == peer.name && p.host == peer.host && p.port == peer.port;
                match peers.iter().position(same) {
                    Some(known) => peers[known].absorb(peer),
                    None if peers.len() < PEERS_MAX => peers.push(peer),
                    None => {}
                }
            }
        }
        Ok(peers)
    }

    /// Adds what another worker says about the same peer.
    fn absorb(&mut self, other: Self) {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.workers += other.workers;
        self.workers_up += other.workers_up;
        self.fetches = self.fetches.saturating_add(other.fetches);
        self.connections = self.connections.saturating_add(other.connections);
        self.pings_sent = sum(self.pings_sent, other.pings_sent);
        self.pings_acked = sum(self.pings_acked, other.pings_acked);
        self.last_failed_connect = self.last_failed_connect.take().or(other.last_failed_connect);
    }
}

fn parse_block(block: &str) -> Vec<Peer> {
    let mut peers: Vec<Peer> = Vec::new();
    for line in block.lines() {
        // The one label with a colon in its value only: `Last failed connect() at: 21/Nov/2026:04:28:01 +0000`.
        let Some((label, value)) = line.split_once(':') else { continue };
        let (label, value) = (label.trim(), value.trim());
        let role = match label {
            "Parent" => Some(Role::Parent),
            "Sibling" => Some(Role::Sibling),
            "Multicast Group" | "Multicast G" => Some(Role::Multicast),
            _ => None,
        };
        if let Some(role) = role {
            if peers.len() == PEERS_MAX {
                break;
            }
            peers.push(Peer { name: value.to_owned(), role, workers: 1, ..Peer::default() });
        }
        let Some(peer) = peers.last_mut() else { continue };
        let count = || count(value).unwrap_or(0);
        match label {
            "Host" => (peer.host, peer.port) = host(value),
            "Status" => peer.workers_up = u32::from(value.starts_with("Up")),
            "FETCHES" => peer.fetches = count(),
            "OPEN CONNS" => peer.connections = count(),
            "PINGS SENT" => peer.pings_sent = Some(count()),
            "PINGS ACKED" => peer.pings_acked = Some(count()),
            "Last failed connect() at" => peer.last_failed_connect = Some(value.to_owned()),
            _ => {}
        }
    }
    peers
}

/// `127.0.0.1/13181/0` or `2001:db8::1/3128/3130`: host, HTTP port, ICP port.
fn host(value: &str) -> (String, u16) {
    let mut parts = value.rsplitn(3, '/');
    let (_icp, http, host) = (parts.next(), parts.next(), parts.next());
    (host.unwrap_or(value).to_owned(), http.and_then(|port| port.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = include_str!("../../testdata/squid/5.7-server_list.txt");

    #[test]
    fn two_peers_at_one_address_stay_two() {
        let peers = Peer::parse_list(LIST).unwrap();
        let [origin, sibling] = &peers[..] else { panic!("{peers:?}") };
        assert_eq!((origin.name.as_str(), origin.host.as_str(), origin.port), ("origin", "127.0.0.1", 13181));
        assert_eq!((origin.is_up(), origin.fetches, origin.pings_sent), (true, 443, None));
        assert_eq!((sibling.role, sibling.is_up(), sibling.fetches), (Role::Sibling, false, 0));
        assert_eq!((sibling.pings_sent, sibling.pings_acked), (Some(35), Some(0)));
        assert_eq!(sibling.last_failed_connect.as_deref(), Some("21/Nov/2026:04:28:01 +0000"));
    }

    #[test]
    fn workers_are_summed() {
        let peers = Peer::parse_list(include_str!("../../testdata/squid/5.7-smp2-server_list.txt")).unwrap();
        assert_eq!(peers.len(), 1);
        assert_eq!(
            (peers[0].fetches, peers[0].connections, peers[0].workers, peers[0].workers_up),
            (5, 2, 2, 2)
        );
    }

    #[test]
    fn no_peers_is_an_answer() {
        assert_eq!(Peer::parse_list("There are no neighbors installed.\n"), Ok(Vec::new()));
    }

    #[test]
    fn an_ipv6_peer_keeps_its_colons() {
        assert_eq!(host("2001:db8::1/3128/3130"), ("2001:db8::1".to_owned(), 3128));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(lines in prop::collection::vec("(Parent|Host|Status|by kid1 \\{|\\} by kid1)?[ :/{}]{0,3}\\PC{0,9}", 0..20)) {
            let _ = Peer::parse_list(&format!("Parent : x\n{}\n", lines.join("\n")));
        }
    }
}
