//! `EXT-X-PROGRAM-DATE-TIME`: ISO 8601 as encoders write it, to Unix seconds.

/// Reads `2026-11-21T04:21:00.887+0000` and its kin: any number of fraction digits, `Z`, `+01:00`, `+0100`, `+01`, or no zone,
/// which is taken for UTC. Unix seconds; `None` when it is not a date.
pub fn parse_date_time(text: &str) -> Option<f64> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (time, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (&time[..at], zone_seconds(&time[at..])?),
        None => (time, 0),
    };
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let [hour, minute, second] = numbers(clock, ':')?;
    // 60 is a leap second.
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour <= 24 && minute <= 59 && second <= 60;
    if !in_range || !(1..=9999).contains(&year) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds as f64 + format!("0.{fraction}0").parse::<f64>().ok()?)
}

/// Three numbers of digits alone.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let digits = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| digits)
    });
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// `Z`, `+01:00`, `+0100`, `+01`: seconds east of Greenwich.
fn zone_seconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at(1) {
        ("+", digits) => (1, digits.replace(':', "")),
        ("-", digits) => (-1, digits.replace(':', "")),
        (_, rest) => return rest.is_empty().then_some(0),
    };
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let minutes = if minutes.is_empty() { 0 } else { minutes.parse::<i64>().ok()? };
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes * 60))
}

/// Days since 1970-01-01 in the Gregorian calendar: the year begins in March, so that the leap day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_zone_is_the_same_moment() {
        for text in [
            "2026-11-21T04:21:00.887+0000",
            "2026-11-21T04:21:00.887Z",
            "2026-11-21T05:21:00.887+01:00",
            "2026-11-20T22:51:00.887000-05:30",
            "2026-11-21T06:21:00.887+02",
            " 2026-11-21 04:21:00,887 ",
        ] {
            // `date -u -d 2026-11-21T04:21:00Z +%s`
            assert_eq!(parse_date_time(text), Some(1_795_234_860.887), "{text}");
        }
    }

    #[test]
    fn calendar_is_right_at_its_edges() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("1969-12-31T23:59:59Z", -1.0),
            ("2000-02-29T00:00:00Z", 951_782_400.0),
            ("2100-03-01T00:00:00Z", 4_107_542_400.0),
        ] {
            assert_eq!(parse_date_time(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-13-01T00:00:00Z",
            "2026-11-21T25:00:00Z",
            "T",
            "2026-11-21T04:21Z",
            "2026-11-21T04:21:00.8x7Z",
            "2026-11-21T04:21:00+1",
            "2026-11-21T04:21:00Zulu",
            "2026-+1-21T04:21:00Z",
        ] {
            assert_eq!(parse_date_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_day_later_is_a_day_more(days in 0i64..4_000_000) {
            // Independent of the formula: count the days of each year.
            let (mut year, mut left) = (1i64, days % 100_000);
            let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
            while left >= 365 + i64::from(leap(year)) { left -= 365 + i64::from(leap(year)); year += 1; }
            prop_assert_eq!(days_from_civil(year, 1, 1) + left - days_from_civil(1, 1, 1), days % 100_000);
        }

        #[test]
        fn never_panics(text in "[0-9TZ:.+é -]{0,40}") {
            parse_date_time(&text);
        }
    }
}
