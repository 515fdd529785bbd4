//! Names to addresses: the hosts file, then hickory-resolver with search list and all. A lookup ends at the deadline, which
//! one by `getaddrinfo` cannot.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use weir_contract::{Problem, fault};

use crate::{Family, Probe};

pub(crate) type Resolver = TokioResolver;

/// One resolver is asked for this long before the next; a silent first of two then leaves time for the second.
const PER_TRY: Duration = Duration::from_secs(2);

/// A name with more addresses is cut here.
const ADDRESSES_MAX: usize = 64;

/// The hosts file of the system.
const HOSTS: &str = "/etc/hosts";
/// It is read up to here.
const HOSTS_MAX: u64 = 1 << 20;

impl Probe {
    /// All addresses of `host` that count, IPv4 first, in the order that the resolver gave. An address literal (with or
    /// without brackets) is returned as it is, without a resolver.
    ///
    /// # Errors
    /// E-DNS-NXDOMAIN, E-DNS-NO-ADDRESS, E-DNS-FAILED or E-DNS-TIMEOUT.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Problem> {
        if let Some(address) = self.instead(host, port) {
            self.note(&format!("{host}:{port} is looked for at {address}"));
            return Ok(vec![address]);
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return match (self.options.family, ip) {
                (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) => {
                    Err(Problem::new(&fault::USAGE, format!("{ip} is not of the family that was asked for")))
                }
                _ => Ok(vec![SocketAddr::new(ip, port)]),
            };
        }
        self.stage("resolve", &fault::DNS_TIMEOUT, async {
            let mut ips = in_hosts_file(&hosts_file(), host, self.options.family);
            if ips.is_empty() {
                let resolver = self.resolver()?;
                let found = match resolver.lookup_ip(host).await {
                    // The search list had the last word, and knows nothing of it: what is said of the name itself counts.
                    Err(error) if error.is_nx_domain() && host.trim_end_matches('.').contains('.') => {
                        resolver.lookup_ip(format!("{}.", host.trim_end_matches('.'))).await
                    }
                    found => found,
                };
                ips = found.map_err(|error| problem(host, &error))?.iter().collect();
            }
            let mut addresses: Vec<SocketAddr> =
                ips.into_iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, port)).collect();
            addresses.sort_by_key(SocketAddr::is_ipv6);
            addresses.dedup();
            let list: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
            self.note(&format!("{host} is {}", list.join(", ")));
            if addresses.is_empty() {
                return Err(Problem::new(&fault::DNS_NO_ADDRESS, format!("{host} has no address")));
            }
            Ok(addresses)
        })
        .await
    }

    /// Where `--connect-to` puts the target; hosts that a redirect or playlist names stay where they are.
    pub(crate) fn instead(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let to = self.options.connect_to?;
        let (target, first) = self.shared.target.get_or_init(|| (host.to_owned(), port));
        let port = if port == *first { to.port.unwrap_or(port) } else { port };
        target.eq_ignore_ascii_case(host).then(|| SocketAddr::new(to.ip, port))
    }

    fn resolver(&self) -> Result<&Resolver, Problem> {
        if let Some(resolver) = self.shared.resolver.get() {
            return Ok(resolver);
        }
        let failed = |error: NetError| {
            Problem::new(&fault::DNS_FAILED, format!("cannot set up the resolver: {error}"))
        };
        let mut builder = TokioResolver::builder_tokio().map_err(failed)?;
        let options = builder.options_mut();
        options.ip_strategy = match self.options.family {
            Family::Any => LookupIpStrategy::Ipv4AndIpv6,
            Family::V4 => LookupIpStrategy::Ipv4Only,
            Family::V6 => LookupIpStrategy::Ipv6Only,
        };
        options.timeout = options.timeout.min(PER_TRY);
        let resolver = builder.build().map_err(failed)?;
        Ok(self.shared.resolver.get_or_init(|| resolver))
    }
}

/// The hosts file; empty when it cannot be read.
fn hosts_file() -> String {
    let mut bytes = Vec::new();
    // What was read before an error counts, as in the C library.
    let _ = std::fs::File::open(HOSTS).and_then(|file| file.take(HOSTS_MAX).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What hosts(5) says of `host`. A name that stands there with one family is not asked for in the DNS with the other one, as the
/// C library has it (`hosts: files dns`): else a dead name server would delay names that need none.
fn in_hosts_file(hosts: &str, host: &str, family: Family) -> Vec<IpAddr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let names_host =
        |line: &&str| line.split_whitespace().skip(1).any(|name| name.eq_ignore_ascii_case(host));
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .filter(names_host)
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .filter(|ip: &IpAddr| match family {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        })
        .collect()
}

fn problem(host: &str, error: &NetError) -> Problem {
    if error.is_nx_domain() {
        Problem::new(&fault::DNS_NXDOMAIN, format!("the name {host} does not exist"))
    } else if error.is_no_records_found() {
        Problem::new(&fault::DNS_NO_ADDRESS, format!("the name {host} has no address of the wanted family"))
    } else if matches!(error, NetError::Timeout) {
        Problem::new(&fault::DNS_TIMEOUT, format!("no resolver answered for {host}"))
    } else {
        Problem::new(&fault::DNS_FAILED, format!("cannot resolve {host}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_where_it_was_put_and_other_hosts_stay() {
        let connect_to = Some("192.0.2.7:8080".parse().expect("an address"));
        let probe =
            Probe::new(Duration::from_secs(1), crate::NetOptions { connect_to, ..Default::default() });
        let at = |host, port| probe.instead(host, port).map(|address| address.to_string());
        assert_eq!(at("live.example", 80).as_deref(), Some("192.0.2.7:8080"));
        assert_eq!(at("Live.example", 443).as_deref(), Some("192.0.2.7:443"));
        assert_eq!(at("192.0.2.9", 80), None);
        let none = Probe::new(Duration::from_secs(1), crate::NetOptions::default());
        assert_eq!(none.instead("live.example", 80), None);
        assert!("live.example".parse::<crate::ConnectTo>().is_err());
        assert_eq!("[2001:db8::7]".parse::<crate::ConnectTo>().map(|to| to.port), Ok(None));
    }

    #[test]
    fn the_hosts_file_answers_for_its_names() {
        const FILE: &str = "127.0.0.1 localhost\n# 192.0.2.9 live.example\n192.0.2.1\tLive.Example alias # x\n\
                            192.0.2.2 live.example\n2001:db8::1 live.example\nnonsense live.example\n192.0.2.3\n";
        let found = |host, family| {
            let ips = in_hosts_file(FILE, host, family);
            ips.iter().map(IpAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found("live.example", Family::Any), ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        assert_eq!(found("LIVE.example.", Family::V4), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(found("alias", Family::V6), Vec::<String>::new());
        assert_eq!(found("x", Family::Any), Vec::<String>::new());
    }
}
