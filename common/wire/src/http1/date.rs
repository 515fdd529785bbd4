//! `Date`, `Last-Modified`: HTTP dates (RFC 9110 section 5.6.7), to Unix seconds.

use crate::hls::parse_date_time;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that is still sent. Unix seconds; `None` when it is not a date.
pub fn parse_http_date(text: &str) -> Option<f64> {
    let (_, date) = text.trim().split_once(", ")?;
    let mut words = date.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next() != Some("GMT") || words.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    parse_date_time(&format!("{year}-{month}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::parse_http_date;

    #[test]
    fn what_servers_send_is_read() {
        // `date -u -d "06 Nov 1994 08:49:37" +%s`
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777.0));
        assert_eq!(parse_http_date(" Sat, 21 Nov 2026 04:21:00 GMT"), Some(1_795_234_860.0));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 06 Nev 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}
