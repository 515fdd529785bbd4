//! The service description table (SDT, ETSI EN 300 468 section 5.2.3): what the programs are called.

use super::psi::current_body;

/// PID of the SDT.
pub(super) const SDT_PID: u16 = 0x11;
/// SDT of this stream, as opposed to one of another stream (0x46) and the bouquet table (0x4a) on the same PID.
pub(super) const SDT_TABLE: u8 = 0x42;
const SERVICE_DESCRIPTOR: u8 = 0x48;

/// One service of the SDT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The program number in PAT and PMT.
    pub id: u16,
    /// What viewers see.
    pub name: String,
    /// Who provides it.
    pub provider: String,
}

/// Services of a section of the SDT.
pub(super) fn parse_sdt(section: &[u8]) -> Vec<Service> {
    let body = current_body(section, SDT_TABLE).unwrap_or_default();
    // The network id and a reserved byte.
    let mut rest = body.get(3..).unwrap_or_default();
    let mut services = Vec::new();
    while let [a, b, _, c, d, ref after @ ..] = *rest {
        let length = usize::from(u16::from_be_bytes([c & 0x0f, d]));
        let Some((descriptors, next)) = after.split_at_checked(length) else { break };
        let (provider, name) = names(descriptors).unwrap_or_default();
        services.push(Service { id: u16::from_be_bytes([a, b]), name, provider });
        rest = next;
    }
    services
}

fn names(mut descriptors: &[u8]) -> Option<(String, String)> {
    while let [tag, length, ref rest @ ..] = *descriptors {
        let (body, next) = rest.split_at_checked(usize::from(length))?;
        if tag == SERVICE_DESCRIPTOR {
            let (_, body) = body.split_first()?;
            let (provider, body) = counted(body)?;
            return Some((text(provider), text(counted(body)?.0)));
        }
        descriptors = next;
    }
    None
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

/// Text with its character table named by the first byte, EN 300 468 annex A. Of tables other than Unicode and Latin 1
/// the letters outside ASCII are shown as `?`; without a table's name, UTF-8 is believed, which many multiplexers send.
fn text(bytes: &[u8]) -> String {
    let single = |bytes: &[u8], latin: bool| -> String {
        // 0x80 to 0x9f control emphasis and line breaks.
        let letters = bytes.iter().filter(|byte| !(0x80..0xa0).contains(*byte));
        letters.map(|&byte| if byte.is_ascii() || latin { char::from(byte) } else { '?' }).collect()
    };
    let text = match *bytes {
        [0x15, ref utf8 @ ..] => String::from_utf8_lossy(utf8).into_owned(),
        [0x11, ref wide @ ..] => {
            let units = wide.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or('?')).collect()
        }
        [0x10, 0, table, ref rest @ ..] => single(rest, table == 1),
        // Latin 9 differs from Latin 1 by eight signs.
        [first @ ..0x20, ref rest @ ..] => single(rest, first == 0x0b),
        ref rest => std::str::from_utf8(rest).map_or_else(|_| single(rest, false), ToOwned::to_owned),
    };
    text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_the_character_table_that_they_name() {
        for (bytes, expected) in [
            (&b"Kanal 1"[..], "Kanal 1"),
            (b"\x15Caf\xc3\xa9", "Café"),
            (b"Caf\xc3\xa9", "Café"),
            (b"\x10\0\x01Caf\xe9", "Café"),
            (b"\x0bCaf\xe9", "Café"),
            (b"\x11\0C\0\xe9", "Cé"),
            (b"\x01\xc0\xd1 TV", "?? TV"),
            (b"A\x86B\x87C", "ABC"),
            (b"\x15", ""),
            (b"", ""),
        ] {
            assert_eq!(text(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn hostile_tables_end() {
        assert!(parse_sdt(&[]).is_empty());
        let mut section = vec![SDT_TABLE, 0xf0, 30, 0, 1, 0xc1, 0, 0, 0xff, 1, 0xff];
        section.extend([0, 1, 0xfc, 0x80, 8, 0x48, 200, 1, 255, 0, 0, 0, 0]);
        section.extend([0; 4]);
        assert_eq!(parse_sdt(&section), [Service { id: 1, name: String::new(), provider: String::new() }]);
    }
}
