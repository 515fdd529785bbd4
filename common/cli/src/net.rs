//! The options of everything that opens connections.

use std::path::PathBuf;

use clap::Args;
use weir_probe::{Addresses, ConnectTo, Family, NetOptions, Probe};

use crate::Common;

/// How to reach the target.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Network")]
pub struct NetArgs {
    /// Use IPv4 only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Use IPv6 only.
    #[arg(short = '6', long)]
    ipv6: bool,

    /// Which addresses of the name must serve: the first, any (tried in turn, as players do), all, or at least N.
    #[arg(long, value_name = "first|any|all|N", default_value_t)]
    pub addresses: Addresses,

    /// Look for the host of the URL at this address, whatever its name says: one server behind a balancer, with the name that it is
    /// asked for by its clients.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    connect_to: Option<ConnectTo>,

    /// Certificates in PEM to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl NetArgs {
    /// A probe whose time begins now.
    pub fn probe(&self, common: &Common) -> Probe {
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        let transcript = common.wants_transcript();
        let (ca_file, connect_to) = (self.ca_file.clone(), self.connect_to);
        Probe::new(common.timeout, NetOptions { family, ca_file, transcript, connect_to })
    }
}
