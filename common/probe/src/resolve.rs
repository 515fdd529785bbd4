//! Names to addresses with hickory-resolver: hosts file, search list and all; a lookup ends at the deadline, which one
//! by `getaddrinfo` cannot.

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

impl Probe {
    /// All addresses of `host` that count, IPv4 first, in the order that the resolver gave. An address literal (with or
    /// without brackets) is returned as it is, without a resolver.
    ///
    /// # Errors
    /// E-DNS-NXDOMAIN, E-DNS-NO-ADDRESS, E-DNS-FAILED or E-DNS-TIMEOUT.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Problem> {
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
            let addresses = self.resolver()?.lookup_ip(host).await.map_err(|error| problem(host, &error))?;
            let mut addresses: Vec<SocketAddr> =
                addresses.iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, port)).collect();
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
