//! Requests.

use std::net::IpAddr;

use super::attribute::{GENERIC_HEADER, HEADER, align};
use crate::ip_vs::Key;

/// The family of families (`GENL_ID_CTRL`).
const CONTROL: u16 = 0x10;
/// `CTRL_CMD_GETFAMILY`
const GET_FAMILY: u8 = 3;
/// `RTM_GETADDR`
const GET_ADDRESS: u16 = 22;
/// `IPVS_CMD_GET_SERVICE`; a reply carries `IPVS_CMD_NEW_SERVICE`, and so on.
pub const GET_SERVICE: u8 = 4;
/// `IPVS_CMD_GET_DEST`
pub const GET_DEST: u8 = 8;
/// `IPVS_CMD_GET_DAEMON`
pub const GET_DAEMON: u8 = 11;
/// `IPVS_CMD_GET_CONFIG`
pub const GET_CONFIG: u8 = 13;
/// `IPVS_CMD_GET_INFO`
pub const GET_INFO: u8 = 15;

/// `NLM_F_REQUEST`
const REQUEST: u16 = 1;
/// `NLM_F_ACK`
const ACK: u16 = 4;
/// `NLM_F_ROOT | NLM_F_MATCH`
const DUMP: u16 = 0x300;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;

/// `AF_INET`
pub(super) const INET: u16 = 2;
/// `AF_INET6`
pub(super) const INET6: u16 = 10;

/// Asks for the number of the family `name`. **Asking loads its kernel module**: look first whether it is there.
pub fn get_family(name: &str, sequence: u32) -> Vec<u8> {
    let mut value = name.as_bytes().to_vec();
    value.push(0);
    generic(CONTROL, GET_FAMILY, ACK, sequence, &attribute(2, &value))
}

/// Asks for version and size of the connection table.
pub fn get_info(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, GET_INFO, ACK, sequence, &[])
}

/// Asks for the timeouts.
pub fn get_config(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, GET_CONFIG, ACK, sequence, &[])
}

/// Asks for the synchronisation daemons.
pub fn get_daemons(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, GET_DAEMON, DUMP, sequence, &[])
}

/// Asks for all services.
pub fn get_services(family: u16, sequence: u32) -> Vec<u8> {
    generic(family, GET_SERVICE, DUMP, sequence, &[])
}

/// Asks for one service; `ESRCH` when there is none. The only way to tell an empty service from a missing one.
pub fn get_service(family: u16, sequence: u32, key: &Key) -> Vec<u8> {
    generic(family, GET_SERVICE, ACK, sequence, &service_attribute(key))
}

/// Asks for the destinations of one service; a service that does not exist has none, without an error.
pub fn get_dests(family: u16, sequence: u32, key: &Key) -> Vec<u8> {
    generic(family, GET_DEST, DUMP, sequence, &service_attribute(key))
}

/// Asks the routing family for all addresses of this machine.
pub fn dump_addresses(sequence: u32) -> Vec<u8> {
    message(GET_ADDRESS, DUMP, sequence, &[0; 8])
}

fn service_attribute(key: &Key) -> Vec<u8> {
    let family = if key.is_ipv6() { INET6 } else { INET };
    let mut inner = attribute(1, &family.to_ne_bytes());
    match key {
        Key::Fwmark { mark, .. } => inner.extend(attribute(5, &mark.to_ne_bytes())),
        Key::Address { protocol, address } => {
            inner.extend(attribute(2, &protocol.number().to_ne_bytes()));
            let mut bytes = [0; 16];
            match address.ip() {
                IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => bytes = ip.octets(),
            }
            inner.extend(attribute(3, &bytes));
            inner.extend(attribute(4, &address.port().to_be_bytes()));
        }
    }
    attribute(1 | NESTED, &inner)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = value.len() + 4;
    let mut out = Vec::with_capacity(align(length));
    // Nothing that is asked for is longer than a name.
    out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(align(length), 0);
    out
}

fn generic(family: u16, command: u8, flags: u16, sequence: u32, attributes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(GENERIC_HEADER + attributes.len());
    payload.extend([command, 1, 0, 0]);
    payload.extend(attributes);
    message(family, flags, sequence, &payload)
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = HEADER + payload.len();
    let mut out = Vec::with_capacity(length);
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend((flags | REQUEST).to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend([0; 4]); // the kernel fills in who asks
    out.extend(payload);
    out
}
