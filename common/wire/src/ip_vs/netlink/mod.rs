//! The generic netlink family `IPVS`, version 1 (`linux/ip_vs.h`), and the routing family's list of addresses: requests out,
//! replies in.
//!
//! Traps that the functions avoid, all measured: attributes come out of numeric order and, where the kernel aligns 64-bit
//! values (user-mode Linux, many machines that are not x86), with zero-length PAD attributes of type 11 before each, which is
//! also the number of a destination's address family one level up; ports are big-endian, but those of the daemons native;
//! the netmask of IPv6 is a prefix length; 32-bit statistics wrap, so the 64-bit ones are read.

mod attribute;
mod decode;
mod request;
#[cfg(test)]
mod tests;

pub use attribute::{Attribute, Attributes, Message, Messages, NetlinkError};
pub use decode::{
    ADDRESS_REPLY, Info, InterfaceAddress, Timeouts, daemon, dest, family_id, info, interface_address,
    service, timeouts,
};
pub use request::{
    GET_CONFIG, GET_DAEMON, GET_DEST, GET_INFO, GET_SERVICE, dump_addresses, get_config, get_daemons,
    get_dests, get_family, get_info, get_service, get_services,
};
