//! The kernel's table by its socket options: the cheapest way to the servers of large pools.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use weir_probe::sockopt;
use weir_wire::ip_vs::control::{self, GET_DESTS, GET_INFO, GET_SERVICES, Info, LEVEL, Pool};
use weir_wire::ip_vs::{Dest, Key, MAX_ROWS};

/// One question costs the kernel as much as so many rows of `/proc/net/ip_vs`; where services have fewer servers on average, that text
/// is cheaper.
const ROWS_A_QUESTION: usize = 32;
/// Servers that may come while we ask.
const SPARE: u32 = 8;

/// The socket, and what is known before the servers are asked for.
#[derive(Debug)]
pub struct Control {
    socket: OwnedFd,
    /// Buckets of the connection table.
    pub size: u32,
    pools: HashMap<Key, Pool>,
    buffer: Vec<u8>,
}

impl Control {
    /// `None` where the kernel does not answer: `CAP_NET_ADMIN` is missing.
    pub fn open() -> Option<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None).ok()?;
        let mut info = [0; Info::SIZE];
        sockopt::read(&socket, LEVEL, GET_INFO, &mut info).ok()?;
        let Info { size, services } = Info::read(&info).filter(|info| info.services as usize <= MAX_ROWS)?;
        let mut buffer = control::ask_services(services);
        let length = sockopt::read(&socket, LEVEL, GET_SERVICES, &mut buffer).ok()?;
        let pools = control::pools(buffer.get(..length)?).into_iter().map(|pool| (pool.key, pool)).collect();
        Some(Self { socket, size, pools, buffer })
    }

    /// Whether this is a cheaper way to all servers than a text.
    pub fn has_large_pools(&self) -> bool {
        let servers: usize = self.pools.values().map(|pool| pool.servers as usize).sum();
        servers > self.pools.len() * ROWS_A_QUESTION
    }

    /// All services of IPv4.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.values()
    }

    /// The servers of a service, with thresholds and templates; `None` where this interface does not tell all of them.
    pub fn dests(&mut self, key: &Key) -> Option<Vec<Dest>> {
        let count = self.pools.get(key)?.servers;
        if count as usize > MAX_ROWS || !control::ask_dests(&mut self.buffer, key, count + SPARE) {
            return None;
        }
        let length = sockopt::read(&self.socket, LEVEL, GET_DESTS, &mut self.buffer).ok()?;
        let dests = control::dests(self.buffer.get(..length)?);
        // One of another family is left out, and of more than there was room for the last.
        (dests.len() as u64 >= u64::from(count) && dests.len() as u64 != u64::from(count + SPARE))
            .then_some(dests)
    }
}
